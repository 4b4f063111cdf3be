// The contract between sluice-control and sluice-dataplane, version 4. This header is its manual.
//
// Transport: a unix SOCK_SEQPACKET socket (mode 0600; the peer's uid must be the dataplane's or
// root), one message a packet, at most SL_MESSAGE_MAX bytes. Integers are in host byte order (both
// ends are on one machine), addresses in network byte order. Structures have no implicit padding;
// fields called `reserved` are zero.
//
// Every request carries a request_id that its response repeats; a response may come in several
// messages, all but the last flagged SL_MORE. Responses come in the order of the requests. Events
// have request_id 0 and go to every connection that asked for them in its hello.
//
// State, not steps: SL_SESSION_SET carries the whole wanted state of a session and is idempotent:
// it creates the session or replaces it. A local port of 0 means "choose one", anything else
// "exactly this one"; in a replace 0 keeps the port that the leg has. Legs are told apart by their
// index: a replace keeps what leg i has counted, where it latched to (while `remote` and
// `source_rule` stay), and the continuity of what it sends. After a restart of either side: hello,
// list, set what is wanted, delete the rest.
//
//   request            payload               response payload
//   SL_HELLO           struct sl_hello       struct sl_welcome
//   SL_SESSION_SET     struct sl_session     struct sl_session, with ports and SSRCs chosen, and
//                                            without the record and keys
//   SL_SESSION_DELETE  struct sl_id          struct sl_session_report: the last counters. Far
//                                            ends get an RTCP BYE of what we sent (RFC 3550 6.6)
//   SL_SESSION_GET     struct sl_id          struct sl_session_report
//   SL_SESSION_LIST    -                     struct sl_session_report each, SL_MORE but for an
//                                            empty last one
//   SL_STATS_GET       -                     array of struct sl_counter, as many messages as needed
//   SL_STATS_RESET     -                     -
//   SL_INJECT          struct sl_datagram    -
//   SL_PROFILE         struct sl_profile     -
//   SL_CODECS_GET      -                     array of struct sl_codec
//   SL_DTMF            struct sl_dtmf        -
//   SL_SHARD_SET       struct sl_shard       struct sl_shard as it is now
//   SL_SHARD_LIST      -                     array of struct sl_shard: all that are configured
//   SL_MARKS_GET       struct sl_shard_name  array of struct sl_mark, as many messages as needed
//   SL_MARKS_SET       array of sl_mark      -
//
//   event              payload
//   SL_MEDIA_EVENT     struct sl_media_event
//   SL_PUNT            struct sl_datagram
//   SL_SHARD_EVENT     struct sl_shard_event, with media events
//
// Errors (status of a response, payload empty): -EPROTO malformed message or wrong version (the
// connection is closed after it), -EPERM no hello yet, -EINVAL the state contradicts itself (see
// each field), -ENOENT no such session, -EADDRNOTAVAIL the local address is not one of ours,
// -EADDRINUSE the exact port is taken, -ENOSPC no port or session left, -EOPNOTSUPP a pair of
// formats that cannot be transcoded, -EBUSY it needs codecs and the transcoders are full (see
// `transcoding` in the configuration), -ENOMEM.
//
// -EBUSY is for new calls only: a session with exact ports that the dataplane does not know comes
// back from before a restart, and one whose legs have had a source is up already. Both get what
// they need, at the price of quality. Nor is it for what could be relayed, and would pass a codec
// for DTMF or comfort noise only: that is relayed without them.
//
// Keys go one way: no response carries one. A response says by its suite that there is one and has
// zeros in its place. Sent back as it is it would be -EINVAL: control keeps keys in its own record.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SL_API_VERSION	  4
#define SL_MESSAGE_MAX	  16384
#define SL_RECORD_MAX	  4096
#define SL_LEGS_MAX	  8
#define SL_FORMATS_MAX	  8
#define SL_NO_LEG	  0xff
#define SL_NO_PT	  0xff
#define SL_SRTP_KEY_MAX	  32
#define SL_SRTP_SALT_MAX  14
#define SL_SRTP_MKI_MAX	  16
#define SL_MID_MAX	  16
#define SL_SSRCS_MAX	  4
#define SL_DATAGRAM_MAX	  1500
#define SL_DSCP_REALM	  0xff
#define SL_SHARD_NAME_MAX 32
#define SL_SHARDS_MAX	  64
#define SL_DEFAULT_SOCKET "/run/sluice/dataplane.sock"

enum sl_type {
	SL_HELLO = 1,
	SL_SESSION_SET,
	SL_SESSION_DELETE,
	SL_SESSION_GET,
	SL_SESSION_LIST,
	SL_STATS_GET,
	SL_STATS_RESET,
	SL_INJECT,
	SL_PROFILE,
	SL_CODECS_GET,
	SL_DTMF,
	SL_SHARD_SET,
	SL_SHARD_LIST,
	SL_MARKS_GET,
	SL_MARKS_SET,
	SL_MEDIA_EVENT = 0x100,
	SL_PUNT,
	SL_SHARD_EVENT,
};

#define SL_RESPONSE 0x8000 // flag in sl_header.type of a response

enum { SL_MORE = 1 }; // sl_header.flags: further messages of this response follow

struct sl_header {
	uint32_t length; // bytes, this header included; must equal the packet's
	uint16_t type;	 // enum sl_type, | SL_RESPONSE
	uint16_t flags;
	uint32_t request_id;
	int32_t status; // responses: 0 or a negative errno
};

// A session's id: the binary form of its call's ULID.
struct sl_id {
	uint8_t bytes[16];
};

enum { SL_UNSPEC = 0, SL_IPV4 = 4, SL_IPV6 = 6 };

// A transport address. SL_UNSPEC with port 0: none.
struct sl_address {
	uint8_t bytes[16]; // IPv4 in the first four
	uint16_t port;	   // host byte order
	uint8_t family;	   // SL_UNSPEC, SL_IPV4, SL_IPV6
	uint8_t reserved;
};

struct sl_hello {
	uint16_t version; // SL_API_VERSION
	uint8_t events;	  // 1: send media events on this connection
	uint8_t punts;	  // 1: send punted packets on this connection
	char name[28];	  // of the client, for logs; NUL-terminated
};

struct sl_welcome {
	uint16_t version;
	uint16_t n_workers;
	uint16_t n_transcoders; // 0: workers run the codecs
	uint16_t reserved;
	uint32_t n_sessions;
	uint32_t sessions_max;
	uint64_t instance; // random, new at each start of the dataplane
	uint64_t uptime_ms;
};

enum {					// sl_format.flags
	SL_FORMAT_DTX = 1 << 0,		// send next to nothing in silence, where the codec can
	SL_FORMAT_OCTET_ALIGN = 1 << 1, // AMR, AMR-WB: octet-aligned payload, both ways (RFC 4867
					// 4.4); else bandwidth-efficient
	SL_FORMAT_MODE_CHANGE_NEIGHBOR = 1 << 2, // AMR: change the mode by one step of mode_set
	SL_FORMAT_CBR = 1 << 3,			 // opus: all frames of one length (RFC 7587 cbr)
	SL_FORMAT_VBR = 1 << 4,			 // speex: as many bits as a frame needs (RFC 5574)
};

// One RTP payload format of a leg (RFC 3551, RFC 8866 "a=rtpmap"). The name decides: formats of
// the same name, clock, channels, SL_FORMAT_OCTET_ALIGN and mode_set (where both have one) are
// relayed (payload type mapped); otherwise both must be codecs that the dataplane has. The first
// audio format of a leg must get across to what it is the source of; of the others, what cannot is
// dropped and counted.
struct sl_format {
	char name[16];	    // "PCMU", "PCMA", "opus", "telephone-event", "G729" ...; no case
	uint32_t clock_hz;  // of the RTP timestamp
	uint32_t bitrate;   // bit/s to encode at, 0: the codec's default
	uint8_t pt;	    // payload type that we send it as: the far end's number. Both are
			    // 0..63 or 96..127 (RFC 5761 4)
	uint8_t receive_pt; // that the far end sends it as: ours, no two formats of a leg share it.
			    // Differs from `pt` only where we offered and the answer has a number
			    // of its own (RFC 3264 6.1)
	uint8_t channels;
	uint8_t ptime_ms;     // to packetise with; 0: 20
	uint8_t complexity;   // encoder's, codec-specific; 0xff: the codec's default
	uint8_t fec;	      // 1: in-band FEC where the codec has it
	uint16_t flags;	      // SL_FORMAT_*
	uint32_t playback_hz; // highest rate the far decoder makes use of (RFC 7587
			      // maxplaybackrate), 0: not stated
	uint16_t mode_set;	    // AMR: bit i: mode i may be sent (RFC 4867 8.1); 0: all
	uint8_t mode_change_period; // AMR: change the mode every so many frames; 0, 1: any
	uint8_t reserved;
};

enum sl_source_rule {
	SL_SOURCE_STRICT, // media from the signalled address and port only
	SL_SOURCE_LATCH,  // the first valid packet within the window after a SET that changes
			  // `remote` (or creates the leg) sets the address, once; until then
			  // the signalled one is sent to. Where media is SRTP, that packet has to
			  // authenticate, and a newer one that does moves it again, at any time
};

// SRTP (RFC 3711): bytes of master key and salt. SL_SRTP_NONE: plain RTP.
enum sl_srtp_suite {
	SL_SRTP_NONE,
	SL_SRTP_AES_CM_128_HMAC_SHA1_80, // 16, 14
	SL_SRTP_AES_CM_128_HMAC_SHA1_32, // 16, 14
	SL_SRTP_AES_256_CM_HMAC_SHA1_80, // 32, 14 (RFC 6188)
	SL_SRTP_AES_256_CM_HMAC_SHA1_32, // 32, 14
	SL_SRTP_AEAD_AES_128_GCM,	 // 16, 12 (RFC 7714)
	SL_SRTP_AEAD_AES_256_GCM,	 // 32, 12
};

enum {				     // sl_srtp.flags
	SL_SRTP_PLAIN_RTCP = 1 << 0, // send SRTCP authenticated, not encrypted (RFC 4568 6.3.2)
	SL_SRTP_RESTART = 1 << 1,    // send: where this key replaces another, the ROC begins at 0
				     // again (RFC 4568 7.1.4), instead of going on (RFC 3711 3.3.1)
};

// Where one SSRC stands under a key: the lowest indices that may be sent, or will be accepted,
// next. 0: none yet.
struct sl_srtp_indices {
	uint64_t rtp_next;  // ROC << 16 | sequence; up to 2^48
	uint32_t rtcp_next; // up to 2^31
	uint32_t ssrc;
};

// One direction of a leg. Both are SRTP or none is, and no key that we send with may be there
// twice in a session. What is longer than a field's use is zero.
//
// A replace with the same suite, key, salt, MKI and plain RTCP changes nothing: indices and replay
// window go on. With another key, we send with it at once, and receive with both until the new one
// has authenticated a packet and some more have come. A key that was replaced must not come back.
struct sl_srtp {
	struct sl_srtp_indices resume; // the first key of a leg: begin here, not at 0 (RFC 3711
				       // 9.1: an index is never used twice). Else not looked at
	uint8_t suite;		       // enum sl_srtp_suite
	uint8_t mki_bytes;	       // 0: no MKI in the packets
	uint8_t flags;		       // SL_SRTP_*
	uint8_t reserved;
	uint8_t key[SL_SRTP_KEY_MAX]; // master key; never all zero
	uint8_t salt[SL_SRTP_SALT_MAX];
	uint8_t mki[SL_SRTP_MKI_MAX];
	uint8_t reserved2[6];
};

enum {					  // sl_leg.flags
	SL_LEG_RECEIVE = 1 << 0,	  // take media from the far end; else count and drop
	SL_LEG_SEND = 1 << 1,		  // send media to it
	SL_LEG_TRANSPARENT_SSRC = 1 << 2, // keep the source's SSRC, sequence and timestamp
	SL_LEG_HELD = 1 << 3,		  // expect no media: the hold time-out applies
	SL_LEG_RTCP_MUX = 1 << 4,	  // RTCP on the RTP port (RFC 5761)
	SL_LEG_RTCP_REDUCED = 1 << 5, // reduced-size RTCP was agreed on (RFC 5506): take it, and
				      // pass it on
	SL_LEG_PUNT = 1 << 6,	      // STUN, DTLS and what RFC 7983 has no name for go to
				      // control (SL_PUNT); else they are dropped and counted
	SL_LEG_OPAQUE = 1 << 7,	      // not RTP (UDPTL, RFC 3362): datagrams of the RTP port go
				      // to the legs fed by this one as they are; counters and
				      // time-outs take them for RTP. No formats, no SRTP, no
				      // punts; what feeds or is fed is opaque, too
	SL_LEG_DTMF_INBAND = 1 << 8,  // its far end has DTMF in the audio only (no format
				      // "telephone-event"): tones from it become the events of
				      // the legs that it feeds, and events for it become tones
	SL_LEG_DTMF_REPORT = 1 << 9,  // tell control the digits that come from it
				      // (SL_EVENT_DTMF). With DTMF_INBAND these are tones, which
				      // are left out of the audio whatever it feeds

	// Tell control how it sounds, every SL_QUALITY_MS with media (SL_EVENT_QUALITY)
	SL_LEG_QUALITY_REPORT = 1 << 10,

	// Control may send digits to its far end (SL_DTMF): where that has no "telephone-event",
	// what feeds the leg passes a codec, even if both ends have the same format
	SL_LEG_DTMF_SEND = 1 << 11,

	SL_LEG_NO_RTCP = 1 << 12, // send no RTCP to its far end (RFC 3556: b=RS:0, b=RR:0)
};

// Of what comes from a leg, where it passes a codec: play it out by time, evenly.
enum sl_jitter_buffer {
	SL_JITTER_NONE,	    // as it comes; a lost packet is waited for a little
	SL_JITTER_FIXED,    // jitter_ms behind what comes soonest
	SL_JITTER_ADAPTIVE, // as far behind as the network needs now, up to jitter_max_ms
};

// One end of the session's media: a local port pair and who is at the other end. Both addresses
// are of one family; the legs of a session need not be. Each media description of a call (audio,
// video) is a pair of legs.
//
// BUNDLE (RFC 9143): legs of one far end may share a transport. One of them has it: ports, remote,
// keys, RTCP_MUX (which it needs), RTCP_REDUCED, source rule, latch, punt, rates and DSCP. The
// others name it in `transport`, and those fields of theirs are zero, flags of the transport too;
// all have one mid_extension, and each its own MID and SSRCs. A packet that came in goes to the leg
// whose MID it carries (RTP header extension `mid_extension`), else to the one whose SSRC it has
// (listed here, or learnt from a MID or payload type before), else to the only one that takes its
// payload type; else, or with a MID that is nobody's, it is dropped. Packets sent carry the MID of
// their leg, bundled or not, and are up to 20 bytes longer than they came.
struct sl_leg {
	struct sl_address local;       // RTP; RTCP is port + 1. Port must be even, or 0: choose
	struct sl_address remote;      // RTP, as signalled; SL_UNSPEC: not known yet
	struct sl_address remote_rtcp; // SL_UNSPEC: remote's port + 1
	uint32_t ssrc;		       // of what we send; 0: choose. A replace with 0, or with one
				       // that was given up for a collision, keeps what there is
	uint32_t start_timeout_ms;     // no media before the first packet; 0: never
	uint32_t media_timeout_ms;     // no media after it; 0: never
	uint32_t hold_timeout_ms;      // no media while SL_LEG_HELD; 0: never
	uint32_t latch_window_ms;      // SL_SOURCE_LATCH: how long it may latch; 0: no limit
	uint32_t packets_per_second;   // taken from the far end, RTCP and punts included, in bursts
				       // of a tenth of that; more is dropped and counted. What is
				       // from a wrong source does not count; where the leg may
				       // still latch or move, other sources have as much again.
				       // 0: the configuration's default; at least 10
	uint32_t bytes_per_second;     // the same, of UDP payload; at least 1,000
	uint32_t ssrcs[SL_SSRCS_MAX];  // of what it receives, as signalled ("a=ssrc"); 0: not known
	char mid[SL_MID_MAX];	       // "a=mid", NUL-terminated; "": none
	uint16_t flags;
	uint8_t source;	     // index of the leg whose media is sent here; SL_NO_LEG: none. A
			     // leg may be the source of several
	uint8_t source_rule; // enum sl_source_rule
	uint8_t dscp;	     // of what we send, 0..63; SL_DSCP_REALM: as its realm is configured
	uint8_t n_formats;   // formats[0] is the one we send; all are accepted
	uint8_t transport; // index of the leg whose transport it shares; SL_NO_LEG: it has its own
	uint8_t mid_extension; // id of the MID header extension (RFC 8285), 1..14; 0: none
	uint16_t jitter_ms; // depth of the jitter buffer, an adaptive one's at first: 10..500, and
			    // no more than 32 packets; else 0
	uint16_t jitter_max_ms; // of an adaptive one: jitter_ms..500; else 0
	uint8_t jitter_buffer;	// enum sl_jitter_buffer
	uint8_t jitter_reserved[3];
	struct sl_format formats[SL_FORMATS_MAX];
	struct sl_srtp srtp_receive; // whatever does not authenticate is dropped, plain RTP too
	struct sl_srtp srtp_send;
};

// A session is followed by its record: record_length opaque bytes that belong to control.
struct sl_session {
	struct sl_id id;
	uint16_t record_length; // 0..SL_RECORD_MAX
	uint8_t n_legs;		// 0..SL_LEGS_MAX
	uint8_t reserved[5];
	struct sl_leg legs[SL_LEGS_MAX]; // n_legs of them are looked at
};

// The far end's last VoIP metrics block (RFC 3611 4.7), as it said it; ssrc 0: none came.
struct sl_voip_metrics {
	uint32_t ssrc; // of the stream that it is about, ours
	uint8_t loss_rate;
	uint8_t discard_rate;
	uint8_t burst_density;
	uint8_t gap_density;
	uint16_t burst_duration_ms;
	uint16_t gap_duration_ms;
	uint16_t round_trip_ms;
	uint16_t end_system_delay_ms;
	int8_t signal_level_dbm;
	int8_t noise_level_dbm;
	uint8_t rerl_db;
	uint8_t gmin;
	uint8_t r_factor; // 127: not available, as for the next three
	uint8_t external_r_factor;
	uint8_t mos_lq; // in tenths
	uint8_t mos_cq;
	uint8_t rx_config;
	uint8_t reserved;
	uint16_t jitter_buffer_nominal_ms;
	uint16_t jitter_buffer_maximum_ms;
	uint16_t jitter_buffer_absolute_ms;
};

// How good a conversation is by the E-model (ITU-T G.107), narrowband scale: R, and the mean
// opinion score that it stands for. Loss and its bursts are measured; delay is half of the round
// trip, plus packet, codec and jitter buffer. mos_hundredths 0: nothing to judge by.
struct sl_quality {
	uint16_t r_tenths;	 // 0..1000
	uint16_t mos_hundredths; // 100..450
};

#define SL_QUALITY_MS 5000

// Counters since the leg was created. A replace keeps them. Where a leg feeds one with
// SL_LEG_TRANSPARENT_SSRC, several SSRCs may come side by side (video with retransmissions,
// simulcast): loss, order, duplicates and jitter are then those of the first for as long as it is
// heard, and of the next when it has been silent for a second.
struct sl_leg_stats {
	uint64_t rx_packets; // RTP accepted
	uint64_t rx_bytes;   // of RTP: header and payload
	uint64_t tx_packets;
	uint64_t tx_bytes;
	uint64_t rx_rtcp;
	uint64_t tx_rtcp;
	uint64_t lost; // RFC 3550 A.3, summed over the leg's sources, never below 0
	uint64_t reordered;
	uint64_t duplicates;
	uint64_t dropped_source; // from a wrong address
	uint64_t dropped_other;	 // malformed, unknown payload type, not receiving
	uint64_t dropped_auth;	 // SRTP that does not authenticate, plain RTP where it belongs
	uint64_t dropped_replay; // SRTP that came before, or too late to tell; SRTCP counts as SRTP
	uint64_t transcoded;	 // frames this leg's media gave to a codec
	uint64_t concealed;	 // frames made up for lost ones
	uint64_t transcode_ns;	 // CPU time of both
	uint64_t dropped_rate;	 // over packets_per_second or bytes_per_second
	uint64_t punted;	 // to control
	uint32_t jitter_us;	 // RFC 3550 A.8, last
	uint32_t jitter_max_us;
	uint32_t rx_ssrc; // last seen
	uint32_t tx_ssrc;
	uint32_t idle_ms;  // since the last accepted packet; since creation where none came
	uint8_t latched;   // 1: `source` was taken from a packet
	uint8_t timed_out; // 1: the time-out in force has passed (events repeat after a hello)
	uint8_t rx_pt;	   // last seen, SL_NO_PT: none
	uint8_t one_way;   // 1: it is sent media and none comes from it (SL_EVENT_ONE_WAY)
	struct sl_address source; // where media is sent and taken from now
	uint32_t rtt_us; // round trip by the far end's reports (RFC 3550 A.8), last; 0: none
	struct sl_srtp_indices srtp_received; // of rx_ssrc
	struct sl_srtp_indices srtp_sent;     // of tx_ssrc
	uint32_t remote_lost;	   // of what we sent, by the far end's last report (RFC 3550 6.4.1)
	uint32_t remote_jitter_us; // the same
	uint8_t remote_fraction_lost;
	uint8_t reserved[7];
	struct sl_voip_metrics voip;
	struct sl_quality received;	  // of what comes from it, since the leg was created, ...
	struct sl_quality received_now;	  // ... in the last SL_QUALITY_MS with media, ...
	struct sl_quality received_worst; // ... and the worst of those
	struct sl_quality sent;	   // of what it gets, by its reports; it is taken to conceal losses
	uint32_t loss_bursts;	   // runs of sequence numbers that `lost` are
	uint16_t jitter_buffer_ms; // depth of the jitter buffer now
	uint16_t jitter_target_ms; // and what it is to be
	uint64_t late;		   // packets that came too late for the codec they go through now
	uint64_t discarded;	   // and those that the jitter buffer left out, to be shorter
};

struct sl_session_report {
	struct sl_session session; // followed on the wire by the record, after `stats`
	uint32_t worker;	   // index of the worker that owns it
	uint32_t age_ms;
	struct sl_leg_stats stats[SL_LEGS_MAX];
};

enum sl_media_event_type {
	SL_EVENT_FIRST_PACKET = 1, // the leg's first accepted RTP packet
	SL_EVENT_LATCHED,	   // address: where it latched to
	SL_EVENT_TIMEOUT,	   // no media for the time-out in force
	SL_EVENT_RESUMED,	   // media again after a time-out
	SL_EVENT_ONE_WAY,	   // it has been sent media for 5 s and has sent none, though it
				   // may, is not held, and has not timed out
	SL_EVENT_BOTH_WAYS,	   // no longer
	SL_EVENT_SSRC_COLLISION,   // it sends under the SSRC that it is sent (RFC 3550 8.2): that
				   // has been given up, with BYE, for another one
	SL_EVENT_LOOP,		   // what a leg of the session is sent comes in from it. It is
				   // passed on all the same: echo tests do that
	SL_EVENT_RATE_EXCEEDED,	   // packets were dropped for its rates
	SL_EVENT_DTMF,		   // a digit ended (SL_LEG_DTMF_REPORT); one event for each
	SL_EVENT_QUALITY,	   // of the last SL_QUALITY_MS (SL_LEG_QUALITY_REPORT)
};

// Events of one type about one leg are at least a second apart; FIRST_PACKET comes once.

struct sl_media_event {
	struct sl_id id;
	struct sl_address address;
	uint8_t type; // enum sl_media_event_type
	uint8_t leg;
	char digit; // SL_EVENT_DTMF: '0'..'9', '*', '#', 'A'..'D'
	uint8_t reserved;
	uint16_t duration_ms;	// of it
	uint16_t loss_permille; // SL_EVENT_QUALITY, and so is what follows: of what was to come
	struct sl_quality received;
	struct sl_quality sent;
	uint32_t jitter_us;
	uint32_t rtt_us; // 0: not known
};

// Send a digit to the far end of a leg, whether anything comes from its source or not:
//
//   as telephone events (RFC 4733), where the leg has that format, relayed or transcoded: an update
//   every 20 ms, the end three times; the leg's audio is left out meanwhile, and its sequence
//   numbers and timestamps go on as if nothing had been
//
//   else as a tone in the place of the audio, where the leg has SL_LEG_DTMF_SEND, which sees to it
//   that what feeds the leg passes a codec
//
// The answer comes at once, before the digit is sent. Digits of a leg wait for one another, with 60
// ms between them, at most SL_DTMF_QUEUE_MAX with the one that is being sent. A leg that goes, or
// is put on hold (no SL_LEG_SEND), is not sent the rest. -ENOENT no such session; -EINVAL no such
// leg, digit or duration; -EOPNOTSUPP neither way is there, or the leg has no SL_LEG_SEND, or has
// SL_LEG_TRANSPARENT_SSRC or SL_LEG_OPAQUE; -ENOBUFS too many are waiting, of this leg or of all.
struct sl_dtmf {
	struct sl_id id;
	uint8_t leg;
	char digit;	      // '0'..'9', '*', '#', 'A'..'D'
	uint16_t duration_ms; // 40 to 5000
	uint8_t reserved[4];
};

#define SL_DTMF_QUEUE_MAX 16

// A packet on a media port that control has to judge, or that control sends from one.
//
// SL_PUNT: from a source that the leg's source rule may accept. That is the signalled address, or
// the one that it latched to; while it has not latched and its window is open, or when SRTP may
// move it, any address (RFC 8445: checks of ICE come from everywhere). At most SL_PUNTS_PER_SECOND
// of a leg and `punts_per_second` of the dataplane (configuration); more are dropped and counted,
// as are those that a connection does not read.
//
// SL_INJECT: to any address of the leg's family. -ENOENT no such session, -EINVAL no such leg, or
// no address to send to, or a length of 0 or beyond the MTU; -ENETUNREACH no route to it; -EAGAIN
// its neighbour is not known yet, or too many at once: try again.
struct sl_datagram {
	struct sl_id id;
	struct sl_address address; // where it came from, or is to go
	uint8_t leg;
	uint8_t rtcp; // 1: on the leg's RTCP port
	uint16_t length;
	uint8_t bytes[SL_DATAGRAM_MAX]; // `length` of them are looked at
};

#define SL_PUNTS_PER_SECOND 50
#define SL_PUNTS_BURST	    20 // of a leg, at once

// Count what each stage of the packet path costs, in counters "worker.0.stage.<name>_cycles" and
// "_packets". It costs some speed itself.
struct sl_profile {
	uint8_t on;
	uint8_t reserved[7];
};

// A codec that the dataplane can transcode. Costs are CPU time of 20 ms at the lowest of its rates,
// measured at start on this machine: 20,000,000 / cost is how many streams a core carries.
struct sl_codec {
	char name[16];
	uint32_t clock_hz;	  // of the RTP timestamp
	uint32_t sample_rates[6]; // that it runs at, ascending, 0-terminated
	uint32_t encode_ns;
	uint32_t decode_ns;
	uint32_t encoders_now; // streams that run
	uint32_t decoders_now;
	uint8_t frames_ms[8]; // that it encodes, ascending, 0-terminated
	uint8_t channels;
	uint8_t static_pt; // RFC 3551, SL_NO_PT: none
	uint8_t reserved[6];
};

// Names are dotted: "port.wan.rx_packets", "drop.unknown_port", "worker.0.busy_cycles",
// "transcoder.0.frames", "table.ports_used_now". All are counters unless the name ends in "_now".
struct sl_counter {
	char name[56];
	uint64_t value;
};

// ---- shards: addresses that move between nodes ----
//
// A shard is a set of addresses (`shards` of the configuration, the same on all nodes) that one
// node at a time has, with all sessions on them. They are inactive at start. Who owns a shard is
// control's to know, and it says so with SL_SHARD_SET, which is the whole wanted state and may be
// repeated: that is how ownership is confirmed.
//
//             media from and to    kernel has the     ARP and ND
//             its addresses        addresses (SIP)    answered
//   INACTIVE  dropped, counted     no                 no
//   FROZEN    dropped, counted     yes                yes        to hand over: marks stand still
//   ACTIVE    forwarded            yes                yes        announced at first
//   SUSPENDED dropped, counted     no                 no         was active, and came to doubt it
//
// Sessions can be set in any state and work while it is ACTIVE; their time-outs run only then. The
// answer comes when no worker sends any more of what the new state forbids. The dataplane itself
// adds the addresses to the kernel's interface and removes them (with a lifetime of some seconds
// that it prolongs, so that they go with it however it ends), since it has to give them up also
// when control is dead. Becoming active is announced by gratuitous ARP (RFC 5227 3) or unsolicited
// neighbour advertisements (RFC 4861 7.2.6) at 0, 50, 100, 200 and 400 ms.
//
// Fencing. A shard stops for proof that somebody else may own it, never for silence (of control, or
// of the store behind it):
//  - control says so, or names a higher epoch. One that is lower than what was heard is -ESTALE.
//  - A pause (SIGSTOP, a machine that was moved): where a worker finds that pause_ms or more have
//    passed since it last looked, and valid_until_ns has passed, too, it sends nothing more for the
//    shard, not even what it had in hand, and the shard is suspended. (A machine all of whose
//    clocks stop with it cannot see that.)
//  - Somebody else's MAC says that it has one of the addresses (RFC 5227 2.4, RFC 4861): before
//    valid_until_ns it is the other that is wrong, and gets a gratuitous ARP or an advertisement
//    back, at most one a second; after it the shard is suspended.
// A suspended shard is active again when an SL_SHARD_SET says so whose valid_until_ns has not
// passed; both ways are told in an SL_SHARD_EVENT.
//
// SL_SHARD_SET: -ENOENT no shard of that name is configured; -ESTALE a higher epoch has been heard
// of; -ETIME valid_until_ns has passed already, and the shard would become active by it (one that
// is active stays so); -EINVAL a state, or a name without end; -ETIMEDOUT it is so, but a worker
// has not been seen to know (it is being stopped itself): ask again; or what the kernel says of an
// address that it does not take (-EPERM ...): the state is as before.
enum sl_shard_state { SL_SHARD_INACTIVE, SL_SHARD_FROZEN, SL_SHARD_ACTIVE, SL_SHARD_SUSPENDED };

struct sl_shard {
	char name[SL_SHARD_NAME_MAX]; // NUL-terminated
	uint64_t epoch;		      // of the lease, only grows
	uint64_t valid_until_ns; // CLOCK_BOOTTIME: until when nobody else may have claimed it. So
				 // it is the time before the lease was asked for, plus the lease
	uint32_t pause_ms; // of not running, after valid_until_ns, that others may take for death:
			   // at most what they wait for our heartbeats. At least 50
	uint8_t state;	   // enum sl_shard_state; SUSPENDED in answers only
	uint8_t reserved[3];
};

struct sl_shard_name {
	char name[SL_SHARD_NAME_MAX];
};

enum sl_shard_event_type {
	SL_SHARD_PAUSED = 1, // we were stopped: suspended
	SL_SHARD_CONFLICT,   // `mac` says that it has `address`. `state` tells what came of it
};

// At most one a second of each shard and type, but for those that suspend it.
struct sl_shard_event {
	char name[SL_SHARD_NAME_MAX];
	uint64_t epoch;
	struct sl_address address; // SL_SHARD_CONFLICT
	uint8_t mac[6];
	uint8_t type;  // enum sl_shard_event_type
	uint8_t state; // enum sl_shard_state, now
	uint8_t reserved[4];
};

// How far one stream of a leg has come: what the next owner of a shard has to know beside the
// sessions themselves (SL_SESSION_SET). Of each leg on an address of the shard there is one mark,
// and more of the same leg where it sends, or receives, under several SSRCs with SRTP.
//
// SL_MARKS_GET: of all sessions of a shard. Exact while it is not ACTIVE, some packets old else.
//
// SL_MARKS_SET: before the shard becomes ACTIVE, for sessions that are set already (-EBUSY the
// shard of one is ACTIVE, -ENOENT no such session or leg, -EINVAL an index beyond its end: that
// mark is left out, the first error is answered, all others are in force):
//  - `sent`: nothing below its indices goes out under that SSRC, the SSRC's next packet of a
//    continuous stream is the very one. Whoever sets it has to know an upper bound (RFC 3711 9.1),
//    no 2^15 above what the far end heard last (3.3.1).
//  - `received`: nothing below is accepted. The ROC is a guess, also one more or less is tried
//  until
//    a packet has authenticated.
//  - SL_MARK_STREAM: the leg's own stream goes on with `sequence`, and a timestamp that is
//    `timestamp` plus the time since at_ms.
//  - `source`: where the leg had latched to.
// Nothing is ever lowered by it.
enum {
	SL_MARK_STREAM = 1 << 0, // the leg sends a stream of its own, under sent.ssrc
	SL_MARK_MORE = 1 << 1,	 // another SSRC of the leg of the mark before
};

struct sl_mark {
	struct sl_id id;
	struct sl_srtp_indices sent;	 // SRTP only, but for the SSRC
	struct sl_srtp_indices received; // the same
	uint64_t at_ms;			 // when: CLOCK_REALTIME of the node that read it
	struct sl_address source;	 // SL_UNSPEC: not latched
	uint32_t timestamp;		 // SL_MARK_STREAM: of the media of that moment
	uint16_t sequence;		 // SL_MARK_STREAM: of the next packet
	uint8_t leg;
	uint8_t flags; // SL_MARK_*
	uint32_t reserved;
};

#define SL_MARKS_MAX ((SL_MESSAGE_MAX - sizeof(struct sl_header)) / sizeof(struct sl_mark))
