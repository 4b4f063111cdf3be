#!/bin/bash
# A call between two networks with a proxy each, which stay in the dialog (Record-Route) and let no
# request pass that does not honour the route set: both ends hold, resume and hang up, and both hear.
# One phone is baresip, the other Linphone.
#
#   baresip 192.0.2.2 ── Kamailio 192.0.2.3 ── gateway ── Kamailio 198.51.100.3 ── Linphone 198.51.100.2
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

CALLER_PROXY=192.0.2.3
CALLEE_PROXY=198.51.100.3

# proxy_start SIDE IP INSIDE: with the phone at INSIDE behind it, and the gateway in front.
proxy_start() {
	local side=$1 ip=$2 inside=$3 gateway=$GATEWAY_CALLER_IP
	[ "$side" = caller ] || gateway=$GATEWAY_CALLEE_IP
	lab_address "sluice-$LAB_ID-$side" eth0 "$ip/24"
	echo "1 sip:$gateway:5060" >"$LAB/proxy-$side.list"
	sed -e "s,@LISTEN@,$ip," -e "s,@INSIDE@,${inside%:*}," -e "s,@PORT@,${inside#*:}," -e "s,@LIST@,$LAB/proxy-$side.list," \
		-e "s,@MODULES@,$(dirname "$(dpkg -L kamailio | grep '/tm\.so$')")," "$SMOKE/proxy.cfg" >"$LAB/proxy-$side.cfg"
	lab_spawn "proxy-$side" "$side" kamailio -DD -E -m 16 -M 8 -Y "$LAB" -f "$LAB/proxy-$side.cfg"
	wait_until 10 proxy_listens "$side" "$ip" || fail "the proxy of the $side did not start"
}

proxy_listens() {
	lab_in "$1" ss -Hlun "src $2:5060" | grep -q .
}

# proxy_count SIDE METHOD: of requests that went by on their route.
proxy_count() {
	grep -c "passed $2 " "$LAB/proxy-$1.log"
}

proxy_passed_more() {
	[ "$(proxy_count "$1" "$2")" -gt "$3" ]
}

# expect_passed METHOD TIMES: by both proxies.
expect_passed() {
	local side
	for side in caller callee; do
		[ "$(proxy_count $side "$1")" -ge "$2" ] ||
			fail "$(proxy_count $side "$1") $1 went by the proxy of the $side, not $2"
	done
}

# Linphone takes its commands from a file, line by line.
linphone_start() {
	local side=$1 ip=$2 speech=$3
	mkdir -p "$LAB/linphone/.local/share/linphone" "$LAB/linphone/.config/linphone"
	cat >"$LAB/linphone/linphonerc" <<-CONFIG
		[sip]
		sip_port=5070
		sip_tcp_port=-1
		sip_tls_port=-1
		contact=sip:2001@$ip:5070
		bind_address=$ip
		[rtp]
		audio_rtp_port=7078
		[sound]
		echocancellation=0
		[net]
		mtu=1300
		firewall_policy=0
		dns_srv_enabled=0
		[misc]
		log_collection_enabled=0
	CONFIG
	: >"$LAB/linphone/commands"
	lab_spawn phone-linphone "$side" env HOME="$LAB/linphone" sh -c \
		"tail -n +1 -f $LAB/linphone/commands | linphonec -a -S -c $LAB/linphone/linphonerc -d 6 -l $LAB/linphone.log"
	linphone_do "soundcard use files"
	linphone_do "play $speech"
	linphone_do "record $LAB/linphone-heard.wav"
	wait_until 10 linphone_listens "$side" || fail "Linphone does not listen"
}

linphone_listens() {
	lab_in "$1" ss -Hlun "sport = :5070" | grep -q .
}

linphone_do() {
	echo "$*" >>"$LAB/linphone/commands"
}

smoke_begin
GATEWAY_CALLER_PEER=$CALLER_PROXY GATEWAY_CALLEE_PEER=$CALLEE_PROXY gateway_start
proxy_start caller $CALLER_PROXY "$CALLER_IP:5060"
proxy_start callee $CALLEE_PROXY "$CALLEE_IP:5070"
speech_make "$LAB/caller.wav" PCMU/8000/1 en-gb "$SPEECH"
speech_make "$LAB/callee.wav" PCMU/8000/1 en-us+f3 "$SPEECH"
phone_start caller "$CALLER_IP" 1001 PCMU/8000/1 "$LAB/caller.wav"
linphone_start callee "$CALLEE_IP" "$LAB/callee.wav"

# Each end holds and resumes; the caller hangs up.
phones_talk 1 $CALLER_PROXY
for step in "phone_do caller hold" "phone_do caller resume" "linphone_do pause" "linphone_do resume"; do
	acks=$(proxy_count callee ACK)
	$step
	wait_until 5 proxy_passed_more callee ACK "$acks" || fail "$step: no ACK went by"
	pause 0.5
done
phone_do caller hangup
expect_nothing_left
expect_cdr status=200 ended_by=a
expect_passed INVITE 5
expect_passed ACK 5
expect_passed BYE 1

# They talk, and the callee hangs up.
linphone_do "record $LAB/linphone-heard.wav"
: >"$LAB/phone-caller.log"
phones_talk 8 $CALLER_PROXY
linphone_do terminate
expect_nothing_left
[ "$(grep -c '"ended_by":"b"' "$LAB/cdr.json")" = 1 ] || fail "the callee did not hang up"
expect_passed BYE 2
! grep -h "refused" "$LAB"/proxy-*.log >&2 || fail "a request was not on its route"
audio_compare "$LAB/callee.wav" "$(phone_heard caller)" --min-correlation 0.8 >&2 ||
	fail "what the caller heard is not what the callee said"
audio_compare "$LAB/caller.wav" "$LAB/linphone-heard.wav" --min-correlation 0.8 >&2 ||
	fail "what the callee heard is not what the caller said"
