#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

#include "plc.h"
#include "speech.h"

#define FRAME	 160
#define N_FRAMES 200

static double level(const int16_t *pcm, size_t n)
{
	double energy = 0;

	for (size_t i = 0; i < n; i++)
		energy += (double)pcm[i] * pcm[i];
	return sqrt(energy / (double)n);
}

static void feed_sine(struct plc *plc, double hz, int n_frames, unsigned int *at)
{
	int16_t pcm[FRAME];

	for (int k = 0; k < n_frames; k++) {
		for (int i = 0; i < FRAME; i++)
			pcm[i] = (int16_t)(10000 * sin(2 * M_PI * hz * (*at)++ / 8000));
		plc_receive(plc, pcm, FRAME);
	}
}

static void frames_that_came_are_not_touched(void **)
{
	int16_t pcm[FRAME * 8], copy[FRAME * 8];
	struct plc plc;

	speech_synthesise(pcm, FRAME * 8, 8000, 1);
	memcpy(copy, pcm, sizeof(pcm));
	plc_init(&plc);
	for (int i = 0; i < 8; i++)
		plc_receive(&plc, pcm + i * FRAME, FRAME);
	assert_memory_equal(pcm, copy, sizeof(pcm));
}

static void tone_goes_on_through_a_loss(void **)
{
	static const double tones[] = {80, 100, 133, 160, 200, 400};

	for (size_t t = 0; t < sizeof(tones) / sizeof(tones[0]); t++) {
		unsigned int at = 0;
		int16_t pcm[80];
		struct plc plc;

		plc_init(&plc);
		feed_sine(&plc, tones[t], 10, &at);
		plc_conceal(&plc, pcm, 80);
		for (int i = 0; i < 80; i++) {
			double want = 10000 * sin(2 * M_PI * tones[t] * at++ / 8000);

			assert_true(fabs(pcm[i] - want) < 1500);
		}
	}
}

static void long_loss_fades_to_silence(void **)
{
	unsigned int at = 0;
	int16_t pcm[80];
	double before = 20000;
	struct plc plc;

	plc_init(&plc);
	feed_sine(&plc, 100, 10, &at);
	for (int block = 0; block < 6; block++) {
		plc_conceal(&plc, pcm, 80);
		assert_true(level(pcm, 80) < before);
		before = level(pcm, 80) + 1;
	}
	plc_conceal(&plc, pcm, 80);
	assert_true(level(pcm, 80) == 0);
}

// No sample to sample step larger than the signal itself makes, at either end of the loss.
static void joins_do_not_click(void **)
{
	for (unsigned int n_lost = 1; n_lost <= 4; n_lost++) {
		unsigned int at = 0;
		int16_t pcm[FRAME * 6];
		struct plc plc;

		plc_init(&plc);
		feed_sine(&plc, 110, 10, &at);
		at -= FRAME;
		for (unsigned int k = 0; k < 6; k++) {
			int16_t *frame = pcm + k * FRAME;

			for (int i = 0; i < FRAME; i++)
				frame[i] = (int16_t)(10000 * sin(2 * M_PI * 110 * at++ / 8000));
			if (k == 0)
				continue; // what was fed last
			if (k <= n_lost)
				plc_conceal(&plc, frame, FRAME);
			else
				plc_receive(&plc, frame, FRAME);
		}
		for (int i = 1; i < FRAME * 6; i++)
			assert_true(abs(pcm[i] - pcm[i - 1]) < 2000); // the sine itself: 864
	}
}

static void speech_with_loss_is_closer_than_with_silence(void **)
{
	static int16_t clean[FRAME * N_FRAMES], concealed[FRAME * N_FRAMES],
		silenced[FRAME * N_FRAMES];
	struct plc plc;
	double with_plc, with_silence;

	speech_synthesise(clean, FRAME * N_FRAMES, 8000, 2);
	memcpy(concealed, clean, sizeof(clean));
	memcpy(silenced, clean, sizeof(clean));
	plc_init(&plc);
	for (int k = 0; k < N_FRAMES; k++) {
		if (k % 10 == 7) {
			plc_conceal(&plc, concealed + k * FRAME, FRAME);
			memset(silenced + k * FRAME, 0, FRAME * sizeof(int16_t));
		} else {
			plc_receive(&plc, concealed + k * FRAME, FRAME);
		}
	}
	with_plc = speech_snr_db(clean, concealed, FRAME * N_FRAMES, 0, NULL);
	with_silence = speech_snr_db(clean, silenced, FRAME * N_FRAMES, 0, NULL);
	print_message(
		"10 %% loss: SNR %.1f dB concealed, %.1f dB silenced\n", with_plc, with_silence);
	assert_true(with_plc > with_silence + 1);
}

static void loss_at_the_very_beginning_is_silence(void **)
{
	int16_t pcm[1000];
	struct plc plc;

	plc_init(&plc);
	plc_conceal(&plc, pcm, 1000);
	assert_true(level(pcm, 1000) == 0);
}

static void full_scale_noise_and_odd_lengths_stay_in_range(void **)
{
	int16_t pcm[700];
	struct plc plc;

	srand(1);
	plc_init(&plc);
	for (int k = 0; k < 3000; k++) {
		unsigned int n = (unsigned int)rand() % 700;

		for (unsigned int i = 0; i < n; i++)
			pcm[i] = (int16_t)(rand() % 2 ? 32767 : -32768);
		if (rand() % 3)
			plc_receive(&plc, pcm, n);
		else
			plc_conceal(&plc, pcm, n);
		assert_in_range(plc.lost, 0, 480);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_that_came_are_not_touched),
		cmocka_unit_test(tone_goes_on_through_a_loss),
		cmocka_unit_test(long_loss_fades_to_silence),
		cmocka_unit_test(joins_do_not_click),
		cmocka_unit_test(speech_with_loss_is_closer_than_with_silence),
		cmocka_unit_test(loss_at_the_very_beginning_is_silence),
		cmocka_unit_test(full_scale_noise_and_odd_lengths_stay_in_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
