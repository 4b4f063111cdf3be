#!/bin/bash
# The callee is busy: the caller learns it by the same status.
#
#   SIPp 192.0.2.2 ---- 192.0.2.1 gateway 198.51.100.1 ---- 198.51.100.2 SIPp
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

smoke_begin
gateway_start
callee_plays callee_refuses STATUS="486 Busy Here"
caller_plays 2001 caller_is_refused STATUS=486
sipp_done caller callee

expect_cdr status=486 answered=null ended_by=b
expect_nothing_left
