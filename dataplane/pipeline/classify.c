// Whose packet is it? Two walks over the burst behind parse(), each of which touches one more cold
// cache line that the one before has prefetched: leg, configuration.
#include "stages.h"

static void hand_over(struct worker *worker, const struct leg *leg, struct rte_mbuf *mbuf)
{
	struct worker *owner = worker->shared->workers[leg->worker];

	if (rte_ring_mp_enqueue(owner->inbox, mbuf))
		drop(worker, mbuf, DROP_handover_full);
	else
		worker->counters.handed_over++;
}

static void find_legs(struct worker *worker, struct burst *burst)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < burst->n; i++) {
		struct leg *leg = __atomic_load_n(burst->slots[i], __ATOMIC_ACQUIRE);

		if (unlikely(!leg)) {
			drop(worker, burst->mbufs[i], DROP_unknown_port);
			continue;
		}
		leg_prefetch_from(leg);
		burst->legs[i] = leg;
		burst_keep(burst, n++, i);
	}
	burst->n = n;
}

static void keep_own(struct worker *worker, struct burst *burst)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < burst->n; i++) {
		struct leg *leg = burst->legs[i];

		if (unlikely(leg->worker != worker->index)) {
			hand_over(worker, leg, burst->mbufs[i]);
			continue;
		}
		burst->configs[i] = leg_config(leg);
		rte_prefetch0(burst->configs[i]);
		rte_prefetch0(&burst->configs[i]->rates);
		burst_keep(burst, n++, i);
	}
	burst->n = n;
}

void classify(struct worker *worker)
{
	find_legs(worker, &worker->burst);
	keep_own(worker, &worker->burst);
}
