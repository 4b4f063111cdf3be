#!/bin/bash
# 200 calls at 20 a second, up to 100 at a time, five seconds of media each way in every one: all
# complete, nothing lost.
#
#   SIPp rtp_stream 192.0.2.2 ---- gateway ---- 198.51.100.2 SIPp, rtp_echo.py
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

SIP_CAPTURE=no
smoke_begin
gateway_start
head -c 40000 /dev/urandom >"$LAB/stream.raw"
lab_spawn echo callee "$SMOKE/rtp_echo.py" "$CALLEE_IP:$MEDIA_PORT"
callee_plays bench_callee -- -m 200
caller_plays 2001 caller_streams MEDIA_PORT="[rtpstream_audio_port]" -- \
	-m 200 -r 20 -l 200 -d 5500
sipp_done caller callee

wait_until 5 cdr_count 200 || fail "$(wc -l <"$LAB/cdr.json") CDRs for 200 calls"
"$SMOKE/check_load.py" "$LAB/cdr.json" 200 250 || fail "not all calls were clean"
expect_nothing_left
