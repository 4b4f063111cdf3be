// Words of realms.
#include "realm.h"

const char *const realm_transport_names[REALM_TRANSPORTS] = {[REALM_UDP] = "udp",
	[REALM_TCP] = "tcp",
	[REALM_TLS] = "tls",
	[REALM_WS] = "ws",
	[REALM_WSS] = "wss"};
