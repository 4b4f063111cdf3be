#!/bin/bash
# sluice-dataplane is killed and started again during a call: control puts the session back, on
# the same ports, and media flows again.
#
#   SIPp, rtp.py 192.0.2.2 ---- 192.0.2.1 gateway 198.51.100.1 ---- 198.51.100.2 SIPp, rtp.py
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

smoke_begin
gateway_start
callee_plays callee_answers
caller_plays 2001 caller_hangs_up -- -d 9000
call_is_up
media_both 1
expect_clean_media caller 45
lab_stop dataplane KILL
dataplane_start
wait_until 5 sessions_are 1 || fail "the session was not put back"

media_both 2
expect_clean_media caller 95 exact=100
expect_clean_media callee 95 exact=100
sipp_done caller callee
expect_cdr answered!=null
expect_nothing_left
