// A small reorder window: RTP packets of one source in, the same packets in order out.
//
// It holds nothing up unless a packet is missing. Then what is behind the gap waits until
// REORDER_HOLD packets are there, or until the caller's patience ends; a packet that comes later
// than that is late. The window owns the packets it holds, and keeps what it knows of each in the
// packet's own buffer, before its data: a window that holds nothing takes next to no memory.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "rtp.h"

struct rte_mbuf;

#define REORDER_SLOTS 32 // also the most that may wait for a codec: 640 ms of 20 ms packets
#define REORDER_HOLD  2

struct reorder_packet {
	struct rte_mbuf *mbuf; // NULL: none. With RTE_PKTMBUF_HEADROOM before its data
	struct rtp_view view;
	uint64_t arrived_ns;	     // worker's clock
	uint64_t put_tsc;	     // when it came in here
	struct reorder_packet *next; // the window's
};

struct reorder {
	struct reorder_packet *first, *last; // by sequence, within REORDER_SLOTS of `next`
	uint64_t came;			     // bit i: sequence next - 1 - i came (late ones too)
	uint32_t skipped;    // sequences passed over since the last packet was taken
	uint32_t overflowed; // packets dropped because nobody took them in time
	uint16_t next;	     // sequence to be taken next
	uint16_t jump_next;  // what would confirm a jump
	uint16_t n_held;
	bool started;
	bool jumped; // jump_next is set
};

enum reorder_result {
	REORDER_TAKEN,	   // the window has it
	REORDER_LATE,	   // its place is gone; not taken
	REORDER_DUPLICATE, // not taken
	REORDER_STRAY,	   // far off the sequence, the next one decides; not taken
	REORDER_RESTART,   // taken as the first of a new sequence; what was held is gone
};

void reorder_init(struct reorder *window); // zeroed or emptied before
void reorder_empty(struct reorder *window);

enum reorder_result reorder_put(struct reorder *window, const struct reorder_packet *packet);

// Would reorder_take() give something?
bool reorder_ready(const struct reorder *window);

// The packet that would be taken next, and how many sequences are missing before it; NULL: none.
const struct reorder_packet *reorder_head(const struct reorder *window, unsigned int *missing);

// When the oldest packet that waits behind a gap came in; only where n_held > 0 and it is not
// ready.
uint64_t reorder_waits_since(const struct reorder *window);

// Take the next packet in order. `give_up`: do not wait for the missing ones. *missing is how many
// sequences were passed over since the last packet. Returns false where there is none.
bool reorder_take(
	struct reorder *window, bool give_up, struct reorder_packet *packet, uint32_t *missing);
