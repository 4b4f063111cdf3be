// DTMF in the audio. The detector is eight Goertzel filters over blocks of 12.75 ms (102 samples at
// 8,000 Hz): short enough that a tone of 40 ms fills two of them wherever it begins, long enough to
// tell neighbours apart.
#include "dtmf_tone.h"

#include <math.h>
#include <string.h>

// Amplitude of a sine of 0 dBm0: full scale is 3.14 dBm0 (G.711).
#define AMPLITUDE_0_DBM0 22827.0
#define LEVEL_MIN_DBM0	 (-33)

#define TWIST_LOW	6.31f // 8 dB: how far the low tone may be above the high one
#define TWIST_HIGH	2.51f // 4 dB: the other way
#define PEAK		6.31f // 8 dB: above the others of its group
#define SHARE_OF_ENERGY 0.8f
#define MISSED_MAX	3 // blocks without the digit that end it: a pause of 40 ms has them

static const double low_hz[4] = {697, 770, 852, 941}, high_hz[4] = {1209, 1336, 1477, 1633};

// By row and column of the keypad.
static const int8_t digits[4][4] = {{1, 2, 3, 12}, {4, 5, 6, 13}, {7, 8, 9, 14}, {10, 0, 11, 15}};

static void find_key(uint8_t digit, int *row, int *column)
{
	for (int r = 0; r < 4; r++)
		for (int c = 0; c < 4; c++)
			if (digits[r][c] == digit) {
				*row = r;
				*column = c;
			}
}

static double amplitude(double dbm0)
{
	return AMPLITUDE_0_DBM0 * pow(10, dbm0 / 20);
}

static void oscillator_init(struct dtmf_tone *tone, int i, double w, double level)
{
	tone->factor[i] = 2 * cos(w);
	tone->now[i] = 0;
	tone->before[i] = -level * sin(w);
}

void dtmf_tone_start(struct dtmf_tone *tone, uint8_t digit, uint8_t volume, uint32_t sample_hz)
{
	double unit = 2 * M_PI / sample_hz;
	int row = 0, column = 0;

	find_key(digit, &row, &column);
	memset(tone, 0, sizeof(*tone));
	// 10^-0.4 + 10^-0.2 is nearly 1, so -4 and -2 dB of what both are together.
	oscillator_init(tone, 0, unit * low_hz[row], amplitude(-(double)volume - 4));
	oscillator_init(tone, 1, unit * high_hz[column], amplitude(-(double)volume - 2));
	tone->step = 1000.0f / (DTMF_RAMP_MS * (float)sample_hz);
}

static double oscillate(struct dtmf_tone *tone, int i)
{
	double next = tone->factor[i] * tone->now[i] - tone->before[i];

	tone->before[i] = tone->now[i];
	tone->now[i] = next;
	return tone->before[i];
}

void dtmf_tone_add(struct dtmf_tone *tone, bool on, int16_t *pcm, size_t n)
{
	for (size_t i = 0; i < n && (on || tone->gain > 0); i++) {
		double x;

		tone->gain += on ? tone->step : -tone->step;
		tone->gain = tone->gain > 1 ? 1 : tone->gain < 0 ? 0 : tone->gain;
		x = pcm[i] + tone->gain * (oscillate(tone, 0) + oscillate(tone, 1));
		pcm[i] = (int16_t)lrint(x > INT16_MAX ? INT16_MAX : x < INT16_MIN ? INT16_MIN : x);
	}
}

static void begin_block(struct dtmf_detector *d)
{
	memset(d->s1, 0, sizeof(d->s1));
	memset(d->s2, 0, sizeof(d->s2));
	d->energy = 0;
	d->fill = 0;
}

void dtmf_detector_init(struct dtmf_detector *d, uint32_t sample_hz)
{
	*d = (struct dtmf_detector){
		.block = sample_hz / 1000 * DTMF_BLOCK_US / 1000, .digit = -1, .last = -1};
	for (int i = 0; i < 8; i++)
		d->factor[i] = (float)(2 * cos(2 * M_PI * (i < 4 ? low_hz[i] : high_hz[i - 4]) /
						   sample_hz));
	begin_block(d);
}

// Energy at a tone over the block, in the units of `energy`.
static float energy_at(const struct dtmf_detector *d, int i)
{
	float s1 = d->s1[i], s2 = d->s2[i];

	return 2 * (s1 * s1 + s2 * s2 - d->factor[i] * s1 * s2) / (float)d->block;
}

// The strongest of four, or -1 where another comes near.
static int peak_of(const float *energies)
{
	int best = 0;

	for (int i = 1; i < 4; i++)
		if (energies[i] > energies[best])
			best = i;
	for (int i = 0; i < 4; i++)
		if (i != best && energies[i] * PEAK > energies[best])
			return -1;
	return best;
}

static int8_t level_of(const struct dtmf_detector *d, float energy)
{
	double square = energy / (float)d->block;

	return (int8_t)lrint(10 * log10(square * 2 / (AMPLITUDE_0_DBM0 * AMPLITUDE_0_DBM0)));
}

// The digit that the block shows, or -1.
static int8_t judge(struct dtmf_detector *d)
{
	double least = amplitude(LEVEL_MIN_DBM0);
	float threshold = (float)(least * least / 2 * d->block), energies[8], low, high;
	int row, column;

	for (int i = 0; i < 8; i++)
		energies[i] = energy_at(d, i);
	row = peak_of(energies);
	column = peak_of(energies + 4);
	if (row < 0 || column < 0)
		return -1;
	low = energies[row];
	high = energies[4 + column];
	if (low < threshold || high < threshold || low > high * TWIST_LOW ||
		high > low * TWIST_HIGH || low + high < SHARE_OF_ENERGY * d->energy)
		return -1;
	d->level = level_of(d, low + high);
	return digits[row][column];
}

static enum dtmf_found end_block(struct dtmf_detector *d)
{
	int8_t shown = judge(d), last = d->last;

	d->last = shown;
	if (d->digit >= 0) {
		d->n_missed = shown == d->digit ? 0 : (uint8_t)(d->n_missed + 1);
		if (d->n_missed < MISSED_MAX && (shown < 0 || shown == d->digit || shown != last))
			return DTMF_GOES_ON;
		d->digit = -1;
		return DTMF_ENDED;
	}
	if (shown >= 0 && shown == last) {
		d->digit = shown;
		d->n_missed = 0;
		return DTMF_BEGUN;
	}
	return shown >= 0 ? DTMF_SUSPECTED : DTMF_NOTHING_NEW;
}

size_t dtmf_detector_run(
	struct dtmf_detector *d, const int16_t *pcm, size_t n, enum dtmf_found *found)
{
	size_t rest = d->block - d->fill, n_used = n < rest ? n : rest;

	for (size_t k = 0; k < n_used; k++) {
		float x = pcm[k];

		d->energy += x * x;
		for (int i = 0; i < 8; i++) {
			float s = x + d->factor[i] * d->s1[i] - d->s2[i];

			d->s2[i] = d->s1[i];
			d->s1[i] = s;
		}
	}
	d->fill += (uint32_t)n_used;
	*found = DTMF_NOTHING_NEW;
	if (d->fill < d->block)
		return n_used;
	*found = end_block(d);
	begin_block(d);
	return n_used;
}
