// Chained hash table with FNV-1a, seeded at random.
#include "store_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint64_t hash(const struct store_table *table, const char *key)
{
	uint64_t value = 0xcbf29ce484222325 ^ table->seed;

	for (; *key; key++)
		value = (value ^ (uint8_t)*key) * 0x100000001b3;
	return value ^ value >> 32;
}

void store_table_fini(struct store_table *table)
{
	free(table->buckets);
	*table = (struct store_table){0};
}

struct table_node *store_table_find(const struct store_table *table, const char *key)
{
	uint64_t value = hash(table, key);
	struct table_node *node = NULL;

	if (table->n_buckets)
		node = table->buckets[value & (table->n_buckets - 1)];
	while (node && (node->hash != value || strcmp(node->key, key)))
		node = node->next;
	return node;
}

static void link_node(struct store_table *table, struct table_node *node)
{
	struct table_node **bucket = &table->buckets[node->hash & (table->n_buckets - 1)];

	node->next = *bucket;
	*bucket = node;
}

static int grow(struct store_table *table)
{
	struct store_table larger = {.n_buckets = table->n_buckets ? table->n_buckets * 2 : 16,
		.n_nodes = table->n_nodes,
		.seed = table->seed};
	struct table_node *node;
	size_t i;

	larger.buckets = calloc(larger.n_buckets, sizeof(*larger.buckets));
	if (!larger.buckets)
		return -ENOMEM;
	if (!table->buckets)
		arc4random_buf(&larger.seed, sizeof(larger.seed));
	for (i = 0; i < table->n_buckets; i++)
		while ((node = table->buckets[i])) {
			table->buckets[i] = node->next;
			link_node(&larger, node);
		}
	free(table->buckets);
	*table = larger;
	return 0;
}

int store_table_insert(struct store_table *table, struct table_node *node, const char *key)
{
	if (table->n_nodes >= table->n_buckets && grow(table) && !table->n_buckets)
		return -ENOMEM; // else: a longer chain will do
	node->key = key;
	node->hash = hash(table, key);
	link_node(table, node);
	table->n_nodes++;
	return 0;
}

void store_table_remove(struct store_table *table, struct table_node *node)
{
	struct table_node **at = &table->buckets[node->hash & (table->n_buckets - 1)];

	while (*at != node)
		at = &(*at)->next;
	*at = node->next;
	table->n_nodes--;
}

struct table_node *store_table_pop(struct store_table *table)
{
	struct table_node *node = store_table_next(table, NULL);

	if (node)
		store_table_remove(table, node);
	return node;
}

struct table_node *store_table_next(const struct store_table *table, const struct table_node *node)
{
	size_t i = 0;

	if (node && node->next)
		return node->next;
	if (node)
		i = (node->hash & (table->n_buckets - 1)) + 1;
	for (; i < table->n_buckets; i++)
		if (table->buckets[i])
			return table->buckets[i];
	return NULL;
}
