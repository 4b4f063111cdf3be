#!/bin/bash
# Tones of the caller, which has no events, are INFOs to the callee, whose INFOs are tones to the
# caller.
#
#   SIPp, rtp.py 192.0.2.2 ---- 192.0.2.1 gateway 198.51.100.1 ---- 198.51.100.2 SIPp, rtp.py
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

smoke_begin
GATEWAY_CALLEE_POLICY="dtmf: info" gateway_start
FORMATS=0 RTPMAPS="a=rtpmap:0 PCMU/8000"
callee_plays callee_digits_by_info
caller_plays 2001 caller_hangs_up -- -d 5000
call_is_up
media_start caller 4 --tones "15#"
media_start callee 4
media_done caller callee
sipp_done caller callee

expect_media callee digits="" ssrcs=1 lost=0 "pts=[0]"
expect_media caller digits="" ssrcs=1 lost=0 "pts=[0]"
[ "$(ctl --json counters | grep -c '"call.digits_by_info": 5')" = 1 ] || fail "not five digits by INFO"
[ "$(ctl --json counters | grep -c '"call.digits_lost": 0')" = 1 ] || fail "digits were lost"
expect_nothing_left
