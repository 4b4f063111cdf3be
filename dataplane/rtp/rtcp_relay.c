// What a relay makes of RTCP: one leg's datagram in the terms of the other leg. Every packet is
// built anew from fields that we understand, so nothing of the sender's side gets through by
// accident. The output is a full compound (RFC 3550 6.1) unless both sides have agreed on
// reduced-size RTCP. Sequence numbers in reports are mapped only as far back as the offset of today
// holds: what reaches into the time of another source is left out.
#include <errno.h>
#include <string.h>

#include "bytes.h"
#include "rtcp.h"

#define FEEDBACK_BYTES 12 // header, SSRC of sender, SSRC of media
#define FMT_NACK       1  // RTPFB, RFC 4585 6.2.1
#define FMT_PLI	       1  // PSFB, RFC 4585 6.3.1

struct writer {
	uint8_t *at;
	size_t room;
	int error;
	bool has_report; // or needs none
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

// Whether the offset holds for a packet that we sent.
static bool can_map(const struct rtcp_relay *relay, uint16_t sequence)
{
	return (uint16_t)(relay->sequence_last - sequence) <= relay->sequence_span;
}

static uint16_t map_sequence(const struct rtcp_relay *relay, uint16_t sequence)
{
	return (uint16_t)(sequence - relay->sequence_offset);
}

// Generic NACKs behind FEEDBACK_BYTES of `out`. Returns the bytes of all.
static unsigned int map_nacks(
	const struct rtcp_relay *relay, const struct rtcp_packet *packet, uint8_t *out)
{
	unsigned int n = FEEDBACK_BYTES;

	for (unsigned int at = FEEDBACK_BYTES; at + 4 <= packet->length; at += 4) {
		uint16_t pid = get_be16(packet->data + at);

		if (!can_map(relay, pid))
			continue;
		put_be16(out + n, map_sequence(relay, pid));
		put_be16(out + n + 2, get_be16(packet->data + at + 2));
		n += 4;
	}
	return n;
}

// Feedback on the media that we send there, as feedback on the media it is made from.
static void translate_feedback(
	const struct rtcp_relay *relay, const struct rtcp_packet *packet, struct writer *w)
{
	unsigned int n = FEEDBACK_BYTES;
	struct writer before = *w;

	if (!relay->media_known || get_be32(packet->data + 8) != relay->media_ssrc)
		return;
	begin_compound(relay, w);
	if (packet->length > w->room) {
		w->error = -ENOSPC;
		return;
	}
	if (packet->pt == RTCP_RTPFB)
		n = map_nacks(relay, packet, w->at);
	if (packet->pt == RTCP_RTPFB && n == FEEDBACK_BYTES) { // asks for nothing that we can name
		*w = before;
		return;
	}
	rtcp_header_write(w->at, packet->pt, packet->count, n);
	put_be32(w->at + 4, relay->sender_ssrc);
	put_be32(w->at + 8, relay->media_source);
	written(w, (int)n);
}

// A full intra request names its media in each entry (RFC 5104 4.3.1): SSRC, number, reserved.
static void translate_fir(
	const struct rtcp_relay *relay, const struct rtcp_packet *packet, struct writer *w)
{
	unsigned int n = FEEDBACK_BYTES;
	struct writer before = *w;

	begin_compound(relay, w);
	if (packet->length > w->room) {
		w->error = -ENOSPC;
		return;
	}
	for (unsigned int at = FEEDBACK_BYTES; at + 8 <= packet->length; at += 8) {
		if (!relay->media_known || get_be32(packet->data + at) != relay->media_ssrc)
			continue;
		put_be32(w->at + n, relay->media_source);
		memcpy(w->at + n + 4, packet->data + at + 4, 4);
		n += 8;
	}
	if (n == FEEDBACK_BYTES) {
		*w = before;
		return;
	}
	rtcp_header_write(w->at, RTCP_PSFB, RTCP_FMT_FIR, n);
	put_be32(w->at + 4, relay->sender_ssrc);
	put_be32(w->at + 8, 0);
	written(w, (int)n);
}

// A block about a range of packets: SSRC, first sequence number, and the one behind the last.
// Thinned reports are about multiples of 2^T.
static uint32_t map_range(
	const struct rtcp_relay *relay, const struct rtcp_xr_block *block, uint8_t *out)
{
	uint16_t begin = get_be16(block->data + 8), end = get_be16(block->data + 10);
	uint16_t last = (uint16_t)(end - 1);
	unsigned int thinning = block->type == RTCP_XR_STATISTICS ? 0 : block->data[1] & 0x0f;

	if (!relay->media_known || get_be32(block->data + 4) != relay->media_ssrc)
		return 0;
	if (begin == end || !can_map(relay, begin) ||
		(uint16_t)(last - begin) > (uint16_t)(relay->sequence_last - begin) ||
		relay->sequence_offset & ((1u << thinning) - 1))
		return 0;
	memcpy(out, block->data, block->length);
	put_be32(out + 4, relay->media_source);
	put_be16(out + 8, map_sequence(relay, begin));
	put_be16(out + 10, map_sequence(relay, end));
	return block->length;
}

static uint32_t map_dlrr(
	const struct rtcp_relay *relay, const struct rtcp_xr_block *block, uint8_t *out)
{
	uint32_t n = 4;

	for (uint32_t at = 4; relay->media_known && at < block->length; at += 12) {
		if (get_be32(block->data + at) != relay->media_ssrc)
			continue;
		put_be32(out + n, relay->media_source);
		memcpy(out + n + 4, block->data + at + 4, 8);
		n += 12;
	}
	out[0] = RTCP_XR_DLRR;
	out[1] = 0;
	put_be16(out + 2, (uint16_t)(n / 4 - 1));
	return n > 4 ? n : 0;
}

// Writes at most the block's length. Returns how much, 0 where it cannot be mapped.
static uint32_t map_xr_block(const struct rtcp_relay *relay, const struct rtcp_packet *packet,
	const struct rtcp_xr_block *block, uint8_t *out)
{
	switch (block->type) {
	case RTCP_XR_LOSS_RLE:
	case RTCP_XR_DUPLICATE_RLE:
	case RTCP_XR_RECEIPT_TIMES:
	case RTCP_XR_STATISTICS:
		return map_range(relay, block, out);
	case RTCP_XR_RECEIVER_TIME: // the answer will be for whom we send as
		if (rtcp_sender_ssrc(packet) != relay->source_ssrc)
			return 0;
		memcpy(out, block->data, block->length);
		return block->length;
	case RTCP_XR_DLRR:
		return map_dlrr(relay, block, out);
	case RTCP_XR_VOIP:
		if (!relay->media_known || get_be32(block->data + 4) != relay->media_ssrc)
			return 0;
		memcpy(out, block->data, block->length);
		put_be32(out + 4, relay->media_source);
		return block->length;
	default:
		return 0;
	}
}

static void translate_xr(
	const struct rtcp_relay *relay, const struct rtcp_packet *packet, struct writer *w)
{
	struct rtcp_xr_block block = {0};
	struct writer before = *w;
	uint32_t n = RTCP_HEADER_BYTES;

	begin_compound(relay, w);
	if (packet->length > w->room) {
		w->error = -ENOSPC;
		return;
	}
	while (rtcp_xr_next(packet, &block))
		n += map_xr_block(relay, packet, &block, w->at + n);
	if (n == RTCP_HEADER_BYTES) {
		*w = before;
		return;
	}
	rtcp_header_write(w->at, RTCP_XR, 0, n);
	put_be32(w->at + 4, relay->sender_ssrc);
	written(w, (int)n);
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
		else if (packet->count == RTCP_FMT_FIR)
			translate_fir(relay, packet, w);
		break;
	case RTCP_XR:
		translate_xr(relay, packet, w);
		break;
	default:
		break;
	}
}

int rtcp_relay_translate(const struct rtcp_relay *relay, const uint8_t *datagram, size_t length,
	uint8_t *out, size_t out_size)
{
	bool is_compound = datagram[1] == RTCP_SR || datagram[1] == RTCP_RR;
	struct writer w = {
		.at = out, .room = out_size, .has_report = relay->reduced_size && !is_compound};
	struct rtcp_packet packet = {0};

	while (!w.error && rtcp_next(datagram, length, &packet))
		translate_packet(relay, &packet, &w);
	return w.error ? w.error : (int)(w.at - out);
}
