#!/bin/bash
# SRTP on both sides, optional on one and required on the other, with keys and suites of its own on
# each; hold, resume and a digit in the middle of it.
#
#   phone (SRTP) 192.0.2.2 ---- 192.0.2.1 gateway 198.51.100.1 ---- 198.51.100.2 phone (SRTP)
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

smoke_begin
GATEWAY_CALLER_POLICY="srtp: optional, srtp_suites: [AES_CM_128_HMAC_SHA1_80, AES_CM_128_HMAC_SHA1_32]" \
	GATEWAY_CALLEE_POLICY="srtp: required, srtp_suites: [AEAD_AES_128_GCM, AES_256_CM_HMAC_SHA1_80]" gateway_start
PHONE_CALLER_MEDIAENC=srtp PHONE_CALLEE_MEDIAENC=srtp-mand phones_start
phones_talk 6
phone_do caller hold
pause 1
phone_do caller resume
pause 2
phone_do caller hangup
expect_cdr answered!=null 'legs.0.srtp!=null' legs.1.srtp=AEAD_AES_128_GCM "legs.0.dropped_auth<=1" \
	"legs.1.dropped_auth<=1" legs.0.dropped_replay=0 legs.1.dropped_replay=0
expect_heard_speech 0.98
expect_nothing_left
