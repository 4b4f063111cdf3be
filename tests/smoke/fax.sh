#!/bin/bash
# A call becomes a fax (T.38), by re-INVITE in the place of the audio, and audio again.
#
#   SIPp, rtp.py, udptl.py 192.0.2.2 ---- gateway ---- 198.51.100.2 SIPp, rtp.py, rtp_echo.py
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

smoke_begin
gateway_start
lab_spawn echo callee "$SMOKE/rtp_echo.py" "$CALLEE_IP:4100"
callee_plays callee_faxes
caller_plays 2001 caller_faxes -- -d 2500
call_is_up
media_both 1
expect_clean_media caller 45 exact=50
expect_clean_media callee 45 exact=50

wait_until 5 test -s "$LAB/fax.port" || fail "the fax was not answered"
lab_in caller "$SMOKE/udptl.py" "$CALLER_IP:4100" "$GATEWAY_CALLER_IP:$(cat "$LAB/fax.port")" ||
	fail "the fax did not come through"

wait_until 5 sipp_saw caller "CSeq: 3 ACK" || fail "the audio did not come back"
media_both 1
expect_clean_media caller 45 exact=50
expect_clean_media callee 45 exact=50
sipp_done caller callee
expect_nothing_left
