// See store_rig.h.
#include "store_rig.h"

#include <stdio.h>
#include <stdlib.h>

static void base_init(struct cluster *cluster)
{
	memset(cluster, 0, sizeof(*cluster));
	cluster->base = event_base_new();
	assert_non_null(cluster->base);
}

void cluster_init(struct cluster *cluster, bool redis)
{
	static const char *const none[] = {NULL};

	if (redis) {
		cluster_start(cluster, none);
		return;
	}
	base_init(cluster);
	cluster->memory = store_memory_create();
}

void cluster_start(struct cluster *cluster, const char *const options[])
{
	base_init(cluster);
	redis_start(&cluster->redis, options);
}

void cluster_fini(struct cluster *cluster)
{
	if (cluster->memory)
		store_memory_destroy(cluster->memory);
	else
		redis_stop(&cluster->redis);
	event_base_free(cluster->base);
}

static void on_shard(void *arg, const char *, enum store_shard_state state, uint64_t epoch)
{
	struct node *node = arg;

	if (state == STORE_SHARD_OWNED)
		node->n_owned++;
	else
		node->n_lost++;
	node->epoch = epoch;
}

static size_t on_fetch(void *, const char *, const char *key, uint8_t *buffer, size_t size)
{
	return (size_t)snprintf((char *)buffer, size, "state of %s", key);
}

void node_init(struct node *node, struct cluster *cluster, const char *name)
{
	memset(node, 0, sizeof(*node));
	store_config_init(&node->config);
	node->config.node = name;
	node->config.lease_ms = 600;
	node->config.grace_ms = 0;
	node->config.flush_ms = 5;
	if (cluster->memory)
		return;
	node->config.kind = STORE_REDIS;
	node->config.redis.addresses[0] = cluster->redis.address;
	node->config.redis.n_addresses = 1;
	node->config.redis.command_timeout_ms = 300;
	node->config.redis.connect_timeout_ms = 300;
	node->config.redis.backoff_min_ms = 20;
	node->config.redis.backoff_max_ms = 100;
}

void node_open(struct node *node, struct cluster *cluster)
{
	struct store_callbacks callbacks = {
		.shard = on_shard, .fetch = node->fetches ? on_fetch : NULL};

	node->store = cluster->memory
			      ? store_create_shared(cluster->base, &node->config, cluster->memory,
					&callbacks, node)
			      : store_create(cluster->base, &node->config, &callbacks, node);
	assert_non_null(node->store);
}

void node_start(struct node *node, struct cluster *cluster, const char *name)
{
	node_init(node, cluster, name);
	node_open(node, cluster);
	WAIT(cluster, store_status(node->store)->up);
}

void node_close(struct node *node)
{
	store_destroy(node->store);
	node->store = NULL;
}

void answer_take(void *arg, const struct store_reply *reply)
{
	struct answer *answer = arg;
	size_t i;

	answer->n_calls++;
	answer->result = reply->result;
	answer->epoch = reply->epoch;
	answer->left_ms = reply->left_ms;
	answer->number = reply->number;
	snprintf(answer->holder, sizeof(answer->holder), "%s", reply->holder);
	for (i = 0; i < reply->n_items; i++, answer->n_items++) {
		if (answer->n_items >= ANSWER_ITEMS)
			continue;
		snprintf(answer->items[answer->n_items].key, 64, "%s", reply->items[i].key);
		snprintf(answer->items[answer->n_items].value, 128, "%.*s",
			(int)reply->items[i].length, (const char *)reply->items[i].value);
	}
	answer->done = reply->result != STORE_MORE;
}

void run_ms(struct cluster *cluster, unsigned int ms)
{
	struct timeval after = {.tv_usec = (suseconds_t)ms * 1000};

	event_base_loopexit(cluster->base, &after);
	event_base_dispatch(cluster->base);
}

void put(struct node *node, const char *shard, const char *key, const char *text)
{
	assert_int_equal(store_put(node->store, shard, key, text, strlen(text)), 0);
}

enum store_result claim(struct cluster *cluster, struct node *node, const char *shard)
{
	struct answer answer;

	ASK(cluster, &answer, store_claim(node->store, shard, answer_take, &answer));
	return answer.result;
}

const char *read_back(
	struct cluster *cluster, struct node *node, const char *shard, const char *key)
{
	static struct answer answer;

	ASK(cluster, &answer, store_get(node->store, shard, key, answer_take, &answer));
	if (answer.result == STORE_NONE)
		return NULL;
	assert_int_equal(answer.result, STORE_OK);
	return answer.items[0].value;
}

void saved(struct cluster *cluster, struct node *node)
{
	WAIT(cluster, !store_status(node->store)->n_unprotected);
}
