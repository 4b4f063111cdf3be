// Scripts with their keys and arguments, in the order that redis_script.c documents.
#include "redis_command.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "redis_script.h"

enum { SCAN_COUNT = LIST_PAGE };

static void add(struct redis_builder *builder, const void *data, size_t length)
{
	builder->argv[builder->n] = data;
	builder->lengths[builder->n++] = length;
}

static void add_text(struct redis_builder *builder, const char *text)
{
	add(builder, text, strlen(text));
}

static void add_number(struct redis_builder *builder, int64_t number)
{
	char *text = builder->numbers[builder->n_numbers++];

	snprintf(text, sizeof(builder->numbers[0]), "%" PRId64, number);
	add_text(builder, text);
}

static void add_batch(struct redis_builder *builder, const struct store_request *request)
{
	size_t i, n_deleted = 0;

	for (i = 0; i < request->n_items; i++)
		n_deleted += !request->items[i].value;
	add_number(builder, (int64_t)n_deleted);
	for (i = 0; i < request->n_items; i++)
		if (!request->items[i].value)
			add_text(builder, request->items[i].key);
	for (i = 0; i < request->n_items; i++)
		if (request->items[i].value) {
			add_text(builder, request->items[i].key);
			add(builder, request->items[i].value, request->items[i].length);
		}
}

static void add_arguments(struct redis_builder *builder, const struct store *store,
	const struct store_request *request)
{
	switch (request->type) {
	case REQUEST_CLAIM:
		add_text(builder, store->node);
		add_number(builder, (int64_t)request->ms);
		add_number(builder, store->config.grace_ms);
		break;
	case REQUEST_RENEW:
		add_text(builder, store->node);
		add_number(builder, (int64_t)request->ms);
		add_number(builder, (int64_t)request->epoch);
		add_number(builder, (int64_t)request->seq);
		add_text(builder, request->rewind ? "1" : "0");
		add_number(builder, store->config.record_ttl_s);
		break;
	case REQUEST_RELEASE:
		add_number(builder, (int64_t)request->epoch);
		break;
	case REQUEST_WRITE:
		add_number(builder, (int64_t)request->epoch);
		add_number(builder, store->config.record_ttl_s);
		add_batch(builder, request);
		break;
	case REQUEST_VALUE_SET:
		add_text(builder, request->key);
		add(builder, request->value, request->length);
		add_number(builder, (int64_t)request->ms);
		break;
	case REQUEST_VALUE_ADD:
		add_text(builder, request->key);
		add_number(builder, request->delta);
		add_number(builder, (int64_t)request->ms);
		break;
	case REQUEST_VALUE_GET:
		add_text(builder, request->key);
		break;
	default:
		break;
	}
}

static bool is_value(const struct store_request *request)
{
	return request->type >= REQUEST_VALUE_SET;
}

void redis_tag(char *tag, size_t size, const struct store_request *request)
{
	snprintf(tag, size, is_value(request) ? "v.%s" : "%s", request->shard);
}

static void build_script(
	struct redis_builder *builder, const char *prefix, const struct store_request *request)
{
	struct redis_script *script = redis_script_of(request->type);
	bool value = is_value(request);

	// A server that does not know the script gets its text, once, and keeps it.
	add_text(builder, request->retried ? "EVAL" : "EVALSHA");
	add_text(builder, request->retried ? script->text : script->sha);
	add_text(builder, value ? "1" : "2");
	snprintf(builder->keys[0], sizeof(builder->keys[0]), value ? "%s:{v.%s}" : "%s:{%s}:own",
		prefix, request->shard);
	add_text(builder, builder->keys[0]);
	if (!value) {
		snprintf(builder->keys[1], sizeof(builder->keys[1]), "%s:{%s}:calls", prefix,
			request->shard);
		add_text(builder, builder->keys[1]);
	}
	add_arguments(builder, request->store, request);
}

void redis_build(
	struct redis_builder *builder, const char *prefix, const struct store_request *request)
{
	builder->n = builder->n_numbers = 0;
	if (redis_script_of(request->type)) {
		build_script(builder, prefix, request);
		return;
	}
	snprintf(builder->keys[1], sizeof(builder->keys[1]), "%s:{%s}:calls", prefix,
		request->shard);
	add_text(builder, request->type == REQUEST_GET ? "HGET" : "HSCAN");
	add_text(builder, builder->keys[1]);
	if (request->type == REQUEST_GET) {
		add_text(builder, request->key);
		return;
	}
	add_text(builder, request->cursor[0] ? request->cursor : "0");
	add_text(builder, "COUNT");
	add_number(builder, SCAN_COUNT);
}
