// When something holds: days of the week and hours of the day in a time zone.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum { SCHEDULE_SPANS_MAX = 8, MINUTES_OF_DAY = 24 * 60 };

// From the first minute up to, not including, the last; over midnight where the last is not after
// the first: such a span belongs to the day on which it begins.
struct schedule_span {
	uint16_t from, to; // minutes of the day, 0 to MINUTES_OF_DAY
};

struct schedule {
	const char *zone; // of the system's database, as Europe/Berlin
	uint8_t days;	  // bit 0: Sunday
	struct schedule_span spans[SCHEDULE_SPANS_MAX];
	size_t n_spans; // 0: the whole day

	// What the zone was away from UTC, and when that was.
	time_t quarter;
	long offset_s;
};

// "mon", "mon-fri", "fri-mon". Returns 0 or -EINVAL.
int schedule_days_add(struct schedule *schedule, const char *text);
// "08:00-18:00", "22:00-06:00", "00:00-24:00". Returns 0, -EINVAL or -ENOSPC.
int schedule_hours_add(struct schedule *schedule, const char *text);
// Whether the system knows the time zone.
bool schedule_zone_exists(const char *zone);

// One thread: asks the C library, which keeps one zone for the process.
bool schedule_holds(struct schedule *schedule, time_t now);
