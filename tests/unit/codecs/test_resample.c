// Measures what resample.h promises, for every pair of rates.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "resample.h"

#define SIZE_MAX_STATE 400
#define IN_MAX	       12000
#define LEVEL	       20000.0

static const uint32_t rates[] = {8000, 16000, 24000, 48000};
static int16_t in[IN_MAX], out[RESAMPLER_OUTPUT_MAX(IN_MAX)];

static void for_each_pair(void (*check)(uint32_t in_hz, uint32_t out_hz))
{
	for (int i = 0; i < 4; i++) {
		for (int k = 0; k < 4; k++) {
			if (i != k)
				check(rates[i], rates[k]);
		}
	}
}

static uint32_t lower(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

// A quarter of a second of `in` through a new resampler.
static size_t run(uint32_t in_hz, uint32_t out_hz)
{
	uint8_t state[SIZE_MAX_STATE] __attribute__((aligned(16)));
	size_t n;

	assert_int_equal(resampler_init(state, in_hz, out_hz), 0);
	n = resampler_run(state, in, in_hz / 4, out);
	assert_int_equal(n, out_hz / 4);
	return n;
}

static void sine(uint32_t in_hz, double hz, double level)
{
	for (size_t i = 0; i < in_hz / 4; i++)
		in[i] = (int16_t)lrint(level * sin(2 * M_PI * hz * (double)i / in_hz));
}

// Amplitude and phase of the frequency in the settled part: a whole number of 5 ms.
static double amplitude(size_t n, uint32_t out_hz, double hz, double *phase)
{
	size_t begin = out_hz / 20, end = n - out_hz / 200;
	double re = 0, im = 0;

	for (size_t i = begin; i < end; i++) {
		double at = 2 * M_PI * hz * (double)i / out_hz;

		re += out[i] * sin(at);
		im += out[i] * cos(at);
	}
	if (phase)
		*phase = atan2(im, re);
	return 2 * hypot(re, im) / (double)(end - begin);
}

static double energy(size_t n, uint32_t out_hz)
{
	size_t begin = out_hz / 20, end = n - out_hz / 200;
	double sum = 0;

	for (size_t i = begin; i < end; i++)
		sum += (double)out[i] * out[i];
	return sum / (double)(end - begin);
}

static void check_passband(uint32_t in_hz, uint32_t out_hz)
{
	double limit = 0.425 * lower(in_hz, out_hz), worst = 0, worst_rest = -200;

	for (double hz = 200; hz <= limit; hz += 200) {
		double level, db, rest;
		size_t n;

		sine(in_hz, hz, LEVEL);
		n = run(in_hz, out_hz);
		level = amplitude(n, out_hz, hz, NULL);
		db = 20 * log10(level / LEVEL);
		rest = energy(n, out_hz) - level * level / 2;
		rest = 10 * log10((rest > 1e-3 ? rest : 1e-3) / (LEVEL * LEVEL / 2));
		worst = fabs(db) > worst ? fabs(db) : worst;
		worst_rest = rest > worst_rest ? rest : worst_rest;
	}
	print_message("%2u to %2u kHz: ripple %.4f dB, images and noise %.1f dB\n", in_hz / 1000,
		out_hz / 1000, worst, worst_rest);
	assert_true(worst < 0.01);
	assert_true(worst_rest < -64);
}

static void passband_is_flat_and_has_no_images(void **)
{
	for_each_pair(check_passband);
}

static void check_stopband(uint32_t in_hz, uint32_t out_hz)
{
	double worst = -200;

	if (out_hz > in_hz)
		return;
	for (double hz = 0.575 * out_hz; hz < in_hz / 2; hz += 200) {
		double db;

		sine(in_hz, hz, LEVEL);
		db = 10 * log10((energy(run(in_hz, out_hz), out_hz) + 1e-3) / (LEVEL * LEVEL / 2));
		worst = db > worst ? db : worst;
	}
	print_message("%2u to %2u kHz: aliases %.1f dB\n", in_hz / 1000, out_hz / 1000, worst);
	assert_true(worst < -64);
}

static void stopband_is_silent(void **)
{
	for_each_pair(check_stopband);
}

static void check_delay(uint32_t in_hz, uint32_t out_hz)
{
	double delay_s = (double)RESAMPLER_DELAY / lower(in_hz, out_hz);

	for (double hz = 200; hz <= 3000; hz += 400) {
		double phase, want = -2 * M_PI * hz * delay_s;

		sine(in_hz, hz, LEVEL);
		amplitude(run(in_hz, out_hz), out_hz, hz, &phase);
		assert_true(fabs(remainder(phase - want, 2 * M_PI)) < 2e-3);
	}
}

static void delay_is_the_same_at_all_frequencies(void **)
{
	for_each_pair(check_delay);
}

static void check_dc(uint32_t in_hz, uint32_t out_hz)
{
	static const int16_t levels[] = {1, -1, 12345, INT16_MAX, INT16_MIN};

	for (size_t l = 0; l < sizeof(levels) / sizeof(levels[0]); l++) {
		size_t n;

		for (size_t i = 0; i < in_hz / 4; i++)
			in[i] = levels[l];
		n = run(in_hz, out_hz);
		for (size_t i = out_hz / 100; i < n; i++)
			assert_int_equal(out[i], levels[l]);
	}
}

static void dc_has_a_gain_of_one(void **)
{
	for_each_pair(check_dc);
}

// The worst input for each output in turn would be the signs of its taps; noise at both ends of the
// range and a square wave come near. Sums that wrapped would change the sign.
static void check_saturation(uint32_t in_hz, uint32_t out_hz)
{
	size_t period = 2 * in_hz / 1000, n, delay;

	for (size_t i = 0; i < in_hz / 4; i++)
		in[i] = i / period % 2 ? INT16_MIN : INT16_MAX;
	n = run(in_hz, out_hz);
	period = 2 * out_hz / 1000;
	delay = (size_t)RESAMPLER_DELAY * out_hz / lower(in_hz, out_hz);
	for (size_t i = delay; i < n; i++) {
		size_t at = (i - delay) % period;

		if (at < period / 4 || at > 3 * period / 4) // Gibbs at the edges is not wrapping
			continue;
		assert_true((i - delay) / period % 2 ? out[i] < -28000 : out[i] > 28000);
	}
}

static void too_loud_is_clipped_and_does_not_wrap(void **)
{
	for_each_pair(check_saturation);
}

// Signs of sin(x) / x, shifted: the input that drives an output furthest.
static void check_worst_input(uint32_t in_hz, uint32_t out_hz)
{
	for (double shift = 0; shift < 1; shift += 1.0 / 12) {
		bool is_clipped = false;
		size_t n;

		for (size_t i = 0; i < in_hz / 4; i++) {
			double t = ((double)i - in_hz / 8.0 - shift) * lower(in_hz, out_hz) / in_hz;

			in[i] = t == 0 || sin(M_PI * t) / t >= 0 ? INT16_MAX : INT16_MIN;
		}
		n = run(in_hz, out_hz);
		for (size_t i = 0; i < n; i++) {
			double t = (double)i * in_hz / out_hz - in_hz / 8.0 - shift -
				   (double)RESAMPLER_DELAY * in_hz / lower(in_hz, out_hz);

			if (fabs(t) < 0.2)
				assert_int_equal(out[i], INT16_MAX);
			is_clipped |= out[i] == INT16_MAX;
		}
		assert_true(is_clipped);
	}
}

static void sums_of_the_worst_input_fit(void **)
{
	for_each_pair(check_worst_input);
}

static void check_blocks(uint32_t in_hz, uint32_t out_hz)
{
	static int16_t whole[RESAMPLER_OUTPUT_MAX(IN_MAX)];
	size_t size = resampler_size(in_hz, out_hz), n_in = in_hz / 4, n_whole, n_out = 0;
	uint8_t *state = malloc(size);

	srand(in_hz + out_hz);
	for (size_t i = 0; i < n_in; i++)
		in[i] = (int16_t)rand();
	n_whole = run(in_hz, out_hz);
	memcpy(whole, out, sizeof(whole));
	assert_int_equal(resampler_init(state, in_hz, out_hz), 0);
	for (size_t at = 0, n; at < n_in; at += n) {
		uint8_t *moved = malloc(size);

		n = (size_t)rand() % 500;
		n = n < n_in - at ? n : n_in - at;
		n_out += resampler_run(state, in + at, n, out + n_out);
		assert_int_equal(
			n_out, ((at + n) * (out_hz / 1000) + in_hz / 1000 - 1) / (in_hz / 1000));
		memcpy(moved, state, size);
		memset(state, 0xa5, size);
		free(state);
		state = moved;
	}
	free(state);
	assert_int_equal(n_out, n_whole);
	assert_memory_equal(out, whole, n_out * sizeof(int16_t));
}

static void neither_blocks_nor_moving_the_state_change_the_output(void **)
{
	for_each_pair(check_blocks);
}

static void check_kept(uint32_t in_hz, uint32_t out_hz)
{
	size_t ratio = out_hz / in_hz;

	if (out_hz < in_hz || out_hz % in_hz)
		return;
	for (size_t i = 0; i < in_hz / 4; i++)
		in[i] = (int16_t)rand();
	run(in_hz, out_hz);
	for (size_t i = RESAMPLER_DELAY; i < in_hz / 4; i++)
		assert_int_equal(out[i * ratio], in[i - RESAMPLER_DELAY]);
}

static void whole_ratios_upward_keep_the_samples(void **)
{
	for_each_pair(check_kept);
}

static void check_size(uint32_t in_hz, uint32_t out_hz)
{
	assert_in_range(resampler_size(in_hz, out_hz), 64, SIZE_MAX_STATE);
}

static void other_rates_are_refused(void **)
{
	uint8_t state[SIZE_MAX_STATE];

	for_each_pair(check_size);
	assert_int_equal(resampler_size(8000, 8000), 0);
	assert_int_equal(resampler_size(4000, 8000), 0);
	assert_int_equal(resampler_size(8000, 12000), 0);
	assert_int_equal(resampler_init(state, 0, 0), -EINVAL);
	assert_int_equal(resampler_init(state, 8000, 44100), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(passband_is_flat_and_has_no_images),
		cmocka_unit_test(stopband_is_silent),
		cmocka_unit_test(delay_is_the_same_at_all_frequencies),
		cmocka_unit_test(dc_has_a_gain_of_one),
		cmocka_unit_test(too_loud_is_clipped_and_does_not_wrap),
		cmocka_unit_test(sums_of_the_worst_input_fit),
		cmocka_unit_test(neither_blocks_nor_moving_the_state_change_the_output),
		cmocka_unit_test(whole_ratios_upward_keep_the_samples),
		cmocka_unit_test(other_rates_are_refused),
	};

	resamplers_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
