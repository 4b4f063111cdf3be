#!/bin/bash
# What Prometheus and a load balancer see: before, during and after a call, and without a dataplane.
#
#   SIPp, rtp.py 192.0.2.2 ---- 192.0.2.1 gateway 198.51.100.1 ---- 198.51.100.2 SIPp, rtp.py
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

metrics_say() {
	lab_in gateway "$SMOKE/metrics.py" "$@" || fail "/metrics is not as expected"
}

# ready_says STATUS: of the page that load balancers ask for
ready_says() {
	[ "$(lab_in gateway curl -s -o "$LAB/ready" -w '%{http_code}' http://127.0.0.1:9090/ready)" = "$1" ]
}

smoke_begin
gateway_start
wait_until 5 ready_says 200 || fail "the gateway does not become ready"
metrics_say sluice_dataplane_up=1 sluice_call_active=0 sluice_call_invites_total=0 sluice_table_sessions=0
callee_plays callee_answers
caller_plays 2001 caller_hangs_up -- -d 3000
call_is_up
media_both 1
metrics_say sluice_call_active=1 sluice_call_answered_total=1 sluice_table_sessions=1 \
	"sluice_trunk_calls{trunk=caller}=1" "sluice_trunk_calls{trunk=callee}=1" \
	"sluice_worker_rx_packets_total{worker=0}>=90" "sluice_port_rx_packets_total{port=caller}>=45"
sipp_done caller callee
metrics_say sluice_call_active=0 sluice_call_cdrs_total=1 "sluice_trunk_calls{trunk=callee}=0" \
	"sluice_trunk_calls_started_total{trunk=callee}=1" sluice_sip_malformed_dropped_total=0
expect_nothing_left

call=$(sed 's/.*"call":"\([^"]*\)".*/\1/' "$LAB/cdr.json")
ctl trace "$call" >"$LAB/trace" || fail "there is no trace of the call"
for label in "INVITE sdp ─*►" "180 INVITE ─" "200 INVITE sdp ─" "ACK ─*►" "BYE ─*►" "200 BYE ─"; do
	[ "$(grep -c -- "$label" "$LAB/trace")" = 2 ] || fail "the trace has no pair of $label: $(cat "$LAB/trace")"
done
ctl messages "$call" | grep -q "Content-Type: application/sdp" || fail "the messages are not whole"

lab_stop dataplane KILL
wait_until 5 ready_says 503 || fail "/ready does not tell that the dataplane is gone"
metrics_say sluice_dataplane_up=0 sluice_call_cdrs_total=1
dataplane_start
wait_until 5 ready_says 200 || fail "the gateway does not become ready again"
