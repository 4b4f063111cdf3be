// One-way media, SSRC collisions, loops and rates: found by main from what packets left behind.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "call.h"
#include "clock.h"

static unsigned int n_events(enum sl_media_event_type type, uint8_t leg)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < path.rig.n_events; i++)
		n += path.rig.events[i].type == type && path.rig.events[i].leg == leg;
	return n;
}

static void watch(unsigned int ms)
{
	for (unsigned int passed = 0; passed < ms; passed += 50)
		path_pass(50);
}

// Media of far end 0 for so long, a packet each 500 ms.
static void talk(unsigned int ms)
{
	static uint16_t sequence;

	for (unsigned int passed = 0; passed < ms; passed += 500) {
		push_silence(FAR0, 4000, LOCAL0, ++sequence);
		path_turn();
		watch(500);
	}
	discard_output();
}

static void one_way_media_is_told_and_its_end_too(void **)
{
	path_set(&wanted);
	talk(4000);
	assert_int_equal(n_events(SL_EVENT_ONE_WAY, 1), 0);
	talk(3000);
	assert_int_equal(n_events(SL_EVENT_ONE_WAY, 1), 1);
	assert_int_equal(report_now().stats[1].one_way, 1);
	assert_int_equal(n_events(SL_EVENT_ONE_WAY, 0), 0); // nobody sends to it
	talk(6000);
	assert_int_equal(n_events(SL_EVENT_ONE_WAY, 1), 1); // once
	push_silence1(1);
	path_turn();
	watch(200);
	assert_int_equal(n_events(SL_EVENT_BOTH_WAYS, 1), 1);
	assert_int_equal(report_now().stats[1].one_way, 0);
}

static void media_both_ways_is_not_one_way(void **)
{
	path_set(&wanted);
	for (uint16_t i = 0; i < 10; i++) {
		push_silence1(i);
		talk(1000);
	}
	assert_int_equal(n_events(SL_EVENT_ONE_WAY, 1), 0);
}

// Who is held, may not be heard, or has timed out anyway, is not one-way.
static void silence_that_is_expected_is_not_one_way(void **)
{
	static const struct {
		uint16_t flags;
		uint32_t start_timeout_ms;
		unsigned int told;
	} rows[] = {
		{SL_LEG_SEND | SL_LEG_RECEIVE, 0, 1},
		{SL_LEG_SEND | SL_LEG_RECEIVE | SL_LEG_HELD, 0, 0},
		{SL_LEG_SEND, 0, 0},
		{SL_LEG_RECEIVE, 0, 0},
		{SL_LEG_SEND | SL_LEG_RECEIVE, 3000, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		wanted.id = rig_id((unsigned int)i + 1);
		wanted.legs[1].flags = rows[i].flags;
		wanted.legs[1].start_timeout_ms = rows[i].start_timeout_ms;
		path_set(&wanted);
		path.rig.n_events = 0;
		talk(8000);
		if (n_events(SL_EVENT_ONE_WAY, 1) != rows[i].told)
			fail_msg("row %zu", i);
		session_delete(path.sessions, session_find(path.sessions, &wanted.id));
		path_pass(10);
		path_turn();
		discard_output();
	}
}

static void a_long_pause_of_the_media_begins_anew(void **)
{
	path_set(&wanted);
	talk(3000);
	watch(10000); // nobody talks
	talk(3000);
	assert_int_equal(n_events(SL_EVENT_ONE_WAY, 1), 0);
}

static void push_of(uint32_t ssrc, uint16_t sequence, uint32_t timestamp)
{
	static const uint8_t payload[160];
	const struct rtp_packet rtp = {.sequence = sequence,
		.timestamp = timestamp,
		.ssrc = ssrc,
		.payload = payload,
		.payload_bytes = sizeof(payload)};
	uint8_t bytes[FRAME_MAX];

	push_datagram1(FAR1, 5000, LOCAL1, bytes, rtp_build(bytes, &rtp));
	path_turn();
}

// RFC 3550 8.2: another SSRC, and BYE for the one before.
static void a_collision_makes_us_take_another_ssrc(void **)
{
	struct frame frame;
	uint32_t ssrc;
	bool bye = false;

	path_set(&wanted);
	talk(500);
	push_of(0xbbbb0000, 40000, 7777777);
	watch(200);
	assert_int_equal(n_events(SL_EVENT_SSRC_COLLISION, 1), 1);
	assert_int_equal(n_events(SL_EVENT_LOOP, 1), 0);
	ssrc = report_now().stats[1].tx_ssrc;
	assert_int_not_equal(ssrc, 0xbbbb0000);
	assert_int_not_equal(ssrc, 0);
	discard_output();
	push_silence(FAR0, 4000, LOCAL0, 100);
	path_turn();
	while (frame_pop(1, &frame)) {
		if (half_at(&frame, 36) == 5000)
			assert_int_equal(word_at(&frame, UDP_DATA + 8), ssrc);
		else
			bye = word_at(&frame, frame.length - 4) == 0xbbbb0000;
	}
	assert_true(bye);
	// Control may still think that it is the old one.
	path_set(&wanted);
	assert_int_equal(report_now().stats[1].tx_ssrc, ssrc);
	wanted.legs[1].ssrc = 0;
	path_set(&wanted);
	assert_int_equal(report_now().stats[1].tx_ssrc, ssrc);
}

static void who_follows_us_to_another_ssrc_is_a_loop(void **)
{
	uint32_t ssrc;

	path_set(&wanted);
	talk(500);
	push_of(0xbbbb0000, 40000, 7777777);
	watch(200);
	ssrc = report_now().stats[1].tx_ssrc;
	talk(500);
	push_of(ssrc, 40001, 7777777);
	push_of(ssrc, 40002, 7777777);
	watch(1500);
	assert_int_equal(n_events(SL_EVENT_SSRC_COLLISION, 1), 1);
	assert_int_equal(n_events(SL_EVENT_LOOP, 1), 1);
	assert_int_equal(report_now().stats[1].tx_ssrc, ssrc);
}

// Far end 1 sends back what it gets; it is an echo test, so the other side shall hear it.
static void an_echo_is_told_as_a_loop_and_passed_on(void **)
{
	struct frame frame;

	path_set(&wanted);
	for (uint16_t i = 1; i < 30; i++) {
		push_silence(FAR0, 4000, LOCAL0, i);
		path_turn();
		assert_true(frame_pop(1, &frame));
		push_datagram1(FAR1, 5000, LOCAL1, frame.bytes + UDP_DATA, frame.length - UDP_DATA);
		path_turn();
		assert_true(frame_pop(0, &frame));
		watch(50);
	}
	assert_int_equal(n_events(SL_EVENT_LOOP, 1), 1);
	assert_int_equal(n_events(SL_EVENT_SSRC_COLLISION, 1), 0);
	assert_int_equal(report_now().stats[1].tx_ssrc, 0xbbbb0000);
	assert_int_equal(all_drops(), 0);
}

// What leg 1 is sent comes in at leg 0: somebody has joined the two far ends.
static void a_loop_through_the_other_leg_is_found(void **)
{
	struct frame frame;

	path_set(&wanted);
	push_silence(FAR0, 4000, LOCAL0, 1);
	path_turn();
	assert_true(frame_pop(1, &frame));
	push_datagram(FAR0, 4000, LOCAL0, frame.bytes + UDP_DATA, frame.length - UDP_DATA);
	path_turn();
	watch(200);
	assert_int_equal(n_events(SL_EVENT_LOOP, 0), 1);
}

static void a_flood_is_told_at_most_once_a_second(void **)
{
	wanted.legs[0].packets_per_second = 10;
	path_set(&wanted);
	for (unsigned int second = 1; second <= 3; second++) {
		for (unsigned int part = 0; part < 4; part++) {
			for (uint16_t i = 0; i < 20; i++)
				push_silence(FAR0, 4000, LOCAL0, i);
			path_turn();
			watch(200);
		}
		discard_output();
		assert_true(n_events(SL_EVENT_RATE_EXCEEDED, 0) <= second);
		watch(250);
	}
	assert_true(n_events(SL_EVENT_RATE_EXCEEDED, 0) >= 2);
	path.rig.n_events = 0;
	watch(3000);
	assert_true(n_events(SL_EVENT_RATE_EXCEEDED, 0) <= 1); // the last, and it is over
}

// What is not taken cannot be missed.
static void a_leg_that_may_not_send_does_not_time_out(void **)
{
	wanted.legs[1].flags = SL_LEG_SEND;
	wanted.legs[1].start_timeout_ms = wanted.legs[1].media_timeout_ms = 1000;
	path_set(&wanted);
	watch(3000);
	assert_int_equal(n_events(SL_EVENT_TIMEOUT, 1), 0);
	wanted.legs[1].flags |= SL_LEG_RECEIVE;
	path_set(&wanted);
	watch(3000);
	assert_int_equal(n_events(SL_EVENT_TIMEOUT, 1), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CALL_TEST(one_way_media_is_told_and_its_end_too),
		CALL_TEST(media_both_ways_is_not_one_way),
		CALL_TEST(silence_that_is_expected_is_not_one_way),
		CALL_TEST(a_long_pause_of_the_media_begins_anew),
		CALL_TEST(a_collision_makes_us_take_another_ssrc),
		CALL_TEST(who_follows_us_to_another_ssrc_is_a_loop),
		CALL_TEST(an_echo_is_told_as_a_loop_and_passed_on),
		CALL_TEST(a_loop_through_the_other_leg_is_found),
		CALL_TEST(a_flood_is_told_at_most_once_a_second),
		CALL_TEST(a_leg_that_may_not_send_does_not_time_out),
	};

	path_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
