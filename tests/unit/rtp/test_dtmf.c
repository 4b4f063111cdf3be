#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "dtmf.h"

static void payload_reads_and_writes_the_same(void **)
{
	static const uint8_t payload[] = {11, 0x8a, 0x03, 0x20};
	struct dtmf_event event;
	uint8_t out[4];

	assert_int_equal(dtmf_parse(payload, 4, &event, 1), 1);
	assert_int_equal(event.code, 11);
	assert_true(event.end);
	assert_int_equal(event.volume, 10);
	assert_int_equal(event.duration, 800);
	dtmf_build(out, &event);
	assert_memory_equal(out, payload, 4);
}

static void payload_lengths_are_checked(void **)
{
	static const struct {
		size_t length;
		int result;
	} cases[] = {{0, -EBADMSG}, {1, -EBADMSG}, {3, -EBADMSG}, {4, 1}, {5, -EBADMSG}, {8, 2},
		{32, 8}, {36, -EBADMSG}};
	struct dtmf_event events[DTMF_EVENTS_MAX];
	uint8_t payload[64] = {0};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(dtmf_parse(payload, cases[i].length, events, DTMF_EVENTS_MAX),
			cases[i].result);
}

struct step {
	uint32_t timestamp;
	struct dtmf_event event; // code, volume, end, duration
	uint32_t out_timestamp;	 // of `timestamp` in the output
	unsigned int n_outputs;
	struct dtmf_output outputs[DTMF_OUTPUTS_MAX]; // timestamp, marker, event
};

static void run(uint32_t from_hz, uint32_t to_hz, const struct step *steps, size_t n_steps)
{
	struct dtmf_mapper mapper;

	dtmf_mapper_init(&mapper, from_hz, to_hz);
	for (size_t i = 0; i < n_steps; i++) {
		struct dtmf_output out[DTMF_OUTPUTS_MAX];
		unsigned int n = dtmf_map(
			&mapper, steps[i].timestamp, &steps[i].event, steps[i].out_timestamp, out);

		assert_int_equal(n, steps[i].n_outputs);
		for (unsigned int k = 0; k < n; k++) {
			const struct dtmf_output *want = &steps[i].outputs[k];

			assert_int_equal(out[k].timestamp, want->timestamp);
			assert_int_equal(out[k].marker, want->marker);
			assert_int_equal(out[k].event.code, want->event.code);
			assert_int_equal(out[k].event.volume, want->event.volume);
			assert_int_equal(out[k].event.end, want->event.end);
			assert_int_equal(out[k].event.duration, want->event.duration);
		}
	}
}

#define RUN(from_hz, to_hz, steps) run(from_hz, to_hz, steps, sizeof(steps) / sizeof((steps)[0]))

static void digit_is_carried_to_the_faster_clock(void **)
{
	static const struct step steps[] = {
		{1000, {5, 10, false, 160}, 9000, 1, {{9000, true, {5, 10, false, 960}}}},
		{1000, {5, 10, false, 320}, 777, 1, {{9000, false, {5, 10, false, 1920}}}},
		{1000, {5, 10, true, 480}, 777, 1, {{9000, false, {5, 10, true, 2880}}}},
		{1000, {5, 10, true, 480}, 777, 1, {{9000, false, {5, 10, true, 2880}}}},
		{1000, {5, 10, true, 480}, 777, 1, {{9000, false, {5, 10, true, 2880}}}},
		{3000, {5, 10, false, 160}, 21000, 1, {{21000, true, {5, 10, false, 960}}}},
	};

	RUN(8000, 48000, steps);
}

static void digit_is_carried_to_the_slower_clock_rounded(void **)
{
	static const struct step steps[] = {
		{6000, {1, 0, false, 960}, 50, 1, {{50, true, {1, 0, false, 160}}}},
		{6000, {1, 0, true, 963}, 50, 1, {{50, false, {1, 0, true, 161}}}},
	};

	RUN(48000, 8000, steps);
}

static void lost_first_packet_and_lost_ends_keep_the_digit_one(void **)
{
	static const struct step steps[] = {
		{0, {7, 0, false, 480}, 100, 1, {{100, true, {7, 0, false, 480}}}},
		{0, {7, 0, false, 800}, 999, 1, {{100, false, {7, 0, false, 800}}}},
		{1600, {8, 0, true, 400}, 1700, 1, {{1700, true, {8, 0, true, 400}}}},
		{1600, {8, 0, true, 400}, 1700, 1, {{1700, false, {8, 0, true, 400}}}},
	};

	RUN(8000, 8000, steps);
}

static void reordered_packets_make_no_second_digit(void **)
{
	static const struct step steps[] = {
		{0, {1, 0, false, 320}, 0, 1, {{0, true, {1, 0, false, 320}}}},
		{0, {1, 0, false, 160}, 0, 0, {}}, // would shorten
		{0, {1, 0, true, 480}, 0, 1, {{0, false, {1, 0, true, 480}}}},
		{0, {1, 0, false, 400}, 0, 0, {}}, // would begin again behind its end
		{0, {1, 0, true, 480}, 0, 1, {{0, false, {1, 0, true, 480}}}},
		{800, {1, 0, false, 160}, 800, 1, {{800, true, {1, 0, false, 160}}}},
		{0, {1, 0, true, 480}, 0, 0, {}}, // of the digit before
		{800, {1, 0, true, 160}, 0, 1, {{800, false, {1, 0, true, 160}}}},
	};

	RUN(8000, 8000, steps);
}

static void end_that_says_less_still_ends(void **)
{
	static const struct step steps[] = {
		{0, {1, 0, false, 480}, 0, 1, {{0, true, {1, 0, false, 480}}}},
		{0, {1, 0, true, 320}, 0, 1, {{0, false, {1, 0, true, 480}}}},
	};

	RUN(8000, 8000, steps);
}

static void timestamps_wrap(void **)
{
	static const struct step steps[] = {
		{0xffffff00, {1, 0, true, 160}, 0xfffffff0, 1,
			{{0xfffffff0, true, {1, 0, true, 960}}}},
		{0x00000100, {2, 0, true, 160}, 0x00000bf0, 1,
			{{0x00000bf0, true, {2, 0, true, 960}}}},
		{0xffffff00, {1, 0, true, 160}, 0, 0, {}},
	};

	RUN(8000, 48000, steps);
}

static void long_event_is_cut_into_segments(void **)
{
	static const struct step steps[] = {
		{0, {1, 0, false, 10880}, 0, 1, {{0, true, {1, 0, false, 65280}}}},
		{0, {1, 0, false, 11040}, 0, 2,
			{{0, false, {1, 0, false, 65535}}, {65535, false, {1, 0, false, 705}}}},
		{0, {1, 0, false, 11200}, 0, 1, {{65535, false, {1, 0, false, 1665}}}},
		{0, {1, 0, true, 21845}, 0, 1, {{65535, false, {1, 0, true, 65535}}}},
		{0, {1, 0, true, 21845}, 0, 1, {{65535, false, {1, 0, true, 65535}}}},
	};

	RUN(8000, 48000, steps);
}

static void segments_are_put_together_again(void **)
{
	static const struct step steps[] = {
		{0, {1, 0, false, 65535}, 40, 1, {{40, true, {1, 0, false, 10923}}}},
		{65535, {1, 0, false, 705}, 1, 1, {{40, false, {1, 0, false, 11040}}}},
		{0, {1, 0, false, 65535}, 40, 0, {}},
		{65535, {1, 0, true, 1665}, 1, 1, {{40, false, {1, 0, true, 11200}}}},
		{65535, {1, 0, true, 1665}, 1, 1, {{40, false, {1, 0, true, 11200}}}},
		{131070, {1, 0, false, 960}, 9000, 1, {{9000, true, {1, 0, false, 160}}}},
	};

	RUN(48000, 8000, steps);
}

static void hostile_durations_stay_bounded(void **)
{
	struct dtmf_output out[DTMF_OUTPUTS_MAX];
	struct dtmf_event event = {.code = 1, .duration = 0xffff};
	struct dtmf_mapper mapper;

	dtmf_mapper_init(&mapper, 8000, 192000);
	for (uint32_t i = 0; i < 1000; i++) {
		event.end = i % 7 == 0;
		assert_in_range(dtmf_map(&mapper, i * 65535, &event, 0, out), 0, DTMF_OUTPUTS_MAX);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(payload_reads_and_writes_the_same),
		cmocka_unit_test(payload_lengths_are_checked),
		cmocka_unit_test(digit_is_carried_to_the_faster_clock),
		cmocka_unit_test(digit_is_carried_to_the_slower_clock_rounded),
		cmocka_unit_test(lost_first_packet_and_lost_ends_keep_the_digit_one),
		cmocka_unit_test(reordered_packets_make_no_second_digit),
		cmocka_unit_test(end_that_says_less_still_ends),
		cmocka_unit_test(timestamps_wrap),
		cmocka_unit_test(long_event_is_cut_into_segments),
		cmocka_unit_test(segments_are_put_together_again),
		cmocka_unit_test(hostile_durations_stay_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
