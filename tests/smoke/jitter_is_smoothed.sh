#!/bin/bash
# A far end whose clock runs fast, behind a network that delays, overtakes and loses packets: what
# leaves the jitter buffer, fixed and adaptive, is even and continuous.
#
#   jitter.py 192.0.2.2 ---- bad network ---- 192.0.2.1 dataplane 198.51.100.1 ---- 198.51.100.2 jitter.py
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

SECONDS_EACH=10
JITTER=$SMOKE/jitter.py

smoke_begin
gateway_config_dataplane >"$LAB/dataplane.yaml"
dataplane_start

for buffer in 60 40-200; do
	dataplane_session set 1 \
		--leg "$GATEWAY_CALLER_IP" --remote "$CALLER_IP:4000" --format PCMU/8000:0 --jitter $buffer \
		--leg "$GATEWAY_CALLEE_IP" --remote "$CALLEE_IP:4000" --format G722/8000:9 >"$LAB/session.json"
	port=$(python3 -c 'import json, sys; print(json.load(sys.stdin)["legs"][0]["local_port"])' <"$LAB/session.json")
	lab_spawn media-heard callee "$JITTER" hear "$CALLEE_IP" $((SECONDS_EACH + 2)) "$LAB/heard.json"
	lab_spawn media-sent caller "$JITTER" send "$CALLER_IP" "$GATEWAY_CALLER_IP:$port" $SECONDS_EACH
	wait "$(lab_pid media-sent)" || fail "jitter.py failed: see $LAB/media-sent.log"
	dataplane_session get 1 >"$LAB/report.json"
	wait "$(lab_pid media-heard)" || fail "jitter.py failed: see $LAB/media-heard.log"
	"$JITTER" judge "$LAB/heard.json" "$LAB/report.json" $SECONDS_EACH "$(tail -n 1 "$LAB/media-sent.log")" >&2 ||
		fail "a buffer of $buffer ms is not right"
	dataplane_session delete 1 >"$LAB/deleted.json"
done
