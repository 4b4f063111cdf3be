// What is it? RTP stays, RTCP goes to a burst of its own, and what is neither to control (RFC 7983,
// RFC 5761).
#include "stages.h"

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

	burst_move(rtcp, n, burst, i);
	if (unlikely(rtcp->configs[n]->secure))
		note_secure(rtcp, n);
}

// Any packet but plain RTP. Returns whether it stays in the burst.
static __rte_noinline bool sort_other(
	struct worker *worker, struct burst *burst, struct burst *rtcp, unsigned int i)
{
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
		return false;
	}
	if (unlikely(reason != PASS))
		leg_drop(worker, burst->legs[i], burst->mbufs[i], reason);
	else if (kind == RTP_KIND_RTCP)
		to_rtcp(rtcp, burst, i);
	return reason == PASS && kind == RTP_KIND_RTP;
}

// Nearly every packet of plain RTP: then its view and format are read.
static inline bool is_plain_rtp(struct burst *burst, unsigned int i)
{
	const struct leg_config *config = burst->configs[i];
	const uint8_t *payload = burst->payloads[i];
	struct rtp_view *view = &burst->views[i];

	if (unlikely(!rtp_is_bare(payload, burst->lengths[i]) || rtp_is_rtcp(payload) ||
		     config->flags & SL_LEG_OPAQUE || config->secure || burst->on_odd_port[i]))
		return false;
	*view = rtp_view_bare(payload, burst->lengths[i]);
	burst->formats[i] = config->formats->format_of[view->pt];
	return burst->formats[i] != LEG_NO_FORMAT;
}

static inline bool is_for_latch(const struct leg_config *config)
{
	return config->may_latch || config->bundled || !(config->flags & SL_LEG_RECEIVE);
}

void demultiplex(struct worker *worker)
{
	struct burst *burst = &worker->burst, *rtcp = &worker->rtcp;
	unsigned int n = 0;

	rtcp->n = 0;
	burst->n_secure = rtcp->n_secure = 0;
	burst->latches = burst->bundled = false;
	for (unsigned int i = 0; i < burst->n; i++) {
		const struct leg_config *config = burst->configs[i];

		if (unlikely(!is_plain_rtp(burst, i)) && !sort_other(worker, burst, rtcp, i))
			continue;
		burst_keep(burst, n, i);
		if (unlikely(config->secure))
			note_secure(burst, n);
		burst->latches |= is_for_latch(config);
		rte_prefetch0(config->feeds[0]); // for the next stages; NULL does no harm
		n++;
	}
	burst->n = n;
}
