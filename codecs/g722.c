// G.722 (ITU-T G.722, RTP payload RFC 3551 section 4.5.2): 16,000 Hz speech as two sub-bands of
// ADPCM in 64 kbit/s, an octet for two samples. Its RTP clock is 8,000 Hz, by an old mistake.
//
// The two bands come from a quadrature mirror filter of 24 taps and go back through one, both done
// here stream by stream; the ADPCM between them depends on every sample before, so streams are done
// side by side, one per SIMD lane (g722_lanes.c). Everything is exact integers: how streams are put
// together does not change a bit.
//
// The lower band is what an 8,000 Hz signal is, but for the roll-off of the filter at 4,000 Hz. So
// at that rate there is no filter and no upper band: half of the work, and nothing to resample
// towards G.711. A decoder at 8,000 Hz does not look at the upper band's bits; an encoder sends
// there what silence gives.
//
// A lost frame is concealed in the lower band by the repetition of the pitch (plc.h), which runs at
// 8,000 Hz as that band does; the upper band is silent meanwhile. The predictors stay as they were:
// they forget, so the decoder meets the encoder again within some milliseconds.
#include "g722.h"

#include <errno.h>
#include <string.h>

#include "clones.h"
#include "codec_list.h"
#include "plc.h"

#define TAPS	  12  // of each polyphase half
#define CHUNK	  160 // octets done at a time; not below what plc.h smooths after a loss
#define WIDTH_MAX 32
#define BYTES_MAX 960 // 120 ms

struct encoder {
	struct g722_adpcm adpcm;
	int16_t history[2 * (TAPS - 1)]; // samples
	bool narrow;			 // 8,000 Hz
};

struct decoder {
	struct g722_adpcm adpcm;
	int16_t sums[TAPS - 1], differences[TAPS - 1]; // of the bands
	uint16_t mode;
	bool narrow;
	struct plc plc; // of the lower band
};

// Bands of a chunk of each stream.
struct chunk {
	int16_t low[WIDTH_MAX][CHUNK], high[WIDTH_MAX][CHUNK];
	uint8_t codes[CHUNK];	 // of lanes that are not used
	struct g722_adpcm spare; // state of these
};

// Every other coefficient of the mirror filter; the others are the same backwards.
static const int16_t qmf[TAPS] = {3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11};

const struct g722_lanes *g722_lanes_choose(unsigned int width_max)
{
#ifdef __x86_64__
	if (width_max >= 32 && __builtin_cpu_supports("avx512bw") &&
		__builtin_cpu_supports("avx512vbmi2"))
		return &g722_lanes_32;
	if (width_max >= 16 && __builtin_cpu_supports("avx2"))
		return &g722_lanes_16;
	if (width_max >= 8)
		return &g722_lanes_8;
#endif
	return width_max ? &g722_lanes_1 : NULL;
}

// By how many streams there are: the narrowest lanes that take them all, or the widest.
static const struct g722_lanes *lanes_of[WIDTH_MAX + 1];

void g722_init(void)
{
	for (unsigned int n = 0; n <= WIDTH_MAX; n++) {
		unsigned int width = n > 16 ? 32 : n > 8 ? 16 : n > 1 ? 8 : 1;

		lanes_of[n] = g722_lanes_choose(width);
	}
}

static inline int16_t clamp(int32_t x, int32_t least, int32_t most)
{
	x = x < least ? least : x;
	return (int16_t)(x > most ? most : x);
}

// A polyphase half over a chunk: out[k] = sum of x[k + i] * qmf[i], or backwards.
static inline __attribute__((always_inline)) void filter(
	int32_t *restrict out, const int16_t *restrict x, bool backwards)
{
	memset(out, 0, CHUNK * sizeof(*out));
	for (int i = 0; i < TAPS; i++) {
		int16_t coeff = qmf[backwards ? TAPS - 1 - i : i];

		for (int k = 0; k < CHUNK; k++)
			out[k] += x[k + i] * coeff;
	}
}

// Split 2 * n samples into bands. The arrays hold whole chunks, of which the end may be unused.
CLONES static void analyse(
	struct encoder *encoder, const int16_t *pcm, size_t n, int16_t *low, int16_t *high)
{
	int16_t even[CHUNK + TAPS - 1] = {0}, odd[CHUNK + TAPS - 1] = {0};
	int32_t a[CHUNK], b[CHUNK];

	for (int i = 0; i < TAPS - 1; i++) {
		even[i] = encoder->history[2 * i];
		odd[i] = encoder->history[2 * i + 1];
	}
	for (size_t k = 0; k < n; k++) {
		even[TAPS - 1 + k] = pcm[2 * k];
		odd[TAPS - 1 + k] = pcm[2 * k + 1];
	}
	filter(a, odd, true);
	filter(b, even, false);
	for (int k = 0; k < CHUNK; k++) {
		low[k] = clamp((a[k] + b[k]) >> 14, -16384, 16383);
		high[k] = clamp((a[k] - b[k]) >> 14, -16384, 16383);
	}
	for (int i = 0; i < TAPS - 1; i++) {
		encoder->history[2 * i] = even[n + (size_t)i];
		encoder->history[2 * i + 1] = odd[n + (size_t)i];
	}
}

// Put n pairs of the bands together to 2 * n samples.
CLONES static void synthesise(
	struct decoder *decoder, const int16_t *low, const int16_t *high, size_t n, int16_t *pcm)
{
	int16_t sums[CHUNK + TAPS - 1] = {0}, differences[CHUNK + TAPS - 1] = {0};
	int32_t first[CHUNK], second[CHUNK];

	memcpy(sums, decoder->sums, sizeof(decoder->sums));
	memcpy(differences, decoder->differences, sizeof(decoder->differences));
	for (size_t k = 0; k < n; k++) {
		sums[TAPS - 1 + k] = (int16_t)(low[k] + high[k]);
		differences[TAPS - 1 + k] = (int16_t)(low[k] - high[k]);
	}
	filter(first, differences, true);
	filter(second, sums, false);
	for (size_t k = 0; k < n; k++) {
		pcm[2 * k] = clamp(first[k] >> 11, INT16_MIN, INT16_MAX);
		pcm[2 * k + 1] = clamp(second[k] >> 11, INT16_MIN, INT16_MAX);
	}
	memcpy(decoder->sums, sums + n, sizeof(decoder->sums));
	memcpy(decoder->differences, differences + n, sizeof(decoder->differences));
}

static size_t min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

// Octets [at, at + n) of n_jobs frames.
static void encode_chunk(const struct g722_lanes *lanes, struct codec_encode_job *jobs,
	size_t n_jobs, size_t at, size_t n)
{
	struct g722_adpcm *states[WIDTH_MAX];
	const int16_t *low[WIDTH_MAX], *high[WIDTH_MAX];
	uint8_t *codes[WIDTH_MAX];
	struct chunk chunk;

	memset(&chunk.spare, 0, sizeof(chunk.spare));
	for (size_t i = 0; i < lanes->width; i++) {
		bool is_used = i < n_jobs;
		struct encoder *encoder = is_used ? jobs[i].state : NULL;

		if (is_used)
			analyse(encoder, jobs[i].pcm + 2 * at, n, chunk.low[i], chunk.high[i]);
		states[i] = is_used ? &encoder->adpcm : &chunk.spare;
		low[i] = chunk.low[is_used ? i : 0];
		high[i] = chunk.high[is_used ? i : 0];
		codes[i] = is_used ? jobs[i].payload + at : chunk.codes;
	}
	lanes->encode(states, low, high, codes, n);
}

static void decode_chunk(const struct g722_lanes *lanes, struct codec_decode_job *jobs,
	size_t n_jobs, size_t at, size_t n)
{
	unsigned int mode = ((const struct decoder *)jobs[0].state)->mode;
	struct g722_adpcm *states[WIDTH_MAX];
	int16_t *low[WIDTH_MAX], *high[WIDTH_MAX];
	const uint8_t *codes[WIDTH_MAX];
	struct chunk chunk;

	memset(&chunk.spare, 0, sizeof(chunk.spare));
	for (size_t i = 0; i < lanes->width; i++) {
		bool is_used = i < n_jobs;

		states[i] = is_used ? &((struct decoder *)jobs[i].state)->adpcm : &chunk.spare;
		low[i] = chunk.low[i];
		high[i] = chunk.high[i];
		codes[i] = jobs[is_used ? i : 0].payload + at;
	}
	lanes->decode(states, codes, low, high, n, mode);
	for (size_t i = 0; i < n_jobs; i++) {
		struct decoder *decoder = jobs[i].state;

		plc_receive(&decoder->plc, low[i], (unsigned int)n);
		synthesise(decoder, low[i], high[i], n, jobs[i].pcm + 2 * at);
	}
}

static void encode_narrow_chunk(const struct g722_lanes *lanes, struct codec_encode_job *jobs,
	size_t n_jobs, size_t at, size_t n)
{
	struct g722_adpcm *states[WIDTH_MAX], spare = {0};
	const int16_t *pcm[WIDTH_MAX];
	uint8_t *codes[WIDTH_MAX], unused[CHUNK];

	for (size_t i = 0; i < lanes->width; i++) {
		bool is_used = i < n_jobs;

		states[i] = is_used ? &((struct encoder *)jobs[i].state)->adpcm : &spare;
		pcm[i] = jobs[is_used ? i : 0].pcm + at;
		codes[i] = is_used ? jobs[i].payload + at : unused;
	}
	lanes->encode_narrow(states, pcm, codes, n);
}

static void decode_narrow_chunk(const struct g722_lanes *lanes, struct codec_decode_job *jobs,
	size_t n_jobs, size_t at, size_t n)
{
	unsigned int mode = ((const struct decoder *)jobs[0].state)->mode;
	struct g722_adpcm *states[WIDTH_MAX], spare = {0};
	const uint8_t *codes[WIDTH_MAX];
	int16_t *pcm[WIDTH_MAX], unused[CHUNK];

	for (size_t i = 0; i < lanes->width; i++) {
		bool is_used = i < n_jobs;

		states[i] = is_used ? &((struct decoder *)jobs[i].state)->adpcm : &spare;
		codes[i] = jobs[is_used ? i : 0].payload + at;
		pcm[i] = is_used ? jobs[i].pcm + at : unused;
	}
	lanes->decode_narrow(states, codes, pcm, n, mode);
	for (size_t i = 0; i < n_jobs; i++)
		plc_receive(&((struct decoder *)jobs[i].state)->plc, pcm[i], (unsigned int)n);
}

static void conceal(struct codec_decode_job *job)
{
	static const int16_t silence[CHUNK];
	struct decoder *decoder = job->state;
	int16_t low[CHUNK];

	if (decoder->narrow) {
		plc_conceal(&decoder->plc, job->pcm, job->n_samples);
		job->n_decoded = job->n_samples;
		return;
	}
	for (size_t at = 0, n, n_pairs = job->n_samples / 2u; at < n_pairs; at += n) {
		n = min_size(CHUNK, n_pairs - at);
		plc_conceal(&decoder->plc, low, (unsigned int)n);
		synthesise(decoder, low, silence, n, job->pcm + 2 * at);
	}
	job->n_decoded = job->n_samples / 2 * 2;
}

static bool encoder_is_narrow(const struct codec_encode_job *job)
{
	return ((const struct encoder *)job->state)->narrow;
}

// Frames in a row that can be encoded together.
static size_t encode_run(const struct codec_encode_job *jobs, size_t n_jobs)
{
	size_t n = 1;

	while (n < n_jobs && n < WIDTH_MAX && jobs[n].n_samples == jobs[0].n_samples &&
		encoder_is_narrow(&jobs[n]) == encoder_is_narrow(&jobs[0]))
		n++;
	return n;
}

static void encode(struct codec_encode_job *jobs, size_t n_jobs)
{
	for (size_t n_run; n_jobs; jobs += n_run, n_jobs -= n_run) {
		bool narrow = encoder_is_narrow(&jobs[0]);
		size_t n_bytes = narrow ? jobs[0].n_samples : jobs[0].n_samples / 2u;
		const struct g722_lanes *lanes = lanes_of[encode_run(jobs, n_jobs)];

		n_run = min_size(encode_run(jobs, n_jobs), lanes->width);
		for (size_t at = 0; at < n_bytes; at += CHUNK)
			(narrow ? encode_narrow_chunk : encode_chunk)(
				lanes, jobs, n_run, at, min_size(CHUNK, n_bytes - at));
		for (size_t i = 0; i < n_run; i++)
			jobs[i].n_bytes = (int)n_bytes;
	}
}

static bool is_loss(const struct codec_decode_job *job)
{
	return !job->payload || job->fec;
}

static bool is_decodable(const struct codec_decode_job *job)
{
	const struct decoder *decoder = job->state;

	return !is_loss(job) && job->n_bytes > 0 && job->n_bytes <= BYTES_MAX &&
	       (decoder->narrow ? 1u : 2u) * job->n_bytes <= job->n_samples;
}

// Frames in a row that can be decoded together; 0: not even the first.
static size_t decode_run(const struct codec_decode_job *jobs, size_t n_jobs)
{
	const struct decoder *first = jobs[0].state;
	size_t n = 0;

	for (; n < n_jobs && n < WIDTH_MAX && is_decodable(&jobs[n]); n++) {
		const struct decoder *decoder = jobs[n].state;

		if (jobs[n].n_bytes != jobs[0].n_bytes || decoder->mode != first->mode ||
			decoder->narrow != first->narrow)
			break;
	}
	return n;
}

static void decode_frames(
	const struct g722_lanes *lanes, struct codec_decode_job *jobs, size_t n_jobs)
{
	bool narrow = ((const struct decoder *)jobs[0].state)->narrow;
	size_t n_bytes = jobs[0].n_bytes;

	for (size_t at = 0; at < n_bytes; at += CHUNK)
		(narrow ? decode_narrow_chunk : decode_chunk)(
			lanes, jobs, n_jobs, at, min_size(CHUNK, n_bytes - at));
	for (size_t i = 0; i < n_jobs; i++)
		jobs[i].n_decoded = narrow ? jobs[i].n_bytes : 2 * jobs[i].n_bytes;
}

static void decode(struct codec_decode_job *jobs, size_t n_jobs)
{
	for (size_t n_run; n_jobs; jobs += n_run, n_jobs -= n_run) {
		const struct g722_lanes *lanes;

		n_run = decode_run(jobs, n_jobs);
		if (n_run == 0) {
			if (is_loss(&jobs[0]))
				conceal(&jobs[0]);
			else
				jobs[0].n_decoded = -EBADMSG;
			n_run = 1;
			continue;
		}
		lanes = lanes_of[n_run];
		n_run = min_size(n_run, lanes->width);
		decode_frames(lanes, jobs, n_run);
	}
}

static size_t encoder_size(void)
{
	return sizeof(struct encoder);
}

static size_t decoder_size(void)
{
	return sizeof(struct decoder);
}

static void adpcm_init(struct g722_adpcm *adpcm)
{
	memset(adpcm, 0, sizeof(*adpcm));
	adpcm->low.det = 32;
	adpcm->high.det = 8;
}

static bool params_are_right(const struct codec_params *params)
{
	return (params->sample_hz == 8000 || params->sample_hz == 16000) && params->channels == 1;
}

static int encoder_init(void *state, const struct codec_params *params)
{
	struct encoder *encoder = state;

	if (!params_are_right(params))
		return -EINVAL;
	memset(encoder, 0, sizeof(*encoder));
	adpcm_init(&encoder->adpcm);
	encoder->narrow = params->sample_hz == 8000;
	return 0;
}

static int decoder_init(void *state, const struct codec_params *params)
{
	struct decoder *decoder = state;

	if (!params_are_right(params))
		return -EINVAL;
	memset(decoder, 0, sizeof(*decoder));
	adpcm_init(&decoder->adpcm);
	plc_init(&decoder->plc);
	decoder->mode = 1;
	decoder->narrow = params->sample_hz == 8000;
	return 0;
}

void g722_decoder_set_mode(void *state, unsigned int mode)
{
	((struct decoder *)state)->mode = (uint16_t)mode;
}

static int payload_samples(const uint8_t *, size_t n_bytes, const struct codec_params *params)
{
	if (n_bytes == 0 || n_bytes > BYTES_MAX)
		return -EBADMSG;
	return params->sample_hz == 8000 ? (int)n_bytes : 2 * (int)n_bytes;
}

const struct codec codec_g722 = {
	.name = "G722",
	.clock_hz = 8000,
	.channels = 1,
	.static_pt = 9,
	.sample_rates = {8000, 16000},
	.frames_ms = {10, 20, 30, 40, 50, 60},
	.encode_ns = 700,
	.decode_ns = 500,
	.encoder_size = encoder_size,
	.decoder_size = decoder_size,
	.encoder_init = encoder_init,
	.decoder_init = decoder_init,
	.encode = encode,
	.decode = decode,
	.payload_samples = payload_samples,
};
