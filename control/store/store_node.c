// Heartbeats: values of the kind "node", text so that redis-cli shows them. Fields that a newer
// node adds follow the ones we know.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store_private.h"

enum { HEARTBEATS_MISSED = 3 };

int store_heartbeat(struct store *store, const struct store_node *node, uint64_t interval_ms)
{
	char text[128];
	int length = snprintf(text, sizeof(text), "1 %" PRIu32 " %" PRIu32 " %u %d", node->n_calls,
		node->calls_max, node->load, node->draining);

	if (!name_is_good(node->name, STORE_NODE_MAX))
		return -EINVAL;
	return store_value_set(store, "node",
		&(struct store_item){.key = node->name, .value = text, .length = (size_t)length},
		interval_ms * HEARTBEATS_MISSED, NULL, NULL);
}

int store_nodes(struct store *store, store_reply_fn *fn, void *arg)
{
	return store_value_list(store, "node", fn, arg);
}

int store_node_parse(const struct store_item *item, struct store_node *node)
{
	struct store_node parsed = {.name = ""};
	unsigned int draining, version;
	char text[128];

	if (!name_is_good(item->key, STORE_NODE_MAX) || item->length >= sizeof(text))
		return -EINVAL;
	memcpy(text, item->value, item->length);
	text[item->length] = '\0';
	if (sscanf(text, "%u %" SCNu32 " %" SCNu32 " %" SCNu16 " %u", &version, &parsed.n_calls,
		    &parsed.calls_max, &parsed.load, &draining) != 5)
		return -EINVAL;
	parsed.draining = draining;
	strcpy(parsed.name, item->key);
	*node = parsed;
	return 0;
}
