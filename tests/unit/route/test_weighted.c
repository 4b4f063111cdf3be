#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "weighted.h"

static uint32_t points[8]; // what comes next
static size_t at;

static uint32_t next_point(uint32_t limit)
{
	assert_true(points[at] < limit);
	return points[at++];
}

static void assert_order(const char *expected, const struct weighted *from, size_t n)
{
	struct weighted list[8];
	char order[9] = "";

	at = 0;
	memcpy(list, from, n * sizeof(*from));
	weighted_order(list, n, next_point);
	for (size_t i = 0; i < n; i++)
		order[i] = (char)('0' + list[i].index);
	assert_string_equal(order, expected);
}

static void lower_priority_goes_first(void **)
{
	const struct weighted list[] = {{20, 1, 0}, {10, 1, 1}, {30, 1, 2}};

	assert_order("102", list, 3);
}

static void weights_are_shares_of_one_priority(void **)
{
	const struct weighted list[] = {{1, 60, 0}, {1, 30, 1}, {1, 10, 2}, {0, 5, 3}};

	memcpy(points, (uint32_t[]){59, 0}, 2 * sizeof(uint32_t));
	assert_order("3012", list, 4);
	memcpy(points, (uint32_t[]){60, 59}, 2 * sizeof(uint32_t));
	assert_order("3102", list, 4);
	memcpy(points, (uint32_t[]){99, 60}, 2 * sizeof(uint32_t));
	assert_order("3210", list, 4);
}

static void without_weights_the_order_stays(void **)
{
	const struct weighted list[] = {{1, 0, 0}, {1, 0, 1}, {1, 0, 2}};

	assert_order("012", list, 3);
	assert_order("", list, 0);
	assert_order("0", list, 1);
}

static void weight_zero_comes_after_the_others(void **)
{
	const struct weighted list[] = {{1, 0, 0}, {1, 5, 1}};

	points[0] = 0;
	assert_order("10", list, 2);
	points[0] = 4;
	assert_order("10", list, 2);
}

static void huge_weights_do_not_overflow(void **)
{
	const struct weighted list[] = {{1, UINT32_MAX, 0}, {1, UINT32_MAX, 1}, {1, 1, 2}};

	points[0] = points[1] = 0;
	assert_order("012", list, 3);
}

// By the generator that calls use: 5 standard deviations to either side of 700 of 1000.
static void shares_come_out_in_the_long_run(void **)
{
	unsigned int n_first = 0;

	for (int i = 0; i < 1000; i++) {
		struct weighted list[] = {{1, 30, 0}, {1, 70, 1}};

		weighted_order(list, 2, random_below);
		n_first += list[0].index == 1;
	}
	assert_in_range(n_first, 700 - 73, 700 + 73);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lower_priority_goes_first),
		cmocka_unit_test(weights_are_shares_of_one_priority),
		cmocka_unit_test(without_weights_the_order_stays),
		cmocka_unit_test(weight_zero_comes_after_the_others),
		cmocka_unit_test(huge_weights_do_not_overflow),
		cmocka_unit_test(shares_come_out_in_the_long_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
