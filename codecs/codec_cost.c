// Measuring codecs: a batch of streams as wide as a transcode lcore's is likely to be, a signal
// with something of speech in it, and the best of several rounds, so that an interrupt or a
// neighbour on the machine does not count.
#include "codec_cost.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define N_STREAMS  16
#define ROUNDS_MIN 2
#define ROUNDS_MAX 50
#define SAMPLES	   (CODEC_FRAME_SAMPLES_MAX / 2) // 60 ms at 48 kHz

struct bench {
	const struct codec *codec;
	uint8_t frame_ms;
	uint8_t complexity;
	uint16_t n_samples;
	uint8_t *memory; // the states
	int16_t pcm[SAMPLES], out[SAMPLES];
	uint8_t payloads[N_STREAMS][CODEC_FRAME_BYTES_MAX];
	struct codec_encode_job encode[N_STREAMS];
	struct codec_decode_job decode[N_STREAMS];
};

static struct codec_cost costs[CODECS_MAX]; // 0: not measured

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static size_t aligned(size_t size)
{
	return (size + 63) & ~(size_t)63;
}

static void signal_create(struct bench *bench)
{
	double hz = bench->codec->sample_rates[0];
	uint32_t random = 1;

	for (unsigned int i = 0; i < bench->n_samples; i++) {
		double t = i / hz, pulse = sin(2 * M_PI * 140 * t);

		random = random * 1664525u + 1013904223u;
		bench->pcm[i] = (int16_t)(6000 * pulse * pulse * pulse +
					  2000 * sin(2 * M_PI * 900 * t) + (random >> 24));
	}
}

// False: the codec does not want to be set up.
static bool streams_create(struct bench *bench)
{
	const struct codec *codec = bench->codec;
	const struct codec_params params = {
		.sample_hz = codec->sample_rates[0],
		.channels = 1,
		.frame_ms = bench->frame_ms,
		.complexity = bench->complexity,
	};
	size_t encoder_bytes = aligned(codec->encoder_size());
	size_t stream_bytes = encoder_bytes + aligned(codec->decoder_size());

	bench->memory = aligned_alloc(64, stream_bytes ? N_STREAMS * stream_bytes : 64);
	if (!bench->memory)
		return false;
	memset(bench->memory, 0, N_STREAMS * stream_bytes);
	for (unsigned int i = 0; i < N_STREAMS; i++) {
		uint8_t *encoder = bench->memory + i * stream_bytes;

		bench->encode[i].state = encoder;
		bench->decode[i].state = encoder + encoder_bytes;
		if (codec->encoder_init(encoder, &params) ||
			codec->decoder_init(encoder + encoder_bytes, &params))
			return false;
	}
	return true;
}

static void streams_destroy(struct bench *bench)
{
	for (unsigned int i = 0; i < N_STREAMS; i++) {
		if (bench->codec->encoder_fini && bench->encode[i].state)
			bench->codec->encoder_fini(bench->encode[i].state);
		if (bench->codec->decoder_fini && bench->decode[i].state)
			bench->codec->decoder_fini(bench->decode[i].state);
	}
	free(bench->memory);
}

static void keep_least(uint64_t *least, uint64_t ns)
{
	if (*least == 0 || ns < *least)
		*least = ns;
}

// One frame of every stream there and back. False where the codec fails.
static bool round_run(struct bench *bench, uint64_t *encode_ns, uint64_t *decode_ns)
{
	uint64_t begun = cpu_ns(), between;

	for (unsigned int i = 0; i < N_STREAMS; i++) {
		bench->encode[i].pcm = bench->pcm;
		bench->encode[i].n_samples = bench->n_samples;
		bench->encode[i].payload = bench->payloads[i];
	}
	bench->codec->encode(bench->encode, N_STREAMS);
	between = cpu_ns();
	for (unsigned int i = 0; i < N_STREAMS; i++) {
		if (bench->encode[i].n_bytes <= 0)
			return false;
		bench->decode[i].payload = bench->payloads[i];
		bench->decode[i].n_bytes = (uint16_t)bench->encode[i].n_bytes;
		bench->decode[i].pcm = bench->out;
		bench->decode[i].n_samples = SAMPLES;
	}
	bench->codec->decode(bench->decode, N_STREAMS);
	keep_least(encode_ns, between - begun);
	keep_least(decode_ns, cpu_ns() - between);
	return true;
}

static bool measure(struct bench *bench, uint32_t budget_us, struct codec_cost *cost)
{
	uint64_t begun = cpu_ns(), encode_ns = 0, decode_ns = 0;
	uint64_t n_20ms = N_STREAMS * bench->frame_ms; // in milliseconds

	for (unsigned int i = 0; i < ROUNDS_MAX; i++) {
		if (i >= ROUNDS_MIN && cpu_ns() - begun > budget_us * UINT64_C(1000))
			break;
		if (!round_run(bench, &encode_ns, &decode_ns))
			return false;
	}
	cost->encode_ns = (uint32_t)(encode_ns * 20 / n_20ms) + 1;
	cost->decode_ns = (uint32_t)(decode_ns * 20 / n_20ms) + 1;
	return true;
}

static bool measure_at(struct bench *bench, const struct codec *codec, uint8_t complexity,
	uint32_t budget_us, struct codec_cost *cost)
{
	bool is_measured;

	memset(bench, 0, sizeof(*bench));
	bench->codec = codec;
	bench->complexity = complexity;
	bench->frame_ms = codec_frame_ms(codec, 20);
	bench->n_samples = (uint16_t)(codec->sample_rates[0] / 1000 * bench->frame_ms);
	signal_create(bench);
	is_measured = streams_create(bench) && measure(bench, budget_us, cost);
	streams_destroy(bench);
	return is_measured;
}

void codecs_measure(uint32_t budget_us)
{
	struct bench *bench = calloc(1, sizeof(*bench));

	for (unsigned int i = 0; bench && codecs[i]; i++) {
		bool has_complexity = codecs[i]->has_complexity;
		uint8_t usual = has_complexity ? CODEC_COST_COMPLEXITY : CODEC_DEFAULT;
		struct codec_cost least = {};

		if (!measure_at(bench, codecs[i], usual, budget_us, &costs[i]))
			continue;
		if (has_complexity)
			measure_at(bench, codecs[i], 0, budget_us, &least);
		costs[i].encode_least_ns = least.encode_ns && least.encode_ns < costs[i].encode_ns
						   ? least.encode_ns
						   : costs[i].encode_ns;
	}
	free(bench);
}

struct codec_cost codec_cost(const struct codec *codec)
{
	unsigned int i = 0;

	while (codecs[i] != codec)
		i++;
	if (costs[i].encode_ns)
		return costs[i];
	return (struct codec_cost){codec->encode_ns, codec->decode_ns,
		codec->has_complexity ? codec->encode_ns / 2 : codec->encode_ns};
}
