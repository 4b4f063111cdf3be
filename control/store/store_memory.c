// The store of a node alone, and what the semantics of the Redis scripts are measured against: the
// same rules over tables in memory, which several stores of one process may share. It never
// forgets, so nothing is ever rewound; answers still come from the loop, as from Redis.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "store_private.h"

struct cell { // a record, or a small value
	struct table_node node;
	uint64_t until_ms; // of a value
	void *data;
	size_t length;
	char key[STORE_KEY_MAX + 1];
};

struct place { // a shard, or a kind of values
	struct table_node node;
	struct store_table cells;
	char name[STORE_SHARD_MAX + 1];
	char holder[STORE_NODE_MAX + 1];
	uint64_t epoch, seq, until_ms, born_ms;
};

struct store_memory {
	struct store_table shards, kinds;
};

struct memory_store {
	struct store *store;
	struct store_memory *memory;
	bool owned;
};

struct store_memory *store_memory_create(void)
{
	return calloc(1, sizeof(struct store_memory));
}

static void cell_free(struct place *place, struct cell *cell)
{
	store_table_remove(&place->cells, &cell->node);
	OPENSSL_clear_free(cell->data, cell->length);
	free(cell);
}

static void places_free(struct store_table *table)
{
	struct table_node *node, *cell, *next;

	while ((node = store_table_pop(table))) {
		struct place *place = (struct place *)node;

		for (cell = store_table_next(&place->cells, NULL); cell; cell = next) {
			next = store_table_next(&place->cells, cell);
			cell_free(place, (struct cell *)cell);
		}
		store_table_fini(&place->cells);
		free(place);
	}
	store_table_fini(table);
}

void store_memory_destroy(struct store_memory *memory)
{
	if (!memory)
		return;
	places_free(&memory->shards);
	places_free(&memory->kinds);
	free(memory);
}

static struct place *place_of(struct store_table *table, const char *name)
{
	struct place *place = (struct place *)store_table_find(table, name);

	if (place)
		return place;
	place = calloc(1, sizeof(*place));
	if (!place)
		return NULL;
	strcpy(place->name, name);
	place->born_ms = store_now_ms();
	if (!store_table_insert(table, &place->node, place->name))
		return place;
	free(place);
	return NULL;
}

static struct cell *cell_of(struct place *place, const char *key)
{
	return (struct cell *)store_table_find(&place->cells, key);
}

static int cell_write(
	struct place *place, const char *key, const void *data, size_t length, uint64_t until_ms)
{
	struct cell *cell = cell_of(place, key);
	void *copy = malloc(length + 1);

	if (!copy)
		return -ENOMEM;
	if (!cell) {
		cell = calloc(1, sizeof(*cell));
		if (cell)
			strcpy(cell->key, key);
		if (!cell || store_table_insert(&place->cells, &cell->node, cell->key)) {
			free(cell);
			free(copy);
			return -ENOMEM;
		}
	}
	if (length)
		memcpy(copy, data, length);
	OPENSSL_clear_free(cell->data, cell->length);
	cell->data = copy;
	cell->length = length;
	cell->until_ms = until_ms;
	return 0;
}

static uint64_t left(const struct place *place)
{
	uint64_t now = store_now_ms();

	return place->until_ms > now ? place->until_ms - now : 0;
}

static void tell_owner(const struct place *place, struct store_internal_reply *reply)
{
	reply->reply.epoch = place->epoch;
	reply->reply.left_ms = left(place);
	reply->reply.holder = place->holder;
	reply->seq = place->seq;
	reply->n_there = place->cells.n_nodes;
}

// redis_script.c has the same rules in Lua.
static enum store_result claim(struct memory_store *impl, struct place *place,
	struct store_request *request, struct store_internal_reply *reply)
{
	const struct store *store = impl->store;
	uint64_t age = store_now_ms() - place->born_ms;
	uint64_t wall = store_wall_ms();

	if (left(place) && place->holder[0] && strcmp(place->holder, store->node)) {
		tell_owner(place, reply);
		return STORE_HELD;
	}
	if (!impl->owned && !place->epoch && age < store->config.grace_ms) {
		reply->reply.left_ms = store->config.grace_ms - age;
		return STORE_EARLY;
	}
	place->epoch = wall > place->epoch ? wall : place->epoch + 1;
	place->until_ms = store_now_ms() + request->ms;
	strcpy(place->holder, store->node);
	tell_owner(place, reply);
	return STORE_OK;
}

static enum store_result renew(struct memory_store *impl, struct place *place,
	struct store_request *request, struct store_internal_reply *reply)
{
	if (place->epoch != request->epoch) {
		tell_owner(place, reply);
		return STORE_STALE;
	}
	strcpy(place->holder, impl->store->node);
	place->until_ms = store_now_ms() + request->ms;
	tell_owner(place, reply);
	return STORE_OK;
}

static enum store_result write_batch(
	struct place *place, struct store_request *request, struct store_internal_reply *reply)
{
	size_t i;

	if (place->epoch != request->epoch) {
		tell_owner(place, reply);
		return STORE_STALE;
	}
	for (i = 0; i < request->n_items; i++) {
		const struct write_item *item = &request->items[i];
		struct cell *cell = cell_of(place, item->key);

		if (item->value && cell_write(place, item->key, item->value, item->length, 0))
			return STORE_DOWN;
		if (!item->value && cell)
			cell_free(place, cell);
	}
	reply->seq = ++place->seq;
	reply->n_there = place->cells.n_nodes;
	return STORE_OK;
}

static enum store_result list(struct place *place, struct store_request *request)
{
	struct store_item items[LIST_PAGE];
	struct store_internal_reply page = {
		.reply = {.result = STORE_MORE, .items = items, .holder = ""}};
	struct table_node *node = NULL;

	do {
		page.reply.n_items = 0;
		while (page.reply.n_items < LIST_PAGE &&
			(node = store_table_next(&place->cells, node))) {
			struct cell *cell = (struct cell *)node;

			items[page.reply.n_items++] =
				(struct store_item){cell->key, cell->data, cell->length};
		}
		if (page.reply.n_items)
			request_finish(request, &page);
	} while (node);
	return STORE_OK;
}

static void drop_expired(struct place *place)
{
	struct table_node *node = store_table_next(&place->cells, NULL), *next;
	uint64_t now = store_now_ms();

	for (; node; node = next) {
		next = store_table_next(&place->cells, node);
		if (((struct cell *)node)->until_ms <= now)
			cell_free(place, (struct cell *)node);
	}
}

static enum store_result add(
	struct place *kind, struct store_request *request, struct store_internal_reply *reply)
{
	struct cell *cell = cell_of(kind, request->key);
	uint64_t until = cell ? cell->until_ms : store_now_ms() + request->ms;
	char text[24];
	int length;

	reply->reply.number = request->delta;
	if (cell) {
		snprintf(text, sizeof(text), "%.*s", (int)cell->length, (char *)cell->data);
		reply->reply.number += strtoll(text, NULL, 10);
	}
	length = snprintf(text, sizeof(text), "%" PRId64, reply->reply.number);
	return cell_write(kind, request->key, text, (size_t)length, until) ? STORE_DOWN : STORE_OK;
}

static enum store_result run_value(
	struct place *kind, struct store_request *request, struct store_internal_reply *reply)
{
	drop_expired(kind); // few of each kind: a look at all is cheap
	switch (request->type) {
	case REQUEST_VALUE_SET:
		return cell_write(kind, request->key, request->value, request->length,
			       store_now_ms() + request->ms)
			       ? STORE_DOWN
			       : STORE_OK;
	case REQUEST_VALUE_ADD:
		return add(kind, request, reply);
	default:
		return list(kind, request);
	}
}

static enum store_result get(
	struct place *place, struct store_request *request, struct store_internal_reply *reply)
{
	static struct store_item item;
	struct cell *cell = cell_of(place, request->key);

	if (!cell)
		return STORE_NONE;
	item = (struct store_item){cell->key, cell->data, cell->length};
	reply->reply.items = &item;
	reply->reply.n_items = 1;
	return STORE_OK;
}

static enum store_result run(struct memory_store *impl, struct store_request *request,
	struct store_internal_reply *reply)
{
	bool value = request->type >= REQUEST_VALUE_SET;
	struct place *place =
		place_of(value ? &impl->memory->kinds : &impl->memory->shards, request->shard);

	if (!place)
		return STORE_DOWN; // no memory
	switch (request->type) {
	case REQUEST_CLAIM:
		return claim(impl, place, request, reply);
	case REQUEST_RENEW:
		return renew(impl, place, request, reply);
	case REQUEST_RELEASE:
		if (place->epoch == request->epoch)
			place->until_ms = place->holder[0] = 0;
		return place->epoch == request->epoch ? STORE_OK : STORE_STALE;
	case REQUEST_OWNER:
		tell_owner(place, reply);
		return left(place) && place->holder[0] ? STORE_OK : STORE_NONE;
	case REQUEST_WRITE:
		return write_batch(place, request, reply);
	case REQUEST_VALUE_GET:
		drop_expired(place);
		return get(place, request, reply);
	case REQUEST_GET:
		return get(place, request, reply);
	case REQUEST_LIST:
		return list(place, request);
	default:
		return run_value(place, request, reply);
	}
}

static void memory_submit(void *arg, struct store_request *request)
{
	struct memory_store *impl = arg;

	store_defer(impl->store, request);
}

static void memory_deferred(void *impl, struct store_request *request)
{
	struct store_internal_reply reply = {.reply = {.holder = ""}};

	reply.reply.result = run(impl, request, &reply);
	request_finish(request, &reply);
}

static void memory_destroy(void *arg)
{
	struct memory_store *impl = arg;

	if (impl->owned)
		store_memory_destroy(impl->memory);
	free(impl);
}

const struct store_ops store_memory_ops = {
	.submit = memory_submit,
	.deferred = memory_deferred,
	.destroy = memory_destroy,
};

void *store_memory_open(struct store *store, struct store_memory *memory, bool owned)
{
	struct memory_store *impl = calloc(1, sizeof(*impl));

	if (impl)
		*impl = (struct memory_store){.store = store, .memory = memory, .owned = owned};
	return impl;
}
