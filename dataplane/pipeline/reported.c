// What the far end's RTCP tells us ourselves, whoever else it is passed on to: how our media
// arrives there (report blocks, RFC 3550 6.4; VoIP metrics, RFC 3611 4.7), how long a round trip
// takes, and the times that our own reports answer with.
//
// Round trips are measured by our clock alone: a report names the sender report that it answers by
// the NTP time in it, and we remember when we sent that one, also where it was another's that we
// passed on. Only an answer to the last one counts.
#include <errno.h>

#include "reports.h"

#define SECOND_NS 1000000000ull

// The SSRC of the media that the leg is sent.
static uint32_t sent_ssrc(const struct leg_config *config)
{
	if (!(config->flags & SL_LEG_TRANSPARENT_SSRC))
		return config->ssrc;
	return config->source_leg ? config->source_leg->rx.reception.ssrc : 0;
}

// `delay` is what the far end took, in 1/65536 s. Its word: what cannot be is no round trip.
static void note_round_trip(struct leg *leg, uint64_t sent_ns, uint32_t delay, uint64_t now_ns)
{
	uint64_t delay_ns = (uint64_t)delay * SECOND_NS >> 16;
	uint64_t elapsed_ns = now_ns - sent_ns;

	if (!sent_ns || now_ns < sent_ns || delay_ns > elapsed_ns)
		return;
	leg->rx.reported.rtt_us =
		(uint32_t)RTE_MIN((elapsed_ns - delay_ns) / 1000 + 1, (uint64_t)UINT32_MAX);
}

static void note_block(struct leg *leg, uint32_t ssrc, const uint8_t *data, uint64_t now_ns)
{
	struct leg_reported *reported = &leg->rx.reported;
	struct rtcp_block block;

	rtcp_block_read(data, &block);
	if (block.ssrc != ssrc)
		return;
	reported->lost = block.lost & 0x800000 ? 0 : block.lost; // duplicates: fewer than none
	reported->jitter = block.jitter;
	reported->fraction_lost = block.fraction_lost;
	if (block.last_sr && block.last_sr == leg->tx.sr_time)
		note_round_trip(leg, leg->tx.sr_ns, block.delay_last_sr, now_ns);
}

// Remember the sender report of the media that we get, for the reports that we send.
static void note_sender(struct leg *leg, const struct rtcp_packet *packet, uint64_t now_ns)
{
	struct rtcp_sender sender;

	if (rtcp_sender_ssrc(packet) != leg->rx.reception.ssrc)
		return;
	rtcp_sender_read(packet, &sender);
	leg->rx.sr_time = (uint32_t)(sender.ntp >> 16);
	leg->rx.sr_ns = now_ns;
}

// Memory for what it says, at its first extended report. Where there is none just now, the next one
// is as good: they come all the time.
static bool has_xr(const struct worker *worker, struct leg *leg)
{
	struct leg_xr *xr;

	if (leg->xr)
		return true;
	xr = session_take_xr(worker->shared->config.sessions, worker->index);
	__atomic_store_n(&leg->xr, xr, __ATOMIC_RELEASE);
	return xr;
}

static void note_xr(
	struct leg *leg, uint32_t ssrc, const struct rtcp_packet *packet, uint64_t now_ns)
{
	struct leg_xr *xr = leg->xr;
	struct rtcp_xr_block block = {};
	struct rtcp_xr_dlrr dlrr;

	while (rtcp_xr_next(packet, &block)) {
		if (block.type == RTCP_XR_RECEIVER_TIME) {
			xr->receiver_time = get_be32(block.data + 6);
			xr->receiver_ssrc = rtcp_sender_ssrc(packet);
			xr->receiver_ns = now_ns;
		} else if (block.type == RTCP_XR_DLRR && rtcp_xr_dlrr_find(&block, ssrc, &dlrr)) {
			if (dlrr.last_rr && dlrr.last_rr == xr->sent_time)
				note_round_trip(leg, xr->sent_ns, dlrr.delay_last_rr, now_ns);
		} else if (block.type == RTCP_XR_VOIP && get_be32(block.data + 4) == ssrc) {
			memcpy(xr->voip, block.data, sizeof(xr->voip));
		}
	}
}

void reports_note(struct worker *worker, struct leg *leg, const struct leg_config *config,
	const uint8_t *datagram, uint16_t length)
{
	uint64_t now_ns = worker->now_ns;
	uint32_t ssrc = sent_ssrc(config);
	struct rtcp_packet packet = {};

	while (rtcp_next(datagram, length, &packet)) {
		unsigned int at = packet.pt == RTCP_SR ? 28 : RTCP_HEADER_BYTES;

		if (packet.pt == RTCP_XR && has_xr(worker, leg))
			note_xr(leg, ssrc, &packet, now_ns);
		if (packet.pt != RTCP_SR && packet.pt != RTCP_RR)
			continue;
		if (packet.pt == RTCP_SR)
			note_sender(leg, &packet, now_ns);
		for (unsigned int i = 0; i < packet.count; i++)
			note_block(leg, ssrc, packet.data + at + i * RTCP_BLOCK_BYTES, now_ns);
	}
}

// Only to who speaks XR himself: an answer to his time; and where we send no sender reports that
// he could answer, our time.
int reports_build_xr(
	struct leg *leg, uint32_t ssrc, bool sends, uint64_t now_ns, uint8_t *out, size_t room)
{
	struct leg_xr *xr = leg->xr;
	int n = 0, time;

	if (!xr)
		return 0;
	if (xr->receiver_ns) {
		uint64_t delay_ns = now_ns - xr->receiver_ns;
		const struct rtcp_xr_dlrr dlrr = {.ssrc = xr->receiver_ssrc,
			.last_rr = xr->receiver_time,
			.delay_last_rr = (uint32_t)((delay_ns << 16) / SECOND_NS)};

		n = rtcp_xr_dlrr_build(out, room, ssrc, &dlrr);
		xr->receiver_ns = 0; // an answer is given once
	}
	if (sends || n < 0)
		return n;
	xr->sent_ns = now_ns;
	time = rtcp_xr_receiver_time_build(out + n, room - (size_t)n, ssrc, ntp_now());
	if (time < 0)
		return time;
	xr->sent_time = get_be32(out + n + 14);
	return n + time;
}
