// Objects of one size for the main lcore: taken from large pieces of memory on a NUMA node, kept
// for reuse when they are given back, so that a session is set and deleted without asking the
// allocator, and an object costs its size and nothing beside it. The pieces go when the slab does.
#pragma once

#include <stddef.h>

struct slab_piece;
struct slab_object;

struct slab {
	size_t object_bytes; // a multiple of a cache line
	int socket_id;
	struct slab_piece *pieces;
	struct slab_object *free; // a stack: the last one given back is the warmest
	unsigned int n_taken;
	unsigned int n_objects;
};

void slab_init(struct slab *slab, size_t object_bytes, int socket_id);
void slab_fini(struct slab *slab); // all have been given back

// Of memory, that so many objects take.
size_t slab_bytes(size_t object_bytes, size_t n_objects);

// Zeroed, at a cache line. NULL: no memory.
void *slab_take(struct slab *slab);
void slab_return(void *object); // to its slab; NULL does nothing
