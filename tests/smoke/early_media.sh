#!/bin/bash
# The callee plays an announcement before it answers: 183 with SDP, and media to the caller from
# then on.
#
#   SIPp, rtp.py 192.0.2.2 ---- 192.0.2.1 gateway 198.51.100.1 ---- 198.51.100.2 SIPp, rtp.py
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

smoke_begin
gateway_start
callee_plays callee_early_media -- -d 2500
caller_plays 2001 caller_hears_early -- -d 1500
wait_until 5 test -s "$LAB/caller.port" || fail "no early answer reached the caller"
media_both 1.5
sipp_done caller callee

expect_clean_media caller 70 exact=75
expect_cdr answered!=null
expect_nothing_left
