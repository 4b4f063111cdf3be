// Builders of the RTCP packets that we send, and the report block of a reception (RFC 3550 A.3).
#include <errno.h>
#include <string.h>

#include "bytes.h"
#include "rtcp.h"
#include "rtp.h"

#define SDES_CNAME   1
#define SENDER_BYTES 20

void rtcp_header_write(uint8_t *out, uint8_t pt, unsigned int count, size_t n_bytes)
{
	out[0] = (uint8_t)(2 << 6 | count);
	out[1] = pt;
	put_be16(out + 2, (uint16_t)(n_bytes / 4 - 1));
}

int rtcp_report_build(uint8_t *out, size_t out_size, uint32_t ssrc,
	const struct rtcp_sender *sender, const struct rtcp_block *blocks, unsigned int n_blocks)
{
	size_t at = RTCP_HEADER_BYTES + (sender ? SENDER_BYTES : 0);
	size_t n_bytes = at + n_blocks * RTCP_BLOCK_BYTES;

	if (n_blocks > RTCP_BLOCKS_MAX || n_bytes > out_size)
		return -ENOSPC;
	rtcp_header_write(out, sender ? RTCP_SR : RTCP_RR, n_blocks, n_bytes);
	put_be32(out + 4, ssrc);
	if (sender) {
		put_be32(out + 8, (uint32_t)(sender->ntp >> 32));
		put_be32(out + 12, (uint32_t)sender->ntp);
		put_be32(out + 16, sender->timestamp);
		put_be32(out + 20, sender->packets);
		put_be32(out + 24, sender->bytes);
	}
	for (unsigned int i = 0; i < n_blocks; i++)
		rtcp_block_write(out + at + i * RTCP_BLOCK_BYTES, &blocks[i]);
	return (int)n_bytes;
}

int rtcp_sdes_build(uint8_t *out, size_t out_size, uint32_t ssrc, const char *cname)
{
	size_t cname_bytes = strnlen(cname, RTCP_CNAME_MAX);
	size_t end = RTCP_HEADER_BYTES + 2 + cname_bytes;
	size_t n_bytes = (end | 3) + 1; // at least one null octet ends the chunk

	if (n_bytes > out_size)
		return -ENOSPC;
	rtcp_header_write(out, RTCP_SDES, 1, n_bytes);
	put_be32(out + 4, ssrc);
	out[8] = SDES_CNAME;
	out[9] = (uint8_t)cname_bytes;
	memcpy(out + 10, cname, cname_bytes);
	memset(out + end, 0, n_bytes - end);
	return (int)n_bytes;
}

int rtcp_bye_build(uint8_t *out, size_t out_size, uint32_t ssrc)
{
	if (out_size < RTCP_HEADER_BYTES)
		return -ENOSPC;
	rtcp_header_write(out, RTCP_BYE, 1, RTCP_HEADER_BYTES);
	put_be32(out + 4, ssrc);
	return RTCP_HEADER_BYTES;
}

// Header of an XR packet with one block of `n_words` words. Returns where its contents begin.
static uint8_t *xr_write(uint8_t *out, uint32_t ssrc, uint8_t type, uint16_t n_words)
{
	rtcp_header_write(out, RTCP_XR, 0, RTCP_HEADER_BYTES + 4 + 4 * (size_t)n_words);
	put_be32(out + 4, ssrc);
	out[8] = type;
	out[9] = 0;
	put_be16(out + 10, n_words);
	return out + 12;
}

int rtcp_xr_receiver_time_build(uint8_t *out, size_t out_size, uint32_t ssrc, uint64_t ntp)
{
	uint8_t *at;

	if (out_size < 20)
		return -ENOSPC;
	at = xr_write(out, ssrc, RTCP_XR_RECEIVER_TIME, 2);
	put_be32(at, (uint32_t)(ntp >> 32));
	put_be32(at + 4, (uint32_t)ntp);
	return 20;
}

int rtcp_xr_dlrr_build(
	uint8_t *out, size_t out_size, uint32_t ssrc, const struct rtcp_xr_dlrr *dlrr)
{
	uint8_t *at;

	if (out_size < 24)
		return -ENOSPC;
	at = xr_write(out, ssrc, RTCP_XR_DLRR, 3);
	put_be32(at, dlrr->ssrc);
	put_be32(at + 4, dlrr->last_rr);
	put_be32(at + 8, dlrr->delay_last_rr);
	return 24;
}

// Of the interval since the last report, in 1/256; 0 where duplicates hide the losses.
static uint8_t fraction_lost(const struct rtp_reception *r, uint64_t expected)
{
	uint64_t interval = expected - r->expected_last;
	uint64_t received = r->received - r->received_last;
	uint64_t lost_q8;

	if (interval == 0 || received >= interval)
		return 0;
	lost_q8 = ((interval - received) << 8) / interval;
	return (uint8_t)(lost_q8 > 255 ? 255 : lost_q8);
}

void rtcp_block_from_reception(struct rtcp_block *block, struct rtp_reception *r)
{
	uint64_t expected = rtp_reception_expected(r);
	uint64_t lost = expected > r->received ? expected - r->received : 0;

	*block = (struct rtcp_block){
		.ssrc = r->ssrc,
		.fraction_lost = fraction_lost(r, expected),
		.lost = (uint32_t)(lost > 0x7fffff ? 0x7fffff : lost),
		.extended_sequence = r->cycles + r->max_sequence,
		.jitter = rtp_reception_jitter(r),
	};
	r->expected_last = expected;
	r->received_last = r->received;
}
