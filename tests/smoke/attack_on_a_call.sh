#!/bin/bash
# Somebody who sees the caller's wire sprays all RTP ports, and sends the next packet of each stream
# from his own address, before and during a call: neither end hears him, he hears nothing, and nothing
# of the call is lost.
#
#   attacker.py 192.0.2.66, SIPp, rtp.py 192.0.2.2 ---- gateway ---- 198.51.100.2 SIPp, rtp.py
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

attack() { # NAME SECONDS
	lab_spawn "media-$1" caller "$SMOKE/attacker.py" --from "192.0.2.66:$MEDIA_PORT" \
		--at "$GATEWAY_CALLER_IP" --ports 20000-23999 --seconds "$2" --report "$LAB/media-$1.json"
}

smoke_begin
gateway_start
ip -n "sluice-$LAB_ID-caller" addr add 192.0.2.66/24 dev eth0
attack before 2
media_done before
expect_media before "sent>=500" heard=0

callee_plays callee_answers
caller_plays 2001 caller_hangs_up -- -d 7000
call_is_up
media_start caller 5
media_start callee 5
wait_until 5 sh -c "grep -q event=media '$LAB/control.log'" || fail "no media came"
attack during 3.5
media_done caller callee during
sipp_done caller callee

expect_media during "sent>=1000" "followed>=50" heard=0
expect_clean_media caller 240 exact=250
expect_clean_media callee 240 exact=250
expect_cdr legs.0.rx_packets=250 legs.1.rx_packets=250 "legs.0.dropped_source>=50"
expect_nothing_left
