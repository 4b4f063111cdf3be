// Timers of streams: a wheel of slots of about a millisecond. Setting and taking cost the same
// however many streams there are. A timer goes off up to a slot late, never early; one that is due
// beyond a turn of the wheel stays in its slot for the next.
#pragma once

#include <stdint.h>
#include <sys/queue.h>

#define WHEEL_SLOTS 256

struct wheel_timer {
	LIST_ENTRY(wheel_timer) entry;
	uint64_t due_tsc; // 0: not set
};

struct wheel {
	LIST_HEAD(, wheel_timer) slots[WHEEL_SLOTS];
	unsigned int shift; // TSC cycles of a slot, as a power of two
	uint64_t at;	    // next slot to be looked at
};

void wheel_init(struct wheel *wheel, uint64_t tsc_hz);

// Set, move, or with due_tsc 0 clear.
void wheel_set(struct wheel *wheel, struct wheel_timer *timer, uint64_t due_tsc);

// Take a timer that is due, cleared; NULL: none is. One that is set anew meanwhile has to be due
// later than `now_tsc`, or it comes again.
struct wheel_timer *wheel_take(struct wheel *wheel, uint64_t now_tsc);
