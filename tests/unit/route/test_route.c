#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "route.h"

static struct trunk carrier = {.name = "carrier"}, agents = {.name = "agents"},
		    backup = {.name = "backup"};

static uint32_t point; // what chance says

static uint32_t chance(uint32_t limit)
{
	return point % limit;
}

static struct slice slice(const char *text)
{
	return slice_of(text);
}

// One letter for each trunk that the call may go to, in order; "-" for none.
static const char *trunks_of(struct routes *routes, const struct trunk *from, const char *caller,
	const char *called, time_t now)
{
	static char text[16];
	const struct route_query query = {.from = from,
		.called = slice(called),
		.caller = slice(caller),
		.now = now,
		.below = chance};
	struct route_target targets[8];
	int n = routes_find(routes, &query, targets, 8);

	strcpy(text, "-");
	for (int i = 0; i < n; i++)
		text[i] = targets[i].trunk->name[0];
	if (n > 0)
		text[n] = '\0';
	return text;
}

static void fill(struct routes *routes)
{
	for (size_t i = 0; i < routes->n; i++) {
		struct route *route = &routes->list[i];

		route->called = route->called ? route->called : "";
		route->caller = route->caller ? route->caller : "";
		route->prepend = route->prepend ? route->prepend : "";
		route->cost = route->cost ? route->cost : ROUTE_NO_COST;
		route->number = (uint32_t)i + 1;
	}
	assert_int_equal(routes_index(routes), 0);
}

// A dial plan; what a route does not say does not matter.
#define ROUTE(...) ((struct route){__VA_ARGS__})
#define ROUTES(name, ...)                                                                 \
	struct route name##_list[] = {__VA_ARGS__};                                       \
	struct routes name = {name##_list, sizeof(name##_list) / sizeof(name##_list[0])}; \
	fill(&name)

static void longest_prefix_wins_and_a_condition_goes_first(void **)
{
	static const struct {
		const struct trunk *from;
		const char *number;
		const struct trunk *to;
		const char *sent;
	} cases[] = {
		{&agents, "4930123", &agents, "4930123"},
		{&carrier, "4930123", &backup, "+4930123"},
		{&agents, "4940123", &carrier, "040123"},
		{&agents, "493", &carrier, "03"},
		{&agents, "49", &carrier, "0"},
		{&agents, "4", &carrier, "4"},
		{&agents, "", &carrier, ""},
		{&agents, "9100", &carrier, "9100"},
		{&backup, "9100", &agents, "100"},
		{&backup, "9", &agents, ""},
	};
	ROUTES(routes, ROUTE(.to = &carrier),
		ROUTE(.called = "49", .to = &carrier, .strip = 2, .prepend = "0"),
		ROUTE(.called = "4930", .to = &agents),
		ROUTE(.called = "4930", .from = &carrier, .to = &backup, .strip = 4,
			.prepend = "+4930"),
		ROUTE(.called = "9", .from = &backup, .to = &agents, .strip = 1));

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct route_query query = {
			.from = cases[i].from, .called = slice(cases[i].number), .below = chance};
		struct route_target target[2];

		assert_int_equal(routes_find(&routes, &query, target, 2), 1);
		assert_ptr_equal(target[0].trunk, cases[i].to);
		assert_string_equal(target[0].number, cases[i].sent);
	}
	routes_fini(&routes);
}

static void number_without_a_route_is_not_found(void **)
{
	const struct route_query two = {.called = slice("2"), .below = chance},
				 empty = {.called = slice(""), .below = chance};
	struct route_target target;
	struct routes none = {};
	ROUTES(few, ROUTE(.called = "1", .to = &carrier));

	assert_int_equal(routes_find(&few, &two, &target, 1), -ENOENT);
	assert_int_equal(routes_find(&few, &empty, &target, 1), -ENOENT);
	assert_int_equal(routes_index(&none), 0);
	assert_int_equal(routes_find(&none, &two, &target, 1), -ENOENT);
	routes_fini(&few);
	routes_fini(&none);
}

static void number_that_grows_too_long_is_refused(void **)
{
	char number[ROUTE_NUMBER_MAX];
	struct route_query query = {.called = {number, sizeof(number) - 1}, .below = chance};
	struct route_target target;
	ROUTES(routes, ROUTE(.to = &carrier),
		ROUTE(.called = "4930", .to = &carrier, .prepend = "0"));

	memset(number, '1', sizeof(number));
	assert_int_equal(routes_find(&routes, &query, &target, 1), 1);
	assert_int_equal(strlen(target.number), sizeof(number) - 1);
	query.called.n++;
	assert_int_equal(routes_find(&routes, &query, &target, 1), -ENAMETOOLONG);
	query.called.n--;
	memcpy(number, "4930", 4);
	assert_int_equal(routes_find(&routes, &query, &target, 1), -ENAMETOOLONG);
	routes_fini(&routes);
}

static void strip_beyond_the_number_leaves_what_is_prepended(void **)
{
	const struct route_query query = {.called = slice("123"), .below = chance};
	struct route_target target;
	ROUTES(routes, ROUTE(.to = &carrier, .strip = 99, .prepend = "0"));

	assert_int_equal(routes_find(&routes, &query, &target, 1), 1);
	assert_string_equal(target.number, "0");
	routes_fini(&routes);
}

static void exact_number_goes_before_pattern_and_that_before_prefix(void **)
{
	regex_t pattern;
	ROUTES(routes, ROUTE(.called = "112" ROUTE_EXACT, .to = &agents),
		ROUTE(.called = "1123", .to = &carrier),
		ROUTE(.called_pattern = &pattern, .to = &backup));

	assert_int_equal(regcomp(&pattern, "^112[34]?$", REG_EXTENDED | REG_NOSUB), 0);
	assert_string_equal(trunks_of(&routes, NULL, "", "112", 0), "a");
	assert_string_equal(trunks_of(&routes, NULL, "", "1123", 0), "b");
	assert_string_equal(trunks_of(&routes, NULL, "", "1124", 0), "b");
	assert_string_equal(trunks_of(&routes, NULL, "", "11235", 0), "c");
	assert_string_equal(trunks_of(&routes, NULL, "", "1125", 0), "-");
	regfree(&pattern);
	routes_fini(&routes);
}

static void caller_decides_as_called_numbers_do(void **)
{
	regex_t pattern;
	ROUTES(routes, ROUTE(.called = "1", .to = &carrier),
		ROUTE(.called = "1", .caller = "49", .to = &agents),
		ROUTE(.called = "1", .caller = "4930" ROUTE_EXACT, .to = &backup),
		ROUTE(.called = "2", .caller_pattern = &pattern, .to = &backup));

	assert_int_equal(regcomp(&pattern, "^(anonymous)?$", REG_EXTENDED | REG_NOSUB), 0);
	assert_string_equal(trunks_of(&routes, NULL, "4930", "1", 0), "b");
	assert_string_equal(trunks_of(&routes, NULL, "49301", "1", 0), "a");
	assert_string_equal(trunks_of(&routes, NULL, "4", "1", 0), "c");
	assert_string_equal(trunks_of(&routes, NULL, "anonymous", "2", 0), "b");
	assert_string_equal(trunks_of(&routes, NULL, "", "2", 0), "b");
	assert_string_equal(trunks_of(&routes, NULL, "alice", "2", 0), "-");
	regfree(&pattern);
	routes_fini(&routes);
}

static void equals_are_tried_in_turn_and_others_are_not(void **)
{
	ROUTES(routes, ROUTE(.called = "1", .to = &carrier), ROUTE(.called = "1", .to = &backup),
		ROUTE(.to = &agents), ROUTE(.called = "1", .from = &agents, .to = &agents));

	assert_string_equal(trunks_of(&routes, NULL, "", "12", 0), "cb");
	assert_string_equal(trunks_of(&routes, &agents, "", "12", 0), "a");
	assert_string_equal(trunks_of(&routes, NULL, "", "22", 0), "a");
	routes_fini(&routes);
}

static void continue_leads_to_less_specific_routes(void **)
{
	ROUTES(routes, ROUTE(.called = "12", .to = &carrier, .goes_on = true),
		ROUTE(.called = "1", .from = &agents, .to = &agents, .goes_on = true),
		ROUTE(.called = "1", .to = &backup), ROUTE(.to = &agents));

	assert_string_equal(trunks_of(&routes, NULL, "", "12", 0), "cb");
	assert_string_equal(trunks_of(&routes, &agents, "", "12", 0), "cab");
	routes_fini(&routes);
}

static void cheapest_goes_first_each_trunk_by_its_best_route(void **)
{
	ROUTES(routes, ROUTE(.called = "4930", .to = &carrier, .cost = 12000),
		ROUTE(.called = "49", .to = &carrier, .cost = 1000),
		ROUTE(.called = "49", .to = &backup, .cost = 9000),
		ROUTE(.to = &agents, .cost = 50000), ROUTE(.called = "4", .to = &agents));

	assert_string_equal(trunks_of(&routes, NULL, "", "49301", 0), "bca");
	assert_string_equal(trunks_of(&routes, NULL, "", "49401", 0), "cba");
	assert_string_equal(trunks_of(&routes, NULL, "", "48", 0), "a");
	assert_string_equal(trunks_of(&routes, NULL, "", "1", 0), "a");
	routes_fini(&routes);
}

static void weights_share_calls_among_equals(void **)
{
	ROUTES(routes, ROUTE(.called = "1", .to = &carrier, .weight = 70),
		ROUTE(.called = "1", .to = &backup, .weight = 30),
		ROUTE(.called = "1", .to = &agents));

	point = 69;
	assert_string_equal(trunks_of(&routes, NULL, "", "1", 0), "cba");
	point = 70;
	assert_string_equal(trunks_of(&routes, NULL, "", "1", 0), "bca");
	routes_fini(&routes);
}

static void hours_go_before_none_and_end(void **)
{
	struct schedule day = {.zone = "UTC", .days = 0x7f, .spans = {{480, 1080}}, .n_spans = 1};
	ROUTES(routes, ROUTE(.called = "1", .to = &carrier),
		ROUTE(.called = "1", .to = &agents, .when = &day));

	assert_string_equal(trunks_of(&routes, NULL, "", "1", 12 * 3600), "ac");
	assert_string_equal(trunks_of(&routes, NULL, "", "1", 18 * 3600), "c");
	routes_fini(&routes);
}

static void emergency_goes_before_all_others(void **)
{
	const struct route_query query = {.called = slice("1120"), .below = chance};
	struct route_target targets[4];
	ROUTES(routes, ROUTE(.called = "1120" ROUTE_EXACT, .to = &agents),
		ROUTE(.called = "112", .to = &carrier, .emergency = true),
		ROUTE(.called = "112", .to = &backup, .emergency = true));

	assert_int_equal(routes_find(&routes, &query, targets, 4), 2);
	assert_ptr_equal(targets[0].trunk, &carrier);
	assert_ptr_equal(targets[1].trunk, &backup);
	assert_true(targets[0].emergency);
	assert_string_equal(trunks_of(&routes, NULL, "", "11", 0), "-");
	routes_fini(&routes);
}

static void more_than_there_is_room_for_are_left_out(void **)
{
	const struct route_query query = {.called = slice("1"), .below = chance};
	struct route list[100];
	struct routes routes = {list, 100};
	struct route_target targets[3];

	for (uint32_t i = 0; i < 100; i++)
		list[i] = ROUTE(.to = &carrier, .strip = i);
	fill(&routes);
	assert_int_equal(routes_find(&routes, &query, targets, 3), 3);
	routes_fini(&routes);
}

// The index of 100,000 prefixes: how many of them a look-up looks at, and what they take.
static void hundred_thousand_prefixes_take_few_steps_and_little_memory(void **)
{
	enum { N = 100000 };
	struct route *list = calloc(N, sizeof(*list));
	char(*keys)[8] = calloc(N, sizeof(*keys));
	struct routes routes = {list, N};
	unsigned int worst = 0;
	size_t bytes;

	// All numbers of one to five digits, but for the last of them: nested five deep.
	for (uint32_t i = 0, n = 0, digits = 1, end = 10; n < N; i++) {
		if (i == end) {
			i = 0;
			digits++;
			end *= 10;
		}
		snprintf(keys[n], sizeof(keys[n]), "%0*u", (int)digits, i % 100000);
		list[n] = ROUTE(.called = keys[n], .to = &carrier);
		n++;
	}
	fill(&routes);
	assert_int_equal(routes.called.n, N);
	for (uint32_t number = 0; number < 1000000; number += 7) {
		char text[16];
		unsigned int steps = 0;
		uint32_t at;

		snprintf(text, sizeof(text), "%06u9", number);
		at = prefix_index_find(&routes.called, text, strlen(text), &steps);
		assert_int_not_equal(at, PREFIX_NONE);
		assert_int_equal(strncmp(routes.called.entries[at].key, text,
					 strlen(routes.called.entries[at].key)),
			0);
		assert_int_equal(strlen(routes.called.entries[at].key),
			strncmp(text, "88889", 5) <= 0 ? 5 : 4);
		worst = steps > worst ? steps : worst;
	}
	assert_true(worst <= 17 + 5); // log2(100,000), and up the nested ones
	bytes = N * (sizeof(struct prefix_entry) * 2 + sizeof(struct route_node) +
			    sizeof(struct route));
	assert_true(bytes / N <= 256);
	routes_fini(&routes);
	free(keys);
	free(list);
}

// Against the obvious way, for keys that nest, repeat and differ by a byte.
static void index_agrees_with_trying_them_all(void **)
{
	struct prefix_entry entries[64];
	char keys[64][6];

	srand(7);
	for (int round = 0; round < 2000; round++) {
		struct prefix_index index = {entries, 0};
		char text[9];

		for (int i = 0; i < 64; i++) {
			int length = rand() % 6;

			for (int j = 0; j < length; j++)
				keys[i][j] = (char)('1' + rand() % 3);
			keys[i][length] = '\0';
		}
		qsort(keys, 64, sizeof(keys[0]), (int (*)(const void *, const void *))strcmp);
		for (int i = 0; i < 64; i++)
			if (!i || strcmp(keys[i], keys[i - 1]) != 0)
				entries[index.n++] = (struct prefix_entry){.key = keys[i]};
		prefix_index_link(&index);
		for (int i = 0; i < 8; i++)
			text[i] = (char)('1' + rand() % 3);
		for (size_t length = 0; length <= 8; length++) {
			uint32_t at = prefix_index_find(&index, text, length, NULL),
				 best = PREFIX_NONE;

			for (uint32_t i = 0; i < index.n; i++)
				if (strlen(entries[i].key) <= length &&
					!memcmp(entries[i].key, text, strlen(entries[i].key)) &&
					(best == PREFIX_NONE ||
						strlen(entries[i].key) > strlen(entries[best].key)))
					best = i;
			assert_int_equal(at, best);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(longest_prefix_wins_and_a_condition_goes_first),
		cmocka_unit_test(number_without_a_route_is_not_found),
		cmocka_unit_test(number_that_grows_too_long_is_refused),
		cmocka_unit_test(strip_beyond_the_number_leaves_what_is_prepended),
		cmocka_unit_test(exact_number_goes_before_pattern_and_that_before_prefix),
		cmocka_unit_test(caller_decides_as_called_numbers_do),
		cmocka_unit_test(equals_are_tried_in_turn_and_others_are_not),
		cmocka_unit_test(continue_leads_to_less_specific_routes),
		cmocka_unit_test(cheapest_goes_first_each_trunk_by_its_best_route),
		cmocka_unit_test(weights_share_calls_among_equals),
		cmocka_unit_test(hours_go_before_none_and_end),
		cmocka_unit_test(emergency_goes_before_all_others),
		cmocka_unit_test(more_than_there_is_room_for_are_left_out),
		cmocka_unit_test(hundred_thousand_prefixes_take_few_steps_and_little_memory),
		cmocka_unit_test(index_agrees_with_trying_them_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
