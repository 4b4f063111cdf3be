// RTP packets: cutting up those that rtp.h does not inline, writing their header.
// rtp_parse() proves every length once; what comes after it trusts the view.
#include "rtp.h"

#include <errno.h>

#include "bytes.h"

int rtp_parse_options(const uint8_t *packet, size_t length, struct rtp_view *view)
{
	size_t offset, padding = 0;

	if (length < RTP_HEADER_BYTES || length > UINT16_MAX || packet[0] >> 6 != 2)
		return -EBADMSG;
	offset = RTP_HEADER_BYTES + 4 * (size_t)(packet[0] & 0x0f);
	if (packet[0] & 0x10) {
		if (offset + 4 > length)
			return -EBADMSG;
		offset += 4 + 4 * (size_t)get_be16(packet + offset + 2);
	}
	if (offset > length)
		return -EBADMSG;
	if (packet[0] & 0x20) {
		padding = packet[length - 1];
		if (padding == 0 || padding > length - offset)
			return -EBADMSG;
	}
	*view = (struct rtp_view){
		.ssrc = get_be32(packet + 8),
		.timestamp = get_be32(packet + 4),
		.sequence = get_be16(packet + 2),
		.payload_offset = (uint16_t)offset,
		.payload_bytes = (uint16_t)(length - offset - padding),
		.pt = packet[1] & 0x7f,
		.marker = packet[1] >> 7,
	};
	return 0;
}

void rtp_header_write(uint8_t *packet, const struct rtp_view *view)
{
	packet[0] = 2 << 6;
	packet[1] = (uint8_t)(view->marker << 7 | view->pt);
	put_be16(packet + 2, view->sequence);
	put_be32(packet + 4, view->timestamp);
	put_be32(packet + 8, view->ssrc);
}
