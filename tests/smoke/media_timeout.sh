#!/bin/bash
# A call in which no media flows any more is ended by the gateway on both sides.
#
#   SIPp, rtp.py 192.0.2.2 ---- 192.0.2.1 gateway 198.51.100.1 ---- 198.51.100.2 SIPp, rtp.py
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

smoke_begin
GATEWAY_TIMERS="media_start_s: 4, media_s: 2" gateway_start
callee_plays callee_answers
caller_plays 2001 caller_waits
call_is_up
media_both 1
sipp_done caller callee

expect_cdr ended_by=sluice legs.0.rx_packets=50 legs.1.rx_packets=50
expect_nothing_left
