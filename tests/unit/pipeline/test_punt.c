// What is neither RTP nor RTCP: to control, from whom the leg's rule lets in, and not too much.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "call.h"

static const uint8_t stun[] = {0, 1, 0, 4, 0x21, 0x12, 0xa4, 0x42};
static struct sl_datagram punted;

static int punt_setup(void **state)
{
	int rc = call_setup(state);

	wanted.legs[0].flags |= SL_LEG_PUNT;
	workers_want_punts(path.workers, true);
	return rc;
}

static bool next_punt(void)
{
	return workers_next_punt(path.workers, &punted);
}

static unsigned int count_punts(void)
{
	unsigned int n = 0;

	while (next_punt())
		n++;
	return n;
}

static bool is_punted(const char *from, uint16_t from_port, uint16_t port)
{
	push_datagram(from, from_port, port, stun, sizeof(stun));
	path_turn();
	return next_punt();
}

static void all_that_rfc_7983_does_not_call_media_is_punted(void **)
{
	path_set(&wanted);
	for (unsigned int first = 0; first < 256; first++) {
		uint8_t bytes[20] = {(uint8_t)first, 0x11};
		bool media = first >= 128 && first <= 191;

		path_pass(100); // no limit is reached
		push_datagram(FAR0, 4000, LOCAL0, bytes, sizeof(bytes));
		path_turn();
		if (next_punt() == media)
			fail_msg("first byte %u", first);
		if (!media)
			assert_memory_equal(punted.bytes, bytes, sizeof(bytes));
	}
	assert_int_equal(report_now().stats[0].punted, 192);
	assert_int_equal(worker_counter("worker.0.punted"), 192);
}

static void a_punt_says_whose_it_is_and_carries_the_packet(void **)
{
	static const unsigned int lengths[] = {1, 2, 548, 1472};
	uint8_t bytes[1472];
	struct sl_address from = rig_address(FAR0, 4000);

	memset(bytes, 22, sizeof(bytes)); // DTLS
	path_set(&wanted);
	for (size_t i = 0; i < RTE_DIM(lengths); i++) {
		bool rtcp = i % 2;

		from.port = rtcp ? 4001 : 4000;
		push_datagram(FAR0, from.port, LOCAL0 + rtcp, bytes, lengths[i]);
		path_turn();
		assert_true(next_punt());
		assert_memory_equal(&punted.id, &wanted.id, sizeof(punted.id));
		assert_memory_equal(&punted.address, &from, sizeof(from));
		assert_int_equal(punted.leg, 0);
		assert_int_equal(punted.rtcp, rtcp);
		assert_int_equal(punted.length, lengths[i]);
		assert_memory_equal(punted.bytes, bytes, lengths[i]);
		for (unsigned int at = lengths[i]; at < sizeof(punted.bytes); at++)
			assert_int_equal(punted.bytes[at], 0);
	}
}

static void where_nobody_takes_them_they_are_dropped(void **)
{
	workers_want_punts(path.workers, false);
	path_set(&wanted);
	assert_false(is_punted(FAR0, 4000, LOCAL0));
	assert_int_equal(drops(DROP_stun), 1);
	workers_want_punts(path.workers, true);
	assert_true(is_punted(FAR0, 4000, LOCAL0));
	wanted.legs[0].flags &= (uint16_t)~SL_LEG_PUNT;
	path_set(&wanted);
	assert_false(is_punted(FAR0, 4000, LOCAL0));
	assert_int_equal(drops(DROP_stun), 2);
}

static void let_in(unsigned int row, const char *from, uint16_t from_port, bool expected)
{
	if (is_punted(from, from_port, LOCAL0) != expected)
		fail_msg("row %u: from %s:%u", row, from, from_port);
}

static void the_source_rule_holds_for_punts(void **)
{
	uint64_t refused = 0;

	path_set(&wanted);
	let_in(1, FAR0, 4000, true);
	let_in(1, FAR0, 4002, false);
	let_in(1, STRANGER, 4000, false);
	wanted.legs[0].source_rule = SL_SOURCE_LATCH;
	wanted.legs[0].latch_window_ms = 1000;
	path_set(&wanted);
	let_in(2, STRANGER, 4000, true); // it may be the far end
	push_silence(NAT, 6000, LOCAL0, 1);
	path_turn();
	let_in(3, NAT, 6000, true);
	let_in(3, NAT, 6001, false);
	let_in(3, STRANGER, 4000, false);
	let_in(3, FAR0, 4000, false);
	refused = 5;
	assert_int_equal(drops(DROP_wrong_source), refused);
	wanted.legs[0].remote.port = 4010;
	path_set(&wanted);
	path_pass(1100); // the window is closed, and nothing has latched
	let_in(4, FAR0, 4010, true);
	let_in(4, STRANGER, 4000, false);
	wanted.legs[0].srtp_receive = (struct sl_srtp){.suite = 1, .key = {1}};
	wanted.legs[0].srtp_send = (struct sl_srtp){.suite = 1, .key = {2}};
	path_set(&wanted);
	let_in(5, STRANGER, 4000, true); // its media would be believed as well
	assert_int_equal(report_now().stats[0].dropped_source, refused + 1);
	discard_output();
}

static void a_leg_has_a_limit_of_its_own(void **)
{
	unsigned int n = 0;

	path_set(&wanted);
	for (unsigned int i = 0; i < SL_PUNTS_BURST + 30; i++)
		push_datagram(FAR0, 4000, LOCAL0, stun, sizeof(stun));
	path_turn();
	n = count_punts(); // the clock may have gone on by one interval
	assert_in_range(n, SL_PUNTS_BURST, SL_PUNTS_BURST + 10);
	assert_int_equal(drops(DROP_punt_leg_rate), SL_PUNTS_BURST + 30 - n);
	for (unsigned int i = 0; i < 10; i++) {
		path_pass(100);
		for (unsigned int j = 0; j < 20; j++)
			push_datagram(FAR0, 4000, LOCAL0, stun, sizeof(stun));
		path_turn();
		n += count_punts();
	}
	assert_in_range(n, SL_PUNTS_PER_SECOND, SL_PUNTS_PER_SECOND + SL_PUNTS_BURST + 10);
}

// PATH_PUNTS_PER_SECOND is 1,000: in a tenth of a second 100, of however many legs.
static void all_legs_together_have_a_limit(void **)
{
	unsigned int n;

	for (unsigned int i = 0; i < 8; i++) {
		wanted.id = rig_id(100 + i);
		wanted.legs[0].local.port = (uint16_t)(LOCAL0 + 2 * i);
		wanted.legs[1].local.port = (uint16_t)(LOCAL0 + 2 * i);
		path_set(&wanted);
	}
	for (unsigned int i = 0; i < 8; i++)
		for (unsigned int j = 0; j < 18; j++)
			push_datagram(FAR0, 4000, (uint16_t)(LOCAL0 + 2 * i), stun, sizeof(stun));
	path_turn();
	n = count_punts();
	assert_in_range(n, 100, 143);
	assert_int_equal(drops(DROP_punt_rate), 144 - n);
	assert_int_equal(drops(DROP_punt_leg_rate), 0);
}

static void what_main_does_not_take_is_dropped_when_the_ring_is_full(void **)
{
	unsigned int room = rte_ring_get_capacity(path.workers->punts.ring);
	unsigned int n = 0;

	path_set(&wanted);
	for (; n <= room && drops(DROP_punt_full) == 0; n++) {
		path_pass(20);
		push_datagram(FAR0, 4000, LOCAL0, stun, sizeof(stun));
		path_turn();
	}
	assert_int_equal(n, room + 1);
	assert_int_equal(drops(DROP_punt_full), 1);
	assert_int_equal(count_punts(), room);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define PUNT_TEST(name) cmocka_unit_test_setup_teardown(name, punt_setup, call_teardown)
		PUNT_TEST(all_that_rfc_7983_does_not_call_media_is_punted),
		PUNT_TEST(a_punt_says_whose_it_is_and_carries_the_packet),
		PUNT_TEST(where_nobody_takes_them_they_are_dropped),
		PUNT_TEST(the_source_rule_holds_for_punts),
		PUNT_TEST(a_leg_has_a_limit_of_its_own),
		PUNT_TEST(all_legs_together_have_a_limit),
		PUNT_TEST(what_main_does_not_take_is_dropped_when_the_ring_is_full),
#undef PUNT_TEST
	};

	path_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
