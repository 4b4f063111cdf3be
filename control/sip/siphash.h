// SipHash-2-4 over a few slices in a row: hash tables whose keys come from the network.
#pragma once

#include "slice.h"

struct siphash_key {
	uint64_t k0, k1;
};

// {"ab","c"} and {"a","bc"} differ: lengths count. One part is plain SipHash-2-4.
uint64_t siphash(const struct siphash_key *key, const struct slice *parts, unsigned int n_parts);
