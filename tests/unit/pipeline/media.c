#include "media.h"

#include <string.h>

static const struct udp_packet towards[2] = {
	{.to_mac = MAC_P0, .from_mac = MAC_FAR0, .to = OUR0},
	{.to_mac = MAC_P1, .from_mac = MAC_FAR1, .to = OUR1},
};

void build_towards(struct frame *frame, unsigned int port, struct udp_packet udp)
{
	udp.to_mac = towards[port].to_mac;
	udp.from_mac = towards[port].from_mac;
	udp.to = towards[port].to;
	frame_build(frame, &udp);
}

void build_datagram(struct frame *frame, const char *from, uint16_t from_port, uint16_t local_port,
	const uint8_t *payload, unsigned int payload_bytes)
{
	const struct udp_packet udp = {.from = from,
		.from_port = from_port,
		.to_port = local_port,
		.payload = payload,
		.payload_bytes = payload_bytes};

	build_towards(frame, 0, udp);
}

void push_datagram(const char *from, uint16_t from_port, uint16_t local_port,
	const uint8_t *payload, unsigned int payload_bytes)
{
	struct frame frame;

	build_datagram(&frame, from, from_port, local_port, payload, payload_bytes);
	frame_push(0, &frame);
}

void push_datagram1(const char *from, uint16_t from_port, uint16_t local_port,
	const uint8_t *payload, unsigned int payload_bytes)
{
	const struct udp_packet udp = {.from = from,
		.from_port = from_port,
		.to_port = local_port,
		.payload = payload,
		.payload_bytes = payload_bytes};
	struct frame frame;

	build_towards(&frame, 1, udp);
	frame_push(1, &frame);
}

static unsigned int build_silence_of(uint32_t ssrc, uint8_t *out, uint16_t sequence)
{
	static const uint8_t silence[160] = {[0 ... 159] = 0xff};
	const struct rtp_packet rtp = {.sequence = sequence,
		.timestamp = sequence * 160u,
		.ssrc = ssrc,
		.payload = silence,
		.payload_bytes = sizeof(silence)};

	return rtp_build(out, &rtp);
}

unsigned int build_silence(uint8_t *out, uint16_t sequence)
{
	return build_silence_of(SSRC0, out, sequence);
}

void push_silence(const char *from, uint16_t from_port, uint16_t local_port, uint16_t sequence)
{
	uint8_t bytes[FRAME_MAX];

	push_datagram(from, from_port, local_port, bytes, build_silence(bytes, sequence));
}

void push_silence1(uint16_t sequence)
{
	uint8_t bytes[FRAME_MAX];

	push_datagram1(FAR1, 5000, LOCAL1, bytes, build_silence_of(SSRC1, bytes, sequence));
}

uint16_t half_at(const struct frame *frame, unsigned int at)
{
	return (uint16_t)(frame->bytes[at] << 8 | frame->bytes[at + 1]);
}

uint32_t word_at(const struct frame *frame, unsigned int at)
{
	return (uint32_t)half_at(frame, at) << 16 | half_at(frame, at + 2);
}

uint16_t sequence_of(const struct frame *frame)
{
	return half_at(frame, UDP_DATA + 2);
}

void discard_output(void)
{
	struct frame frame;

	while (frame_pop(0, &frame) || frame_pop(1, &frame))
		;
}
