// RTP header extensions (RFC 8285) of packets that rtp_parse() has passed: find one element, or
// write the header anew with a MID (RFC 9143 15) of ours and the other elements as they were.
#pragma once

#include <stdint.h>

#include "rtp.h"

#define RTP_EXTENSION_ID_MAX 14	 // of the one-byte form
#define RTP_MID_BYTES_MAX    16	 // one element of the one-byte form
#define RTP_HEADER_MAX	     512 // that rtp_mid_write() may need

// The data of the first element with `id` (1 to RTP_EXTENSION_ID_MAX), of either form, and its
// length; NULL where there is none.
const uint8_t *rtp_extension_find(const uint8_t *packet, uint8_t id, uint8_t *n_bytes);

// How the MID extension is to change on the way from one far end to another.
struct rtp_mid {
	uint8_t from_id; // elements of this id are left out; 0: there are none
	uint8_t id;	 // ours is written under this one; 0: none is
	uint8_t n_bytes; // 1 to RTP_MID_BYTES_MAX
	char bytes[RTP_MID_BYTES_MAX];
};

// Write all that is to stand before the payload of `packet` to `out`: fixed header, CSRCs, and the
// header extension without foreign MIDs and with ours at its end. Returns how many bytes it is, at
// most RTP_HEADER_MAX; other elements that find no room in them are left out.
uint16_t rtp_mid_write(
	const struct rtp_mid *mid, const uint8_t *packet, uint8_t out[RTP_HEADER_MAX]);
