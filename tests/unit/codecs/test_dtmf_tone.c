// DTMF in the audio against the tables of ITU-T Q.23 and Q.24, at all rates.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

#include "dtmf_tone.h"
#include "speech.h"

#define SAMPLES_MAX 48000
#define AMPLITUDE   22827.0 // of 0 dBm0

static const uint32_t rates[] = {8000, 16000, 24000, 48000};
static const double low_hz[] = {697, 770, 852, 941}, high_hz[] = {1209, 1336, 1477, 1633};
static const uint8_t keypad[4][4] = {{1, 2, 3, 12}, {4, 5, 6, 13}, {7, 8, 9, 14}, {10, 0, 11, 15}};
static int16_t pcm[SAMPLES_MAX];

// A pair of tones `at` ms into `pcm`, `ms` long.
struct pair {
	double low_hz, high_hz, low_dbm0, high_dbm0, at, ms;
};

static void add_pair(const struct pair *pair, uint32_t hz)
{
	size_t begin = (size_t)(pair->at * hz / 1000), n = (size_t)(pair->ms * hz / 1000);
	double low = AMPLITUDE * pow(10, pair->low_dbm0 / 20);
	double high = AMPLITUDE * pow(10, pair->high_dbm0 / 20);

	for (size_t i = 0; i < n; i++)
		pcm[begin + i] =
			(int16_t)(pcm[begin + i] + low * sin(2 * M_PI * pair->low_hz * i / hz) +
				  high * sin(2 * M_PI * pair->high_hz * i / hz));
}

// Digits found in `ms` of pcm, as text.
static const char *find(uint32_t hz, unsigned int ms)
{
	static char text[256];
	struct dtmf_detector detector;
	size_t n = hz / 1000 * ms, n_digits = 0, chunk = hz / 50;

	dtmf_detector_init(&detector, hz);
	for (size_t at = 0; at < n;) {
		enum dtmf_found found;
		size_t rest = chunk - at % chunk; // as frames come

		at += dtmf_detector_run(&detector, pcm + at, rest < n - at ? rest : n - at, &found);
		if (found == DTMF_BEGUN && n_digits < sizeof(text) - 1)
			text[n_digits++] = "0123456789*#ABCD"[detector.digit];
	}
	text[n_digits] = '\0';
	return text;
}

static const char *find_pair(const struct pair *pair, uint32_t hz)
{
	memset(pcm, 0, sizeof(pcm));
	add_pair(pair, hz);
	return find(hz, 200);
}

static void tones_are_exact_and_do_not_click(void **)
{
	for (size_t r = 0; r < 4; r++)
		for (int row = 0; row < 4; row++)
			for (int column = 0; column < 4; column++) {
				struct dtmf_tone tone;
				double re[2] = {0}, im[2] = {0};
				size_t n = rates[r], ramp = rates[r] / 200;
				int step = 0;

				memset(pcm, 0, sizeof(pcm));
				dtmf_tone_start(&tone, keypad[row][column], 10, rates[r]);
				dtmf_tone_add(&tone, true, pcm, n - 2 * ramp);
				dtmf_tone_add(&tone, false, pcm + n - 2 * ramp, 2 * ramp);
				assert_false(dtmf_tone_sounds(&tone));
				assert_in_range(abs(pcm[0]), 0, 200);
				for (size_t i = n - ramp + 2; i < n; i++)
					assert_int_equal(pcm[i], 0);
				for (size_t i = 1; i < n; i++)
					step = abs(pcm[i] - pcm[i - 1]) > step
						       ? abs(pcm[i] - pcm[i - 1])
						       : step;
				assert_true(step < 12000 * (int)(8000 * 100 / rates[r]) / 100);
				// Correlate with the right frequencies for half a second.
				for (size_t i = ramp; i < ramp + n / 2; i++)
					for (int k = 0; k < 2; k++) {
						double w = 2 * M_PI *
							   (k ? high_hz[column] : low_hz[row]) * i /
							   rates[r];

						re[k] += pcm[i] * cos(w) * 4 / n;
						im[k] += pcm[i] * sin(w) * 4 / n;
					}
				for (int k = 0; k < 2; k++) {
					double level = 20 * log10(hypot(re[k], im[k]) / AMPLITUDE);

					assert_true(fabs(level - (k ? -12 : -14)) < 0.1);
				}
			}
}

static void all_digits_are_found_at_all_rates(void **)
{
	for (size_t r = 0; r < 4; r++)
		for (int row = 0; row < 4; row++)
			for (int column = 0; column < 4; column++) {
				const struct pair pair = {
					low_hz[row], high_hz[column], -9, -7, 33, 60};
				char want[2] = {"0123456789*#ABCD"[keypad[row][column]], '\0'};

				assert_string_equal(find_pair(&pair, rates[r]), want);
			}
}

// Wherever the tone begins between blocks: 40 ms are a digit, 20 ms are none (Q.24).
static void length_decides(void **)
{
	for (double at = 20; at < 34; at += 0.5) {
		struct pair pair = {852, 1336, -9, -7, at, 40};

		assert_string_equal(find_pair(&pair, 8000), "8");
		pair.ms = 20;
		assert_string_equal(find_pair(&pair, 8000), "");
	}
}

// Q.24: within 1.5 % is a digit; 3.5 % off is none, where both tones are.
static void frequency_decides(void **)
{
	for (int row = 0; row < 4; row++)
		for (int column = 0; column < 4; column++)
			for (int sign = -1; sign <= 1; sign += 2) {
				char want[2] = {"0123456789*#ABCD"[keypad[row][column]], '\0'};
				struct pair pair = {low_hz[row] * (1 + sign * 0.015),
					high_hz[column] * (1 + sign * 0.015), -9, -9, 30, 80};

				assert_string_equal(find_pair(&pair, 8000), want);
				pair.low_hz = low_hz[row] * (1 + sign * 0.035);
				pair.high_hz = high_hz[column] * (1 + sign * 0.035);
				assert_string_equal(find_pair(&pair, 8000), "");
			}
}

static void levels_and_twist_decide(void **)
{
	static const struct {
		double low_dbm0, high_dbm0;
		const char *want;
	} cases[] = {{-3, -6, "5"}, {-25, -25, "5"}, {-30, -30, "5"}, {-37, -37, ""},
		{-10, -17, "5"}, {-10, -20, ""}, {-13, -10, "5"}, {-16, -10, ""}, {-10, -99, ""},
		{-99, -10, ""}};

	for (size_t r = 0; r < 4; r++)
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			const struct pair pair = {
				770, 1336, cases[i].low_dbm0, cases[i].high_dbm0, 30, 80};

			assert_string_equal(find_pair(&pair, rates[r]), cases[i].want);
		}
}

static void digits_are_told_apart_and_not_doubled(void **)
{
	static const uint8_t row[] = {0, 0, 1, 1, 2, 2}, column[] = {0, 0, 1, 1, 2, 2};

	memset(pcm, 0, sizeof(pcm));
	for (int i = 0; i < 6; i++)
		add_pair(&(struct pair){low_hz[row[i]], high_hz[column[i]], -10, -8, 20 + 90 * i,
				 45},
			8000);
	assert_string_equal(find(8000, 700), "115599");
	// A drop-out of 10 ms does not make two of one.
	memset(pcm, 0, sizeof(pcm));
	add_pair(&(struct pair){770, 1336, -10, -8, 20, 100}, 8000);
	memset(pcm + 60 * 8, 0, 10 * 8 * sizeof(int16_t));
	assert_string_equal(find(8000, 300), "5");
}

static void noise_of_15_db_below_does_no_harm(void **)
{
	uint32_t random = 1;

	for (int k = 0; k < 50; k++) {
		memset(pcm, 0, sizeof(pcm));
		add_pair(&(struct pair){941, 1477, -12, -12, 30, 60}, 8000);
		for (int i = 0; i < 1600; i++) {
			random = random * 1664525u + 1013904223u;
			// uniform: 15 dB below -9 dBm0
			pcm[i] = (int16_t)(pcm[i] + (int16_t)(random >> 16) / 14);
		}
		assert_string_equal(find(8000, 200), "#");
	}
}

// Talk-off: minutes of speech without a digit.
static void speech_is_no_digit(void **)
{
	for (size_t r = 0; r < 2; r++)
		for (uint32_t seed = 0; seed < 60; seed++) {
			unsigned int ms = SAMPLES_MAX / (rates[r] / 1000);

			speech_synthesise(pcm, SAMPLES_MAX, rates[r], seed);
			assert_string_equal(find(rates[r], ms), "");
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tones_are_exact_and_do_not_click),
		cmocka_unit_test(all_digits_are_found_at_all_rates),
		cmocka_unit_test(length_decides),
		cmocka_unit_test(frequency_decides),
		cmocka_unit_test(levels_and_twist_decide),
		cmocka_unit_test(digits_are_told_apart_and_not_doubled),
		cmocka_unit_test(noise_of_15_db_below_does_no_harm),
		cmocka_unit_test(speech_is_no_digit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
