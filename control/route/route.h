// The dial plan: number prefix to trunk.
#pragma once

#include <stddef.h>

#include "trunk.h"

#define ROUTE_NUMBER_MAX 128

struct route {
	const char *prefix;	  // "" takes every number
	const struct trunk *from; // only calls from there; NULL: from anywhere
	struct trunk *to;
	unsigned int strip;  // characters off the front of the number, before
	const char *prepend; // this is put there
};

struct routes {
	struct route *list; // in the order of routes_sort()
	size_t n;
};

struct route_target {
	struct trunk *trunk;
	char number[ROUTE_NUMBER_MAX];
};

// The longest matching prefix wins; of two equal ones, that with a `from`; then the first listed.
void routes_sort(struct routes *routes);

// Where a call from trunk `from` to `number` (user part of the Request-URI, without parameters)
// goes. Returns 0; -ENOENT where no route matches (404); -ENAMETOOLONG where the number is too
// long (484).
int route_find(const struct routes *routes, const struct trunk *from, const char *number,
	size_t length, struct route_target *out);
