#include "spares.h"

#include <rte_errno.h>
#include <stdio.h>

#define SPARES 64

int spares_init(struct spares *spares, struct slab *slab, const char *name, unsigned int worker)
{
	char ring[RTE_RING_NAMESIZE];

	snprintf(ring, sizeof(ring), "spares-%s-%u", name, worker);
	spares->slab = slab;
	spares->ring =
		rte_ring_create(ring, SPARES, slab->socket_id, RING_F_SP_ENQ | RING_F_SC_DEQ);
	return spares->ring ? 0 : -rte_errno;
}

void spares_fini(struct spares *spares)
{
	void *spare;

	while (spares->ring && rte_ring_sc_dequeue(spares->ring, &spare) == 0)
		slab_return(spare);
	rte_ring_free(spares->ring);
}

void spares_refill(struct spares *spares)
{
	void *spare;

	while (!rte_ring_full(spares->ring) && (spare = slab_take(spares->slab)))
		rte_ring_sp_enqueue(spares->ring, spare);
}

void *spares_take(const struct spares *spares)
{
	void *spare;

	return rte_ring_sc_dequeue(spares->ring, &spare) == 0 ? spare : NULL;
}
