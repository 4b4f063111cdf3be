#!/bin/bash
# Both programs are killed and started again during a call with SRTP: control without a gap in the
# media, and with what had come before it still known and refused when it comes again; the
# dataplane, which has forgotten indices and SSRC, so that media is back at once.
#
#   phone (SRTP) 192.0.2.2 ---- 192.0.2.1 gateway 198.51.100.1 ---- 198.51.100.2 phone (SRTP)
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# The gateway's port on a side.
media_port_of() {
	ctl --json sessions | grep -A 3 "\"leg\": \"$1\"" | sed -n 's/.*"local": ".*:\([0-9]*\)".*/\1/p'
}

# As known to have come, or as further back than anybody knows.
replays_are_refused() {
	[ "$(ctl drops | awk '/srtp_(replay|late)/ {n += $2} END {print n + 0}')" = "$1" ]
}

smoke_begin
GATEWAY_CALLER_POLICY="srtp: required" GATEWAY_CALLEE_POLICY="srtp: required" gateway_start
PHONE_CALLER_MEDIAENC=srtp-mand PHONE_CALLEE_MEDIAENC=srtp-mand phones_start
phones_talk 3
lab_in caller "$SMOKE/replay.py" record "$LAB/frames.json" eth0 "$(media_port_of a)" 20
lab_stop control KILL
pause 1
control_start
pause 1
lab_in caller "$SMOKE/replay.py" send "$LAB/frames.json" eth0
wait_until 5 replays_are_refused 20 || fail "repeated packets were not refused: $(ctl drops)"
expect_session_stats legs.0.lost=0 legs.1.lost=0 "legs.0.tx_packets>250" "legs.1.tx_packets>250"

lab_stop dataplane KILL
dataplane_start
wait_until 5 sessions_are 1 || fail "the session was not put back"
pause 6
expect_session_stats legs.0.lost=0 legs.1.lost=0 "legs.0.tx_packets>200" "legs.1.tx_packets>200"
phone_do caller hangup
expect_cdr answered!=null recovered=true "legs.0.$FEW_PLAIN" legs.0.dropped_replay=0 \
	"legs.1.$FEW_PLAIN" legs.1.dropped_replay=0
expect_heard_speech 0.98 "0 5"
expect_heard_speech 0.95 "-4"
expect_nothing_left
