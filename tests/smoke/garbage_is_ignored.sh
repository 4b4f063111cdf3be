#!/bin/bash
# Noise at the SIP port and at the RTP ports, from strangers and under the addresses of the two
# ends: the call goes on, and another can be made.
#
#   SIPp, rtp.py 192.0.2.2 ---- 192.0.2.1 gateway 198.51.100.1 ---- 198.51.100.2 SIPp, rtp.py
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

SIP_CAPTURE=no # answers to garbage hold garbage
smoke_begin
gateway_start
ip -n "sluice-$LAB_ID-caller" addr add 192.0.2.66/24 dev eth0
callee_plays callee_answers
caller_plays 2001 caller_hangs_up -- -d 6000
call_is_up
media_start caller 4
media_start callee 4
for source in "192.0.2.66" "$CALLER_IP"; do
	lab_in caller "$SMOKE/garbage.py" "$source:5060" "$GATEWAY_CALLER_IP:5060" 500
	lab_in caller "$SMOKE/garbage.py" "$source:9999" "$GATEWAY_CALLER_IP:$(cat "$LAB/caller.port")" 500
	lab_in caller "$SMOKE/garbage.py" "$source:9999" "$GATEWAY_CALLER_IP:20000-23999" 500
done
media_done caller callee
sipp_done caller callee
expect_clean_media caller 190 exact=200
expect_clean_media callee 190 exact=200

lab_alive dataplane || fail "the dataplane died"
lab_alive control || fail "control died"
rm "$LAB/caller.port" "$LAB/cdr.json"
callee_plays callee_answers
caller_plays 2001 caller_hangs_up -- -d 500
sipp_done caller callee
expect_nothing_left
