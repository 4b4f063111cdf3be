// Who may send to a leg (RFC 7362): the signalled address, or where the leg may latch, the source
// of the first valid packet within the window, once. From then on only that one, until a SET
// changes the remote address or SRTP proves that the far end has moved. The decision is the
// leg's `latch`, which main reads to find the next hop and to tell control. Legs that may not latch
// have had their source checked by police().
#include "bundle.h"
#include "stages.h"

// The packet is well-formed, of a payload type that was negotiated, and where the leg has keys
// authentic and not replayed, or it would not be here.
static void latch_to(struct worker *worker, struct leg *leg, const struct leg_config *config,
	const struct leg_endpoint *from)
{
	leg_latch_set(&leg->latch, config->epoch, from);
	leg->tx.header.generation = 0; // made for another destination
	if (config->bundled)
		bundle_void_headers(config);
	session_notice(worker->shared->config.sessions, worker->index, leg);
}

static bool may_latch(const struct leg_config *config, uint64_t now_ns)
{
	return config->may_latch && now_ns <= config->latch_until_ns &&
	       (config->flags & SL_LEG_RECEIVE || config->bundled);
}

// A far end behind a NAT that lost its mapping comes from elsewhere, with newer packets than all
// before. Who holds back an older one and sends it from his own address moves nothing.
static bool proves_move(
	const struct leg *leg, const struct leg_config *config, const struct rtp_view *view)
{
	const struct rtp_reception *reception = &leg->rx.reception;

	if (config->bundled) {
		leg = bundle_leg_of_ssrc(leg, config, view->ssrc);
		reception = leg ? &leg->rx.reception : reception;
	}
	return config->secure && view->ssrc == reception->ssrc &&
	       rtp_sequence_distance(reception->max_sequence, view->sequence) > 0;
}

static bool source_is_allowed(struct worker *worker, struct leg *leg,
	const struct leg_config *config, const struct leg_endpoint *from,
	const struct rtp_view *view)
{
	if (leg_latch_holds(&leg->latch, config)) {
		if (likely(leg_endpoint_equal(from, &leg->latch.from)))
			return true;
		if (!proves_move(leg, config, view))
			return false;
		leg->latch_rtcp.epoch = 0; // it moves along
		latch_to(worker, leg, config, from);
		return true;
	}
	if (may_latch(config, worker->now_ns)) {
		latch_to(worker, leg, config, from);
		return true;
	}
	return leg_endpoint_equal(from, &config->remote);
}

void latch(struct worker *worker)
{
	struct burst *burst = &worker->burst;
	unsigned int n = 0;

	burst->bundled = false;
	for (unsigned int i = 0; i < burst->n; i++) {
		struct leg *leg = burst->legs[i];
		const struct leg_config *config = burst->configs[i];

		if (config->may_latch && unlikely(!source_is_allowed(worker, leg, config,
						 &burst->from[i], &burst->views[i]))) {
			leg->rx.dropped_source++;
			drop(worker, burst->mbufs[i], DROP_wrong_source);
			continue;
		}
		burst->bundled |= config->bundled;
		if (unlikely(!(config->flags & SL_LEG_RECEIVE) && !config->bundled)) {
			leg_drop(worker, leg, burst->mbufs[i], DROP_not_receiving);
			continue;
		}
		rte_prefetch0(config->feeds[0]); // for the next stages; NULL does no harm
		burst_keep(burst, n++, i);
	}
	burst->n = n;
}
