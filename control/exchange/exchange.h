// Messages of SIP between the nodes of a cluster, one hop and no more: a datagram for each, to the
// port after that of a node's heartbeats. What comes is taken once, from a node of the
// configuration, with the cluster's key, and for us; all else is counted and dropped. Nothing is
// repeated here: SIP does that itself.
//
// UDP carries up to EXCHANGE_SIP_MAX bytes, in fragments where the path between nodes is narrower;
// what is longer is refused to whoever sends it.
#pragma once

#include "cluster.h"
#include "exchange_message.h"

struct event_base;
struct exchange;

struct exchange_counters {
	uint64_t sent, received;
	uint64_t send_errors; // socket full, or no way there
	uint64_t too_large;
	uint64_t refused;  // no message of ours, or not for us, or of nobody in the cluster
	uint64_t repeated; // or too old
};

// `message` and what it points to are good until it returns; the SIP message may be written to.
typedef void exchange_receive_fn(void *arg, struct exchange_message *message);

// `settings` outlive it. NULL with errno set and `error` filled.
struct exchange *exchange_create(struct event_base *base, const struct cluster_settings *settings,
	char *error, size_t error_size);
void exchange_destroy(struct exchange *exchange);
void exchange_receiver_set(
	struct exchange *exchange, exchange_receive_fn *receive, void *arg); // NULL: dropped

// Sends to settings.nodes[node]; who it is from and when is filled in. Returns 0, -EMSGSIZE or
// another negative errno.
int exchange_send(struct exchange *exchange, size_t node, const struct exchange_message *message);

// Keys for marked tokens, of the cluster's keys, in their order.
const struct token_keys *exchange_token_keys(const struct exchange *exchange);
const struct exchange_counters *exchange_counters(const struct exchange *exchange);
