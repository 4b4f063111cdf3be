# shellcheck shell=bash
# Real SIP phones for the laboratory: baresip, headless, playing one WAV file and recording what it
# hears. Needs lab.sh. A phone is named after the side it lives on.

# speech_make FILE.wav CODEC VOICE TEXT: speech to send, in the form that the phone's codec wants,
# with silence behind it: baresip gives up a call whose file has ended.
speech_make() {
	local file=$1 codec=$2 voice=$3 text=$4 rate channels
	IFS=/ read -r _ rate channels <<<"$codec"
	espeak-ng -v "$voice" -s 150 -w "$file.22k.wav" "$text"
	sox -V1 "$file.22k.wav" -r "$rate" -c "$channels" -b 16 "$file" norm -6 pad 0 60
	rm -f "$file.22k.wav"
}

# phone_start SIDE IP NUMBER CODEC SPEECH.wav [ANSWERMODE]. CODEC as in baresip's audio_codecs:
# PCMU/8000/1, opus/48000/1 (mono sound; its SDP says /2 all the same). ANSWERMODE: auto (default),
# early (183 with media), manual. PHONE_MEDIAENC: srtp (optional), srtp-mand (required); empty: RTP.
# PHONE_MODULES: of codecs beyond G.711 and Opus. PHONE_RTCP_MUX=yes: RTCP on the port of RTP.
phone_start() {
	local side=$1 ip=$2 number=$3 codec=$4 speech=$5 answer=${6:-auto}
	local dir=$LAB/phone-$side family=-4
	mkdir -p "$dir/recordings"
	phone_config "$dir" "$ip" "$speech" >"$dir/config"
	printf '<sip:%s@%s>;regint=0;answermode=%s;audio_codecs=%s%s\n' "$number" "$(uri_host "$ip")" \
		"$answer" "$codec" "${PHONE_MEDIAENC:+;mediaenc=$PHONE_MEDIAENC}" >"$dir/accounts"
	: >"$dir/contacts"
	case $ip in *:*) family=-6 ;; esac
	lab_spawn "phone-$side" "$side" baresip $family -f "$dir"
	wait_until 5 phone_logged "$side" "baresip is ready" ||
		die "the phone of the $side did not start: see $LAB/phone-$side.log"
}

# An IPv6 address has brackets in URIs and before a port.
uri_host() {
	case $1 in *:*) echo "[$1]" ;; *) echo "$1" ;; esac
}

phone_config() {
	local dir=$1 ip=$2 speech=$3 module
	for module in ${PHONE_MODULES:-}; do
		echo "module $module.so"
	done
	cat <<-CONFIG
		poll_method epoll
		sip_listen $(uri_host "$ip"):5060
		net_interface eth0
		call_max_calls 1
		statmode_default off
		audio_source aufile,$speech
		audio_buffer 20-160
		jitter_buffer_type off
		rtcp_mux ${PHONE_RTCP_MUX:-no}
		opus_stereo no
		opus_sprop_stereo no
		opus_bitrate 24000
		snd_path $dir/recordings
		ctrl_tcp_listen 127.0.0.1:4444
		module_path /usr/lib/baresip/modules
		module srtp.so
		module g711.so
		module opus.so
		module aufile.so
		module sndfile.so
		module ctrl_tcp.so
		module_app account.so
		module_app contact.so
		module_app menu.so
	CONFIG
}

# phone_do SIDE COMMAND [PARAMETER]: dial URI, hangup, hold, resume ...
phone_do() {
	local side=$1 command=$2 parameter=${3:-}
	lab_in "$side" /usr/bin/python3 "$SLUICE_ROOT/scripts/lib/phone_command.py" "$command" "$parameter" \
		>>"$LAB/phone-$side.commands.log"
}

# phone_logged SIDE REGEX
phone_logged() {
	grep -Eq -- "$2" "$LAB/phone-$1.log" 2>/dev/null
}

# phone_heard SIDE: the newest recording of what a phone heard, or nothing.
phone_heard() {
	find "$LAB/phone-$1/recordings" -name '*-dec.wav' | sort | tail -n 1
}

# audio_compare SOURCE RECORDING [OPTION...]: at 8 kHz and telephone bandwidth, whatever the files
# are. Options and output are those of audio.py.
audio_compare() {
	local source=$1 recording=$2 narrow
	shift 2
	narrow=$(mktemp -d "$LAB/narrow.XXXXXX")
	sox -V1 "$source" -r 8000 -c 1 -b 16 "$narrow/source.wav" sinc 300-3400
	sox -V1 "$recording" -r 8000 -c 1 -b 16 "$narrow/recording.wav" sinc 300-3400
	"$SLUICE_ROOT/scripts/lib/audio.py" compare "$narrow/source.wav" "$narrow/recording.wav" "$@"
}
