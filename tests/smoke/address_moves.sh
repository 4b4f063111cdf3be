#!/bin/bash
# An address of a shard moves between two dataplanes on one LAN, under media: handed over; kept by
# one that was stopped and must not speak before it is told that it may; taken from one that was
# killed; given up by one whose control is silent when somebody else turns out to have it. What the
# far end gets comes from one MAC at a time, and how long it gets nothing is printed.
#
#   far 192.0.2.2 ──┐ bridge ┌── one  192.0.2.11
#                   └─ lan ──┤
#                            └── two  192.0.2.12      192.0.2.100, 2001:db8:a::100: either
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

SIP_CAPTURE=no # there is none
LAB_SIDES=(lan far one two)
SHARED=192.0.2.100 SHARED6=2001:db8:a::100 FAR=192.0.2.2
declare -A MAC

lab_make_network() {
	local side
	for side in "${LAB_SIDES[@]}"; do
		ip netns add "sluice-$LAB_ID-$side" || die "cannot make network namespaces"
		ip -n "sluice-$LAB_ID-$side" link set lo up
		lab_in "$side" sh -c 'echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad'
	done
	ip -n "sluice-$LAB_ID-lan" link add br0 type bridge
	ip -n "sluice-$LAB_ID-lan" link set br0 up
	lan_join far "$FAR" 2001:db8:a::2
	lan_join one 192.0.2.11 2001:db8:a::11
	lan_join two 192.0.2.12 2001:db8:a::12
}

lan_join() {
	local side=$1 near=sluice-$LAB_ID-$1 lan=sluice-$LAB_ID-lan
	ip link add eth0 netns "$near" type veth peer name "$side" netns "$lan"
	ip -n "$near" addr add "$2/24" dev eth0
	ip -n "$near" addr add "$3/64" dev eth0 nodad
	lab_in "$side" ethtool -K eth0 tx off >/dev/null
	lab_in lan ethtool -K "$side" tx off >/dev/null
	ip -n "$lan" link set "$side" master br0
	ip -n "$lan" link set "$side" up
	ip -n "$near" link set eth0 up
	MAC[$side]=$(lab_in "$side" cat /sys/class/net/eth0/address)
}

node_start() {
	local side=$1 first last
	first=$(cpus_allowed | head -n 1)
	last=$(cpus_allowed | tail -n 1)
	cat >"$LAB/$side.yaml" <<-CONFIG
		socket: $LAB/$side.sock
		cpus: {main: $first, workers: [$last]}
		idle: true
		memory: {hugepages: no, megabytes: 128}
		sessions_max: 100
		ports: [{name: lan, interface: eth0}]
		realms:
		  - {name: lan, port: lan, addresses: [$SHARED, "$SHARED6"], rtp_ports: {min: 20000, max: 20063}}
		shards: [{name: s1, addresses: [$SHARED, "$SHARED6"]}]
	CONFIG
	lab_spawn "$side" "$side" "$SLUICE_BUILD/dataplane/sluice-dataplane" --config "$LAB/$side.yaml"
	started_or_die "$side" node_answers "$side"
	"$SLUICE_BUILD/tests/smoke/session_tool" "$LAB/$side.sock" set 1 \
		--leg $SHARED:20000 --remote $FAR:4000 --ssrc 1000 \
		--leg $SHARED:20010 --remote $FAR:5000 --ssrc 2000 >/dev/null
}

node_answers() {
	shard "$1" state s1 >/dev/null 2>&1
}

# shard SIDE VERB ...: see shard_tool.c.
shard() {
	local side=$1
	shift
	"$SLUICE_BUILD/tests/smoke/shard_tool" "$LAB/$side.sock" "$@"
}

state_is() {
	[ "$(shard "$1" state s1)" = "$2" ]
}

kernel_has_it() {
	lab_in "$1" ip addr show dev eth0 | grep -q "inet $SHARED/32" &&
		lab_in "$1" ip addr show dev eth0 | grep -q "inet6 $SHARED6/128"
}

kernel_has_neither() {
	! lab_in "$1" ip addr show dev eth0 | grep -q "$SHARED/\|$SHARED6/"
}

far_knows() {
	lab_in far ip neigh show "$2" dev eth0 | grep -q "${MAC[$1]}"
}

now_us() {
	echo "${EPOCHREALTIME/./}"
}

# received SIDE SINCE [UNTIL]: packets that came from there, in microseconds of time.
received() {
	awk -v mac="${MAC[$1]}" -v since="$2" -v until="${3:-9e18}" \
		'$2 == mac && $1 >= since && $1 < until {n++} END {print n + 0}' "$LAB/packets"
}

has_received() {
	[ -e "$LAB/packets" ] && [ "$(received "$1" "$2")" -ge 20 ]
}

# The longest time without a packet that ended since then, in milliseconds.
longest_gap() {
	awk -v since="$1" 'last && $1 >= since && $1 - last > most {most = $1 - last} {last = $1}
		END {printf "%.1f\n", most / 1000}' "$LAB/packets"
}

# media_comes_from SIDE SINCE TEXT
media_comes_from() {
	wait_until 10 has_received "$1" "$2" || fail "no media from $1 $3"
}

smoke_begin
node_start one
node_start two
! lab_in far ping -q -c 1 -W 1 $SHARED >/dev/null || fail "an inactive address answers"
shard one set s1 active 1 60000
kernel_has_it one || fail "the kernel of one has not got the addresses"
lab_in far ping -q -c 1 -W 2 $SHARED >/dev/null || fail "an active address does not answer"
lab_in far ping -q -c 1 -W 2 $SHARED6 >/dev/null || fail "an active IPv6 address does not answer"
begin=$(now_us)
lab_spawn media far "$SMOKE/lan_media.py" eth0 $FAR:4000 $SHARED:20000 5000 60 "$LAB/packets"
media_comes_from one "$begin" "at first"

# --- handed over ---
begin=$(now_us)
took=$(shard one hand-over s1 2 500 200 "$LAB/two.sock")
media_comes_from two "$begin" "after the hand-over"
over=$(now_us)
far_knows two $SHARED || fail "the far end was not told where the address is"
wait_until 2 far_knows two $SHARED6 || fail "the far end was not told where the IPv6 address is"
kernel_has_neither one || fail "the kernel of one still has the addresses"
say "hand-over: $took us between the nodes, $(longest_gap "$begin") ms without media"
first=$(awk -v mac="${MAC[two]}" '$2 == mac {print $1; exit}' "$LAB/packets")
[ "$(received one "$first")" = 0 ] || fail "one still sent after two had begun"

# --- stopped, and not sure of itself ---
kill -STOP "$(lab_pid two)"
sleep 1 # the lease of 500 ms passes
stopped=$(now_us)
kill -CONT "$(lab_pid two)"
wait_until 10 state_is two suspended || fail "two goes on after a pause: $(shard two state s1)"
kernel_has_neither two || fail "the kernel of two still has the addresses"
[ "$(received two "$stopped")" = 0 ] || fail "two sent $(received two "$stopped") packets after a pause"
begin=$(now_us)
shard two set s1 active 2 500
media_comes_from two "$begin" "once it was confirmed"
[ "$(received two "$stopped" "$begin")" = 0 ] || fail "two sent before it was confirmed"
say "stopped for a second: nothing sent before the confirmation"

# --- killed ---
begin=$(now_us)
lab_stop two KILL
shard one set s1 active 3 4000
media_comes_from one "$begin" "after two was killed"
say "killed, and taken over at once: $(longest_gap "$begin") ms without media"
wait_until 8 kernel_has_neither two || fail "the addresses of who was killed stay in the kernel"

# --- silence of control, and somebody else ---
node_start two
sleep 4 # the lease passes, and nobody says anything
state_is one active || fail "one has stopped without a reason"
begin=$(now_us)
shard two set s1 active 4 60000
wait_until 10 state_is one suspended || fail "one does not yield to who has the address"
kernel_has_neither one || fail "the kernel of one still has the addresses"
media_comes_from two "$begin" "after it took the address"
yielded=$(awk -v mac="${MAC[one]}" -v since="$begin" '$2 == mac && $1 >= since {last = $1}
	END {printf "%.1f", last ? (last - since) / 1000 : 0}' "$LAB/packets")
say "claimed by another: the old owner sent for $yielded ms more"
shard one set s1 inactive 4
! shard one set s1 active 3 60000 2>/dev/null || fail "one goes back to an epoch that is over"
