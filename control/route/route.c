// The dial plan is kept in order of precedence, so the first route that matches is the right one.
#include "route.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool goes_before(const struct route *a, const struct route *b)
{
	size_t a_length = strlen(a->prefix), b_length = strlen(b->prefix);

	if (a_length != b_length)
		return a_length > b_length;
	return a->from && !b->from;
}

// Insertion sort: stable, and done once.
void routes_sort(struct routes *routes)
{
	for (size_t i = 1; i < routes->n; i++) {
		struct route route = routes->list[i];
		size_t at = i;

		for (; at > 0 && goes_before(&route, &routes->list[at - 1]); at--)
			routes->list[at] = routes->list[at - 1];
		routes->list[at] = route;
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

int route_find(const struct routes *routes, const struct trunk *from, const char *number,
	size_t length, struct route_target *out)
{
	for (size_t i = 0; i < routes->n; i++) {
		const struct route *route = &routes->list[i];
		size_t prefix = strlen(route->prefix);
		int rc;

		if ((route->from && route->from != from) || prefix > length ||
			memcmp(route->prefix, number, prefix))
			continue;
		rc = rewrite(route, number, length, out->number);
		if (!rc)
			out->trunk = route->to;
		return rc;
	}
	return -ENOENT;
}
