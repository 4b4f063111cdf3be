// Receive. Hand-overs come first: they have waited once already. The queue to begin with moves on
// every turn, so that a busy one cannot starve the others.
#include <rte_ethdev.h>

#include "stages.h"

// How many packets a turn takes. As many as stay in the first-level cache with all that they need;
// but where the turn before had SRTP, twice as many, since the ciphers work on up to 16 packets at
// the price of one, and a turn ends with a last, partly filled set of them.
static unsigned int burst_room(const struct worker *worker)
{
	return worker->burst.n_secure + worker->output.n_secure ? BURST_MAX : BURST_PLAIN;
}

static void take_handovers(struct worker *worker, struct burst *burst, unsigned int room)
{
	burst->n = rte_ring_sc_dequeue_burst(worker->inbox, (void **)burst->mbufs, room / 2, NULL);
	worker->counters.taken_over += burst->n;
}

static void poll_queues(struct worker *worker, struct burst *burst, unsigned int room)
{
	unsigned int at = worker->next_queue;

	for (unsigned int i = 0; i < worker->n_queues && burst->n < room; i++) {
		const struct worker_queue *queue = &worker->queues[at];
		uint16_t n = rte_eth_rx_burst(queue->ethdev, queue->queue, &burst->mbufs[burst->n],
			(uint16_t)(room - burst->n));

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
	unsigned int room = burst_room(worker);

	take_handovers(worker, &worker->burst, room);
	poll_queues(worker, &worker->burst, room);
}
