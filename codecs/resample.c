// Polyphase FIR filters, designed at start: a sinc with its zeros at the period of the lower rate,
// times a Kaiser window of 16 of these periods to each side.
//
// An output between two input samples has the phase p / up, and each phase has its own taps: the
// window's samples at the distances of the inputs from that output. Coefficients have 14 bits
// behind the point upwards and 15 downwards, where they are smaller: in both cases the sum of their
// magnitudes, times a full-scale input, stays within 32 bits, so nothing but the result saturates.
// The largest tap takes what rounding left, so each phase has a gain of exactly one at DC.
#include "resample.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "clones.h"

#define SPAN	   RESAMPLER_DELAY
#define TAPS_MAX   (2 * SPAN * 6)
#define PHASES_MAX 6
#define COEFFS_MAX 192 // phases times taps
#define BLOCK	   320 // input samples converted at a time
#define BETA	   7.5 // of the window: about 76 dB before rounding

// Per ratio up / down.
struct filter {
	uint8_t up, down;
	uint16_t n_taps;
	uint8_t shift;
	int16_t coeffs[COEFFS_MAX] __attribute__((aligned(64))); // [phase][tap], oldest input first
};

struct resampler {
	uint8_t filter;
	uint8_t phase;	   // of the next output
	uint16_t skip;	   // inputs to take before it
	int16_t history[]; // the last n_taps - 1 inputs
};

// Written once by resamplers_init(), read by all.
static struct filter filters[] = {
	{.up = 2, .down = 1},
	{.up = 3, .down = 1},
	{.up = 6, .down = 1},
	{.up = 3, .down = 2},
	{.up = 1, .down = 2},
	{.up = 1, .down = 3},
	{.up = 1, .down = 6},
	{.up = 2, .down = 3},
};
#define N_FILTERS (sizeof(filters) / sizeof(filters[0]))

// The modified Bessel function of the first kind and order 0.
static double bessel_i0(double x)
{
	double term = 1, sum = 1;

	for (int k = 1; term > sum * 1e-17; k++) {
		term *= x * x / (4.0 * k * k);
		sum += term;
	}
	return sum;
}

// The windowed sinc at a distance of t periods of the lower rate.
static double prototype(double t)
{
	double u = t / SPAN, x = M_PI * t;

	if (fabs(u) >= 1)
		return 0;
	return (fabs(x) < 1e-9 ? 1 : sin(x) / x) * bessel_i0(BETA * sqrt(1 - u * u)) /
	       bessel_i0(BETA);
}

static void design_phase(struct filter *filter, unsigned int phase)
{
	unsigned int largest = 0, n = filter->n_taps;
	int16_t *coeffs = filter->coeffs + phase * n;
	double taps[TAPS_MAX], sum = 0, scale = 1 << filter->shift;
	int32_t rest = 1 << filter->shift;

	for (unsigned int k = 0; k < n; k++) {
		double inputs = k + 1.0 - n / 2.0 - (double)phase / filter->up;

		taps[k] = prototype(inputs * 2 * SPAN / n);
		sum += taps[k];
		if (taps[k] > taps[largest])
			largest = k;
	}
	for (unsigned int k = 0; k < n; k++) {
		coeffs[k] = (int16_t)lrint(taps[k] / sum * scale);
		rest -= coeffs[k];
	}
	coeffs[largest] = (int16_t)(coeffs[largest] + rest);
}

void resamplers_init(void)
{
	for (struct filter *f = filters; f < filters + N_FILTERS; f++) {
		bool is_downward = f->down > f->up;

		f->n_taps = (uint16_t)(is_downward ? 2 * SPAN * f->down / f->up : 2 * SPAN);
		f->shift = is_downward ? 15 : 14;
		for (unsigned int phase = 0; phase < f->up; phase++)
			design_phase(f, phase);
	}
}

static bool is_known_rate(uint32_t hz)
{
	return hz == 8000 || hz == 16000 || hz == 24000 || hz == 32000 || hz == 48000;
}

// The filter of a pair of rates, N_FILTERS: none.
static size_t filter_index(uint32_t in_hz, uint32_t out_hz)
{
	size_t i = 0;

	if (!is_known_rate(in_hz) || !is_known_rate(out_hz))
		return N_FILTERS;
	while (i < N_FILTERS && in_hz * filters[i].up != out_hz * filters[i].down)
		i++;
	return i;
}

size_t resampler_size(uint32_t in_hz, uint32_t out_hz)
{
	size_t i = filter_index(in_hz, out_hz);

	if (i == N_FILTERS)
		return 0;
	return sizeof(struct resampler) + (filters[i].n_taps - 1u) * sizeof(int16_t);
}

int resampler_init(void *state, uint32_t in_hz, uint32_t out_hz)
{
	size_t size = resampler_size(in_hz, out_hz);
	struct resampler *r = state;

	if (size == 0)
		return -EINVAL;
	memset(r, 0, size);
	r->filter = (uint8_t)filter_index(in_hz, out_hz);
	return 0;
}

static inline int16_t saturate(int32_t x)
{
	x = x > INT16_MAX ? INT16_MAX : x;
	return (int16_t)(x < INT16_MIN ? INT16_MIN : x);
}

// All outputs whose newest input is among the n after n_taps - 1 older ones in `x`. The number of
// taps is a constant in each caller, so that the inner loop becomes SIMD code.
static inline __attribute__((always_inline)) size_t convert(struct resampler *r,
	const struct filter *f, unsigned int n_taps, const int16_t *x, size_t n, int16_t *out)
{
	unsigned int whole = f->down / f->up, part = f->down % f->up, phase = r->phase;
	int32_t half = 1 << (f->shift - 1);
	size_t at = r->skip, n_out = 0;

	while (at < n) {
		const int16_t *coeffs = f->coeffs + phase * n_taps;
		int32_t sum = half;

		for (unsigned int k = 0; k < n_taps; k++)
			sum += x[at + k] * coeffs[k];
		out[n_out++] = saturate(sum >> f->shift);
		at += whole;
		phase += part;
		if (phase >= f->up) {
			phase -= f->up;
			at++;
		}
	}
	r->phase = (uint8_t)phase;
	r->skip = (uint16_t)(at - n);
	return n_out;
}

CLONES static size_t convert_block(
	struct resampler *r, const struct filter *f, const int16_t *x, size_t n, int16_t *out)
{
	switch (f->n_taps) {
	case 32:
		return convert(r, f, 32, x, n, out);
	case 48:
		return convert(r, f, 48, x, n, out);
	case 64:
		return convert(r, f, 64, x, n, out);
	case 96:
		return convert(r, f, 96, x, n, out);
	default:
		return convert(r, f, TAPS_MAX, x, n, out);
	}
}

size_t resampler_run(void *state, const int16_t *in, size_t n, int16_t *out)
{
	struct resampler *r = state;
	const struct filter *f = &filters[r->filter];
	size_t n_history = f->n_taps - 1u, n_out = 0;
	int16_t x[TAPS_MAX - 1 + BLOCK];

	memcpy(x, r->history, n_history * sizeof(int16_t));
	while (n) {
		size_t step = n < BLOCK ? n : BLOCK;

		memcpy(x + n_history, in, step * sizeof(int16_t));
		n_out += convert_block(r, f, x, step, out + n_out);
		memmove(x, x + step, n_history * sizeof(int16_t));
		in += step;
		n -= step;
	}
	memcpy(r->history, x, n_history * sizeof(int16_t));
	return n_out;
}
