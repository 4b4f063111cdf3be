// Comfort noise: payload, level and spectrum of what is made, and what silence is.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <math.h>

#include "noise.h"
#include "speech.h"

#define FRAME 160
#define N     16000

static int16_t pcm[N];

static double rms_db(const int16_t *p, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (double)p[i] * p[i];
	return 10 * log10(sum / (double)n / (32768.0 * 32768.0) + 1e-12);
}

static double lag_one(const int16_t *p, size_t n)
{
	double zero = 0, one = 0;

	for (size_t i = 1; i < n; i++) {
		zero += (double)p[i] * p[i];
		one += (double)p[i] * p[i - 1];
	}
	return one / zero;
}

static void payloads_are_parsed_and_built(void **)
{
	static const uint8_t payload[] = {60, 127, 0, 254, 130};
	uint8_t built[NOISE_BYTES_MAX], longer[20] = {40};
	struct noise_shape shape;

	assert_int_equal(noise_parse(payload, sizeof(payload), &shape), 0);
	assert_int_equal(shape.level, 60);
	assert_int_equal(shape.n, 4);
	assert_true(shape.k[0] == 0);
	assert_true(fabsf(shape.k[1] + 0.99994f) < 1e-3f);
	assert_true(fabsf(shape.k[2] - 0.99994f) < 1e-3f);
	assert_int_equal(noise_build(&shape, built), sizeof(payload));
	assert_memory_equal(built, payload, sizeof(payload));
	assert_int_equal(noise_parse(payload, 1, &shape), 0);
	assert_int_equal(shape.n, 0);
	assert_int_equal(noise_parse(longer, sizeof(longer), &shape), 0);
	assert_int_equal(shape.n, NOISE_ORDER);
	assert_int_equal(noise_parse(payload, 0, &shape), -EBADMSG);
	longer[0] = 0x80;
	assert_int_equal(noise_parse(longer, 2, &shape), -EBADMSG);
	longer[0] = 40;
	longer[3] = 255;
	assert_int_equal(noise_parse(longer, 5, &shape), -EBADMSG);
}

static void noise_has_the_level_and_tilt_that_were_asked_for(void **)
{
	static const uint8_t levels[] = {30, 45, 60, 70};
	static const float tilts[] = {-0.9f, -0.5f, 0, 0.5f, 0.9f};

	for (size_t i = 0; i < 4; i++)
		for (size_t k = 0; k < 5; k++) {
			struct noise_shape shape = {.level = levels[i], .n = 1, .k = {tilts[k]}};
			struct noise_maker maker;

			noise_maker_init(&maker, 7);
			noise_make(&maker, &shape, pcm, N);
			noise_make(&maker, &shape, pcm, N);
			assert_true(fabs(rms_db(pcm, N) + levels[i]) < 1);
			assert_true(fabs(lag_one(pcm, N) + tilts[k]) < 0.05);
		}
}

// The extremes of the payload make noise that stays what it is.
static void no_payload_makes_it_unstable(void **)
{
	uint32_t random = 3;

	for (int i = 0; i < 300; i++) {
		uint8_t payload[NOISE_BYTES_MAX];
		struct noise_shape shape;
		struct noise_maker maker;

		for (size_t k = 0; k < sizeof(payload); k++) {
			random = random * 1664525u + 1013904223u;
			payload[k] = (uint8_t)(i < 150 ? random >> 24 : random >> 31 ? 254 : 0);
			payload[k] = payload[k] == 255 ? 254 : payload[k];
		}
		payload[0] &= 0x7f;
		noise_maker_init(&maker, 1);
		assert_int_equal(noise_parse(payload, sizeof(payload), &shape), 0);
		noise_make(&maker, &shape, pcm, N);
		assert_true(rms_db(pcm, N) < 0.1);
		for (int b = 0; b <= NOISE_ORDER; b++)
			assert_true(isfinite(maker.b[b]));
	}
}

// What one end makes of a payload the other end finds in it.
static void analysis_finds_what_synthesis_made(void **)
{
	struct noise_shape shape = {.level = 55, .n = 3, .k = {-0.7f, 0.4f, -0.2f}}, found = {0};
	struct noise_maker maker;
	struct noise_watch watch;
	unsigned int n_sent = 0;

	noise_maker_init(&maker, 9);
	noise_make(&maker, &shape, pcm, N);
	noise_watch_init(&watch);
	for (int i = 0; i < 200; i++) {
		noise_make(&maker, &shape, pcm, FRAME);
		n_sent += noise_watch_frame(&watch, pcm, FRAME, 20, &found) == NOISE_SEND;
		if (i == 100) { // well into it
			assert_true(watch.silent);
			watch.since_ms = 60000;
			watch.sent.level = 0;
		}
	}
	assert_true(n_sent >= 2);
	assert_in_range(found.level, 52, 58);
	for (int k = 0; k < 3; k++)
		assert_true(fabsf(found.k[k] - shape.k[k]) < 0.2f);
}

static void silence_is_told_once_and_again_when_it_changes(void **)
{
	struct noise_shape quiet = {.level = 65}, louder = {.level = 58}, shape;
	struct noise_maker maker;
	struct noise_watch watch;
	unsigned int n_sent = 0, first = 0;

	noise_maker_init(&maker, 9);
	noise_make(&maker, &quiet, pcm, N);
	noise_watch_init(&watch);
	for (unsigned int i = 0; i < 100; i++) {
		noise_make(&maker, &quiet, pcm, FRAME);
		if (noise_watch_frame(&watch, pcm, FRAME, 20, &shape) == NOISE_SEND) {
			first = n_sent++ ? first : i;
		}
	}
	assert_int_equal(n_sent, 1);
	assert_in_range(first, 9, 12); // after 200 ms
	for (unsigned int i = 0; i < 250; i++) {
		noise_make(&maker, &louder, pcm, FRAME);
		n_sent += noise_watch_frame(&watch, pcm, FRAME, 20, &shape) == NOISE_SEND;
	}
	assert_in_range(n_sent, 2, 5);
}

static void speech_and_loud_noise_are_no_silence(void **)
{
	struct noise_shape loud = {.level = 30}, shape;
	struct noise_maker maker;
	struct noise_watch watch;
	unsigned int n_loud = 0;

	noise_watch_init(&watch);
	for (uint32_t seed = 0; seed < 10; seed++) {
		speech_synthesise(pcm, N, 8000, seed);
		for (size_t at = 0; at + FRAME <= N; at += FRAME) {
			enum noise_verdict verdict =
				noise_watch_frame(&watch, pcm + at, FRAME, 20, &shape);
			bool is_loud = rms_db(pcm + at, FRAME) > -40;

			n_loud += is_loud;
			assert_true(!is_loud || verdict == NOISE_SPEECH);
		}
	}
	assert_true(n_loud > 500);
	noise_maker_init(&maker, 5);
	noise_watch_init(&watch);
	for (int i = 0; i < 3000; i++) { // a minute, as of music
		noise_make(&maker, &loud, pcm, FRAME);
		assert_true(i < 50 ||
			    noise_watch_frame(&watch, pcm, FRAME, 20, &shape) == NOISE_SPEECH);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(payloads_are_parsed_and_built),
		cmocka_unit_test(noise_has_the_level_and_tilt_that_were_asked_for),
		cmocka_unit_test(no_payload_makes_it_unstable),
		cmocka_unit_test(analysis_finds_what_synthesis_made),
		cmocka_unit_test(silence_is_told_once_and_again_when_it_changes),
		cmocka_unit_test(speech_and_loud_noise_are_no_silence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
