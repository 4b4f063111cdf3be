// A network that we have addresses in: where we listen for SIP and where media comes and goes.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "sdp.h"

enum realm_transport { REALM_UDP, REALM_TCP };

// One SIP listener.
struct realm_listener {
	enum realm_transport transport;
	struct sockaddr_storage address; // with port
};

struct realm {
	const char *name;
	struct realm_listener *listeners;
	size_t n_listeners;
	struct sdp_address media_address; // one that the dataplane has
	struct sdp_address advertised;	  // for Via, Contact and SDP instead of the above (1:1 NAT
					  // before us); family 0: none
};

// The address that the far ends are to use for media.
static inline const struct sdp_address *realm_media_advertised(const struct realm *realm)
{
	return realm->advertised.family ? &realm->advertised : &realm->media_address;
}
