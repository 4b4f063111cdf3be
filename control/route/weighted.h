// Order by priority and weight, as SRV records have them (RFC 2782); peers and routes use the same.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct weighted {
	uint32_t priority; // the lowest first
	uint32_t weight; // share of those of one priority; 0: after all others, all but never first
	size_t index;	 // whose it is
};

typedef uint32_t random_below_fn(uint32_t limit); // 0 to limit - 1
random_below_fn random_below;

// Puts the list in the order in which it is to be tried, different each time where weights say so.
void weighted_order(struct weighted *list, size_t n, random_below_fn *below);
