// Frames of the two-legged session that rig_session() describes: from the far end of leg 0 and from
// that of leg 1, which come in at port 0 and port 1.
#pragma once

#include "pipeline_rig.h"

#define FAR0	 "198.51.100.1"
#define FAR1	 "198.51.100.2"
#define OUR0	 "192.0.2.1"
#define OUR1	 "203.0.113.1"
#define NAT	 "198.51.100.77" // where far end 0 may come from, too
#define STRANGER "198.51.100.78"
#define FAR0_V6	 "2001:db8:9::1"
#define FAR1_V6	 "2001:db8:9::2"
#define LOCAL0	 20000
#define LOCAL1	 20010
#define SSRC0	 0x11223344u // far end of leg 0, see build_silence()
#define SSRC1	 0x55667788u
#define UDP_DATA 42 // where the payload is in a frame

// A frame to our address of a port: MACs and `to` are filled in.
void build_towards(struct frame *frame, unsigned int port, struct udp_packet udp);

// A UDP payload from `from`:`from_port` to our `local_port` at port 0.
void build_datagram(struct frame *frame, const char *from, uint16_t from_port, uint16_t local_port,
	const uint8_t *payload, unsigned int payload_bytes);
void push_datagram(const char *from, uint16_t from_port, uint16_t local_port,
	const uint8_t *payload, unsigned int payload_bytes);

// The same at port 1, to LOCAL1 or behind it.
void push_datagram1(const char *from, uint16_t from_port, uint16_t local_port,
	const uint8_t *payload, unsigned int payload_bytes);

// A packet of PCMU silence, of far end 0.
unsigned int build_silence(uint8_t *out, uint16_t sequence);
void push_silence(const char *from, uint16_t from_port, uint16_t local_port, uint16_t sequence);

// The same of far end 1, from where it is to LOCAL1.
void push_silence1(uint16_t sequence);

uint16_t half_at(const struct frame *frame, unsigned int at);
uint32_t word_at(const struct frame *frame, unsigned int at);
uint16_t sequence_of(const struct frame *frame); // of RTP over IPv4
void discard_output(void);
