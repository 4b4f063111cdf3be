// Count, and keep the reception statistics. Late packets and duplicates are counted and passed on:
// a translator leaves their handling to the receiver (RFC 3550 7.1), whose own numbers stay true.
// A lone packet far off the sequence is dropped (RFC 3550 A.1).
//
// Where a leg carries several SSRCs side by side (video with retransmissions, simulcast), the
// statistics are of one of them, the first, for as long as it is heard; then of the next that is.
#include "clock.h"
#include "stages.h"

#define SILENT_NS 1000000000ULL

// Of a mixed leg: is it the stream that is measured, or does it become that?
static bool is_measured(const struct worker *worker, struct leg *leg, const struct rtp_view *view)
{
	struct leg_rx *rx = &leg->rx;

	if (!view->payload_offset)
		return false;
	if (rx->reception.started && rx->reception.ssrc != view->ssrc &&
		worker->now_ns - rx->measured_ns < SILENT_NS)
		return false;
	rx->measured_ns = worker->now_ns;
	return true;
}

// The time of the turn in units of an RTP clock, mostly that of the packet before.
struct ticks {
	uint32_t clock_hz;
	uint32_t now;
};

static inline uint32_t ticks_now(struct ticks *ticks, uint64_t now_ns, uint32_t clock_hz)
{
	if (unlikely(ticks->clock_hz != clock_hz))
		*ticks = (struct ticks){clock_hz, clock_rtp_ticks(now_ns, clock_hz)};
	return ticks->now;
}

static inline bool is_stray(struct worker *worker, struct leg *leg, const struct leg_config *config,
	const struct rtp_view *view, uint32_t now)
{
	if (unlikely(config->mixed) && !is_measured(worker, leg, view))
		return false;
	return rtp_reception_update(&leg->rx.reception, view, now) == RTP_ARRIVAL_JUMP;
}

static void note_first(struct worker *worker, struct leg *leg)
{
	session_notice(worker->shared->config.sessions, worker->index, leg);
}

static inline void account(struct worker *worker, struct leg *leg, const struct rtp_view *view,
	uint16_t length, uint32_t clock_hz)
{
	struct leg_rx *rx = &leg->rx;
	uint64_t packets = rx->packets + 1;
	uint32_t jitter = rtp_reception_jitter(&rx->reception);

	rx->bytes += length;
	rx->last_ns = worker->now_ns;
	rx->clock_hz = clock_hz;
	rx->pt = view->pt;
	if (jitter > rx->jitter_max)
		rx->jitter_max = jitter;
	__atomic_store_n(&rx->packets, packets, __ATOMIC_RELEASE);
	if (unlikely(packets == 1))
		note_first(worker, leg);
}

void measure(struct worker *worker)
{
	struct burst *burst = &worker->burst;
	struct ticks ticks = {};
	unsigned int n = 0;

	for (unsigned int i = 0; i < burst->n; i++) {
		struct leg *leg = burst->legs[i];
		const struct leg_config *config = burst->configs[i];
		const struct rtp_view *view = &burst->views[i];
		uint32_t clock_hz = config->formats->clocks_hz[burst->formats[i]];

		if (unlikely(is_stray(worker, leg, config, view,
			    ticks_now(&ticks, worker->now_ns, clock_hz)))) {
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
