// Source and filter: a pulse train or noise through three resonators, one set per syllable.
#include "speech.h"

#include <math.h>

#define N_FORMANTS 3

struct resonator {
	double a1, a2, gain, y1, y2;
};

static const struct {
	double pitch_hz; // 0: unvoiced
	double formant_hz[N_FORMANTS];
} sounds[] = {
	{120, {730, 1090, 2440}},
	{135, {270, 2290, 3010}},
	{0, {1800, 2600, 3400}},
	{110, {570, 840, 2410}},
	{150, {530, 1840, 2480}},
	{0, {900, 2200, 3000}},
	{105, {300, 870, 2240}},
	{140, {660, 1720, 2410}},
};

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state;
}

static void tune(struct resonator *r, double hz, double bandwidth_hz, double sample_hz)
{
	double radius = exp(-M_PI * bandwidth_hz / sample_hz);

	r->a1 = 2 * radius * cos(2 * M_PI * hz / sample_hz);
	r->a2 = -radius * radius;
	r->gain = 1 - radius;
}

static double pass(struct resonator *r, double x)
{
	double y = r->gain * x + r->a1 * r->y1 + r->a2 * r->y2;

	r->y2 = r->y1;
	r->y1 = y;
	return y;
}

void speech_synthesise(int16_t *pcm, size_t n, uint32_t sample_hz, uint32_t seed)
{
	struct resonator resonators[N_FORMANTS] = {0};
	size_t syllable = sample_hz / 5, pause_every = 7;
	uint32_t random = seed;
	double phase = 0;

	for (size_t i = 0; i < n; i++) {
		size_t index = i / syllable + seed,
		       sound = index % (sizeof(sounds) / sizeof(sounds[0]));
		double at = (double)(i % syllable) / (double)syllable;
		double level = index % pause_every == 6 ? 0.01 : sin(M_PI * at);
		double noise = (double)(int32_t)next_random(&random) / 2147483648.0, x, y = 0;

		if (i % syllable == 0) {
			for (int k = 0; k < N_FORMANTS; k++)
				tune(&resonators[k], sounds[sound].formant_hz[k], 70 + 40 * k,
					sample_hz);
		}
		phase += sounds[sound].pitch_hz * (1 + 0.1 * at) / sample_hz;
		x = sounds[sound].pitch_hz > 0 ? (phase >= 1 ? 12 : -0.1) + 0.05 * noise
					       : 0.6 * noise;
		if (phase >= 1)
			phase -= 1;
		for (int k = 0; k < N_FORMANTS; k++)
			y += pass(&resonators[k], x) / (1 + k);
		y = level * y * 12000 + noise * 10;
		pcm[i] = (int16_t)(y > 32000 ? 32000 : y < -32000 ? -32000 : y);
	}
}

double speech_snr_db(
	const int16_t *want, const int16_t *got, size_t n, size_t delay_max, size_t *delay)
{
	double best = -100;

	for (size_t d = 0; d <= delay_max; d++) {
		double cross = 0, want_energy = 1, got_energy = 1, explained, snr;

		for (size_t i = 0; i + d < n; i++) {
			cross += (double)want[i] * got[i + d];
			want_energy += (double)want[i] * want[i];
			got_energy += (double)got[i + d] * got[i + d];
		}
		explained = cross * cross / want_energy;
		snr = 10 * log10((explained + 1) / (got_energy - explained + 1));
		if (cross > 0 && snr > best) {
			best = snr;
			if (delay)
				*delay = d;
		}
	}
	return best;
}
