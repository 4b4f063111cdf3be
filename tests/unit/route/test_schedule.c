#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>

#include "schedule.h"

// Seconds since 1970 of a time in UTC, "2026-07-01 12:00".
static time_t utc(const char *text)
{
	struct tm tm = {};

	assert_non_null(strptime(text, "%Y-%m-%d %H:%M", &tm));
	return timegm(&tm);
}

static struct schedule schedule_of(const char *zone, const char *days, const char *hours)
{
	struct schedule schedule = {.zone = zone};

	assert_int_equal(schedule_days_add(&schedule, days), 0);
	if (hours)
		assert_int_equal(schedule_hours_add(&schedule, hours), 0);
	return schedule;
}

static void hours_are_those_of_the_zone_in_summer_and_winter(void **)
{
	static const struct {
		const char *zone, *days, *hours, *at; // at: UTC
		bool holds;
	} cases[] = {
		{"Europe/Berlin", "mon-fri", "08:00-18:00", "2026-07-01 05:59", false},
		{"Europe/Berlin", "mon-fri", "08:00-18:00", "2026-07-01 06:00", true},
		{"Europe/Berlin", "mon-fri", "08:00-18:00", "2026-07-01 15:59", true},
		{"Europe/Berlin", "mon-fri", "08:00-18:00", "2026-07-01 16:00", false},
		{"Europe/Berlin", "mon-fri", "08:00-18:00", "2026-12-01 06:59", false},
		{"Europe/Berlin", "mon-fri", "08:00-18:00", "2026-12-01 07:00", true},
		{"Europe/Berlin", "mon-fri", "08:00-18:00", "2026-07-04 10:00", false}, // Saturday
		{"America/New_York", "mon-sun", "00:00-24:00", "2026-07-01 00:00", true},
		{"America/New_York", "wed", NULL, "2026-07-01 03:59", false}, // still Tuesday
		{"America/New_York", "wed", NULL, "2026-07-01 04:00", true},
		{"Asia/Kathmandu", "wed", "00:00-00:30", "2026-06-30 18:15", true}, // +05:45
		{"Asia/Kathmandu", "wed", "00:00-00:30", "2026-06-30 18:45", false},
		{"UTC", "fri", "22:00-06:00", "2026-07-03 22:00", true},
		{"UTC", "fri", "22:00-06:00", "2026-07-04 05:59", true}, // Friday night
		{"UTC", "fri", "22:00-06:00", "2026-07-04 06:00", false},
		{"UTC", "fri", "22:00-06:00", "2026-07-03 05:00", false},
		{"UTC", "sat-mon", NULL, "2026-07-05 12:00", true}, // around the week's end
		{"UTC", "sat-mon", NULL, "2026-07-07 12:00", false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct schedule schedule =
			schedule_of(cases[i].zone, cases[i].days, cases[i].hours);

		if (schedule_holds(&schedule, utc(cases[i].at)) != cases[i].holds)
			fail_msg("%s %s %s at %s", cases[i].zone, cases[i].days,
				cases[i].hours ? cases[i].hours : "", cases[i].at);
	}
}

// The clocks are put forward at 01:00 UTC.
static void change_of_clocks_is_seen_within_a_day(void **)
{
	struct schedule schedule = schedule_of("Europe/Berlin", "sun", "03:00-04:00");

	assert_false(schedule_holds(&schedule, utc("2026-03-29 00:59")));
	assert_true(schedule_holds(&schedule, utc("2026-03-29 01:00")));
	assert_true(schedule_holds(&schedule, utc("2026-03-29 01:59")));
	assert_false(schedule_holds(&schedule, utc("2026-03-29 02:00")));
}

static void zone_of_the_process_is_left_as_it_was(void **)
{
	struct schedule schedule = schedule_of("Asia/Tokyo", "mon-sun", NULL);
	time_t now = utc("2026-07-01 12:00");
	struct tm tm;

	unsetenv("TZ");
	schedule_holds(&schedule, now);
	assert_null(getenv("TZ"));
	setenv("TZ", "America/New_York", 1);
	tzset();
	schedule.quarter = 0;
	schedule_holds(&schedule, now);
	assert_string_equal(getenv("TZ"), "America/New_York");
	localtime_r(&now, &tm);
	assert_int_equal(tm.tm_hour, 8);
	unsetenv("TZ");
	tzset();
}

static void what_is_no_time_is_refused(void **)
{
	static const char *const hours[] = {"", "08:00", "8:00-18:00", "08:00-18:60", "24:00-25:00",
		"24:00-08:00", "08:00-08:00", "08.00-18.00", "08:00-18:00 ", "08:00_18:00"};
	static const char *const days[] = {
		"", "mo", "monday", "mon-", "mon-fry", "mon fri", "mon,fri"};
	struct schedule schedule = {};

	for (size_t i = 0; i < sizeof(hours) / sizeof(hours[0]); i++)
		assert_int_equal(schedule_hours_add(&schedule, hours[i]), -EINVAL);
	for (size_t i = 0; i < sizeof(days) / sizeof(days[0]); i++)
		assert_int_equal(schedule_days_add(&schedule, days[i]), -EINVAL);
	for (int i = 0; i < SCHEDULE_SPANS_MAX; i++)
		assert_int_equal(schedule_hours_add(&schedule, "08:00-18:00"), 0);
	assert_int_equal(schedule_hours_add(&schedule, "08:00-18:00"), -ENOSPC);
}

static void zones_are_those_of_the_system(void **)
{
	assert_true(schedule_zone_exists("Europe/Berlin"));
	assert_true(schedule_zone_exists("UTC"));
	assert_false(schedule_zone_exists("Europe/Atlantis"));
	assert_false(schedule_zone_exists("Europe"));
	assert_false(schedule_zone_exists(""));
	assert_false(schedule_zone_exists("/etc/passwd"));
	assert_false(schedule_zone_exists("../../../etc/localtime"));
	assert_false(schedule_zone_exists("tzdata.zi"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hours_are_those_of_the_zone_in_summer_and_winter),
		cmocka_unit_test(change_of_clocks_is_seen_within_a_day),
		cmocka_unit_test(zone_of_the_process_is_left_as_it_was),
		cmocka_unit_test(what_is_no_time_is_refused),
		cmocka_unit_test(zones_are_those_of_the_system),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
