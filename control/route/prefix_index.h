// The longest of many keys that a text begins with: a sorted array and, for each key, the longest
// other one that it begins with itself. A look-up is a binary search and a walk up from there.
//
// Why that is right: all texts between a key and the text that begins with it begin with it, too.
// So the key in front of the text in sorted order either is the answer or begins with it.
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { PREFIX_NONE = UINT32_MAX };

struct prefix_entry {
	const char *key;
	uint32_t parent; // or PREFIX_NONE
	uint32_t value;	 // the caller's
};

struct prefix_index {
	struct prefix_entry *entries; // sorted by key (strcmp), each key once
	size_t n;
};

// Fill in the parents of entries that are there.
void prefix_index_link(struct prefix_index *index);
// Frees the entries, not the keys.
void prefix_index_fini(struct prefix_index *index);

// The longest key that the text begins with, or PREFIX_NONE; shorter ones are its parents.
// `n_steps` (may be NULL) grows by the number of keys looked at.
uint32_t prefix_index_find(
	const struct prefix_index *index, const char *text, size_t length, unsigned int *n_steps);
