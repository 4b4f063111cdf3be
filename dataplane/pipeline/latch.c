// Who may send to a leg (RFC 7362): the signalled address, or where the leg may latch, the source
// of the first valid packet within the window, once. From then on only that one, until a SET
// changes the remote address. The decision is one word in the leg (leg_latch_word()) that main
// reads to find the next hop and to tell control.
#include "stages.h"

// The packet is well-formed and of a payload type that was negotiated, or it would not be here.
static void latch_to(struct worker *worker, struct leg *leg, const struct leg_config *config,
	struct leg_endpoint from)
{
	__atomic_store_n(&leg->latched, leg_latch_word(config->epoch, from), __ATOMIC_RELEASE);
	session_notice(worker->shared->config.sessions, worker->index, leg);
}

static bool may_latch(const struct leg_config *config, uint64_t now_ns)
{
	return config->may_latch && now_ns <= config->latch_until_ns &&
	       (config->flags & SL_LEG_RECEIVE);
}

static bool source_is_allowed(struct worker *worker, struct leg *leg,
	const struct leg_config *config, struct leg_endpoint from)
{
	if (leg_latch_holds(leg->latched, config))
		return leg_endpoint_equal(from, leg_latch_endpoint(leg->latched));
	if (may_latch(config, worker->now_ns)) {
		latch_to(worker, leg, config, from);
		return true;
	}
	return leg_endpoint_equal(from, config->remote);
}

void latch(struct worker *worker)
{
	struct burst *burst = &worker->burst;
	unsigned int n = 0;

	for (unsigned int i = 0; i < burst->n; i++) {
		struct leg *leg = burst->legs[i];
		const struct leg_config *config = burst->configs[i];

		if (unlikely(!source_is_allowed(worker, leg, config, burst->from[i]))) {
			leg->rx.dropped_source++;
			drop(worker, burst->mbufs[i], DROP_wrong_source);
			continue;
		}
		if (unlikely(!(config->flags & SL_LEG_RECEIVE))) {
			leg_drop(worker, leg, burst->mbufs[i], DROP_not_receiving);
			continue;
		}
		rte_prefetch0(config->feeds[0]); // for the next stages; NULL does no harm
		burst_keep(burst, n++, i);
	}
	burst->n = n;
}
