// Packets on media ports that are neither RTP nor RTCP (STUN, DTLS, what RFC 7983 has no name for),
// from workers to main, for control to judge. Whoever can send packets can send these, so their
// number is bounded three times: for a leg, for the dataplane, and by the ring.
#pragma once

#include <rte_ring.h>
#include <stdbool.h>
#include <stdint.h>

#include "rtp.h"
#include "sl_api.h"

struct worker;
struct worker_shared;
struct burst;

struct punts {
	struct rte_ring *ring;		     // many producers, main consumes
	uint64_t interval_ns;		     // between two of them, of all workers together
	bool wanted;			     // main: rw, workers: ro. Somebody takes them
	uint64_t due_ns __rte_cache_aligned; // workers: rw, atomically
};

// Set up and take down; at most `per_second` packets are punted. Returns 0 or a negative errno.
int punts_init(struct punts *punts, unsigned int per_second);
void punts_fini(struct punts *punts);

// worker: packet i, which is neither RTP nor RTCP, leaves here: to control, or dropped.
void punt(struct worker *worker, const struct burst *burst, unsigned int i, enum rtp_kind kind);

// main: whether anybody takes punts (otherwise packets are dropped where they come in), and the
// next one; false where there is none.
void workers_want_punts(struct worker_shared *shared, bool wanted);
bool workers_next_punt(struct worker_shared *shared, struct sl_datagram *datagram);
