// The tables of the transaction machines, checked for what must hold of any of them.
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "transaction_fsm.h"

static enum fsm_state first_state(enum fsm_machine machine)
{
	return machine == FSM_SERVER_INVITE ? FSM_PROCEEDING : FSM_TRYING;
}

static bool exists(enum fsm_machine machine, enum fsm_state state)
{
	for (int event = 0; event < FSM_N_EVENTS; event++)
		if (fsm_transitions[machine][state][event].is)
			return true;
	return false;
}

// States that can be reached from the first one.
static unsigned int reachable(enum fsm_machine machine)
{
	unsigned int seen = 1u << first_state(machine), before = 0;

	while (seen != before) {
		before = seen;
		for (int state = 0; state < FSM_N_STATES; state++)
			for (int event = 0; before >> state & 1 && event < FSM_N_EVENTS; event++)
				if (fsm_transitions[machine][state][event].is)
					seen |= 1u << fsm_transitions[machine][state][event].next;
	}
	return seen;
}

static void each_state_is_reached_and_has_an_end(void **)
{
	for (enum fsm_machine machine = 0; machine < FSM_N_MACHINES; machine++) {
		unsigned int seen = reachable(machine);

		assert_true(seen & 1u << FSM_GONE);
		for (enum fsm_state state = FSM_TRYING; state < FSM_N_STATES; state++)
			assert_int_equal(exists(machine, state), seen >> state & 1);
	}
}

// A state whose life is limited must act on its end; one without limit is an INVITE that rings.
static void each_limited_state_handles_its_expiry(void **)
{
	for (enum fsm_machine machine = 0; machine < FSM_N_MACHINES; machine++)
		for (enum fsm_state state = FSM_TRYING; state < FSM_N_STATES; state++) {
			const struct fsm_transition *expiry =
				&fsm_transitions[machine][state][FSM_EXPIRE];

			if (!exists(machine, state))
				continue;
			if (fsm_timers[machine][state].life == FSM_LIFE_FOREVER) {
				assert_int_equal(state, FSM_PROCEEDING);
				continue;
			}
			assert_true(expiry->is);
			assert_int_equal(expiry->next, FSM_GONE);
		}
}

static void each_repeating_state_handles_its_repetition(void **)
{
	for (enum fsm_machine machine = 0; machine < FSM_N_MACHINES; machine++)
		for (enum fsm_state state = FSM_TRYING; state < FSM_N_STATES; state++)
			assert_int_equal(fsm_timers[machine][state].repeat != FSM_REPEAT_NONE,
				fsm_transitions[machine][state][FSM_REPEAT].is);
}

// Once a final response has passed, no other may: neither to the TU nor from it, but 2xx (RFC
// 6026).
static void finals_pass_once(void **)
{
	static const enum fsm_state after[] = {FSM_COMPLETED, FSM_CONFIRMED, FSM_ACCEPTED};

	for (enum fsm_machine machine = 0; machine < FSM_N_MACHINES; machine++)
		for (unsigned int i = 0; i < 3; i++) {
			const struct fsm_transition *cells = fsm_transitions[machine][after[i]];

			assert_false(cells[FSM_1XX].is);
			assert_false(cells[FSM_FINAL].does & (FSM_TELL | FSM_SEND));
			assert_int_equal(cells[FSM_2XX].is,
				exists(machine, after[i]) && after[i] == FSM_ACCEPTED);
		}
}

// The states in which a failure is told: the TU waits for something in each of them, and in no
// other.
static void failures_are_told_where_somebody_waits(void **)
{
	static const struct {
		enum fsm_machine machine;
		enum fsm_state state;
		unsigned int on_expiry, on_error;
	} rows[] = {
		{FSM_CLIENT_INVITE, FSM_TRYING, FSM_FAIL_408, FSM_FAIL_503},
		{FSM_CLIENT_INVITE, FSM_PROCEEDING, FSM_FAIL_408, 0},
		{FSM_CLIENT_INVITE, FSM_COMPLETED, 0, 0},
		{FSM_CLIENT_INVITE, FSM_ACCEPTED, 0, 0},
		{FSM_CLIENT, FSM_TRYING, FSM_FAIL_408, FSM_FAIL_503},
		{FSM_CLIENT, FSM_PROCEEDING, FSM_FAIL_408, FSM_FAIL_503},
		{FSM_CLIENT, FSM_COMPLETED, 0, 0},
		{FSM_SERVER_INVITE, FSM_PROCEEDING, 0, FSM_FAIL_503},
		{FSM_SERVER_INVITE, FSM_COMPLETED, FSM_FAIL_408, FSM_FAIL_503},
		{FSM_SERVER_INVITE, FSM_CONFIRMED, 0, 0},
		{FSM_SERVER_INVITE, FSM_ACCEPTED, 0, FSM_FAIL_503},
		{FSM_SERVER, FSM_TRYING, 0, 0},
		{FSM_SERVER, FSM_PROCEEDING, 0, FSM_FAIL_503},
		{FSM_SERVER, FSM_COMPLETED, 0, FSM_FAIL_503},
	};
	const unsigned int failures = FSM_FAIL_408 | FSM_FAIL_503;

	for (unsigned int i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct fsm_transition *cells =
			fsm_transitions[rows[i].machine][rows[i].state];

		assert_int_equal(cells[FSM_EXPIRE].does & failures, rows[i].on_expiry);
		assert_int_equal(cells[FSM_ERROR].does & failures, rows[i].on_error);
	}
}

// RFC 6026 8.9: a server transaction survives a transport error.
static void servers_survive_transport_errors(void **)
{
	for (enum fsm_machine machine = FSM_SERVER_INVITE; machine <= FSM_SERVER; machine++)
		for (enum fsm_state state = FSM_TRYING; state < FSM_N_STATES; state++)
			if (fsm_transitions[machine][state][FSM_ERROR].is)
				assert_int_equal(
					fsm_transitions[machine][state][FSM_ERROR].next, state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_state_is_reached_and_has_an_end),
		cmocka_unit_test(each_limited_state_handles_its_expiry),
		cmocka_unit_test(each_repeating_state_handles_its_repetition),
		cmocka_unit_test(finals_pass_once),
		cmocka_unit_test(failures_are_told_where_somebody_waits),
		cmocka_unit_test(servers_survive_transport_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
