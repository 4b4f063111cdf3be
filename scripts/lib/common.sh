# shellcheck shell=bash
# What every script here starts with: strict mode, the root of the project, and how to speak to a
# person. Messages go to standard error, so that standard output stays free for results.
set -euo pipefail

SLUICE_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
export SLUICE_ROOT

say() {
	printf '%s\n' "$*" >&2
}

# A step of something longer: printed at once, so that waiting has a name.
step() {
	printf '==> %s\n' "$*" >&2
}

die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# For scripts in which every command has to succeed: say which one did not.
explain_failures() {
	set -E
	trap 'say "${0##*/}: line $LINENO of ${BASH_SOURCE[0]##*/} failed: $BASH_COMMAND"' ERR
}

# sleep that a signal ends at once: bash runs no trap while it waits for a command.
pause() {
	sleep "$1" >/dev/null 2>&1 &
	wait $!
}

# The comment at the top of the script is its help text.
usage() {
	sed -n -e '/^# shellcheck/d' -e '2,/^[^#]/{s/^# \{0,1\}//p}' "$0"
}

# sudo that never waits for a password where nobody can type one.
sudo_command() {
	if [ -t 0 ]; then
		echo "sudo"
	else
		echo "sudo -n"
	fi
}

# Run as root: directly, or through sudo. Fails where neither is possible.
as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		$(sudo_command) "$@"
	else
		say "${0##*/}: this needs root, and there is no sudo: run it as root"
		return 1
	fi
}

# wait_until SECONDS COMMAND...: poll until the command succeeds; 1 when the time is over.
wait_until() {
	local deadline=$((${EPOCHREALTIME/./} + $1 * 1000000))
	shift
	until "$@"; do
		[ "${EPOCHREALTIME/./}" -lt "$deadline" ] || return 1
		sleep 0.1
	done
}
