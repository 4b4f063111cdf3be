// The dial plan: which trunks a call may go to, in the order in which they are tried.
//
// Of the routes that a call meets, those of the most specific called number count: an exact number
// before a pattern, a pattern before a prefix, a longer prefix before a shorter one. Among these,
// likewise, the most specific caller, and a source trunk before none. What is equal in all that is
// a list of alternatives: cheapest first, those with hours before those without, shared by weight,
// else as listed; the call goes down the list as one after the other fails. Three exceptions:
//
//   emergency  such routes go before all others
//   cost       where the best route has one, all others with one are alternatives, each trunk with
//              its best route, the cheapest first: least cost
//   continue   less specific routes follow when all alternatives have failed
#pragma once

#include <regex.h>
#include <stddef.h>
#include <time.h>

#include "prefix_index.h"
#include "schedule.h"
#include "slice.h"
#include "trunk.h"
#include "weighted.h"

#define ROUTE_NUMBER_MAX 128
// At the end of a key: the number ends here. No number has it.
#define ROUTE_EXACT "\1"

#define ROUTE_NO_COST UINT64_MAX

struct route {
	const char *called; // prefix, or number and ROUTE_EXACT; "" takes every number
	const char *caller; // likewise
	const regex_t *called_pattern, *caller_pattern; // instead; NULL: none
	const struct trunk *from; // only calls from there; NULL: from anywhere
	struct schedule *when;	  // NULL: always
	bool emergency, goes_on;  // `continue`
	uint64_t cost;		  // in millionths, or ROUTE_NO_COST
	uint32_t weight;	  // share of calls among equals that have one; 0: none

	struct trunk *to;
	unsigned int strip;  // characters off the front of the number, before
	const char *prepend; // this is put there
	uint32_t number;     // in the configuration, from 1
	uint32_t line;	     // of its alternatives, from 0
};

// Routes with the same called number: its callers, and where each one's begin.
struct route_node {
	struct prefix_index callers;
};

struct routes {
	struct route *list; // in the order of routes_index()
	size_t n;

	// From routes_index() on.
	size_t n_patterns; // at the front of the list
	struct prefix_index called;
	struct route_node *nodes; // one for each entry of `called`
	bool has_emergency;
};

struct route_target {
	struct trunk *trunk;
	bool emergency;
	char number[ROUTE_NUMBER_MAX];
};

// Sort the list and index it. Returns 0 or -ENOMEM.
int routes_index(struct routes *routes);
// Undo routes_index(); the list stays.
void routes_fini(struct routes *routes);
// Whether two routes that are neighbours in the order of routes_index() are the same in all but
// weight and cost, so that the second is never taken.
bool route_is_repeated(const struct route *a, const struct route *b);

struct route_query {
	const struct trunk *from;
	struct slice called, caller;
	time_t now;
	random_below_fn *below; // random_below(), but for tests
};

// Where the call goes, at most `max` of them, the best first. Returns how many; -ENOENT where no
// route matches (404); -ENAMETOOLONG where the number is too long (484).
int routes_find(const struct routes *routes, const struct route_query *query,
	struct route_target *out, size_t max);
// Whether a call would take an emergency route.
bool routes_have_emergency(const struct routes *routes, const struct route_query *query);
