// Who may send to a leg, and what control hears of it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <unistd.h>

#include "call.h"
#include "clock.h"

static struct sl_session latching(uint32_t window_ms)
{
	struct sl_session session = wanted;

	session.legs[0].source_rule = SL_SOURCE_LATCH;
	session.legs[0].latch_window_ms = window_ms;
	return session;
}

static uint16_t sequence;

static bool passes(const char *from, uint16_t from_port)
{
	struct frame frame;

	push_silence(from, from_port, LOCAL0, sequence++);
	path_turn();
	return frame_pop(1, &frame);
}

// Who sends in which order, and whose packets pass.
static void the_source_rule_as_a_table(void **)
{
	static const struct {
		const char *what;
		enum sl_source_rule rule;
		bool remote_known;
		struct {
			const char *from;
			uint16_t port;
			bool passes;
		} steps[4];
	} rows[] = {
		{"strict", SL_SOURCE_STRICT, true,
			{{FAR0, 4000, true}, {FAR0, 4002, false}, {NAT, 4000, false},
				{FAR0, 4000, true}}},
		{"strict, nobody signalled", SL_SOURCE_STRICT, false,
			{{FAR0, 4000, false}, {NAT, 4000, false}}},
		{"latch to the first", SL_SOURCE_LATCH, true,
			{{NAT, 33000, true}, {FAR0, 4000, false}, {STRANGER, 33000, false},
				{NAT, 33000, true}}},
		{"latch, nobody signalled", SL_SOURCE_LATCH, false,
			{{NAT, 33000, true}, {NAT, 33001, false}, {NAT, 33000, true}}},
		{"latch to the signalled address", SL_SOURCE_LATCH, true,
			{{FAR0, 4000, true}, {NAT, 33000, false}, {FAR0, 4000, true}}},
	};

	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		struct sl_session session = latching(0);

		session.id = rig_id(100 + (unsigned int)i);
		session.legs[0].source_rule = (uint8_t)rows[i].rule;
		if (!rows[i].remote_known)
			memset(&session.legs[0].remote, 0, sizeof(session.legs[0].remote));
		path_set(&session);
		for (size_t j = 0; j < 4 && rows[i].steps[j].from; j++)
			if (passes(rows[i].steps[j].from, rows[i].steps[j].port) !=
				rows[i].steps[j].passes)
				fail_msg("%s: step %zu", rows[i].what, j);
		session_delete(path.sessions, session_find(path.sessions, &session.id));
	}
}

static void after_the_window_only_the_signalled_address_counts(void **)
{
	struct sl_session session = latching(1);

	path_set(&session);
	usleep(3000);
	assert_false(passes(NAT, 33000));
	assert_true(passes(FAR0, 4000));
	assert_int_equal(report_now().stats[0].latched, 0);
}

static void a_malformed_or_unknown_packet_does_not_latch(void **)
{
	struct sl_session session = latching(0);
	uint8_t bytes[FRAME_MAX];
	unsigned int n = build_silence(bytes, 1);

	path_set(&session);
	bytes[1] = 99; // no payload type of the leg
	push_datagram(STRANGER, 1234, LOCAL0, bytes, n);
	push_datagram(STRANGER, 1234, LOCAL0, (const uint8_t *)"junk", 4);
	path_turn();
	assert_true(passes(NAT, 33000));
	assert_false(passes(STRANGER, 1234));
}

// A hold or other change leaves the latch alone; a new remote address asks for a new one.
static void a_set_that_changes_the_remote_latches_anew(void **)
{
	struct sl_session session = latching(0);

	path_set(&session);
	assert_true(passes(NAT, 33000));
	session.legs[0].media_timeout_ms = 1000;
	path_set(&session);
	assert_false(passes(STRANGER, 33000));
	assert_true(passes(NAT, 33000));
	session.legs[0].remote.port = 4002;
	path_set(&session);
	assert_true(passes(STRANGER, 33000));
	assert_false(passes(NAT, 33000));
}

static void a_leg_that_does_not_receive_does_not_latch(void **)
{
	struct sl_session session = latching(0);

	session.legs[0].flags = SL_LEG_SEND;
	path_set(&session);
	assert_false(passes(STRANGER, 33000));
	session.legs[0].flags |= SL_LEG_RECEIVE;
	path_set(&session);
	assert_true(passes(NAT, 33000));
}

// What leg 0 is sent goes to where it latched to.
static void media_is_sent_to_where_the_leg_latched(void **)
{
	struct sl_session session = latching(0);
	struct frame frame;

	path_set(&session);
	push_silence1(1);
	path_turn();
	assert_true(frame_pop(0, &frame));
	assert_memory_equal(frame.bytes + 30, "\xc6\x33\x64\x01", 4); // FAR0
	assert_true(passes(NAT, 33000));
	sessions_tick(path.sessions, clock_now_ns()); // finds the next hop
	push_silence1(2);
	path_turn();
	assert_true(frame_pop(0, &frame));
	assert_memory_equal(frame.bytes + 30, "\xc6\x33\x64\x4d", 4); // NAT
	assert_memory_equal(frame.bytes + 36, "\x80\xe8", 2);	      // 33000
}

static void assert_event(unsigned int i, uint8_t type, const char *text, uint16_t port)
{
	const struct sl_media_event *event = &path.rig.events[i];
	struct sl_address address = rig_address(text, port);

	assert_true(i < path.rig.n_events);
	assert_int_equal(event->type, type);
	assert_int_equal(event->leg, 0);
	assert_memory_equal(&event->address, &address, sizeof(address));
	assert_memory_equal(&event->id, &(struct sl_id){{1}}, sizeof(event->id));
}

static void latch_and_first_packet_are_told_once(void **)
{
	struct sl_session session = latching(0);

	path_set(&session);
	assert_true(passes(NAT, 33000));
	assert_true(passes(NAT, 33000));
	sessions_tick(path.sessions, clock_now_ns());
	assert_true(passes(NAT, 33000));
	sessions_tick(path.sessions, clock_now_ns());
	assert_int_equal(path.rig.n_events, 2);
	assert_event(0, SL_EVENT_LATCHED, NAT, 33000);
	assert_event(1, SL_EVENT_FIRST_PACKET, NAT, 33000);
	assert_int_equal(report_now().stats[0].latched, 1);
}

// Full scans of the table, as many as it takes to be sure.
static void scan(void)
{
	for (int i = 0; i < 3; i++)
		sessions_tick(path.sessions, clock_now_ns() + (uint64_t)i * 100000000);
}

static void silence_times_out_and_media_resumes(void **)
{
	struct sl_session session = latching(0);

	session.legs[0].source_rule = SL_SOURCE_STRICT;
	session.legs[0].start_timeout_ms = 400;
	session.legs[0].media_timeout_ms = 1000;
	path_set(&session);
	sessions_tick(path.sessions, clock_now_ns());
	assert_int_equal(path.rig.n_events, 0);
	sessions_tick(path.sessions, clock_now_ns() + 450000000);
	assert_event(0, SL_EVENT_TIMEOUT, FAR0, 4000);
	assert_int_equal(report_now().stats[0].timed_out, 1);
	sessions_tick(path.sessions, clock_now_ns() + 900000000);
	assert_int_equal(path.rig.n_events, 1); // once
	assert_true(passes(FAR0, 4000));
	scan();
	assert_int_equal(path.rig.n_events, 3);
	assert_event(1, SL_EVENT_FIRST_PACKET, FAR0, 4000);
	assert_event(2, SL_EVENT_RESUMED, FAR0, 4000);
	assert_int_equal(report_now().stats[0].timed_out, 0);
}

static void the_hold_time_out_replaces_the_others(void **)
{
	struct sl_session session = latching(0);

	session.legs[0].start_timeout_ms = 100;
	session.legs[0].hold_timeout_ms = 2000;
	session.legs[0].flags |= SL_LEG_HELD;
	path_set(&session);
	sessions_tick(path.sessions, clock_now_ns() + 500000000);
	assert_int_equal(path.rig.n_events, 0);
	sessions_tick(path.sessions, clock_now_ns() + 2500000000);
	assert_event(0, SL_EVENT_TIMEOUT, FAR0, 4000);
	session.legs[0].flags &=
		(uint16_t)~SL_LEG_HELD; // from now on the other one, from its start
	path_set(&session);
	assert_int_equal(report_now().stats[0].timed_out, 0);
	sessions_tick(path.sessions, clock_now_ns());
	assert_int_equal(path.rig.n_events, 1);
}

static void time_outs_in_force_are_repeated_on_request(void **)
{
	struct sl_session session = latching(0);

	session.legs[0].start_timeout_ms = 100;
	path_set(&session);
	sessions_tick(path.sessions, clock_now_ns() + 500000000);
	assert_int_equal(path.rig.n_events, 1);
	sessions_repeat_timeouts(path.sessions, rig_event, &path.rig);
	assert_int_equal(path.rig.n_events, 2);
	assert_event(1, SL_EVENT_TIMEOUT, FAR0, 4000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CALL_TEST(the_source_rule_as_a_table),
		CALL_TEST(after_the_window_only_the_signalled_address_counts),
		CALL_TEST(a_malformed_or_unknown_packet_does_not_latch),
		CALL_TEST(a_set_that_changes_the_remote_latches_anew),
		CALL_TEST(a_leg_that_does_not_receive_does_not_latch),
		CALL_TEST(media_is_sent_to_where_the_leg_latched),
		CALL_TEST(latch_and_first_packet_are_told_once),
		CALL_TEST(silence_times_out_and_media_resumes),
		CALL_TEST(the_hold_time_out_replaces_the_others),
		CALL_TEST(time_outs_in_force_are_repeated_on_request),
	};

	path_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
