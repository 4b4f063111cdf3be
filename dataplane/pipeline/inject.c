// What control sends from a leg's ports: main finds the next hop and puts the way in front of the
// payload; the leg's worker, whose transmit queues they are, makes headers of it. Nothing of it
// points to the leg, which may be gone by then.
#include "inject.h"

#include <errno.h>

#include "checksum.h"
#include "headers.h"
#include "stages.h"

int workers_inject(struct worker_shared *shared, unsigned int worker,
	const struct injection *injection, const void *payload, uint16_t length)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(shared->config.pool);
	char *at = mbuf ? rte_pktmbuf_append(mbuf, (uint16_t)(sizeof(*injection) + length)) : NULL;

	if (at) {
		memcpy(at, injection, sizeof(*injection));
		memcpy(at + sizeof(*injection), payload, length);
		if (rte_ring_sp_enqueue(shared->workers[worker]->injections, mbuf) == 0)
			return 0;
	}
	rte_pktmbuf_free(mbuf);
	return -EAGAIN;
}

static void inject_frame(
	struct worker *worker, struct rte_mbuf *mbuf, const struct injection *injection)
{
	struct tx_queue *queue = &worker->tx[injection->port];

	if (!worker_passes(worker, injection->shard)) {
		drop(worker, mbuf, DROP_shard_inactive);
		return;
	}
	queue->sharded |= injection->shard != FENCE_NO_SHARD;
	queue->shards[queue->n] = injection->shard;
	queue->mbufs[queue->n++] = mbuf;
}

static void inject_packet(struct worker *worker, struct rte_mbuf *mbuf)
{
	struct leg_header header;
	struct injection injection;
	struct header_path path;

	memcpy(&injection, rte_pktmbuf_mtod(mbuf, void *), sizeof(injection));
	rte_pktmbuf_adj(mbuf, sizeof(injection));
	if (injection.is_frame) {
		inject_frame(worker, mbuf, &injection);
		return;
	}
	path = (struct header_path){&injection.from, &injection.to, injection.hop_word,
		injection.flow_label, injection.dscp};
	if (!header_make(&header, worker->shared->config.ports, &path))
		drop(worker, mbuf, DROP_no_next_hop);
	else
		header_push(worker, mbuf, &header, SUM_UNKNOWN, injection.shard);
}

unsigned int inject(struct worker *worker)
{
	void *mbufs[INJECTIONS_MAX];
	unsigned int n = rte_ring_sc_dequeue_burst(worker->injections, mbufs, INJECTIONS_MAX, NULL);

	for (unsigned int i = 0; i < n; i++)
		inject_packet(worker, mbufs[i]);
	worker->counters.injected += n;
	return n;
}
