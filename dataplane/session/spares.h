// Objects of a slab that a worker may need at any time: the main lcore keeps some ready in a ring,
// since the worker must not allocate. Where there is none, the worker does without and asks again
// with a later packet.
#pragma once

#include <rte_ring.h>

#include "slab.h"

struct spares {
	struct slab *slab;
	struct rte_ring *ring; // one producer (main), one consumer (worker)
};

// main, but for spares_take(). Returns 0 or a negative errno.
int spares_init(struct spares *spares, struct slab *slab, const char *name, unsigned int worker);
void spares_fini(struct spares *spares);   // before the slab
void spares_refill(struct spares *spares); // often

// worker: zeroed, or NULL. It goes back by slab_return(), which is main's to call.
void *spares_take(const struct spares *spares);
