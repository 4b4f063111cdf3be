#!/bin/bash
# While media flows, the same interface goes on serving the kernel: ARP, ping, and SIP.
#
#   SIPp, rtp.py 192.0.2.2 ---- 192.0.2.1 gateway 198.51.100.1 ---- 198.51.100.2 SIPp, rtp.py
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

smoke_begin
gateway_start
callee_plays callee_answers
caller_plays 2001 caller_hangs_up -- -d 4500
call_is_up
media_start caller 3
media_start callee 3
ip -n "sluice-$LAB_ID-caller" neigh flush dev eth0
lab_in caller ping -q -c 10 -i 0.1 -W 1 "$GATEWAY_CALLER_IP" >"$LAB/ping.log"
lab_in caller ping -q -c 3 -i 0.2 -s 1400 -W 1 "$GATEWAY_CALLER_IP" >>"$LAB/ping.log"
"$SMOKE/sipp.py" caller_asks_options >"$LAB/options.xml"
lab_in caller sipp -sf "$LAB/options.xml" -i "$CALLER_IP" -p 5070 -nostdin -m 1 -timeout 3 \
	-timeout_error "$GATEWAY_CALLER_IP:5060" >"$LAB/options.log" 2>&1 || fail "OPTIONS was not answered"
media_done caller callee
sipp_done caller callee

expect_clean_media caller 145 exact=150
expect_clean_media callee 145 exact=150
expect_nothing_left
