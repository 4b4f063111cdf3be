// Extended reports (RFC 3611): the check, the walk over report blocks, and the fields of those that
// we make use of ourselves. What a relay makes of them is in rtcp_relay.c.
#include "bytes.h"
#include "rtcp.h"

#define BLOCK_HEADER_BYTES 4
#define DLRR_BYTES	   12

bool rtcp_xr_next(const struct rtcp_packet *xr, struct rtcp_xr_block *block)
{
	size_t at = RTCP_HEADER_BYTES;
	uint32_t length;

	if (block->data)
		at = (size_t)(block->data - xr->data) + block->length;
	if (at + BLOCK_HEADER_BYTES > xr->length)
		return false;
	length = 4 * ((uint32_t)get_be16(xr->data + at + 2) + 1);
	if (at + length > xr->length)
		return false;
	*block = (struct rtcp_xr_block){
		.data = xr->data + at, .length = length, .type = xr->data[at]};
	return true;
}

static bool block_is_valid(const struct rtcp_xr_block *block)
{
	switch (block->type) {
	case RTCP_XR_LOSS_RLE:
	case RTCP_XR_DUPLICATE_RLE:
	case RTCP_XR_RECEIPT_TIMES:
		return block->length >= 12;
	case RTCP_XR_RECEIVER_TIME:
		return block->length == 12;
	case RTCP_XR_DLRR:
		return (block->length - BLOCK_HEADER_BYTES) % DLRR_BYTES == 0;
	case RTCP_XR_STATISTICS:
		return block->length == 40;
	case RTCP_XR_VOIP:
		return block->length == RTCP_XR_VOIP_BYTES;
	default:
		return true;
	}
}

bool rtcp_xr_is_valid(const struct rtcp_packet *xr)
{
	struct rtcp_xr_block block = {0};
	size_t end = RTCP_HEADER_BYTES;

	if (xr->length < RTCP_HEADER_BYTES)
		return false;
	while (rtcp_xr_next(xr, &block)) {
		if (!block_is_valid(&block))
			return false;
		end = (size_t)(block.data - xr->data) + block.length;
	}
	return end == xr->length;
}

bool rtcp_xr_dlrr_find(const struct rtcp_xr_block *block, uint32_t ssrc, struct rtcp_xr_dlrr *dlrr)
{
	for (uint32_t at = BLOCK_HEADER_BYTES; at < block->length; at += DLRR_BYTES) {
		const uint8_t *data = block->data + at;

		if (get_be32(data) != ssrc)
			continue;
		*dlrr = (struct rtcp_xr_dlrr){.ssrc = ssrc,
			.last_rr = get_be32(data + 4),
			.delay_last_rr = get_be32(data + 8)};
		return true;
	}
	return false;
}

void rtcp_xr_voip_read(const uint8_t *data, struct rtcp_xr_voip *voip)
{
	*voip = (struct rtcp_xr_voip){
		.ssrc = get_be32(data + 4),
		.loss_rate = data[8],
		.discard_rate = data[9],
		.burst_density = data[10],
		.gap_density = data[11],
		.burst_duration_ms = get_be16(data + 12),
		.gap_duration_ms = get_be16(data + 14),
		.round_trip_ms = get_be16(data + 16),
		.end_system_delay_ms = get_be16(data + 18),
		.signal_level_dbm = (int8_t)data[20],
		.noise_level_dbm = (int8_t)data[21],
		.rerl_db = data[22],
		.gmin = data[23],
		.r_factor = data[24],
		.external_r_factor = data[25],
		.mos_lq = data[26],
		.mos_cq = data[27],
		.rx_config = data[28],
		.jitter_buffer_nominal_ms = get_be16(data + 30),
		.jitter_buffer_maximum_ms = get_be16(data + 32),
		.jitter_buffer_absolute_ms = get_be16(data + 34),
	};
}
