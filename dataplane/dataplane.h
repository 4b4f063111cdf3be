// The process: what its modules are and what main does with them. All of it is the main lcore's.
#pragma once

#include <rte_mbuf.h>
#include <rte_rcu_qsbr.h>
#include <signal.h>

#include "dataplane_config.h"
#include "log.h"
#include "port.h"
#include "session.h"
#include "shards.h"
#include "srtp.h"
#include "transcode.h"
#include "worker.h"

extern struct log_module log_main;

struct dataplane {
	const struct config *config;
	struct port ports[PORTS_MAX];
	unsigned int n_ports;
	int socket_ids[RTE_MAX_LCORE]; // NUMA node of each worker
	struct realms realms;
	struct rte_mempool *pool;
	struct rte_rcu_qsbr *rcu;
	struct next_hops *hops;
	struct transcode *transcode;
	struct sessions *sessions;
	struct worker_shared *workers;
	struct transcoder *transcoders;
	struct fence fence;
	char shard_names[SL_SHARDS_MAX][SL_SHARD_NAME_MAX];
	struct shards *shards; // NULL: none are configured
	struct server *server;
	int epoll;
	int signals;
	int timer;
	unsigned int tick_ms;
	uint64_t hops_polled_ns;
	char error[512];
};

// `what` went wrong, for dataplane->error. Returns -error.
int dataplane_fail(struct dataplane *dataplane, const char *what, int error);

// In this order; stopped in reverse.
struct module {
	const char *name;
	int (*start)(struct dataplane *dataplane); // fills in dataplane->error
	void (*stop)(struct dataplane *dataplane); // also after half a start
};

extern const struct module modules[];
extern const size_t n_modules;

// Returns 0, or a negative errno with dataplane->error. Close it also after a failure; before it is
// opened its descriptors are -1.
int loop_open(struct dataplane *dataplane, const sigset_t *signals);
int loop_run(struct dataplane *dataplane); // until a signal comes; returns which
void loop_close(struct dataplane *dataplane);
