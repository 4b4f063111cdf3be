// WebSocket on a connection (RFC 7118): the upgrade, messages in and out, pings.
//
// Subtle: what is written to the far end goes straight to the connection's output, also from within
// websocket_read(); the connection itself changes its state only once that has returned.
#include <errno.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include "sip_connection_internal.h"
#include "websocket.h"

// Pongs are what a far end can make us write without being read by it; beyond this it is cut off.
enum { UNREAD_MAX = 512 * 1024 };

enum { GOING_AWAY = 1001 }; // RFC 6455 7.4.1

// A CRLF ping (RFC 5626 3.5.1, RFC 7118 6) is a message of its own here.
static void on_message(void *arg, char *data, size_t size)
{
	struct connection *c = arg;
	const struct flow flow = {.listener = c->listener, .remote = c->remote};

	c->has_progressed = true;
	if (slice_equal((struct slice){data, size}, SLICE("\r\n\r\n"))) {
		c->listener->transport->counters.keepalives++;
		websocket_write(c->websocket, SLICE("\r\n"));
		return;
	}
	transport_receive(&flow, data, size);
}

// Without memory the far end misses bytes, and closes for that.
static void on_write(void *arg, struct slice bytes)
{
	const struct connection *c = arg;

	(void)evbuffer_add(bufferevent_get_output(c->stream), bytes.p, bytes.n);
}

static const struct websocket_user user = {.message = on_message, .write = on_write};

static void upgrade(struct connection *c, struct evbuffer *input)
{
	struct transport *transport = c->listener->transport;
	size_t n = evbuffer_get_length(input);
	const char *data = n ? (const char *)evbuffer_pullup(input, -1) : NULL;
	struct upgrade result;
	char answer[UPGRADE_ANSWER_MAX];

	if (!data)
		return;
	result = upgrade_read((struct slice){data, n}, &c->listener->upgrade_rules);
	if (!result.status)
		return;
	evbuffer_drain(input, n);
	// The inbox is for the turn of UDP; nobody looks at it in ours.
	if (result.status == 101)
		c->websocket = websocket_create(&user, c, transport->inbox, MESSAGE_MAX_SIZE);
	if (result.status == 101 && !c->websocket)
		result = (struct upgrade){.status = 500, .reason = "no memory"};
	on_write(c, upgrade_answer(&result, answer));
	if (c->websocket) {
		connection_state_enter(c, OPEN_IDLE);
		return;
	}
	transport->counters.upgrades_refused++;
	connection_not_opened(c, result.reason);
	connection_close_softly(c);
}

// All that is there. Returns false where there is to be no more.
static bool read_frames(struct connection *c, struct evbuffer *input)
{
	struct evbuffer *output = bufferevent_get_output(c->stream);
	size_t n;

	while ((n = evbuffer_get_contiguous_space(input))) {
		const char *data = (const char *)evbuffer_pullup(input, (ev_ssize_t)n);
		bool goes_on = websocket_read(c->websocket, (struct slice){data, n});

		evbuffer_drain(input, n);
		if (!goes_on || evbuffer_get_length(output) > UNREAD_MAX)
			return false;
	}
	return true;
}

void ws_connection_read(struct connection *c, struct evbuffer *input)
{
	if (!c->websocket) {
		upgrade(c, input);
		return;
	}
	c->has_progressed = c->is_pinged = false;
	if (!read_frames(c, input)) {
		c->listener->transport->counters.framing_errors += !websocket_status(c->websocket);
		connection_close_softly(c);
	} else if (websocket_is_idle(c->websocket)) {
		connection_state_enter(c, OPEN_IDLE);
	} else if (c->has_progressed || c->state != OPEN_HALF) {
		connection_state_enter(c, OPEN_HALF);
	}
}

int ws_connection_send(struct connection *c, struct slice message)
{
	return c->websocket ? websocket_write(c->websocket, message) : -ENOTCONN;
}

bool ws_connection_ping(struct connection *c)
{
	if (c->is_pinged)
		return false;
	c->is_pinged = true;
	websocket_ping(c->websocket);
	return true;
}

void ws_connection_leave(struct connection *c)
{
	struct evbuffer *output = bufferevent_get_output(c->stream);
	struct evbuffer_iovec frame;

	if (!c->websocket || evbuffer_get_length(output))
		return; // behind half a message it would be a part of it
	websocket_close(c->websocket, GOING_AWAY);
	if (evbuffer_peek(output, -1, NULL, &frame, 1) != 1)
		return;
	if (c->ssl)
		SSL_write(c->ssl, frame.iov_base, (int)frame.iov_len);
	else
		send(bufferevent_getfd(c->stream), frame.iov_base, frame.iov_len, MSG_NOSIGNAL);
}
