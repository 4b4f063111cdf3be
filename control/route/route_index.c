// The order of routes, and the two levels of index over it: called numbers, and in each the
// callers.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "route.h"

// What a pattern stands for in the index: any number, looked at in order.
static const char *called_key(const struct route *route)
{
	return route->called_pattern ? "" : route->called;
}

static const char *caller_key(const struct route *route)
{
	return route->caller_pattern ? "" : route->caller;
}

static int compare_given(bool a, bool b)
{
	return (int)b - (int)a;
}

static int compare_numbers(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

// What makes routes alternatives of each other. Patterns are kept apart, in the order of the file.
static int compare_conditions(const struct route *a, const struct route *b)
{
	int order = compare_given(a->called_pattern, b->called_pattern);

	if (!order && a->called_pattern)
		order = compare_numbers(a->number, b->number);
	if (!order)
		order = strcmp(called_key(a), called_key(b));
	if (!order)
		order = strcmp(caller_key(a), caller_key(b));
	if (!order)
		order = compare_given(a->caller_pattern, b->caller_pattern);
	if (!order && a->caller_pattern)
		order = compare_numbers(a->number, b->number);
	if (!order)
		order = compare_given(a->from, b->from);
	if (!order && a->from)
		order = strcmp(a->from->name, b->from->name);
	return order;
}

static int compare(const void *first, const void *second)
{
	const struct route *a = first, *b = second;
	int order = compare_conditions(a, b);

	if (!order)
		order = compare_numbers(a->cost, b->cost);
	if (!order)
		order = compare_given(a->when, b->when);
	if (!order)
		order = compare_numbers(a->number, b->number);
	return order ? order : compare_numbers(a->line, b->line);
}

bool route_is_repeated(const struct route *a, const struct route *b)
{
	return !compare_conditions(a, b) && a->to == b->to && !a->when && !b->when &&
	       a->strip == b->strip && !strcmp(a->prepend, b->prepend);
}

typedef const char *key_fn(const struct route *route);

// An index of the routes from `first` to `end`, which are sorted by that key.
static int index_build(
	struct prefix_index *index, const struct route *list, size_t first, size_t end, key_fn *key)
{
	size_t n = 0;

	for (size_t i = first; i < end; i++)
		n += i == first || strcmp(key(&list[i]), key(&list[i - 1])) != 0;
	index->entries = calloc(n ? n : 1, sizeof(*index->entries));
	if (!index->entries)
		return -ENOMEM;
	for (size_t i = first; i < end; i++)
		if (i == first || strcmp(key(&list[i]), key(&list[i - 1])) != 0)
			index->entries[index->n++] =
				(struct prefix_entry){.key = key(&list[i]), .value = (uint32_t)i};
	prefix_index_link(index);
	return 0;
}

static int nodes_build(struct routes *routes)
{
	const struct prefix_index *called = &routes->called;
	int err = 0;

	routes->nodes = calloc(called->n ? called->n : 1, sizeof(*routes->nodes));
	if (!routes->nodes)
		return -ENOMEM;
	for (size_t i = 0; !err && i < called->n; i++) {
		size_t end = i + 1 < called->n ? called->entries[i + 1].value : routes->n;

		err = index_build(&routes->nodes[i].callers, routes->list, called->entries[i].value,
			end, caller_key);
	}
	return err;
}

int routes_index(struct routes *routes)
{
	int err;

	if (routes->n)
		qsort(routes->list, routes->n, sizeof(*routes->list), compare);
	for (size_t i = 0; i < routes->n; i++) {
		routes->n_patterns += routes->list[i].called_pattern != NULL;
		routes->has_emergency = routes->has_emergency || routes->list[i].emergency;
	}
	err = index_build(&routes->called, routes->list, routes->n_patterns, routes->n, called_key);
	if (!err)
		err = nodes_build(routes);
	if (err)
		routes_fini(routes);
	return err;
}

void routes_fini(struct routes *routes)
{
	for (size_t i = 0; routes->nodes && i < routes->called.n; i++)
		prefix_index_fini(&routes->nodes[i].callers);
	free(routes->nodes);
	routes->nodes = NULL;
	prefix_index_fini(&routes->called);
	routes->n_patterns = 0;
	routes->has_emergency = false;
}
