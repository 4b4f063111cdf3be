// PCMU and PCMA (ITU-T G.711) on 16-bit samples: mu-law takes the upper 14 bits, A-law the upper
// 13, negative values in one's complement as in the ITU-T software tools, so that every one of the
// 65,536 inputs gives the octet of the reference.
//
// Both laws are a floating point format, so the FPU finds the segment: exponent and the upper four
// bits of the mantissa of a float are segment and step, and the decoder makes such a float. That
// has no branch and becomes SIMD code. The decoder's state is that of the packet loss concealment
// (plc.h).
#include "g711.h"

#include <errno.h>
#include <string.h>

#include "clones.h"
#include "codec_list.h"
#include "plc.h"

#define SAMPLES_MAX (CODEC_FRAME_SAMPLES_MAX / 6) // 120 ms at 8,000 Hz

// Exponent and upper mantissa bits of a value that a float holds exactly: segment and step, with
// the exponent's bias still in.
static inline int32_t segment_and_step(int32_t magnitude)
{
	float f = (float)magnitude;
	int32_t bits;

	memcpy(&bits, &f, sizeof(bits));
	return bits >> 19;
}

// The middle of a segment's step: 2^(segment + exponent) * (1 + step / 16 + 1 / 32).
static inline int32_t middle_of(int32_t segment_and_step, int32_t exponent)
{
	int32_t bits = ((segment_and_step + ((127 + exponent) << 4)) << 19) | 1 << 18;
	float f;

	memcpy(&f, &bits, sizeof(f));
	return (int32_t)f;
}

// By mask: a branch would be none that becomes SIMD code.
static inline int32_t pick(int32_t mask, int32_t yes, int32_t no)
{
	return (mask & yes) | (~mask & no);
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

	code = pick((magnitude - 16) >> 31, magnitude, code);
	return (uint8_t)(code ^ 0x55 ^ (~sign & 0x80));
}

// All bits are inverted on the wire; a set sign bit is positive. The magnitude is in units of 4.
static inline int16_t ulaw_decode_sample(uint8_t octet)
{
	int32_t magnitude = (middle_of(~octet & 0x7f, 5) - 33) * 4;
	int32_t sign = (octet >> 7) - 1;

	return (int16_t)((magnitude ^ sign) - sign);
}

// Even bits are inverted on the wire; steps of 16 in the two lowest segments.
static inline int16_t alaw_decode_sample(uint8_t octet)
{
	int32_t code = (octet ^ 0x55) & 0x7f;
	int32_t magnitude = pick((code - 16) >> 31, code * 16 + 8, middle_of(code, 7));
	int32_t sign = (octet >> 7) - 1;

	return (int16_t)((magnitude ^ sign) - sign);
}

typedef uint8_t (*encode_fn)(int16_t sample);
typedef int16_t (*decode_fn)(uint8_t octet);

// Octets may alias anything: what they are written from is in registers, or it is no SIMD code.
static inline __attribute__((always_inline)) void encode(
	struct codec_encode_job *jobs, size_t n_jobs, encode_fn encode_sample)
{
	for (size_t i = 0; i < n_jobs; i++) {
		const int16_t *restrict pcm = jobs[i].pcm;
		uint8_t *restrict payload = jobs[i].payload;
		unsigned int n = jobs[i].n_samples;

		for (unsigned int k = 0; k < n; k++)
			payload[k] = encode_sample(pcm[k]);
		jobs[i].n_bytes = (int)n;
	}
}

CLONES static void pcmu_encode(struct codec_encode_job *jobs, size_t n_jobs)
{
	encode(jobs, n_jobs, ulaw_encode_sample);
}

CLONES static void pcma_encode(struct codec_encode_job *jobs, size_t n_jobs)
{
	encode(jobs, n_jobs, alaw_encode_sample);
}

static inline __attribute__((always_inline)) void decode_one(
	struct codec_decode_job *job, decode_fn decode_sample)
{
	const uint8_t *restrict payload = job->payload;
	int16_t *restrict pcm = job->pcm;
	unsigned int n = job->n_bytes;

	if (!payload || job->fec) {
		plc_conceal(job->state, pcm, job->n_samples);
		job->n_decoded = job->n_samples;
		return;
	}
	if (n == 0 || n > job->n_samples || n > SAMPLES_MAX) {
		job->n_decoded = -EBADMSG;
		return;
	}
	for (unsigned int k = 0; k < n; k++)
		pcm[k] = decode_sample(payload[k]);
	plc_receive(job->state, pcm, n);
	job->n_decoded = (int)n;
}

CLONES static void pcmu_decode(struct codec_decode_job *jobs, size_t n_jobs)
{
	for (size_t i = 0; i < n_jobs; i++)
		decode_one(&jobs[i], ulaw_decode_sample);
}

CLONES static void pcma_decode(struct codec_decode_job *jobs, size_t n_jobs)
{
	for (size_t i = 0; i < n_jobs; i++)
		decode_one(&jobs[i], alaw_decode_sample);
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
