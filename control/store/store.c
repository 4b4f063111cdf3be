// The front of the store: names are checked, requests made, answered and counted here; records wait
// in store_journal.c, shards live in store_shard.c. Whatever fails at once fails by way of
// `deferred_event`, so that no callback comes from inside a call.
#include "store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "store_private.h"

LOG_MODULE(log_store, "store");

static uint64_t clock_ms(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t store_now_ms(void)
{
	return clock_ms(CLOCK_MONOTONIC);
}

uint64_t store_wall_ms(void)
{
	return clock_ms(CLOCK_REALTIME);
}

const char *store_result_name(enum store_result result)
{
	static const char *const names[] = {"ok", "more", "none", "held", "early", "stale", "down"};

	return names[result];
}

const char *store_ill_name(enum store_ill ill)
{
	static const char *const names[] = {
#define X(name, text) text,
		STORE_ILLS(X)
#undef X
	};

	return names[ill];
}

void store_config_init(struct store_config *config)
{
	*config = (struct store_config){.kind = STORE_MEMORY,
		.node = "node",
		.lease_ms = 3000,
		.grace_ms = 6000,
		.flush_ms = 100,
		.held_max = 64 << 20,
		.record_ttl_s = 86400,
		.redis = {.connect_timeout_ms = 2000,
			.command_timeout_ms = 1000,
			.backoff_min_ms = 200,
			.backoff_max_ms = 5000}};
}

bool name_is_good(const char *name, size_t max)
{
	size_t length = name ? strlen(name) : 0;

	return length && length <= max &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
		       length;
}

bool key_is_good(const char *key)
{
	size_t length = 0;

	if (!key)
		return false;
	for (; key[length] && length <= STORE_KEY_MAX; length++)
		if (key[length] <= ' ' || key[length] > '~')
			return false;
	return length && length <= STORE_KEY_MAX;
}

static void on_deferred(evutil_socket_t, short, void *arg)
{
	struct store *store = arg;
	struct request_queue now = TAILQ_HEAD_INITIALIZER(now);
	struct store_request *request;

	TAILQ_CONCAT(&now, &store->deferred, link);
	while ((request = TAILQ_FIRST(&now))) {
		TAILQ_REMOVE(&now, request, link);
		store->ops->deferred(store->impl, request);
	}
}

void store_defer(struct store *store, struct store_request *request)
{
	TAILQ_INSERT_TAIL(&store->deferred, request, link);
	event_active(store->deferred_event, 0, 0);
}

static void on_flush(evutil_socket_t, short, void *arg)
{
	struct store *store = arg;

	store->flush_pending = false;
	journal_flush(store);
}

void store_up(struct store *store)
{
	store->status.up = true;
	store->status.ill = STORE_ILL_NONE;
	store->status.since_ms = store_now_ms();
	store->status.n_connects++;
	store->n_failures = 0;
	log_info(&log_store, "up", "unprotected=%zu", store->status.n_unprotected);
	shard_renew_all(store);
	if (store->callbacks.status)
		store->callbacks.status(store->arg, &store->status);
}

void store_down(struct store *store, enum store_ill ill)
{
	bool was_up = store->status.up;

	store->status.n_ills[ill]++;
	// Attempts that fail alike are one line; another reason is worth another.
	if (was_up || store->status.ill != ill)
		log_warn(&log_store, "down", "why=%s records=%zu unprotected=%zu",
			store_ill_name(ill), store->status.n_records, store->status.n_unprotected);
	store->status.ill = ill;
	if (!was_up)
		return;
	store->status.up = false;
	store->status.since_ms = store_now_ms();
	shard_unconfirm_all(store);
	if (store->callbacks.status && !store->closing)
		store->callbacks.status(store->arg, &store->status);
}

void store_sick(struct store *store, enum store_ill ill)
{
	store->status.n_ills[ill]++;
	if (store->status.ill != ill)
		log_warn(&log_store, "refused", "why=%s unprotected=%zu", store_ill_name(ill),
			store->status.n_unprotected);
	store->status.ill = ill;
}

struct store_request *request_create(struct store *store, enum request_type type, const char *shard)
{
	// Who is told DOWN by store_destroy() may not ask again.
	struct store_request *request = store->closing ? NULL : calloc(1, sizeof(*request));

	if (!request)
		return NULL;
	request->store = store;
	request->type = type;
	strncpy(request->shard, shard, sizeof(request->shard) - 1);
	return request;
}

void request_submit(struct store_request *request)
{
	request->store->ops->submit(request->store->impl, request);
}

void request_finish(struct store_request *request, const struct store_internal_reply *reply)
{
	struct store_internal_reply answer = *reply;

	if (!answer.reply.holder)
		answer.reply.holder = "";
	if (request->done)
		request->done(request, &answer);
	else if (request->fn)
		request->fn(request->arg, &answer.reply);
	if (answer.reply.result == STORE_MORE)
		return; // the implementation goes on with it
	free(request->value);
	free(request->items);
	free(request);
}

void request_fail(struct store_request *request, enum store_result result)
{
	request_finish(request, &(struct store_internal_reply){.reply = {.result = result}});
}

static void destroy_front(struct store *store)
{
	int saved = errno;

	if (store->deferred_event)
		event_free(store->deferred_event);
	if (store->flush_event)
		event_free(store->flush_event);
	store_table_fini(&store->shards);
	free(store);
	errno = saved;
}

static struct store *create(struct event_base *base, const struct store_config *config,
	const struct store_callbacks *callbacks, void *arg)
{
	struct store *store;

	if (!name_is_good(config->node, STORE_NODE_MAX) || config->lease_ms < 3) {
		errno = EINVAL;
		return NULL;
	}
	store = calloc(1, sizeof(*store));
	if (!store)
		return NULL;
	store->base = base;
	store->config = *config;
	strcpy(store->node, config->node);
	store->config.node = store->node;
	if (callbacks)
		store->callbacks = *callbacks;
	store->arg = arg;
	store->status.ill = STORE_ILL_START;
	store->status.since_ms = store_now_ms();
	TAILQ_INIT(&store->deferred);
	store->deferred_event = event_new(base, -1, 0, on_deferred, store);
	store->flush_event = event_new(base, -1, 0, on_flush, store);
	if (store->deferred_event && store->flush_event)
		return store;
	destroy_front(store);
	errno = ENOMEM;
	return NULL;
}

struct store *store_create_shared(struct event_base *base, const struct store_config *config,
	struct store_memory *memory, const struct store_callbacks *callbacks, void *arg)
{
	struct store *store = create(base, config, callbacks, arg);
	bool owned = !memory;

	if (!store)
		return NULL;
	store->ops = &store_memory_ops;
	if (owned)
		memory = store_memory_create();
	store->impl = memory ? store_memory_open(store, memory, owned) : NULL;
	if (store->impl) {
		store_up(store);
		return store;
	}
	if (owned && memory)
		store_memory_destroy(memory);
	destroy_front(store);
	return NULL;
}

struct store *store_create(struct event_base *base, const struct store_config *config,
	const struct store_callbacks *callbacks, void *arg)
{
	struct store *store;

	if (config->kind == STORE_MEMORY)
		return store_create_shared(base, config, NULL, callbacks, arg);
	store = create(base, config, callbacks, arg);
	if (!store)
		return NULL;
	store->ops = &store_redis_ops;
	store->impl = store_redis_open(store);
	if (store->impl)
		return store;
	destroy_front(store);
	return NULL;
}

void store_destroy(struct store *store)
{
	struct store_request *request;
	struct table_node *node;

	if (!store)
		return;
	store->closing = true;
	store->status.up = false;
	while ((request = TAILQ_FIRST(&store->deferred))) {
		TAILQ_REMOVE(&store->deferred, request, link);
		request_fail(request, STORE_DOWN);
	}
	store->ops->destroy(store->impl);
	while ((node = store_table_next(&store->shards, NULL)))
		shard_destroy((struct shard *)node);
	destroy_front(store);
}

const struct store_status *store_status(const struct store *store)
{
	return &store->status;
}

void store_urgent(struct store *store, bool on)
{
	int priority = on ? 0 : event_base_get_npriorities(store->base) / 2;

	event_del(store->deferred_event);
	event_priority_set(store->deferred_event, priority);
	if (!TAILQ_EMPTY(&store->deferred))
		event_active(store->deferred_event, 0, 0);
	if (store->ops->urgent)
		store->ops->urgent(store->impl, priority);
}

// Requests that are passed on as they are.
static int ask(struct store_request *request, store_reply_fn *fn, void *arg)
{
	if (!request)
		return -ENOMEM;
	request->fn = fn;
	request->arg = arg;
	request_submit(request);
	return 0;
}

static int ask_key(struct store *store, enum request_type type, const char *shard, const char *key,
	store_reply_fn *fn, void *arg)
{
	struct store_request *request = request_create(store, type, shard);

	if (request && key)
		strcpy(request->key, key);
	return ask(request, fn, arg);
}

int store_owner(struct store *store, const char *shard, store_reply_fn *fn, void *arg)
{
	if (!name_is_good(shard, STORE_SHARD_MAX))
		return -EINVAL;
	return ask_key(store, REQUEST_OWNER, shard, NULL, fn, arg);
}

int store_get(
	struct store *store, const char *shard, const char *key, store_reply_fn *fn, void *arg)
{
	if (!name_is_good(shard, STORE_SHARD_MAX) || !key_is_good(key))
		return -EINVAL;
	return ask_key(store, REQUEST_GET, shard, key, fn, arg);
}

int store_list(struct store *store, const char *shard, store_reply_fn *fn, void *arg)
{
	if (!name_is_good(shard, STORE_SHARD_MAX))
		return -EINVAL;
	return ask_key(store, REQUEST_LIST, shard, NULL, fn, arg);
}

int store_value_set(struct store *store, const char *kind, const struct store_item *item,
	uint64_t ttl_ms, store_reply_fn *fn, void *arg)
{
	struct store_request *request;

	if (!name_is_good(kind, STORE_KIND_MAX) || !key_is_good(item->key) || !ttl_ms)
		return -EINVAL;
	if (item->length > STORE_VALUE_MAX)
		return -EMSGSIZE;
	request = request_create(store, REQUEST_VALUE_SET, kind);
	if (!request)
		return -ENOMEM;
	request->value = malloc(item->length + 1);
	if (!request->value) {
		free(request);
		return -ENOMEM;
	}
	if (item->length)
		memcpy(request->value, item->value, item->length);
	request->length = item->length;
	request->ms = ttl_ms;
	strcpy(request->key, item->key);
	return ask(request, fn, arg);
}

int store_value_add(struct store *store, const char *kind, const char *name, int64_t delta,
	uint64_t ttl_ms, store_reply_fn *fn, void *arg)
{
	struct store_request *request;

	if (!name_is_good(kind, STORE_KIND_MAX) || !key_is_good(name) || !ttl_ms)
		return -EINVAL;
	request = request_create(store, REQUEST_VALUE_ADD, kind);
	if (!request)
		return -ENOMEM;
	strcpy(request->key, name);
	request->delta = delta;
	request->ms = ttl_ms;
	return ask(request, fn, arg);
}

int store_value_get(
	struct store *store, const char *kind, const char *name, store_reply_fn *fn, void *arg)
{
	if (!name_is_good(kind, STORE_KIND_MAX) || !key_is_good(name))
		return -EINVAL;
	return ask_key(store, REQUEST_VALUE_GET, kind, name, fn, arg);
}

int store_value_list(struct store *store, const char *kind, store_reply_fn *fn, void *arg)
{
	if (!name_is_good(kind, STORE_KIND_MAX))
		return -EINVAL;
	return ask_key(store, REQUEST_VALUE_LIST, kind, NULL, fn, arg);
}
