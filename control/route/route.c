// Finding routes; what the rules are is said in route.h.
#include "route.h"

#include <errno.h>
#include <string.h>

enum { ROUTES_MAX = 64 }; // that one call looks at

// A call, and what it has met.
struct search {
	const struct routes *routes;
	const struct route_query *query;
	char called[ROUTE_NUMBER_MAX + 1], caller[ROUTE_NUMBER_MAX + 1]; // with ROUTE_EXACT
	size_t called_length, caller_length;				 // without
	bool emergency; // such routes only; else only others
	const struct route *found[ROUTES_MAX];
	size_t n;
};

// ROUTE_EXACT is not part of what patterns see.
static bool pattern_matches(const regex_t *pattern, const char *number, size_t length)
{
	char text[ROUTE_NUMBER_MAX];

	memcpy(text, number, length);
	text[length] = '\0';
	return !regexec(pattern, text, 0, NULL, 0);
}

// All but the called number and what the caller's index has said.
static bool conditions_hold(const struct search *search, const struct route *route)
{
	if (route->emergency != search->emergency)
		return false;
	if (route->from && route->from != search->query->from)
		return false;
	if (route->caller_pattern &&
		!pattern_matches(route->caller_pattern, search->caller, search->caller_length))
		return false;
	return !route->when || schedule_holds(route->when, search->query->now);
}

static bool has_trunk(const struct search *search, const struct trunk *trunk)
{
	for (size_t i = 0; i < search->n; i++)
		if (search->found[i]->to == trunk)
			return true;
	return false;
}

// Of routes with the same numbers.
static bool is_alternative(const struct route *a, const struct route *b)
{
	return a->from == b->from && a->caller_pattern == b->caller_pattern &&
	       a->called_pattern == b->called_pattern;
}

static bool is_least_cost(const struct search *search)
{
	return search->n && search->found[0]->cost != ROUTE_NO_COST;
}

// Whether less specific routes than those found are wanted.
static bool goes_on(const struct search *search)
{
	return !search->n || is_least_cost(search) || search->found[search->n - 1]->goes_on;
}

// Routes that are alternatives of each other.
static void group_take(struct search *search, size_t first, size_t end)
{
	bool least_cost = is_least_cost(search);

	for (size_t i = first; i < end && search->n < ROUTES_MAX; i++) {
		const struct route *route = &search->routes->list[i];

		if (!conditions_hold(search, route))
			continue;
		if (!least_cost || (route->cost != ROUTE_NO_COST && !has_trunk(search, route->to)))
			search->found[search->n++] = route;
	}
}

// Routes with the same numbers, one group after the other.
static void range_search(struct search *search, size_t first, size_t end)
{
	const struct route *list = search->routes->list;
	size_t next;

	for (size_t i = first; i < end && goes_on(search); i = next) {
		for (next = i + 1; next < end && is_alternative(&list[i], &list[next]);)
			next++;
		group_take(search, i, next);
	}
}

static void node_search(struct search *search, uint32_t entry)
{
	const struct prefix_index *called = &search->routes->called;
	const struct prefix_index *callers = &search->routes->nodes[entry].callers;
	size_t end = entry + 1 < called->n ? called->entries[entry + 1].value : search->routes->n;
	uint32_t at = prefix_index_find(callers, search->caller, search->caller_length + 1, NULL);

	for (; at != PREFIX_NONE && goes_on(search); at = callers->entries[at].parent)
		range_search(search, callers->entries[at].value,
			at + 1 < callers->n ? callers->entries[at + 1].value : end);
}

static bool caller_matches(const struct search *search, const struct route *route)
{
	size_t n = strlen(route->caller);

	return route->caller_pattern ||
	       (n <= search->caller_length + 1 && !memcmp(route->caller, search->caller, n));
}

// In the order of the file.
static void patterns_search(struct search *search)
{
	const struct routes *routes = search->routes;
	size_t next;

	for (size_t i = 0; i < routes->n_patterns && goes_on(search); i = next) {
		const struct route *route = &routes->list[i];

		for (next = i + 1;
			next < routes->n_patterns && is_alternative(route, &routes->list[next]);)
			next++;
		if (caller_matches(search, route) && pattern_matches(route->called_pattern,
							     search->called, search->called_length))
			group_take(search, i, next);
	}
}

static void search_run(struct search *search)
{
	const struct prefix_index *called = &search->routes->called;
	uint32_t at = prefix_index_find(called, search->called, search->called_length + 1, NULL);

	if (at != PREFIX_NONE && strlen(called->entries[at].key) == search->called_length + 1) {
		node_search(search, at); // exactly this number
		at = called->entries[at].parent;
	}
	if (goes_on(search))
		patterns_search(search);
	for (; at != PREFIX_NONE && goes_on(search); at = called->entries[at].parent)
		node_search(search, at);
}

// Ranks for weighted_order(): the next one each time, but for equals that share their calls.
static void found_order(struct search *search, struct weighted *order)
{
	uint32_t rank = 0;

	for (size_t i = 0; i < search->n; i++) {
		const struct route *route = search->found[i];
		const struct route *before = i ? search->found[i - 1] : NULL;
		bool shares = before && before->weight && route->weight &&
			      before->cost == route->cost && !before->when == !route->when &&
			      (route->cost != ROUTE_NO_COST || is_alternative(before, route));

		rank += i && !shares;
		order[i] = (struct weighted){rank, route->weight, i};
	}
	weighted_order(order, search->n, search->query->below);
}

// Stable, of few.
static void costs_sort(struct search *search)
{
	for (size_t i = 1; i < search->n; i++) {
		const struct route *route = search->found[i];
		size_t at = i;

		for (; at && search->found[at - 1]->cost > route->cost; at--)
			search->found[at] = search->found[at - 1];
		search->found[at] = route;
	}
}

static int rewrite(const struct route *route, const char *number, size_t length, char *out)
{
	size_t strip = route->strip < length ? route->strip : length;
	size_t prepend = strlen(route->prepend);

	if (prepend + length - strip >= ROUTE_NUMBER_MAX)
		return -ENAMETOOLONG;
	memcpy(out, route->prepend, prepend);
	memcpy(out + prepend, number + strip, length - strip);
	out[prepend + length - strip] = '\0';
	return 0;
}

static int results_write(struct search *search, struct route_target *out, size_t max)
{
	struct weighted order[ROUTES_MAX];
	int err = -ENOENT;
	size_t n = 0;

	if (search->n && search->found[0]->cost != ROUTE_NO_COST)
		costs_sort(search);
	found_order(search, order);
	for (size_t i = 0; i < search->n && n < max; i++) {
		const struct route *route = search->found[order[i].index];

		err = rewrite(route, search->called, search->called_length, out[n].number);
		if (err)
			continue;
		out[n].trunk = route->to;
		out[n++].emergency = route->emergency;
	}
	return n ? (int)n : err;
}

static int key_write(char *out, size_t *length, struct slice number)
{
	if (number.n >= ROUTE_NUMBER_MAX)
		return -ENAMETOOLONG;
	if (number.n)
		memcpy(out, number.p, number.n);
	memcpy(out + number.n, ROUTE_EXACT, sizeof(ROUTE_EXACT));
	*length = number.n;
	return 0;
}

static int keys_write(struct search *search)
{
	const struct route_query *query = search->query;

	if (key_write(search->called, &search->called_length, query->called))
		return -ENAMETOOLONG;
	if (key_write(search->caller, &search->caller_length, query->caller))
		key_write(search->caller, &search->caller_length, (struct slice){});
	return 0;
}

bool routes_have_emergency(const struct routes *routes, const struct route_query *query)
{
	struct search search = {.routes = routes, .query = query, .emergency = true};

	if (!routes->has_emergency || keys_write(&search))
		return false;
	search_run(&search);
	return search.n > 0;
}

int routes_find(const struct routes *routes, const struct route_query *query,
	struct route_target *out, size_t max)
{
	struct search search = {.routes = routes, .query = query};

	if (keys_write(&search))
		return -ENAMETOOLONG;
	search.emergency = routes->has_emergency;
	if (search.emergency)
		search_run(&search);
	if (!search.n) {
		search.emergency = false;
		search_run(&search);
	}
	return results_write(&search, out, max);
}
