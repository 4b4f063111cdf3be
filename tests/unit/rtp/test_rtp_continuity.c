#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "rtp.h"

#define MS 1000000ull

struct step {
	uint32_t ssrc;
	uint16_t sequence;
	uint32_t timestamp;
	uint32_t at_ms;
	uint16_t out_sequence;
	uint32_t out_timestamp;
	bool changed;
};

static void run(struct rtp_continuity *continuity, const struct step *steps, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct step *s = &steps[i];
		struct rtp_view view = {
			.ssrc = s->ssrc, .sequence = s->sequence, .timestamp = s->timestamp};
		uint16_t sequence;
		uint32_t timestamp;

		assert_int_equal(rtp_continuity_map(continuity, &view, s->at_ms * MS, 8000,
					 &sequence, &timestamp),
			s->changed);
		assert_int_equal(sequence, s->out_sequence);
		assert_int_equal(timestamp, s->out_timestamp);
	}
}

#define RUN(continuity, steps) run(continuity, steps, sizeof(steps) / sizeof((steps)[0]))

static void first_source_is_shifted_by_the_offsets_set(void **)
{
	struct rtp_continuity plain = {0};
	struct rtp_continuity shifted = {.sequence_offset = 65530, .timestamp_offset = 1000};
	static const struct step as_is[] = {
		{1, 7, 160, 0, 7, 160, true}, {1, 8, 320, 20, 8, 320, false}};
	static const struct step moved[] = {
		{1, 7, 160, 0, 1, 1160, true}, {1, 8, 320, 20, 2, 1320, false}};

	RUN(&plain, as_is);
	RUN(&shifted, moved);
}

static void loss_and_reordering_go_through(void **)
{
	struct rtp_continuity c = {0};
	static const struct step steps[] = {{1, 65534, 0, 0, 65534, 0, true},
		{1, 1, 480, 60, 1, 480, false}, {1, 65535, 160, 60, 65535, 160, false},
		{1, 1, 480, 61, 1, 480, false}, {1, 2, 640, 80, 2, 640, false}};

	RUN(&c, steps);
}

static void new_source_goes_on_by_one_and_by_the_time_that_passed(void **)
{
	struct rtp_continuity c = {0};
	static const struct step steps[] = {{1, 10, 1600, 0, 10, 1600, true},
		{1, 11, 1760, 20, 11, 1760, false}, {2, 500, 99, 40, 12, 1920, true},
		{2, 501, 259, 60, 13, 2080, false}, {3, 9, 7, 60, 14, 2081, true}};

	RUN(&c, steps);
}

static void last_packets_of_the_source_before_find_their_place(void **)
{
	struct rtp_continuity c = {0};
	static const struct step steps[] = {{1, 10, 1600, 0, 10, 1600, true},
		{1, 12, 1920, 40, 12, 1920, false}, {2, 500, 0, 60, 13, 2080, true},
		{1, 11, 1760, 61, 11, 1760, false}, {2, 501, 160, 80, 14, 2240, false}};

	RUN(&c, steps);
}

static void source_that_comes_back_is_a_new_one(void **)
{
	struct rtp_continuity c = {0};
	static const struct step steps[] = {{1, 10, 1600, 0, 10, 1600, true},
		{2, 500, 0, 20, 11, 1760, true}, {1, 11, 1760, 1020, 12, 1760 + 8000, true},
		{1, 12, 1920, 1040, 13, 1760 + 8160, false}};

	RUN(&c, steps);
}

static void jump_within_one_ssrc_is_smoothed(void **)
{
	struct rtp_continuity c = {0};
	static const struct step steps[] = {{1, 10, 1600, 0, 10, 1600, true},
		{1, 40000, 5, 20, 11, 1760, true}, {1, 40001, 165, 40, 12, 1920, false},
		{1, 39000, 5, 60, 13, 2080, true}};

	RUN(&c, steps);
}

// Five packets of an event that began at 1760, 20 ms apart; then another source.
static void time_goes_on_during_an_event(void **)
{
	struct rtp_continuity c = {0};
	static const struct step steps[] = {{1, 10, 1600, 0, 10, 1600, true},
		{1, 11, 1760, 20, 11, 1760, false}, {1, 12, 1760, 40, 12, 1760, false},
		{1, 13, 1920, 40, 13, 1920, false}, {1, 14, 1760, 60, 14, 1760, false},
		{1, 15, 1760, 80, 15, 1760, false}, {2, 7, 99, 100, 16, 2400, true}};

	RUN(&c, steps);
	assert_int_equal(c.last_sent_ns, 100 * MS);
}

static void clock_that_went_back_still_advances_by_a_tick(void **)
{
	struct rtp_continuity c = {0};
	static const struct step steps[] = {
		{1, 10, 1600, 100, 10, 1600, true}, {2, 1, 1, 50, 11, 1601, true}};

	RUN(&c, steps);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_source_is_shifted_by_the_offsets_set),
		cmocka_unit_test(loss_and_reordering_go_through),
		cmocka_unit_test(new_source_goes_on_by_one_and_by_the_time_that_passed),
		cmocka_unit_test(last_packets_of_the_source_before_find_their_place),
		cmocka_unit_test(source_that_comes_back_is_a_new_one),
		cmocka_unit_test(jump_within_one_ssrc_is_smoothed),
		cmocka_unit_test(time_goes_on_during_an_event),
		cmocka_unit_test(clock_that_went_back_still_advances_by_a_tick),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
