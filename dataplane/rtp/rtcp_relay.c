// What a relay makes of RTCP: one leg's datagram in the terms of the other leg. Every packet is
// built anew from fields that we understand, so nothing of the sender's side gets through by
// accident. The output is always a full compound (RFC 3550 6.1), also for reduced-size input.
#include <errno.h>

#include "bytes.h"
#include "rtcp.h"

#define FEEDBACK_BYTES 12 // header, SSRC of sender, SSRC of media
#define FMT_NACK       1  // RTPFB, RFC 4585 6.2.1
#define FMT_PLI	       1  // PSFB, RFC 4585 6.3.1

struct writer {
	uint8_t *at;
	size_t room;
	int error;
	bool has_report;
};

// Take note of what a builder returned.
static void written(struct writer *w, int n_bytes)
{
	if (n_bytes < 0) {
		w->error = n_bytes;
		w->room = 0;
		return;
	}
	w->at += n_bytes;
	w->room -= (size_t)n_bytes;
}

// Its cycles count wraps of what the receiver got, which is ours: only the low half is mapped.
static uint32_t map_extended_sequence(const struct rtcp_relay *relay, uint32_t extended)
{
	return (extended & 0xffff0000) | (uint16_t)(extended - relay->sequence_offset);
}

static unsigned int map_blocks(const struct rtcp_relay *relay, const uint8_t *data, unsigned int n,
	struct rtcp_block *blocks)
{
	unsigned int n_kept = 0;

	for (unsigned int i = 0; i < n && relay->media_known; i++) {
		struct rtcp_block *block = &blocks[n_kept];

		rtcp_block_read(data + i * RTCP_BLOCK_BYTES, block);
		if (block->ssrc != relay->media_ssrc)
			continue;
		block->ssrc = relay->media_source;
		block->extended_sequence = map_extended_sequence(relay, block->extended_sequence);
		n_kept++;
	}
	return n_kept;
}

// SR or RR, and behind the first one our SDES.
static void translate_report(
	const struct rtcp_relay *relay, const struct rtcp_packet *packet, struct writer *w)
{
	struct rtcp_block blocks[RTCP_BLOCKS_MAX];
	struct rtcp_sender sender;
	bool is_source = packet->pt == RTCP_SR && rtcp_sender_ssrc(packet) == relay->source_ssrc;
	const uint8_t *data = packet->data + (packet->pt == RTCP_SR ? 28 : RTCP_HEADER_BYTES);
	unsigned int n_blocks = map_blocks(relay, data, packet->count, blocks);

	if (is_source) {
		rtcp_sender_read(packet, &sender);
		sender.timestamp += relay->timestamp_offset;
	}
	written(w, rtcp_report_build(w->at, w->room, relay->sender_ssrc, is_source ? &sender : NULL,
			   blocks, n_blocks));
	if (!w->has_report && !w->error)
		written(w, rtcp_sdes_build(w->at, w->room, relay->sender_ssrc, relay->cname));
	w->has_report = true;
}

static void begin_compound(const struct rtcp_relay *relay, struct writer *w)
{
	static const struct rtcp_packet empty = {.pt = RTCP_RR, .length = RTCP_HEADER_BYTES};
	static const uint8_t data[RTCP_HEADER_BYTES];
	struct rtcp_packet report = empty;

	report.data = data;
	if (!w->has_report)
		translate_report(relay, &report, w);
}

// Feedback on the media that we send there, as feedback on the media it is made from.
static void translate_feedback(
	const struct rtcp_relay *relay, const struct rtcp_packet *packet, struct writer *w)
{
	uint8_t *out;

	if (!relay->media_known || get_be32(packet->data + 8) != relay->media_ssrc)
		return;
	begin_compound(relay, w);
	if (packet->length > w->room) {
		w->error = -ENOSPC;
		return;
	}
	out = w->at;
	out[0] = (uint8_t)(2 << 6 | packet->count);
	out[1] = packet->pt;
	put_be16(out + 2, (uint16_t)(packet->length / 4 - 1));
	put_be32(out + 4, relay->sender_ssrc);
	put_be32(out + 8, relay->media_source);
	for (unsigned int at = FEEDBACK_BYTES; at < packet->length; at += 4) {
		uint16_t pid = get_be16(packet->data + at);

		put_be16(out + at, (uint16_t)(pid - relay->sequence_offset));
		put_be16(out + at + 2, get_be16(packet->data + at + 2));
	}
	written(w, packet->length);
}

static bool bye_names(const struct rtcp_packet *packet, uint32_t ssrc)
{
	for (unsigned int i = 0; i < packet->count; i++) {
		if (get_be32(packet->data + 4 + 4 * i) == ssrc)
			return true;
	}
	return false;
}

static void translate_packet(
	const struct rtcp_relay *relay, const struct rtcp_packet *packet, struct writer *w)
{
	switch (packet->pt) {
	case RTCP_SR:
	case RTCP_RR:
		translate_report(relay, packet, w);
		break;
	case RTCP_BYE:
		if (!relay->pass_bye || !bye_names(packet, relay->source_ssrc))
			break;
		begin_compound(relay, w);
		written(w, rtcp_bye_build(w->at, w->room, relay->sender_ssrc));
		break;
	case RTCP_RTPFB:
		if (packet->count == FMT_NACK)
			translate_feedback(relay, packet, w);
		break;
	case RTCP_PSFB:
		if (packet->count == FMT_PLI && packet->length == FEEDBACK_BYTES)
			translate_feedback(relay, packet, w);
		break;
	default:
		break;
	}
}

int rtcp_relay_translate(const struct rtcp_relay *relay, const uint8_t *datagram, size_t length,
	uint8_t *out, size_t out_size)
{
	struct writer w = {.at = out, .room = out_size};
	struct rtcp_packet packet = {0};

	while (!w.error && rtcp_next(datagram, length, &packet))
		translate_packet(relay, &packet, &w);
	return w.error ? w.error : (int)(w.at - out);
}
