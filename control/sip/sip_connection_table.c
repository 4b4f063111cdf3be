// How a connection is found: by its two ends, to send on it; by its source, to count against
// limits.
#include "sip_connection_internal.h"

static struct slice host_bytes(const struct sip_address *address)
{
	if (address->any.sa_family == AF_INET6)
		return (struct slice){(const char *)&address->v6.sin6_addr, 16};
	return (struct slice){(const char *)&address->v4.sin_addr, 4};
}

// Never 0.
static uint64_t flow_hash(const struct listener *listener, const struct sip_address *remote)
{
	uint16_t port = sip_address_port(remote);
	struct slice parts[] = {{(const char *)&listener, sizeof(listener)}, host_bytes(remote),
		{(const char *)&port, sizeof(port)}};

	return siphash(&listener->transport->key, parts, 3) | 1;
}

static uint64_t source_hash(const struct transport *transport, const struct sip_address *host)
{
	struct slice bytes = host_bytes(host);

	return siphash(&transport->key, &bytes, 1) | 1;
}

struct connection *connection_find(
	const struct listener *listener, const struct sip_address *remote)
{
	const struct hash_table *table = &listener->transport->connections;
	struct hash_node *node = hash_first(table, flow_hash(listener, remote));

	for (; node; node = hash_next(node)) {
		struct connection *c = container_of(node, struct connection, by_flow);

		if (c->state != CLOSING && c->listener == listener &&
			sip_address_equal(&c->remote, remote))
			return c;
	}
	return NULL;
}

static unsigned int count_from(const struct transport *transport, const struct sip_address *host,
	unsigned int max, bool only_handshaking)
{
	struct hash_node *node = hash_first(&transport->sources, source_hash(transport, host));
	unsigned int n = 0;

	for (; node && n < max; node = hash_next(node)) {
		struct connection *c = container_of(node, struct connection, by_source);

		n += (!only_handshaking || c->state == HANDSHAKING) &&
		     sip_address_equal_host(&c->remote, host);
	}
	return n;
}

unsigned int connections_from(
	const struct transport *transport, const struct sip_address *host, unsigned int max)
{
	return count_from(transport, host, max, false);
}

unsigned int handshakes_from(
	const struct transport *transport, const struct sip_address *host, unsigned int max)
{
	return count_from(transport, host, max, true);
}

struct connection *connection_any(struct transport *transport)
{
	struct hash_node *node = hash_any(&transport->connections);

	return node ? container_of(node, struct connection, by_flow) : NULL;
}

void connection_enlist(struct connection *c, enum connection_origin origin)
{
	struct transport *transport = c->listener->transport;

	hash_add(&transport->connections, &c->by_flow, flow_hash(c->listener, &c->remote));
	transport->counters.connections++;
	if (origin == CONNECTION_OPENED)
		return;
	hash_add(&transport->sources, &c->by_source, source_hash(transport, &c->remote));
	transport->counters.accepted++;
}

void connection_delist(struct connection *c)
{
	struct transport *transport = c->listener->transport;

	if (c->by_flow.hash) {
		hash_remove(&transport->connections, &c->by_flow);
		transport->counters.connections--;
	}
	if (c->by_source.hash)
		hash_remove(&transport->sources, &c->by_source);
}

void connections_destroy(const struct listener *listener)
{
	struct hash_table *table = &listener->transport->connections;

	for (size_t i = 0; i <= table->mask; i++) {
		struct hash_node *node = table->buckets[i], *next;

		for (; node; node = next) {
			struct connection *c = container_of(node, struct connection, by_flow);

			next = node->next;
			if (c->listener == listener)
				connection_destroy(c);
		}
	}
}
