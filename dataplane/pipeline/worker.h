// Workers: lcores that move packets. worker_turn() is the life of a packet, top to bottom.
#pragma once

#include <rte_ring.h>
#include <rte_spinlock.h>

#include "burst.h"
#include "drop.h"
#include "profile.h"
#include "punt.h"
#include "session.h"
#include "srtp.h"
#include "transcode.h"

// X(name): "worker.<index>.<name>". worker: rw, main: ro, each read on its own. Between turns they
// add up: rx_packets + taken_over + copied + reports + from_codec + digits + injected = tx_packets
// + handed_over + to_codec + punted + all drops.
#define WORKER_COUNTERS(X)                                                                \
	X(rx_packets)                                                                     \
	X(rx_bytes)                                                                       \
	X(tx_packets)                                                                     \
	X(tx_bytes)                                                                       \
	X(handed_over) /* to the worker that owns the leg */                              \
	X(taken_over)  /* from another worker */                                          \
	X(copied)      /* for a second leg of the same source */                          \
	X(reports)     /* RTCP of our own */                                              \
	X(to_codec)    /* given to the transcoder */                                      \
	X(from_codec)  /* taken from it */                                                \
	X(digits)      /* events of digits that control sends */                          \
	X(punted)      /* given to control */                                             \
	X(injected)    /* taken from it */                                                \
	X(unprotected) /* SRTP and SRTCP that authenticated */                            \
	X(protected)                                                                      \
	X(turns)                                                                          \
	X(busy_turns)                                                                     \
	X(busy_cycles) /* of busy turns */                                                \
	X(late_turns)  /* begun 100 us or more after the one before; in idle mode many */ \
	X(sleeps)      /* idle mode */

struct worker_counters {
#define WORKER_COUNTER_FIELD(name) uint64_t name;
	WORKER_COUNTERS(WORKER_COUNTER_FIELD)
#undef WORKER_COUNTER_FIELD
	uint64_t drops[DROP_REASONS_N];
};

#define WORKER_QUEUES_MAX 64

struct worker_queue {
	uint16_t port; // index into ports
	uint16_t ethdev;
	uint16_t queue;
};

#define WORKER_LATE_NS 100000

struct worker_shared;

struct worker {
	// Set at start, then read only.
	unsigned int index;
	struct worker_shared *shared;
	struct leg_table *table;
	struct dials *dials; // of its legs
	struct srtp_engine *srtp;
	struct rte_ring *inbox; // packets that others received for us: many producers, one consumer
	struct rte_ring *injections; // one producer (main), one consumer. See inject.c
	struct worker_queue queues[WORKER_QUEUES_MAX]; // that it polls
	unsigned int n_queues;
	bool running; // worker: set once, main: ro
	// worker: rw
	unsigned int next_queue; // to begin with
	uint64_t now_ns;	 // of this turn
	uint64_t rate_until_ns;	 // until when what came has used up the worker's own rate
	struct worker_counters counters __rte_cache_aligned;
	struct burst burst; // RTP
	struct burst rtcp;
	struct output output;
	struct reports reports;
	struct tx_queue tx[PORTS_MAX];
	struct fence_view fence; // main: ro
	uint32_t doubts_before;	 // fence.n_doubts at the beginning of this turn
	bool profiles;		 // as worker_shared.profile said at the last turn
	struct profile profile;
	struct leg *due[DUE_MAX]; // legs whose RTCP report is due
	unsigned int n_due;
	uint32_t n_dialled;	 // digits that it has looked for
	unsigned int n_dialling; // legs that are sent one, or were a moment ago
	unsigned int n_byes;	 // of this turn
} __rte_cache_aligned;

struct workers_config {
	struct port *ports;
	unsigned int n_ports;
	unsigned int n_workers;
	const int *socket_ids;	    // NUMA node of each worker; NULL: any. Read at creation only
	unsigned int n_transcoders; // 0: workers run the codecs between bursts
	struct sessions *sessions;
	struct transcode *transcode; // NULL: none
	struct rte_rcu_qsbr *rcu;
	const struct fence *fence; // NULL: no address is of a shard
	struct rte_mempool *pool;
	unsigned int packets_per_second; // that a worker takes from all its legs, 0: no limit
	unsigned int punts_per_second;	 // of all workers together, at least 1
	bool idle;			 // sleep when there is nothing to do
};

// What all workers share. Set at start, then read only (but the ethdev behind `tx_locks`).
struct worker_shared {
	struct workers_config config;
	struct worker **workers;
	uint8_t port_of_ethdev[RTE_MAX_ETHPORTS]; // index into ports
	rte_spinlock_t tx_locks[PORTS_MAX];	  // taken only where workers share a queue
	bool tx_shared[PORTS_MAX];
	uint64_t packet_cost_ns; // of config.packets_per_second
	bool stop;		 // main: rw, workers: ro
	bool profile;		 // the same
	struct punts punts;
	uint64_t byes_lost; // main: of legs that ended while too much waited to be sent
};

// NULL with errno set.
struct worker_shared *workers_create(const struct workers_config *config);
void workers_destroy(struct worker_shared *shared); // frees packets that wait in rings

// worker: whether packets may come from and go to addresses of this shard.
static inline bool worker_passes(const struct worker *worker, unsigned int shard)
{
	return fence_passes(worker->shared->config.fence, &worker->fence, shard);
}

// main: whether a worker has stopped for a shard by itself.
bool workers_doubt(const struct worker_shared *shared, unsigned int shard);

// One turn. Returns how much was done, 0: nothing.
unsigned int worker_turn(struct worker *worker);

// main: a leg_farewell_fn for sessions_on_farewell(): says BYE for a leg that ends.
void workers_farewell(void *shared, struct leg *leg, struct srtp_engine *engine);

// lcore functions (rte_eal_remote_launch): turns until workers_stop().
int worker_run(void *worker);
int transcoder_run(void *transcoder);
void workers_stop(struct worker_shared *shared);

// main: count what each stage costs, from zero on, or no longer. The counts stay until the next
// time.
void workers_profile(struct worker_shared *shared, bool on);

// main, after the launch: wait until every worker is a reader that RCU knows of. Only then may main
// unlink anything. Returns 0 or -ETIMEDOUT.
int workers_wait_running(const struct worker_shared *shared);

struct transcoder {
	struct worker_shared *shared;
	unsigned int index;
	uint64_t turns;
	uint64_t busy_turns;
};

// main: call `add` with every counter of the pipeline ("worker.0.turns", "drop.fragment", ...).
typedef void (*counter_fn)(void *context, const char *name, uint64_t value);
void workers_counters(const struct worker_shared *shared, counter_fn add, void *context);

// drop.c: a packet leaves the pipeline; the second and third: one that a leg got.
__rte_noinline void drop(struct worker *worker, struct rte_mbuf *mbuf, enum drop_reason reason);
__rte_noinline void leg_drop(
	struct worker *worker, struct leg *leg, struct rte_mbuf *mbuf, enum drop_reason reason);
__rte_noinline void leg_drop_source(struct worker *worker, struct leg *leg, struct rte_mbuf *mbuf);

static inline void report_when_due(
	struct worker *worker, struct leg *leg, const struct leg_config *config)
{
	if (unlikely(config->reports) && worker->now_ns >= leg->tx.report_ns &&
		worker->n_due < DUE_MAX) {
		leg->tx.report_ns = UINT64_MAX; // once in the list is enough
		worker->due[worker->n_due++] = leg;
	}
}
