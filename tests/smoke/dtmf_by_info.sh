#!/bin/bash
# Events of the caller are INFOs to the callee, whose INFOs are events to the caller: each once.
#
#   SIPp, rtp.py 192.0.2.2 ---- 192.0.2.1 gateway 198.51.100.1 ---- 198.51.100.2 SIPp, rtp.py
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

smoke_begin
GATEWAY_CALLEE_POLICY="dtmf: info" gateway_start
CALLEE_FORMATS=0 CALLEE_RTPMAPS="a=rtpmap:0 PCMU/8000" callee_plays callee_digits_by_info
caller_plays 2001 caller_hangs_up -- -d 5000
call_is_up
media_start caller 4 --digits "15#"
media_start callee 4
media_done caller callee
sipp_done caller callee

expect_media callee digits="" ssrcs=1 "pts=[0]"
expect_media caller digits="90" digit_durations="[1600, 1600]" ssrcs=1 lost=0 "pts=[0, 101]"
expect_nothing_left
