#!/bin/bash
# Digits cross between a PCMU leg and an Opus leg: the same events, durations converted from 8 to
# 48 kHz and back.
#
#   SIPp, rtp.py 192.0.2.2 ---- 192.0.2.1 gateway 198.51.100.1 ---- 198.51.100.2 SIPp, rtp.py
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

smoke_begin
GATEWAY_CALLEE_CODECS=opus gateway_start
CALLEE_FORMATS=$OPUS_FORMATS CALLEE_RTPMAPS=$OPUS_RTPMAPS callee_plays callee_answers
caller_plays 2001 caller_hangs_up -- -d 4500
call_is_up
media_start caller 3 --digits "15#"
media_start callee 3 --codec opus --digits "90"
media_done caller callee
sipp_done caller callee

expect_media callee digits="15#" digit_durations="[7680, 7680, 7680]" ssrcs=1 lost=0 "pts=[96, 101]"
expect_media caller digits="90" digit_durations="[1280, 1280]" ssrcs=1 lost=0 "pts=[0, 101]"
expect_nothing_left
