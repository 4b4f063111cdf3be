#!/bin/bash
# The caller holds and resumes: on hold its media still goes to the callee, and none comes back.
#
#   SIPp, rtp.py 192.0.2.2 ---- 192.0.2.1 gateway 198.51.100.1 ---- 198.51.100.2 SIPp, rtp.py
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

smoke_begin
gateway_start
callee_plays callee_is_held
caller_plays 2001 caller_holds -- -d 2200
call_is_up
media_both 1
expect_clean_media caller 45 exact=50
expect_clean_media callee 45 exact=50

wait_until 5 sipp_saw caller "CSeq: 2 ACK" || fail "the hold was not answered"
media_both 1
expect_clean_media callee 45 exact=50
expect_media caller received=0

wait_until 5 sipp_saw caller "CSeq: 3 ACK" || fail "the resumption was not answered"
media_both 1
expect_clean_media caller 45 exact=50
expect_clean_media callee 45 exact=50
sipp_done caller callee
expect_cdr legs.0.lost=0 legs.1.lost=0
expect_nothing_left
