// What each stage costs, on demand (SL_PROFILE): cycles around its call, and how many packets it
// saw. Off, it costs a turn one predictable branch: worker_turn() is compiled twice.
#pragma once

#include <rte_cycles.h>
#include <stdint.h>

// X(stage, packets): in the order of a turn. `packets` is the array of struct worker that it works
// on; a stage that fills or empties it has seen what was there at the fuller end.
#define STAGES(X)                \
	X(rx, burst.n)           \
	X(parse, burst.n)        \
	X(classify, burst.n)     \
	X(police, burst.n)       \
	X(demultiplex, burst.n)  \
	X(unprotect, burst.n)    \
	X(latch, burst.n)        \
	X(bundle, burst.n)       \
	X(measure, burst.n)      \
	X(route, burst.n)        \
	X(collect, output.n)     \
	X(dial, output.n)        \
	X(rewrite, output.n)     \
	X(relay_reports, rtcp.n) \
	X(send_reports, n_due)   \
	X(protect, output.n)     \
	X(encapsulate, output.n) \
	X(tx, counters.tx_packets)

enum stage {
#define STAGE_ID(stage, packets) STAGE_##stage,
	STAGES(STAGE_ID)
#undef STAGE_ID
		STAGES_N
};

// worker: rw, main: ro, each read on its own.
struct profile {
	uint64_t cycles[STAGES_N];
	uint64_t packets[STAGES_N];
};
