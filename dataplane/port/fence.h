// The fence: which shards (addresses that move between nodes, sl_api.h) may be sent for, and taken
// for, at this moment. main opens and closes it; each worker looks at the clock at the beginning of
// its turn and again before it transmits, and where it has been stopped for too long to be sure of
// a shard it believes in it no more until main has confirmed it anew.
//
// Subtle: what a worker doubts is not the shard but the confirmation that it saw before it was
// stopped. So no message has to tell it that all is well again: the next confirmation is another.
// Between the last look at the clock and the device there is some hundred instructions in which a
// process can still be stopped; that is as near as software comes.
#pragma once

#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <stdbool.h>
#include <stdint.h>

#include "sl_api.h"

#define FENCE_NO_SHARD 0  // of addresses that belong to no shard
#define FENCE_LEAST_MS 50 // of pause_ns: less is every day's
#define FENCE_SHARDS   (SL_SHARDS_MAX + 1)

// main: rw, workers: ro
struct fence_shard {
	bool open;
	uint32_t confirmed;	 // how often; changes behind the two that follow
	uint64_t valid_until_ns; // of clock_now_ns()
	uint64_t pause_ns;
} __rte_cache_aligned;

struct fence {
	unsigned int n;				 // shards; 0: nobody need look
	struct fence_shard shards[FENCE_SHARDS]; // from 1 on
};

// worker: rw, main: ro
struct fence_view {
	uint64_t looked_ns;
	uint32_t n_doubts;
	uint32_t doubted[FENCE_SHARDS]; // the confirmation that it does not believe in; 0: none
};

static inline uint32_t fence_confirmed(const struct fence *fence, unsigned int shard)
{
	return __atomic_load_n(&fence->shards[shard].confirmed, __ATOMIC_ACQUIRE);
}

static __rte_noinline void fence_doubt(
	const struct fence *fence, struct fence_view *view, uint64_t now_ns, uint64_t gap_ns)
{
	for (unsigned int i = 1; i <= fence->n; i++) {
		const struct fence_shard *shard = &fence->shards[i];
		uint32_t confirmed = fence_confirmed(fence, i);

		if (gap_ns < __atomic_load_n(&shard->pause_ns, __ATOMIC_RELAXED) ||
			now_ns < __atomic_load_n(&shard->valid_until_ns, __ATOMIC_RELAXED))
			continue;
		__atomic_store_n(&view->doubted[i], confirmed, __ATOMIC_RELAXED);
		view->n_doubts++;
	}
}

// worker: what time is it? Where there are doubts that there were not before, n_doubts has changed.
static inline void fence_look(const struct fence *fence, struct fence_view *view, uint64_t now_ns)
{
	uint64_t gap_ns = now_ns - view->looked_ns;

	view->looked_ns = now_ns;
	if (unlikely(gap_ns >= FENCE_LEAST_MS * 1000000ULL))
		fence_doubt(fence, view, now_ns, gap_ns);
}

// Whether packets may come from and go to addresses of a shard. `view` NULL: as main has it.
static inline bool fence_passes(
	const struct fence *fence, const struct fence_view *view, unsigned int shard)
{
	if (likely(shard == FENCE_NO_SHARD))
		return true;
	return __atomic_load_n(&fence->shards[shard].open, __ATOMIC_ACQUIRE) &&
	       (!view || view->doubted[shard] != fence_confirmed(fence, shard));
}

// main: these promises hold now, and the fence is open.
static inline void fence_confirm(
	struct fence *fence, unsigned int shard, uint64_t valid_until_ns, uint64_t pause_ns)
{
	struct fence_shard *at = &fence->shards[shard];
	uint32_t next = at->confirmed + 1 ? at->confirmed + 1 : 1; // 0 is no confirmation

	__atomic_store_n(&at->valid_until_ns, valid_until_ns, __ATOMIC_RELAXED);
	__atomic_store_n(&at->pause_ns, pause_ns, __ATOMIC_RELAXED);
	__atomic_store_n(&at->confirmed, next, __ATOMIC_RELEASE);
	__atomic_store_n(&at->open, true, __ATOMIC_RELEASE);
}

// main: closed for all turns that begin after this.
static inline void fence_close(struct fence *fence, unsigned int shard)
{
	__atomic_store_n(&fence->shards[shard].open, false, __ATOMIC_RELEASE);
}
