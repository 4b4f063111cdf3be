// The last word of a leg that ends (RFC 3550 6.6): BYE for the SSRC that it sent under, protected
// where its media was. It is said when no worker sees the leg any more, so it comes after all of
// its media, and by main, whose the leg and its SRTP state are by then; the worker that had it only
// sends what is ready.
#include "headers.h"
#include "inject.h"
#include "reports.h"

#define BYE_ROOM 512

// Who has sent neither RTP nor RTCP says nothing (6.3.7), nor do we in another's name. Where the
// transport is another leg's (BUNDLE), that may be gone by now: it says BYE for itself alone.
static bool has_ssrc(const struct leg *leg)
{
	return !leg->config->carried &&
	       !(leg->config->flags & (SL_LEG_TRANSPARENT_SSRC | SL_LEG_OPAQUE)) &&
	       (leg->tx.packets || leg->tx.rtcp);
}

// Returns the bytes of SRTCP, 0 where it cannot be made.
static uint16_t protect_bye(
	struct leg *leg, struct srtp_engine *engine, uint8_t *packet, uint16_t length)
{
	struct srtp_job job = {
		.context = leg_context(engine, leg, leg->config, SRTP_SEND),
		.packet = packet,
		.length = length,
		.room = BYE_ROOM,
		.rtcp = true,
	};

	srtp_protect_burst(engine, &job, 1);
	return job.status == SRTP_STATUS_OK ? job.out_length : 0;
}

void workers_farewell(void *argument, struct leg *leg, struct srtp_engine *engine)
{
	struct worker_shared *shared = argument;
	const struct leg_config *config = leg->config;
	struct injection way = {.from = config->local,
		.flow_label = leg->flow_label,
		.dscp = config->dscp,
		.shard = config->shard};
	uint8_t packet[BYE_ROOM];
	enum drop_reason reason;
	const struct next_hop *hop = leg_rtcp_destination(leg, config, &way.to, &reason);
	uint16_t length;
	int n;

	if (!has_ssrc(leg) || !hop)
		return;
	n = bye_build(leg, leg->tx.ssrc ? leg->tx.ssrc : config->ssrc, packet, sizeof(packet));
	if (n < 0)
		return;
	length = (uint16_t)n;
	if (config->secure)
		length = protect_bye(leg, engine, packet, length);
	if (!(config->flags & SL_LEG_RTCP_MUX)) {
		way.from.port = rte_cpu_to_be_16(rte_be_to_cpu_16(way.from.port) + 1);
		way.flow_label ^= 1; // as its other RTCP
	}
	way.hop_word = next_hop_word(hop);
	if (length && workers_inject(shared, leg->worker, &way, packet, length))
		shared->byes_lost++;
}
