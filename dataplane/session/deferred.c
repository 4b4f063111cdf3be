// Entries are in the order of their tokens, so looking stops at the first that has not passed.
#include "deferred.h"

void deferred_init(struct deferred_queue *queue, struct rte_rcu_qsbr *rcu)
{
	*queue = (struct deferred_queue){.rcu = rcu};
	STAILQ_INIT(&queue->list);
}

void deferred_add(struct deferred_queue *queue, struct deferred *deferred, deferred_fn free)
{
	deferred->token = rte_rcu_qsbr_start(queue->rcu);
	deferred->free = free;
	STAILQ_INSERT_TAIL(&queue->list, deferred, next);
	queue->n_waiting++;
}

bool deferred_passed(struct deferred_queue *queue, struct deferred_list *passed)
{
	struct deferred *first;

	STAILQ_INIT(passed);
	while ((first = STAILQ_FIRST(&queue->list)) &&
		rte_rcu_qsbr_check(queue->rcu, first->token, false) == 1) {
		STAILQ_REMOVE_HEAD(&queue->list, next);
		STAILQ_INSERT_TAIL(passed, first, next);
		queue->n_waiting--;
	}
	return !STAILQ_EMPTY(passed);
}

void deferred_free(struct deferred_list *passed, void *context)
{
	struct deferred *first;

	while ((first = STAILQ_FIRST(passed))) {
		STAILQ_REMOVE_HEAD(passed, next);
		first->free(first, context);
	}
}
