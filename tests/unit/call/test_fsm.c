#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "call_private.h"

// What must hold of the table whatever its rows do. The rows themselves are tested by playing calls
// (tests/flows).

static bool has_row(enum call_state state, enum call_event_type type)
{
	enum call_state next;

	return fsm_row(state, type, &next);
}

static enum call_state next_of(enum call_state state, enum call_event_type type)
{
	enum call_state next = CALL_STATES;

	assert_true(fsm_row(state, type, &next));
	return next;
}

static void every_state_can_fail_and_then_is_over(void **)
{
	for (enum call_state state = CALL_IDLE; state < CALL_OVER; state++)
		assert_int_equal(next_of(state, EVENT_FAIL), CALL_OVER);
}

static void every_state_can_be_hung_up_and_ended_by_the_far_ends_and_the_dataplane(void **)
{
	static const enum call_event_type ends[] = {EVENT_HANGUP, EVENT_BYE, EVENT_MEDIA_FAILED};

	for (enum call_state state = CALL_NEW; state < CALL_OVER; state++)
		for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
			assert_int_equal(next_of(state, ends[i]), CALL_OVER);
}

static void no_state_waits_for_ever(void **)
{
	for (enum call_state state = CALL_NEW; state < CALL_OVER; state++)
		assert_int_equal(next_of(state, EVENT_TIMER), CALL_OVER);
}

static void every_reinvite_gets_an_answer(void **)
{
	for (enum call_state state = CALL_NEW; state < CALL_OVER; state++)
		assert_true(has_row(state, EVENT_REINVITE));
}

static void every_update_and_prack_gets_an_answer(void **)
{
	for (enum call_state state = CALL_NEW; state < CALL_OVER; state++)
		assert_true(has_row(state, EVENT_UPDATE));
	// Where there is no row for it a PRACK is 481; where an 18x of ours may wait for one, there
	// is.
	for (enum call_state state = CALL_TRYING; state <= CALL_UP; state++)
		assert_true(has_row(state, EVENT_PRACK));
}

static void answer_held_back_can_still_end_in_every_way(void **)
{
	static const enum call_event_type ends[] = {EVENT_CANCEL, EVENT_BYE, EVENT_NO_PRACK};

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		assert_int_equal(next_of(CALL_ANSWERING, ends[i]), CALL_OVER);
}

static void media_timeouts_count_only_once_answered(void **)
{
	for (enum call_state state = CALL_IDLE; state < CALL_OVER; state++)
		assert_int_equal(has_row(state, EVENT_MEDIA_TIMEOUT), state >= CALL_ANSWERED);
}

static void what_is_over_stays_over(void **)
{
	for (enum call_event_type type = 0; type < EVENT_TYPES; type++)
		if (has_row(CALL_OVER, type))
			assert_int_equal(next_of(CALL_OVER, type), CALL_OVER);
}

static void call_takes_its_usual_way(void **)
{
	static const struct {
		enum call_state state;
		enum call_event_type type;
		enum call_state next;
	} rows[] = {
		{CALL_IDLE, EVENT_INVITE, CALL_NEW},
		{CALL_NEW, EVENT_MEDIA_READY, CALL_TRYING},
		{CALL_TRYING, EVENT_NEXT_PEER, CALL_TRYING},
		{CALL_TRYING, EVENT_PROVISIONAL, CALL_RINGING},
		{CALL_RINGING, EVENT_PROVISIONAL, CALL_RINGING},
		{CALL_TRYING, EVENT_ANSWER, CALL_ANSWERED},
		{CALL_RINGING, EVENT_ANSWER, CALL_ANSWERED},
		{CALL_RINGING, EVENT_REFUSAL, CALL_OVER},
		{CALL_RINGING, EVENT_CANCEL, CALL_OVER},
		{CALL_ANSWERED, EVENT_ACK, CALL_UP},
		{CALL_ANSWERED, EVENT_NO_ACK, CALL_OVER},
		{CALL_UP, EVENT_REINVITE, CALL_MODIFYING},
		{CALL_MODIFYING, EVENT_MODIFY_ANSWER, CALL_MODIFIED},
		{CALL_MODIFYING, EVENT_MODIFY_REFUSAL, CALL_UP},
		{CALL_MODIFYING, EVENT_CANCEL, CALL_MODIFYING},
		{CALL_MODIFIED, EVENT_ACK, CALL_UP},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(next_of(rows[i].state, rows[i].type), rows[i].next);
}

// Only a call that is up can be left or joined, and its transferee comes or it ends.
static void transfers_begin_in_calls_that_are_up(void **)
{
	for (enum call_state state = CALL_IDLE; state <= CALL_OVER; state++) {
		assert_int_equal(has_row(state, EVENT_REFER), state == CALL_UP);
		assert_int_equal(has_row(state, EVENT_REPLACE), state == CALL_UP);
		assert_int_equal(has_row(state, EVENT_JOINED), state == CALL_JOINING);
	}
	assert_int_equal(next_of(CALL_JOINING, EVENT_JOINED), CALL_UP);
}

static void session_timers_fire_only_once_answered(void **)
{
	for (enum call_state state = CALL_IDLE; state < CALL_OVER; state++)
		assert_int_equal(has_row(state, EVENT_REFRESH), state >= CALL_ANSWERING);
}

// Nobody among those that rang; the user may be somewhere else.
static void ringing_call_may_go_on_to_where_else_the_user_is(void **)
{
	assert_int_equal(next_of(CALL_RINGING, EVENT_NEXT_PEER), CALL_RINGING);
}

static void late_events_are_ignored(void **)
{
	assert_false(has_row(CALL_UP, EVENT_CANCEL)); // answered: CANCEL has no effect (9.2)
	assert_false(has_row(CALL_UP, EVENT_ACK));
	assert_false(has_row(CALL_UP, EVENT_ANSWER)); // another fork: the attempt ends it
	assert_false(has_row(CALL_OVER, EVENT_REFUSAL));
	assert_false(has_row(CALL_ANSWERED, EVENT_NEXT_PEER));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_state_can_fail_and_then_is_over),
		cmocka_unit_test(
			every_state_can_be_hung_up_and_ended_by_the_far_ends_and_the_dataplane),
		cmocka_unit_test(no_state_waits_for_ever),
		cmocka_unit_test(every_reinvite_gets_an_answer),
		cmocka_unit_test(every_update_and_prack_gets_an_answer),
		cmocka_unit_test(answer_held_back_can_still_end_in_every_way),
		cmocka_unit_test(media_timeouts_count_only_once_answered),
		cmocka_unit_test(what_is_over_stays_over),
		cmocka_unit_test(call_takes_its_usual_way),
		cmocka_unit_test(transfers_begin_in_calls_that_are_up),
		cmocka_unit_test(session_timers_fire_only_once_answered),
		cmocka_unit_test(ringing_call_may_go_on_to_where_else_the_user_is),
		cmocka_unit_test(late_events_are_ignored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
