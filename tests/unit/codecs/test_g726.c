// G.726: exact against another implementation's answers, packing, lengths, and what it does to
// speech.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "codec.h"
#include "speech.h"

#define FRAME	  160
#define N_FRAMES  200
#define STATE_MAX 4096

struct state {
	uint8_t bytes[STATE_MAX] __attribute__((aligned(16)));
};

static const struct codec_params params = {.sample_hz = 8000, .channels = 1, .frame_ms = 20};
static int16_t pcm[N_FRAMES * FRAME], decoded[N_FRAMES * FRAME];
static uint8_t codes[N_FRAMES * 100];

static uint32_t hash(const void *data, size_t n) // FNV-1a
{
	const uint8_t *bytes = data;
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < n; i++)
		h = (h ^ bytes[i]) * 16777619u;
	return h;
}

// Noise that climbs to full scale, with squares of full scale between: every limit is met.
static void make_signal(void)
{
	uint32_t random = 1;

	for (int i = 0; i < N_FRAMES * FRAME; i++) {
		random = random * 1664525u + 1013904223u;
		if (i / 2000 % 4 == 3)
			pcm[i] = i / (1 + i / 500) % 2 ? INT16_MAX : INT16_MIN;
		else
			pcm[i] = (int16_t)((int16_t)(random >> 16) >>
					   (15 - i * 16 / (N_FRAMES * FRAME)));
	}
}

static size_t pass(const struct codec *codec)
{
	struct state encoder, decoder;
	size_t n = 0;

	assert_true(codec->encoder_size() <= STATE_MAX && codec->decoder_size() <= STATE_MAX);
	assert_int_equal(codec->encoder_init(&encoder, &params), 0);
	assert_int_equal(codec->decoder_init(&decoder, &params), 0);
	for (int k = 0; k < N_FRAMES; k++) {
		struct codec_encode_job e = {.state = &encoder,
			.pcm = pcm + k * FRAME,
			.n_samples = FRAME,
			.payload = codes + n};
		struct codec_decode_job d = {.state = &decoder,
			.payload = codes + n,
			.pcm = decoded + k * FRAME,
			.n_samples = FRAME};

		codec->encode(&e, 1);
		assert_true(e.n_bytes > 0);
		d.n_bytes = (uint16_t)e.n_bytes;
		codec->decode(&d, 1);
		assert_int_equal(d.n_decoded, FRAME);
		n += (size_t)e.n_bytes;
	}
	return n;
}

static const struct {
	const char *name;
	size_t frame_bytes;
	double snr_db; // of speech, at least
	uint32_t codes, pcm;
} cases[] = {
	{"G726-16", 40, 9, 0xbcc5587e, 0x6408a96f},
	{"G726-24", 60, 11, 0x06f1929f, 0x73c1cd97},
	{"G726-32", 80, 12, 0x216644fd, 0xdfce41c8},
	{"G726-40", 100, 14, 0xee81f6bc, 0x5ef1fc9d},
	{"AAL2-G726-16", 40, 9, 0x47f430e1, 0x6408a96f},
	{"AAL2-G726-24", 60, 11, 0x2be56bec, 0x73c1cd97},
	{"AAL2-G726-32", 80, 12, 0xe5c9ada4, 0xdfce41c8},
	{"AAL2-G726-40", 100, 14, 0x32898fb4, 0x5ef1fc9d},
};
#define N_CASES (sizeof(cases) / sizeof(cases[0]))

// The octets are those of spandsp 0.0.6, too; its samples wrap where the recommendation limits
// them.
static void known_answers(void **)
{
	for (size_t i = 0; i < N_CASES; i++) {
		const struct codec *codec = codec_find(cases[i].name, 8000, 1);

		make_signal();
		assert_int_equal(pass(codec), N_FRAMES * cases[i].frame_bytes);
		assert_int_equal(hash(codes, N_FRAMES * cases[i].frame_bytes), cases[i].codes);
		assert_int_equal(hash(decoded, sizeof(decoded)), cases[i].pcm);
	}
}

static void speech_survives(void **)
{
	for (size_t i = 0; i < N_CASES; i++) {
		double snr;

		speech_synthesise(pcm, N_FRAMES * FRAME, 8000, 3);
		pass(codec_find(cases[i].name, 8000, 1));
		snr = speech_snr_db(pcm, decoded, N_FRAMES * FRAME, 20, NULL);
		print_message("%s: SNR %.1f dB\n", cases[i].name, snr);
		assert_true(snr > cases[i].snr_db);
	}
}

// RFC 3551 4.5.4: the first code is in the least significant bits. AAL2: in the most significant.
static void packings_differ_in_the_order_of_bits_only(void **)
{
	static uint8_t right[N_FRAMES * 100];

	speech_synthesise(pcm, N_FRAMES * FRAME, 8000, 4);
	for (size_t i = 0; i < 4; i++) {
		unsigned int bits = 2 + (unsigned int)i;
		size_t n = pass(codec_find(cases[i].name, 8000, 1));

		memcpy(right, codes, n);
		assert_int_equal(pass(codec_find(cases[i + 4].name, 8000, 1)), n);
		for (size_t k = 0; k < n * 8 / bits; k++) {
			unsigned int from_right = 0, from_left = 0;

			for (unsigned int b = 0; b < bits; b++) {
				size_t at = k * bits + b;

				from_right |= (right[at / 8] >> at % 8 & 1u) << b;
				from_left = from_left << 1 | (codes[at / 8] >> (7 - at % 8) & 1u);
			}
			assert_int_equal(from_right, from_left);
		}
	}
}

static void lengths_that_are_no_whole_codes_are_refused(void **)
{
	static const struct {
		const char *name;
		uint16_t n_bytes;
		int n_samples;
	} lengths[] = {
		{"G726-16", 1, 4},
		{"G726-32", 81, 162},
		{"G726-24", 60, 160},
		{"G726-24", 61, -EBADMSG},
		{"G726-40", 5, 8},
		{"G726-40", 6, -EBADMSG},
		{"G726-32", 0, -EBADMSG},
		{"G726-32", 480, 960},
		{"G726-32", 481, -EBADMSG},
		{"G726-16", 240, 960},
		{"G726-16", 241, -EBADMSG},
	};

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		const struct codec *codec = codec_find(lengths[i].name, 8000, 1);
		struct state state;
		struct codec_decode_job job = {.state = &state,
			.payload = codes,
			.n_bytes = lengths[i].n_bytes,
			.pcm = decoded,
			.n_samples = 960};

		codec->decoder_init(&state, &params);
		codec->decode(&job, 1);
		assert_int_equal(job.n_decoded, lengths[i].n_samples);
		assert_int_equal(codec->payload_samples(codes, lengths[i].n_bytes, &params),
			lengths[i].n_samples);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_answers),
		cmocka_unit_test(speech_survives),
		cmocka_unit_test(packings_differ_in_the_order_of_bits_only),
		cmocka_unit_test(lengths_that_are_no_whole_codes_are_refused),
	};

	return codecs_init() == 0 ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
