// Time of day in a zone. The C library has one zone for the whole process, in the environment: it
// is changed for one question and put back, and the answer is kept for a quarter of an hour, at
// whose ends only zones change their clocks.
#include "schedule.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ZONES_FOLDER "/usr/share/zoneinfo"
#define QUARTER_S    900

static const char *const day_names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

static int day_of(const char *text)
{
	for (int day = 0; day < 7; day++)
		if (!strncasecmp(text, day_names[day], 3))
			return day;
	return -1;
}

int schedule_days_add(struct schedule *schedule, const char *text)
{
	size_t length = strlen(text);
	int first, last;

	if (length != 3 && (length != 7 || text[3] != '-'))
		return -EINVAL;
	first = day_of(text);
	last = length == 7 ? day_of(text + 4) : first;
	if (first < 0 || last < 0)
		return -EINVAL;
	for (int day = first;; day = (day + 1) % 7) {
		schedule->days |= (uint8_t)(1 << day);
		if (day == last)
			return 0;
	}
}

// "08:00" at `text`, in minutes, or -1.
static int minute_at(const char *text)
{
	int hour, minute;

	for (int i = 0; i < 5; i++)
		if (i == 2 ? text[i] != ':' : !isdigit((unsigned char)text[i]))
			return -1;
	hour = (text[0] - '0') * 10 + text[1] - '0';
	minute = (text[3] - '0') * 10 + text[4] - '0';
	return minute < 60 && hour * 60 + minute <= MINUTES_OF_DAY ? hour * 60 + minute : -1;
}

int schedule_hours_add(struct schedule *schedule, const char *text)
{
	int from, to;

	if (strlen(text) != 11 || text[5] != '-')
		return -EINVAL;
	from = minute_at(text);
	to = minute_at(text + 6);
	if (from < 0 || to < 0 || from == to || from == MINUTES_OF_DAY)
		return -EINVAL;
	if (schedule->n_spans == SCHEDULE_SPANS_MAX)
		return -ENOSPC;
	schedule->spans[schedule->n_spans++] = (struct schedule_span){(uint16_t)from, (uint16_t)to};
	return 0;
}

bool schedule_zone_exists(const char *zone)
{
	char path[256], magic[4] = "";
	FILE *file;
	bool exists;

	if (zone[0] == '/' || strstr(zone, "..") ||
		snprintf(path, sizeof(path), ZONES_FOLDER "/%s", zone) >= (int)sizeof(path))
		return false;
	file = fopen(path, "re");
	exists = file && fread(magic, 1, 4, file) == 4 && !memcmp(magic, "TZif", 4);
	if (file)
		fclose(file);
	return exists;
}

static void zone_set(const char *zone)
{
	if (zone)
		setenv("TZ", zone, 1);
	else
		unsetenv("TZ");
	tzset();
}

static long offset_ask(const char *zone, time_t now)
{
	const char *kept = getenv("TZ");
	char *before = kept ? strdup(kept) : NULL;
	struct tm local = {};

	zone_set(zone);
	localtime_r(&now, &local);
	zone_set(before);
	free(before);
	return local.tm_gmtoff;
}

static bool day_is(const struct schedule *schedule, int day)
{
	return schedule->days >> day & 1;
}

static bool span_holds(
	const struct schedule *schedule, const struct schedule_span *span, int day, int minute)
{
	if (span->from < span->to)
		return day_is(schedule, day) && minute >= span->from && minute < span->to;
	return (day_is(schedule, day) && minute >= span->from) ||
	       (day_is(schedule, (day + 6) % 7) && minute < span->to);
}

bool schedule_holds(struct schedule *schedule, time_t now)
{
	time_t quarter = now / QUARTER_S, local;
	struct tm tm;
	int minute;

	if (schedule->quarter != quarter) {
		schedule->offset_s = offset_ask(schedule->zone, now);
		schedule->quarter = quarter;
	}
	local = now + schedule->offset_s;
	gmtime_r(&local, &tm);
	minute = tm.tm_hour * 60 + tm.tm_min;
	for (size_t i = 0; i < schedule->n_spans; i++)
		if (span_holds(schedule, &schedule->spans[i], tm.tm_wday, minute))
			return true;
	return !schedule->n_spans && day_is(schedule, tm.tm_wday);
}
