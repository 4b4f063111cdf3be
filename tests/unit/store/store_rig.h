// Nodes with a store each on one event loop, and what a test wants to know of their answers.
#pragma once

#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "redis_rig.h"
#include "store.h"
#include "store_config.h"

enum { ANSWER_ITEMS = 64 };

struct answer {
	unsigned int n_calls; // pages of a list count one each
	bool done;
	enum store_result result;
	uint64_t epoch, left_ms;
	int64_t number;
	char holder[64];
	unsigned int n_items;
	struct {
		char key[64], value[128];
	} items[ANSWER_ITEMS]; // the first ones
};

struct node {
	struct store_config config;
	struct store *store;
	unsigned int n_owned, n_lost;
	uint64_t epoch;
	bool fetches; // has the records that fetch() tells: "state of KEY"
};

struct cluster {
	struct event_base *base;
	struct store_memory *memory; // NULL: Redis
	struct redis_rig redis;
};

void cluster_init(struct cluster *cluster, bool redis);
// With Redis, and options of redis-server.
void cluster_start(struct cluster *cluster, const char *const options[]);
void cluster_fini(struct cluster *cluster);
void node_init(struct node *node, struct cluster *cluster, const char *name); // configuration only
void node_open(struct node *node, struct cluster *cluster);
// Opened and up.
void node_start(struct node *node, struct cluster *cluster, const char *name);
void node_close(struct node *node);

void answer_take(void *answer, const struct store_reply *reply); // a store_reply_fn
void run_ms(struct cluster *cluster, unsigned int ms);

#define WAIT(cluster, condition)                                                      \
	do {                                                                          \
		bool met = false;                                                     \
		for (int waited = 0; waited < 1000 && !(met = (condition)); waited++) \
			run_ms(cluster, 10);                                          \
		if (!met)                                                             \
			fail_msg("line %d: never: %s", __LINE__, #condition);         \
	} while (0)

// Ask and wait: ASK(cluster, &answer, store_get(store, "s", "k", answer_take, &answer))
#define ASK(cluster, answer, call)                      \
	do {                                            \
		memset(answer, 0, sizeof(*(answer)));   \
		assert_int_equal(call, 0);              \
		assert_int_equal((answer)->n_calls, 0); \
		WAIT(cluster, (answer)->done);          \
	} while (0)

void put(struct node *node, const char *shard, const char *key, const char *text);
enum store_result claim(struct cluster *cluster, struct node *node, const char *shard);
// The record as another node would read it: NULL where there is none.
const char *read_back(
	struct cluster *cluster, struct node *node, const char *shard, const char *key);
void saved(struct cluster *cluster, struct node *node); // wait until nothing is unprotected
