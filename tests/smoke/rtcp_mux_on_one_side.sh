#!/bin/bash
# RTCP on the port of RTP (RFC 5761) with the caller, who encrypts, and on a port of its own with the callee:
# reports of each reach the other, and each knows from them what became of what it sent.
#
#   phone (mux, SRTP) 192.0.2.2 ---- 192.0.2.1 gateway 198.51.100.1 ---- 198.51.100.2 phone
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

smoke_begin
GATEWAY_CALLER_POLICY="srtp: optional" GATEWAY_CALLEE_POLICY="rtcp_mux: never" gateway_start
PHONE_CALLER_MEDIAENC=srtp PHONE_CALLER_RTCP_MUX=yes PHONE_CALLEE_RTCP_MUX=yes phones_start
phones_talk 12
expect_session_stats legs.0.rtcp_mux=true legs.1.rtcp_mux=false "legs.0.rx_rtcp>=1" "legs.1.rx_rtcp>=1" \
	"legs.0.tx_rtcp>=1" "legs.1.tx_rtcp>=1" "legs.0.dropped_other<=1" legs.1.dropped_other=0 \
	legs.0.remote_lost=0 legs.1.remote_lost=0
phone_do caller hangup
expect_cdr answered!=null legs.0.srtp=AES_CM_128_HMAC_SHA1_80 legs.1.srtp=null legs.0.lost=0 legs.1.lost=0
expect_heard_speech 0.98
expect_nothing_left
