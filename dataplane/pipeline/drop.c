// Where packets that are dropped end: counted, then freed. Functions of their own, so that the
// stages keep their registers for the packets that stay.
#include "worker.h"

void drop(struct worker *worker, struct rte_mbuf *mbuf, enum drop_reason reason)
{
	worker->counters.drops[reason]++;
	rte_pktmbuf_free(mbuf);
}

void leg_drop(
	struct worker *worker, struct leg *leg, struct rte_mbuf *mbuf, enum drop_reason reason)
{
	leg->rx.dropped_other++;
	drop(worker, mbuf, reason);
}

void leg_drop_source(struct worker *worker, struct leg *leg, struct rte_mbuf *mbuf)
{
	leg->rx.dropped_source++;
	drop(worker, mbuf, DROP_wrong_source);
}
