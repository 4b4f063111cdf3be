#!/bin/bash
# Every codec to every codec, both ways at once: one session a pair, all of them at the same time
# through one dataplane, and what each end hears is decoded by somebody else's decoder.
#
#   codec_matrix.py 192.0.2.2 ---- 192.0.2.1 dataplane 198.51.100.1 ---- 198.51.100.2 codec_matrix.py
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

SECONDS_EACH=6
MATRIX=$SMOKE/codec_matrix.py

smoke_begin
PLUGIN=$SLUICE_BUILD/codecs/sluice-g729.so
GATEWAY_PLUGINS="$PLUGIN"
gateway_config_dataplane >"$LAB/dataplane.yaml"
dataplane_start

speech_make "$LAB/speech.wav" PCMU/8000/1 en-gb "$SPEECH"
sox -V1 "$LAB/speech.wav" -t raw -r 8000 -b 16 -e signed "$LAB/speech.raw" trim 0 $SECONDS_EACH
"$MATRIX" codecs | while read -r key encoding; do
	rate=8000 # the lowest that the codec runs at
	[[ $encoding != */16000/* || $encoding = speex/* ]] || rate=16000
	sox -V1 -t raw -r 8000 -b 16 -e signed -c 1 "$LAB/speech.raw" -t raw -r $rate - |
		"$SLUICE_BUILD/tests/smoke/speech_encode" "$encoding" "$PLUGIN" >"$LAB/$key.payloads"
done
"$MATRIX" plan | while read -r number port caller callee; do
	dataplane_session set "$number" \
		--leg "$GATEWAY_CALLER_IP" --remote "$CALLER_IP:$port" --format "$caller" \
		--leg "$GATEWAY_CALLEE_IP" --remote "$CALLEE_IP:$port" --format "$callee" \
		>"$LAB/$number.json"
done
lab_spawn media-caller caller "$MATRIX" play 0 "$LAB" "$CALLER_IP" "$GATEWAY_CALLER_IP" $SECONDS_EACH
lab_spawn media-callee callee "$MATRIX" play 1 "$LAB" "$CALLEE_IP" "$GATEWAY_CALLEE_IP" $SECONDS_EACH
media_done caller callee
"$MATRIX" judge "$LAB" >&2 || fail "a pair of codecs is not heard as it should be"
