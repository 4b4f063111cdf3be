// Count, and keep the reception statistics. Late packets and duplicates are counted and passed on:
// a translator leaves their handling to the receiver (RFC 3550 7.1), whose own numbers stay true.
// A lone packet far off the sequence is dropped (RFC 3550 A.1).
#include "clock.h"
#include "stages.h"

static void note_first(struct worker *worker, struct leg *leg)
{
	session_notice(worker->shared->config.sessions, worker->index, leg);
}

static void account(struct worker *worker, struct leg *leg, const struct rtp_view *view,
	uint16_t length, uint32_t clock_hz)
{
	struct leg_rx *rx = &leg->rx;
	uint32_t jitter = rtp_reception_jitter(&rx->reception);

	rx->bytes += length;
	rx->last_ns = worker->now_ns;
	rx->clock_hz = clock_hz;
	rx->pt = view->pt;
	if (jitter > rx->jitter_max)
		rx->jitter_max = jitter;
	__atomic_store_n(&rx->packets, rx->packets + 1, __ATOMIC_RELEASE);
	if (unlikely(rx->packets == 1))
		note_first(worker, leg);
}

void measure(struct worker *worker)
{
	struct burst *burst = &worker->burst;
	unsigned int n = 0;

	for (unsigned int i = 0; i < burst->n; i++) {
		struct leg *leg = burst->legs[i];
		const struct leg_config *config = burst->configs[i];
		const struct rtp_view *view = &burst->views[i];
		uint32_t clock_hz = config->clocks_hz[burst->formats[i]];

		if (unlikely(rtp_reception_update(&leg->rx.reception, view,
				     clock_rtp_ticks(worker->now_ns, clock_hz)) ==
			     RTP_ARRIVAL_JUMP)) {
			leg_drop(worker, leg, burst->mbufs[i], DROP_sequence_jump);
			continue;
		}
		account(worker, leg, view, burst->lengths[i], clock_hz);
		report_when_due(worker, leg, config);
		if (likely(config->n_feeds))
			leg_prefetch_to(config->feeds[0]->to);
		burst_keep(burst, n++, i);
	}
	burst->n = n;
}
