// What may cost us anything. Packets from where the leg's media cannot come from are dropped before
// anything is spent on them, above all SRTP; the rest is held to the leg's rates of packets and
// bytes and to the worker's (meter.h), with bursts of a tenth of a second.
//
// What is subtle: where the far end may have moved (SRTP proves it) or is still to be found,
// packets come from sources that nobody knows. They have a debt of their own, so that a flood of
// them neither keeps the known source out nor costs more than that one may.
#include "meter.h"
#include "source.h"
#include "stages.h"

static inline bool take_known(
	struct leg *leg, const struct leg_rates *rates, uint32_t now, uint32_t length)
{
	uint32_t packets = meter_owes(leg->packets_until, now, LEG_PACKET_FAR);
	uint32_t bytes = meter_owes(leg->bytes_until, now, leg_byte_far(rates));

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
	uint32_t packets = meter_owes(leg->rx.strangers_until, now, LEG_PACKET_FAR);

	if (packets > LEG_RATE_BURST)
		return false;
	leg->rx.strangers_until = now + packets + rates->packet_cost;
	return true;
}

// Of the worker, where it is limited at all.
static bool take_worker(struct worker *worker)
{
	return meter_take(&worker->rate_until_ns, worker->now_ns, worker->shared->packet_cost_ns,
		(uint64_t)LEG_RATE_BURST << LEG_RATE_TICK_SHIFT);
}

static inline enum drop_reason judge(struct worker *worker, unsigned int i, uint32_t now)
{
	const struct burst *burst = &worker->burst;
	const struct leg_config *config = burst->configs[i];
	struct leg *leg = burst->legs[i];
	enum source source =
		source_judge(leg, config, &burst->from[i], burst->on_odd_port[i], worker->now_ns);

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
	if (unlikely(worker->shared->packet_cost_ns) && !take_worker(worker)) {
		leg->rx.dropped_other++;
		return DROP_worker_rate;
	}
	return PASS;
}

void police(struct worker *worker)
{
	uint32_t now = (uint32_t)(worker->now_ns >> LEG_RATE_TICK_SHIFT);
	struct burst *burst = &worker->burst;
	unsigned int n = 0;

	for (unsigned int i = 0; i < burst->n; i++) {
		enum drop_reason reason = judge(worker, i, now);

		if (unlikely(reason != PASS)) {
			drop(worker, burst->mbufs[i], reason);
			continue;
		}
		burst_keep(burst, n++, i);
	}
	burst->n = n;
}
