// The worker's turn and its loop. A worker reports a quiescent state between turns, when it holds
// no pointer that it got from the table.
#include "worker.h"

#include <errno.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_rcu_qsbr.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "idle.h"
#include "stages.h"

#define INBOX		 1024
#define INJECTIONS	 1024
#define START_TIMEOUT_US 5000000
#define POLL_US		 100

static unsigned int run_codec(struct worker *worker)
{
	const struct workers_config *config = &worker->shared->config;

	if (!config->transcode || config->n_transcoders)
		return 0;
	return transcode_turn(config->transcode, worker->index, 1);
}

static inline uint64_t stage_packets(const struct worker *worker, enum stage stage)
{
	switch (stage) {
#define PACKETS(name, array) \
	case STAGE_##name:   \
		return worker->array;
		STAGES(PACKETS)
#undef PACKETS
	case STAGES_N:
		break;
	}
	return 0;
}

// tx counts what it sends, the others have an array with so many packets.
static uint64_t packets_seen(const struct worker *worker, enum stage stage, uint64_t before)
{
	uint64_t after = stage_packets(worker, stage);

	return stage == STAGE_tx ? after - before : RTE_MAX(before, after);
}

// The end of one stage is the beginning of the next: reading the clock costs more than some of
// them.
static uint64_t note_stage(
	struct worker *worker, enum stage stage, uint64_t begin, uint64_t packets_before)
{
	uint64_t end = rte_rdtsc();

	worker->profile.cycles[stage] += end - begin;
	worker->profile.packets[stage] += packets_seen(worker, stage, packets_before);
	return end;
}

#define STAGE(stage)                                                                \
	do {                                                                        \
		uint64_t had = profiles ? stage_packets(worker, STAGE_##stage) : 0; \
		stage(worker);                                                      \
		if (profiles)                                                       \
			at = note_stage(worker, STAGE_##stage, at, had);            \
	} while (0)

static void look_at_fence(struct worker *worker)
{
	fence_look(worker->shared->config.fence, &worker->fence, worker->now_ns);
	worker->doubts_before = worker->fence.n_doubts;
}

static __rte_always_inline unsigned int turn(struct worker *worker, const bool profiles)
{
	uint64_t begin = rte_rdtsc(), at = begin;
	unsigned int work;

	uint64_t last_ns = worker->now_ns;

	worker->now_ns = clock_from_tsc(begin);
	if (worker->shared->config.fence)
		look_at_fence(worker);
	if (unlikely(worker->now_ns - last_ns >= WORKER_LATE_NS && last_ns))
		worker->counters.late_turns++;
	if (profiles)
		worker->burst.n = worker->rtcp.n = 0; // of the turn before
	STAGE(rx);
	work = worker->burst.n;
	STAGE(parse);
	STAGE(classify);
	STAGE(police);
	STAGE(demultiplex);
	STAGE(unprotect);
	STAGE(latch);
	STAGE(bundle);
	STAGE(measure);
	STAGE(route);
	STAGE(collect);
	work += worker->output.n;
	STAGE(dial);
	STAGE(rewrite);
	STAGE(relay_reports);
	STAGE(send_reports);
	STAGE(protect);
	STAGE(encapsulate);
	work += inject(worker);
	STAGE(tx);
	work += run_codec(worker);

	worker->counters.turns++;
	if (work) {
		worker->counters.busy_turns++;
		worker->counters.busy_cycles += rte_rdtsc() - begin;
	}
	return work;
}

// Apart, so that the turn of every day stays small.
static __rte_noinline unsigned int turn_profiled(struct worker *worker)
{
	if (!worker->profiles)
		worker->profile = (struct profile){};
	worker->profiles = true;
	return turn(worker, true);
}

unsigned int worker_turn(struct worker *worker)
{
	if (unlikely(__atomic_load_n(&worker->shared->profile, __ATOMIC_RELAXED)))
		return turn_profiled(worker);
	worker->profiles = false;
	return turn(worker, false);
}

void workers_profile(struct worker_shared *shared, bool on)
{
	__atomic_store_n(&shared->profile, on, __ATOMIC_RELAXED);
}

bool workers_doubt(const struct worker_shared *shared, unsigned int shard)
{
	const struct fence *fence = shared->config.fence;
	uint32_t confirmed = fence_confirmed(fence, shard);

	for (unsigned int i = 0; i < shared->config.n_workers; i++)
		if (__atomic_load_n(&shared->workers[i]->fence.doubted[shard], __ATOMIC_RELAXED) ==
			confirmed)
			return true;
	return false;
}

int worker_run(void *argument)
{
	struct worker *worker = argument;
	struct worker_shared *shared = worker->shared;
	struct idle idle;

	idle_init(&idle, shared->config.idle);
	rte_rcu_qsbr_thread_register(shared->config.rcu, worker->index);
	rte_rcu_qsbr_thread_online(shared->config.rcu, worker->index);
	__atomic_store_n(&worker->running, true, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&shared->stop, __ATOMIC_RELAXED)) {
		unsigned int work = worker_turn(worker);

		rte_rcu_qsbr_quiescent(shared->config.rcu, worker->index);
		worker->counters.sleeps += idle_turn(&idle, work);
	}
	rte_rcu_qsbr_thread_offline(shared->config.rcu, worker->index);
	rte_rcu_qsbr_thread_unregister(shared->config.rcu, worker->index);
	return 0;
}

void workers_stop(struct worker_shared *shared)
{
	__atomic_store_n(&shared->stop, true, __ATOMIC_RELAXED);
}

int workers_wait_running(const struct worker_shared *shared)
{
	unsigned int waited_us = 0;

	for (unsigned int i = 0; i < shared->config.n_workers; i++)
		while (!__atomic_load_n(&shared->workers[i]->running, __ATOMIC_ACQUIRE)) {
			if (waited_us > START_TIMEOUT_US)
				return -ETIMEDOUT;
			usleep(POLL_US);
			waited_us += POLL_US;
		}
	return 0;
}

// Queue q of a port is polled by worker q modulo their number.
static int assign_queues(struct worker *worker)
{
	const struct workers_config *config = &worker->shared->config;

	for (uint16_t i = 0; i < config->n_ports; i++)
		for (unsigned int q = worker->index; q < config->ports[i].n_queues;
			q += config->n_workers) {
			if (worker->n_queues == WORKER_QUEUES_MAX)
				return -ENOSPC;
			worker->queues[worker->n_queues++] = (struct worker_queue){
				.port = i, .ethdev = config->ports[i].id, .queue = (uint16_t)q};
		}
	return 0;
}

// What a worker reads and writes with every packet is on its own NUMA node: its struct, its rings,
// and the legs, configurations and feeds of its sessions (session.c). The table of ports and the
// packets are on that of main and the first worker: one pool serves all ports, since a packet that
// comes in at one may leave by another.
static int create_worker(struct worker_shared *shared, unsigned int index)
{
	const int *socket_ids = shared->config.socket_ids;
	int socket_id = socket_ids ? socket_ids[index] : SOCKET_ID_ANY;
	struct worker *worker =
		rte_zmalloc_socket("worker", sizeof(*worker), RTE_CACHE_LINE_SIZE, socket_id);
	char name[RTE_RING_NAMESIZE];

	if (!worker)
		return -ENOMEM;
	shared->workers[index] = worker;
	worker->index = index;
	worker->shared = shared;
	worker->table = sessions_table(shared->config.sessions);
	worker->dials = sessions_dials(shared->config.sessions, index);
	worker->srtp = srtp_engine_create(NULL, NULL);
	if (!worker->srtp)
		return -errno;
	srtp_engine_set_spares(worker->srtp, leg_srtp_take_spare,
		sessions_srtp_memory(shared->config.sessions, index));
	snprintf(name, sizeof(name), "inbox-%u", index);
	worker->inbox = rte_ring_create(name, INBOX, socket_id, RING_F_SC_DEQ);
	snprintf(name, sizeof(name), "injections-%u", index);
	worker->injections =
		rte_ring_create(name, INJECTIONS, socket_id, RING_F_SP_ENQ | RING_F_SC_DEQ);
	return worker->inbox && worker->injections ? assign_queues(worker) : -rte_errno;
}

static void describe_ports(struct worker_shared *shared)
{
	const struct workers_config *config = &shared->config;

	for (uint8_t i = 0; i < config->n_ports; i++) {
		shared->port_of_ethdev[config->ports[i].id] = i;
		shared->tx_shared[i] = config->ports[i].n_queues < config->n_workers;
		rte_spinlock_init(&shared->tx_locks[i]);
	}
}

struct worker_shared *workers_create(const struct workers_config *config)
{
	struct worker_shared *shared = calloc(1, sizeof(*shared));
	int rc = 0;

	if (!shared)
		return NULL;
	shared->config = *config;
	if (config->packets_per_second)
		shared->packet_cost_ns = 1000000000u / config->packets_per_second;
	shared->workers = calloc(config->n_workers, sizeof(struct worker *));
	if (!shared->workers)
		rc = -ENOMEM;
	describe_ports(shared);
	if (rc == 0)
		rc = punts_init(&shared->punts, config->punts_per_second);
	for (unsigned int i = 0; i < config->n_workers && rc == 0; i++)
		rc = create_worker(shared, i);
	if (rc == 0)
		return shared;
	workers_destroy(shared);
	errno = -rc;
	return NULL;
}

static void drain(struct rte_ring *ring)
{
	void *mbuf;

	while (ring && rte_ring_sc_dequeue(ring, &mbuf) == 0)
		rte_pktmbuf_free(mbuf);
	rte_ring_free(ring);
}

static void destroy_worker(struct worker *worker)
{
	drain(worker->inbox);
	drain(worker->injections);
	srtp_engine_destroy(worker->srtp);
	rte_free(worker);
}

void workers_destroy(struct worker_shared *shared)
{
	if (!shared)
		return;
	for (unsigned int i = 0; shared->workers && i < shared->config.n_workers; i++)
		if (shared->workers[i])
			destroy_worker(shared->workers[i]);
	punts_fini(&shared->punts);
	free(shared->workers);
	free(shared);
}
