// SIP over TCP, TLS (RFC 3261 18) and WebSocket (RFC 7118): who may connect, and which connection a
// message takes. The connections themselves are sip_connection.c.
//
// Subtle: messages are not bound to connections but to the two ends of one, so that a transaction
// or dialog outlives a connection that breaks: its next message opens another.
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <unistd.h>

#include <event2/event.h>

#include "sip_connection.h"
#include "token.h"

enum {
	BACKLOG = 1024,
	ACCEPT_BATCH = 64, // connections a turn
	CONNECTIONS_MAX = 10000,
	PER_SOURCE = 100,
	CONNECT_MS = 4000,
	MESSAGE_MS = 5000,
	HANDSHAKES_MAX = 1000,
	HANDSHAKES_PER_SOURCE = 20,
	HANDSHAKE_MS = 5000,
	PING_MS = 30000, // the bindings of most NATs live longer
	IDLE_MS = 600000,
	KEEPALIVE_S = 60, // until a silent far end is asked whether it is there
};

// ---- limits

static struct timeval timeout_make(struct event_base *base, unsigned int ms)
{
	struct timeval plain = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
	const struct timeval *common = event_base_init_common_timeout(base, &plain);

	return common ? *common : plain;
}

static unsigned int connections_default(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) || files.rlim_cur / 2 > CONNECTIONS_MAX)
		return CONNECTIONS_MAX;
	return (unsigned int)files.rlim_cur / 2;
}

void transport_limits_set(struct transport *transport, const struct transport_limits *wanted)
{
	struct transport_limits limits = *wanted;

	if (!limits.connections)
		limits.connections = connections_default();
	limits.per_source = limits.per_source ? limits.per_source : PER_SOURCE;
	limits.connect_ms = limits.connect_ms ? limits.connect_ms : CONNECT_MS;
	limits.message_ms = limits.message_ms ? limits.message_ms : MESSAGE_MS;
	limits.idle_ms = limits.idle_ms ? limits.idle_ms : IDLE_MS;
	limits.handshakes = limits.handshakes ? limits.handshakes : HANDSHAKES_MAX;
	if (!limits.handshakes_per_source)
		limits.handshakes_per_source = HANDSHAKES_PER_SOURCE;
	limits.handshake_ms = limits.handshake_ms ? limits.handshake_ms : HANDSHAKE_MS;
	limits.ping_ms = limits.ping_ms ? limits.ping_ms : PING_MS;
	transport->limits = limits;
	transport->timeouts = (struct transport_timeouts){
		.connect = timeout_make(transport->base, limits.connect_ms),
		.message = timeout_make(transport->base, limits.message_ms),
		.idle = timeout_make(transport->base, limits.idle_ms),
		.handshake = timeout_make(transport->base, limits.handshake_ms),
		.ping = timeout_make(transport->base, limits.ping_ms)};
}

// ---- listening

static void option(int fd, int level, int name, int value)
{
	// Of all of these the socket can do without.
	(void)setsockopt(fd, level, name, &value, sizeof(value));
}

// A dead far end is found out by keep-alives, or by data that it does not acknowledge.
static void options_set(int fd)
{
	option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	option(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_S);
	option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_S / 4);
	option(fd, IPPROTO_TCP, TCP_KEEPCNT, 4);
}

static bool may_shake_hands(struct listener *listener, const struct sip_address *source)
{
	struct transport *transport = listener->transport;
	const struct transport_limits *limits = &transport->limits;

	if (listener->protocol == TRANSPORT_TCP ||
		(transport->counters.handshakes < limits->handshakes &&
			handshakes_from(transport, source, limits->handshakes_per_source) <
				limits->handshakes_per_source))
		return true;
	transport->counters.handshakes_refused++;
	return false;
}

static bool is_welcome(struct listener *listener, const struct sip_address *source)
{
	struct transport *transport = listener->transport;
	const struct transport_user *user = transport->user;

	if (user->accept && !user->accept(transport->arg, listener, &source->any)) {
		transport->counters.refused++;
		return false;
	}
	if (transport->counters.connections < transport->limits.connections &&
		connections_from(transport, source, transport->limits.per_source) <
			transport->limits.per_source)
		return true;
	transport->counters.connections_refused++;
	return false;
}

static void admit(
	struct listener *listener, int fd, const struct sockaddr_storage *from, socklen_t length)
{
	struct sip_address source;

	if (sip_address_from((const struct sockaddr *)from, length, &source) ||
		!is_welcome(listener, &source) || !may_shake_hands(listener, &source)) {
		close(fd);
		return;
	}
	options_set(fd);
	connection_create(listener, &source, fd, CONNECTION_ACCEPTED);
}

// Out of files: a connection that is left waiting would wake us again and again, so it is taken
// with the file that was kept for this, and closed.
static void turn_away(struct transport *transport, int fd)
{
	int waiting;

	if (transport->spare_fd < 0)
		return;
	close(transport->spare_fd);
	waiting = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	if (waiting >= 0)
		close(waiting);
	transport->counters.connections_refused++;
	transport->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void acceptable(evutil_socket_t fd, short, void *arg)
{
	struct listener *listener = arg;

	for (int i = 0; i < ACCEPT_BATCH; i++) {
		struct sockaddr_storage from;
		socklen_t length = sizeof(from);
		int accepted = accept4(
			fd, (struct sockaddr *)&from, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (accepted >= 0) {
			admit(listener, accepted, &from, length);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE)
			turn_away(listener->transport, fd);
		else if (errno != ECONNABORTED)
			return;
	}
}

int tcp_open(struct listener *listener)
{
	int family = listener->address.any.sa_family;
	socklen_t length = sizeof(listener->address);

	listener->fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (listener->fd < 0)
		return -errno;
	option(listener->fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (family == AF_INET6)
		option(listener->fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	listener_options_set(listener);
	if (bind(listener->fd, &listener->address.any, sip_address_length(&listener->address)) ||
		getsockname(listener->fd, &listener->address.any, &length) ||
		listen(listener->fd, BACKLOG))
		return -errno;
	listener->event = event_new(listener->transport->base, listener->fd, EV_READ | EV_PERSIST,
		acceptable, listener);
	if (!listener->event || event_add(listener->event, NULL))
		return -ENOMEM;
	return 0;
}

// ---- sending

// From the listener's address, as the far end knows us by it, and any port.
static int socket_make(const struct listener *listener)
{
	struct sip_address local = listener->address;
	int fd = socket(local.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	options_set(fd);
	option(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
	sip_address_port_set(&local, 0);
	if (bind(fd, &local.any, sip_address_length(&local))) {
		close(fd);
		return -1;
	}
	return fd;
}

static struct connection *connect_to(struct listener *listener, const struct sip_address *remote)
{
	struct transport *transport = listener->transport;
	int fd;

	if (transport->counters.connections >= transport->limits.connections) {
		transport->counters.connections_refused++;
		errno = EUSERS;
		return NULL;
	}
	fd = socket_make(listener);
	if (fd < 0)
		return NULL;
	return connection_create(listener, remote, fd, CONNECTION_OPENED);
}

// The connection that there is, to the far end or to where it listens; else a new one there.
static struct connection *connection_to(const struct flow *flow)
{
	struct connection *found = connection_find(flow->listener, &flow->remote);
	struct sip_address remote = flow->remote;

	if (found)
		return found;
	if (!listener_connects(flow->listener)) { // RFC 7118 5: a client that left is not there
		errno = ENOTCONN;
		return NULL;
	}
	if (flow->connect_port) {
		sip_address_port_set(&remote, flow->connect_port);
		found = connection_find(flow->listener, &remote);
	}
	return found ? found : connect_to(flow->listener, &remote);
}

void tcp_send(struct listener *listener, const struct queued *messages, unsigned int n)
{
	struct transport *transport = listener->transport;

	for (unsigned int i = 0; i < n; i++) {
		struct connection *connection = connection_to(&messages[i].flow);
		int error = connection ? connection_send(connection, messages[i].data) : -errno;

		if (!error) {
			transport->counters.sent++;
			continue;
		}
		transport->counters.send_errors++;
		transport_note_error(transport, &messages[i].flow, -error, messages[i].data);
	}
}

// ---- life

int tcp_init(struct transport *transport)
{
	token_random(&transport->key, sizeof(transport->key));
	transport->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	transport_limits_set(transport, &(struct transport_limits){0});
	if (hash_table_init(&transport->connections, 64) ||
		hash_table_init(&transport->sources, 64))
		return -ENOMEM;
	return 0;
}

void tcp_fini(struct transport *transport)
{
	struct connection *connection;

	while ((connection = connection_any(transport)))
		connection_leave(connection);
	if (transport->spare_fd >= 0)
		close(transport->spare_fd);
	hash_table_fini(&transport->connections);
	hash_table_fini(&transport->sources);
}
