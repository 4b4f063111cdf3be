#!/bin/bash
# A phone that insists on SRTP talks to one that has none: both hear what the other said. A call
# without SRTP from the same side is refused.
#
#   phone (SRTP) 192.0.2.2 ---- 192.0.2.1 gateway 198.51.100.1 ---- 198.51.100.2 phone (RTP)
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

smoke_begin
GATEWAY_CALLER_POLICY="srtp: required" gateway_start
PHONE_CALLER_MEDIAENC=srtp-mand phones_start
phones_talk 6
phone_do caller hangup
expect_cdr answered!=null legs.0.srtp=AES_CM_128_HMAC_SHA1_80 legs.1.srtp=null "legs.0.$FEW_PLAIN" \
	legs.0.dropped_replay=0 legs.0.lost=0
expect_heard_speech 0.98

lab_stop phone-caller
caller_plays 2001 caller_is_refused STATUS=488
sipp_done caller
expect_nothing_left
