// Intrusive hash table: the owner puts a hash_node into its struct, computes the hash with
// siphash() and compares keys itself. Grows by doubling and never shrinks.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct hash_node {
	struct hash_node *next;
	uint64_t hash;
};

struct hash_table {
	struct hash_node **buckets;
	size_t mask; // buckets - 1, a power of two less one
	size_t n;
	size_t sweep; // where hash_any() looks first
};

#define container_of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

// Returns 0 or -ENOMEM.
int hash_table_init(struct hash_table *table, size_t n_buckets);
void hash_table_fini(struct hash_table *table); // the nodes are their owners'

// Cannot fail: where there is no memory to grow, chains get longer.
void hash_add(struct hash_table *table, struct hash_node *node, uint64_t hash);
void hash_remove(struct hash_table *table, struct hash_node *node);

// All nodes of that hash: for (n = hash_first(t, h); n; n = hash_next(n)).
struct hash_node *hash_first(const struct hash_table *table, uint64_t hash);
struct hash_node *hash_next(const struct hash_node *node);

// Any node, or NULL where the table is empty: to empty it, in a time that grows with its size only.
struct hash_node *hash_any(struct hash_table *table);
