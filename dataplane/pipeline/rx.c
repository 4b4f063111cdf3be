// Receive. Hand-overs come first: they have waited once already. The queue to begin with moves on
// every turn, so that a busy one cannot starve the others.
#include <rte_ethdev.h>

#include "stages.h"

static void take_handovers(struct worker *worker, struct burst *burst)
{
	burst->n = rte_ring_sc_dequeue_burst(
		worker->inbox, (void **)burst->mbufs, BURST_MAX / 2, NULL);
	worker->counters.taken_over += burst->n;
}

static void poll_queues(struct worker *worker, struct burst *burst)
{
	unsigned int at = worker->next_queue;

	for (unsigned int i = 0; i < worker->n_queues && burst->n < BURST_MAX; i++) {
		const struct worker_queue *queue = &worker->queues[at];
		uint16_t n = rte_eth_rx_burst(queue->ethdev, queue->queue, &burst->mbufs[burst->n],
			(uint16_t)(BURST_MAX - burst->n));

		for (uint16_t j = 0; j < n; j++) {
			struct rte_mbuf *mbuf = burst->mbufs[burst->n + j];

			mbuf->port = queue->ethdev; // not every device sets it
			rte_prefetch0(rte_pktmbuf_mtod(mbuf, void *));
			worker->counters.rx_bytes += mbuf->pkt_len;
		}
		worker->counters.rx_packets += n;
		burst->n += n;
		at = at + 1 == worker->n_queues ? 0 : at + 1;
	}
	worker->next_queue =
		worker->next_queue + 1 >= worker->n_queues ? 0 : worker->next_queue + 1;
}

void rx(struct worker *worker)
{
	take_handovers(worker, &worker->burst);
	poll_queues(worker, &worker->burst);
}
