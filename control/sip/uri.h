// SIP, SIPS and tel URIs (RFC 3261 19.1, RFC 3966) as slices of their text; nothing is unescaped
// until somebody asks. Other schemes parse as URI_OTHER with scheme and text only, so that the
// caller can answer 416.
#pragma once

#include "slice.h"

enum uri_scheme { URI_OTHER, URI_SIP, URI_SIPS, URI_TEL };

struct uri {
	enum uri_scheme scheme;
	struct slice text;     // the whole URI
	struct slice user;     // absent without '@'; for tel the number
	struct slice password; // absent without one
	struct slice host;     // IPv6 references without brackets; absent for tel
	struct slice params;   // from the first ';' on, or absent
	struct slice headers;  // after '?', or absent
	uint16_t port;	       // 0: not given
	bool host_is_ipv6;     // was a reference in brackets
};

// Parse all of `text`. Returns 0 or -EBADMSG.
int uri_parse(struct slice text, struct uri *uri);

// Equal by the rules of 19.1.4 (schemes and hosts without case, escapes of unreserved characters
// undone, user/ttl/method/maddr/transport parameters must be in both or neither).
bool uri_equal(const struct uri *a, const struct uri *b);

// True for a URI that RFC 3261 16.4/12.2.1.1 calls a loose route: it has an lr parameter.
bool uri_is_loose(const struct uri *uri);

// True for a URI whose calls may take TLS only (RFC 3261 26.2.2).
bool uri_is_sips(struct slice text);

// Undo %-escapes of `text` into `out`. Returns the length, or -ENOSPC. NUL is allowed inside and
// none is appended.
int uri_unescape(struct slice text, char *out, size_t size);

// True where the host is written as RFC 3261 wants it: host name, IPv4 address, or, with
// `ipv6`, the inside of an IPv6 reference. Shared with Via.
bool uri_host_valid(struct slice host, bool ipv6);

// Split "host", "host:port", "[v6]" or "[v6]:port". Returns 0 or -EBADMSG; port 0: not given.
int uri_hostport_parse(struct slice text, struct slice *host, uint16_t *port, bool *ipv6);
