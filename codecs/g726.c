// G.726 (ITU-T G.726) at 16, 24, 32 and 40 kbit/s: ADPCM of 8,000 Hz speech. The octets are packed
// from the least significant bit on (RFC 3551 section 4.5.4, "G726-32"), or from the most
// significant one as in ATM AAL2 (ITU-T I.366.2 Annex E, "AAL2-G726-32"); nothing else differs.
//
// Names and order of the steps are the recommendation's. Its "floating point" (FLOAT A and B) is 11
// bits: sign, 4 bits of exponent, 6 of mantissa; its DQ is sign and magnitude.
#include <errno.h>
#include <string.h>

#include "codec_list.h"
#include "plc.h"

#define SAMPLES_MAX 960 // 120 ms
#define CODES_MAX   32

// What the rates differ in, by code: level of the inverse quantiser, scale factor multiplier, and
// speed control. Decision levels of the quantiser, of which there are one less than positive codes.
struct rate {
	uint8_t bits;
	uint8_t n_decisions;
	int16_t decisions[15];
	int16_t levels[CODES_MAX];
	int16_t scale[CODES_MAX];
	int16_t speed[CODES_MAX];
};

#define MIRROR_2(a, b)			 a, b, b, a
#define MIRROR_4(a, b, c, d)		 a, b, c, d, d, c, b, a
#define MIRROR_8(a, b, c, d, e, f, g, h) a, b, c, d, e, f, g, h, h, g, f, e, d, c, b, a
#define MIRROR_16(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p)                                 \
	a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, p, o, n, m, l, k, j, i, h, g, f, e, d, c, \
		b, a

static const struct rate rate_16 = {
	.bits = 2,
	.n_decisions = 1,
	.decisions = {261},
	.levels = {MIRROR_2(116, 365)},
	.scale = {MIRROR_2(-22, 439)},
	.speed = {MIRROR_2(0, 7)},
};

static const struct rate rate_24 = {
	.bits = 3,
	.n_decisions = 3,
	.decisions = {8, 218, 331},
	.levels = {MIRROR_4(-2048, 135, 273, 373)},
	.scale = {MIRROR_4(-4, 30, 137, 582)},
	.speed = {MIRROR_4(0, 1, 2, 7)},
};

static const struct rate rate_32 = {
	.bits = 4,
	.n_decisions = 7,
	.decisions = {-124, 80, 178, 246, 300, 349, 400},
	.levels = {MIRROR_8(-2048, 4, 135, 213, 273, 323, 373, 425)},
	.scale = {MIRROR_8(-12, 18, 41, 64, 112, 198, 355, 1122)},
	.speed = {MIRROR_8(0, 0, 0, 1, 1, 1, 3, 7)},
};

static const struct rate rate_40 = {
	.bits = 5,
	.n_decisions = 15,
	.decisions = {-122, -16, 68, 139, 198, 250, 298, 339, 378, 413, 445, 475, 502, 528, 553},
	.levels = {MIRROR_16(
		-2048, -66, 28, 104, 169, 224, 274, 318, 358, 395, 429, 459, 488, 514, 539, 566)},
	.scale = {MIRROR_16(
		14, 14, 24, 39, 40, 41, 58, 100, 141, 179, 219, 280, 358, 440, 529, 696)},
	.speed = {MIRROR_16(0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 3, 4, 5, 6, 6)},
};

struct adpcm {
	int32_t yl;  // slow scale factor
	int16_t yu;  // fast one
	int16_t dms; // short and long term average of the speed control
	int16_t dml;
	int16_t ap;   // what mixes the two scale factors
	int16_t a[2]; // coefficients of the poles and the zeros
	int16_t b[6];
	int16_t dq[6]; // quantised difference, newest first, in FLOAT A's form
	int16_t sr[2]; // reconstructed signal, newest first, in FLOAT B's form
	uint8_t pk[2]; // signs of the partly reconstructed signal
	uint8_t td;    // a tone was detected
};

struct stream {
	const struct rate *rate;
	uint8_t msb_first; // packing
	struct adpcm adpcm;
};

struct decoder {
	struct stream stream;
	struct plc plc;
};

// The exponent of the recommendation's logarithms: the number of bits of a magnitude.
static inline int n_bits(int magnitude)
{
	return magnitude > 0 ? 32 - __builtin_clz((unsigned int)magnitude) : 0;
}

// FMULT: a coefficient times a value in FLOAT's form.
static inline int fmult(int an, int srn)
{
	int magnitude = an > 0 ? an : -an & 0x1fff;
	int exponent = n_bits(magnitude) - 6;
	int mantissa = magnitude == 0  ? 32
		       : exponent >= 0 ? magnitude >> exponent
				       : magnitude << -exponent;
	int product_exponent = exponent + ((srn >> 6) & 0xf) - 13;
	int product = (mantissa * (srn & 0x3f) + 0x30) >> 4;

	product = product_exponent >= 0 ? (product << product_exponent) & 0x7fff
					: product >> -product_exponent;
	return (an ^ srn) < 0 ? -product : product;
}

// FLOAT A and B
static inline int16_t to_float(int magnitude, bool negative)
{
	int exponent = n_bits(magnitude);
	int value = magnitude ? (exponent << 6) + ((magnitude << 6) >> exponent) : 0x20;

	return (int16_t)(negative ? value - 0x400 : value);
}

// MIX: the scale factor between the fast and the slow one.
static inline int mix(const struct adpcm *s)
{
	int y = s->yl >> 6, difference = s->yu - y, al = s->ap >> 2;

	if (s->ap >= 256)
		return s->yu;
	return y + ((difference * al + (difference < 0 ? 0x3f : 0)) >> 6);
}

// LOG, SUBTB and QUAN
static inline unsigned int quantise(const struct rate *rate, int d, int y)
{
	int magnitude = d < 0 ? -d : d, exponent = n_bits(magnitude >> 1);
	int mantissa = ((magnitude << 7) >> exponent) & 0x7f;
	int level = (exponent << 7) + mantissa - (y >> 2);
	unsigned int i = 0, last = 2u * rate->n_decisions + 1;

	while (i < rate->n_decisions && level >= rate->decisions[i])
		i++;
	if (d < 0)
		return last - i;
	// Code 0 is never sent but at 16 kbit/s: its place is that of the last one.
	return i == 0 && rate->bits > 2 ? last : i;
}

// ADDA and ANTILOG, as sign and magnitude
static inline int reconstruct(bool negative, int level, int y)
{
	int log = level + (y >> 2), magnitude = 0;

	if (log >= 0)
		magnitude = ((128 + (log & 127)) << 7) >> (14 - ((log >> 7) & 15));
	return negative ? magnitude - 0x8000 : magnitude;
}

static inline int clamp(int x, int least, int most)
{
	return x < least ? least : x > most ? most : x;
}

// TRANS: a tone ended or began.
static inline bool is_transition(const struct adpcm *s, int magnitude)
{
	int integer = s->yl >> 15, fraction = (s->yl >> 10) & 0x1f;
	int threshold = integer > 9 ? 31 << 10 : (32 + fraction) << integer;

	return s->td && magnitude > (threshold + (threshold >> 1)) >> 1;
}

// UPA2 and LIMC
static inline int adapt_a2(const struct adpcm *s, bool same1, bool same2, int dqsez)
{
	int a2 = s->a[1] - (s->a[1] >> 7), fa1 = same1 ? -s->a[0] : s->a[0];

	if (dqsez == 0)
		return a2;
	a2 += fa1 < -8191 ? -0x100 : fa1 > 8191 ? 0xff : fa1 >> 5;
	return clamp(a2 + (same2 ? 0x80 : -0x80), -12288, 12288);
}

// UPA1, UPB and their limits
static void adapt_predictor(struct adpcm *s, const struct rate *rate, int dq, int dqsez)
{
	bool negative = dqsez < 0, same1 = negative == s->pk[0], same2 = negative == s->pk[1];
	int limit, leak = rate->bits == 5 ? 9 : 8, a1 = s->a[0] - (s->a[0] >> 8);

	s->a[1] = (int16_t)adapt_a2(s, same1, same2, dqsez);
	limit = 15360 - s->a[1];
	if (dqsez)
		a1 += same1 ? 192 : -192;
	s->a[0] = (int16_t)clamp(a1, -limit, limit);
	for (int i = 0; i < 6; i++) {
		s->b[i] = (int16_t)(s->b[i] - (s->b[i] >> leak));
		if (dq & 0x7fff)
			s->b[i] = (int16_t)(s->b[i] + ((dq ^ s->dq[i]) >= 0 ? 128 : -128));
	}
}

// FUNCTF, FILTA, FILTB, SUBTC, FILTC and TRIGA
static void adapt_speed(struct adpcm *s, int speed, int y, bool transition)
{
	int difference;

	s->dms = (int16_t)(s->dms + (((speed << 9) - s->dms) >> 5));
	s->dml = (int16_t)(s->dml + (((speed << 11) - s->dml) >> 7));
	difference = (s->dms << 2) - s->dml;
	if (transition)
		s->ap = 256;
	else if (y < 1536 || s->td || (difference < 0 ? -difference : difference) >= s->dml >> 3)
		s->ap = (int16_t)(s->ap + ((0x200 - s->ap) >> 4));
	else
		s->ap = (int16_t)(s->ap + (-s->ap >> 4));
}

// What encoder and decoder do alike with a code. Returns the reconstructed signal.
static inline int adapt(
	struct adpcm *s, const struct rate *rate, unsigned int code, int y, int se, int sez)
{
	int dq = reconstruct(code >> (rate->bits - 1), rate->levels[code], y);
	int magnitude = dq & 0x7fff, sr = (int16_t)(dq < 0 ? se - magnitude : se + dq);
	int dqsez = (int16_t)(sr - se + sez);
	bool transition = is_transition(s, magnitude);

	s->yu = (int16_t)clamp(y + ((rate->scale[code] * 32 - y) >> 5), 544, 5120);
	s->yl += s->yu + (-s->yl >> 6);
	if (transition) {
		memset(s->a, 0, sizeof(s->a));
		memset(s->b, 0, sizeof(s->b));
	} else {
		adapt_predictor(s, rate, dq, dqsez);
	}
	memmove(s->dq + 1, s->dq, 5 * sizeof(s->dq[0]));
	s->dq[0] = to_float(magnitude, dq < 0);
	s->sr[1] = s->sr[0];
	s->sr[0] = to_float(sr < 0 ? -sr & 0x7fff : sr, sr < 0);
	s->pk[1] = s->pk[0];
	s->pk[0] = dqsez < 0;
	s->td = !transition && s->a[1] < -11776;
	adapt_speed(s, rate->speed[code], y, transition);
	return sr;
}

// The prediction, and the part of it that the zeros make.
static inline int predict(const struct adpcm *s, int *sez)
{
	int zeros = 0, poles = fmult(s->a[0] >> 2, s->sr[0]) + fmult(s->a[1] >> 2, s->sr[1]);

	for (int i = 0; i < 6; i++)
		zeros += fmult(s->b[i] >> 2, s->dq[i]);
	zeros = (int16_t)zeros;
	*sez = zeros >> 1;
	return (int16_t)(zeros + poles) >> 1;
}

static inline unsigned int encode_sample(struct adpcm *s, const struct rate *rate, int16_t sample)
{
	int sez, se = predict(s, &sez), y = mix(s);
	unsigned int code = quantise(rate, (int16_t)((sample >> 2) - se), y);

	adapt(s, rate, code, y, se, sez);
	return code;
}

static inline int16_t decode_sample(struct adpcm *s, const struct rate *rate, unsigned int code)
{
	int sez, se = predict(s, &sez), sr = adapt(s, rate, code, mix(s), se, sez);

	return (int16_t)clamp(sr * 4, INT16_MIN, INT16_MAX);
}

// Octets that hold whole codes.
static size_t unit_bytes(const struct rate *rate)
{
	return rate->bits % 2 ? rate->bits : 1;
}

static void encode_one(struct codec_encode_job *job)
{
	struct stream *s = job->state;
	unsigned int bits = s->rate->bits, held = 0, n_held = 0;
	uint8_t *out = job->payload;

	if (job->n_samples == 0 || job->n_samples % 8 || job->n_samples > SAMPLES_MAX) {
		job->n_bytes = -EINVAL;
		return;
	}
	for (unsigned int k = 0; k < job->n_samples; k++) {
		unsigned int code = encode_sample(&s->adpcm, s->rate, job->pcm[k]);

		held = s->msb_first ? held << bits | code : held | code << n_held;
		n_held += bits;
		if (n_held < 8)
			continue;
		n_held -= 8;
		*out++ = (uint8_t)(s->msb_first ? held >> n_held : held);
		held = s->msb_first ? held & 0xff : held >> 8;
	}
	job->n_bytes = (int)(out - job->payload);
}

static int samples_of(const struct rate *rate, size_t n_bytes)
{
	if (n_bytes == 0 || n_bytes % unit_bytes(rate) || n_bytes * 8 / rate->bits > SAMPLES_MAX)
		return -EBADMSG;
	return (int)(n_bytes * 8 / rate->bits);
}

static void decode_one(struct codec_decode_job *job)
{
	struct decoder *decoder = job->state;
	struct stream *s = &decoder->stream;
	unsigned int bits = s->rate->bits, held = 0, n_held = 0, mask = (1u << bits) - 1;
	const uint8_t *in = job->payload;
	int n;

	if (!job->payload || job->fec) {
		plc_conceal(&decoder->plc, job->pcm, job->n_samples);
		job->n_decoded = job->n_samples;
		return;
	}
	n = samples_of(s->rate, job->n_bytes);
	if (n < 0 || n > job->n_samples) {
		job->n_decoded = -EBADMSG;
		return;
	}
	for (int k = 0; k < n; k++) {
		if (n_held < bits) {
			held = s->msb_first ? (held << 8 | *in++) & 0xffff
					    : held | (unsigned int)*in++ << n_held;
			n_held += 8;
		}
		n_held -= bits;
		job->pcm[k] = decode_sample(
			&s->adpcm, s->rate, (s->msb_first ? held >> n_held : held) & mask);
		held = s->msb_first ? held : held >> bits;
	}
	plc_receive(&decoder->plc, job->pcm, (unsigned int)n);
	job->n_decoded = n;
}

static void encode(struct codec_encode_job *jobs, size_t n_jobs)
{
	for (size_t i = 0; i < n_jobs; i++)
		encode_one(&jobs[i]);
}

static void decode(struct codec_decode_job *jobs, size_t n_jobs)
{
	for (size_t i = 0; i < n_jobs; i++)
		decode_one(&jobs[i]);
}

static size_t encoder_size(void)
{
	return sizeof(struct stream);
}

static size_t decoder_size(void)
{
	return sizeof(struct decoder);
}

static int stream_init(struct stream *s, const struct rate *rate, bool msb_first,
	const struct codec_params *params)
{
	if (params->sample_hz != 8000 || params->channels != 1)
		return -EINVAL;
	*s = (struct stream){
		.rate = rate,
		.msb_first = msb_first,
		.adpcm = {.yl = 34816, .yu = 544, .sr = {32, 32}, .dq = {32, 32, 32, 32, 32, 32}},
	};
	return 0;
}

#define G726(id, rtpmap, kbits, msb)                                                 \
	static int id##_encoder_init(void *state, const struct codec_params *params) \
	{                                                                            \
		return stream_init(state, &rate_##kbits, msb, params);               \
	}                                                                            \
	static int id##_decoder_init(void *state, const struct codec_params *params) \
	{                                                                            \
		struct decoder *decoder = state;                                     \
                                                                                     \
		plc_init(&decoder->plc);                                             \
		return stream_init(&decoder->stream, &rate_##kbits, msb, params);    \
	}                                                                            \
	static int id##_payload_samples(                                             \
		const uint8_t *, size_t n_bytes, const struct codec_params *)        \
	{                                                                            \
		return samples_of(&rate_##kbits, n_bytes);                           \
	}                                                                            \
	const struct codec codec_##id = {                                            \
		.name = rtpmap,                                                      \
		.clock_hz = 8000,                                                    \
		.channels = 1,                                                       \
		.static_pt = CODEC_DEFAULT,                                          \
		.sample_rates = {8000},                                              \
		.frames_ms = {10, 20, 30, 40, 50, 60},                               \
		.encode_ns = 9000,                                                   \
		.decode_ns = 8000,                                                   \
		.encoder_size = encoder_size,                                        \
		.decoder_size = decoder_size,                                        \
		.encoder_init = id##_encoder_init,                                   \
		.decoder_init = id##_decoder_init,                                   \
		.encode = encode,                                                    \
		.decode = decode,                                                    \
		.payload_samples = id##_payload_samples,                             \
	}

G726(g726_16, "G726-16", 16, false);
G726(g726_24, "G726-24", 24, false);
G726(g726_32, "G726-32", 32, false);
G726(g726_40, "G726-40", 40, false);
G726(aal2_g726_16, "AAL2-G726-16", 16, true);
G726(aal2_g726_24, "AAL2-G726-24", 24, true);
G726(aal2_g726_32, "AAL2-G726-32", 32, true);
G726(aal2_g726_40, "AAL2-G726-40", 40, true);
