// What a codec is to the rest: samples in, bytes out, in batches, with state in the caller's
// memory.
//
// Nothing here knows of RTP, sockets, DPDK or logging. Codecs are const structs of functions, one
// file each, all listed in `codecs[]` (codecs.c). State blocks are relocatable (memcpy moves them)
// and belong to one thread at a time; where a library insists on memory of its own, the block holds
// its handle: it may be moved, but not copied, and has to be ended (encoder_fini, decoder_fini). A
// batch is n independent streams of the same codec and parameters; n = 1 is always allowed; results
// do not depend on how streams are batched.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Most samples of one frame at any rate (120 ms at 48 kHz) and most bytes of one frame.
#define CODEC_FRAME_SAMPLES_MAX 5760
#define CODEC_FRAME_BYTES_MAX	1275

#define CODECS_MAX 48 // in codecs[]

// What a format's parameters (a=fmtp) settle beyond name, clock and channels. A codec looks at
// what it knows of.
struct codec_options {
	uint16_t mode_set;	    // AMR: bit i: mode i may be used; 0: all
	uint8_t mode_change_period; // AMR: frames from one change of mode to the next; 0 or 1: any
	bool mode_change_neighbor;  // AMR: one step in the mode set at a time
	bool octet_align;	    // AMR: payload layout, both ways (RFC 4867 4.4)
	bool dtx;		    // encoder: send next to nothing in silence
	bool cbr;		    // Opus encoder: all frames of one length
	bool vbr;		    // Speex encoder: as many bits as a frame needs
};

// What a stream is set up with.
struct codec_params {
	uint32_t sample_hz; // of the PCM side: one of codec->sample_rates
	uint8_t channels;   // of the PCM side: 1
	uint8_t frame_ms;   // encoder: see codec_frame_ms()
	uint8_t complexity; // encoder: codec-specific, CODEC_DEFAULT: the codec's
	uint8_t fec;	    // encoder: in-band FEC
	uint32_t bitrate;   // encoder: bit/s, 0: the codec's default
	struct codec_options options;
};

#define CODEC_DEFAULT 0xff

struct codec_encode_job {
	void *state;
	const int16_t *pcm; // frame_samples samples; never written to
	uint16_t n_samples; // per channel
	uint8_t request;    // what the far end asks for (see the decode job); 0: nothing
	uint8_t lower;	    // by how many steps to lower the complexity, for this frame
	uint8_t *payload;   // CODEC_FRAME_BYTES_MAX bytes of room
	bool is_noise;	    // out: the payload describes silence, no talk spurt begins with it
	uint16_t n_skipped; // out: samples at the beginning that the payload leaves out as silence
	int n_bytes;	    // out: payload bytes; 0: nothing to send (DTX); negative errno
};

struct codec_decode_job {
	void *state;
	const uint8_t *payload; // NULL: the frame is lost, conceal n_samples of it
	uint16_t n_bytes;
	uint8_t fec;  // payload is of the *next* frame: recover this one from it where possible
	int16_t *pcm; // n_samples in: room and, for a loss, how much to conceal
	uint16_t n_samples; // in: room (CODEC_FRAME_SAMPLES_MAX) or the length of the loss
	uint16_t n_played;  // in: samples at the beginning that were decoded before, out of another
			    // payload; their frames are passed over. Where has_redundancy
	uint8_t request;    // out: what the far end asks of the encoder towards it, 0: nothing.
			    // AMR's codec mode request: mode + 1
	bool is_noise; // out: silence was described. Until the next payload comes, which may be
		       // a while, losses are concealed by comfort noise
	int n_decoded; // out: samples per channel, or -EBADMSG (nothing was written)
};

struct codec {
	const char *name;	  // as in a=rtpmap, case as registered
	uint32_t clock_hz;	  // of the RTP timestamp
	uint8_t channels;	  // as in a=rtpmap
	uint8_t static_pt;	  // RFC 3551, CODEC_DEFAULT: none
	uint32_t sample_rates[6]; // PCM rates it runs at natively, ascending, 0-terminated
	uint8_t frames_ms[8];	  // frame lengths that the encoder makes, ascending, 0-terminated
	bool has_fec;		  // decode jobs with `fec` recover something
	bool has_dtx;		  // its encoder has a way of its own with silence (options.dtx)
	bool has_complexity;	  // its encoder's effort can be lowered (encode jobs, `lower`)
	bool has_redundancy;	  // payloads may begin with frames that were sent before
	bool has_requests;	  // decode jobs yield requests for the encoder of the other way
	uint32_t encode_ns;	  // typical cost of 20 ms at the lowest rate, to share out streams
	uint32_t decode_ns;

	// Bytes of state, 0: stateless. Blocks are aligned to 16 bytes.
	size_t (*encoder_size)(void);
	size_t (*decoder_size)(void);

	// Begin a stream, or begin it anew. The block is zeroed before the first time. 0, or
	// -EINVAL or -ENOMEM with nothing changed.
	int (*encoder_init)(void *state, const struct codec_params *params);
	int (*decoder_init)(void *state, const struct codec_params *params);
	// End a stream: what the block holds outside itself is freed, and the block zeroed. Also of
	// a block that is zeroed. NULL: it holds nothing.
	void (*encoder_fini)(void *state);
	void (*decoder_fini)(void *state);
	void (*encode)(struct codec_encode_job *jobs, size_t n_jobs);
	void (*decode)(struct codec_decode_job *jobs, size_t n_jobs);

	// Samples per channel at params->sample_hz that a payload decodes to, without decoding it;
	// negative errno where it is malformed.
	int (*payload_samples)(
		const uint8_t *payload, size_t n_bytes, const struct codec_params *params);
};

extern const struct codec *codecs[CODECS_MAX + 1]; // NULL-terminated; does not change after start

// Add a codec that comes from elsewhere. At start only, before any other thread uses codecs. 0;
// -EEXIST where there is one of its name, clock and channels; -ENOSPC.
int codecs_add(const struct codec *codec);

// Prepare what codecs share between streams. Once, before any other thread uses codecs; again does
// nothing. 0 or -ENOMEM.
int codecs_init(void);

// The codec registered under this name (no case), clock and channels, or NULL.
const struct codec *codec_find(const char *name, uint32_t clock_hz, uint8_t channels);

// The frame length to encode with where `ptime_ms` is asked for (0: 20): the longest that the codec
// has and that is not longer, or its shortest.
uint8_t codec_frame_ms(const struct codec *codec, uint8_t ptime_ms);

// The rate that joins two codecs: the highest that both run at and that is not above `limit_hz`
// (0: no limit; a limit below all of them is taken as the lowest). 0 where there is none.
uint32_t codec_common_rate(const struct codec *a, const struct codec *b, uint32_t limit_hz);

// PCM rates of the two ends of a conversion.
struct codec_rates {
	uint32_t decode_hz;
	uint32_t encode_hz;
};

// The rates to decode `from` and to encode `to` at: the common one where there is one; otherwise
// two that resample.h joins, which keep most of the band and are then the lowest. 0 or -EOPNOTSUPP.
int codec_rates(const struct codec *from, const struct codec *to, uint32_t limit_hz,
	struct codec_rates *rates);
