#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "call_fixture.h"

static struct call_fixture fixture;

static int setup(void **)
{
	call_fixture_init(&fixture, NULL);
	return 0;
}

static int teardown(void **)
{
	call_fixture_fini(&fixture);
	return 0;
}

// The record of an established call that is then forgotten.
static size_t saved(uint8_t *record)
{
	struct call *call = call_fixture_call(&fixture);
	size_t n = record_save(call, record, SL_RECORD_MAX);

	assert_in_range(n, 1, SL_RECORD_MAX);
	call_forget(call);
	return n;
}

static int restored(const void *record, size_t n, struct call **out)
{
	struct ulid id = ulid_create(1);
	struct call *call = call_create(fixture.calls, &id);
	// An exact copy, so that the sanitizer sees any byte too many.
	uint8_t *copy = malloc(n ? n : 1);
	int err;

	memcpy(copy, record, n);
	err = record_restore(call, copy, n);
	free(copy);
	if (out && !err)
		*out = call;
	else
		call_forget(call);
	return err;
}

static void assert_slice(struct slice slice, const char *text)
{
	assert_int_equal(slice.n, strlen(text));
	assert_memory_equal(slice.p, text, slice.n);
}

static void call_comes_back_as_it_was(void **)
{
	uint8_t record[SL_RECORD_MAX];
	size_t n = saved(record);
	struct call *call;

	assert_int_equal(restored(record, n, &call), 0);
	assert_int_equal(call->state, CALL_UP);
	assert_true(call->recovered);
	assert_string_equal(call->from, "alice");
	assert_string_equal(call->target.number, "2001");
	assert_int_equal(call->times.invite_ms, 1763600000000);
	assert_int_equal(call->times.ringing_ms, 1763600001000);
	assert_int_equal(call->times.answer_ms, 1763600003500);
	assert_ptr_equal(call->legs[LEG_A].trunk, &fixture.trunk_list[0]);
	assert_ptr_equal(call->legs[LEG_B].trunk, &fixture.trunk_list[1]);
	assert_ptr_equal(call->legs[LEG_A].listener, fixture.calls->listeners[0].listener);
	assert_slice(call->legs[LEG_A].dialog.strings[DIALOG_LOCAL_TAG], "toa");
	assert_slice(call->legs[LEG_A].dialog.strings[DIALOG_REMOTE_TAG], "a1");
	assert_slice(call->legs[LEG_A].dialog.strings[DIALOG_ROUTES],
		"<sip:127.0.0.4;lr>, <sip:127.0.0.5;lr>");
	assert_int_equal(call->legs[LEG_A].dialog.remote_cseq, 7);
	assert_slice(
		call->legs[LEG_B].dialog.strings[DIALOG_REMOTE_TARGET], "sip:bob@127.0.0.3:5060");
	assert_int_equal(call->negotiation.legs[LEG_B].state, NEGOTIATION_STABLE);
	call_forget(call);
}

// When its session timer fires.
static long due_s(const struct leg *leg)
{
	struct timeval at, now;

	assert_true(evtimer_pending(&leg->timer.event, &at));
	gettimeofday(&now, NULL);
	return at.tv_sec - now.tv_sec;
}

static void session_timers_go_on_where_they_were(void **)
{
	struct call *call = call_fixture_call(&fixture);
	struct leg *a_leg = &call->legs[LEG_A], *b_leg = &call->legs[LEG_B];
	uint8_t record[SL_RECORD_MAX];
	size_t n;

	a_leg->timer.interval_s = 1800;
	a_leg->timer.began_ms = now_monotonic_ms() - 600000;
	a_leg->timer.we_refresh = true;
	a_leg->peer.update = true;
	b_leg->timer.interval_s = 300;
	b_leg->timer.began_ms = now_monotonic_ms() - 500000; // over already
	n = record_save(call, record, sizeof(record));
	call_forget(call);
	assert_int_equal(restored(record, n, &call), 0);
	a_leg = &call->legs[LEG_A];
	b_leg = &call->legs[LEG_B];
	assert_true(a_leg->peer.update && a_leg->timer.we_refresh);
	assert_false(b_leg->peer.update || b_leg->timer.we_refresh);
	assert_int_equal(a_leg->timer.interval_s, 1800);
	assert_in_range(due_s(a_leg), 298, 300); // half of it less what has passed
	assert_in_range(due_s(b_leg), 31, 32);	 // what it sent while we were away comes again
	call_forget(call);
}

static void its_dialogs_are_found_again(void **)
{
	uint8_t record[SL_RECORD_MAX];
	size_t n = saved(record);
	struct dialog *dialog;
	struct call *call;

	assert_int_equal(restored(record, n, &call), 0);
	dialog = dialog_find_ids(
		fixture.calls->dialogs, SLICE("a@127.0.0.2"), SLICE("toa"), SLICE("a1"));
	assert_ptr_equal(dialog, &call->legs[LEG_A].dialog);
	assert_ptr_equal(dialog->user, &call->legs[LEG_A]);
	call_forget(call);
	assert_null(dialog_find_ids(
		fixture.calls->dialogs, SLICE("a@127.0.0.2"), SLICE("toa"), SLICE("a1")));
}

// Requests that were sent after the record was written must not be repeated with their number.
static void sequence_numbers_go_up(void **)
{
	struct call *call = call_fixture_call(&fixture);
	uint8_t record[SL_RECORD_MAX];
	uint32_t numbers[LEGS];
	size_t n;

	for (int i = 0; i < LEGS; i++)
		numbers[i] = call->legs[i].dialog.local_cseq;
	for (uint32_t round = 1; round <= 2; round++) {
		n = record_save(call, record, sizeof(record));
		call_forget(call);
		assert_int_equal(restored(record, n, &call), 0);
		for (int i = 0; i < LEGS; i++)
			assert_int_equal(call->legs[i].dialog.local_cseq, numbers[i] + round * 100);
	}
	call_forget(call);
}

static void what_is_not_established_has_no_record(void **)
{
	static const enum call_state states[] = {CALL_NEW, CALL_TRYING, CALL_RINGING, CALL_OVER};
	struct call *call = call_fixture_call(&fixture);
	uint8_t record[SL_RECORD_MAX];

	call->legs[LEG_B].state = LEG_CALLING;
	call->legs[LEG_A].state = LEG_INVITED;
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		call->state = states[i];
		assert_int_equal(record_save(call, record, sizeof(record)), 0);
	}
	call->legs[LEG_B].state = LEG_CONFIRMED;
	call->legs[LEG_A].state = LEG_ACCEPTED; // its ACK may still come
	call->state = CALL_ANSWERED;
	assert_int_not_equal(record_save(call, record, sizeof(record)), 0);
	call_forget(call);
	assert_int_equal(restored(record, 0, NULL), -ENODATA);
}

static void record_that_does_not_fit_is_none(void **)
{
	struct call *call = call_fixture_call(&fixture);
	uint8_t record[SL_RECORD_MAX];
	size_t n = record_save(call, record, sizeof(record));

	log_call.level = (enum log_level)0;
	for (size_t size = 0; size < n; size++)
		assert_int_equal(record_save(call, record, size), 0);
	log_call.level = LOG_LEVEL_ERROR;
	assert_int_equal(record_save(call, record, n), n);
	call_forget(call);
}

static void cut_record_is_refused(void **)
{
	uint8_t record[SL_RECORD_MAX];
	size_t n = saved(record);

	for (size_t cut = 1; cut < n; cut++)
		assert_true(restored(record, cut, NULL) < 0);
	record[n] = 0;
	assert_int_equal(restored(record, n + 1, NULL), -EBADMSG);
}

static void other_version_is_refused(void **)
{
	uint8_t record[SL_RECORD_MAX];
	size_t n = saved(record);

	record[0]++;
	assert_int_equal(restored(record, n, NULL), -EBADMSG);
	record[0] = 0;
	assert_int_equal(restored(record, n, NULL), -EBADMSG);
}

static void call_of_a_trunk_that_is_no_more_is_refused(void **)
{
	uint8_t record[SL_RECORD_MAX];
	size_t n = saved(record);

	fixture.trunk_list[1].name = "renamed";
	assert_int_equal(restored(record, n, NULL), -ENOENT);
	fixture.trunk_list[1].name = "callee";
	assert_int_equal(restored(record, n, NULL), 0);
}

// Whatever it is taken for, nothing leaks and nothing crashes (the sanitizers look on).
static void corrupt_record_is_survived(void **)
{
	uint8_t record[SL_RECORD_MAX], bad[SL_RECORD_MAX];
	size_t n = saved(record);
	unsigned int n_refused = 0;

	for (size_t at = 0; at < n; at++) {
		memcpy(bad, record, n);
		bad[at] ^= 0xff;
		n_refused += restored(bad, n, NULL) != 0;
	}
	assert_true(n_refused > 20);
	assert_int_equal(fixture.calls->counters.active_now, 0);
	assert_int_equal(fixture.trunk_list[0].state->load[TRUNK_BOTH].calls, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(call_comes_back_as_it_was),
		cmocka_unit_test(session_timers_go_on_where_they_were),
		cmocka_unit_test(its_dialogs_are_found_again),
		cmocka_unit_test(sequence_numbers_go_up),
		cmocka_unit_test(what_is_not_established_has_no_record),
		cmocka_unit_test(record_that_does_not_fit_is_none),
		cmocka_unit_test(cut_record_is_refused),
		cmocka_unit_test(other_version_is_refused),
		cmocka_unit_test(call_of_a_trunk_that_is_no_more_is_refused),
		cmocka_unit_test(corrupt_record_is_survived),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
