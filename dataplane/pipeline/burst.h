// Packets on their way through a worker turn, as arrays side by side. A stage walks over [0, n) and
// moves what stays to the front; what it drops is counted and freed at once.
#pragma once

#include <rte_mbuf.h>

#include "drop.h"
#include "leg.h"

#define BURST_MAX   64
#define BURST_PLAIN 32 // received in a turn after one without SRTP (rx.c)
#define OUTPUT_MAX  (BURST_MAX * SL_LEGS_MAX)
#define DUE_MAX	    64
#define BYES_MAX    32
#define REPORTS_MAX \
	(BURST_MAX * SL_LEGS_MAX + DUE_MAX + BYES_MAX) // relayed, of bundles too, and our own
#define INJECTIONS_MAX 32			       // of a turn
#define TX_MAX	       (OUTPUT_MAX + REPORTS_MAX + INJECTIONS_MAX)

// Received packets. Filled from top to bottom: rx, classify, ...
struct burst {
	unsigned int n;
	struct rte_mbuf *mbufs[BURST_MAX];
	uint8_t *payloads[BURST_MAX]; // of UDP
	uint16_t lengths[BURST_MAX];  // of it
	uint64_t sums[BURST_MAX];     // of its words, or SUM_UNKNOWN (checksum.h)
	struct leg_endpoint from[BURST_MAX];
	struct leg *const *slots[BURST_MAX];
	bool on_odd_port[BURST_MAX]; // RTCP's
	struct leg *legs[BURST_MAX];
	const struct leg_config *configs[BURST_MAX];
	struct rtp_view views[BURST_MAX]; // payload_offset 0: opaque, all of it is payload
	uint8_t formats[BURST_MAX];	  // index into the leg's
	bool latches;			  // there are packets for latch() to look at
	bool bundled;			  // there are packets that came to a shared transport
	unsigned int n_secure;
	uint8_t secure[BURST_MAX]; // places of packets that are SRTP, in order
};

// Packet i of `from` becomes packet n of `to`.
static inline void burst_move(
	struct burst *to, unsigned int n, const struct burst *from, unsigned int i)
{
	to->mbufs[n] = from->mbufs[i];
	to->payloads[n] = from->payloads[i];
	to->lengths[n] = from->lengths[i];
	to->sums[n] = from->sums[i];
	to->from[n] = from->from[i];
	to->slots[n] = from->slots[i];
	to->on_odd_port[n] = from->on_odd_port[i];
	to->legs[n] = from->legs[i];
	to->configs[n] = from->configs[i];
	to->views[n] = from->views[i];
	to->formats[n] = from->formats[i];
}

// Move packet i to the front, to place n. Mostly nothing was dropped before it and there is nothing
// to do: what a stage keeps costs it one comparison.
static inline void burst_keep(struct burst *burst, unsigned int n, unsigned int i)
{
	if (unlikely(n != i))
		burst_move(burst, n, burst, i);
}

// View and format of packet i, if it is RTP of a payload type that the leg takes.
static inline enum drop_reason burst_read_rtp(struct burst *burst, unsigned int i)
{
	if (rtp_parse(burst->payloads[i], burst->lengths[i], &burst->views[i]))
		return DROP_bad_rtp;
	burst->formats[i] = burst->configs[i]->formats->format_of[burst->views[i].pt];
	return burst->formats[i] == LEG_NO_FORMAT ? DROP_unknown_pt : PASS;
}

// Packets to send. The data of each begins at its RTP header.
struct output {
	unsigned int n;
	struct rte_mbuf *mbufs[OUTPUT_MAX];
	struct leg *legs[OUTPUT_MAX];	   // to whom
	struct rtp_view views[OUTPUT_MAX]; // as it came; pt as it goes
	uint64_t sums[OUTPUT_MAX];	   // of the words of each, or SUM_UNKNOWN (checksum.h)
	unsigned int n_secure;
	uint16_t secure[OUTPUT_MAX];	     // places of packets to legs with SRTP, in order ...
	struct leg *secure_legs[OUTPUT_MAX]; // ... whose keys each goes under ...
	const struct leg_config *secure_configs[OUTPUT_MAX]; // ... and the configuration of that
};

// Move packet i to the front, to place n.
static inline void output_keep(struct output *output, unsigned int n, unsigned int i)
{
	if (likely(n == i))
		return;
	output->mbufs[n] = output->mbufs[i];
	output->legs[n] = output->legs[i];
	output->views[n] = output->views[i];
	output->sums[n] = output->sums[i];
}

// RTCP to send. The data of each begins at its first packet.
struct reports {
	unsigned int n;
	struct rte_mbuf *mbufs[REPORTS_MAX];
	struct leg *legs[REPORTS_MAX];		       // to whom
	struct leg *carriers[REPORTS_MAX];	       // by whose transport ...
	const struct leg_config *configs[REPORTS_MAX]; // ... and the configuration of that
	struct leg_header headers[REPORTS_MAX];
	unsigned int n_secure;
};

// Packets with all their headers, for one port.
struct tx_queue {
	unsigned int n;
	bool sharded; // some are of a shard
	struct rte_mbuf *mbufs[TX_MAX];
	uint8_t shards[TX_MAX]; // of each, see fence.h
};
