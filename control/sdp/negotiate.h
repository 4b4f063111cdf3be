// Offer and answer between the two legs of a call (RFC 3264, 6337): descriptions of both legs are
// made here, never passed through.
//
// One struct negotiation lives as long as the call. An exchange is
//
//   offer from leg X        negotiation_take_offer(n, X, sdp)      Y's offer is due
//   our offer to leg Y      negotiation_write(n, Y, local, ...)
//   answer from leg Y       negotiation_take_answer(n, Y, sdp)     X's answer is due
//   our answer to leg X     negotiation_write(n, X, local, ...)
//   what media is to do     negotiation_media(n, &media)
//
// and a late offer, where X wants us to offer first, has
//
//   negotiation_make_offer(n, Y)   write to Y, take Y's answer; then
//   negotiation_make_offer(n, X)   write to X (in the 2xx), take X's answer (in the ACK)
//
// The struct has no pointers but to the policies and the codec list: a plain copy is a snapshot
// (one per forked early dialog, or to roll back a refused re-INVITE: negotiation_rollback()).
//
// Besides its audio a call may have lines that are relayed as they are: video and text by RTP, with
// payload types, parameters and feedback of the far ends, and T.38 (negotiate_relay.c). Each line
// of one side is a line of the other, refused where that refuses it, and may come and go.
//
// Rules: the answer names the offerer's payload types; the same codec on both sides goes before
// transcoding, then wideband to wideband, narrowband to narrowband, and mixed last; the trunk's
// order of codecs decides in our offers, the offerer's order in our answers. Of several lines of
// audio one with SRTP goes first. An m= line of another kind, one that the policies do not let
// pass, or not as secure as they want it, is answered with port 0 in its place. A format whose
// parameters are longer than SDP_FMTP_MAX, or an offer of more than NEGOTIATION_LINES_MAX m= lines,
// is not supported.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sdp.h"
#include "sdp_codec.h"
#include "sdp_crypto.h"

#define SDP_POLICY_CODECS_MAX	6
#define NEGOTIATION_FORMATS_MAX 8 // codecs and events of a leg
#define NEGOTIATION_LINES_MAX	8 // m= lines of a leg
#define NEGOTIATION_PTS_MAX	16
#define NEGOTIATION_TEXT_MAX	8192 // a description that we make fits into this
#define NEGOTIATION_RELAYS_MAX	3    // lines of a call that are relayed
#define NEGOTIATION_LINES_TEXT	2048 // what is relayed of the attributes of a far end
#define NEGOTIATION_NO_LINE	0xff
#define NEGOTIATION_RECORD_MAX	3072 // negotiation_save()

// SRTP on the side of a trunk.
enum sdp_srtp_policy {
	SDP_SRTP_NEVER,	   // only plain RTP
	SDP_SRTP_OPTIONAL, // keys are offered on RTP/AVP lines, and taken where offered
	SDP_SRTP_REQUIRED, // RTP/SAVP is offered; what comes without a key is refused
};

enum sdp_mux_policy {
	SDP_MUX_NEVER,
	SDP_MUX_ACCEPT, // where the far end offers it
	SDP_MUX_OFFER,	// and offer it
};

// How digits cross the side of a trunk. They are taken from it in one form only, so that none comes
// twice.
enum sdp_dtmf_policy {
	SDP_DTMF_NONE,	 // as they come: in the audio, or not at all
	SDP_DTMF_EVENTS, // RFC 4733, where the far end has that
	SDP_DTMF_AUTO,	 // RFC 4733, where the far end has that; else in the audio
	SDP_DTMF_INBAND, // in the audio, no events
	SDP_DTMF_INFO,	 // SIP INFO, no events
};

enum { // what else than audio may pass, bits
	SDP_RELAY_VIDEO = 1 << 0,
	SDP_RELAY_TEXT = 1 << 1,  // RFC 4103
	SDP_RELAY_IMAGE = 1 << 2, // T.38 (RFC 3362)
};

// What a trunk allows in its descriptions.
struct sdp_policy {
	struct sdp_encoding codecs[SDP_POLICY_CODECS_MAX]; // best first
	uint8_t n_codecs;
	uint8_t ptime_ms;	// that we ask for; 0: what the other leg asks for, or 20
	uint8_t dtmf;		// enum sdp_dtmf_policy
	uint8_t relays;		// SDP_RELAY_*
	bool dtx;		// send next to nothing in silence, where the far end takes that
	uint8_t rtcp_mux;	// RFC 5761, enum sdp_mux_policy
	uint8_t address_family; // of our media addresses, 4 or 6; 0: there is one of each
	uint8_t srtp;		// enum sdp_srtp_policy
	uint8_t n_suites;
	uint8_t suites[SDP_N_SUITES]; // enum sdp_suite, best first
};

struct media_format {
	struct sdp_encoding encoding;
	uint8_t pt;
};

struct remote_format {
	struct media_format format;
	char fmtp[SDP_FMTP_MAX];
};

// One m= line of a leg's descriptions: its place never changes (RFC 3264 section 8).
struct media_line {
	char type[16];
	char proto[24];
	char format[24]; // the first, to reject it with
};

// SRTP keys of a leg. Suite NONE: plain RTP.
struct negotiation_keys {
	struct sdp_crypto ours, theirs;		 // agreed; the sender's of each direction
	struct sdp_crypto offered[SDP_N_SUITES]; // by us, where ours was the last offer
	uint8_t n_offered;
};

// One side of a line that is relayed.
struct relay_leg {
	uint8_t line; // index into the leg's lines, NEGOTIATION_NO_LINE: none
	bool offered; // in the last exchange, by or to the far end
	bool on;      // and taken
	uint8_t remote_direction, local_direction;
	bool remote_mux, local_mux;
	uint8_t n_formats;
	uint16_t remote_port, remote_rtcp_port;
	uint16_t text, text_length; // in lines_text of the leg
	struct sdp_address remote, remote_rtcp;
	struct relay_format {
		uint32_t clock_hz;
		uint8_t pt;
	} formats[NEGOTIATION_FORMATS_MAX];
	struct negotiation_keys keys;
};

struct negotiation_relay {
	char type[16];
	char format[24]; // of a line that is not RTP
	bool opaque;	 // not RTP: UDPTL
	bool feedback;	 // RFC 4585
};

enum negotiation_state {
	NEGOTIATION_IDLE,	// nothing known of the leg
	NEGOTIATION_OFFERED,	// our offer is due or sent
	NEGOTIATION_ANSWER_DUE, // the far end offered, our answer waits for the other leg
	NEGOTIATION_STABLE,
};

struct negotiation_leg {
	enum negotiation_state state;
	uint8_t n_lines, audio_line;  // index into lines, or NEGOTIATION_NO_LINE
	bool audio_offered, audio_on; // as in struct relay_leg
	uint8_t n_remote, n_local, n_pts;
	uint8_t family; // of our media address on this leg, and so of the far end's; 0: open
	uint8_t remote_direction; // enum sdp_direction, as the far end says it of itself
	uint8_t local_direction;
	bool remote_mux, local_mux;
	bool rtcp_reduced;  // RFC 5506, agreed
	bool no_rtcp;	    // it wants none and sends none: b=RS:0 and b=RR:0 (RFC 3556)
	bool offered_by_us; // the exchange that made remote_formats and local_formats
	uint16_t remote_port, remote_rtcp_port;
	uint16_t remote_ptime_ms, remote_maxptime_ms; // 0: not stated
	uint16_t local_ptime_ms, local_maxptime_ms;
	struct sdp_address remote, remote_rtcp;	 // remote_rtcp: family 0: as remote
	uint64_t session_id, version, text_hash; // o= of ours; hash of what was written last
	struct media_line lines[NEGOTIATION_LINES_MAX];
	struct remote_format remote_formats[NEGOTIATION_FORMATS_MAX]; // policy allows them
	struct media_format local_formats[NEGOTIATION_FORMATS_MAX];
	struct media_format pts[NEGOTIATION_PTS_MAX]; // payload types seen or given, for good
	struct negotiation_keys keys;
	struct relay_leg relays[NEGOTIATION_RELAYS_MAX]; // of the relays of the negotiation
	uint16_t n_lines_text;
	char lines_text[NEGOTIATION_LINES_TEXT]; // whole lines, with CRLF
};

struct negotiation {
	const struct sdp_policy *policies[2]; // of legs 0 and 1
	// What the dataplane can transcode, NULL ends.
	const struct sdp_encoding *const *transcoders;
	sdp_random_fn *random;
	bool stale;	  // loaded, and no exchange since: the far ends may know more
	bool established; // both have agreed once: an answer may refuse all from then on
	struct negotiation_leg legs[2];
	struct negotiation_relay relays[NEGOTIATION_RELAYS_MAX];
};

// Where we take media for a leg: the RTP ports that the dataplane has chosen.
struct negotiation_local {
	struct sdp_address address; // as the far end is to use it
	uint16_t port;
	uint16_t relay_ports[NEGOTIATION_RELAYS_MAX]; // 0: none yet, the line is refused
};

// One format of a leg as agreed. The first of a leg is the one to send.
struct media_summary_format {
	struct sdp_encoding encoding;
	uint8_t send_pt;	// the far end's number
	uint8_t receive_pt;	// ours; may differ where we offered (RFC 3264 section 6.1)
	struct sdp_fmtp params; // the far end's, that our encoder keeps to
};

// How digits come from the far end of a leg, and are to go to it.
enum media_digits {
	MEDIA_DIGITS_NONE, // not known
	MEDIA_DIGITS_EVENTS,
	MEDIA_DIGITS_INBAND,
	MEDIA_DIGITS_INFO,
};

struct media_summary_leg {
	struct sdp_address remote, remote_rtcp;	   // family 0: none
	uint16_t remote_port, remote_rtcp_port;	   // 0: none
	struct sdp_crypto srtp_receive, srtp_send; // both or none of suite NONE
	bool send, receive, rtcp_mux, rtcp_reduced, no_rtcp;
	uint8_t ptime_ms;  // to packetise with towards it
	uint8_t digits;	   // enum media_digits
	uint8_t n_formats; // 0: not agreed yet
	struct media_summary_format formats[NEGOTIATION_FORMATS_MAX];
};

// A line that is relayed.
struct media_summary_relay {
	bool opaque; // UDPTL
	struct media_summary_relay_leg {
		bool on; // the far end offers or has it: it needs a port
		struct sdp_address remote, remote_rtcp;
		uint16_t remote_port, remote_rtcp_port;
		struct sdp_crypto srtp_receive, srtp_send;
		bool send, receive, rtcp_mux;
		uint8_t n_formats;
		struct relay_format formats[NEGOTIATION_FORMATS_MAX];
	} legs[2];
};

struct media_summary {
	bool agreed;	 // both legs are, on audio
	bool transcoded; // the first formats differ
	struct media_summary_leg legs[2];
	bool relays_agreed[NEGOTIATION_RELAYS_MAX]; // both legs are
	struct media_summary_relay relays[NEGOTIATION_RELAYS_MAX];
};

// `ids`: what o= of each leg starts with, random and below 2^62. `transcoders` and the policies
// must outlive the negotiation. Keys are made with `random`.
struct negotiation_settings {
	const struct sdp_policy *policies[2];
	const struct sdp_encoding *const *transcoders;
	sdp_random_fn *random;
	uint64_t ids[2];
};
void negotiation_init(struct negotiation *n, const struct negotiation_settings *settings);
// Wipe the keys of both legs: before the struct, or a copy of it, is freed or left on a stack.
void negotiation_wipe(struct negotiation *n);

// Where there are media addresses of both families: which one leg `leg` has, 4 or 6. The far end's
// first offer decides on its own.
void negotiation_set_family(struct negotiation *n, int leg, uint8_t family);

// The far end of leg `from` offers. Returns 0, an offer for the other leg being due; -EOPNOTSUPP
// where there is no media in common (answer 488); -EBUSY while an exchange is under way (491).
// On an error nothing has changed.
int negotiation_take_offer(struct negotiation *n, int from, const struct sdp *offer);

// Whether the offer of leg `from` asks nothing new of the other leg (the same formats and direction
// as before; an address or ptime of its own does not concern it), so that the other leg need not be
// troubled with it.
bool negotiation_is_refresh(const struct negotiation *n, int from, const struct sdp *offer);

// Instead of negotiation_take_offer(): take the offer and have its answer due at once, against what
// the other leg has agreed to. Returns as negotiation_take_offer().
int negotiation_answer_here(struct negotiation *n, int from, const struct sdp *offer);

// We offer to leg `to` (late offer), from what the other leg agreed to, or from both policies.
// Returns 0, -EOPNOTSUPP where the policies have nothing in common, or -EBUSY.
int negotiation_make_offer(struct negotiation *n, int to);

// Our offer to leg `to` goes to another far end than the one that has seen it: with other keys.
void negotiation_renew_offer(struct negotiation *n, int to);

// The far end of leg `from` answers what negotiation_write() yielded. May come again with a changed
// description (an 18x, then a 2xx). Returns 0; -EOPNOTSUPP where it took none of what we offered;
// -EPROTO where it does not fit the offer or none was made. On an error nothing has changed.
int negotiation_take_answer(struct negotiation *n, int from, const struct sdp *answer);

// The description that is due on or in force for leg `to`, NUL-terminated. The version of o= grows
// by one when the text differs from the one before, so the same may be written any number of times.
// Returns its length; -EAGAIN where there is none yet; -ENOBUFS (see NEGOTIATION_TEXT_MAX).
int negotiation_write(struct negotiation *n, int to, const struct negotiation_local *local,
	char *out, size_t size);

// Where both legs stand. Formats are listed once both are agreed; addresses as soon as known.
// Lines that are relayed need ports on both legs as soon as they are offered. The result has keys:
// wipe it after use.
void negotiation_media(const struct negotiation *n, struct media_summary *out);

// While our first offer to leg 1 is out: whether the call will need codecs whatever is answered to
// it. If so, *out has one format of each leg that it may come to, and nothing else.
bool negotiation_expects_codecs(const struct negotiation *n, struct media_summary *out);

// Go back to `before`, a copy from before the exchange that failed; versions of o= keep growing.
void negotiation_rollback(struct negotiation *n, const struct negotiation *before);

// What to say with the 488 to a description of leg `from` that was refused (RFC 3261 20.43).
enum sdp_warning {
	SDP_WARNING_ADDRESS = 301,
	SDP_WARNING_TRANSPORT = 302,
	SDP_WARNING_MEDIA = 304,
	SDP_WARNING_FORMAT = 305,
};
enum sdp_warning negotiation_warning(const struct negotiation *n, int from, const struct sdp *sdp);
const char *sdp_warning_text(enum sdp_warning warning);

// Both legs as bytes for the call's record, versioned, keys included. Returns the length (at most
// NEGOTIATION_RECORD_MAX) or -ENOBUFS.
int negotiation_save(const struct negotiation *n, uint8_t *out, size_t size);
// After negotiation_init(). The record may be older than the last description sent, so versions of
// o= leap over it, and no offer counts as a refresh until an exchange is complete. Returns 0 or
// -EBADMSG with *n unchanged.
int negotiation_load(struct negotiation *n, const uint8_t *data, size_t length);
