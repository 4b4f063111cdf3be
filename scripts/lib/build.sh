# shellcheck shell=bash
# The build directories, all beside the sources and all made by build_configure().
#
#   build          gcc, optimised with debug information, warnings are errors: test, dev
#   build-clang    the same with clang
#   build-asan     gcc with AddressSanitizer and UndefinedBehaviorSanitizer
#   build-fuzz     clang with libFuzzer and both sanitizers
#   build-release  gcc, release, link-time optimisation: bench
#   build-demo     gcc, release: demo

PROGRAMS=(dataplane/sluice-dataplane control/sluice-control control/cli/sluicectl)

# build_configure NAME: make the directory, or set its options if it is there.
build_configure() {
	local name=$1 compiler=gcc options
	case $name in
	build) options=(-Dwerror=true) ;;
	build-clang) compiler=clang-14 options=(-Dwerror=true) ;;
	build-asan) options=(-Dwerror=true "-Db_sanitize=address,undefined" -Db_lundef=false) ;;
	build-fuzz) compiler=clang-14 options=(-Dfuzz=true "-Db_sanitize=address,undefined" -Db_lundef=false) ;;
	build-release) options=(-Dbuildtype=release -Db_lto=true) ;;
	build-demo) options=(-Dbuildtype=release) ;;
	*) die "no build called $name" ;;
	esac
	if [ -e "$SLUICE_ROOT/$name/build.ninja" ]; then
		meson configure "$SLUICE_ROOT/$name" "${options[@]}" >/dev/null
	else
		CC=$compiler meson setup "$SLUICE_ROOT/$name" "$SLUICE_ROOT" "${options[@]}"
	fi
}

# build NAME [TARGET...]: configure and compile; the compiler's words on standard output.
build() {
	local name=$1
	shift
	build_configure "$name" && ninja -C "$SLUICE_ROOT/$name" "$@"
}

# build_quiet NAME [TARGET...]: the words go to NAME.log in the build directory, and their end is
# shown when it fails.
build_quiet() {
	local name=$1 log
	mkdir -p "$SLUICE_ROOT/$name"
	log=$SLUICE_ROOT/$name/build.log
	if ! build "$@" >"$log" 2>&1; then
		grep -E 'error|ERROR|FAILED|warning' -A 5 "$log" | tail -n 40 >&2 || tail -n 20 "$log" >&2
		say "building $name failed; the whole log is in $log"
		return 1
	fi
}
