// Things that workers may still be looking at, on their way to be freed: unlink, wait for readers,
// free. Main never blocks on the readers; it looks at the list from time to time.
#pragma once

#include <rte_rcu_qsbr.h>
#include <stdbool.h>
#include <sys/queue.h>

struct deferred; // embedded first or anywhere in the thing

typedef void (*deferred_fn)(struct deferred *deferred, void *context);

struct deferred {
	STAILQ_ENTRY(deferred) next;
	uint64_t token; // of the grace period
	deferred_fn free;
};

STAILQ_HEAD(deferred_list, deferred);

struct deferred_queue {
	struct deferred_list list; // oldest first
	struct rte_rcu_qsbr *rcu;
	unsigned int n_waiting;
};

void deferred_init(struct deferred_queue *queue, struct rte_rcu_qsbr *rcu);

// The thing has just been unlinked: call `free` on it when every worker has passed.
void deferred_add(struct deferred_queue *queue, struct deferred *deferred, deferred_fn free);

// Move what no worker can see any more into `passed` (initialised here). Returns whether there is
// anything.
bool deferred_passed(struct deferred_queue *queue, struct deferred_list *passed);

void deferred_free(struct deferred_list *passed, void *context);
