// Transmit. What a device does not take is dropped and counted: media that waits is late. A worker
// has a transmit queue of its own; only where a device has fewer queues than there are workers do
// they share one, under a lock.
#include <rte_ethdev.h>

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

static unsigned int transmit_shared(
	struct worker *worker, unsigned int index, struct tx_queue *packets)
{
	struct worker_shared *shared = worker->shared;
	const struct port *port = &shared->config.ports[index];
	unsigned int sent;

	rte_spinlock_lock(&shared->tx_locks[index]);
	sent = transmit(port, (uint16_t)(worker->index % port->n_queues), packets);
	rte_spinlock_unlock(&shared->tx_locks[index]);
	return sent;
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
			sent = transmit(
				&shared->config.ports[port], (uint16_t)worker->index, queue);
		for (unsigned int i = sent; i < queue->n; i++) {
			worker->counters.tx_packets--;
			worker->counters.tx_bytes -= queue->mbufs[i]->pkt_len;
			drop(worker, queue->mbufs[i], DROP_tx_full);
		}
		queue->n = 0;
	}
}
