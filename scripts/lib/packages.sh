# shellcheck shell=bash
# Install what is missing of scripts/packages. Debian 12 is assumed, and nothing else: no compiler,
# no Python, not even sudo where the caller is root.

# The packages of the named groups, one a line.
packages_list() {
	awk -v wanted=" $* " '
		/^\[/ { on = index(wanted, " " substr($1, 2, length($1) - 2) " "); next }
		on && NF && $1 !~ /^#/ { print $1 }' "$SLUICE_ROOT/scripts/packages" | sort -u
}

packages_missing() {
	local package
	while read -r package; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
			echo "$package"
	done < <(packages_list "$@")
}

apt_get() {
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 \
		-o DPkg::Lock::Timeout=120 "$@" </dev/null
}

# apt-get with its output in a log, shown only when it failed.
apt_get_quiet() {
	local log
	log=$(mktemp)
	if ! apt_get "$@" >"$log" 2>&1; then
		tail -n 20 "$log" >&2
		rm -f "$log"
		return 1
	fi
	rm -f "$log"
}

packages_install() {
	local missing
	command -v apt-get >/dev/null ||
		die "no apt-get here: Sluice's scripts know Debian 12 (install what scripts/packages lists)"
	mapfile -t missing < <(packages_missing "$@")
	[ ${#missing[@]} -gt 0 ] || return 0
	step "installing ${#missing[@]} packages: ${missing[*]}"
	if ! apt_get_quiet install --no-install-recommends "${missing[@]}" 2>/dev/null; then
		apt_get_quiet update ||
			die "apt-get update failed (see above): is there a network and a Debian mirror?"
		apt_get_quiet install --no-install-recommends "${missing[@]}" ||
			die "apt-get could not install the packages (see above)"
	fi
}
