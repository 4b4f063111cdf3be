// What a session description says of a codec: its registered name and clock, its static payload
// type, its audio bandwidth and the meaning of its parameters. Samples are the dataplane's.
//
// Codecs not listed in sdp_codecs[] are known by name, clock and channels only and can be relayed.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sdp.h"

#define SDP_FMTP_MAX 160 // bytes with the NUL; longer parameters make a format unusable

// Name, clock and channels of a=rtpmap: what makes two formats the same.
struct sdp_encoding {
	char name[16];
	uint32_t clock_hz;
	uint8_t channels;
};

// What the far end's parameters allow us when we send to it.
struct sdp_fmtp {
	uint32_t playback_hz; // highest rate of use to it (RFC 7587 maxplaybackrate); 0: not stated
	uint32_t bitrate_max; // bit/s (RFC 7587 maxaveragebitrate); 0: not stated
	bool fec;	      // it makes use of in-band FEC
	bool dtx;	      // it takes discontinuous transmission (opus: and would like it)
	bool cbr;	      // it asks for a constant bit rate
	bool vbr;	      // for a variable one (Speex)
	uint8_t ptime_min_ms; // of the packets it would like (RFC 7587 minptime); 0: any
	// AMR and AMR-WB (RFC 4867 8.1)
	bool octet_align;
	bool mode_change_neighbor;
	uint8_t mode_change_period;
	uint16_t mode_set; // bit i: mode i; 0: all
};

// What the parameters of a format that we transcode depend on.
struct sdp_fmtp_context {
	uint32_t audio_hz;   // the widest that the other side can carry
	const char *offered; // the parameters that we answer, NULL: we offer
	bool dtx;	     // the trunk's word
};

struct sdp_codec {
	struct sdp_encoding encoding;
	uint8_t static_pt; // SDP_NO_PT: none
	bool voice;	   // false: events and noise, no codec of their own
	uint32_t audio_hz; // sampling rate of the widest audio it carries
	// May media pass from one side to the other unchanged? NULL: always.
	bool (*compatible)(const char *fmtp, const char *other);
	// Can the dataplane, where it has the codec, transcode it with these parameters? NULL:
	// always.
	bool (*transcodable)(const char *fmtp);
	// Write the parameters of a format that we transcode. Returns bytes written without the
	// NUL. NULL: none.
	size_t (*write)(char *out, size_t size, const struct sdp_fmtp_context *context);
	// Read the far end's parameters. NULL: there are none of interest.
	void (*read)(const char *fmtp, struct sdp_fmtp *out);
};

extern const struct sdp_codec sdp_codecs[];
extern const size_t sdp_n_codecs;

// NULL: not listed.
const struct sdp_codec *sdp_codec_find(const struct sdp_encoding *encoding);
// By static payload type (RFC 3551), NULL: none.
const struct sdp_codec *sdp_codec_static(uint8_t pt);

// Whether CN/8000 (RFC 3389) goes with it: it has that clock and no comfort noise of its own.
bool sdp_takes_noise(const struct sdp_encoding *encoding);

bool sdp_encoding_equal(const struct sdp_encoding *a, const struct sdp_encoding *b);
// Of configuration: a listed codec's name ("opus"), or NAME/CLOCK[/CHANNELS] of any ("iLBC/8000").
// Returns 0 or -EINVAL.
int sdp_encoding_parse(const char *text, struct sdp_encoding *out);
// Back to what sdp_encoding_parse() takes. `out` of 40 bytes is enough.
const char *sdp_encoding_text(const struct sdp_encoding *encoding, char *out, size_t size);

// The value of parameter `name` in "a=1;b=2" (no case, spaces around allowed); empty where absent.
struct sdp_slice sdp_fmtp_value(const char *fmtp, const char *name);
// The same as a number: 0 where absent or none, UINT32_MAX where beyond 32 bits.
uint32_t sdp_fmtp_number(const char *fmtp, const char *name);
