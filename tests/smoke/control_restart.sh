#!/bin/bash
# sluice-control is killed and started again during a call: the media does not notice, BYE works
# afterwards, and the CDR is written once.
#
#   SIPp, rtp.py 192.0.2.2 ---- 192.0.2.1 gateway 198.51.100.1 ---- 198.51.100.2 SIPp, rtp.py
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

smoke_begin
gateway_start
callee_plays callee_answers
caller_plays 2001 caller_hangs_up -- -d 6000
call_is_up
media_start caller 4
media_start callee 4
sleep 1
lab_stop control KILL
sleep 0.5
control_start
media_done caller callee
sipp_done caller callee

expect_clean_media caller 195 exact=200 "max_gap_ms<500"
expect_clean_media callee 195 exact=200 "max_gap_ms<500"
expect_cdr ended_by=a recovered=true legs.0.rx_packets=200 legs.1.rx_packets=200
expect_nothing_left
