// Binary search with parents; see prefix_index.h.
#include "prefix_index.h"

#include <stdlib.h>
#include <string.h>

static int is_prefix(const char *key, const char *text, size_t length)
{
	size_t n = strlen(key);

	return n <= length && !memcmp(key, text, n);
}

// Each of them is looked at once on the way down the stack of its parents, so this is linear.
void prefix_index_link(struct prefix_index *index)
{
	for (size_t i = 0; i < index->n; i++) {
		const char *key = index->entries[i].key;
		uint32_t parent = i ? (uint32_t)i - 1 : PREFIX_NONE;

		while (parent != PREFIX_NONE &&
			!is_prefix(index->entries[parent].key, key, strlen(key)))
			parent = index->entries[parent].parent;
		index->entries[i].parent = parent;
	}
}

void prefix_index_fini(struct prefix_index *index)
{
	free(index->entries);
	*index = (struct prefix_index){};
}

// As strcmp() would, of a text without a NUL.
static int compare(const char *key, const char *text, size_t length)
{
	size_t n = strlen(key);
	int order = memcmp(key, text, n < length ? n : length);

	return order ? order : n <= length ? -1 : 1;
}

uint32_t prefix_index_find(
	const struct prefix_index *index, const char *text, size_t length, unsigned int *n_steps)
{
	size_t low = 0, high = index->n;
	unsigned int steps = 0;
	uint32_t at;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		steps++;
		if (compare(index->entries[middle].key, text, length) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	at = low ? (uint32_t)low - 1 : PREFIX_NONE;
	while (at != PREFIX_NONE && !is_prefix(index->entries[at].key, text, length)) {
		steps++;
		at = index->entries[at].parent;
	}
	if (n_steps)
		*n_steps += steps;
	return at;
}
