#!/bin/bash
# Media for a call from an address that was not signalled: dropped, counted, and the call
# undisturbed.
#
#   rtp.py 192.0.2.66, SIPp, rtp.py 192.0.2.2 ---- gateway ---- 198.51.100.2 SIPp, rtp.py
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

smoke_begin
gateway_start
ip -n "sluice-$LAB_ID-caller" addr add 192.0.2.66/24 dev eth0
callee_plays callee_answers
caller_plays 2001 caller_hangs_up -- -d 4000
call_is_up
MEDIA_NAME=stranger MEDIA_FROM=192.0.2.66:$MEDIA_PORT media_start caller 1.5
media_both 2
media_done stranger
sipp_done caller callee

expect_clean_media caller 95 exact=100
expect_clean_media callee 95 "exact=100"
expect_media stranger received=0
expect_cdr legs.0.rx_packets=100 legs.0.dropped_source=75
expect_nothing_left
