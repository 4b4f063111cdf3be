// SipHash-2-4 over a few slices in a row: hash tables whose keys come from the network.
#pragma once

#include "slice.h"

struct siphash_key {
	uint64_t k0, k1;
};

// `parts` are hashed with their lengths, so {"ab","c"} and {"a","bc"} differ.
uint64_t siphash(const struct siphash_key *key, const struct slice *parts, unsigned int n_parts);
