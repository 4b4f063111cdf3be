// Buffers of samples that a transcode lcore lends to streams for as long as a frame or more waits
// in them: from a decode, whose packet may be 120 ms long, to the encode that leaves less than a
// frame. A stream keeps only that rest, in memory of its own.
//
// What is subtle: they never run out. A stream that has a full frame goes to the head of the line
// (turn.c), so it is served before another decodes, and no more can have one than have a job in one
// batch.
#pragma once

#include <stdint.h>

#include "codec.h"

#define SCRATCH_BUFFERS 32
#define SCRATCH_SAMPLES (2 * CODEC_FRAME_SAMPLES_MAX) // a frame, and what is decoded behind it

struct rte_mempool;

// The lcore's own.
struct scratch {
	struct rte_mempool *pool; // output packets
	unsigned int n_free;
	int16_t *free[SCRATCH_BUFFERS]; // a stack: the last one given back is the warmest
	int16_t *memory;
};

// main: 0 or -ENOMEM.
int scratch_init(struct scratch *scratch, int socket_id);
void scratch_fini(struct scratch *scratch);

static inline int16_t *scratch_take(struct scratch *scratch)
{
	return scratch->free[--scratch->n_free];
}

static inline void scratch_return(struct scratch *scratch, int16_t *buffer)
{
	scratch->free[scratch->n_free++] = buffer;
}
