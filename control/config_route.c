// The routes of the configuration: one entry of the file may stand for many of the dial plan, each
// prefix of its list with each of its trunks.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config_check.h"
#include "config_file.h"
#include "config_private.h"

#define WEIGHT_MAX	    65535
#define PATTERN_REPEATS_MAX 1000 // of all its braces together

// What routes point to and the file does not have.
struct config_route_parts {
	void **list; // free()
	size_t n, room;
	regex_t **patterns;
	size_t n_patterns;
	size_t routes_room;
};

static int part_keep(struct config *config, void *part)
{
	struct config_route_parts *parts = config->route_parts;

	if (parts->n == parts->room) {
		size_t room = parts->room ? parts->room * 2 : 16;
		void **grown = realloc(parts->list, room * sizeof(*grown));

		if (!grown) {
			free(part);
			return -ENOMEM;
		}
		parts->list = grown;
		parts->room = room;
	}
	parts->list[parts->n++] = part;
	return part ? 0 : -ENOMEM;
}

static int key_exact(struct config *config, const char *number, const char **out)
{
	char *key = malloc(strlen(number) + sizeof(ROUTE_EXACT));

	if (key) {
		strcpy(key, number);
		strcat(key, ROUTE_EXACT);
	}
	*out = key;
	return part_keep(config, key);
}

// What would take memory beyond all measure, or time beyond it: counts of counts, back-references.
static bool pattern_is_modest(const char *text)
{
	unsigned long repeats = 1;
	bool in_braces = false;

	for (const char *at = text; *at;) {
		char *end = (char *)at + 1;
		unsigned long count = 1;

		if (*at == '\\' && at[1] >= '1' && at[1] <= '9')
			return false;
		if (*at == '{' || *at == '}')
			in_braces = *at == '{';
		else if (in_braces && *at >= '0' && *at <= '9')
			count = strtoul(at, &end, 10);
		if (count > PATTERN_REPEATS_MAX)
			return false;
		repeats *= count ? count : 1;
		if (repeats > PATTERN_REPEATS_MAX)
			return false;
		at = end;
	}
	return true;
}

static int read_pattern(const struct check *check, struct config *config, const char *where,
	const char *text, const regex_t **out)
{
	struct config_route_parts *parts = config->route_parts;
	regex_t **grown =
		realloc(parts->patterns, (parts->n_patterns + 1) * sizeof(*parts->patterns));
	regex_t *pattern;
	char error[128];
	int rc;

	if (!grown)
		return check_memory(check);
	parts->patterns = grown;
	if (!pattern_is_modest(text))
		return check_failed(check, where,
			"expected a pattern without \\1 to \\9 and with at most %d repeats",
			PATTERN_REPEATS_MAX);
	pattern = calloc(1, sizeof(*pattern));
	if (!pattern)
		return check_memory(check);
	rc = regcomp(pattern, text, REG_EXTENDED | REG_NOSUB);
	if (rc) {
		regerror(rc, pattern, error, sizeof(error));
		free(pattern);
		return check_failed(
			check, where, "expected an extended regular expression: %s", error);
	}
	parts->patterns[parts->n_patterns++] = pattern;
	*out = pattern;
	return 0;
}

static const char *place(char *out, unsigned int number, const char *key)
{
	return check_where(out, "routes[%u].%s", number, key);
}

// At most one of several keys.
static int check_one_of(const struct check *check, unsigned int number, const char *what,
	const void *const *given, size_t n)
{
	char where[CHECK_WHERE_SIZE];
	size_t n_given = 0;

	for (size_t i = 0; i < n; i++)
		n_given += given[i] != NULL;
	return n_given < 2 ? 0
			   : check_failed(check, check_where(where, "routes[%u]", number),
				     "expected only one of %s", what);
}

static int read_caller(const struct check *check, struct config *config,
	const struct file_route *from, unsigned int number, struct route *route)
{
	const void *const given[] = {from->caller, from->caller_prefix, from->caller_pattern};
	char where[CHECK_WHERE_SIZE];
	int rc = check_one_of(check, number, "caller, caller_prefix and caller_pattern", given, 3);

	route->caller = from->caller_prefix ? from->caller_prefix : "";
	if (!rc)
		rc = check_number(check, place(where, number, "caller_prefix"), route->caller);
	if (!rc && from->caller)
		rc = check_number(check, place(where, number, "caller"), from->caller);
	if (!rc && from->caller && key_exact(config, from->caller, &route->caller))
		rc = check_memory(check);
	if (!rc && from->caller_pattern)
		rc = read_pattern(check, config, place(where, number, "caller_pattern"),
			from->caller_pattern, &route->caller_pattern);
	return rc;
}

static int read_when(const struct check *check, struct config *config, const struct file_when *from,
	unsigned int number, struct route *route)
{
	struct schedule *when = calloc(1, sizeof(*when));
	char where[CHECK_WHERE_SIZE];

	if (part_keep(config, when))
		return check_memory(check);
	route->when = when;
	when->zone = from->zone;
	if (!schedule_zone_exists(from->zone))
		return check_failed(check, place(where, number, "when.zone"),
			"expected a time zone as Europe/Berlin, not '%s'", from->zone);
	for (uint32_t i = 0; i < from->days_count; i++)
		if (schedule_days_add(when, from->days[i]))
			return check_failed(check,
				check_where(where, "routes[%u].when.days[%u]", number, i + 1),
				"expected a day or days as mon or mon-fri, not '%s'",
				from->days[i]);
	if (!from->days_count)
		schedule_days_add(when, "sun-sat");
	for (uint32_t i = 0; i < from->hours_count; i++)
		if (schedule_hours_add(when, from->hours[i]))
			return check_failed(check,
				check_where(where, "routes[%u].when.hours[%u]", number, i + 1),
				"expected hours as 08:00-18:00, at most %d of them, not '%s'",
				SCHEDULE_SPANS_MAX, from->hours[i]);
	return 0;
}

static int read_cost(const struct check *check, const char *where, const char *text, uint64_t *out)
{
	*out = ROUTE_NO_COST;
	if (text && cost_parse(text, out))
		return check_failed(check, where, "expected a cost as 0.0125, not '%s'", text);
	return 0;
}

static int read_conditions(const struct check *check, struct config *config,
	const struct file_route *from, unsigned int number, struct route *route)
{
	char where[CHECK_WHERE_SIZE];
	int rc = read_caller(check, config, from, number, route);

	if (!rc && from->from) {
		route->from = trunk_find(&config->trunks, from->from);
		if (!route->from)
			rc = check_failed(check, place(where, number, "from"),
				"there is no trunk '%s'", from->from);
	}
	if (!rc && from->when)
		rc = read_when(check, config, from->when, number, route);
	return rc;
}

static int read_rewriting(const struct check *check, const struct file_route *from,
	unsigned int number, struct route *route)
{
	char where[CHECK_WHERE_SIZE];
	int rc;

	route->strip = from->strip;
	route->prepend = from->prepend ? from->prepend : "";
	rc = check_number(check, place(where, number, "prepend"), route->prepend);
	if (!rc)
		rc = check_range(
			check, place(where, number, "strip"), from->strip, 0, ROUTE_NUMBER_MAX);
	return rc;
}

// All but the called number and the trunk.
static int read_common(const struct check *check, struct config *config,
	const struct file_route *from, unsigned int number, struct route *route)
{
	char where[CHECK_WHERE_SIZE];
	int rc = read_conditions(check, config, from, number, route);

	route->number = number;
	route->emergency = from->emergency && *from->emergency;
	route->goes_on = from->goes_on && *from->goes_on;
	route->weight = from->weight ? *from->weight : 0;
	if (!rc)
		rc = read_rewriting(check, from, number, route);
	if (!rc)
		rc = read_cost(check, place(where, number, "cost"), from->cost, &route->cost);
	if (!rc)
		rc = check_range(
			check, place(where, number, "weight"), route->weight, 0, WEIGHT_MAX);
	return rc;
}

static int read_trunks(const struct check *check, const struct config *config,
	const struct file_route *from, unsigned int number, struct trunk **out, size_t *n)
{
	char where[CHECK_WHERE_SIZE];

	if (!from->trunk == !from->trunks_count)
		return check_failed(check, check_where(where, "routes[%u]", number),
			"expected trunk, or trunks with a list of them");
	*n = from->trunk ? 1 : from->trunks_count;
	for (size_t i = 0; i < *n; i++) {
		const char *name = from->trunk ? from->trunk : from->trunks[i];

		out[i] = trunk_find(&config->trunks, name);
		if (!out[i] && from->trunk)
			return check_failed(check, place(where, number, "trunk"),
				"there is no trunk '%s'", name);
		if (!out[i])
			return check_failed(check,
				check_where(where, "routes[%u].trunks[%zu]", number, i + 1),
				"there is no trunk '%s'", name);
	}
	return 0;
}

// One for each trunk.
static int routes_add(const struct check *check, struct config *config, struct route *route,
	struct trunk *const *trunks, size_t n)
{
	struct routes *routes = &config->routes;

	while (routes->n + n > config->route_parts->routes_room) {
		size_t room = config->route_parts->routes_room;
		struct route *grown;

		room = room ? room * 2 : 16;
		grown = realloc(routes->list, room * sizeof(*grown));
		if (!grown)
			return check_memory(check);
		routes->list = grown;
		config->route_parts->routes_room = room;
	}
	for (size_t i = 0; i < n; i++) {
		route->to = trunks[i];
		routes->list[routes->n++] = *route;
		route->line++;
	}
	return 0;
}

// The numbers that an entry of the file is for: each with what it costs, where the list says so.
struct numbers {
	struct prefix_line one, *list;
	size_t n;
};

static int numbers_of_list(const struct check *check, struct config *config,
	const struct file_route *from, unsigned int number, struct numbers *out)
{
	char where[CHECK_WHERE_SIZE];

	out->list = calloc(from->prefixes_count, sizeof(*out->list));
	if (part_keep(config, out->list))
		return check_memory(check);
	for (uint32_t i = 0; i < from->prefixes_count; i++) {
		check_where(where, "routes[%u].prefixes[%u]", number, i + 1);
		if (check_number(check, where, from->prefixes[i]))
			return -EINVAL;
		out->list[out->n++].prefix = from->prefixes[i];
	}
	return 0;
}

static int numbers_of_file(const struct check *check, struct config *config,
	const struct file_route *from, unsigned int number, struct numbers *out)
{
	char where[CHECK_WHERE_SIZE];
	char *text = prefix_file_read(
		check, place(where, number, "prefix_file"), from->prefix_file, &out->list, &out->n);
	int err;

	if (!text)
		return -EINVAL;
	err = part_keep(config, text);
	if (part_keep(config, out->list) || err)
		return check_memory(check);
	return 0;
}

static int read_called(const struct check *check, struct config *config,
	const struct file_route *from, unsigned int number, struct route *route,
	struct numbers *out)
{
	const void *const given[] = {
		from->number, from->prefix, from->prefixes, from->prefix_file, from->pattern};
	char where[CHECK_WHERE_SIZE];
	int rc = check_one_of(
		check, number, "number, prefix, prefixes, prefix_file and pattern", given, 5);

	out->one.prefix = from->prefix ? from->prefix : "";
	out->list = &out->one;
	out->n = 1;
	if (rc)
		return rc;
	if (from->prefixes || from->prefix_file)
		out->n = 0;
	if (from->prefixes)
		return numbers_of_list(check, config, from, number, out);
	if (from->prefix_file)
		return numbers_of_file(check, config, from, number, out);
	if (from->pattern)
		return read_pattern(check, config, place(where, number, "pattern"), from->pattern,
			&route->called_pattern);
	rc = check_number(check, place(where, number, from->number ? "number" : "prefix"),
		from->number ? from->number : out->one.prefix);
	if (!rc && from->number && key_exact(config, from->number, &out->one.prefix))
		rc = check_memory(check);
	return rc;
}

static int read_route(const struct check *check, struct config *config,
	const struct file_route *from, unsigned int number)
{
	struct trunk *trunks[64];
	struct numbers numbers = {};
	struct route route = {};
	size_t n_trunks = 0;
	int rc = read_common(check, config, from, number, &route);

	if (!rc)
		rc = read_trunks(check, config, from, number, trunks, &n_trunks);
	if (!rc)
		rc = read_called(check, config, from, number, &route, &numbers);
	for (size_t i = 0; !rc && i < numbers.n; i++) {
		struct route one = route;

		one.called = numbers.list[i].prefix;
		if (numbers.list[i].cost)
			cost_parse(numbers.list[i].cost, &one.cost);
		rc = routes_add(check, config, &one, trunks, n_trunks);
	}
	return rc;
}

// In the order of routes_index().
static int check_repeated(const struct check *check, const struct routes *routes)
{
	char where[CHECK_WHERE_SIZE];

	for (size_t i = 1; i < routes->n; i++) {
		const struct route *first = &routes->list[i - 1], *second = &routes->list[i];

		if (!route_is_repeated(first, second))
			continue;
		if (first->number == second->number)
			return check_failed(check, check_where(where, "routes[%u]", second->number),
				"prefix '%.*s' or trunk '%s' is there twice",
				(int)strcspn(second->called, ROUTE_EXACT), second->called,
				second->to->name);
		return check_failed(check, check_where(where, "routes[%u]", second->number),
			"routes[%u] has the same number, condition and trunk, so this is never "
			"taken",
			first->number);
	}
	return 0;
}

int config_read_routes(const struct check *check, struct config *config)
{
	int rc = 0;

	config->route_parts = calloc(1, sizeof(*config->route_parts));
	if (!config->route_parts)
		return check_memory(check);
	for (uint32_t i = 0; !rc && i < config->file->routes_count; i++)
		rc = read_route(check, config, &config->file->routes[i], i + 1);
	if (!rc && routes_index(&config->routes))
		rc = check_memory(check);
	return rc ? rc : check_repeated(check, &config->routes);
}

void config_free_routes(struct config *config)
{
	struct config_route_parts *parts = config->route_parts;

	routes_fini(&config->routes);
	free(config->routes.list);
	if (!parts)
		return;
	for (size_t i = 0; i < parts->n_patterns; i++) {
		regfree(parts->patterns[i]);
		free(parts->patterns[i]);
	}
	free(parts->patterns);
	for (size_t i = 0; i < parts->n; i++)
		free(parts->list[i]);
	free(parts->list);
	free(parts);
}
