// RTCP datagrams: the check (RFC 3550 6.4 to 6.7, A.2), the walk, the fields. rtcp_parse() proves
// every length; the functions behind it trust them.
#include "rtcp.h"

#include <errno.h>

#include "bytes.h"

#define COMMON_BYTES 4

static bool sdes_is_valid(const uint8_t *data, size_t length, unsigned int n_chunks)
{
	size_t at = COMMON_BYTES;

	while (n_chunks--) {
		if (at + 4 > length)
			return false;
		at += 4;
		while (at < length && data[at] != 0) {
			if (at + 2 > length)
				return false;
			at += 2 + (size_t)data[at + 1];
		}
		if (at >= length)
			return false;
		at = (at | 3) + 1; // one to four null octets, up to a 32-bit boundary
	}
	return at == length;
}

static bool bye_is_valid(const uint8_t *data, size_t length, unsigned int n_sources)
{
	size_t at = COMMON_BYTES + 4 * (size_t)n_sources;

	return at == length || (at < length && at + 1 + data[at] <= length);
}

static bool body_is_valid(const struct rtcp_packet *packet)
{
	size_t blocks = (size_t)packet->count * RTCP_BLOCK_BYTES;

	switch (packet->pt) {
	case RTCP_SR:
		return packet->length >= 28 + blocks;
	case RTCP_RR:
		return packet->length >= RTCP_HEADER_BYTES + blocks;
	case RTCP_SDES:
		return sdes_is_valid(packet->data, packet->length, packet->count);
	case RTCP_BYE:
		return bye_is_valid(packet->data, packet->length, packet->count);
	case RTCP_APP:
	case RTCP_RTPFB:
	case RTCP_PSFB:
		return packet->length >= 12;
	case RTCP_XR:
		return rtcp_xr_is_valid(packet);
	default:
		return packet->pt >= 192 && packet->pt <= 223;
	}
}

// Cut one packet off `data`, `room` bytes to the end of the datagram.
static int cut(const uint8_t *data, size_t room, struct rtcp_packet *packet, size_t *total)
{
	size_t padding = 0;

	if (room < COMMON_BYTES || data[0] >> 6 != 2)
		return -EBADMSG;
	*total = 4 * ((size_t)get_be16(data + 2) + 1);
	if (*total > room || *total > UINT16_MAX)
		return -EBADMSG;
	if (data[0] & 0x20) {
		padding = data[*total - 1];
		if (*total != room || padding == 0 || padding % 4 ||
			padding > *total - COMMON_BYTES)
			return -EBADMSG;
	}
	*packet = (struct rtcp_packet){
		.data = data,
		.length = (uint16_t)(*total - padding),
		.pt = data[1],
		.count = data[0] & 0x1f,
	};
	return 0;
}

// RFC 3550 6.1.
static bool may_be_first(uint8_t pt)
{
	return pt == RTCP_SR || pt == RTCP_RR;
}

int rtcp_parse(const uint8_t *datagram, size_t length, bool reduced_size)
{
	struct rtcp_packet packet;
	size_t at = 0, total;

	do {
		if (cut(datagram + at, length - at, &packet, &total) || !body_is_valid(&packet))
			return -EBADMSG;
		if (at == 0 && !reduced_size && !may_be_first(packet.pt))
			return -EBADMSG;
		at += total;
	} while (at < length);
	return 0;
}

bool rtcp_next(const uint8_t *datagram, size_t length, struct rtcp_packet *packet)
{
	size_t at = 0, total;

	if (packet->data)
		at = (size_t)(packet->data - datagram) +
		     4 * ((size_t)get_be16(packet->data + 2) + 1);
	return at < length && cut(datagram + at, length - at, packet, &total) == 0;
}

uint32_t rtcp_sender_ssrc(const struct rtcp_packet *packet)
{
	bool counted = packet->pt == RTCP_SDES || packet->pt == RTCP_BYE;

	if (packet->length < RTCP_HEADER_BYTES || (counted && packet->count == 0))
		return 0;
	return get_be32(packet->data + 4);
}

// Whether one of `n` SSRCs is `ssrc`, each `step` bytes behind the one before.
static bool names(const uint8_t *data, unsigned int n, unsigned int step, uint32_t ssrc)
{
	for (unsigned int i = 0; i < n; i++)
		if (get_be32(data + i * step) == ssrc)
			return true;
	return false;
}

static bool xr_is_about(const struct rtcp_packet *packet, uint32_t media)
{
	struct rtcp_xr_block block = {0};

	while (rtcp_xr_next(packet, &block))
		if (block.length >= 8 && get_be32(block.data + 4) == media)
			return true;
	return false;
}

static bool is_about(const struct rtcp_packet *packet, uint32_t media)
{
	const uint8_t *data = packet->data;

	switch (packet->pt) {
	case RTCP_SR:
		return names(data + 28, packet->count, RTCP_BLOCK_BYTES, media);
	case RTCP_RR:
		return names(data + RTCP_HEADER_BYTES, packet->count, RTCP_BLOCK_BYTES, media);
	case RTCP_PSFB:
		if (packet->count == RTCP_FMT_FIR &&
			names(data + 12, (packet->length - 12u) / 8, 8, media))
			return true;
		return get_be32(data + 8) == media;
	case RTCP_RTPFB:
		return get_be32(data + 8) == media;
	case RTCP_XR:
		return xr_is_about(packet, media);
	default:
		return false;
	}
}

bool rtcp_concerns(const uint8_t *datagram, size_t length, uint32_t source, uint32_t media)
{
	struct rtcp_packet packet = {0};

	while (rtcp_next(datagram, length, &packet))
		if (rtcp_sender_ssrc(&packet) == source || is_about(&packet, media))
			return true;
	return false;
}

void rtcp_block_read(const uint8_t *data, struct rtcp_block *block)
{
	*block = (struct rtcp_block){
		.ssrc = get_be32(data),
		.fraction_lost = data[4],
		.lost = get_be32(data + 4) & 0xffffff,
		.extended_sequence = get_be32(data + 8),
		.jitter = get_be32(data + 12),
		.last_sr = get_be32(data + 16),
		.delay_last_sr = get_be32(data + 20),
	};
}

void rtcp_block_write(uint8_t *data, const struct rtcp_block *block)
{
	put_be32(data, block->ssrc);
	put_be32(data + 4, (uint32_t)block->fraction_lost << 24 | (block->lost & 0xffffff));
	put_be32(data + 8, block->extended_sequence);
	put_be32(data + 12, block->jitter);
	put_be32(data + 16, block->last_sr);
	put_be32(data + 20, block->delay_last_sr);
}

void rtcp_sender_read(const struct rtcp_packet *sr, struct rtcp_sender *sender)
{
	*sender = (struct rtcp_sender){
		.ntp = (uint64_t)get_be32(sr->data + 8) << 32 | get_be32(sr->data + 12),
		.timestamp = get_be32(sr->data + 16),
		.packets = get_be32(sr->data + 20),
		.bytes = get_be32(sr->data + 24),
	};
}
