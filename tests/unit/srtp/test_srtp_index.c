#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "srtp_index.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))
#define ROC(n)	      ((uint64_t)(n) << 16)

static void index_is_the_one_nearest_to_the_highest(void **)
{
	static const struct {
		uint64_t highest;
		uint16_t sequence;
		int64_t index;
	} cases[] = {
		{0, 0, 0},
		{0, 1, 1},
		{0, 0x8000, 0x8000},
		{0, 0x8001, 0x8001 - 0x10000},
		{10, 0xffff, -1},
		{0x7fff, 0xffff, 0xffff},
		{0x8000, 0, 0},
		{0x8001, 0, 0x10000},
		{0xffff, 0, 0x10000},
		{0xffff, 0x7ffe, 0x17ffe},
		{0xffff, 0x7fff, 0x7fff},
		{ROC(1), 0xffff, 0xffff},
		{ROC(1) | 0x7fff, 0xffff, ROC(1) | 0xffff},
		{ROC(1) | 0x7ffe, 0xffff, 0xffff},
		{ROC(1) | 0x8000, 0, ROC(1)},
		{ROC(1) | 0x8001, 0, ROC(2)},
		{ROC(0xfffffffe) | 0xffff, 0, ROC(0xffffffff)},
		{ROC(0xffffffff) | 0xfffe, 0xffff, SRTP_INDEX_END - 1},
		{ROC(0xffffffff) | 0xffff, 0, SRTP_INDEX_END},
	};

	for (size_t i = 0; i < LENGTH(cases); i++)
		assert_int_equal(
			srtp_index_estimate(cases[i].highest, cases[i].sequence), cases[i].index);
}

// The pseudo code of RFC 3711, Appendix A, against ours for every pair of 16-bit numbers that
// matters: all sequence numbers around all corners.
static void estimate_is_that_of_the_rfc(void **)
{
	static const uint16_t corners[] = {0, 1, 2, 0x7ffe, 0x7fff, 0x8000, 0x8001, 0xfffe, 0xffff};
	const int64_t roc = 7;

	for (size_t i = 0; i < LENGTH(corners); i++) {
		int32_t s_l = corners[i];

		for (int32_t seq = 0; seq < 0x10000; seq++) {
			int64_t v = roc;

			if (s_l < 32768 && seq - s_l > 32768)
				v = roc - 1;
			else if (s_l >= 32768 && s_l - 32768 > seq)
				v = roc + 1;
			assert_int_equal(srtp_index_estimate(ROC(roc) | s_l, seq), v * 65536 + seq);
		}
	}
}

static void window_knows_what_came_of_the_last_128(void **)
{
	static const struct {
		uint64_t index;
		enum srtp_status status;
	} steps[] = {
		{1000, SRTP_STATUS_OK},
		{1000, SRTP_STATUS_REPLAY},
		{999, SRTP_STATUS_OK},
		{999, SRTP_STATUS_REPLAY},
		{1001, SRTP_STATUS_OK},
		{1000, SRTP_STATUS_REPLAY},
		{998, SRTP_STATUS_OK},
		{1001 - 127, SRTP_STATUS_OK},
		{1001 - 127, SRTP_STATUS_REPLAY},
		{1001 - 128, SRTP_STATUS_LATE},
		{1065, SRTP_STATUS_OK}, // 64 ahead: half of the window moves
		{1001, SRTP_STATUS_REPLAY},
		{998, SRTP_STATUS_REPLAY},
		{997, SRTP_STATUS_OK},
		{1065 - 127, SRTP_STATUS_OK},
		{1065 - 128, SRTP_STATUS_LATE},
		{1065 + 127, SRTP_STATUS_OK},
		{1065, SRTP_STATUS_REPLAY},
		{1066, SRTP_STATUS_OK},
		{1064, SRTP_STATUS_LATE},
		{1192 + 128, SRTP_STATUS_OK},
		{1193, SRTP_STATUS_OK},
		{1192, SRTP_STATUS_LATE},
		{1320 + 100000, SRTP_STATUS_OK},
		{1320 + 100000 - 127, SRTP_STATUS_OK},
		{1320, SRTP_STATUS_LATE},
	};
	struct srtp_window window = {{1}};
	uint64_t highest = 900;

	for (size_t i = 0; i < LENGTH(steps); i++) {
		assert_int_equal(
			srtp_window_check(&window, highest, steps[i].index), steps[i].status);
		if (steps[i].status == SRTP_STATUS_OK)
			highest = srtp_window_add(&window, highest, steps[i].index);
	}
	assert_int_equal(highest, 101320);
}

// Against the plainest possible window: an array of what came.
static void window_agrees_with_a_list(void **)
{
	static uint8_t came[100000];
	struct srtp_window window = {{1}};
	uint64_t highest = 500;
	uint32_t random = 1;

	came[500] = 1;
	for (unsigned int i = 0; i < 200000; i++) {
		uint64_t index;
		enum srtp_status status = SRTP_STATUS_OK;

		random = random * 1664525 + 1013904223;
		index = highest - 200 + (random >> 8) % 210;
		if (highest > 99000)
			break;
		if (index + SRTP_WINDOW <= highest)
			status = SRTP_STATUS_LATE;
		else if (came[index])
			status = SRTP_STATUS_REPLAY;
		assert_int_equal(srtp_window_check(&window, highest, index), status);
		if (status != SRTP_STATUS_OK)
			continue;
		highest = srtp_window_add(&window, highest, index);
		came[index] = 1;
	}
	assert_true(highest > 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(index_is_the_one_nearest_to_the_highest),
		cmocka_unit_test(estimate_is_that_of_the_rfc),
		cmocka_unit_test(window_knows_what_came_of_the_last_128),
		cmocka_unit_test(window_agrees_with_a_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
