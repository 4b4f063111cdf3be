// See histogram.h.
#include "histogram.h"

// The highest value that falls into a bucket.
static uint64_t bucket_top(unsigned int bucket)
{
	unsigned int shift;

	if (bucket < 2 * HISTOGRAM_STEPS)
		return bucket;
	shift = (bucket >> HISTOGRAM_STEP_BITS) - 1;
	return (((uint64_t)(bucket & (HISTOGRAM_STEPS - 1)) + HISTOGRAM_STEPS + 1) << shift) - 1;
}

uint64_t histogram_percentile(const struct histogram *histogram, double share)
{
	uint64_t wanted = (uint64_t)((double)histogram->n * share + 0.999999);
	uint64_t n = 0;

	for (unsigned int i = 0; i < HISTOGRAM_BUCKETS && histogram->n; i++) {
		n += histogram->buckets[i];
		if (n >= wanted && n)
			return bucket_top(i) < histogram->max ? bucket_top(i) : histogram->max;
	}
	return histogram->max;
}
