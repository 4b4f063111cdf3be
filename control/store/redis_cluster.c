// Slots and servers of a Redis Cluster. A connection is made when the first request wants it, and
// again by the first that comes after its back-off: renewals of leases come for ever.
#include "redis_cluster.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 16384, NODES_MAX = 64, WAITING_MAX = 1024, NOBODY = 0xff };

struct redis_node {
	struct redis_cluster *cluster;
	struct redis_address address; // port 0: a free place
	struct redis_link *link;
	bool up;
	unsigned int n_slots;
	struct request_queue waiting;
	size_t n_waiting;
	unsigned int n_attempts; // that failed in a row
	uint64_t retry_at_ms;
};

struct redis_cluster {
	struct redis_cluster_config config;
	struct redis_node nodes[NODES_MAX];
	uint8_t slots[SLOTS]; // number of a node, or NOBODY
};

unsigned int redis_slot(const char *tag)
{
	unsigned int crc = 0, bit;

	for (; *tag; tag++) {
		crc ^= (unsigned int)(uint8_t)*tag << 8;
		for (bit = 0; bit < 8; bit++)
			crc = crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1;
	}
	return (crc & 0xffff) % SLOTS;
}

struct redis_cluster *redis_cluster_create(const struct redis_cluster_config *config)
{
	struct redis_cluster *cluster = calloc(1, sizeof(*cluster));
	size_t i;

	if (!cluster)
		return NULL;
	cluster->config = *config;
	memset(cluster->slots, NOBODY, sizeof(cluster->slots));
	for (i = 0; i < NODES_MAX; i++) {
		cluster->nodes[i].cluster = cluster;
		TAILQ_INIT(&cluster->nodes[i].waiting);
	}
	return cluster;
}

static void fail_waiting(struct redis_node *node)
{
	struct store_request *request;

	while ((request = TAILQ_FIRST(&node->waiting))) {
		TAILQ_REMOVE(&node->waiting, request, link);
		node->n_waiting--;
		request_fail(request, STORE_DOWN);
	}
}

static void close_link(struct redis_node *node)
{
	struct redis_link *link = node->link;

	node->link = NULL;
	node->up = false;
	redis_link_destroy(link);
	fail_waiting(node);
}

void redis_cluster_destroy(struct redis_cluster *cluster)
{
	size_t i;

	for (i = 0; cluster && i < NODES_MAX; i++)
		close_link(&cluster->nodes[i]);
	free(cluster);
}

struct redis_node *redis_cluster_find(struct redis_cluster *cluster, unsigned int slot)
{
	return cluster->slots[slot] == NOBODY ? NULL : &cluster->nodes[cluster->slots[slot]];
}

const struct redis_address *redis_node_address(const struct redis_node *node)
{
	return &node->address;
}

const struct redis_address *redis_cluster_server(const struct redis_cluster *cluster, size_t n)
{
	size_t i;

	for (i = 0; i < NODES_MAX; i++)
		if (cluster->nodes[i].n_slots && !n--)
			return &cluster->nodes[i].address;
	return NULL;
}

static struct redis_node *node_of(
	struct redis_cluster *cluster, const struct redis_address *address)
{
	struct redis_node *unused = NULL;
	size_t i;

	for (i = 0; i < NODES_MAX; i++) {
		struct redis_node *node = &cluster->nodes[i];

		if (redis_address_equal(&node->address, address))
			return node;
		if (!unused && !node->n_slots && !node->link)
			unused = node;
	}
	if (unused) {
		unused->address = *address;
		unused->n_attempts = 0;
		unused->retry_at_ms = 0;
	}
	return unused;
}

static void give_slot(struct redis_cluster *cluster, size_t slot, struct redis_node *node)
{
	struct redis_node *before = redis_cluster_find(cluster, (unsigned int)slot);

	if (before)
		before->n_slots--;
	node->n_slots++;
	cluster->slots[slot] = (uint8_t)(node - cluster->nodes);
}

struct redis_node *redis_cluster_redirect(
	struct redis_cluster *cluster, const char *text, const struct redis_address *from)
{
	struct redis_address address = {.port = 0};
	struct redis_node *node;
	char host[256] = "";
	unsigned int slot;
	int port, at = 0;
	const char *colon;

	if (sscanf(text, "%*s %u %n", &slot, &at) != 1 || !at || slot >= SLOTS)
		return NULL;
	colon = strrchr(text + at, ':'); // IPv6 comes without brackets
	if (!colon || (size_t)(colon - text - at) >= sizeof(host))
		return NULL;
	memcpy(host, text + at, (size_t)(colon - text - at));
	port = atoi(colon + 1);
	if (port < 1 || port > 65535)
		return NULL;
	strcpy(address.host, host[0] ? host : from->host);
	address.port = port;
	node = node_of(cluster, &address);
	if (node && !strncmp(text, "MOVED", 5))
		give_slot(cluster, slot, node);
	return node;
}

// {start, end, {host, port, id, ...}, replicas...}; the host is empty, nil or "?" where the server
// does not know how it is called.
static int learn_range(
	struct redis_cluster *cluster, const redisReply *range, const struct redis_address *from)
{
	const redisReply *server = range->elements > 2 ? range->element[2] : NULL;
	struct redis_address address = *from;
	struct redis_node *node;
	long long slot;

	if (range->type != REDIS_REPLY_ARRAY || !server || server->type != REDIS_REPLY_ARRAY ||
		server->elements < 2 || server->element[1]->type != REDIS_REPLY_INTEGER ||
		range->element[0]->type != REDIS_REPLY_INTEGER ||
		range->element[1]->type != REDIS_REPLY_INTEGER || range->element[0]->integer < 0 ||
		range->element[1]->integer >= SLOTS || server->element[1]->integer < 1 ||
		server->element[1]->integer > 65535)
		return -EPROTO;
	if (server->element[0]->type == REDIS_REPLY_STRING && server->element[0]->len > 0 &&
		server->element[0]->len < (int)sizeof(address.host) &&
		strcmp(server->element[0]->str, "?") != 0)
		strcpy(address.host, server->element[0]->str);
	address.port = (int)server->element[1]->integer;
	node = node_of(cluster, &address);
	for (slot = range->element[0]->integer; node && slot <= range->element[1]->integer; slot++)
		give_slot(cluster, (size_t)slot, node);
	return 0;
}

int redis_cluster_learn(
	struct redis_cluster *cluster, const redisReply *reply, const struct redis_address *from)
{
	size_t i;

	if (reply->type != REDIS_REPLY_ARRAY)
		return -EPROTO;
	for (i = 0; i < reply->elements; i++)
		if (learn_range(cluster, reply->element[i], from))
			return -EPROTO;
	for (i = 0; i < NODES_MAX; i++)
		if (!cluster->nodes[i].n_slots && cluster->nodes[i].link && cluster->nodes[i].up &&
			redis_link_is_idle(cluster->nodes[i].link))
			close_link(&cluster->nodes[i]);
	return 0;
}

static void on_up(void *arg)
{
	struct redis_node *node = arg;
	struct store_request *request;

	node->up = true;
	node->n_attempts = 0;
	log_info(&log_store, "node_up", "server=%s:%d", node->address.host, node->address.port);
	while ((request = TAILQ_FIRST(&node->waiting))) {
		TAILQ_REMOVE(&node->waiting, request, link);
		node->n_waiting--;
		if (node->cluster->config.send(node->cluster->config.arg, node->link, request))
			request_fail(request, STORE_DOWN);
	}
}

static void back_off(struct redis_node *node)
{
	const struct redis_cluster_config *config = &node->cluster->config;
	uint64_t ms = config->backoff_min_ms;
	unsigned int i;

	for (i = 0; i < node->n_attempts && ms < config->backoff_max_ms; i++)
		ms *= 2;
	node->n_attempts++;
	node->retry_at_ms = store_now_ms() + ms / 2 + arc4random_uniform((uint32_t)ms / 2 + 1);
}

static void on_down(void *arg, enum store_ill ill)
{
	struct redis_node *node = arg;

	if (!node->n_attempts)
		log_warn(&log_store, "node_down", "server=%s:%d why=%s", node->address.host,
			node->address.port, store_ill_name(ill));
	back_off(node);
	close_link(node);
	node->cluster->config.failed(node->cluster->config.arg, ill);
}

static int open_link(struct redis_node *node)
{
	struct redis_link_config config = node->cluster->config.link;

	if (store_now_ms() < node->retry_at_ms)
		return -ENOTCONN;
	config.up = on_up;
	config.down = on_down;
	config.arg = node;
	node->link = redis_link_create(&config, &node->address);
	return node->link ? 0 : -ENOMEM;
}

int redis_node_submit(struct redis_node *node, struct store_request *request)
{
	int result = node->link ? 0 : open_link(node);

	if (result)
		return result;
	if (node->up)
		return node->cluster->config.send(node->cluster->config.arg, node->link, request);
	if (node->n_waiting >= WAITING_MAX)
		return -ENOBUFS;
	TAILQ_INSERT_TAIL(&node->waiting, request, link);
	node->n_waiting++;
	return 0;
}

void redis_cluster_priority_set(struct redis_cluster *cluster, int priority)
{
	size_t i;

	for (i = 0; i < NODES_MAX; i++)
		if (cluster->nodes[i].link)
			redis_link_priority_set(cluster->nodes[i].link, priority);
}
