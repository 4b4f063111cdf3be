// Transmit. What a device does not take is dropped and counted: media that waits is late. A worker
// has a transmit queue of its own; only where a device has fewer queues than there are workers do
// they share one, under a lock.
#include <rte_ethdev.h>

#include "clock.h"
#include "stages.h"

// Devices may take less than a whole burst at a time: go on for as long as they take something.
static unsigned int transmit(const struct port *port, uint16_t queue, struct tx_queue *packets)
{
	unsigned int sent = 0;
	uint16_t n;

	do {
		n = rte_eth_tx_burst(
			port->id, queue, &packets->mbufs[sent], (uint16_t)(packets->n - sent));
		sent += n;
	} while (n && sent < packets->n);
	return sent;
}

static void uncount(struct worker *worker, struct rte_mbuf *mbuf, enum drop_reason reason)
{
	worker->counters.tx_packets--;
	worker->counters.tx_bytes -= mbuf->pkt_len;
	drop(worker, mbuf, reason);
}

// The last look at the clock: what was made before a pause must not be sent after it.
static __rte_noinline void fence_off(struct worker *worker, struct tx_queue *queue)
{
	unsigned int n = 0;

	queue->sharded = false;
	fence_look(worker->shared->config.fence, &worker->fence, clock_now_ns());
	if (worker->fence.n_doubts == worker->doubts_before)
		return;
	for (unsigned int i = 0; i < queue->n; i++) {
		if (worker_passes(worker, queue->shards[i]))
			queue->mbufs[n++] = queue->mbufs[i];
		else
			uncount(worker, queue->mbufs[i], DROP_shard_inactive);
	}
	queue->n = n;
}

static unsigned int transmit_shared(
	struct worker *worker, unsigned int index, struct tx_queue *packets)
{
	struct worker_shared *shared = worker->shared;
	const struct port *port = &shared->config.ports[index];
	unsigned int sent;

	rte_spinlock_lock(&shared->tx_locks[index]);
	if (packets->sharded)
		fence_off(worker, packets);
	sent = transmit(port, (uint16_t)(worker->index % port->n_queues), packets);
	rte_spinlock_unlock(&shared->tx_locks[index]);
	return sent;
}

static inline unsigned int transmit_own(
	struct worker *worker, unsigned int index, struct tx_queue *packets)
{
	if (unlikely(packets->sharded))
		fence_off(worker, packets);
	return transmit(&worker->shared->config.ports[index], (uint16_t)worker->index, packets);
}

static void count(struct worker *worker, const struct tx_queue *queue)
{
	worker->counters.tx_packets += queue->n;
	for (unsigned int i = 0; i < queue->n; i++)
		worker->counters.tx_bytes += queue->mbufs[i]->pkt_len;
}

void tx(struct worker *worker)
{
	const struct worker_shared *shared = worker->shared;

	for (unsigned int port = 0; port < shared->config.n_ports; port++) {
		struct tx_queue *queue = &worker->tx[port];
		unsigned int sent;

		if (queue->n == 0)
			continue;
		count(worker, queue); // before: a packet that is sent is no longer ours
		if (unlikely(shared->tx_shared[port]))
			sent = transmit_shared(worker, port, queue);
		else
			sent = transmit_own(worker, port, queue);
		for (unsigned int i = sent; i < queue->n; i++)
			uncount(worker, queue->mbufs[i], DROP_tx_full);
		queue->n = 0;
	}
}
