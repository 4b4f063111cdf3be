#!/bin/bash
# A call between two phones that have only IPv6, with SRTP on one side.
#
#   phone (SRTP) 2001:db8:a::2 ---- 2001:db8:a::1 gateway 2001:db8:b::1 ---- 2001:db8:b::2 phone
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

smoke_begin
GATEWAY_CALLER_PEER=$CALLER_IP6 GATEWAY_CALLEE_PEER=$CALLEE_IP6 GATEWAY_CALLER_POLICY="srtp: required" gateway_start
PHONE_CALLER_IP=$CALLER_IP6 PHONE_CALLEE_IP=$CALLEE_IP6 PHONE_CALLER_MEDIAENC=srtp-mand phones_start
phones_talk 6 "$GATEWAY_CALLER_IP6"
expect_families 2001:db8:a:: 2001:db8:b::
phone_do caller hangup
expect_cdr answered!=null legs.0.lost=0 legs.1.lost=0 'legs.0.srtp!=null' legs.1.srtp=null
expect_heard_speech 0.98
expect_nothing_left
