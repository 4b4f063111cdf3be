#!/bin/bash
# A phone that speaks PCMU only calls phones that speak another codec only, one after the other: each
# hears what the other said. The phones' codecs are not ours.
#
#   phone (PCMU) 192.0.2.2 ---- 192.0.2.1 gateway 198.51.100.1 ---- 198.51.100.2 phone (others)
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# Not G.726: these phones pack "G726-32" as AAL2-G726-32 is, against RFC 3551 4.5.4.
CODECS=(G722/16000/1 GSM/8000/1 L16/16000/1)

smoke_begin
PHONE_MODULES="g722 gsm l16"
GATEWAY_CALLEE_CODECS="G722, GSM, L16/16000" gateway_start
speech_make "$LAB/caller.wav" PCMU/8000/1 en-gb "$SPEECH"
phone_start caller "$CALLER_IP" 1001 PCMU/8000/1 "$LAB/caller.wav"
for codec in "${CODECS[@]}"; do
	say "$codec"
	rm -f "$LAB"/phone-*/recordings/* "$LAB/cdr.json"
	speech_make "$LAB/callee.wav" "$codec" en-us+f3 "$SPEECH"
	phone_start callee "$CALLEE_IP" 2001 "$codec" "$LAB/callee.wav"
	phone_do caller dial "sip:2001@$GATEWAY_CALLER_IP"
	wait_until 10 phone_logged callee "Call established" || fail "the call was not answered"
	pause 6
	ctl --json sessions >"$LAB/sessions.json"
	"$SMOKE/check.py" "$LAB/sessions.json" "#=1" "0.legs.1.formats.0.name=${codec%%/*}" \
		"0.legs.0.transcoded>=200" "0.legs.1.transcoded>=200" >&2 ||
		fail "the session does not transcode as expected"
	phone_do caller hangup
	wait_until 5 gateway_is_idle || fail "the call is not over"
	expect_heard_speech 0.85
	lab_stop phone-callee
done
expect_nothing_left
