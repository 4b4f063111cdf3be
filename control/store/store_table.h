// A hash table of what carries a string key, chained, growing. Nodes live in the objects they list.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct table_node {
	struct table_node *next;
	uint64_t hash;
	const char *key; // belongs to the object
};

struct store_table {
	struct table_node **buckets;
	size_t n_buckets, n_nodes;
	uint64_t seed; // random: names of values may come from the network
};

void store_table_fini(struct store_table *table); // the nodes are not touched
struct table_node *store_table_find(const struct store_table *table, const char *key);
// Insert a node with a key that is not there yet. 0 or -ENOMEM.
int store_table_insert(struct store_table *table, struct table_node *node, const char *key);
void store_table_remove(struct store_table *table, struct table_node *node);
// Take any node out, or NULL: for teardown.
struct table_node *store_table_pop(struct store_table *table);
// The node after `node`, the first after NULL. The table must not change meanwhile, but `node`
// itself may be removed once its successor is known.
struct table_node *store_table_next(const struct store_table *table, const struct table_node *node);
