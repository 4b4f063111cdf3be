#!/bin/bash
# A mobile caller with AMR, octet-aligned and with modes of her own, talks with a callee of PCMU:
# what each hears, by ffmpeg's decoders, is what the other said.
#
#   SIPp, speech_rtp.py 192.0.2.2 (AMR) ---- gateway ---- 198.51.100.2 (PCMU) SIPp, speech_rtp.py
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

smoke_begin
GATEWAY_CALLER_CODECS=AMR gateway_start
callee_plays callee_answers
FORMATS=97 RTPMAPS=$'a=rtpmap:97 AMR/8000\na=fmtp:97 octet-align=1;mode-set=0,2,4,7\na=ptime:20' \
	caller_plays 2001 caller_hangs_up -- -d 8500
call_is_up
sipp_saw caller "a=fmtp:97 octet-align=1;mode-set=0,2,4,7;mode-change-capability=2;max-red=0" ||
	fail "the answer does not repeat layout and modes of the offer"
speech_start caller AMR 97 en-gb
speech_start callee PCMU 0 en-us+f3
media_done caller callee
sipp_done caller callee

expect_media caller "received>=200" "pts=[97]" "steps=[160]" "bytes=[33]"
expect_media callee "received>=200" "pts=[0]" "steps=[160]" "bytes=[160]"
expect_heard_payloads 0.85
expect_nothing_left
