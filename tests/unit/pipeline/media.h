// Frames of the two-legged session that rig_session() describes: from the far end of leg 0 and from
// leg 1 to its far end.
#pragma once

#include "pipeline_rig.h"

#define FAR0 "198.51.100.1"
#define FAR1 "198.51.100.2"
#define OUR0 "192.0.2.1"
#define OUR1 "203.0.113.1"

// A UDP payload from `from`:`from_port` to our `local_port` at port 0.
static inline void build_datagram(struct frame *frame, const char *from, uint16_t from_port,
	uint16_t local_port, const uint8_t *payload, unsigned int payload_bytes)
{
	const struct udp_packet udp = {.to_mac = MAC_P0,
		.from_mac = MAC_FAR0,
		.from = from,
		.from_port = from_port,
		.to = OUR0,
		.to_port = local_port,
		.payload = payload,
		.payload_bytes = payload_bytes};

	frame_build(frame, &udp);
}

static inline void push_datagram(const char *from, uint16_t from_port, uint16_t local_port,
	const uint8_t *payload, unsigned int payload_bytes)
{
	struct frame frame;

	build_datagram(&frame, from, from_port, local_port, payload, payload_bytes);
	frame_push(0, &frame);
}

// A packet of PCMU silence.
static inline unsigned int build_silence(uint8_t *out, uint16_t sequence)
{
	static const uint8_t silence[160] = {[0 ... 159] = 0xff};
	const struct rtp_packet rtp = {.sequence = sequence,
		.timestamp = sequence * 160u,
		.ssrc = 0x11223344,
		.payload = silence,
		.payload_bytes = sizeof(silence)};

	return rtp_build(out, &rtp);
}

static inline void push_silence(
	const char *from, uint16_t from_port, uint16_t local_port, uint16_t sequence)
{
	uint8_t bytes[FRAME_MAX];

	push_datagram(from, from_port, local_port, bytes, build_silence(bytes, sequence));
}
