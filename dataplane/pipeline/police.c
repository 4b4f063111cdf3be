// What may cost us anything. Packets from where the leg's media cannot come from are dropped before
// anything is spent on them, above all SRTP; the rest is held to the leg's rates of packets and
// bytes and to the worker's. A rate is a debt of time that each packet adds to and the clock pays
// off; who owes more than a tenth of a second gets nothing (GCRA, a token bucket without a refill).
//
// What is subtle: where the far end may have moved (SRTP proves it) or is still to be found,
// packets come from sources that nobody knows. They have a debt of their own, so that a flood of
// them neither keeps the known source out nor costs more than that one may.
#include "stages.h"

enum source { SOURCE_WRONG, SOURCE_STRANGE, SOURCE_KNOWN };

// RTCP on a port of its own; the rule is that of rtcp_source_is_allowed().
static enum source judge_rtcp_source(
	const struct leg *leg, const struct leg_config *config, const struct leg_endpoint *from)
{
	if (leg_latch_holds(&leg->latch_rtcp, config))
		return leg_endpoint_equal(from, &leg->latch_rtcp.from) ? SOURCE_KNOWN
								       : SOURCE_WRONG;
	if (config->may_latch && leg_latch_holds(&leg->latch, config))
		return leg_endpoint_same_host(from, &leg->latch.from) ? SOURCE_STRANGE
								      : SOURCE_WRONG;
	return leg_endpoint_equal(from, &config->remote_rtcp) ? SOURCE_KNOWN : SOURCE_WRONG;
}

// A source that is not the one that the leg has now.
static enum source judge_other_source(const struct leg *leg, const struct leg_config *config)
{
	if (!config->may_latch)
		return SOURCE_WRONG;
	return config->secure || !leg_latch_holds(&leg->latch, config) ? SOURCE_STRANGE
								       : SOURCE_WRONG;
}

static inline enum source judge_source(const struct leg *leg, const struct leg_config *config,
	const struct leg_endpoint *from, bool on_odd_port)
{
	const struct leg_endpoint *expected =
		leg_latch_holds(&leg->latch, config) ? &leg->latch.from : &config->remote;

	if (unlikely(on_odd_port) && !(config->flags & SL_LEG_RTCP_MUX))
		return judge_rtcp_source(leg, config, from);
	if (likely(leg_endpoint_equal(from, expected)))
		return SOURCE_KNOWN;
	return judge_other_source(leg, config);
}

// What is still owed at `now`.
static inline uint32_t debt(uint32_t until, uint32_t now, uint32_t far)
{
	uint32_t ahead = until - now;

	return ahead > far ? 0 : ahead;
}

static inline bool take_known(
	struct leg *leg, const struct leg_rates *rates, uint32_t now, uint32_t length)
{
	uint32_t packets = debt(leg->packets_until, now, rates->packet_far);
	uint32_t bytes = debt(leg->bytes_until, now, rates->byte_far);

	if (unlikely(packets > LEG_RATE_BURST || bytes > LEG_RATE_BURST))
		return false;
	leg->packets_until = now + packets + rates->packet_cost;
	leg->bytes_until = now + bytes +
			   (uint32_t)((uint64_t)length * rates->byte_cost >> LEG_RATE_BYTE_SHIFT);
	return true;
}

// Of packets alone: it is their number that keeps the ciphers busy.
static bool take_strange(struct leg *leg, const struct leg_rates *rates, uint32_t now)
{
	uint32_t packets = debt(leg->rx.strangers_until, now, rates->packet_far);

	if (packets > LEG_RATE_BURST)
		return false;
	leg->rx.strangers_until = now + packets + rates->packet_cost;
	return true;
}

// Of the worker, where it is limited at all.
static bool take_worker(struct worker *worker)
{
	uint64_t from_ns = RTE_MAX(worker->rate_until_ns, worker->now_ns);

	if (from_ns - worker->now_ns > (uint64_t)LEG_RATE_BURST << LEG_RATE_TICK_SHIFT)
		return false;
	worker->rate_until_ns = from_ns + worker->shared->packet_cost_ns;
	return true;
}

static inline enum drop_reason judge(struct worker *worker, unsigned int i, bool limited)
{
	const struct burst *burst = &worker->burst;
	const struct leg_config *config = burst->configs[i];
	uint32_t now = (uint32_t)(worker->now_ns >> LEG_RATE_TICK_SHIFT);
	struct leg *leg = burst->legs[i];
	enum source source = judge_source(leg, config, &burst->from[i], burst->on_odd_port[i]);

	if (unlikely(source == SOURCE_WRONG)) {
		leg->rx.dropped_source++;
		return DROP_wrong_source;
	}
	if (unlikely(!(likely(source == SOURCE_KNOWN)
			       ? take_known(leg, &config->rates, now, burst->lengths[i])
			       : take_strange(leg, &config->rates, now)))) {
		leg->rx.dropped_rate++;
		return DROP_leg_rate;
	}
	if (unlikely(limited) && !take_worker(worker)) {
		leg->rx.dropped_other++;
		return DROP_worker_rate;
	}
	return PASS;
}

void police(struct worker *worker)
{
	struct burst *burst = &worker->burst;
	bool limited = worker->shared->packet_cost_ns;
	unsigned int n = 0;

	for (unsigned int i = 0; i < burst->n; i++) {
		enum drop_reason reason = judge(worker, i, limited);

		if (unlikely(reason != PASS)) {
			drop(worker, burst->mbufs[i], reason);
			continue;
		}
		burst_keep(burst, n++, i);
	}
	burst->n = n;
}
