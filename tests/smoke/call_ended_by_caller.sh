#!/bin/bash
# A call: set up, media both ways bit for bit, ended by the caller; one CDR, and nothing is left.
#
#   SIPp, rtp.py 192.0.2.2 ---- 192.0.2.1 gateway 198.51.100.1 ---- 198.51.100.2 SIPp, rtp.py
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

smoke_begin
gateway_start
callee_plays callee_answers
caller_plays 2001 caller_hangs_up -- -d 4000
call_is_up
media_both 2.5
sipp_done caller callee

expect_clean_media caller 120 exact=125
expect_clean_media callee 120 exact=125
expect_cdr status=200 ended_by=a from=1001 to=2001 recovered=false legs.0.rx_packets=125 legs.1.rx_packets=125 legs.0.lost=0 legs.1.lost=0
expect_nothing_left
