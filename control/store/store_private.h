// What the files of the store share: requests, and what an implementation offers.
#pragma once

#include <event2/event.h>
#include <sys/queue.h>

#include "log.h"
#include "store.h"
#include "store_config.h"
#include "store_table.h"

enum request_type {
	REQUEST_CLAIM,
	REQUEST_RENEW,
	REQUEST_RELEASE,
	REQUEST_OWNER,
	REQUEST_WRITE,
	REQUEST_GET,
	REQUEST_LIST,
	REQUEST_VALUE_SET,
	REQUEST_VALUE_ADD,
	REQUEST_VALUE_GET,
	REQUEST_VALUE_LIST,
	N_REQUESTS,
};

// A record of a batch. The value belongs to the batch while it is under way.
struct write_item {
	struct entry *entry;
	const char *key;
	void *value; // NULL: delete
	size_t length;
};

enum { BATCH_MAX = 32, BATCHES_MAX = 8, LIST_PAGE = 200 };

// What an implementation answers; `reply` is what the caller will see of it.
struct store_internal_reply {
	struct store_reply reply;
	uint64_t seq;	  // of a claim, renewal or write: writes the shard has seen
	uint64_t n_there; // of the same: records
	bool rewound;	  // of a renewal: the store was older than we are
};

struct store_request {
	TAILQ_ENTRY(store_request) link;
	struct store *store;
	enum request_type type;
	char shard[STORE_SHARD_MAX + 1]; // or the kind of a value
	char key[STORE_KEY_MAX + 1];
	uint64_t epoch, seq, ms; // ms: lease or time to live
	bool rewind; // of a renewal: take away what is there, all is to be written again
	int64_t delta;
	void *value;
	size_t length;
	struct write_item *items;
	size_t n_items;
	char cursor[24]; // of a list, by the implementation
	// Of the Redis implementation:
	bool retried;	     // after NOSCRIPT
	bool asking;	     // told to ask there (ASK), this once
	uint8_t n_redirects; // MOVED and ASK in a row
	uint8_t n_waits;     // TRYAGAIN
	void *via;	     // the connection that it is on
	store_reply_fn *fn;  // with `arg`; internal ones take the request itself
	void *arg;
	void (*done)(struct store_request *request, const struct store_internal_reply *reply);
};

TAILQ_HEAD(request_queue, store_request);

// An implementation. submit() takes the request and ends it by request_finish(), later.
struct store_ops {
	void (*submit)(void *impl, struct store_request *request);
	void (*deferred)(void *impl, struct store_request *request); // from store_defer()
	void (*urgent)(void *impl, int priority); // of its events; NULL: it has none
	void (*destroy)(void *impl);		  // finishes what is under way with DOWN
};

// One record of a shard of ours.
struct entry {
	struct table_node node;	 // first
	TAILQ_ENTRY(entry) link; // in `dirty`
	struct shard *shard;
	void *value; // what is to be written; NULL: fetch() it
	size_t length;
	bool dirty, in_flight, again, gone;
	bool kept; // not ours to understand: `value` is what we found, and stays
	char key[];
};

struct shard {
	struct table_node node; // first
	struct store *store;
	TAILQ_HEAD(, entry) dirty;
	struct store_table entries;
	struct event *renewal;
	uint64_t epoch, seq;
	unsigned int n_batches, n_requests; // under way
	uint64_t n_there;		    // records, when the store answered last
	bool owned;
	bool confirmed; // by a claim or renewal since the store is up: writes may go
	bool renewing, releasing, lost;
	uint64_t asked_ms;	// for the lease, last
	uint64_t release_by_ms; // saved or not
	store_reply_fn *release_fn;
	void *release_arg;
	char name[STORE_SHARD_MAX + 1];
};

struct store {
	struct event_base *base;
	struct store_config config; // its strings are copies in `redis_*` or of the implementation
	char node[STORE_NODE_MAX + 1];
	struct store_callbacks callbacks;
	void *arg;
	const struct store_ops *ops;
	void *impl;
	struct store_table shards;
	struct request_queue deferred;
	struct event *deferred_event, *flush_event;
	bool flush_pending, closing;
	unsigned int n_failures; // of writes in a row
	uint64_t retry_at_ms;	 // after one
	struct store_status status;
};

uint64_t store_now_ms(void);  // CLOCK_MONOTONIC
uint64_t store_wall_ms(void); // CLOCK_REALTIME

// store.c
struct store_request *request_create(
	struct store *store, enum request_type type, const char *shard);
void request_submit(struct store_request *request);
void request_finish(struct store_request *request, const struct store_internal_reply *reply);
void request_fail(struct store_request *request, enum store_result result);
void store_defer(struct store *store, struct store_request *request);
void store_up(struct store *store);
void store_down(struct store *store, enum store_ill ill);
// A write met this, the connection stays.
void store_sick(struct store *store, enum store_ill ill);
bool name_is_good(const char *name, size_t max);
bool key_is_good(const char *key);

// store_shard.c
struct shard *shard_find(const struct store *store, const char *name);
void shard_renew(struct shard *shard, bool rewind);
void shard_unconfirm_all(struct store *store);
bool shards_are_confirmed(const struct store *store); // all that are ours
void shard_renew_all(struct store *store);
void shard_destroy(struct shard *shard);
void shard_check_end(
	struct shard *shard); // of a release or loss: free it where nothing is under way

// store_journal.c
void journal_flush_soon(struct store *store, uint32_t ms);
void journal_flush(struct store *store);
void journal_mark_all(struct shard *shard);
void journal_clear(struct shard *shard);

// store_memory.c
extern const struct store_ops store_memory_ops;
void *store_memory_open(struct store *store, struct store_memory *memory, bool owned);

// redis_store.c
extern const struct store_ops store_redis_ops;
void *store_redis_open(struct store *store);
