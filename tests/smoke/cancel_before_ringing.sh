#!/bin/bash
# The caller gives up before anybody rings: the callee has said 100 only (RFC 3261 9.1), and sees
# a CANCEL.
#
#   SIPp 192.0.2.2 ---- 192.0.2.1 gateway 198.51.100.1 ---- 198.51.100.2 SIPp
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

smoke_begin
gateway_start
callee_plays callee_is_slow
caller_plays 2001 caller_cancels_early -- -d 500
sipp_done caller callee

expect_cdr answered=null ended_by=a
expect_nothing_left
