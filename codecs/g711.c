// PCMU and PCMA (ITU-T G.711) on 16-bit samples: mu-law takes the upper 14 bits, A-law the upper
// 13, negative values in one's complement as in the ITU-T software tools, so that every one of the
// 65,536 inputs gives the octet of the reference.
//
// Both laws are a floating point format, so the encoder lets the FPU find the segment: exponent and
// the upper four bits of the mantissa of a float are segment and step. That has no branch and
// becomes SIMD code. The decoder is a table of 256 that the compiler fills in. The decoder's state
// is that of the packet loss concealment (plc.h).
#include "g711.h"

#include <errno.h>
#include <string.h>

#include "codec_list.h"
#include "plc.h"

#define SAMPLES_MAX (CODEC_FRAME_SAMPLES_MAX / 6) // 120 ms at 8,000 Hz

// Tables of f(0) .. f(255), computed by the compiler.
#define ROW_16(f, i)                                                                          \
	f(i), f(i + 1), f(i + 2), f(i + 3), f(i + 4), f(i + 5), f(i + 6), f(i + 7), f(i + 8), \
		f(i + 9), f(i + 10), f(i + 11), f(i + 12), f(i + 13), f(i + 14), f(i + 15)
#define ROW_64(f, i) ROW_16(f, i), ROW_16(f, i + 16), ROW_16(f, i + 32), ROW_16(f, i + 48)
#define TABLE_256(f) ROW_64(f, 0), ROW_64(f, 64), ROW_64(f, 128), ROW_64(f, 192)

// Magnitude of a mu-law octet in 16 bits: (33 + 2 * step) << segment, less the bias of 33, in units
// of 4. All bits of the octet are inverted on the wire.
#define ULAW_STEP(c)	  (~(c)&0x0f)
#define ULAW_SEGMENT(c)	  (~(c) >> 4 & 0x07)
#define ULAW_MAGNITUDE(c) ((((33 + 2 * ULAW_STEP(c)) << ULAW_SEGMENT(c)) - 33) * 4)
#define ULAW_DECODE(c)	  ((c)&0x80 ? ULAW_MAGNITUDE(c) : -ULAW_MAGNITUDE(c))

// A-law: steps of 16 in the two lowest segments, decoded to the middle of the step. Even bits are
// inverted on the wire, a set sign bit is positive.
#define ALAW_STEP(c)	  (((c) ^ 0x55) & 0x0f)
#define ALAW_SEGMENT(c)	  (((c) ^ 0x55) >> 4 & 0x07)
#define ALAW_BIAS(c)	  (ALAW_SEGMENT(c) > 0 ? 264 : 8)
#define ALAW_SHIFT(c)	  (ALAW_SEGMENT(c) - (ALAW_SEGMENT(c) > 0))
#define ALAW_MAGNITUDE(c) ((ALAW_STEP(c) * 16 + ALAW_BIAS(c)) << ALAW_SHIFT(c))
#define ALAW_DECODE(c)	  ((c)&0x80 ? ALAW_MAGNITUDE(c) : -ALAW_MAGNITUDE(c))

static const int16_t ulaw_to_linear[256] = {TABLE_256(ULAW_DECODE)};
static const int16_t alaw_to_linear[256] = {TABLE_256(ALAW_DECODE)};

// Exponent and upper mantissa bits of a value that a float holds exactly: segment and step, with
// the exponent's bias still in.
static inline int32_t segment_and_step(int32_t magnitude)
{
	float f = (float)magnitude;
	int32_t bits;

	memcpy(&bits, &f, sizeof(bits));
	return bits >> 19;
}

// 13 bits of magnitude plus the bias of 33, which makes segment 0 begin at 2^5.
static inline uint8_t ulaw_encode_sample(int16_t sample)
{
	int32_t sign = sample >> 15;
	int32_t magnitude = ((sample ^ sign) >> 2) + 33;
	int32_t code = segment_and_step(magnitude < 0x1fff ? magnitude : 0x1fff) - ((127 + 5) << 4);

	return (uint8_t)(~code ^ (sign & 0x80));
}

// 11 bits of magnitude; segments 0 and 1 are one linear range below 2^5.
static inline uint8_t alaw_encode_sample(int16_t sample)
{
	int32_t sign = sample >> 15;
	int32_t magnitude = (sample ^ sign) >> 4;
	int32_t code = segment_and_step(magnitude) - ((127 + 3) << 4);

	code = magnitude < 16 ? magnitude : code;
	return (uint8_t)(code ^ 0x55 ^ (~sign & 0x80));
}

static void pcmu_encode(struct codec_encode_job *jobs, size_t n_jobs)
{
	for (size_t i = 0; i < n_jobs; i++) {
		struct codec_encode_job *job = &jobs[i];

		for (unsigned int k = 0; k < job->n_samples; k++)
			job->payload[k] = ulaw_encode_sample(job->pcm[k]);
		job->n_bytes = job->n_samples;
	}
}

static void pcma_encode(struct codec_encode_job *jobs, size_t n_jobs)
{
	for (size_t i = 0; i < n_jobs; i++) {
		struct codec_encode_job *job = &jobs[i];

		for (unsigned int k = 0; k < job->n_samples; k++)
			job->payload[k] = alaw_encode_sample(job->pcm[k]);
		job->n_bytes = job->n_samples;
	}
}

static void decode_one(struct codec_decode_job *job, const int16_t *table)
{
	if (!job->payload || job->fec) {
		plc_conceal(job->state, job->pcm, job->n_samples);
		job->n_decoded = job->n_samples;
		return;
	}
	if (job->n_bytes == 0 || job->n_bytes > job->n_samples || job->n_bytes > SAMPLES_MAX) {
		job->n_decoded = -EBADMSG;
		return;
	}
	for (unsigned int k = 0; k < job->n_bytes; k++)
		job->pcm[k] = table[job->payload[k]];
	plc_receive(job->state, job->pcm, job->n_bytes);
	job->n_decoded = job->n_bytes;
}

static void pcmu_decode(struct codec_decode_job *jobs, size_t n_jobs)
{
	for (size_t i = 0; i < n_jobs; i++)
		decode_one(&jobs[i], ulaw_to_linear);
}

static void pcma_decode(struct codec_decode_job *jobs, size_t n_jobs)
{
	for (size_t i = 0; i < n_jobs; i++)
		decode_one(&jobs[i], alaw_to_linear);
}

static size_t no_state(void)
{
	return 0;
}

static size_t plc_state(void)
{
	return sizeof(struct plc);
}

static int encoder_init(void *, const struct codec_params *params)
{
	return params->sample_hz == 8000 && params->channels == 1 ? 0 : -EINVAL;
}

static int decoder_init(void *state, const struct codec_params *params)
{
	if (params->sample_hz != 8000 || params->channels != 1)
		return -EINVAL;
	plc_init(state);
	return 0;
}

static int payload_samples(const uint8_t *, size_t n_bytes, const struct codec_params *)
{
	return n_bytes > 0 && n_bytes <= SAMPLES_MAX ? (int)n_bytes : -EBADMSG;
}

const struct codec codec_pcmu = {
	.name = "PCMU",
	.clock_hz = 8000,
	.channels = 1,
	.static_pt = 0,
	.sample_rates = {8000},
	.frames_ms = {10, 20, 30, 40, 50, 60},
	.encode_ns = 60,
	.decode_ns = 100,
	.encoder_size = no_state,
	.decoder_size = plc_state,
	.encoder_init = encoder_init,
	.decoder_init = decoder_init,
	.encode = pcmu_encode,
	.decode = pcmu_decode,
	.payload_samples = payload_samples,
};

const struct codec codec_pcma = {
	.name = "PCMA",
	.clock_hz = 8000,
	.channels = 1,
	.static_pt = 8,
	.sample_rates = {8000},
	.frames_ms = {10, 20, 30, 40, 50, 60},
	.encode_ns = 60,
	.decode_ns = 100,
	.encoder_size = no_state,
	.decoder_size = plc_state,
	.encoder_init = encoder_init,
	.decoder_init = decoder_init,
	.encode = pcma_encode,
	.decode = pcma_decode,
	.payload_samples = payload_samples,
};
