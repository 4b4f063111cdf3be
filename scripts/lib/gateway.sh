# shellcheck shell=bash
# The gateway in its namespace: sluice-dataplane and sluice-control with a configuration for the
# laboratory of lab.sh. Either can be stopped, killed and started again at any time.
#
# SLUICE_BUILD is the build directory whose programs are run. Set before gateway_start() to change
# the configuration: GATEWAY_CALLER_CODECS, GATEWAY_CALLEE_CODECS, GATEWAY_CALLER_POLICY and
# GATEWAY_CALLEE_POLICY (more of the trunk, as "srtp: required"), GATEWAY_CALLER_PEER and
# GATEWAY_CALLEE_PEER (addresses of the far ends, the first ones of lab.sh where not said),
# GATEWAY_TIMERS, GATEWAY_HUGEPAGES, GATEWAY_PLUGINS (files of codecs).

GATEWAY_CALLER_CODECS=${GATEWAY_CALLER_CODECS:-PCMU}
GATEWAY_CALLEE_CODECS=${GATEWAY_CALLEE_CODECS:-PCMU}
GATEWAY_CALLER_PEER=${GATEWAY_CALLER_PEER:-$CALLER_IP}
GATEWAY_CALLEE_PEER=${GATEWAY_CALLEE_PEER:-$CALLEE_IP}
GATEWAY_CALLER_POLICY=${GATEWAY_CALLER_POLICY:-}
GATEWAY_CALLEE_POLICY=${GATEWAY_CALLEE_POLICY:-}
GATEWAY_TIMERS=${GATEWAY_TIMERS:-}
GATEWAY_PLUGINS=${GATEWAY_PLUGINS:-}
GATEWAY_HUGEPAGES=${GATEWAY_HUGEPAGES:-auto}

gateway_start() {
	gateway_config_dataplane >"$LAB/dataplane.yaml"
	gateway_config_control >"$LAB/control.yaml"
	dataplane_start
	control_start
}

dataplane_start() {
	lab_spawn dataplane gateway "$SLUICE_BUILD/dataplane/sluice-dataplane" --config "$LAB/dataplane.yaml"
	started_or_die dataplane test -S "$LAB/dataplane.sock"
}

control_start() {
	lab_spawn control gateway "$SLUICE_BUILD/control/sluice-control" --config "$LAB/control.yaml"
	started_or_die control gateway_ready
}

# started_or_die PROGRAM COMMAND...: wait until the command succeeds or the program has ended.
started_or_die() {
	local name=$1
	shift
	wait_until 20 started_or_dead "$name" "$@" || true
	if ! lab_alive "$name" || ! "$@"; then
		die "sluice-$name did not start: $(tail -n 1 "$LAB/$name.log" | cut -c 1-300) (all of it: $LAB/$name.log)"
	fi
}

started_or_dead() {
	local name=$1
	shift
	lab_dead "$name" || "$@"
}

# sluicectl of this laboratory.
ctl() {
	"$SLUICE_BUILD/control/cli/sluicectl" --socket "$LAB/control.sock" "$@"
}


# Control answers, and has the dataplane.
gateway_ready() {
	ctl --json status 2>/dev/null | grep -q '"up": true'
}

# The CPUs we may run on, one a line: in a container they need not begin with 0.
cpus_allowed() {
	local range
	sed -n 's/^Cpus_allowed_list:\s*//p' /proc/self/status | tr ',' '\n' |
		while read -r range; do seq "${range%-*}" "${range#*-}"; done
}

# The worker on the last CPU; main and the transcoder on the first, with all that is not Sluice.
gateway_config_dataplane() {
	local first last
	first=$(cpus_allowed | head -n 1)
	last=$(cpus_allowed | tail -n 1)
	cat <<-CONFIG
		socket: $LAB/dataplane.sock
		cpus: {main: $first, workers: [$last], transcoders: [$first]}
		idle: true
		memory: {hugepages: $GATEWAY_HUGEPAGES, megabytes: 256}
		sessions_max: 2000
		rtp_ports: {min: 20000, max: 23999}
		ports:
		  - {name: caller, interface: caller}
		  - {name: callee, interface: callee}
		realms:
		  - {name: caller, port: caller, addresses: [$GATEWAY_CALLER_IP, "$GATEWAY_CALLER_IP6"]}
		  - {name: callee, port: callee, addresses: [$GATEWAY_CALLEE_IP, "$GATEWAY_CALLEE_IP6"]}
		plugins: [$GATEWAY_PLUGINS]
		log: {all: info}
	CONFIG
}

# Numbers that begin with 2 live behind the callee, those with 1 behind the caller.
gateway_config_control() {
	cat <<-CONFIG
		node: lab
		dataplane: $LAB/dataplane.sock
		admin: $LAB/control.sock
		realms:
		  - {name: caller, sip: [{address: $GATEWAY_CALLER_IP}, {address: "$GATEWAY_CALLER_IP6"}],
		     media_addresses: [$GATEWAY_CALLER_IP, "$GATEWAY_CALLER_IP6"]}
		  - {name: callee, sip: [{address: $GATEWAY_CALLEE_IP}, {address: "$GATEWAY_CALLEE_IP6"}],
		     media_addresses: [$GATEWAY_CALLEE_IP, "$GATEWAY_CALLEE_IP6"]}
		trunks:
		  - {name: caller, realm: caller, peers: [{address: "$GATEWAY_CALLER_PEER"}], codecs: [$GATEWAY_CALLER_CODECS]${GATEWAY_CALLER_POLICY:+, $GATEWAY_CALLER_POLICY}}
		  - {name: callee, realm: callee, peers: [{address: "$GATEWAY_CALLEE_PEER"}], codecs: [$GATEWAY_CALLEE_CODECS]${GATEWAY_CALLEE_POLICY:+, $GATEWAY_CALLEE_POLICY}}
		routes:
		  - {prefix: "2", trunk: callee}
		  - {prefix: "1", trunk: caller}
		timers: {${GATEWAY_TIMERS:-no_answer_s: 30}}
		cdr: {file: $LAB/cdr.json}
		http: {address: 127.0.0.1}
	CONFIG
}
