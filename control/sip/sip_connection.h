// A connection that carries SIP, whoever opened it: framing, deadlines, what is on its way out.
//
// Subtle: one is destroyed only from the event loop, by its own events, never by who sends.
#pragma once

#include "framer.h"
#include "transport_internal.h"

struct connection;

enum connection_origin {
	CONNECTION_ACCEPTED, // the far end opened it
	CONNECTION_OPENED,   // we do: `fd` is not connected yet
};

// Takes the non-blocking `fd` over, also when it fails. Returns NULL with errno.
struct connection *connection_create(struct listener *listener, const struct sip_address *remote,
	int fd, enum connection_origin origin);
void connection_destroy(struct connection *connection);
// The same when the process ends: a far end that can be told so is (WebSocket, RFC 6455 7.4.1).
void connection_leave(struct connection *connection);

// One that is open or being opened, or NULL.
struct connection *connection_find(
	const struct listener *listener, const struct sip_address *remote);

// How many that are here a host has opened; counts no further than `max`.
unsigned int connections_from(
	const struct transport *transport, const struct sip_address *host, unsigned int max);
// Likewise, of those the ones whose handshake is not done.
unsigned int handshakes_from(
	const struct transport *transport, const struct sip_address *host, unsigned int max);

// Queue a message. Returns 0, -ENOMEM, -ENOBUFS where the far end does not read. What is queued and
// cannot be sent is told to transport_user.error(). -ENOTCONN: WebSocket that is not upgraded yet.
int connection_send(struct connection *connection, struct slice message);

// Any of the transport's, or NULL.
struct connection *connection_any(struct transport *transport);
// Destroy all of a listener; not from an event of one of them.
void connections_destroy(const struct listener *listener);
