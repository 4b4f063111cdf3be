#!/bin/bash
# Media from IPv6 to IPv4 and back, bit for bit, through AF_XDP: the far end's MAC is found by
# neighbour discovery, and again when it has changed; another host of its network is not heard.
#
#   rtp.py [2001:db8:a::66], [2001:db8:a::2] ---- gateway ---- 198.51.100.2 rtp.py
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

smoke_begin
gateway_config_dataplane >"$LAB/dataplane.yaml"
dataplane_start
lab_wait_ipv6 caller
ip -n "sluice-$LAB_ID-caller" addr add 2001:db8:a::66/64 dev eth0 nodad
lab_in gateway ip neigh flush all

media_both_families() {
	media_between caller caller "[$CALLER_IP6]:4000" "[$GATEWAY_CALLER_IP6]:$1" 2
	media_between callee callee "$CALLEE_IP:4000" "$GATEWAY_CALLEE_IP:$2" 2
}

new_neighbour() {
	lab_in gateway ip -6 neigh show dev caller | grep -q "$CALLER_IP6 .*02:00:00:00:aa:02"
}

dataplane_session set 1 --leg "$GATEWAY_CALLER_IP6" --remote "[$CALLER_IP6]:4000" \
	--leg "$GATEWAY_CALLEE_IP" --remote "$CALLEE_IP:4000" >"$LAB/session.json"
ports=$(/usr/bin/python3 -c 'import json, sys
for leg in json.load(open(sys.argv[1]))["legs"]: print(leg["local_port"])' "$LAB/session.json")
# shellcheck disable=SC2086 # two ports
set -- $ports

MEDIA="received>=95 exact=100 lost=0 duplicates=0 reordered=0 timestamp_jumps=0 ssrcs=1 strangers=0"
media_both_families "$1" "$2"
media_between stranger caller "[2001:db8:a::66]:4000" "[$GATEWAY_CALLER_IP6]:$1" 1.5
media_done caller callee stranger
for side in caller callee; do
	# shellcheck disable=SC2086 # statements
	expect_media $side $MEDIA
done
expect_media stranger received=0
lab_in gateway ip -6 neigh show dev caller | grep -q "$CALLER_IP6 .*lladdr" ||
	fail "the kernel was not asked for the neighbour"

lab_in caller sh -c 'echo 1 >/proc/sys/net/ipv6/conf/eth0/ndisc_notify' # unsolicited advertisement
ip -n "sluice-$LAB_ID-caller" link set eth0 address 02:00:00:00:aa:02
wait_until 15 new_neighbour || fail "the neighbour's new MAC is not known"
media_both_families "$1" "$2"
media_done caller callee
for side in caller callee; do
	# shellcheck disable=SC2086 # statements
	expect_media $side $MEDIA
done

dataplane_session delete 1 >"$LAB/report.json"
"$SMOKE/check.py" "$LAB/report.json" legs.0.rx_packets=200 legs.1.rx_packets=200 \
	legs.0.dropped_source=75 legs.1.dropped_source=0 >&2 || fail "the counters are not as expected"
