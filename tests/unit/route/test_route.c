#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "route.h"

static struct trunk carrier = {.name = "carrier"}, agents = {.name = "agents"},
		    backup = {.name = "backup"};

static struct route list[] = {
	{.prefix = "", .to = &carrier, .prepend = ""},
	{.prefix = "49", .to = &carrier, .strip = 2, .prepend = "0"},
	{.prefix = "4930", .to = &agents, .prepend = ""},
	{.prefix = "4930", .from = &carrier, .to = &backup, .strip = 4, .prepend = "+4930"},
	{.prefix = "9", .from = &backup, .to = &agents, .strip = 1, .prepend = ""},
};
static struct routes routes = {list, sizeof(list) / sizeof(list[0])};

static int sort(void **)
{
	routes_sort(&routes);
	return 0;
}

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

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct route_target target;

		assert_int_equal(route_find(&routes, cases[i].from, cases[i].number,
					 strlen(cases[i].number), &target),
			0);
		assert_ptr_equal(target.trunk, cases[i].to);
		assert_string_equal(target.number, cases[i].sent);
	}
}

static void number_without_a_route_is_not_found(void **)
{
	static struct route one[] = {{.prefix = "1", .to = &carrier, .prepend = ""}};
	struct routes few = {one, 1}, none = {};
	struct route_target target;

	assert_int_equal(route_find(&few, &agents, "2", 1, &target), -ENOENT);
	assert_int_equal(route_find(&few, &agents, "1", 0, &target), -ENOENT);
	assert_int_equal(route_find(&none, &agents, "1", 1, &target), -ENOENT);
}

static void number_that_grows_too_long_is_refused(void **)
{
	char number[ROUTE_NUMBER_MAX];
	struct route_target target;

	memset(number, '1', sizeof(number));
	assert_int_equal(route_find(&routes, &agents, number, sizeof(number) - 1, &target), 0);
	assert_int_equal(strlen(target.number), sizeof(number) - 1);
	assert_int_equal(
		route_find(&routes, &agents, number, sizeof(number), &target), -ENAMETOOLONG);
	memcpy(number, "4930", 4);
	assert_int_equal(
		route_find(&routes, &carrier, number, sizeof(number) - 1, &target), -ENAMETOOLONG);
}

static void strip_beyond_the_number_leaves_what_is_prepended(void **)
{
	static struct route one[] = {{.prefix = "", .to = &carrier, .strip = 99, .prepend = "0"}};
	struct routes routes_of_one = {one, 1};
	struct route_target target;

	assert_int_equal(route_find(&routes_of_one, &agents, "123", 3, &target), 0);
	assert_string_equal(target.number, "0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(longest_prefix_wins_and_a_condition_goes_first),
		cmocka_unit_test(number_without_a_route_is_not_found),
		cmocka_unit_test(number_that_grows_too_long_is_refused),
		cmocka_unit_test(strip_beyond_the_number_leaves_what_is_prepended),
	};

	return cmocka_run_group_tests(tests, sort, NULL);
}
