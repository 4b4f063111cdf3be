// What the nodes of a cluster share: checkpoints of calls, who owns which shard, small values,
// loads.
//
// Nodes are the truth and the store is their shared copy. So nothing here waits: a put is queued
// (the latest state of a key replaces the one before), written behind in batches, and repeated
// until the store has it. While the store is away nobody claims, everybody keeps what he owns, and
// all is written again where the store comes back without it.
//
// A shard is owned by a lease with an epoch that only grows. Every write carries the epoch; one
// that is not the newest is refused, and its shard is then lost (fencing). A lapsed lease alone
// takes nothing away: only a claim by another node does.
//
// Two implementations behind one interface: memory (a node alone) and Redis 7. All functions belong
// to the thread of the event loop; callbacks come from the loop, never from inside a call of these
// functions, and must not destroy the store.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct log_module;
struct store;
struct store_config;

extern struct log_module log_store;

enum {
	STORE_SHARD_MAX =
		31, // letters, digits, '-', '_' and '.': it becomes a hash tag of Redis Cluster
	STORE_NODE_MAX = 63, // as a shard's
	STORE_KEY_MAX = 63,  // printable ASCII without blanks
	STORE_KIND_MAX = 15, // of a value, as a shard's
	STORE_RECORD_MAX = 32768,
	STORE_VALUE_MAX = 1024,
};

enum store_result {
	STORE_OK,
	STORE_MORE,  // a page of a list; others follow
	STORE_NONE,  // there is no such thing
	STORE_HELD,  // another node holds the shard's lease
	STORE_EARLY, // a store that does not know the shard waits before it gives it away
	STORE_STALE, // a newer epoch exists
	STORE_DOWN,  // the store is away, or sick (see the status)
};
const char *store_result_name(enum store_result result);

// Why a store is not well. One counter each.
#define STORE_ILLS(X)                                                         \
	X(NONE, "none")		    /* all is well */                         \
	X(START, "start")	    /* not connected yet */                   \
	X(CONNECT, "connect")	    /* refused, unreachable, no such name */  \
	X(CLOSED, "closed")	    /* the other side went away */            \
	X(TIMEOUT, "timeout")	    /* no connection, or no reply, in time */ \
	X(TLS, "tls")		    /* hand-shake or certificate */           \
	X(PROTOCOL, "protocol")	    /* not what Redis says */                 \
	X(PASSWORD, "password")	    /* WRONGPASS, NOAUTH */                   \
	X(PERMISSION, "permission") /* NOPERM: the user's ACL */              \
	X(MEMORY, "memory")	    /* OOM: maxmemory reached */              \
	X(READONLY, "readonly")	    /* a replica */                           \
	X(LOADING, "loading")	    /* reading its files */                   \
	X(DISK, "disk")		    /* MISCONF: cannot save */                \
	X(REPLICAS, "replicas")	    /* NOREPLICAS, MASTERDOWN, CLUSTERDOWN */ \
	X(MOVED, "moved")	    /* MOVED, ASK: the slot is elsewhere */   \
	X(SENTINEL, "sentinel")	    /* no sentinel knows a master */          \
	X(ERROR, "error")	    /* any other error reply */

enum store_ill {
#define X(name, text) STORE_ILL_##name,
	STORE_ILLS(X)
#undef X
		STORE_N_ILLS,
};
const char *store_ill_name(enum store_ill ill);

struct store_status {
	bool up;		   // takes reads and writes
	enum store_ill ill;	   // why not, or what the last write met
	uint64_t since_ms;	   // of `up` or its contrary, CLOCK_MONOTONIC
	size_t n_records;	   // of our shards
	size_t n_unprotected;	   // of them not saved in their latest state
	size_t held_bytes;	   // of values that wait to be saved
	size_t n_kept, kept_bytes; // of records that store_keep() was told of
	// counters
	uint64_t n_saved, n_deleted, n_coalesced, n_failed, n_stale, n_dropped;
	uint64_t n_connects, n_rewound; // times the store came back empty or older than it was
	uint64_t n_ills[STORE_N_ILLS];
};

enum store_shard_state {
	STORE_SHARD_OWNED, // claimed by store_claim(), or back after a doubt with a new epoch
	STORE_SHARD_LOST,  // another node has a newer epoch: stop serving it
};

struct store_item {
	const char *key;
	const void *value;
	size_t length;
};

struct store_reply {
	enum store_result result;
	uint64_t epoch, left_ms; // of a claim and of an owner
	const char *holder;	 // of HELD and of an owner, never NULL
	int64_t number;		 // of store_value_add()
	const struct store_item *items;
	size_t n_items;
};

// Called once for each request, of lists once for each page (MORE) and once at the end. What
// `reply` points to is good until it returns.
typedef void store_reply_fn(void *arg, const struct store_reply *reply);

struct store_callbacks {
	void (*shard)(void *arg, const char *shard, enum store_shard_state state, uint64_t epoch);
	// The lease of a shard of ours counts from `asked_ms` on (CLOCK_MONOTONIC), as we asked for
	// it then. May be NULL.
	void (*leased)(void *arg, const char *shard, uint64_t asked_ms);
	// The present state of a record, for re-uploads: write it to `buffer` and return its
	// length, or 0 where there is none any more. NULL: the store keeps a copy of each value
	// instead.
	size_t (*fetch)(
		void *arg, const char *shard, const char *key, uint8_t *buffer, size_t size);
	void (*status)(void *arg, const struct store_status *status); // up or down, or may be NULL
};

// A store as `config` has it (copied). NULL with errno set: EINVAL, ENOMEM, or of files it names.
struct store *store_create(struct event_base *base, const struct store_config *config,
	const struct store_callbacks *callbacks, void *arg);

// The same over a memory that several stores share, as nodes of one cluster in one process.
struct store_memory;
struct store_memory *store_memory_create(void);
void store_memory_destroy(struct store_memory *memory);
struct store *store_create_shared(struct event_base *base, const struct store_config *config,
	struct store_memory *memory, const struct store_callbacks *callbacks, void *arg);

// Requests under way are answered DOWN first. What is unsaved stays unsaved.
void store_destroy(struct store *store);

const struct store_status *store_status(const struct store *store);

// Have the connection that there is served before the rest of the loop (event_base_priority_init()
// with 2 or more), or like it again.
void store_urgent(struct store *store, bool on);

// Shards. A claimed shard is renewed every third of its lease until it is released or lost. A claim
// by the node that holds the lease is a new claim (it was restarted) with a new epoch.
// All return 0, -EINVAL for a bad name, -ENOMEM; claim -EALREADY where we own it or ask already,
// release -ENOENT where we do not.
int store_claim(struct store *store, const char *shard, store_reply_fn *fn, void *arg);
int store_release(struct store *store, const char *shard, store_reply_fn *fn, void *arg);
int store_owner(struct store *store, const char *shard, store_reply_fn *fn, void *arg);
bool store_owns(const struct store *store, const char *shard);

// Records of a shard that we own: 0, -ENOENT where we do not, -EINVAL, -EMSGSIZE, -ENOMEM, -ENOBUFS
// where too much waits already and there is no fetch(). Nothing is reported: see n_unprotected.
int store_put(
	struct store *store, const char *shard, const char *key, const void *value, size_t length);
// The record has changed, and fetch() says what it is by now. Errors as store_put().
int store_put_later(struct store *store, const char *shard, const char *key);
int store_delete(struct store *store, const char *shard, const char *key);

// A record as the store has it (unsaved states are not seen), of anybody's shard.
int store_get(
	struct store *store, const char *shard, const char *key, store_reply_fn *fn, void *arg);
// All records of a shard in pages. One may come twice where the list is changed meanwhile.
int store_list(struct store *store, const char *shard, store_reply_fn *fn, void *arg);
// After a claim: the records found there are ours from now on, saved as they are.
int store_adopt(struct store *store, const char *shard, const char *key);
// After a claim: a record found there that we cannot read, of a newer version or under a key that
// we do not have. It stays as it is, also over a store that comes back empty, until it is put or
// deleted. Up to held_max bytes of them are remembered: the others a store may lose (n_dropped).
int store_keep(
	struct store *store, const char *shard, const char *key, const void *value, size_t length);

// Small values of the cluster, of a kind ("ban", "quota") and a name (as a key), for `ttl_ms`.
int store_value_set(struct store *store, const char *kind, const struct store_item *item,
	uint64_t ttl_ms, store_reply_fn *fn, void *arg);
// Add to a number that lives `ttl_ms` from its first addition.
int store_value_add(struct store *store, const char *kind, const char *name, int64_t delta,
	uint64_t ttl_ms, store_reply_fn *fn, void *arg);
int store_value_get(
	struct store *store, const char *kind, const char *name, store_reply_fn *fn, void *arg);
int store_value_list(struct store *store, const char *kind, store_reply_fn *fn, void *arg);

// A node's heartbeat: what the others see of it until it is three heartbeats old.
struct store_node {
	char name[STORE_NODE_MAX + 1];
	uint32_t n_calls, calls_max;
	uint16_t load; // 1/1000
	bool draining;
};
int store_heartbeat(struct store *store, const struct store_node *node, uint64_t interval_ms);
// Nodes come as the items of one reply; store_node_parse() reads each. 0 or -EINVAL.
int store_nodes(struct store *store, store_reply_fn *fn, void *arg);
int store_node_parse(const struct store_item *item, struct store_node *node);
