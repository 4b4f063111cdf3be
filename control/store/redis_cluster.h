// Which server of a Redis Cluster has which of the 16384 slots, and a connection to each that is
// asked for something. What is known is a guess until a server says MOVED: then all is learned anew
// (CLUSTER SLOTS), which redis_store.c asks for.
#pragma once

#include "redis_link.h"

struct redis_cluster;
struct redis_node;

struct redis_cluster_config {
	struct redis_link_config link; // TLS, password and times; callbacks are set here
	uint32_t backoff_min_ms, backoff_max_ms;
	// Send it there now: 0 or a negative errno. The link is up.
	int (*send)(void *arg, struct redis_link *link, struct store_request *request);
	void (*failed)(void *arg, enum store_ill ill); // a connection to one of the servers
	void *arg;
};

struct redis_cluster *redis_cluster_create(const struct redis_cluster_config *config);
// What waits for a connection is failed (DOWN).
void redis_cluster_destroy(struct redis_cluster *cluster);

// The slot of a hash tag: CRC16 (XMODEM) modulo 16384.
unsigned int redis_slot(const char *tag);

// NULL where nothing is known of the slot.
struct redis_node *redis_cluster_find(struct redis_cluster *cluster, unsigned int slot);
const struct redis_address *redis_node_address(const struct redis_node *node);
// Whom "MOVED 3999 127.0.0.1:6381" or "ASK ..." names; a missing host is `from`'s. MOVED is
// believed for that slot. NULL where it is nonsense, or there are too many servers (64).
struct redis_node *redis_cluster_redirect(
	struct redis_cluster *cluster, const char *text, const struct redis_address *from);
// The reply to CLUSTER SLOTS by `from`. Servers without slots are forgotten. 0 or -EPROTO.
int redis_cluster_learn(
	struct redis_cluster *cluster, const redisReply *reply, const struct redis_address *from);
// The n-th server that has slots, or NULL.
const struct redis_address *redis_cluster_server(const struct redis_cluster *cluster, size_t n);

// Send it to the node, now or once its connection is up. -ENOTCONN where it has failed just before,
// -ENOBUFS where too much waits, -ENOMEM.
int redis_node_submit(struct redis_node *node, struct store_request *request);
void redis_cluster_priority_set(struct redis_cluster *cluster, int priority);
