// The RTP flows of the forward benchmark: two for each session, A to B and B to A. A packet is
// PCMU, 160 bytes of payload that name their flow, in a 214-byte frame (Ethernet, IPv4, UDP, RTP),
// with checksums as a phone would send them.
#pragma once

#include <assert.h>
#include <rte_ether.h>
#include <rte_mbuf.h>
#include <stdbool.h>
#include <stdint.h>

#define PAYLOAD_BYTES 160
#define RTP_BYTES     12
#define FRAME_BYTES   (14 + 20 + 8 + RTP_BYTES + PAYLOAD_BYTES)

struct endpoint {
	uint32_t ip; // host byte order
	uint16_t port;
};

// A session as the far ends see it.
struct session_ends {
	struct endpoint remote[2]; // phones A and B: the generator
	struct endpoint local[2];  // where A, and where B, sends to
};

struct flow {
	struct endpoint from, to;		    // as sent
	struct endpoint expected_from, expected_to; // as it must come back
	struct rte_mbuf *packet;		    // sent again and again, its header advanced
	uint32_t received_ssrc;
	uint16_t received_sequence;
	bool seen;
};

struct flow_macs {
	struct rte_ether_addr ours;
	struct rte_ether_addr theirs;
};

// The remote ends of session `index`; the local ones are up to who forwards.
void session_ends_choose(struct session_ends *ends, unsigned int index);

// Make both flows of a session. `swapped`: the other end sends each packet back to where it came
// from; else it relays to the session's other phone. Returns 0 or -ENOMEM.
int flows_create(struct flow *flows, unsigned int session, const struct session_ends *ends,
	bool swapped, const struct flow_macs *macs, struct rte_mempool *pool);

// Next packet of the flow: sequence, timestamp, and the UDP checksum with them.
void flow_advance(struct flow *flow);

// Whether a received packet is what it must be, in every byte that is known. The reason it is not
// goes to `why`.
bool flow_check(struct flow *flows, unsigned int n_flows, const struct flow_macs *macs,
	const struct rte_mbuf *packet, const char **why);
