// The cluster as the rest of a node sees it: which shards are ours, and the records of their calls.
//
//   cluster                                 the rest (control/call)
//   claims a lapsed shard   ops.own()    →  lists its records, restores the calls, sets their media
//                                           sessions, opens the addresses (SIP here, media in the
//                                           dataplane with the epoch), is heard
//   cluster_put, _delete                 ←  whenever a call has changed or is over
//   asks for a record       ops.record() →  its present state, as often as the store wants it
//   someone else has it     ops.drop()   →  closes the addresses, forgets the calls without a word
//                                           to anybody, and without CDRs: those are the new owner's
//
// Ownership: a lease in the store with an epoch that only grows. Claiming needs the store, a lapsed
// lease, an owner that neither we nor most others hear, and our turn (claim.h); keeping needs
// nothing. A shard is dropped for a proof that there is a newer owner, never for silence: a peer's
// heartbeat with a higher epoch, the store's, or a conflict over an address. Who has been stopped
// (SIGSTOP, a frozen machine) sends nothing for its shards before it has asked again.
//
// All runs on one libevent loop. Callbacks come from the loop, never from inside a call of this
// header, but for ops.record().
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "store_config.h"

struct cluster;
struct event_base;
struct log_module;

extern struct log_module log_cluster;

enum {
	CLUSTER_NODES_MAX = 16,
	CLUSTER_SHARDS_MAX = 64,
	CLUSTER_NAME_MAX = 31, // of nodes and shards, as the store wants names
};

// One that takes part; also where it owns no shards and only bears witness.
struct cluster_node {
	const char *name;
	struct sockaddr_storage address; // of its heartbeats
};

struct cluster_shard {
	const char *name;
	const char *nodes[CLUSTER_NODES_MAX]; // that may own it, the preferred first
	size_t n_nodes;
};

// Everything outlives the cluster.
struct cluster_settings {
	const char *node; // us, one of `nodes`
	const struct cluster_node *nodes;
	size_t n_nodes;
	const struct cluster_shard *shards;
	size_t n_shards;
	uint32_t heartbeat_ms;
	uint32_t n_missed;    // heartbeats, until a node is not heard
	bool store_votes;     // the store is a witness: a lapsed lease counts as a node's voice
	const char *key_file; // of the cluster's keys, store_keys.h
	struct store_config store;
};

struct cluster_ops {
	// The shard is ours under this epoch; again with a higher one where the store had lost it.
	void (*own)(void *arg, const char *shard, uint64_t epoch);
	// Nobody else can have claimed it before asked_ms (CLOCK_MONOTONIC) + lease: after own(),
	// and with each renewal. May be NULL.
	void (*leased)(void *arg, const char *shard, uint64_t asked_ms);
	// It is another's, under an epoch that is higher than ours was.
	void (*drop)(void *arg, const char *shard, uint64_t epoch);
	// Someone else owns a shard that we do not: told once for each that is not ours.
	void (*other)(void *arg, const char *shard, uint64_t epoch);
	// The present state of a record; its length, 0 where there is none any more.
	size_t (*record)(void *arg, const char *shard, const char *key, uint8_t *out, size_t size);
	uint32_t (*calls)(void *arg); // how many there are, for the others to see
};

enum { CLUSTER_RECORD_MAX = 8192 };

// NULL with errno set; the log says why. `base` is to have two priorities at least
// (event_base_priority_init()): after a stop nothing else of the loop runs before the doubt is
// over.
struct cluster *cluster_create(struct event_base *base, const struct cluster_settings *settings,
	const struct cluster_ops *ops, void *arg);
// The same over a memory that several nodes of one process share, for tests.
struct store_memory;
struct cluster *cluster_create_shared(struct event_base *base,
	const struct cluster_settings *settings, struct store_memory *memory,
	const struct cluster_ops *ops, void *arg);
// Shards are left as they are: the next run of this node claims them again.
void cluster_destroy(struct cluster *cluster);

// How long a lease is, and after what silence a node is missed.
uint32_t cluster_lease_ms(const struct cluster *cluster);
uint32_t cluster_silence_ms(const struct cluster *cluster);
bool cluster_owns(const struct cluster *cluster, const char *shard);

// Records of shards of ours: a key is a call's id as text, or what begins otherwise. What they hold
// is sealed with the cluster's key. A put only says that the record has changed: ops.record() is
// asked for it within 100 ms. 0, -ENOENT where the shard is not ours, -ENOMEM.
int cluster_put(struct cluster *cluster, const char *shard, const char *key);
int cluster_delete(struct cluster *cluster, const char *shard, const char *key);

// All records of a shard of ours, one by one, and once with `key` NULL: 0 at the end, or a negative
// errno where the store went away before that. Those of newer versions, and what is broken, are
// counted and left out.
typedef void cluster_record_fn(
	void *arg, const char *key, const void *record, size_t length, int status);
int cluster_list(struct cluster *cluster, const char *shard, cluster_record_fn *fn, void *arg);
// Those that are listed are ours from then on, saved as they are, until they are put or deleted.

// Another node answers for an address of this shard. Where its epoch is not known (0) the store is
// asked; the shard is dropped where it has a newer owner.
void cluster_conflict(struct cluster *cluster, const char *shard, uint64_t epoch);
// For values of all nodes.
struct store;
struct store *cluster_store(const struct cluster *cluster);

// The node that says that it owns a shard, of settings.nodes: its index, or -1 where it is us or
// nobody that is heard.
int cluster_owner(const struct cluster *cluster, const char *shard);
// Whether a node of settings.nodes is heard; false for us.
bool cluster_hears(const struct cluster *cluster, size_t node);

// Take no new shards, and tell the others.
void cluster_drain(struct cluster *cluster, bool draining);
