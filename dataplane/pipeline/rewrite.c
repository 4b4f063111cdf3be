// Make each packet of the output the leg's own: RTP header first (one continuous stream under our
// SSRC, whatever it is made from), then the rest (headers.h).
#include "headers.h"
#include "stages.h"

static void write_rtp(uint8_t *rtp, const struct rtp_view *view)
{
	rte_be16_t sequence = rte_cpu_to_be_16(view->sequence);
	rte_be32_t timestamp = rte_cpu_to_be_32(view->timestamp);
	rte_be32_t ssrc = rte_cpu_to_be_32(view->ssrc);

	rtp[1] = (uint8_t)(view->marker << 7 | view->pt);
	memcpy(rtp + 2, &sequence, sizeof(sequence));
	memcpy(rtp + 4, &timestamp, sizeof(timestamp));
	memcpy(rtp + 8, &ssrc, sizeof(ssrc));
}

static void continue_stream(
	struct leg *leg, const struct leg_config *config, struct rtp_view *view, uint64_t now_ns)
{
	if (rtp_continuity_map(&leg->tx.continuity, view, now_ns, config->clocks_hz[0],
		    &view->sequence, &view->timestamp))
		view->marker = true;
	view->ssrc = config->ssrc;
}

static void refresh_header(struct leg *leg, const struct leg_config *config, struct leg_endpoint to)
{
	struct leg_header *header = &leg->tx.header;

	if (likely(leg->tx.header_generation == config->generation &&
		    header->ip.dst_addr == to.ip && header->udp.dst_port == to.port))
		return;
	header_make(header, config->local, to, config->dscp);
	leg->tx.header_generation = config->generation;
}

static void rewrite_packet(
	struct worker *worker, struct leg *leg, struct rte_mbuf *mbuf, struct rtp_view *view)
{
	const struct leg_config *config = leg_config(leg);
	struct leg_endpoint to;
	enum drop_reason reason;
	const struct next_hop *hop;
	uint16_t length = mbuf->data_len;

	if (unlikely(!(config->flags & SL_LEG_SEND))) {
		drop(worker, mbuf, DROP_not_sending);
		return;
	}
	hop = leg_rtp_destination(leg, config, &to, &reason);
	if (unlikely(!hop)) {
		drop(worker, mbuf, reason);
		return;
	}
	if (!(config->flags & SL_LEG_TRANSPARENT_SSRC))
		continue_stream(leg, config, view, worker->now_ns);
	write_rtp(rte_pktmbuf_mtod(mbuf, uint8_t *), view);
	refresh_header(leg, config, to);
	if (!header_push(worker, mbuf, &leg->tx.header, hop))
		return;
	leg->tx.packets++;
	leg->tx.bytes += length;
	leg->tx.octets += view->payload_bytes;
	leg->tx.is_sender = true;
	report_when_due(worker, leg, config);
}

void rewrite(struct worker *worker)
{
	struct output *output = &worker->output;

	for (unsigned int i = 0; i < output->n; i++)
		rewrite_packet(worker, output->legs[i], output->mbufs[i], &output->views[i]);
	output->n = 0;
}
