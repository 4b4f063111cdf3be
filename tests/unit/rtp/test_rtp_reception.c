#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "rtp.h"

#define NEXT	  RTP_ARRIVAL_NEXT
#define LATE	  RTP_ARRIVAL_LATE
#define DUPLICATE RTP_ARRIVAL_DUPLICATE
#define JUMP	  RTP_ARRIVAL_JUMP
#define RESTART	  RTP_ARRIVAL_RESTART

struct step {
	uint16_t sequence;
	enum rtp_arrival arrival;
	uint32_t lost; // after it
};

static struct rtp_reception run(const struct step *steps, size_t n)
{
	struct rtp_reception reception = {0};

	for (size_t i = 0; i < n; i++) {
		struct rtp_view view = {.ssrc = 1,
			.sequence = steps[i].sequence,
			.timestamp = steps[i].sequence * 160u};

		assert_int_equal(
			rtp_reception_update(&reception, &view, view.timestamp), steps[i].arrival);
		assert_int_equal(rtp_reception_lost(&reception), steps[i].lost);
	}
	return reception;
}

#define RUN(steps) run(steps, sizeof(steps) / sizeof((steps)[0]))

static void loss_counts_until_the_late_packet_comes(void **)
{
	static const struct step steps[] = {{100, RESTART, 0}, {101, NEXT, 0}, {104, NEXT, 2},
		{103, LATE, 1}, {103, DUPLICATE, 1}, {105, NEXT, 1}, {102, LATE, 0},
		{105, DUPLICATE, 0}};
	struct rtp_reception r = RUN(steps);

	assert_int_equal(r.received, 6);
	assert_int_equal(r.duplicates, 2);
	assert_int_equal(r.reordered, 2);
}

static void duplicate_does_not_make_up_for_a_loss(void **)
{
	static const struct step steps[] = {
		{1, RESTART, 0}, {3, NEXT, 1}, {3, DUPLICATE, 1}, {3, DUPLICATE, 1}, {4, NEXT, 1}};

	RUN(steps);
}

static void sequence_wraps(void **)
{
	static const struct step steps[] = {{65534, RESTART, 0}, {65535, NEXT, 0}, {1, NEXT, 1},
		{0, LATE, 0}, {65535, DUPLICATE, 0}, {2, NEXT, 0}};
	struct rtp_reception r = RUN(steps);

	assert_int_equal(r.cycles, 0x10000);
	assert_int_equal(rtp_reception_expected(&r), 5);
}

static void first_packets_out_of_order_are_no_loss(void **)
{
	static const struct step steps[] = {
		{11, RESTART, 0}, {10, LATE, 0}, {12, NEXT, 0}, {9, LATE, 0}, {10, DUPLICATE, 0}};
	struct rtp_reception r = RUN(steps);

	assert_int_equal(rtp_reception_expected(&r), 4);
}

// Each row: what comes, and how many runs of lost packets there are then.
static void runs_of_losses_are_counted_and_mended(void **)
{
	static const uint32_t rows[][2] = {{100, 0}, {101, 0}, {105, 1}, {104, 1}, {107, 2},
		{106, 1}, {102, 1}, {103, 0}, {103, 0}, {112, 1}, {110, 2}, {111, 1}, {96, 2},
		{98, 3}, {97, 2}, {99, 1}, {180, 2}, {109, 2}};
	struct rtp_reception r = {0};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rtp_view view = {.ssrc = 1, .sequence = (uint16_t)rows[i][0]};

		rtp_reception_update(&r, &view, 0);
		assert_int_equal(r.bursts, rows[i][1]);
	}
	assert_int_equal(rtp_reception_lost(&r), 1 + 180 - 112 - 1);
	rtp_reception_update(&r, &(struct rtp_view){.ssrc = 2, .sequence = 7}, 0);
	assert_int_equal(r.bursts, 2);
}

static void single_wild_packet_changes_nothing(void **)
{
	static const struct step steps[] = {{10, RESTART, 0}, {11, NEXT, 0}, {30000, JUMP, 0},
		{12, NEXT, 0}, {30001, JUMP, 0}, {13, NEXT, 0}};
	struct rtp_reception r = RUN(steps);

	assert_int_equal(r.jumps, 2);
	assert_int_equal(r.received, 4);
}

static void second_packet_of_a_jump_restarts(void **)
{
	static const struct step steps[] = {{10, RESTART, 0}, {13, NEXT, 2}, {30000, JUMP, 2},
		{30001, RESTART, 2}, {30003, NEXT, 3}};
	struct rtp_reception r = RUN(steps);

	assert_int_equal(r.jumps, 0);
	assert_int_equal(r.received, 2);
}

static void edges_of_dropout_and_misorder(void **)
{
	static const struct step ahead[] = {{0, RESTART, 0}, {2999, NEXT, 2998}};
	static const struct step beyond[] = {{0, RESTART, 0}, {3000, JUMP, 0}};
	static const struct step behind[] = {{1000, RESTART, 0}, {901, LATE, 98}};
	static const struct step far_behind[] = {{1000, RESTART, 0}, {900, JUMP, 0}};

	RUN(ahead);
	RUN(beyond);
	RUN(behind);
	RUN(far_behind);
}

static void new_ssrc_begins_anew_and_keeps_the_losses(void **)
{
	struct rtp_reception r = {0};
	struct rtp_view view = {.ssrc = 1, .sequence = 5};

	rtp_reception_update(&r, &view, 0);
	view.sequence = 8;
	rtp_reception_update(&r, &view, 0);
	view = (struct rtp_view){.ssrc = 2, .sequence = 50000};
	assert_int_equal(rtp_reception_update(&r, &view, 0), RESTART);
	assert_int_equal(r.ssrc, 2);
	assert_int_equal(rtp_reception_lost(&r), 2);
	assert_int_equal(rtp_reception_expected(&r), 1);
}

// A.8 worked by hand: transit differences of 0, 80 and 80 give 0, 80/16, and 5 + (80 - 5)/16.
static void jitter_follows_the_formula(void **)
{
	struct rtp_reception r = {0};
	struct rtp_view view = {.ssrc = 1, .sequence = 1, .timestamp = 4000000000};

	rtp_reception_update(&r, &view, 1000);
	view = (struct rtp_view){.ssrc = 1, .sequence = 2, .timestamp = 4000000160};
	rtp_reception_update(&r, &view, 1160);
	assert_int_equal(r.jitter_q4, 0);
	view = (struct rtp_view){.ssrc = 1, .sequence = 3, .timestamp = 4000000320};
	rtp_reception_update(&r, &view, 1400);
	assert_int_equal(r.jitter_q4, 80);
	assert_int_equal(rtp_reception_jitter(&r), 5);
	view = (struct rtp_view){.ssrc = 1, .sequence = 4, .timestamp = 4000000480};
	rtp_reception_update(&r, &view, 1480);
	assert_int_equal(r.jitter_q4, 80 + 80 - (88 >> 4));
}

static void events_and_new_origins_give_no_jitter(void **)
{
	struct rtp_reception r = {0};
	struct rtp_view view = {.ssrc = 1, .sequence = 1, .timestamp = 160};

	rtp_reception_update(&r, &view, 160);
	for (uint16_t i = 2; i < 50; i++) {
		view.sequence = i;
		rtp_reception_update(&r, &view, i * 160u);
	}
	assert_int_equal(r.jitter_q4, 0);
	view.sequence = 50;
	view.timestamp = 3000000000;
	rtp_reception_update(&r, &view, 50 * 160u);
	view.sequence = 51;
	view.timestamp += 160;
	rtp_reception_update(&r, &view, 51 * 160u);
	assert_int_equal(r.jitter_q4, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loss_counts_until_the_late_packet_comes),
		cmocka_unit_test(duplicate_does_not_make_up_for_a_loss),
		cmocka_unit_test(sequence_wraps),
		cmocka_unit_test(first_packets_out_of_order_are_no_loss),
		cmocka_unit_test(runs_of_losses_are_counted_and_mended),
		cmocka_unit_test(single_wild_packet_changes_nothing),
		cmocka_unit_test(second_packet_of_a_jump_restarts),
		cmocka_unit_test(edges_of_dropout_and_misorder),
		cmocka_unit_test(new_ssrc_begins_anew_and_keeps_the_losses),
		cmocka_unit_test(jitter_follows_the_formula),
		cmocka_unit_test(events_and_new_origins_give_no_jitter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
