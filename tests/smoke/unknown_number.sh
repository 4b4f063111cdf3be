#!/bin/bash
# A number that no route takes is answered 404, and nobody else hears of it.
#
#   SIPp 192.0.2.2 ---- 192.0.2.1 gateway
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

smoke_begin
gateway_start
caller_plays 999 caller_is_refused STATUS=404
sipp_done caller

expect_cdr status=404 answered=null ended_by=sluice
expect_nothing_left
