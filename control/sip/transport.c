// The transports of one process: its listeners, and the queue of what is to be sent.
//
// Subtle: whatever goes wrong with sending is only noted (errors_note) and told later from the
// event loop, so that no one who sends is called back from within.
#include "transport_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <unistd.h>

#include <event2/event.h>

#include "chars.h"
#include "message.h"
#include "sip_connection.h"

static void errors_tell(struct transport *transport)
{
	struct send_error *error;

	while ((error = STAILQ_FIRST(&transport->errors))) {
		STAILQ_REMOVE_HEAD(&transport->errors, link);
		if (transport->user->error)
			transport->user->error(transport->arg, &error->flow, error->error,
				(struct slice){error->data, error->size});
		free(error);
	}
}

void transport_note_error(
	struct transport *transport, const struct flow *flow, int error, struct slice data)
{
	struct send_error *note = malloc(sizeof(*note) + data.n);

	if (!note)
		return; // the transaction times out instead
	note->flow = *flow;
	note->error = error;
	note->size = data.n;
	memcpy(note->data, data.p, data.n);
	STAILQ_INSERT_TAIL(&transport->errors, note, link);
	event_active(transport->flush_event, EV_TIMEOUT, 0);
}

// A protocol: how a listener is opened, and how messages leave by it.
static const struct {
	int (*open)(struct listener *listener);
	void (*send)(struct listener *listener, const struct queued *messages, unsigned int n);
	struct slice via_name;
} protocols[] = {
	[TRANSPORT_UDP] = {udp_open, udp_send, SLICE("UDP")},
	[TRANSPORT_TCP] = {tcp_open, tcp_send, SLICE("TCP")},
	[TRANSPORT_TLS] = {tcp_open, tcp_send, SLICE("TLS")},
	[TRANSPORT_WS] = {tcp_open, tcp_send, SLICE("WS")},
	[TRANSPORT_WSS] = {tcp_open, tcp_send, SLICE("WSS")},
};

// One run of queued messages that leave by the same listener.
static unsigned int run_length(const struct transport *transport, unsigned int from)
{
	unsigned int n = 1;

	while (from + n < transport->n_queued &&
		transport->queue[from + n].flow.listener == transport->queue[from].flow.listener)
		n++;
	return n;
}

static void send_elsewhere(
	struct transport *transport, const struct queued *messages, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		if (transport->user->send_elsewhere)
			transport->user->send_elsewhere(
				transport->arg, &messages[i].flow, messages[i].data);
		else
			transport->counters.send_dropped++;
}

void transport_flush(struct transport *transport)
{
	for (unsigned int at = 0; at < transport->n_queued;) {
		struct listener *listener = transport->queue[at].flow.listener;
		unsigned int n = run_length(transport, at);

		if (listener->fd < 0 && listener->moves)
			send_elsewhere(transport, transport->queue + at, n);
		else
			protocols[listener->protocol].send(listener, transport->queue + at, n);
		at += n;
	}
	transport->n_queued = 0;
	transport->arena_used = 0;
}

static void turn_ends(evutil_socket_t, short, void *arg)
{
	struct transport *transport = arg;

	transport_flush(transport);
	errors_tell(transport);
}

int transport_send(const struct flow *flow, struct slice message)
{
	struct transport *transport = flow->listener->transport;
	struct queued *queued;

	if (!message.n || message.n > MESSAGE_MAX_SIZE)
		return -EMSGSIZE;
	if (transport->user->trace)
		transport->user->trace(transport->arg, flow, true, message);
	if (transport->n_queued == TRANSPORT_QUEUE ||
		message.n > TRANSPORT_ARENA - transport->arena_used)
		transport_flush(transport);
	if (transport->n_queued == 0)
		event_active(transport->flush_event, EV_TIMEOUT, 0);
	queued = &transport->queue[transport->n_queued++];
	queued->flow = *flow;
	queued->data = (struct slice){transport->arena + transport->arena_used, message.n};
	memcpy(transport->arena + transport->arena_used, message.p, message.n);
	transport->arena_used += message.n;
	return 0;
}

void transport_fail(const struct flow *flow, int error, struct slice message)
{
	transport_note_error(flow->listener->transport, flow, error, message);
}

void transport_receive(const struct flow *flow, char *data, size_t size)
{
	struct transport *transport = flow->listener->transport;
	const struct transport_user *user = transport->user;

	if (user->accept && !user->accept(transport->arg, flow->listener, &flow->remote.any)) {
		transport->counters.refused++;
		return;
	}
	while (size && (*data == '\r' || *data == '\n')) { // 7.5
		data++;
		size--;
	}
	if (!size || !char_is(*data, CHAR_TOKEN)) {
		transport->counters.keepalives++;
		if (flow->listener->protocol == TRANSPORT_UDP)
			udp_stun(flow, (struct slice){data, size});
		return;
	}
	transport->counters.received++;
	if (user->trace)
		user->trace(transport->arg, flow, false, (struct slice){data, size});
	user->receive(transport->arg, flow, data, size);
}

struct transport *transport_create(
	struct event_base *base, const struct transport_user *user, void *arg)
{
	struct transport *transport = calloc(1, sizeof(*transport));

	if (!transport)
		return NULL;
	*transport = (struct transport){.base = base, .user = user, .arg = arg};
	SLIST_INIT(&transport->listeners);
	STAILQ_INIT(&transport->errors);
	transport->arena = malloc(TRANSPORT_ARENA);
	transport->inbox = malloc(TRANSPORT_BATCH * (size_t)TRANSPORT_SLOT);
	transport->flush_event = event_new(base, -1, 0, turn_ends, transport);
	if (tcp_init(transport) || !transport->arena || !transport->inbox ||
		!transport->flush_event) {
		transport_destroy(transport);
		errno = ENOMEM;
		return NULL;
	}
	return transport;
}

void listener_tls_forget(struct listener *listener)
{
	struct tls_target *target;

	while ((target = SLIST_FIRST(&listener->tls_targets))) {
		SLIST_REMOVE_HEAD(&listener->tls_targets, link);
		free(target);
	}
}

static void listener_free(struct listener *listener)
{
	listener_tls_forget(listener);
	if (listener->event)
		event_free(listener->event);
	if (listener->fd >= 0)
		close(listener->fd);
	free(listener);
}

void listener_close(struct listener *listener)
{
	SLIST_REMOVE(&listener->transport->listeners, listener, listener, link);
	listener_free(listener);
}

void listener_stop(struct listener *listener)
{
	transport_flush(listener->transport);
	if (listener->event)
		event_free(listener->event);
	listener->event = NULL;
	if (listener->fd >= 0)
		close(listener->fd);
	listener->fd = -1;
}

void transport_destroy(struct transport *transport)
{
	struct listener *listener;
	struct send_error *error;

	if (!transport)
		return;
	if (transport->flush_event) {
		transport_flush(transport);
		event_free(transport->flush_event);
	}
	tcp_fini(transport);
	while ((listener = SLIST_FIRST(&transport->listeners))) {
		SLIST_REMOVE_HEAD(&transport->listeners, link);
		listener_free(listener);
	}
	while ((error = STAILQ_FIRST(&transport->errors))) {
		STAILQ_REMOVE_HEAD(&transport->errors, link);
		free(error);
	}
	free(transport->arena);
	free(transport->inbox);
	free(transport);
}

static bool is_wildcard(const struct sip_address *address)
{
	if (address->any.sa_family == AF_INET6)
		return IN6_IS_ADDR_UNSPECIFIED(&address->v6.sin6_addr);
	return address->v4.sin_addr.s_addr == INADDR_ANY;
}

static int sent_by_set(struct listener *listener, struct slice advertised)
{
	if (advertised.n >= sizeof(listener->sent_by_text))
		return -EINVAL;
	if (!advertised.n && is_wildcard(&listener->address))
		return -EINVAL;
	if (!advertised.n) {
		listener->sent_by = sip_address_format(&listener->address, listener->sent_by_text);
		return 0;
	}
	memcpy(listener->sent_by_text, advertised.p, advertised.n);
	listener->sent_by = (struct slice){listener->sent_by_text, advertised.n};
	return 0;
}

static struct listener *listener_create(struct transport *transport,
	enum transport_protocol protocol, const struct sip_address *address)
{
	struct listener *listener = calloc(1, sizeof(*listener));

	if (listener)
		*listener = (struct listener){.transport = transport,
			.protocol = protocol,
			.address = *address,
			.mark = -1,
			.fd = -1};
	return listener;
}

static struct listener *listener_finish(struct listener *listener, int error)
{
	if (error) {
		listener_free(listener);
		errno = -error;
		return NULL;
	}
	SLIST_INSERT_HEAD(&listener->transport->listeners, listener, link);
	return listener;
}

struct listener *listener_open(struct transport *transport, enum transport_protocol protocol,
	const struct sip_address *address, struct slice advertised)
{
	struct listener *listener = listener_create(transport, protocol, address);
	int error;

	if (!listener)
		return NULL;
	error = protocols[protocol].open(listener);
	return listener_finish(listener, error ? error : sent_by_set(listener, advertised));
}

struct listener *listener_define(struct transport *transport, enum transport_protocol protocol,
	const struct sip_address *address, struct slice advertised)
{
	struct listener *listener = listener_create(transport, protocol, address);

	if (!listener)
		return NULL;
	listener->moves = true;
	return listener_finish(
		listener, sip_address_port(address) ? sent_by_set(listener, advertised) : -EINVAL);
}

int listener_bind(struct listener *listener)
{
	int error = listener->fd >= 0 ? 0 : protocols[listener->protocol].open(listener);

	if (error)
		listener_stop(listener);
	return error;
}

void listener_unbind(struct listener *listener)
{
	if (listener->fd < 0)
		return;
	listener_stop(listener);
	if (listener->protocol != TRANSPORT_UDP)
		connections_destroy(listener);
}

bool listener_is_away(const struct listener *listener)
{
	return listener->moves && listener->fd < 0;
}

bool listener_is_bound(const struct listener *listener)
{
	return listener->fd >= 0;
}

void listener_options_set(const struct listener *listener)
{
	bool is_v6 = listener->address.any.sa_family == AF_INET6;
	int on = 1;

	if (!listener->moves)
		return;
	// Where this fails bind() does and says why.
	(void)setsockopt(listener->fd, is_v6 ? IPPROTO_IPV6 : IPPROTO_IP,
		is_v6 ? IPV6_FREEBIND : IP_FREEBIND, &on, sizeof(on));
}

void listener_tls_set(struct listener *listener, struct tls *server, struct tls *client)
{
	listener->tls_server = server;
	listener->tls_client = client;
}

int listener_tls_expect(
	struct listener *listener, const struct sip_address *remote, struct tls *client)
{
	struct tls_target *target;

	SLIST_FOREACH (target, &listener->tls_targets, link)
		if (sip_address_equal(&target->remote, remote)) {
			target->client = client;
			return 0;
		}
	target = calloc(1, sizeof(*target));
	if (!target)
		return -ENOMEM;
	target->remote = *remote;
	target->client = client;
	SLIST_INSERT_HEAD(&listener->tls_targets, target, link);
	return 0;
}

void listener_upgrade_rules_set(struct listener *listener, const struct upgrade_rules *rules)
{
	listener->upgrade_rules = *rules;
}

struct tls *listener_tls_to(const struct listener *listener, const struct sip_address *remote)
{
	struct tls *found = listener->tls_client;
	const struct tls_target *target;

	SLIST_FOREACH (target, &listener->tls_targets, link) {
		if (sip_address_equal(&target->remote, remote))
			return target->client;
		if (sip_address_equal_host(&target->remote, remote))
			found = target->client; // the list is newest first
	}
	return found;
}

struct listener *listener_find(struct transport *transport, enum transport_protocol protocol,
	const struct sip_address *address)
{
	struct listener *listener;

	SLIST_FOREACH (listener, &transport->listeners, link)
		if (listener->protocol == protocol && (listener->fd >= 0 || listener->moves) &&
			sip_address_equal(&listener->address, address))
			return listener;
	return NULL;
}

struct listener *listener_for(struct transport *transport, enum transport_protocol protocol,
	const struct sip_address *remote)
{
	struct listener *listener, *found = NULL;

	SLIST_FOREACH (listener, &transport->listeners, link)
		if (listener->protocol == protocol && listener->fd >= 0 &&
			listener->address.any.sa_family == remote->any.sa_family)
			found = listener; // the list is newest first
	return found;
}

void transport_marks_set(struct transport *transport, const struct token_keys *keys, int mark)
{
	transport->token_keys = keys;
	transport->mark = mark;
}

void listener_mark_set(struct listener *listener, int mark)
{
	listener->mark = mark;
}

void listener_token_make(const struct listener *listener, char out[TOKEN_SIZE])
{
	const struct transport *transport = listener->transport;
	int mark = listener->mark >= 0 && listener->fd >= 0 ? listener->mark : transport->mark;

	if (transport->token_keys && mark >= 0)
		token_make_marked(out, transport->token_keys, (unsigned int)mark);
	else
		token_make(out);
}

const struct sip_address *listener_address(const struct listener *listener)
{
	return &listener->address;
}

enum transport_protocol listener_protocol(const struct listener *listener)
{
	return listener->protocol;
}

struct slice listener_sent_by(const struct listener *listener)
{
	return listener->sent_by;
}

struct slice listener_via_name(const struct listener *listener)
{
	return protocols[listener->protocol].via_name;
}

uint16_t listener_default_port(const struct listener *listener)
{
	static const uint16_t ports[] = {[TRANSPORT_UDP] = 5060,
		[TRANSPORT_TCP] = 5060,
		[TRANSPORT_TLS] = 5061,
		[TRANSPORT_WS] = 80,
		[TRANSPORT_WSS] = 443};

	return ports[listener->protocol];
}

bool listener_is_secure(const struct listener *listener)
{
	return protocol_is_secure(listener->protocol);
}

bool listener_connects(const struct listener *listener)
{
	return !protocol_is_websocket(listener->protocol);
}

bool listener_is_reliable(const struct listener *listener)
{
	return listener->protocol != TRANSPORT_UDP;
}

const struct transport_counters *transport_counters(const struct transport *transport)
{
	return &transport->counters;
}
