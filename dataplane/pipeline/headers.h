// Ethernet, IPv4 and UDP headers of what we send, with checksums right in every mode.
#pragma once

#include "worker.h"

// Where a leg's packets go now: where it latched to, else the signalled address. Returns the next
// hop, or NULL with `reason`.
const struct next_hop *leg_rtp_destination(const struct leg *leg, const struct leg_config *config,
	struct leg_endpoint *to, enum drop_reason *reason);
const struct next_hop *leg_rtcp_destination(const struct leg *leg, const struct leg_config *config,
	struct leg_endpoint *to, enum drop_reason *reason);

void header_make(
	struct leg_header *header, struct leg_endpoint from, struct leg_endpoint to, uint8_t dscp);

// Put the headers in front of a UDP payload and queue it at its port, or drop it.
bool header_push(struct worker *worker, struct rte_mbuf *mbuf, const struct leg_header *header,
	const struct next_hop *hop);
