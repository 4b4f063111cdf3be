// Where a leg's media comes from (RFC 7362): the signalled address, or where the leg may latch, the
// source of the first valid packet within the window, once. From then on only that one, until a SET
// changes the remote address or SRTP proves that the far end has moved. The rule is in source.h;
// the decision is the leg's `latch`, which main reads to find the next hop and to tell control.
// Legs that may not latch have had their source checked by police().
#include "bundle.h"
#include "source.h"
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
	enum source source = source_judge(leg, config, from, false, worker->now_ns);
	bool receives = config->flags & SL_LEG_RECEIVE || config->bundled;

	if (likely(leg_latch_holds(&leg->latch, config))) {
		if (likely(source == SOURCE_KNOWN))
			return true;
		if (source == SOURCE_WRONG || !proves_move(leg, config, view))
			return false;
		leg->latch_rtcp.epoch = 0; // it moves along
	} else if (!receives || !source_window_is_open(config, worker->now_ns)) {
		return source == SOURCE_KNOWN;
	}
	latch_to(worker, leg, config, from);
	return true;
}

void latch(struct worker *worker)
{
	struct burst *burst = &worker->burst;
	unsigned int n = 0;

	if (likely(!burst->latches))
		return;
	for (unsigned int i = 0; i < burst->n; i++) {
		struct leg *leg = burst->legs[i];
		const struct leg_config *config = burst->configs[i];

		if (config->may_latch && unlikely(!source_is_allowed(worker, leg, config,
						 &burst->from[i], &burst->views[i]))) {
			leg_drop_source(worker, leg, burst->mbufs[i]);
			continue;
		}
		burst->bundled |= config->bundled;
		if (unlikely(!(config->flags & SL_LEG_RECEIVE) && !config->bundled)) {
			leg_drop(worker, leg, burst->mbufs[i], DROP_not_receiving);
			continue;
		}
		burst_keep(burst, n++, i);
	}
	burst->n = n;
}
