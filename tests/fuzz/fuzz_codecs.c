// Payloads of every codec, and of comfort noise: what payload_samples() says is what decoding
// gives, nothing is written behind that, and losses between payloads are concealed in full. The
// first byte chooses the codec, the second one how the rest is cut into payloads.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "noise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition)           \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

#define STATE_MAX 65536
#define GUARD	  0x5a

static uint8_t state[STATE_MAX] __attribute__((aligned(64)));
static int16_t pcm[CODEC_FRAME_SAMPLES_MAX + 64];

static int decode(const struct codec *codec, const uint8_t *payload, size_t n, uint16_t room)
{
	struct codec_decode_job job = {.state = state,
		.payload = payload,
		.n_bytes = (uint16_t)n,
		.pcm = pcm,
		.n_samples = room};

	memset(pcm, GUARD, sizeof(pcm));
	codec->decode(&job, 1);
	for (size_t i = room; i < sizeof(pcm) / sizeof(pcm[0]); i++)
		MUST(pcm[i] == (GUARD << 8 | GUARD));
	MUST(job.n_decoded <= room);
	return job.n_decoded;
}

static void fuzz_codec(const struct codec *codec, size_t cut, const uint8_t *data, size_t size)
{
	const struct codec_params params = {.sample_hz = codec->sample_rates[0], .channels = 1};
	uint16_t loss = (uint16_t)(params.sample_hz / 50);

	MUST(codec->decoder_size() <= STATE_MAX);
	memset(state, 0, codec->decoder_size());
	MUST(codec->decoder_init(state, &params) == 0);
	for (size_t at = 0, n; at < size; at += n) {
		int told, decoded;

		n = size - at < cut ? size - at : cut;
		told = codec->payload_samples(data + at, n, &params);
		decoded = decode(codec, data + at, n, CODEC_FRAME_SAMPLES_MAX);
		MUST(told >= 0 || decoded <= 0 || codec->has_fec);
		MUST(decoded < 0 || told < 0 || decoded == told);
		decode(codec, NULL, 0, loss);
	}
	if (codec->decoder_fini)
		codec->decoder_fini(state);
}

static void fuzz_noise(const uint8_t *data, size_t size)
{
	uint8_t built[NOISE_BYTES_MAX];
	struct noise_shape shape;
	struct noise_maker maker;

	if (noise_parse(data, size, &shape))
		return;
	MUST(shape.level < 128 && shape.n <= NOISE_ORDER);
	noise_maker_init(&maker, 1);
	noise_make(&maker, &shape, pcm, 960);
	MUST(noise_build(&shape, built) <= size);
	MUST(!memcmp(built, data, 1u + shape.n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	// Those whose states libraries own are fuzzed on their own (fuzz_amr.c).
	static const struct {
		const char *name;
		uint32_t clock_hz;
		uint8_t channels;
	} fuzzed[] = {{"PCMU", 8000, 1}, {"PCMA", 8000, 1}, {"G722", 8000, 1}, {"GSM", 8000, 1},
		{"G726-16", 8000, 1}, {"G726-24", 8000, 1}, {"G726-32", 8000, 1},
		{"AAL2-G726-40", 8000, 1}, {"L16", 8000, 1}, {"L16", 48000, 1}, {"opus", 48000, 2},
		{"speex", 8000, 1}, {"speex", 16000, 1}, {"speex", 32000, 1}};
	const size_t n_fuzzed = sizeof(fuzzed) / sizeof(fuzzed[0]);
	size_t which, cut;

	if (size < 3 || codecs_init())
		return 0;
	which = data[0] % (n_fuzzed + 1);
	cut = data[1] ? data[1] * 4u : 1;
	if (which == n_fuzzed)
		fuzz_noise(data + 2, size - 2);
	else
		fuzz_codec(codec_find(fuzzed[which].name, fuzzed[which].clock_hz,
				   fuzzed[which].channels),
			cut, data + 2, size - 2);
	return 0;
}
