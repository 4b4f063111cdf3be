#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "status_set.h"

static void statuses_classes_and_ranges_are_read(void **)
{
	struct status_set set = {};

	assert_int_equal(status_set_add(&set, "503"), 0);
	assert_int_equal(status_set_add(&set, "2xx"), 0);
	assert_int_equal(status_set_add(&set, "400-407"), 0);
	assert_true(status_set_has(&set, 503));
	assert_false(status_set_has(&set, 502));
	assert_false(status_set_has(&set, 504));
	assert_false(status_set_has(&set, 199));
	assert_true(status_set_has(&set, 200));
	assert_true(status_set_has(&set, 299));
	assert_false(status_set_has(&set, 300));
	assert_false(status_set_has(&set, 399));
	assert_true(status_set_has(&set, 400));
	assert_true(status_set_has(&set, 407));
	assert_false(status_set_has(&set, 408));
	assert_false(status_set_has(&set, 4000));
	assert_int_equal(status_set_add(&set, "6xx"), 0);
	assert_true(status_set_has(&set, 699));
}

static void what_is_no_status_is_refused(void **)
{
	static const char *const bad[] = {"", "5", "50", "5000", "0xx", "7xx", "x00", "5xX", "099",
		"700", "503-", "503-502", "500-7xx", "50x", " 503", "400-40", "-400"};
	struct status_set set = {};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(status_set_add(&set, bad[i]), -EINVAL);
	for (size_t i = 0; i < sizeof(set.bits) / sizeof(set.bits[0]); i++)
		assert_int_equal(set.bits[i], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(statuses_classes_and_ranges_are_read),
		cmocka_unit_test(what_is_no_status_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
