// RTP (RFC 3550, 3551) as pure functions: a view of a packet, sequence arithmetic, reception
// statistics. No allocation, no I/O, no state but what is passed in.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RTP_HEADER_BYTES 12

// A valid packet, cut up (RFC 3550 5.1). Offsets are from the packet's first byte.
struct rtp_view {
	uint32_t ssrc;
	uint32_t timestamp;
	uint16_t sequence;
	uint16_t payload_offset; // behind CSRCs and header extension
	uint16_t payload_bytes;	 // without padding
	uint8_t pt;
	bool marker;
};

enum rtp_kind { RTP_KIND_RTP, RTP_KIND_RTCP, RTP_KIND_STUN, RTP_KIND_DTLS, RTP_KIND_OTHER };

// What a datagram on a media port is, by its first bytes (RFC 7983; RTCP by RFC 5761 4).
enum rtp_kind rtp_demultiplex(const uint8_t *packet, size_t length);

// Check version, CSRC count, extension and padding against `length`. Returns 0 or -EBADMSG.
int rtp_parse(const uint8_t *packet, size_t length, struct rtp_view *view);

// Signed distance from `a` to `b` modulo 2^16: positive where `b` is ahead.
static inline int16_t rtp_sequence_distance(uint16_t a, uint16_t b)
{
	return (int16_t)(uint16_t)(b - a);
}

// Reception statistics of one SSRC (RFC 3550 A.1, A.3, A.8), with a window of the last 64
// sequence numbers to tell a duplicate from a late packet.
struct rtp_reception {
	uint64_t seen;	   // bit i: sequence max_sequence - i came
	uint64_t received; // unique packets
	uint32_t base;	   // extended sequence of the first packet
	uint32_t cycles;   // of the sequence number, << 16
	uint32_t ssrc;
	uint32_t transit;   // last, in clock units
	uint32_t jitter_q4; // jitter in clock units, << 4
	uint32_t duplicates;
	uint32_t reordered;
	uint16_t max_sequence;
	bool started;
};

enum rtp_arrival {
	RTP_ARRIVAL_NEXT,      // in order, maybe behind a gap
	RTP_ARRIVAL_LATE,      // reordered
	RTP_ARRIVAL_DUPLICATE, // seen already
	RTP_ARRIVAL_RESTART,   // new SSRC, or a jump of the sequence: statistics began anew
};

// Account for a packet that arrived at `now` (in units of the RTP clock, any origin).
enum rtp_arrival rtp_reception_update(
	struct rtp_reception *reception, const struct rtp_view *view, uint32_t now);

// Packets expected and not received so far (A.3); 0 where duplicates outnumber losses.
uint64_t rtp_reception_lost(const struct rtp_reception *reception);

// One stream in, another out without a seam: maps sequence and timestamp of changing sources (SSRC
// change, re-INVITE, transcoding switched on) into one continuous output stream.
struct rtp_continuity {
	uint32_t source_ssrc;
	uint32_t timestamp_offset; // out = in + offset
	uint32_t last_timestamp;   // highest sent
	uint16_t sequence_offset;
	uint16_t last_sequence; // highest sent
	bool started;
	uint64_t last_sent_ns;
};

// Map `view` of a packet sent at `now_ns` into the output stream: writes the outgoing sequence and
// timestamp. On a new source SSRC the sequence goes on by one and the timestamp by the time that
// passed (at least one tick of `clock_hz`). Returns true where the source changed (set the marker).
bool rtp_continuity_map(struct rtp_continuity *continuity, const struct rtp_view *view,
	uint64_t now_ns, uint32_t clock_hz, uint16_t *sequence, uint32_t *timestamp);
