# shellcheck shell=bash
# A laboratory of network namespaces for one call path, used by scripts/demo and tests/smoke:
#
#   caller                     gateway                       callee
#   192.0.2.2 ─────veth───── 192.0.2.1 | 198.51.100.1 ─────veth───── 198.51.100.2
#   2001:db8:a::2 eth0  caller ...:a::1 | ...:b::1   callee  eth0  2001:db8:b::2
#
# What is subtle is its end. Every laboratory has an id (the pid of the script that made it), which
# is in the names of its namespaces and of its directory, so two of them never meet. All that runs
# in its namespaces is killed with it. One whose script was killed is found by the next (its
# `owner` file names a process that is gone) and removed then.

LAB_ROOT=/tmp/sluice-lab
LAB_SIDES=(caller gateway callee)
export CALLER_IP=192.0.2.2 GATEWAY_CALLER_IP=192.0.2.1
export CALLEE_IP=198.51.100.2 GATEWAY_CALLEE_IP=198.51.100.1
export CALLER_IP6=2001:db8:a::2 GATEWAY_CALLER_IP6=2001:db8:a::1
export CALLEE_IP6=2001:db8:b::2 GATEWAY_CALLEE_IP6=2001:db8:b::1

# --- the life of a laboratory ---

# Make the directory and the namespaces. LAB_ID and LAB (the directory) are set.
lab_up() {
	[ "$(id -u)" = 0 ] || die "network namespaces need root"
	LAB_ID=$$
	LAB=$LAB_ROOT/$LAB_ID
	export LAB_ID LAB
	lab_reap
	rm -rf "$LAB"
	mkdir -p "$LAB"
	process_identity $$ >"$LAB/owner"
	lab_make_network
}

# Kill what runs in a laboratory (default: ours) and remove its namespaces. Phones with a call take
# their time to end, so nobody is asked for long.
lab_down() {
	local id=${1:-$LAB_ID} side
	[ $# -gt 0 ] || disown -a # or bash reports what was killed
	lab_signal "$id" TERM
	if ! wait_until 2 lab_is_empty "$id"; then
		lab_signal "$id" KILL
		wait_until 2 lab_is_empty "$id" || say "some processes of laboratory $id cannot be killed"
	fi
	for side in "${LAB_SIDES[@]}"; do
		[ ! -e "/run/netns/sluice-$id-$side" ] || ip netns del "sluice-$id-$side"
	done
	hugepages_return "$id"
	rm -f "$LAB_ROOT/$id/owner"
}

lab_pids() {
	local side
	for side in "${LAB_SIDES[@]}"; do
		[ ! -e "/run/netns/sluice-$1-$side" ] || ip netns pids "sluice-$1-$side"
	done
}

lab_is_empty() {
	[ -z "$(lab_pids "$1")" ]
}

lab_signal() {
	local pid
	for pid in $(lab_pids "$1"); do
		kill -"$2" "$pid" 2>/dev/null || true
	done
}

# Remove laboratories whose script is gone; kept ones stay.
lab_reap() {
	local id
	for id in $(lab_ids); do
		lab_is_owned "$id" && continue
		say "removing what a killed run left behind (laboratory $id)"
		lab_down "$id"
		rm -rf "${LAB_ROOT:?}/$id"
	done
}

# Leave the laboratory running when the script ends.
lab_keep() {
	echo kept >"$LAB/owner"
}

lab_kept_ids() {
	local id
	for id in $(lab_ids); do
		if [ "$(cat "$LAB_ROOT/$id/owner" 2>/dev/null)" = kept ]; then
			echo "$id"
		fi
	done
}

# Every laboratory there is a namespace of.
lab_ids() {
	ip netns list | sed -n 's/^sluice-\([0-9]\+\)-[a-z]\+.*/\1/p' | sort -un
}

lab_is_owned() {
	local owner pid
	owner=$(cat "$LAB_ROOT/$1/owner" 2>/dev/null) || return 1
	[ "$owner" != kept ] || return 0
	pid=${owner%% *}
	[ "$(process_identity "$pid")" = "$owner" ]
}

# pid and start time: a pid alone may have been given to another process since.
process_identity() {
	local stat
	stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
	stat=${stat##*) }
	echo "$1 $(cut -d' ' -f20 <<<"$stat")"
}

# --- network ---

lab_make_network() {
	local side
	for side in "${LAB_SIDES[@]}"; do
		ip netns add "sluice-$LAB_ID-$side" ||
			die "cannot make network namespaces (in a container: run it privileged)"
		ip -n "sluice-$LAB_ID-$side" link set lo up
		# A link-local address that is still being checked solicits no neighbours for seconds.
		lab_in "$side" sh -c 'echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad'
	done
	lab_join caller "$CALLER_IP/24 $CALLER_IP6/64" "$GATEWAY_CALLER_IP/24 $GATEWAY_CALLER_IP6/64"
	lab_join callee "$CALLEE_IP/24 $CALLEE_IP6/64" "$GATEWAY_CALLEE_IP/24 $GATEWAY_CALLEE_IP6/64"
}

# Wait until both ends of a link have their link-local address, which comes up to a second after the
# link: before that the kernel solicits no neighbours.
lab_wait_ipv6() {
	wait_until 5 lab_has_link_local "$1" eth0 || die "$1 has no IPv6 link-local address"
	wait_until 5 lab_has_link_local gateway "$1" ||
		die "the gateway has no IPv6 link-local address on $1's link"
}

lab_has_link_local() {
	lab_in "$1" ip -6 addr show dev "$2" scope link | grep -v tentative | grep -q inet6
}

# nodad: IPv6 addresses are there at once, not after a second of asking around.
lab_address() {
	case $3 in
	*:*) ip -n "$1" addr add "$3" dev "$2" nodad ;;
	*) ip -n "$1" addr add "$3" dev "$2" ;;
	esac
}

# A veth pair between `side` and the gateway. Neither end leaves checksums to the other: what AF_XDP
# takes from or gives to a veth has no one who would still fill them in.
lab_join() {
	local side=$1 far_ips=$2 near_ips=$3 far=sluice-$LAB_ID-$1 near=sluice-$LAB_ID-gateway ip
	ip link add eth0 netns "$far" type veth peer name "$side" netns "$near"
	for ip in $far_ips; do lab_address "$far" eth0 "$ip"; done
	for ip in $near_ips; do lab_address "$near" "$side" "$ip"; done
	ip netns exec "$far" ethtool -K eth0 tx off >/dev/null
	ip netns exec "$near" ethtool -K "$side" tx off >/dev/null
	ip -n "$far" link set eth0 up
	ip -n "$near" link set "$side" up
}

# --- processes ---

# lab_in SIDE COMMAND...
lab_in() {
	local side=$1
	shift
	ip netns exec "sluice-$LAB_ID-$side" "$@"
}

# lab_spawn NAME SIDE COMMAND...: run in the background; output to $LAB/NAME.log. setsid: Ctrl-C is
# for the script alone, which then ends its processes in order. nice: media keeps its time on a
# machine that has other things to do.
lab_spawn() {
	local name=$1 side=$2
	shift 2
	setsid nice -n -10 ip netns exec "sluice-$LAB_ID-$side" "$@" >>"$LAB/$name.log" 2>&1 </dev/null &
	echo $! >"$LAB/$name.pid"
}

lab_pid() {
	cat "$LAB/$1.pid" 2>/dev/null
}

# A zombie does not run: who has not waited for it is no concern of ours.
process_runs() {
	grep -q '^State:.[^Z]' "/proc/$1/status" 2>/dev/null
}

lab_alive() {
	local pid
	pid=$(lab_pid "$1") && process_runs "$pid"
}

lab_dead() {
	! lab_alive "$1"
}

# lab_stop NAME [SIGNAL]: and wait until it is gone, with KILL after five seconds.
lab_stop() {
	local name=$1 signal=${2:-TERM} pid
	pid=$(lab_pid "$name") || return 0
	disown "$pid" 2>/dev/null || true # or bash reports by itself that it was killed
	kill -"$signal" "$pid" 2>/dev/null || true
	if ! wait_until 5 lab_dead "$name"; then
		say "$name did not end on SIG$signal within five seconds; killing it"
		kill -KILL "$pid" 2>/dev/null || true
		wait_until 2 lab_dead "$name" || true
	fi
	rm -f "$LAB/$name.pid"
}

# --- hugepages ---

HUGEPAGES_FILE=/proc/sys/vm/nr_hugepages

# hugepages_reserve MEGABYTES: for this laboratory; given back by lab_down().
hugepages_reserve() {
	local before got wanted=$(($1 / 2))
	[ -w "$HUGEPAGES_FILE" ] || die "this kernel has no hugepages"
	before=$(cat "$HUGEPAGES_FILE")
	echo $((before + wanted)) >"$HUGEPAGES_FILE"
	got=$(($(cat "$HUGEPAGES_FILE") - before))
	echo $got >"$LAB/hugepages"
	[ $got = $wanted ] || die "the kernel could not find $1 MB of hugepages"
}

hugepages_return() {
	local taken
	taken=$(cat "$LAB_ROOT/$1/hugepages" 2>/dev/null) || return 0
	echo $(($(cat "$HUGEPAGES_FILE") - taken)) >"$HUGEPAGES_FILE"
	rm -f "$LAB_ROOT/$1/hugepages"
}
