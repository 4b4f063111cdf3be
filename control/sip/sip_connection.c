// Connections on libevent's bufferevents, of TCP or TLS, and of WebSocket over these. Memory is
// bounded: input by one message (and one record of TLS), output by OUTPUT_MAX.
//
// Subtle: output is kept as whole messages beside the bufferevent, which only refers to them, until
// all of it has gone: so that each message lost with the connection is known to its transaction.
#include "sip_connection_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <openssl/ssl.h>

#include "sip_log.h"
#include "tls.h"
#include "websocket.h"

// ---- ends

static void outgoing_forget(struct connection *c)
{
	struct outgoing *message;

	while ((message = STAILQ_FIRST(&c->outgoing))) {
		STAILQ_REMOVE_HEAD(&c->outgoing, link);
		free(message);
	}
	c->outgoing_size = 0;
}

void connection_destroy(struct connection *c)
{
	struct transport *transport = c->listener->transport;

	transport->counters.handshakes -= c->state == HANDSHAKING;
	connection_delist(c);
	if (event_initialized(&c->deadline))
		event_del(&c->deadline);
	if (c->stream)
		bufferevent_free(c->stream);
	websocket_destroy(c->websocket);
	outgoing_forget(c);
	free(c);
}

void connection_leave(struct connection *c)
{
	ws_connection_leave(c);
	connection_destroy(c);
}

// The connection is gone; whoever waits for a message to leave by it hears of it.
static void fail(struct connection *c, int error)
{
	struct transport *transport = c->listener->transport;
	const struct flow flow = {.listener = c->listener, .remote = c->remote};
	struct outgoing *message;

	STAILQ_FOREACH (message, &c->outgoing, link) {
		transport->counters.send_errors++;
		transport_note_error(
			transport, &flow, error, (struct slice){message->data, message->size});
	}
	connection_destroy(c);
}

static const struct timeval *deadline_of(const struct connection *c)
{
	const struct transport_timeouts *timeouts = &c->listener->transport->timeouts;

	switch (c->state) {
	case CONNECTING:
		return &timeouts->connect;
	case HANDSHAKING:
		return &timeouts->handshake;
	case OPEN_IDLE:
		return c->websocket ? &timeouts->ping : &timeouts->idle;
	default:
		return &timeouts->message;
	}
}

void connection_state_enter(struct connection *c, enum connection_state state)
{
	c->listener->transport->counters.handshakes +=
		(state == HANDSHAKING) - (c->state == HANDSHAKING);
	c->state = state;
	event_add(&c->deadline, deadline_of(c));
}

// TLS, where there is some, is done, and the upgrade to WebSocket not.
static bool upgrades(const struct connection *c)
{
	return c->state == HANDSHAKING && (!c->ssl || c->is_encrypted);
}

// Strangers do not get as far as this: the transport's user has let the host in.
static void log_failure(const struct connection *c, const char *reason)
{
	bool accepted = c->by_source.hash;
	char remote[SIP_ADDRESS_TEXT_SIZE], quoted[256];

	sip_address_format(&c->remote, remote);
	log_at(&log_sip, accepted ? LOG_LEVEL_INFO : LOG_LEVEL_WARN,
		c->ssl && !upgrades(c) ? "tls_failed" : "websocket_failed", "%s=%s reason=%s",
		accepted ? "from" : "to", remote, log_quote(quoted, sizeof(quoted), reason, -1));
}

static bool is_opening(const struct connection *c)
{
	return c->state == CONNECTING || c->state == HANDSHAKING;
}

void connection_not_opened(const struct connection *c, const char *reason)
{
	if (c->state != HANDSHAKING && (!c->ssl || c->state != CONNECTING))
		return;
	c->listener->transport->counters.handshakes_failed++;
	log_failure(c, reason);
}

static void deadline_passes(evutil_socket_t, short, void *arg)
{
	struct connection *c = arg;

	if (c->state == OPEN_IDLE && c->websocket && ws_connection_ping(c)) {
		connection_state_enter(c, OPEN_IDLE);
		return;
	}
	connection_not_opened(c, "timed out");
	if (c->state == CONNECTING)
		c->listener->transport->counters.connect_errors++;
	else if (c->state != CLOSING)
		c->listener->transport->counters.timed_out++;
	fail(c, ETIMEDOUT);
}

// ---- in

static void pong(struct connection *c)
{
	struct evbuffer *output = bufferevent_get_output(c->stream);

	c->listener->transport->counters.keepalives++;
	if (evbuffer_get_length(output) < OUTPUT_MAX)
		evbuffer_add(output, "\r\n", 2);
}

// Our end is closed and theirs is waited for: to close at once, with input unread, would be a
// reset, which may overtake what we said last.
static void end_close(struct connection *c)
{
	if (evbuffer_get_length(bufferevent_get_output(c->stream)))
		return;
	if (c->ssl)
		tls_close(c->ssl);
	shutdown(bufferevent_getfd(c->stream), SHUT_WR);
}

void connection_close_softly(struct connection *c)
{
	connection_state_enter(c, CLOSING);
	end_close(c);
}

// Say why, if it is a request at all, and then no more.
static void give_up(struct connection *c, char *data, const struct frame *frame)
{
	struct transport *transport = c->listener->transport;
	struct flow flow = {.listener = c->listener, .remote = c->remote};

	transport->counters.framing_errors++;
	if (frame->reason && transport->user->malformed &&
		(!transport->user->accept ||
			transport->user->accept(transport->arg, c->listener, &c->remote.any)))
		transport->user->malformed(transport->arg, &flow, data, frame->size, frame->reason);
	transport_flush(transport); // while the answer still finds this connection
	connection_close_softly(c);
}

// One message or ping, if there is one. Returns whether there may be another.
static bool take_one(struct connection *c, struct evbuffer *input)
{
	struct flow flow = {.listener = c->listener, .remote = c->remote};
	size_t n = evbuffer_get_length(input);
	char *data = n ? (char *)evbuffer_pullup(input, -1) : NULL;
	enum framer_result result;
	struct frame frame;

	if (!data)
		return false;
	result = framer_next(&c->framer, data, n, &frame);
	switch (result) {
	case FRAMER_MESSAGE:
		transport_receive(&flow, data + frame.skip, frame.size);
		frame.skip += frame.size;
		break;
	case FRAMER_PING:
		pong(c);
		break;
	case FRAMER_BAD:
		give_up(c, data + frame.skip, &frame);
		break;
	case FRAMER_MORE:
		break;
	}
	evbuffer_drain(input, frame.skip);
	return result == FRAMER_MESSAGE || result == FRAMER_PING;
}

// The deadline of half a message starts with it and is not moved by more of it.
static void read_messages(struct connection *c, struct evbuffer *input)
{
	bool any = false;

	while (c->state != CLOSING && take_one(c, input))
		any = true;
	if (c->state == CLOSING)
		return;
	if (framer_is_idle(&c->framer))
		connection_state_enter(c, OPEN_IDLE);
	else if (any || c->state != OPEN_HALF)
		connection_state_enter(c, OPEN_HALF);
}

static void on_read(struct bufferevent *stream, void *arg)
{
	struct evbuffer *input = bufferevent_get_input(stream);
	struct connection *c = arg;

	if (c->state != CLOSING && protocol_is_websocket(c->listener->protocol))
		ws_connection_read(c, input);
	else if (c->state != CLOSING)
		read_messages(c, input);
	if (c->state == CLOSING)
		evbuffer_drain(input, evbuffer_get_length(input));
}

// ---- out

static int message_write(struct connection *c, struct slice message)
{
	if (protocol_is_websocket(c->listener->protocol))
		return ws_connection_send(c, message);
	return evbuffer_add_reference(
		       bufferevent_get_output(c->stream), message.p, message.n, NULL, NULL)
		       ? -ENOMEM
		       : 0;
}

int connection_send(struct connection *c, struct slice message)
{
	struct outgoing *outgoing;
	int error;

	if (c->outgoing_size + message.n > OUTPUT_MAX)
		return -ENOBUFS;
	outgoing = malloc(sizeof(*outgoing) + message.n);
	if (!outgoing)
		return -ENOMEM;
	outgoing->size = message.n;
	memcpy(outgoing->data, message.p, message.n);
	error = message_write(c, (struct slice){outgoing->data, message.n});
	if (error) {
		free(outgoing);
		return error;
	}
	STAILQ_INSERT_TAIL(&c->outgoing, outgoing, link);
	c->outgoing_size += message.n;
	return 0;
}

// All has gone, unless there is more by now: that of TLS is told of later in the turn.
static void on_written(struct bufferevent *stream, void *arg)
{
	struct connection *c = arg;

	if (evbuffer_get_length(bufferevent_get_output(stream)))
		return;
	outgoing_forget(c);
	if (c->state == CLOSING)
		end_close(c);
}

// ---- life

static void opened(struct connection *c)
{
	bufferevent_set_timeouts(c->stream, NULL, &c->listener->transport->timeouts.message);
	bufferevent_enable(c->stream, EV_READ | EV_WRITE);
	c->is_encrypted = c->ssl != NULL;
	// The deadline of an upgrade runs from the first byte of TLS.
	if (!protocol_is_websocket(c->listener->protocol))
		connection_state_enter(c, OPEN_IDLE);
	else if (c->state != HANDSHAKING)
		connection_state_enter(c, HANDSHAKING);
}

// With TLS 1.3 a server's refusal of our certificate comes only once the connection is open.
static void note_end(const struct connection *c, const char *reason)
{
	if (is_opening(c))
		connection_not_opened(c, reason ? reason : "the far end has closed the connection");
	else if (reason)
		log_failure(c, reason);
}

static void on_event(struct bufferevent *stream, short events, void *arg)
{
	int error = EVUTIL_SOCKET_ERROR();
	char reason[192];
	struct connection *c = arg;
	struct transport_counters *counters = &c->listener->transport->counters;

	if (events & BEV_EVENT_CONNECTED) {
		counters->connected += c->state == CONNECTING;
		opened(c);
		return;
	}
	if (events & BEV_EVENT_TIMEOUT)
		counters->timed_out++;
	note_end(c, c->ssl ? tls_failure(stream, reason, sizeof(reason)) : NULL);
	if (c->state == CONNECTING)
		counters->connect_errors++;
	if (events & BEV_EVENT_TIMEOUT)
		fail(c, ETIMEDOUT);
	else
		fail(c, events & BEV_EVENT_ERROR && error ? error : ECONNRESET);
}

// Without a watermark, behind which what OpenSSL holds would wait for more from the network: each
// record is looked at as it comes, so there is never more than a message and a record of input.
static struct bufferevent *tls_stream(struct connection *c, int fd, enum connection_origin origin)
{
	bool accepted = origin == CONNECTION_ACCEPTED;
	struct tls *tls =
		accepted ? c->listener->tls_server : listener_tls_to(c->listener, &c->remote);

	c->ssl = tls ? tls_session(tls, &c->remote) : NULL;
	if (!c->ssl)
		return NULL;
	return bufferevent_openssl_socket_new(c->listener->transport->base, fd, c->ssl,
		accepted ? BUFFEREVENT_SSL_ACCEPTING : BUFFEREVENT_SSL_CONNECTING,
		BEV_OPT_CLOSE_ON_FREE); // of the session as well, also where this fails
}

static struct bufferevent *tcp_stream(struct connection *c, int fd)
{
	struct bufferevent *stream =
		bufferevent_socket_new(c->listener->transport->base, fd, BEV_OPT_CLOSE_ON_FREE);

	if (stream)
		bufferevent_setwatermark(stream, EV_READ, 0, INPUT_MAX);
	return stream;
}

static int stream_create(struct connection *c, int fd, enum connection_origin origin)
{
	c->stream = protocol_is_secure(c->listener->protocol) ? tls_stream(c, fd, origin)
							      : tcp_stream(c, fd);
	if (!c->stream) {
		close(fd);
		return -ENOMEM;
	}
	evtimer_assign(&c->deadline, c->listener->transport->base, deadline_passes, c);
	return 0;
}

static int connect_start(struct connection *c)
{
	if (bufferevent_socket_connect(
		    c->stream, &c->remote.any, (int)sip_address_length(&c->remote)))
		return errno ? -errno : -ECONNREFUSED;
	connection_state_enter(c, CONNECTING);
	return 0;
}

struct connection *connection_create(struct listener *listener, const struct sip_address *remote,
	int fd, enum connection_origin origin)
{
	struct connection *c = calloc(1, sizeof(*c));
	int error;

	if (!c) {
		close(fd);
		errno = ENOMEM;
		return NULL;
	}
	c->listener = listener;
	c->remote = *remote;
	STAILQ_INIT(&c->outgoing);
	error = stream_create(c, fd, origin);
	if (!error && origin == CONNECTION_OPENED)
		error = connect_start(c);
	else if (!error && c->ssl)
		connection_state_enter(c, HANDSHAKING);
	else if (!error)
		opened(c);
	if (error) {
		connection_destroy(c);
		errno = -error;
		return NULL;
	}
	bufferevent_setcb(c->stream, on_read, on_written, on_event, c);
	connection_enlist(c, origin);
	return c;
}
