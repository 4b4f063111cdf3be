// The RTP flows of the forward benches: what is sent, and what must come back. A flow file says
// which, one flow a line, so that the generator knows nothing of who forwards:
//
//   FROM TO BACK_FROM BACK_TO VLAN BACK_VLAN KEY BACK_KEY
//
// An address is 192.0.2.1:16384 or [2001:db8::1]:16384, a VLAN a number (0: no tag), a key
// cm128-80:HEX or gcm128:HEX (master key and salt) or "-" for plain RTP.
//
// A packet is PCMU, 20 ms: 160 bytes of payload that name their flow and their place in it, say
// when they were due, and go on with a pattern. Everything else about it follows from these, so
// each packet that comes back is checked in full; only SRTP, where that costs more than what is
// measured, is opened by sample. Sending touches struct flow_tx, in the order of sending; receiving
// struct flow_rx, one cache line.
#pragma once

#include <rte_ether.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "histogram.h"
#include "srtp_crypto.h"

#define PAYLOAD_BYTES 160
#define RTP_BYTES     12
#define FRAME_ROOM    256 // of every frame
#define PATTERN_BYTES 512

struct payload {
	uint32_t flow;
	uint32_t count;
	uint64_t due_tsc; // when it should have been sent; 0: cannot tell (protected before)
	uint8_t pattern[PAYLOAD_BYTES - 16];
};

struct flow_tx {
	uint8_t *frame; // the flow's own, or the first of `n_frames` protected ones
	uint32_t count; // of the next packet
	uint64_t sum;	// of all that stays the same in it, for UDP's checksum
	uint16_t length;
	uint16_t rtp_at;
	uint16_t first_sequence;
	bool protected;
} __rte_aligned(32);

struct flow_rx {
	uint32_t count; // expected next
	uint32_t ssrc;
	uint32_t timestamp; // of the RTP packet number 0
	uint32_t sum;	    // of pseudo header, UDP header and the pattern, folded
	uint16_t sequence;  // of number 0
	uint16_t length;
	uint8_t rtp_at;
	uint8_t addresses_bytes; // 8 or 32, before the ports
	bool seen;
	bool protected;
	uint8_t ends[36]; // addresses and ports, as in the packet
} __rte_aligned(64);

struct flow_tallies {
	uint64_t received;
	uint64_t gaps;	  // packets that later ones of their flow overtook, or that got lost
	uint64_t late;	  // of them, came after all
	uint64_t opened;  // SRTP, authenticated and decrypted
	uint64_t rtcp;	  // sender reports
	uint64_t foreign; // no UDP: a kernel at the other end has its own to say
	uint64_t stale;	  // of a run before this one
	uint64_t bad;
	const char *why;	  // of the first that was bad
	struct histogram latency; // in TSC cycles
};

struct flows {
	struct rte_ether_addr ours, theirs;
	unsigned int n;
	unsigned int n_frames; // of each protected flow
	unsigned int n_protected;
	uint32_t first; // packet of each flow, see flows_begin()
	uint8_t *protected_frames;
	struct flow_tx *tx;		// in the order of sending, which is random
	struct flow_rx *rx;		// by number
	struct srtp_crypto **back_keys; // by number, NULL: plain RTP comes back
	uint32_t *by_address; // flow of protected packets, by the low half of where they go
	unsigned int samples;
	struct flow_tallies tallies;
};

// Read `path`. Protected flows get `n_frames` packets each, made now; with `swapped` the peer sends
// every packet back as it was, but addresses. Ends the program where it cannot.
void flows_load(struct flows *flows, const char *path, unsigned int n_frames, bool swapped);

// Flows of plain RTP begin with packet number `first`; and the number that none has reached yet.
void flows_begin(struct flows *flows, uint32_t first);
uint32_t flows_next(const struct flows *flows);

// The next packet of a flow, due at `due_tsc`; NULL: its protected ones are all sent.
uint8_t *flow_frame(const struct flows *flows, struct flow_tx *flow, uint64_t due_tsc);

// Some packets that came back, at most 64.
void flows_check(struct flows *flows, uint8_t *const *frames, const uint16_t *lengths,
	unsigned int n, uint64_t now_tsc);

// Sum of 16-bit words as they are in memory (RFC 1071), not folded: words of 32 bits have two of
// them, whose carries are folded with the rest. `n` is even.
static inline uint64_t words_sum(const void *bytes, size_t n)
{
	const uint8_t *at = bytes;
	uint64_t sum = 0;
	uint32_t word;
	uint16_t half = 0;

	for (; n >= sizeof(word); n -= sizeof(word), at += sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		sum += word;
	}
	if (n)
		memcpy(&half, at, sizeof(half));
	return sum + half;
}

static inline uint16_t words_fold(uint64_t sum)
{
	sum = (sum >> 32) + (uint32_t)sum;
	sum = (sum >> 32) + (uint32_t)sum;
	sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t)((sum >> 16) + sum);
}

// What every payload goes on with: a flow's pattern begins at a place of its own.
extern uint8_t payload_patterns[PATTERN_BYTES];

static inline const uint8_t *payload_pattern(uint32_t flow)
{
	return payload_patterns + (flow & 255);
}

void __attribute__((noreturn, format(printf, 1, 2))) die(const char *format, ...);
