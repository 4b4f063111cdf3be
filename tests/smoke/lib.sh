# shellcheck shell=bash
# What the smoke tests share. A test is one file: it sources this, builds the situation, and says
# what it expects; anything that fails ends it, with the logs kept and named. Without root it is
# skipped (status 77).
#
#   SIPp or phone                sluice-dataplane, sluice-control                SIPp or phone
#   caller 192.0.2.2 ──────── 192.0.2.1  gateway  198.51.100.1 ──────── callee 198.51.100.2
#
# Numbers beginning with 2 are routed to the callee, those beginning with 1 to the caller.

SMOKE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
for part in common lab gateway phone; do
	# shellcheck source=/dev/null
	. "$SMOKE/../../scripts/lib/$part.sh"
done
SLUICE_BUILD=$(realpath "${SLUICE_BUILD:-$SLUICE_ROOT/build}")

MEDIA_PORT=4000
SIPP_TRACE=yes # every message to $LAB/SIDE.messages
SIP_CAPTURE=yes # all SIP of the gateway, for the judge
FORMATS="0 101"
RTPMAPS=$'a=rtpmap:0 PCMU/8000\na=rtpmap:101 telephone-event/8000\na=fmtp:101 0-15\na=ptime:20'
# The phones' first packets leave before their SRTP is ready: as many as they have started to send.
FEW_PLAIN="dropped_auth<=5"
OPUS_FORMATS="96 101"
OPUS_RTPMAPS=$'a=rtpmap:96 opus/48000/2\na=rtpmap:101 telephone-event/48000\na=fmtp:101 0-15\na=ptime:20'
SPEECH="The quick brown fox jumps over the lazy dog, while five boxing wizards watch quietly from the
garden wall. Yesterday we sent nine parcels to the harbour, and seven of them arrived before noon.
Please tell me whether the other two have been found, because the ship will leave on Thursday evening."

# --- begin and end ---

smoke_needs_root() {
	if [ "$(id -u)" != 0 ]; then
		say "skipped: network namespaces need root"
		exit 77
	fi
}

smoke_begin() {
	smoke_needs_root
	trap 'smoke_end $?' EXIT
	trap 'exit 130' INT TERM
	explain_failures
	lab_up
	export TERM=xterm # SIPp will not start without one
	[ "$SIP_CAPTURE" = no ] || sip_capture_start
}

smoke_end() {
	local status=$1 log
	trap - EXIT ERR
	[ "$status" = 0 ] || { ctl drops && ctl ports; } >"$LAB/counters.log" 2>&1 || true
	lab_down
	if [ "$status" = 0 ]; then
		sip_capture_keep
		rm -rf "$LAB"
		exit 0
	fi
	for log in "$LAB"/*.log "$LAB"/*.errors; do
		[ -s "$log" ] || continue
		say "--- end of ${log##*/}"
		tail -n 12 "$log" | cut -c 1-400 >&2
	done
	say "FAILED; all logs are in $LAB"
	exit "$status"
}

# See tests/flows/judge.py.
sip_capture_start() {
	lab_spawn capture gateway tcpdump -n -i any -U -Z root -w "$LAB/sip.pcap" udp port 5060
	wait_until 5 grep -qs "listening on" "$LAB/capture.log" || fail "tcpdump did not start"
}

sip_capture_keep() {
	[ -s "$LAB/sip.pcap" ] || return 0
	mkdir -p "$SLUICE_BUILD/tests/flows/pcap"
	mv "$LAB/sip.pcap" "$SLUICE_BUILD/tests/flows/pcap/smoke_$(basename "$0" .sh).pcap"
}

fail() {
	say "$*"
	exit 1
}

# --- SIP ---

# callee_plays SCENARIO [NAME=VALUE...] [-- SIPP OPTION...]: in the background.
callee_plays() {
	FORMATS=${CALLEE_FORMATS:-$FORMATS} RTPMAPS=${CALLEE_RTPMAPS:-$RTPMAPS} \
		sipp_start callee "$CALLEE_IP" "$@"
	wait_until 5 sipp_listens callee
}

# caller_plays NUMBER SCENARIO [NAME=VALUE...] [-- SIPP OPTION...]: in the background.
caller_plays() {
	local number=$1
	shift
	sipp_start caller "$CALLER_IP" "$@" -- -s "$number" "$GATEWAY_CALLER_IP:5060"
}

sipp_start() {
	local side=$1 ip=$2 scenario=$3 values=() options=() option
	shift 3
	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		values+=("$1")
		shift
	done
	for option in "$@"; do
		[ "$option" = -- ] || options+=("$option")
	done
	"$SMOKE/sipp.py" "$scenario" DIR="$LAB" MEDIA_PORT=$MEDIA_PORT FORMATS="$FORMATS" \
		RTPMAPS="$RTPMAPS" "${values[@]}" >"$LAB/$side.xml"
	[ "$SIPP_TRACE" = no ] || options=(-trace_msg -message_file "$LAB/$side.messages" "${options[@]}")
	lab_spawn "sipp-$side" "$side" sipp -sf "$LAB/$side.xml" -i "$ip" -mi "$ip" -p 5060 -nostdin -m 1 \
		-timeout 40 -timeout_error -trace_err -error_file "$LAB/$side.errors" "${options[@]}"
}

sipp_listens() {
	lab_in "$1" ss -Hlun "sport = :5060" | grep -q .
}

# sipp_done SIDE...: wait for the scenarios to end well.
sipp_done() {
	local side
	for side in "$@"; do
		wait "$(lab_pid "sipp-$side")" ||
			fail "the $side did not see what scenario $(scenario_name "$side") expects"
	done
}

scenario_name() {
	sed -n 's/.*<scenario name="\(.*\)">/"\1"/p' "$LAB/$1.xml"
}

# sipp_saw SIDE TEXT: in a message that it sent or received.
sipp_saw() {
	grep -q -- "$2" "$LAB/$1.messages"
}

call_is_up() {
	wait_until 5 test -s "$LAB/caller.port" || fail "the call was not answered"
}

# --- sessions without control ---

# dataplane_session set|get|delete|counters ...: see session_tool.c. Answers in JSON.
dataplane_session() {
	"$SLUICE_BUILD/tests/smoke/session_tool" "$LAB/dataplane.sock" "$@"
}

# --- media ---

# media_start SIDE SECONDS [OPTION of rtp.py...]: from the address and port that the SIPp of that
# side named in its SDP, to the port that the gateway named. MEDIA_NAME (default: SIDE) names the
# report.
media_start() {
	local side=$1 seconds=$2 near far name=${MEDIA_NAME:-$1}
	shift 2
	near=$CALLER_IP far=$GATEWAY_CALLER_IP
	[ "$side" = caller ] || near=$CALLEE_IP far=$GATEWAY_CALLEE_IP
	lab_spawn "media-$name" "$side" "$SMOKE/rtp.py" --bind "${MEDIA_FROM:-$near:$MEDIA_PORT}" \
		--remote "$far:$(cat "$LAB/$side.port")" --seconds "$seconds" \
		--report "$LAB/media-$name.json" "$@"
}

# media_between NAME SIDE BIND REMOTE SECONDS [OPTION of rtp.py...]: from one transport address to
# another, whatever any SDP says.
media_between() {
	local name=$1 side=$2 bind=$3 remote=$4 seconds=$5
	shift 5
	lab_spawn "media-$name" "$side" "$SMOKE/rtp.py" --bind "$bind" --remote "$remote" \
		--seconds "$seconds" --report "$LAB/media-$name.json" "$@"
}

# speech_start SIDE CODEC PT VOICE: say the speech in payloads of that codec, and keep what is heard.
speech_start() {
	local side=$1 codec=$2 pt=$3 voice=$4 near=$CALLER_IP far=$GATEWAY_CALLER_IP plugin=()
	[ "$codec" != G729 ] || plugin=("$SLUICE_BUILD/codecs/sluice-g729.so")
	[ "$side" = caller ] || near=$CALLEE_IP far=$GATEWAY_CALLEE_IP
	speech_make "$LAB/$side.wav" PCMU/8000/1 "$voice" "$SPEECH"
	sox -V1 "$LAB/$side.wav" -t raw - trim 0 10 | "$SLUICE_BUILD/tests/smoke/speech_encode" "$codec" \
		"${plugin[@]}" >"$LAB/$side.payloads"
	lab_spawn "media-$side" "$side" "$SMOKE/speech_rtp.py" --bind "$near:$MEDIA_PORT" \
		--remote "$far:$(cat "$LAB/$side.port")" --codec "${codec,,}" --pt "$pt" \
		--play "$LAB/$side.payloads" --heard "$LAB/$side-heard.wav" --seconds 6 \
		--report "$LAB/media-$side.json"
}

# expect_heard_payloads CORRELATION: after speech_start on both sides, each heard what the other said.
expect_heard_payloads() {
	audio_compare "$LAB/caller.wav" "$LAB/callee-heard.wav" --min-correlation "$1" >&2 ||
		fail "what the callee heard is not what the caller said"
	audio_compare "$LAB/callee.wav" "$LAB/caller-heard.wav" --min-correlation "$1" >&2 ||
		fail "what the caller heard is not what the callee said"
}

# media_done NAME...: wait for the reports.
media_done() {
	local name
	for name in "$@"; do
		wait "$(lab_pid "media-$name")" || fail "rtp.py failed: see $LAB/media-$name.log"
	done
}

# media_both SECONDS: both ends send and receive; to be followed by expect_media.
media_both() {
	media_start caller "$1"
	media_start callee "$1"
	media_done caller callee
}

# --- phones, which do SRTP ---

# Two phones that speak PCMU; PHONE_CALLER_MEDIAENC and PHONE_CALLEE_MEDIAENC as PHONE_MEDIAENC of
# phone.sh, _RTCP_MUX likewise, PHONE_CALLER_IP and PHONE_CALLEE_IP where they are not the laboratory's first.
phones_start() {
	speech_make "$LAB/caller.wav" PCMU/8000/1 en-gb "$SPEECH"
	speech_make "$LAB/callee.wav" PCMU/8000/1 en-us+f3 "$SPEECH"
	PHONE_MEDIAENC=${PHONE_CALLER_MEDIAENC:-} PHONE_RTCP_MUX=${PHONE_CALLER_RTCP_MUX:-no} \
		phone_start caller "${PHONE_CALLER_IP:-$CALLER_IP}" 1001 PCMU/8000/1 "$LAB/caller.wav"
	PHONE_MEDIAENC=${PHONE_CALLEE_MEDIAENC:-} PHONE_RTCP_MUX=${PHONE_CALLEE_RTCP_MUX:-no} \
		phone_start callee "${PHONE_CALLEE_IP:-$CALLEE_IP}" 2001 PCMU/8000/1 "$LAB/callee.wav"
}

# phones_talk SECONDS [GATEWAY]
phones_talk() {
	phone_do caller dial "sip:2001@$(uri_host "${2:-$GATEWAY_CALLER_IP}")"
	wait_until 10 phone_logged caller "Call established" || fail "the call was not answered"
	pause "$1"
}

# expect_heard_speech CORRELATION [PART]: each phone heard what the other said, once its call is
# over. PART, as sox trims ("0 5": the first five seconds, "-4": the last four): after a gap, what
# was sent and what was heard run apart.
expect_heard_speech() {
	local listener speaker recording
	for listener in caller callee; do
		speaker=caller
		[ $listener = callee ] || speaker=callee
		recording=$(phone_heard $listener)
		if [ -n "${2:-}" ]; then
			# shellcheck disable=SC2086
			sox -V1 "$recording" "$LAB/$listener-part.wav" trim $2
			recording=$LAB/$listener-part.wav
		fi
		audio_compare "$LAB/$speaker.wav" "$recording" --min-correlation "$1" >&2 ||
			fail "what the $listener heard is not what the $speaker said"
	done
}

# The one session that there is.
expect_session_stats() {
	ctl --json sessions >"$LAB/sessions.json"
	"$SMOKE/check.py" "$LAB/sessions.json" "#=1" "${@/#/0.}" >&2 ||
		fail "the dataplane's counters are not as expected"
}

# expect_families CALLER CALLEE: what the addresses of media begin with on each side.
expect_families() {
	local leg=a wanted end
	ctl --json sessions >"$LAB/sessions.json"
	for wanted in "$1" "$2"; do
		for end in local remote; do
			grep -A 5 "\"leg\": \"$leg\"" "$LAB/sessions.json" | grep -q "\"$end\": \"\[\?$wanted" ||
				fail "the $end media of leg $leg is not on $wanted: see $LAB/sessions.json"
		done
		leg=b
	done
}

# --- expectations: see check.py for statements ---

expect_media() {
	local name=$1
	shift
	"$SMOKE/check.py" "$LAB/media-$name.json" "$@" >&2 || fail "media at the $name is not as expected"
}

# Nothing lost, doubled, disordered or altered on the way to NAME; at least PACKETS of it.
expect_clean_media() {
	expect_media "$1" "received>=$2" lost=0 duplicates=0 reordered=0 timestamp_jumps=0 ssrcs=1 \
		strangers=0 malformed=0 "${@:3}"
}

cdr_count() {
	[ -e "$LAB/cdr.json" ] && [ "$(wc -l <"$LAB/cdr.json")" -ge "$1" ]
}

# The one CDR of the call says so.
expect_cdr() {
	wait_until 5 cdr_count 1 || fail "no CDR was written"
	[ "$(wc -l <"$LAB/cdr.json")" = 1 ] || fail "more than one CDR was written: $LAB/cdr.json"
	"$SMOKE/check.py" "$LAB/cdr.json" "$@" >&2 || fail "the CDR is not as expected"
}

sessions_are() {
	ctl --json sessions | "$SMOKE/check.py" - "#=$1" >/dev/null
}

gateway_is_idle() {
	sessions_are 0 && ctl --json calls | "$SMOKE/check.py" - "#=0" >/dev/null &&
		ctl --json counters | "$SMOKE/check.py" - "table.ports_used_now=0" >/dev/null
}

# No call, no session, no port in use.
expect_nothing_left() {
	wait_until 5 gateway_is_idle ||
		fail "something is left: $(ctl calls; ctl sessions; ctl counters | grep ports_used)"
}
