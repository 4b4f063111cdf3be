// A doubly linked list threaded through an array: FIFO for "any", and removal from the middle for
// "exactly this one". The last element is the list's head.
#include "port_pool.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define TAKEN UINT16_MAX // as `next` of a pair that is not in the list

struct link {
	uint16_t next;
	uint16_t previous;
};

struct port_pool {
	unsigned int n_pairs;
	unsigned int n_free;
	uint16_t first;
	struct link links[]; // n_pairs and the head
};

static void append(struct port_pool *pool, uint16_t pair)
{
	uint16_t head = (uint16_t)pool->n_pairs;
	uint16_t last = pool->links[head].previous;

	pool->links[pair] = (struct link){.next = head, .previous = last};
	pool->links[last].next = pair;
	pool->links[head].previous = pair;
	pool->n_free++;
}

static void take(struct port_pool *pool, uint16_t pair)
{
	struct link link = pool->links[pair];

	pool->links[link.previous].next = link.next;
	pool->links[link.next].previous = link.previous;
	pool->links[pair].next = TAKEN;
	pool->n_free--;
}

struct port_pool *port_pool_create(uint16_t first, unsigned int n_pairs)
{
	struct port_pool *pool;

	if (first % 2 || first + 2 * n_pairs > UINT16_MAX + 1u) {
		errno = EINVAL;
		return NULL;
	}
	pool = calloc(1, sizeof(*pool) + (n_pairs + 1) * sizeof(*pool->links));
	if (!pool)
		return NULL;
	pool->first = first;
	pool->n_pairs = n_pairs;
	pool->links[n_pairs] = (struct link){(uint16_t)n_pairs, (uint16_t)n_pairs};
	for (unsigned int pair = 0; pair < n_pairs; pair++)
		append(pool, (uint16_t)pair);
	return pool;
}

void port_pool_destroy(struct port_pool *pool)
{
	free(pool);
}

uint16_t port_pool_take(struct port_pool *pool)
{
	uint16_t pair = pool->links[pool->n_pairs].next;

	if (pair == pool->n_pairs)
		return 0;
	take(pool, pair);
	return (uint16_t)(pool->first + 2 * pair);
}

bool port_pool_holds(const struct port_pool *pool, uint16_t port)
{
	return port >= pool->first && (port - pool->first) / 2u < pool->n_pairs;
}

int port_pool_take_exact(struct port_pool *pool, uint16_t port)
{
	uint16_t pair = (uint16_t)((port - pool->first) / 2);

	if (!port_pool_holds(pool, port) || port % 2)
		return -EADDRNOTAVAIL;
	if (pool->links[pair].next == TAKEN)
		return -EADDRINUSE;
	take(pool, pair);
	return 0;
}

void port_pool_return(struct port_pool *pool, uint16_t port)
{
	uint16_t pair = (uint16_t)((port - pool->first) / 2);

	assert(port_pool_holds(pool, port) && pool->links[pair].next == TAKEN);
	append(pool, pair);
}

unsigned int port_pool_free(const struct port_pool *pool)
{
	return pool->n_free;
}
