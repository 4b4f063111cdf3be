#!/bin/bash
# A phone that has only IPv6 calls one that has only IPv4: SIP and media of either family on its
# side, and both hear what the other said.
#
#   phone 2001:db8:a::2 ---- 2001:db8:a::1 gateway 198.51.100.1 ---- 198.51.100.2 phone
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

smoke_begin
GATEWAY_CALLER_PEER=$CALLER_IP6 gateway_start
PHONE_CALLER_IP=$CALLER_IP6 phones_start
phones_talk 6 "$GATEWAY_CALLER_IP6"
expect_families 2001:db8:a:: 198.51.100
phone_do caller hangup
expect_cdr answered!=null legs.0.lost=0 legs.1.lost=0 "legs.0.tx_packets>250" "legs.1.tx_packets>250"
expect_heard_speech 0.98
expect_nothing_left
