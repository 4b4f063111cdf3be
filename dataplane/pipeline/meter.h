// How much may come: a rate is a debt of time that each packet adds to and the clock pays off; who
// owes more than a burst gets nothing (GCRA; the leaky bucket as a meter, ITU-T I.371 A; a token
// bucket without a refill). A meter is one word, the time until when what came has used up the
// rate.
#pragma once

#include <rte_common.h>
#include <stdbool.h>
#include <stdint.h>

// One more now, which costs so much? Not where more than `burst` is owed.
static inline bool meter_take(uint64_t *until, uint64_t now, uint64_t cost, uint64_t burst)
{
	uint64_t from = RTE_MAX(*until, now);

	if (from - now > burst)
		return false;
	*until = from + cost;
	return true;
}

// What a meter in ticks of 32 bits, which wrap, owes at `now`. A debt beyond `far`, the most that
// there can be, is none: it lies in the past, or so long ago that the ticks have wrapped since.
static inline uint32_t meter_owes(uint32_t until, uint32_t now, uint32_t far)
{
	uint32_t ahead = until - now;

	return ahead > far ? 0 : ahead;
}
