// A network that we have addresses in: where we listen for SIP and where media comes and goes.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "http_upgrade.h"
#include "sdp.h"
#include "tls.h"

enum realm_transport { REALM_UDP, REALM_TCP, REALM_TLS, REALM_WS, REALM_WSS, REALM_TRANSPORTS };

// As the configuration and people write them.
extern const char *const realm_transport_names[REALM_TRANSPORTS];

static inline bool realm_transport_is_websocket(enum realm_transport transport)
{
	return transport == REALM_WS || transport == REALM_WSS;
}

static inline bool realm_transport_is_secure(enum realm_transport transport)
{
	return transport == REALM_TLS || transport == REALM_WSS;
}

// One SIP listener.
struct realm_listener {
	enum realm_transport transport;
	struct sockaddr_storage address; // with port
};

struct realm {
	const char *name;
	struct realm_listener *listeners;
	size_t n_listeners;
	struct tls_settings tls;	    // of its listeners of TLS; no certificate: it has none
	struct upgrade_rules upgrade_rules; // of its listeners of WebSocket
	struct sdp_address media[2];	    // that the dataplane has, of different families
	size_t n_media;			    // 1 or 2
	struct sdp_address advertised; // for Via, Contact and SDP instead of our own of its family
				       // (1:1 NAT before us); family 0: none
};

// Our media address of a family, or the only one.
static inline const struct sdp_address *realm_media(const struct realm *realm, uint8_t family)
{
	return &realm->media[realm->n_media > 1 && realm->media[1].family == family];
}

// The one that the far ends are to use.
static inline const struct sdp_address *realm_media_advertised(
	const struct realm *realm, uint8_t family)
{
	const struct sdp_address *own = realm_media(realm, family);

	return realm->advertised.family == own->family ? &realm->advertised : own;
}

// The family of its media, or 0 where it has both.
static inline uint8_t realm_media_family(const struct realm *realm)
{
	return realm->n_media > 1 ? 0 : realm->media[0].family;
}
