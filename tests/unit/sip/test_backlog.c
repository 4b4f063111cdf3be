// New requests that wait for their turn, and what becomes of them when it does not come. The TU
// says that it is not ready where there would be more work than time.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backlog.h"
#include "harness.h"
#include "stack.h"

#define NEVER_MS 60000 // longer than any test

static const struct stack_counters *counters(const struct harness *h)
{
	return stack_counters(h->stack);
}

static struct stack_overload overload(const struct harness *h)
{
	struct stack_overload result;

	stack_overload_get(h->stack, &result);
	return result;
}

// Straight to the stack, as a datagram would come; `number` is in branch and Call-ID.
static void give(struct harness *h, const char *method, unsigned int number, const char *to_tag)
{
	char text[512];
	int n = snprintf(text, sizeof(text),
		"%s sip:b@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%u;branch=z9hG4bK%u\r\n"
		"From: <sip:a@127.0.0.1>;tag=a\r\nTo: <sip:b@127.0.0.1>%s\r\nCall-ID: c%u\r\n"
		"CSeq: 1 %s\r\nMax-Forwards: 70\r\nContact: <sip:a@127.0.0.1>\r\n"
		"Content-Length: 0\r\n\r\n",
		method, sip_address_port(&h->to_peer.remote), number, to_tag, number, method);

	transport_receive(&h->to_peer, text, (size_t)n);
}

static void turn(struct harness *h)
{
	event_base_loop(h->base, EVLOOP_NONBLOCK);
}

static void until_shed(struct harness *h, uint64_t n)
{
	for (int i = 0; i < 10000 && counters(h)->shed < n; i++)
		harness_run(h, 1);
	assert_int_equal(counters(h)->shed, n);
}

static void what_goes_on_overtakes_what_begins(void **state)
{
	static const char *const begins[] = {
		"INVITE", "REGISTER", "MESSAGE", "SUBSCRIBE", "PUBLISH", "REFER"};
	struct harness *h = *state;

	stack_overload_set(h->stack, NEVER_MS, 0);
	for (unsigned int i = 0; i < 6; i++)
		give(h, begins[i], i, "");
	give(h, "BYE", 10, ";tag=b");
	give(h, "INVITE", 11, ";tag=b");
	give(h, "OPTIONS", 12, "");
	assert_int_equal(h->n_seen, 3);
	assert_int_equal(overload(h).waiting, 6);
	turn(h);
	assert_int_equal(h->n_seen, 9);
	for (unsigned int i = 0; i < 6; i++)
		assert_string_equal(h->seen[3 + i].text + strlen("request "), begins[i]);
	assert_int_equal(overload(h).waiting, 0);
	assert_int_equal(counters(h)->shed, 0);
}

static void all_waits_until_the_user_is_ready(void **state)
{
	struct harness *h = *state;

	stack_overload_set(h->stack, NEVER_MS, 0);
	h->not_ready = true;
	give(h, "INVITE", 1, "");
	harness_run(h, 3 * BACKLOG_LATER_MS);
	assert_int_equal(h->n_seen, 0);
	h->not_ready = false;
	harness_until(h, "request INVITE", 1);
}

static void repetition_of_one_that_waits_begins_nothing(void **state)
{
	struct harness *h = *state;

	stack_overload_set(h->stack, NEVER_MS, 0);
	give(h, "INVITE", 1, "");
	give(h, "INVITE", 1, "");
	turn(h);
	assert_int_equal(harness_count(h, "request INVITE"), 1);
	assert_int_equal(counters(h)->retransmissions_in, 1);
}

static void cancel_stays_behind_its_invite(void **state)
{
	struct harness *h = *state;

	stack_overload_set(h->stack, NEVER_MS, 0);
	give(h, "INVITE", 1, "");
	give(h, "CANCEL", 1, "");
	turn(h);
	assert_string_equal(h->seen[0].text, "request INVITE");
	assert_string_equal(h->seen[1].text, "cancel");
	assert_true(peer_receive(h, 1000));
	assert_string_equal(peer_line(h), "SIP/2.0 200 OK");
}

static void urgent_one_goes_first(void **state)
{
	struct harness *h = *state;

	h->not_ready = true;
	h->urgent = "c7";
	stack_overload_set(h->stack, NEVER_MS, 0);
	give(h, "INVITE", 6, "");
	give(h, "INVITE", 7, "");
	assert_int_equal(harness_count(h, "request INVITE"), 1);
	assert_int_equal(counters(h)->urgent, 1);
	assert_int_equal(overload(h).waiting, 1);
}

static void late_one_is_refused_for_good(void **state)
{
	struct harness *h = *state;
	char first[sizeof(h->text)];

	stack_overload_set(h->stack, 10, 4);
	h->not_ready = true;
	give(h, "INVITE", 1, "");
	assert_true(peer_receive(h, 10000));
	assert_string_equal(peer_line(h), "SIP/2.0 503 Service Unavailable");
	assert_true(h->message.to_tag.n > 0);
	assert_null(message_value(&h->message, HEADER_RETRY_AFTER).p); // one alone is no reason
	memcpy(first, h->text, h->size + 1);
	assert_int_equal(stack_n_transactions(h->stack), 0);
	assert_true(overload(h).now);
	assert_int_equal(counters(h)->overloads, 1);
	h->not_ready = false;
	give(h, "ACK", 1, ";tag=b");
	give(h, "INVITE", 1, "");
	assert_true(peer_receive(h, 10000));
	assert_string_equal(h->text, first);
	give(h, "INVITE", 2, ""); // of another
	harness_until(h, "request INVITE", 1);
	assert_int_equal(counters(h)->shed, 2);
}

static void where_most_are_refused_retry_after_is_said(void **state)
{
	enum { N = 500 };
	struct harness *h = *state;
	unsigned int n_said = 0, n_other = 0;

	stack_overload_set(h->stack, 1, 4);
	h->not_ready = true;
	for (unsigned int i = 0; i < N; i++) {
		uint32_t seconds;
		struct slice value;

		give(h, "INVITE", i, "");
		assert_true(peer_receive(h, 10000));
		value = message_value(&h->message, HEADER_RETRY_AFTER);
		if (!value.p)
			continue;
		assert_int_equal(slice_to_u32(value, 9, &seconds), 0);
		assert_in_range(seconds, 1, 4);
		n_said++;
		n_other += seconds != 1;
	}
	assert_in_range(n_said, 1, N - 200);
	assert_true(n_other > 0); // not all at the same time
	assert_int_equal(counters(h)->overloads, 1);
}

static void what_finds_no_room_is_refused_at_once(void **state)
{
	struct harness *h = *state;

	stack_overload_set(h->stack, 0, 0); // however long it takes
	h->not_ready = true;
	for (unsigned int i = 0; i < BACKLOG_MAX; i++)
		give(h, "MESSAGE", i, "");
	assert_int_equal(counters(h)->shed, 0);
	give(h, "INVITE", BACKLOG_MAX, "");
	assert_int_equal(counters(h)->shed, 1);
	assert_int_equal(overload(h).waiting, BACKLOG_MAX);
	stack_overload_set(h->stack, 1, 0);
	until_shed(h, BACKLOG_MAX + 1);
	assert_int_equal(overload(h).waiting, 0);
	assert_int_equal(h->n_seen, 0);
}

static void overload_ends_when_nothing_is_refused(void **state)
{
	struct harness *h = *state;

	stack_overload_set(h->stack, 1, 4);
	h->not_ready = true;
	give(h, "INVITE", 1, "");
	until_shed(h, 1);
	h->not_ready = false;
	for (int i = 0; i < 100 && overload(h).now; i++)
		harness_run(h, 100);
	assert_false(overload(h).now);
	h->not_ready = true;
	give(h, "INVITE", 2, "");
	until_shed(h, 2);
	assert_int_equal(counters(h)->overloads, 2);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, harness_setup, harness_teardown)
	const struct CMUnitTest tests[] = {
		CASE(what_goes_on_overtakes_what_begins),
		CASE(all_waits_until_the_user_is_ready),
		CASE(repetition_of_one_that_waits_begins_nothing),
		CASE(cancel_stays_behind_its_invite),
		CASE(urgent_one_goes_first),
		CASE(late_one_is_refused_for_good),
		CASE(where_most_are_refused_retry_after_is_said),
		CASE(what_finds_no_room_is_refused_at_once),
		CASE(overload_ends_when_nothing_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
