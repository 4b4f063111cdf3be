#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "timeline.h"

#define MS 1000000ull
#define S  (1000 * MS)

static void ratios_are_exact_or_refused(void **)
{
	static const struct {
		uint32_t clock_hz, sample_hz;
		int result;
		uint32_t ticks; // of 160 samples
	} cases[] = {{8000, 8000, 0, 160}, {48000, 8000, 0, 960}, {8000, 16000, 0, 80},
		{48000, 48000, 0, 160}, {48000, 12000, 0, 640}, {16000, 8000, 0, 320},
		{8000, 64000, 0, 20}, {44100, 8000, -EOPNOTSUPP, 0}, {8000, 48000, -EOPNOTSUPP, 0}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct timeline_ratio ratio;

		assert_int_equal(timeline_ratio(cases[i].clock_hz, cases[i].sample_hz, &ratio),
			cases[i].result);
		if (cases[i].result == 0)
			assert_int_equal(timeline_ticks(&ratio, 160), cases[i].ticks);
	}
}

// A source of 20 ms packets at 8,000 Hz, the last of which began at 1600 and came at 10 s. The
// next begins at 1760 + step and comes after `later`.
static void gaps_are_what_timestamps_and_arrival_agree_on(void **)
{
	static const struct {
		int64_t step;
		uint64_t later;
		bool new_source;
		uint32_t gap;
	} cases[] = {
		{0, 20 * MS, false, 0},
		{160, 40 * MS, false, 160},		   // one lost
		{160, 400 * MS, false, 160},		   // one lost, and late
		{-80, 20 * MS, false, 0},		   // overlaps: played on
		{0, 60 * S, false, 0},			   // the source stood still
		{480000, 60 * S + 20 * MS, false, 480000}, // a minute of silence
		{16000, 20 * MS, false, 16000},		   // two seconds are believed
		{16001, 20 * MS, false, 0},		   // more is not, unless time passed
		{80000, 40 * MS, false, 160},
		{-16001, 40 * MS, false, 160},
		{1000000000, 40 * MS, false, 160},
		{-1000000000, 3 * S + 20 * MS, false, 24000},
		{12345, 40 * MS, true, 160},
		{0, 10 * MS, true, 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct timeline t;
		uint32_t timestamp = (uint32_t)(1760 + cases[i].step), out;

		assert_int_equal(timeline_init(&t, 8000, 48000, 8000, 100), 0);
		assert_int_equal(timeline_gap(&t, 1600, 10 * S), 0);
		timeline_decoded(&t, 160, 0, 10 * S);
		t.new_source = cases[i].new_source;
		out = t.end_out;
		assert_int_equal(
			timeline_gap(&t, timestamp, 10 * S + cases[i].later), cases[i].gap);
		timeline_advance(&t, cases[i].gap);
		assert_int_equal(t.end_out, out + cases[i].gap * 6);
		timeline_decoded(&t, 160, 0, 10 * S + cases[i].later);
		assert_int_equal(t.next_in, timestamp + 160);
	}
}

static void timestamps_nearby_are_mapped(void **)
{
	struct timeline t;

	timeline_init(&t, 8000, 48000, 8000, 1000);
	assert_int_equal(timeline_map(&t, 77), 1000); // no audio yet: now
	timeline_gap(&t, 0xffffff60, 0);
	timeline_decoded(&t, 160, 0, 0);
	assert_int_equal(timeline_map(&t, 0), 1000 + 960);
	assert_int_equal(timeline_map(&t, 160), 1000 + 1920);
	assert_int_equal(timeline_map(&t, 0xffffff60), 1000);
	assert_int_equal(timeline_map(&t, 40000), 1000 + 960 + 240000);
	assert_int_equal(timeline_map(&t, 40001), 1000 + 960); // too far to be true
	assert_int_equal(timeline_map(&t, 0x80000000), 1000 + 960);
	t.new_source = true;
	assert_int_equal(timeline_map(&t, 160), 1000 + 960);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ratios_are_exact_or_refused),
		cmocka_unit_test(gaps_are_what_timestamps_and_arrival_agree_on),
		cmocka_unit_test(timestamps_nearby_are_mapped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
