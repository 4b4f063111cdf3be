#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "amr_mode.h"

static void first_mode_is_the_highest_within_bitrate_and_set(void **)
{
	static const struct {
		enum amr_band band;
		uint16_t set;
		uint32_t bitrate;
		uint8_t mode;
	} cases[] = {
		{AMR_NARROW, 0, 12200, 7},
		{AMR_NARROW, 0, 12199, 6},
		{AMR_NARROW, 0, 4000, 0},
		{AMR_NARROW, 0x95, 12200, 7}, // 0, 2, 4, 7
		{AMR_NARROW, 0x95, 7950, 4},
		{AMR_NARROW, 0x80, 4750, 7}, // nothing lower is allowed
		{AMR_WIDE, 0, 12650, 2},
		{AMR_WIDE, 0, 24000, 8},
		{AMR_WIDE, 0x003, 12650, 1},
		{AMR_WIDE, 0x100, 12650, 8},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct codec_options options = {.mode_set = cases[i].set};
		struct amr_mode mode;

		assert_int_equal(
			amr_mode_init(&mode, cases[i].band, &options, cases[i].bitrate), 0);
		assert_int_equal(amr_mode_next(&mode), cases[i].mode);
	}
}

static void set_with_modes_that_the_band_has_not_is_refused(void **)
{
	struct codec_options options = {.mode_set = 1 << 8};
	struct amr_mode mode;

	assert_int_equal(amr_mode_init(&mode, AMR_NARROW, &options, 12200), -EINVAL);
	assert_int_equal(amr_mode_init(&mode, AMR_WIDE, &options, 12650), 0);
	options.mode_set = 1 << 9;
	assert_int_equal(amr_mode_init(&mode, AMR_WIDE, &options, 12650), -EINVAL);
}

// Each case: modes of ten frames, the far end asking for `request` before the second.
static void requests_are_met_within_the_rules(void **)
{
	static const struct {
		uint16_t set;
		uint8_t period;
		bool neighbor;
		uint8_t request; // mode + 1
		uint8_t modes[10];
	} cases[] = {
		{0, 0, false, 1, {7, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
		{0, 1, false, 0, {7, 7, 7, 7, 7, 7, 7, 7, 7, 7}},
		{0, 2, false, 1, {7, 7, 0, 0, 0, 0, 0, 0, 0, 0}},
		{0, 1, true, 5, {7, 6, 5, 4, 4, 4, 4, 4, 4, 4}},
		{0, 2, true, 6, {7, 7, 6, 6, 5, 5, 5, 5, 5, 5}},
		{0x95, 1, true, 1, {7, 4, 2, 0, 0, 0, 0, 0, 0, 0}},
		{0x95, 2, true, 3, {7, 7, 4, 4, 2, 2, 2, 2, 2, 2}},
		{0x95, 1, false, 2, {7, 7, 7, 7, 7, 7, 7, 7, 7, 7}}, // mode 1 is not in the set
		{0, 1, false, 9, {7, 7, 7, 7, 7, 7, 7, 7, 7, 7}},    // nor is there a mode 8
		{0, 1, false, 255, {7, 7, 7, 7, 7, 7, 7, 7, 7, 7}},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct codec_options options = {
			.mode_set = cases[i].set,
			.mode_change_period = cases[i].period,
			.mode_change_neighbor = cases[i].neighbor,
		};
		struct amr_mode mode;

		assert_int_equal(amr_mode_init(&mode, AMR_NARROW, &options, 12200), 0);
		for (int k = 0; k < 10; k++) {
			if (k > 0)
				amr_mode_request(&mode, cases[i].request);
			assert_int_equal(amr_mode_next(&mode), cases[i].modes[k]);
		}
	}
}

static void request_goes_up_as_well_as_down(void **)
{
	struct codec_options options = {.mode_change_neighbor = true, .mode_set = 0x95};
	struct amr_mode mode;

	amr_mode_init(&mode, AMR_NARROW, &options, 4750);
	assert_int_equal(amr_mode_next(&mode), 0);
	amr_mode_request(&mode, 8);
	assert_int_equal(amr_mode_next(&mode), 2);
	assert_int_equal(amr_mode_next(&mode), 4);
	amr_mode_request(&mode, 1); // it changes its mind on the way
	assert_int_equal(amr_mode_next(&mode), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_mode_is_the_highest_within_bitrate_and_set),
		cmocka_unit_test(set_with_modes_that_the_band_has_not_is_refused),
		cmocka_unit_test(requests_are_met_within_the_rules),
		cmocka_unit_test(request_goes_up_as_well_as_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
