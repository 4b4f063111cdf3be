#!/bin/bash
# The caller gives up while the callee rings.
#
#   SIPp 192.0.2.2 ---- 192.0.2.1 gateway 198.51.100.1 ---- 198.51.100.2 SIPp
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

smoke_begin
gateway_start
callee_plays callee_rings
caller_plays 2001 caller_cancels_ringing -- -d 500
sipp_done caller callee

expect_cdr answered=null ended_by=a
expect_nothing_left
