// Packets of legs that share a transport.
#pragma once

#include "worker.h"

// The leg that a stream which came to a bundled transport belongs to, as far as is known without a
// packet of it; NULL: not known.
struct leg *bundle_leg_of_ssrc(
	const struct leg *transport, const struct leg_config *config, uint32_t ssrc);

// Void the headers that legs of a bundle have: the transport sends somewhere else now.
void bundle_void_headers(const struct leg_config *config);

// Put the MID of the leg that a packet goes to in the place of that of where it came from. False
// where the buffer has no room.
bool bundle_write_mid(
	struct rte_mbuf *mbuf, struct rtp_view *view, const struct leg_config *config);
