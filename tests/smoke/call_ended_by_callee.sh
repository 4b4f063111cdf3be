#!/bin/bash
# A call that the callee ends: the BYE crosses the gateway the other way.
#
#   SIPp, rtp.py 192.0.2.2 ---- 192.0.2.1 gateway 198.51.100.1 ---- 198.51.100.2 SIPp, rtp.py
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

smoke_begin
gateway_start
callee_plays callee_hangs_up -- -d 3000
caller_plays 2001 caller_waits
call_is_up
media_both 1.5
sipp_done caller callee

expect_clean_media caller 70 exact=75
expect_clean_media callee 70 exact=75
expect_cdr status=200 ended_by=b legs.0.rx_packets=75 legs.1.rx_packets=75
expect_nothing_left
