// Ethernet, IPv4 or IPv6, and UDP headers of what we send, with checksums right in every mode.
#pragma once

#include "worker.h"

// Where a leg's packets go now: where it latched to, else the signalled address. Returns the next
// hop, or NULL with `reason`. RTP's is in the leg or its configuration.
const struct next_hop *leg_rtp_destination(const struct leg *leg, const struct leg_config *config,
	const struct leg_endpoint **to, enum drop_reason *reason);
const struct next_hop *leg_rtcp_destination(const struct leg *leg, const struct leg_config *config,
	struct leg_endpoint *to, enum drop_reason *reason);

// From where to where, both of one family.
struct header_path {
	const struct leg_endpoint *from;
	const struct leg_endpoint *to;
	uint64_t hop_word; // next_hop_word()
	uint32_t flow_label;
	uint8_t dscp;
};

// Make the headers for packets that take `path`; `ports` is the array that the next hop means.
// False where the next hop is not usable.
bool header_make(
	struct leg_header *header, const struct port *ports, const struct header_path *path);

// Put the headers in front of a UDP payload and queue it at its port, or drop it. `payload_sum`: as
// checksum.h has it, or SUM_UNKNOWN. `shard`: that the source address is of.
bool header_push(struct worker *worker, struct rte_mbuf *mbuf, const struct leg_header *header,
	uint64_t payload_sum, uint8_t shard);
