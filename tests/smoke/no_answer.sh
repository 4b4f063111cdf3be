#!/bin/bash
# Nobody answers: after no_answer_s the gateway cancels the call to the callee and tells the
# caller 408.
#
#   SIPp 192.0.2.2 ---- 192.0.2.1 gateway 198.51.100.1 ---- 198.51.100.2 SIPp
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

smoke_begin
GATEWAY_TIMERS="no_answer_s: 2" gateway_start
callee_plays callee_rings
caller_plays 2001 caller_is_refused STATUS=408
sipp_done caller callee

expect_cdr status=408 answered=null ended_by=sluice
expect_nothing_left
