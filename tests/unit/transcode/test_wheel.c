// The timer wheel: whatever is set goes off once, not early, and less than two slots late.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wheel.h"

#define HZ   1024000u
#define SLOT 1024u // cycles of 1 ms
#define MANY 500

static struct wheel wheel;

static int setup(void **)
{
	memset(&wheel, 0, sizeof(wheel));
	wheel_init(&wheel, HZ);
	return 0;
}

static void a_timer_goes_off_once_it_is_due(void **)
{
	static const uint64_t dues[] = {
		1, SLOT, 5 * SLOT + 3, WHEEL_SLOTS * SLOT, (uint64_t)WHEEL_SLOTS * SLOT * 7 + 100};

	for (size_t i = 0; i < sizeof(dues) / sizeof(dues[0]); i++) {
		struct wheel_timer timer = {};
		uint64_t now = dues[i];

		setup(NULL);
		wheel_set(&wheel, &timer, dues[i]);
		assert_null(wheel_take(&wheel, dues[i] - 1));
		while (!wheel_take(&wheel, now))
			now++;
		assert_true(now - dues[i] <= SLOT);
		assert_int_equal(timer.due_tsc, 0);
		assert_null(wheel_take(&wheel, now + (uint64_t)WHEEL_SLOTS * SLOT * 9));
	}
}

static void a_timer_can_be_moved_and_cleared(void **)
{
	struct wheel_timer a = {}, b = {};

	wheel_set(&wheel, &a, 10 * SLOT);
	wheel_set(&wheel, &b, 10 * SLOT);
	wheel_set(&wheel, &a, 90 * SLOT);
	wheel_set(&wheel, &b, 0);
	assert_null(wheel_take(&wheel, 80 * SLOT));
	wheel_set(&wheel, &b, 3 * SLOT); // long past: at once
	assert_ptr_equal(wheel_take(&wheel, 82 * SLOT), &b);
	assert_ptr_equal(wheel_take(&wheel, 95 * SLOT), &a);
	assert_null(wheel_take(&wheel, 1000 * SLOT));
}

static void none_is_lost_among_many_that_are_set_again(void **)
{
	static struct wheel_timer timers[MANY];
	static uint64_t dues[MANY];
	uint64_t now = 1;
	unsigned int n = 0;

	memset(timers, 0, sizeof(timers));
	for (unsigned int i = 0; i < MANY; i++)
		wheel_set(&wheel, &timers[i], dues[i] = 1 + (uint64_t)rand() % (600 * SLOT));
	for (; n < 20 * MANY; now += (uint64_t)rand() % (3 * SLOT)) {
		struct wheel_timer *timer;

		while ((timer = wheel_take(&wheel, now))) {
			uint64_t *due = &dues[timer - timers];

			assert_true(*due <= now && now - *due < 5 * SLOT);
			*due = now + 1 + (uint64_t)rand() % (600 * SLOT);
			wheel_set(&wheel, timer, *due);
			n++;
		}
		for (unsigned int i = 0; i < MANY; i++)
			assert_true(dues[i] + SLOT > now);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_timer_goes_off_once_it_is_due, setup),
		cmocka_unit_test_setup(a_timer_can_be_moved_and_cleared, setup),
		cmocka_unit_test_setup(none_is_lost_among_many_that_are_set_again, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
