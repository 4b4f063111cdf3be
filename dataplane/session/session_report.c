// A session as control sees it. The worker's counters are read as they are: each is right, together
// they may be a packet apart.
#include <string.h>

#include "clock.h"
#include "feed.h"
#include "session_state.h"

#define NS_PER_MS 1000000

static uint32_t ticks_to_us(uint32_t ticks, uint32_t clock_hz)
{
	return clock_hz ? (uint32_t)(ticks * 1000000ULL / clock_hz) : 0;
}

static void report_source(
	struct sl_leg_stats *stats, const struct leg *leg, const struct sl_leg *wanted)
{
	struct leg_latch latch = leg_latch_read(&leg->latch);

	stats->latched = leg_latch_holds(&latch, leg->config);
	stats->source = stats->latched ? leg_endpoint_address(&latch.from) : wanted->remote;
}

static struct sl_srtp_indices indices_of(const struct srtp_context *context, uint32_t ssrc)
{
	struct srtp_indices indices[SRTP_SSRCS];
	unsigned int n = context ? srtp_context_export(context, indices, SRTP_SSRCS) : 0;

	for (unsigned int i = 0; i < RTE_MIN(n, (unsigned int)SRTP_SSRCS); i++)
		if (indices[i].ssrc == ssrc)
			return (struct sl_srtp_indices){.rtp_next = indices[i].rtp_next,
				.rtcp_next = indices[i].rtcp_next,
				.ssrc = ssrc};
	return (struct sl_srtp_indices){};
}

static struct sl_voip_metrics voip_of(const uint8_t *block)
{
	struct rtcp_xr_voip voip;

	rtcp_xr_voip_read(block, &voip);
	return (struct sl_voip_metrics){
		.ssrc = voip.ssrc,
		.loss_rate = voip.loss_rate,
		.discard_rate = voip.discard_rate,
		.burst_density = voip.burst_density,
		.gap_density = voip.gap_density,
		.burst_duration_ms = voip.burst_duration_ms,
		.gap_duration_ms = voip.gap_duration_ms,
		.round_trip_ms = voip.round_trip_ms,
		.end_system_delay_ms = voip.end_system_delay_ms,
		.signal_level_dbm = voip.signal_level_dbm,
		.noise_level_dbm = voip.noise_level_dbm,
		.rerl_db = voip.rerl_db,
		.gmin = voip.gmin,
		.r_factor = voip.r_factor,
		.external_r_factor = voip.external_r_factor,
		.mos_lq = voip.mos_lq,
		.mos_cq = voip.mos_cq,
		.rx_config = voip.rx_config,
		.jitter_buffer_nominal_ms = voip.jitter_buffer_nominal_ms,
		.jitter_buffer_maximum_ms = voip.jitter_buffer_maximum_ms,
		.jitter_buffer_absolute_ms = voip.jitter_buffer_absolute_ms,
	};
}

// What the far end's reports said.
static void report_reported(struct sl_leg_stats *stats, const struct leg *leg)
{
	const struct leg_reported *reported = &leg->rx.reported;
	const struct leg_xr *xr = __atomic_load_n(&leg->xr, __ATOMIC_ACQUIRE);

	stats->rtt_us = reported->rtt_us;
	stats->remote_lost = reported->lost;
	stats->remote_jitter_us = ticks_to_us(reported->jitter, leg->config->clock_hz);
	stats->remote_fraction_lost = reported->fraction_lost;
	if (xr)
		stats->voip = voip_of(xr->voip);
}

static void report_leg(struct sl_leg_stats *stats, const struct leg *leg,
	const struct sl_leg *wanted, uint64_t now_ns)
{
	const struct leg_rx *rx = &leg->rx;
	const struct leg_tx *tx = &leg->tx;
	const struct leg_codecs *coded = leg->control.codecs;
	uint64_t since_ns = rx->last_ns ? rx->last_ns : leg->control.created_ns;

	*stats = (struct sl_leg_stats){
		.rx_packets = rx->packets,
		.rx_bytes = rx->bytes,
		.tx_packets = tx->packets,
		.tx_bytes = tx->bytes,
		.rx_rtcp = rx->rtcp,
		.tx_rtcp = tx->rtcp,
		.lost = rtp_reception_lost(&rx->reception),
		.reordered = rx->reception.reordered,
		.duplicates = rx->reception.duplicates,
		.dropped_source = rx->dropped_source,
		.dropped_other = rx->dropped_other,
		.dropped_auth = rx->dropped_auth,
		.dropped_replay = rx->dropped_replay,
		.punted = rx->punted,
		.dropped_rate = rx->dropped_rate,
		.transcoded = coded ? coded->transcoded : 0,
		.concealed = coded ? coded->concealed : 0,
		.transcode_ns = coded ? coded->transcode_ns : 0,
		.jitter_us = ticks_to_us(rtp_reception_jitter(&rx->reception), rx->clock_hz),
		.jitter_max_us = ticks_to_us(rx->jitter_max, rx->clock_hz),
		.rx_ssrc = rx->reception.ssrc,
		.tx_ssrc = wanted->ssrc,
		.idle_ms = now_ns > since_ns ? (uint32_t)((now_ns - since_ns) / NS_PER_MS) : 0,
		.timed_out = leg->control.timed_out,
		.one_way = leg->control.one_way,
		.rx_pt = rx->pt,
	};
	report_source(stats, leg, wanted);
	report_reported(stats, leg);
	stats->srtp_received = indices_of(leg->config->contexts[SRTP_RECEIVE], stats->rx_ssrc);
	stats->srtp_sent = indices_of(leg->config->contexts[SRTP_SEND], stats->tx_ssrc);
}

// What the kept state leaves out since the leg has it anyway. And a collision changes an SSRC
// without a SET.
static void recall(struct sl_leg *wanted, const struct leg_config *config)
{
	wanted->ssrc = config->ssrc;
	memcpy(wanted->formats, config->formats->wanted, sizeof(wanted->formats));
}

const void *session_wanted(const struct session *session, struct sl_session *wanted)
{
	const void *record = wanted_state_read(session->wanted, wanted);

	for (unsigned int i = 0; i < wanted->n_legs; i++)
		recall(&wanted->legs[i], session->legs[i]->config);
	return record;
}

const void *session_report(const struct session *session, struct sl_session_report *report)
{
	const struct sl_session *wanted = &report->session;
	uint64_t now_ns = clock_now_ns();
	const void *record;

	memset(report, 0, sizeof(*report));
	record = session_wanted(session, &report->session);
	report->worker = session->worker;
	report->age_ms = (uint32_t)((now_ns - session->created_ns) / NS_PER_MS);
	for (unsigned int i = 0; i < wanted->n_legs; i++)
		report_leg(&report->stats[i], session->legs[i], &wanted->legs[i], now_ns);
	for (unsigned int i = 0; i < wanted->n_legs; i++) {
		struct sl_leg_stats *from;

		if (!session->legs[i]->control.feed)
			continue;
		from = &report->stats[wanted->legs[i].source];
		feed_stats_add(session->legs[i]->control.feed, &from->transcoded, &from->concealed,
			&from->transcode_ns);
		feed_jitter_stats(session->legs[i]->control.feed, from);
	}
	for (unsigned int i = 0; i < wanted->n_legs; i++)
		leg_quality_report(&report->stats[i], session->legs[i], &wanted->legs[i]);
	return record;
}

bool session_origin(const struct session *session, unsigned int i, struct session_origin *origin)
{
	const struct leg *leg;

	if (i >= session->n_legs)
		return false;
	leg = session->legs[i];
	if (leg->config->carried)
		leg = leg->config->shared->carrier;
	*origin = (struct session_origin){
		.local = leg_endpoint_address(&leg->config->local),
		.flow_label = leg->flow_label,
		.worker = session->worker,
		.dscp = leg->config->dscp,
		.shard = leg->config->shard,
	};
	return true;
}
