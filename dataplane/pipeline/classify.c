// Whose packet is it, and, where police() lets it pass, what? Passes over the burst behind parse(),
// each of which touches one more cold cache line that the pass before has prefetched: leg,
// configuration.
#include "stages.h"

static void hand_over(struct worker *worker, const struct leg *leg, struct rte_mbuf *mbuf)
{
	struct worker *owner = worker->shared->workers[leg->worker];

	if (rte_ring_mp_enqueue(owner->inbox, mbuf))
		drop(worker, mbuf, DROP_handover_full);
	else
		worker->counters.handed_over++;
}

// First pass: the leg, and whether it is ours.
static void pass_legs(struct worker *worker, struct burst *burst)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < burst->n; i++) {
		struct leg *leg = __atomic_load_n(burst->slots[i], __ATOMIC_ACQUIRE);

		if (unlikely(!leg)) {
			drop(worker, burst->mbufs[i], DROP_unknown_port);
			continue;
		}
		leg_prefetch_from(leg);
		burst->legs[i] = leg;
		burst_keep(burst, n++, i);
	}
	burst->n = n;
	for (unsigned int i = n = 0; i < burst->n; i++) {
		struct leg *leg = burst->legs[i];

		if (unlikely(leg->worker != worker->index)) {
			hand_over(worker, leg, burst->mbufs[i]);
			continue;
		}
		burst->configs[i] = leg_config(leg);
		rte_prefetch0(burst->configs[i]);
		rte_prefetch0(&burst->configs[i]->rates);
		burst_keep(burst, n++, i);
	}
	burst->n = n;
}

// What SRTP says is looked at when it has proven to be the far end's (unprotect.c).
static enum drop_reason check_rtp(struct burst *burst, unsigned int i)
{
	if (burst->on_odd_port[i])
		return DROP_rtcp_port;
	return burst->configs[i]->secure ? PASS : burst_read_rtp(burst, i);
}

// Nothing of it is looked at, so it goes where RTP goes.
static enum drop_reason check_opaque(struct burst *burst, unsigned int i)
{
	burst->views[i] = (struct rtp_view){.payload_bytes = burst->lengths[i], .pt = SL_NO_PT};
	burst->formats[i] = 0;
	return burst->on_odd_port[i] ? DROP_rtcp_port : PASS;
}

static enum drop_reason check_rtcp(const struct burst *burst, unsigned int i)
{
	bool mux = burst->configs[i]->flags & SL_LEG_RTCP_MUX;

	return burst->on_odd_port[i] || mux ? PASS : DROP_rtcp_port;
}

// Packet i is SRTP or SRTCP.
static void note_secure(struct burst *burst, unsigned int i)
{
	rte_prefetch0(&burst->legs[i]->srtp);
	rte_prefetch0(&burst->configs[i]->contexts);
	burst->secure[burst->n_secure++] = (uint8_t)i;
}

static void to_rtcp(struct burst *rtcp, const struct burst *burst, unsigned int i)
{
	unsigned int n = rtcp->n++;

	rtcp->mbufs[n] = burst->mbufs[i];
	rtcp->payloads[n] = burst->payloads[i];
	rtcp->lengths[n] = burst->lengths[i];
	rtcp->from[n] = burst->from[i];
	rtcp->on_odd_port[n] = burst->on_odd_port[i];
	rtcp->legs[n] = burst->legs[i];
	rtcp->configs[n] = burst->configs[i];
	if (unlikely(rtcp->configs[n]->secure))
		note_secure(rtcp, n);
}

// Second pass: RTP stays, RTCP goes to a burst of its own.
static void pass_kinds(struct worker *worker, struct burst *burst, struct burst *rtcp)
{
	unsigned int n = 0;

	rtcp->n = 0;
	burst->n_secure = rtcp->n_secure = 0;
	for (unsigned int i = 0; i < burst->n; i++) {
		enum rtp_kind kind = rtp_demultiplex(burst->payloads[i], burst->lengths[i]);
		enum drop_reason reason;

		if (unlikely(burst->configs[i]->flags & SL_LEG_OPAQUE)) {
			kind = RTP_KIND_RTP;
			reason = check_opaque(burst, i);
		} else if (likely(kind == RTP_KIND_RTP)) {
			reason = check_rtp(burst, i);
		} else if (kind == RTP_KIND_RTCP) {
			reason = check_rtcp(burst, i);
		} else {
			punt(worker, burst, i, kind);
			continue;
		}
		if (unlikely(reason != PASS)) {
			leg_drop(worker, burst->legs[i], burst->mbufs[i], reason);
		} else if (kind == RTP_KIND_RTCP) {
			to_rtcp(rtcp, burst, i);
		} else {
			burst_keep(burst, n, i);
			if (unlikely(burst->configs[n]->secure))
				note_secure(burst, n);
			n++;
		}
	}
	burst->n = n;
}

void classify(struct worker *worker)
{
	pass_legs(worker, &worker->burst);
}

void demultiplex(struct worker *worker)
{
	pass_kinds(worker, &worker->burst, &worker->rtcp);
}
