#!/bin/bash
# A script killed with SIGKILL leaves namespaces and processes behind: the next laboratory removes
# them, and starts as if nothing had been.
#
#   caller ---- gateway ---- callee, twice
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

smoke_begin
gateway_start
lib=$SLUICE_ROOT/scripts/lib
bash -c ". '$lib/common.sh'; . '$lib/lab.sh'; lab_up; lab_spawn sleeper caller sleep 600
	kill -KILL \$\$" &
left=$!
{ wait $left || true; } 2>/dev/null
[ -e "$LAB_ROOT/$left/sleeper.pid" ] || fail "the killed script left nothing, so nothing is tested"
sleeper=$(cat "$LAB_ROOT/$left/sleeper.pid")
process_runs "$sleeper" || fail "the killed script's process is gone already"
lab_reap

! process_runs "$sleeper" || fail "its process lives on"
[ ! -e "/run/netns/sluice-$left-caller" ] || fail "its namespace is still there"
[ ! -e "$LAB_ROOT/$left" ] || fail "its directory is still there"
lab_alive dataplane || fail "our own laboratory was taken for a leftover"
