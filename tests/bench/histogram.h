// Durations, counted in buckets whose width grows with them (as HDR histograms do): 32 to each
// power of two, so that a percentile read from it is at most 3 % above the true one.
#pragma once

#include <stdint.h>

#define HISTOGRAM_STEP_BITS 5
#define HISTOGRAM_STEPS	    (1u << HISTOGRAM_STEP_BITS)
#define HISTOGRAM_BUCKETS   (HISTOGRAM_STEPS * (65 - HISTOGRAM_STEP_BITS))

struct histogram {
	uint64_t n;
	uint64_t max;
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

static inline unsigned int histogram_bucket(uint64_t value)
{
	unsigned int shift;

	if (value < 2 * HISTOGRAM_STEPS)
		return (unsigned int)value;
	shift = 63 - HISTOGRAM_STEP_BITS - (unsigned int)__builtin_clzll(value);
	return (shift << HISTOGRAM_STEP_BITS) + (unsigned int)(value >> shift);
}

static inline void histogram_add(struct histogram *histogram, uint64_t value)
{
	histogram->n++;
	if (value > histogram->max)
		histogram->max = value;
	histogram->buckets[histogram_bucket(value)]++;
}

// The least value that at least `share` (0 to 1) of all are not above, or 0 where there are none.
uint64_t histogram_percentile(const struct histogram *histogram, double share);
