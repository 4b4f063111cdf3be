// How much quality a transcode lcore gives up to keep up: its measured busy share, and the level
// that follows from it.
//
// The level says by how many steps encoders lower their complexity. It rises by one with every
// window in which the lcore was busier than `shed_at`, and falls by one after SHED_CALM windows in
// a row well below that. Time is the caller's, so that tests can make it up.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define SHED_WINDOW_MS 200
#define SHED_LEVEL_MAX 10 // as many as the complexities of Opus and Speex have steps
#define SHED_CALM      5

struct shed {
	uint64_t began_tsc; // the window
	uint64_t busy_tsc;  // in it, so far
	uint16_t permille;  // busy share of the window before
	uint8_t level;	    // 0..SHED_LEVEL_MAX
	uint8_t n_calm;	    // windows in a row
};

// `cycles` more were spent on work, up to `tsc`. A `shed_at` (in thousandths) of 0: never shed.
void shed_spend(
	struct shed *shed, uint64_t cycles, uint64_t tsc, uint64_t window_tsc, uint16_t shed_at);
