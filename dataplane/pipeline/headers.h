// Ethernet, IPv4 and UDP headers of what we send, with checksums right in every mode.
#pragma once

#include "worker.h"

// Where a leg's packets go now: where it latched to, else the signalled address. Returns the next
// hop, or NULL with `reason`.
const struct next_hop *leg_rtp_destination(const struct leg *leg, const struct leg_config *config,
	struct leg_endpoint *to, enum drop_reason *reason);
const struct next_hop *leg_rtcp_destination(const struct leg *leg, const struct leg_config *config,
	struct leg_endpoint *to, enum drop_reason *reason);

// Make the headers for packets by the next hop that `hop_word` (next_hop_word()) says; `ports` is
// the array that it means. False where the next hop is not usable.
bool header_make(struct leg_header *header, const struct port *ports, uint64_t hop_word,
	struct leg_endpoint from, struct leg_endpoint to, uint8_t dscp);

// Where the headers lead to.
static inline struct leg_endpoint header_destination(const struct leg_header *header)
{
	const uint8_t *udp = header->bytes + LEG_HEADER_BYTES - sizeof(struct rte_udp_hdr);
	struct leg_endpoint to;

	memcpy(&to.ip, udp - sizeof(to.ip), sizeof(to.ip));
	memcpy(&to.port, udp + offsetof(struct rte_udp_hdr, dst_port), sizeof(to.port));
	return to;
}

// Put the headers in front of a UDP payload and queue it at its port, or drop it.
bool header_push(struct worker *worker, struct rte_mbuf *mbuf, const struct leg_header *header);
