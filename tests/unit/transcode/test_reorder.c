#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "reorder.h"
#include "rig.h"

static struct rte_mempool *pool;

static int pool_setup(void **state)
{
	if (rig_eal(state))
		return -1;
	pool = rte_pktmbuf_pool_create("reorder", 127, 0, 0, 128, 0);
	return pool ? 0 : -1;
}

// A script: "+5" put sequence 5, and what came of it; then the sequences taken, and lost before.
struct step {
	uint16_t sequence;
	enum reorder_result result;
	struct {
		int sequence; // -1: none
		uint32_t missing;
	} taken[5];
};

#define NOTHING               \
	{                     \
		{             \
			-1, 0 \
		}             \
	}

static void take_all(struct reorder *window, const struct step *step)
{
	struct reorder_packet packet;
	uint32_t missing;
	unsigned int n = 0;

	while (reorder_take(window, false, &packet, &missing)) {
		assert_int_equal(packet.view.sequence, step->taken[n].sequence);
		assert_int_equal(missing, step->taken[n].missing);
		rte_pktmbuf_free(packet.mbuf);
		n++;
	}
	assert_int_equal(step->taken[n].sequence, -1);
	assert_false(reorder_ready(window));
}

static void put(struct reorder *window, uint16_t sequence, enum reorder_result want)
{
	struct reorder_packet packet = {
		.mbuf = rte_pktmbuf_alloc(pool), .view = {.sequence = sequence}};
	enum reorder_result result = reorder_put(window, &packet);

	assert_non_null(packet.mbuf);
	assert_int_equal(result, want);
	if (result != REORDER_TAKEN && result != REORDER_RESTART)
		rte_pktmbuf_free(packet.mbuf);
}

static void run(const struct step *steps, size_t n)
{
	static struct reorder window;

	reorder_init(&window);
	for (size_t i = 0; i < n; i++) {
		put(&window, steps[i].sequence, steps[i].result);
		take_all(&window, &steps[i]);
	}
	reorder_empty(&window);
	assert_int_equal(rte_mempool_avail_count(pool), 127);
}

#define RUN(steps) run(steps, sizeof(steps) / sizeof((steps)[0]))

static void packets_in_order_pass_at_once(void **)
{
	static const struct step steps[] = {{65534, REORDER_RESTART, {{65534, 0}, {-1, 0}}},
		{65535, REORDER_TAKEN, {{65535, 0}, {-1, 0}}},
		{0, REORDER_TAKEN, {{0, 0}, {-1, 0}}}};

	RUN(steps);
}

static void swapped_packets_are_put_in_order(void **)
{
	static const struct step steps[] = {{1, REORDER_RESTART, {{1, 0}, {-1, 0}}},
		{3, REORDER_TAKEN, NOTHING}, {2, REORDER_TAKEN, {{2, 0}, {3, 0}, {-1, 0}}},
		{4, REORDER_TAKEN, {{4, 0}, {-1, 0}}}};

	RUN(steps);
}

static void gap_is_given_up_at_the_second_packet_behind_it(void **)
{
	static const struct step steps[] = {{1, REORDER_RESTART, {{1, 0}, {-1, 0}}},
		{4, REORDER_TAKEN, NOTHING}, {5, REORDER_TAKEN, {{4, 2}, {5, 0}, {-1, 0}}},
		{3, REORDER_LATE, NOTHING}, {3, REORDER_DUPLICATE, NOTHING},
		{2, REORDER_LATE, NOTHING}, {5, REORDER_DUPLICATE, NOTHING},
		{4, REORDER_DUPLICATE, NOTHING}};

	RUN(steps);
}

static void two_gaps_are_given_up_one_by_one(void **)
{
	static const struct step steps[] = {{1, REORDER_RESTART, {{1, 0}, {-1, 0}}},
		{3, REORDER_TAKEN, NOTHING}, {5, REORDER_TAKEN, {{3, 1}, {-1, 0}}},
		{4, REORDER_TAKEN, {{4, 0}, {5, 0}, {-1, 0}}}};

	RUN(steps);
}

static void held_packet_that_comes_twice_is_a_duplicate(void **)
{
	static const struct step steps[] = {{1, REORDER_RESTART, {{1, 0}, {-1, 0}}},
		{3, REORDER_TAKEN, NOTHING}, {3, REORDER_DUPLICATE, NOTHING},
		{2, REORDER_TAKEN, {{2, 0}, {3, 0}, {-1, 0}}}};

	RUN(steps);
}

static void jump_needs_a_second_packet(void **)
{
	static const struct step steps[] = {{1, REORDER_RESTART, {{1, 0}, {-1, 0}}},
		{30000, REORDER_STRAY, NOTHING}, {2, REORDER_TAKEN, {{2, 0}, {-1, 0}}},
		{40000, REORDER_STRAY, NOTHING}, {40001, REORDER_RESTART, {{40001, 0}, {-1, 0}}},
		{40002, REORDER_TAKEN, {{40002, 0}, {-1, 0}}}};

	RUN(steps);
}

static void long_gap_loses_only_what_was_lost(void **)
{
	static const struct step steps[] = {{1, REORDER_RESTART, {{1, 0}, {-1, 0}}},
		{1002, REORDER_TAKEN, NOTHING},
		{1003, REORDER_TAKEN, {{1002, 1000}, {1003, 0}, {-1, 0}}}};

	RUN(steps);
}

static void backlog_beyond_the_window_drops_the_oldest(void **)
{
	static struct reorder window;
	struct reorder_packet packet;
	uint32_t missing;

	reorder_init(&window);
	for (uint16_t i = 0; i < REORDER_SLOTS + 8; i++)
		put(&window, i, i ? REORDER_TAKEN : REORDER_RESTART);
	assert_int_equal(window.overflowed, 8);
	assert_true(reorder_take(&window, false, &packet, &missing));
	assert_int_equal(packet.view.sequence, 8);
	assert_int_equal(missing, 8);
	rte_pktmbuf_free(packet.mbuf);
	reorder_empty(&window);
	assert_int_equal(rte_mempool_avail_count(pool), 127);
}

static void giving_up_takes_what_is_held(void **)
{
	static struct reorder window;
	struct reorder_packet packet;
	uint32_t missing;

	reorder_init(&window);
	put(&window, 1, REORDER_RESTART);
	assert_true(reorder_take(&window, false, &packet, &missing));
	rte_pktmbuf_free(packet.mbuf);
	put(&window, 3, REORDER_TAKEN);
	assert_false(reorder_take(&window, false, &packet, &missing));
	assert_true(reorder_take(&window, true, &packet, &missing));
	assert_int_equal(packet.view.sequence, 3);
	assert_int_equal(missing, 1);
	rte_pktmbuf_free(packet.mbuf);
	assert_false(reorder_take(&window, true, &packet, &missing));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_in_order_pass_at_once),
		cmocka_unit_test(swapped_packets_are_put_in_order),
		cmocka_unit_test(gap_is_given_up_at_the_second_packet_behind_it),
		cmocka_unit_test(two_gaps_are_given_up_one_by_one),
		cmocka_unit_test(held_packet_that_comes_twice_is_a_duplicate),
		cmocka_unit_test(jump_needs_a_second_packet),
		cmocka_unit_test(long_gap_loses_only_what_was_lost),
		cmocka_unit_test(backlog_beyond_the_window_drops_the_oldest),
		cmocka_unit_test(giving_up_takes_what_is_held),
	};

	return cmocka_run_group_tests(tests, pool_setup, NULL);
}
