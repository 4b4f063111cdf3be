// RTP (RFC 3550, 3551) as pure functions: what a datagram is, a view of a packet, sequence
// arithmetic, reception statistics, and one seamless stream out of changing sources. No allocation,
// no I/O, no state but what is passed in.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"

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

// By the second byte of an RTP or RTCP packet (RFC 5761 4).
static inline bool rtp_is_rtcp(const uint8_t *packet)
{
	return packet[1] >= 192 && packet[1] <= 223;
}

// What a datagram on a media port is, by its first bytes (RFC 7983).
static inline enum rtp_kind rtp_demultiplex(const uint8_t *packet, size_t length)
{
	if (length < 2)
		return RTP_KIND_OTHER;
	if (packet[0] >= 128 && packet[0] <= 191)
		return rtp_is_rtcp(packet) ? RTP_KIND_RTCP : RTP_KIND_RTP;
	if (packet[0] <= 3)
		return RTP_KIND_STUN;
	if (packet[0] >= 20 && packet[0] <= 63)
		return RTP_KIND_DTLS;
	return RTP_KIND_OTHER; // ZRTP, TURN channels and what is not assigned
}

// With CSRCs, a header extension or padding.
int rtp_parse_options(const uint8_t *packet, size_t length, struct rtp_view *view);

// Version 2 with neither CSRCs, header extension nor padding, as nearly all packets are; then what
// it says.
static inline bool rtp_is_bare(const uint8_t *packet, size_t length)
{
	return length >= RTP_HEADER_BYTES && length <= UINT16_MAX && packet[0] == 2 << 6;
}

static inline struct rtp_view rtp_view_bare(const uint8_t *packet, size_t length)
{
	return (struct rtp_view){
		.ssrc = get_be32(packet + 8),
		.timestamp = get_be32(packet + 4),
		.sequence = get_be16(packet + 2),
		.payload_offset = RTP_HEADER_BYTES,
		.payload_bytes = (uint16_t)(length - RTP_HEADER_BYTES),
		.pt = packet[1] & 0x7f,
		.marker = packet[1] >> 7,
	};
}

// Check version, CSRC count, extension and padding against `length`. Returns 0 or -EBADMSG.
static inline int rtp_parse(const uint8_t *packet, size_t length, struct rtp_view *view)
{
	if (!rtp_is_bare(packet, length))
		return rtp_parse_options(packet, length, view);
	*view = rtp_view_bare(packet, length);
	return 0;
}

// Write a header without CSRCs and extension: RTP_HEADER_BYTES bytes, from the view's ssrc,
// timestamp, sequence, pt and marker.
void rtp_header_write(uint8_t *packet, const struct rtp_view *view);

// Signed distance from `a` to `b` modulo 2^16: positive where `b` is ahead.
static inline int16_t rtp_sequence_distance(uint16_t a, uint16_t b)
{
	return (int16_t)(uint16_t)(b - a);
}

// Signed distance from `a` to `b` modulo 2^32: positive where `b` is ahead.
static inline int32_t rtp_timestamp_distance(uint32_t a, uint32_t b)
{
	return (int32_t)(b - a);
}

// A step of the sequence number beyond these is a restart of the source, not loss or reordering
// (RFC 3550 A.1).
#define RTP_MAX_DROPOUT	 3000
#define RTP_MAX_MISORDER 100

// Reception statistics of one sender (RFC 3550 A.1, A.3, A.8), with a window of the last 64
// sequence numbers to tell a duplicate from a late packet. Zero it before the first packet.
struct rtp_reception {
	// Of every packet
	uint64_t seen;	   // bit i: sequence max_sequence - i came
	uint64_t received; // unique packets of this source
	uint32_t cycles;   // of the sequence number, << 16
	uint32_t ssrc;
	uint32_t transit;      // last, in clock units
	uint32_t timestamp;    // last
	uint32_t jitter_q4;    // jitter in clock units, << 4
	uint16_t max_sequence; // highest seen
	uint16_t bad_sequence; // what would confirm a jump
	bool started;
	bool jumped; // bad_sequence is set
	// Of some
	uint32_t base; // extended sequence of the first packet
	uint32_t duplicates;
	uint32_t reordered;
	uint32_t jumps;		// packets far off the sequence that no second one followed
	uint32_t bursts;	// runs of sequences that did not come
	uint64_t lost_before;	// by the sources before this one
	uint64_t expected_last; // at the last report (A.3 "expected_prior")
	uint64_t received_last;
};

enum rtp_arrival {
	RTP_ARRIVAL_NEXT,      // in order, maybe behind a gap
	RTP_ARRIVAL_LATE,      // reordered
	RTP_ARRIVAL_DUPLICATE, // seen already
	RTP_ARRIVAL_JUMP,      // far off the sequence: not counted until a second one follows it
	RTP_ARRIVAL_RESTART,   // first packet, new SSRC or a confirmed jump: began anew
};

// A step of the transit time beyond this is a new origin of the timestamps, not jitter: 131 s at
// 8,000 Hz, 21 s at 48,000 Hz.
#define RTP_TRANSIT_STEP_MAX (1u << 20)

// A.8. `now` and the timestamp are in the same unit, so only their difference matters.
static inline void rtp_reception_measure(
	struct rtp_reception *reception, uint32_t timestamp, uint32_t now)
{
	uint32_t transit = now - timestamp;
	uint32_t d = transit - reception->transit;

	if (timestamp == reception->timestamp)
		return;
	if ((int32_t)d < 0)
		d = -d;
	if (d < RTP_TRANSIT_STEP_MAX)
		reception->jitter_q4 += d - ((reception->jitter_q4 + 8) >> 4);
	reception->transit = transit;
	reception->timestamp = timestamp;
}

// Any packet but the one behind the highest.
enum rtp_arrival rtp_reception_update_other(
	struct rtp_reception *reception, const struct rtp_view *view, uint32_t now);

// Account for a packet that arrived at `now` (in units of the RTP clock, any origin). Packets that
// repeat the last timestamp (RFC 4733 events) give no jitter sample. Nearly all packets are the
// next one.
static inline enum rtp_arrival rtp_reception_update(
	struct rtp_reception *reception, const struct rtp_view *view, uint32_t now)
{
	if (!reception->started || view->ssrc != reception->ssrc ||
		view->sequence != (uint16_t)(reception->max_sequence + 1))
		return rtp_reception_update_other(reception, view, now);
	if (view->sequence == 0)
		reception->cycles += 1u << 16;
	reception->max_sequence = view->sequence;
	reception->seen = reception->seen << 1 | 1;
	reception->received++;
	reception->jumped = false;
	rtp_reception_measure(reception, view->timestamp, now);
	return RTP_ARRIVAL_NEXT;
}

// Packets expected and not received so far (A.3), over all sources; never below 0.
uint64_t rtp_reception_lost(const struct rtp_reception *reception);

// Packets expected of the present source (A.3).
uint64_t rtp_reception_expected(const struct rtp_reception *reception);

// Interarrival jitter in clock units (A.8).
static inline uint32_t rtp_reception_jitter(const struct rtp_reception *reception)
{
	return reception->jitter_q4 >> 4;
}

// One stream in, another out without a seam: maps sequence and timestamp of changing sources (SSRC
// change, re-INVITE, transcoding switched on) into one continuous output stream. Zero it, or set
// the two offsets to what the first source shall be shifted by.
//
// A late packet keeps its place: it maps with the offsets of its source, also for a while after
// another source took over. A jump of the sequence within one SSRC counts as a new source.
struct rtp_continuity {
	uint64_t last_sent_ns;	 // when last_timestamp was sent
	uint32_t last_timestamp; // latest sent, events left out
	uint32_t source_ssrc;
	uint32_t timestamp_offset; // out = in + offset
	uint32_t previous_ssrc;	   // the source before this one ...
	uint32_t previous_timestamp_offset;
	uint16_t previous_sequence_offset;
	uint16_t previous_last_sequence; // ... and the highest that was sent of it
	uint16_t sequence_offset;
	uint16_t last_sequence; // highest sent
	bool started;
	bool has_previous;
};

// The highest sent so far is now that of `sequence` and `timestamp`.
//
// Timestamps a little behind the last are those of a telephone event, whose packets all say when it
// began. The pair of last timestamp and time leaves them out, so it goes on saying which time is
// which timestamp.
static inline void rtp_continuity_note(struct rtp_continuity *continuity, uint16_t sequence,
	uint32_t timestamp, uint64_t now_ns, uint32_t clock_hz)
{
	const uint32_t event_s = 10;

	continuity->last_sequence = sequence;
	if (continuity->last_timestamp - timestamp < event_s * clock_hz)
		return;
	continuity->last_timestamp = timestamp;
	continuity->last_sent_ns = now_ns;
}

// Any packet but one of the present source that goes ahead.
bool rtp_continuity_map_other(struct rtp_continuity *continuity, const struct rtp_view *view,
	uint64_t now_ns, uint32_t clock_hz, uint16_t *sequence, uint32_t *timestamp);

// Map `view` of a packet sent at `now_ns` into the output stream: writes the outgoing sequence and
// timestamp. On a new source the sequence goes on by one and the timestamp by the time that passed
// (at least one tick of `clock_hz`). Returns true where the source is new (set the marker). (A
// packet of the present source is never one of the source before: they differ in their SSRC.)
static inline bool rtp_continuity_map(struct rtp_continuity *continuity,
	const struct rtp_view *view, uint64_t now_ns, uint32_t clock_hz, uint16_t *sequence,
	uint32_t *timestamp)
{
	uint16_t next = (uint16_t)(view->sequence + continuity->sequence_offset);

	if (!continuity->started || view->ssrc != continuity->source_ssrc ||
		(uint16_t)(next - continuity->last_sequence - 1) >= RTP_MAX_DROPOUT - 1)
		return rtp_continuity_map_other(
			continuity, view, now_ns, clock_hz, sequence, timestamp);
	*sequence = next;
	*timestamp = view->timestamp + continuity->timestamp_offset;
	rtp_continuity_note(continuity, next, *timestamp, now_ns, clock_hz);
	return false;
}
