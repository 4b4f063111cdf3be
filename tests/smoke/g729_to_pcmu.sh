#!/bin/bash
# A caller with PCMU talks with a trunk of G.729 without Annex B, which the gateway has from its
# plug-in: what each hears, by ffmpeg's decoders, is what the other said.
#
#   SIPp, speech_rtp.py 192.0.2.2 (PCMU) ---- gateway ---- 198.51.100.2 (G.729) SIPp, speech_rtp.py
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

smoke_needs_root
if [ ! -e "$SLUICE_BUILD/codecs/sluice-g729.so" ]; then
	say "skipped: the plug-in was not built (-Dg729=enabled)"
	exit 77
fi
smoke_begin
GATEWAY_PLUGINS=$SLUICE_BUILD/codecs/sluice-g729.so GATEWAY_CALLEE_CODECS=G729 gateway_start
CALLEE_FORMATS=18 CALLEE_RTPMAPS=$'a=rtpmap:18 G729/8000\na=fmtp:18 annexb=no\na=ptime:20' \
	callee_plays callee_answers
caller_plays 2001 caller_hangs_up -- -d 8500
call_is_up
speech_start caller PCMU 0 en-gb
speech_start callee G729 18 en-us+f3
media_done caller callee
sipp_done caller callee

expect_media caller "received>=200" "pts=[0]" "steps=[160]" "bytes=[160]"
expect_media callee "received>=200" "pts=[18]" "steps=[160]" "bytes=[20]"
expect_heard_payloads 0.8
expect_nothing_left
