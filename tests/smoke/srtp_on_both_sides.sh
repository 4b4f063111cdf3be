#!/bin/bash
# SRTP on both sides, optional on one and required on the other, with keys and suites of its own on
# each; digits each way, hold and resume in the middle of it.
#
#   phone (SRTP) 192.0.2.2 ---- 192.0.2.1 gateway 198.51.100.1 ---- 198.51.100.2 phone (SRTP)
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

smoke_begin
GATEWAY_CALLER_POLICY="srtp: optional, srtp_suites: [AES_CM_128_HMAC_SHA1_80, AES_CM_128_HMAC_SHA1_32]" \
	GATEWAY_CALLEE_POLICY="srtp: required, srtp_suites: [AEAD_AES_128_GCM, AES_256_CM_HMAC_SHA1_80]" gateway_start
PHONE_CALLER_MEDIAENC=srtp PHONE_CALLEE_MEDIAENC=srtp-mand phones_start
phones_talk 5
phone_do caller sndcode 5
phone_do callee sndcode "#"
wait_until 5 phone_logged callee "received event: '5' \(end=1\)" || fail "the callee got no digit"
wait_until 5 phone_logged caller "received event: '#' \(end=1\)" || fail "the caller got no digit"
phone_do caller hold
wait_until 5 grep -q "event=modified" "$LAB/control.log" || fail "the hold was not answered"
pause 1
phone_do caller resume
pause 5
phone_do caller hangup
expect_cdr answered!=null legs.0.srtp=AES_CM_128_HMAC_SHA1_80 legs.1.srtp=AEAD_AES_128_GCM \
	"legs.0.$FEW_PLAIN" "legs.1.$FEW_PLAIN" legs.0.dropped_replay=0 legs.1.dropped_replay=0
expect_heard_speech 0.98 "0 4"
expect_heard_speech 0.95 "-4"
expect_nothing_left
