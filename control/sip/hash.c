// Chains in a power-of-two array. Doubling moves all nodes at once: some 20 ms at a million.
#include "hash.h"

#include <errno.h>
#include <stdlib.h>

int hash_table_init(struct hash_table *table, size_t n_buckets)
{
	struct hash_node **buckets = calloc(n_buckets, sizeof(*buckets));

	if (!buckets)
		return -ENOMEM;
	*table = (struct hash_table){.buckets = buckets, .mask = n_buckets - 1};
	return 0;
}

void hash_table_fini(struct hash_table *table)
{
	free(table->buckets);
	*table = (struct hash_table){0};
}

static void insert(struct hash_table *table, struct hash_node *node)
{
	struct hash_node **bucket = &table->buckets[node->hash & table->mask];

	node->next = *bucket;
	*bucket = node;
}

static void grow(struct hash_table *table)
{
	struct hash_table bigger;

	if (hash_table_init(&bigger, 2 * (table->mask + 1)))
		return;
	for (size_t i = 0; i <= table->mask; i++) {
		struct hash_node *node = table->buckets[i];

		while (node) {
			struct hash_node *next = node->next;

			insert(&bigger, node);
			node = next;
		}
	}
	bigger.n = table->n;
	free(table->buckets);
	*table = bigger;
}

void hash_add(struct hash_table *table, struct hash_node *node, uint64_t hash)
{
	if (table->n > table->mask)
		grow(table);
	node->hash = hash;
	insert(table, node);
	table->n++;
}

void hash_remove(struct hash_table *table, struct hash_node *node)
{
	struct hash_node **at = &table->buckets[node->hash & table->mask];

	while (*at != node)
		at = &(*at)->next;
	*at = node->next;
	table->n--;
}

static struct hash_node *skip_others(struct hash_node *node, uint64_t hash)
{
	while (node && node->hash != hash)
		node = node->next;
	return node;
}

struct hash_node *hash_first(const struct hash_table *table, uint64_t hash)
{
	return skip_others(table->buckets[hash & table->mask], hash);
}

struct hash_node *hash_next(const struct hash_node *node)
{
	return skip_others(node->next, node->hash);
}

struct hash_node *hash_any(struct hash_table *table)
{
	if (!table->n)
		return NULL;
	while (!table->buckets[table->sweep & table->mask])
		table->sweep++;
	return table->buckets[table->sweep & table->mask];
}
