#!/bin/bash
# Events of the caller are tones to the callee, which has no events and sends all back that it
# hears: its tones are events to the caller.
#
#   SIPp, rtp.py 192.0.2.2 ---- 192.0.2.1 gateway 198.51.100.1 ---- 198.51.100.2 SIPp, rtp_echo.py
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

smoke_begin
gateway_start
lab_spawn echo callee "$SMOKE/rtp_echo.py" "$CALLEE_IP:$MEDIA_PORT"
CALLEE_FORMATS=0 CALLEE_RTPMAPS="a=rtpmap:0 PCMU/8000" callee_plays callee_answers
caller_plays 2001 caller_hangs_up -- -d 4500
call_is_up
media_start caller 3 --digits "15#"
media_done caller
sipp_done caller callee

expect_media caller digits="15#" ssrcs=1 lost=0 "pts=[0, 101]"
expect_nothing_left
