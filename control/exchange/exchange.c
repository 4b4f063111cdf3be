#include "exchange.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "store_keys.h"

enum { TURN_MAX = 256, BUFFER = 4 << 20 }; // datagrams a turn of the loop; bytes the kernel holds

struct exchange {
	const struct cluster_settings *settings;
	struct store_keys *keys;
	struct token_keys token_keys;
	struct sip_address addresses[CLUSTER_NODES_MAX];
	struct exchange_window windows[CLUSTER_NODES_MAX];
	int fd;
	struct event *readable;
	uint64_t boot, counter;
	exchange_receive_fn *receive;
	void *arg;
	struct exchange_counters counters;
	uint8_t datagram[EXCHANGE_DATAGRAM_MAX + 1], text[EXCHANGE_DATAGRAM_MAX],
		sealed[EXCHANGE_DATAGRAM_MAX];
};

static int node_find(const struct exchange *exchange, const char *name)
{
	for (size_t i = 0; i < exchange->settings->n_nodes; i++)
		if (!strcmp(exchange->settings->nodes[i].name, name))
			return (int)i;
	return -1;
}

static void datagram_take(struct exchange *exchange, size_t length)
{
	struct exchange_message message;
	int node;

	if (exchange_open(&message, exchange->keys, exchange->datagram, length, exchange->text) ||
		strcmp(message.to, exchange->settings->node) != 0 ||
		!strcmp(message.from, exchange->settings->node) ||
		(node = node_find(exchange, message.from)) < 0) {
		exchange->counters.refused++;
	} else if (exchange_window_take(&exchange->windows[node], message.boot, message.counter)) {
		exchange->counters.repeated++;
	} else {
		exchange->counters.received++;
		if (exchange->receive)
			exchange->receive(exchange->arg, &message);
	}
}

static void on_readable(evutil_socket_t fd, short, void *arg)
{
	struct exchange *exchange = arg;

	for (unsigned int i = 0; i < TURN_MAX; i++) {
		ssize_t n = recv(fd, exchange->datagram, sizeof(exchange->datagram), 0);

		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		// Others: an ICMP error of something that we sent.
		if (n >= 0)
			datagram_take(exchange, (size_t)n);
	}
}

int exchange_send(struct exchange *exchange, size_t node, const struct exchange_message *message)
{
	const struct sip_address *to = &exchange->addresses[node];
	struct exchange_message full = *message;
	int n;

	snprintf(full.from, sizeof(full.from), "%s", exchange->settings->node);
	snprintf(full.to, sizeof(full.to), "%s", exchange->settings->nodes[node].name);
	full.boot = exchange->boot;
	full.counter = ++exchange->counter;
	n = exchange_seal(&full, exchange->keys, exchange->sealed);
	if (n == -EMSGSIZE)
		exchange->counters.too_large++;
	if (n < 0)
		return n;
	if (sendto(exchange->fd, exchange->sealed, (size_t)n, 0, &to->any, sip_address_length(to)) <
		0) {
		exchange->counters.send_errors++;
		return -errno;
	}
	exchange->counters.sent++;
	return 0;
}

static int addresses_set(struct exchange *exchange)
{
	const struct cluster_settings *settings = exchange->settings;

	for (size_t i = 0; i < settings->n_nodes; i++) {
		const struct sockaddr_storage *address = &settings->nodes[i].address;
		struct sip_address *own = &exchange->addresses[i];

		if (sip_address_from((const struct sockaddr *)address, sizeof(*address), own))
			return -EINVAL;
		sip_address_port_set(own, (uint16_t)(sip_address_port(own) + 1));
	}
	return 0;
}

static int keys_set(struct exchange *exchange)
{
	size_t n = store_keys_count(exchange->keys);

	for (size_t i = 0; i < n && i < TOKEN_KEYS_MAX; i++) {
		struct siphash_key *key = &exchange->token_keys.keys[i];

		if (store_keys_derive(exchange->keys, i, "sluice tokens", key, sizeof(*key)))
			return -EIO;
		exchange->token_keys.n++;
	}
	return 0;
}

static int socket_open(struct exchange *exchange, struct event_base *base)
{
	const struct sip_address *own =
		&exchange->addresses[node_find(exchange, exchange->settings->node)];
	const int buffer = BUFFER;

	exchange->fd = socket(own->any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (exchange->fd < 0)
		return -errno;
	// It works with the kernel's own size, too.
	(void)setsockopt(exchange->fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
	(void)setsockopt(exchange->fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
	if (bind(exchange->fd, &own->any, sip_address_length(own)))
		return -errno;
	exchange->readable =
		event_new(base, exchange->fd, EV_READ | EV_PERSIST, on_readable, exchange);
	return exchange->readable && !event_add(exchange->readable, NULL) ? 0 : -ENOMEM;
}

struct exchange *exchange_create(struct event_base *base, const struct cluster_settings *settings,
	char *error, size_t error_size)
{
	struct exchange *exchange = calloc(1, sizeof(*exchange));
	char text[SIP_ADDRESS_TEXT_SIZE];
	struct timespec now;
	int err;

	if (!exchange)
		return NULL;
	clock_gettime(CLOCK_REALTIME, &now);
	exchange->boot = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	exchange->settings = settings;
	exchange->fd = -1;
	exchange->keys = store_keys_load(settings->key_file, error, error_size);
	err = exchange->keys ? keys_set(exchange) : -errno;
	if (!err)
		err = addresses_set(exchange);
	if (!err)
		err = socket_open(exchange, base);
	if (!err)
		return exchange;
	if (exchange->keys)
		snprintf(error, error_size, "messages between nodes at %s: %s",
			sip_address_format(
				&exchange->addresses[node_find(exchange, settings->node)], text)
				.p,
			strerror(-err));
	exchange_destroy(exchange);
	errno = -err;
	return NULL;
}

void exchange_destroy(struct exchange *exchange)
{
	if (!exchange)
		return;
	if (exchange->readable)
		event_free(exchange->readable);
	if (exchange->fd >= 0)
		close(exchange->fd);
	if (exchange->keys)
		store_keys_destroy(exchange->keys);
	explicit_bzero(exchange, sizeof(*exchange)); // keys, and keys of media in what was sent
	free(exchange);
}

void exchange_receiver_set(struct exchange *exchange, exchange_receive_fn *receive, void *arg)
{
	exchange->receive = receive;
	exchange->arg = arg;
}

const struct token_keys *exchange_token_keys(const struct exchange *exchange)
{
	return &exchange->token_keys;
}

const struct exchange_counters *exchange_counters(const struct exchange *exchange)
{
	return &exchange->counters;
}
