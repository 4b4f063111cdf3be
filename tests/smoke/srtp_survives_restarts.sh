#!/bin/bash
# Both programs are killed and started again during a call with SRTP: control without a gap in the
# media; the dataplane, which has forgotten indices and SSRC, so that media is back at once.
#
#   phone (SRTP) 192.0.2.2 ---- 192.0.2.1 gateway 198.51.100.1 ---- 198.51.100.2 phone (SRTP)
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

smoke_begin
GATEWAY_CALLER_POLICY="srtp: required" GATEWAY_CALLEE_POLICY="srtp: required" gateway_start
PHONE_CALLER_MEDIAENC=srtp-mand PHONE_CALLEE_MEDIAENC=srtp-mand phones_start
phones_talk 3
lab_stop control KILL
pause 1
control_start
pause 2
expect_session_stats legs.0.lost=0 legs.1.lost=0 "legs.0.tx_packets>250" "legs.1.tx_packets>250"

lab_stop dataplane KILL
dataplane_start
wait_until 5 sessions_are 1 || fail "the session was not put back"
pause 6
expect_session_stats legs.0.lost=0 legs.1.lost=0 "legs.0.tx_packets>200" "legs.1.tx_packets>200"
phone_do caller hangup
expect_cdr answered!=null recovered=true "legs.0.dropped_auth<=1" legs.0.dropped_replay=0 \
	"legs.1.dropped_auth<=1" legs.1.dropped_replay=0
expect_heard_speech 0.98 "0 5"
expect_heard_speech 0.95 "-4"
expect_nothing_left
