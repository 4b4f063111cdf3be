// A session description (RFC 8866) as read from the network: slices and values, bounded.
//
// sdp_parse() keeps no copy: every slice points into the text, which must outlive the struct. It is
// strict about what later code relies on (numbers, counts, lengths) and tolerant where peers are
// sloppy: bare LF, a missing s= or t=, lines out of order, unknown line types, padding.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SDP_LENGTH_MAX	   65535
#define SDP_MEDIA_MAX	   16  // m= lines
#define SDP_FORMATS_MAX	   192 // over all m= lines
#define SDP_ATTRIBUTES_MAX 512 // over all sections
#define SDP_NO_PT	   0xff

struct sdp_slice {
	const char *data; // not NUL-terminated
	uint32_t length;
};

// An IP address without a port. Family 0: none, or a host name.
struct sdp_address {
	uint8_t bytes[16]; // network order, IPv4 in the first four
	uint8_t family;	   // 0, 4 or 6
};

// Bits, as seen by the one whose description it is: 1 it sends, 2 it receives.
enum sdp_direction { SDP_INACTIVE, SDP_SENDONLY, SDP_RECVONLY, SDP_SENDRECV };

// Attributes that this project knows; the parser has also put rtpmap, fmtp, ptime, maxptime, rtcp,
// rtcp-mux, rtcp-rsize and the directions into the fields of struct sdp_media.
enum sdp_attribute_id {
	SDP_A_OTHER,
	SDP_A_RTPMAP,
	SDP_A_FMTP,
	SDP_A_PTIME,
	SDP_A_MAXPTIME,
	SDP_A_SENDRECV,
	SDP_A_SENDONLY,
	SDP_A_RECVONLY,
	SDP_A_INACTIVE,
	SDP_A_RTCP,
	SDP_A_RTCP_MUX,
	SDP_A_RTCP_RSIZE,
	SDP_A_CRYPTO,
	SDP_A_FINGERPRINT,
	SDP_A_SETUP,
	SDP_A_TLS_ID,
	SDP_A_ICE_UFRAG,
	SDP_A_ICE_PWD,
	SDP_A_ICE_LITE,
	SDP_A_ICE_OPTIONS,
	SDP_A_CANDIDATE,
	SDP_A_MID,
	SDP_A_GROUP,
	SDP_A_SSRC,
};

struct sdp_attribute {
	enum sdp_attribute_id id;
	struct sdp_slice name;
	struct sdp_slice value; // after the colon; length 0: a flag
};

// One entry of an m= line's format list.
struct sdp_format {
	struct sdp_slice token; // as written
	struct sdp_slice name;	// of a=rtpmap, or of RFC 3551's static type; empty: unknown
	struct sdp_slice fmtp;	// after the payload type; empty: none
	uint32_t clock_hz;
	uint8_t channels;
	uint8_t pt; // SDP_NO_PT: the token is no payload type
};

// Where a section keeps its attributes within sdp.attributes[].
struct sdp_range {
	uint16_t first;
	uint16_t n;
};

struct sdp_connection {
	struct sdp_slice host; // as written, without /ttl; empty: no c= line applies
	struct sdp_address address;
};

// b= in kbit/s (AS) and bit/s (RS, RR, TIAS); -1: not given.
struct sdp_bandwidth {
	int64_t as, tias, rs, rr;
};

struct sdp_media {
	struct sdp_slice type;		  // "audio"
	struct sdp_slice proto;		  // "RTP/AVP"
	struct sdp_connection connection; // its own or the session's
	struct sdp_address rtcp_address;  // a=rtcp with an address
	uint16_t port;
	uint16_t rtcp_port; // a=rtcp, 0: not given
	uint16_t first_format, n_formats;
	struct sdp_range attributes;
	struct sdp_bandwidth bandwidth; // RS and RR: its own or the session's
	enum sdp_direction direction;	// its own, the session's, or sendrecv
	uint16_t ptime_ms;		// 0: not given
	uint16_t maxptime_ms;
	bool rtcp_mux;
	bool rtcp_rsize; // RFC 5506
};

struct sdp_origin {
	struct sdp_slice user;
	struct sdp_slice host;
	uint64_t session_id; // 0 where it is no 64-bit number; the far end's, so only informative
	uint64_t version;
};

struct sdp {
	struct sdp_origin origin;
	struct sdp_slice name; // s=
	struct sdp_connection connection;
	struct sdp_bandwidth bandwidth;
	struct sdp_range attributes;
	uint16_t n_media, n_formats, n_attributes;
	struct sdp_media media[SDP_MEDIA_MAX];
	struct sdp_format formats[SDP_FORMATS_MAX];
	struct sdp_attribute attributes_all[SDP_ATTRIBUTES_MAX];
};

// Parse `length` bytes. Returns 0; -EBADMSG for what is no session description; -E2BIG beyond a
// limit above. *error_line (may be NULL) is then the line, counted from 1. About 35 kB of *sdp are
// written to sparsely: it need not be cleared first.
int sdp_parse(struct sdp *sdp, const char *text, size_t length, unsigned int *error_line);

// The next attribute `id` of a media section (NULL: of the session section) after `previous`
// (NULL: the first). SDP_A_OTHER yields those without an id.
const struct sdp_attribute *sdp_attribute_next(const struct sdp *sdp, const struct sdp_media *media,
	enum sdp_attribute_id id, const struct sdp_attribute *previous);

bool sdp_slice_equal(struct sdp_slice slice, const char *text);	       // exactly
bool sdp_slice_equal_nocase(struct sdp_slice slice, const char *text); // RFC 8866: names of codecs

// "192.0.2.1" or "2001:db8::1"; family 0 where it is neither.
struct sdp_address sdp_address_parse(const char *text, size_t length);
// Returns `out` (at least 46 bytes).
const char *sdp_address_text(const struct sdp_address *address, char *out, size_t size);
bool sdp_address_equal(const struct sdp_address *a, const struct sdp_address *b);
// 0.0.0.0 or :: : "send me nothing" (RFC 3264 section 8.4).
bool sdp_address_is_any(const struct sdp_address *address);
