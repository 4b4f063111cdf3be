// The client transaction machines, seen from the wire (a bare UDP socket) and from the TU.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "harness.h"

static const char invite_text[] = "INVITE sip:b@127.0.0.1 SIP/2.0\r\n"
				  "Max-Forwards: 70\r\n"
				  "Route: <sip:127.0.0.1;lr>\r\n"
				  "From: <sip:a@example.com>;tag=a1\r\n"
				  "To: <sip:b@example.com>\r\n"
				  "Call-ID: c1\r\n"
				  "CSeq: 7 INVITE\r\n"
				  "Contact: <sip:a@127.0.0.1>\r\n"
				  "Content-Length: 0\r\n\r\n";

static const char options_text[] = "OPTIONS sip:b@127.0.0.1 SIP/2.0\r\n"
				   "Max-Forwards: 70\r\n"
				   "From: <sip:a@example.com>;tag=a1\r\n"
				   "To: <sip:b@example.com>\r\n"
				   "Call-ID: c2\r\n"
				   "CSeq: 1 OPTIONS\r\n"
				   "Content-Length: 0\r\n\r\n";

static struct transaction *start(struct harness *h, const char *text)
{
	struct transaction *t = transaction_start(h->stack, &h->to_peer, slice_of(text), h);

	assert_non_null(t);
	assert_ptr_equal(transaction_user(t), h);
	assert_true(peer_receive(h, 100));
	return t;
}

static void request_gets_our_via_and_nothing_else(void **state)
{
	struct harness *h = *state;
	struct slice sent_by = listener_sent_by(h->listener);
	char expected[sizeof(options_text) + 200];

	start(h, options_text);
	snprintf(expected, sizeof(expected),
		"OPTIONS sip:b@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP " SLICE_FMT
		";branch=" SLICE_FMT ";rport\r\n%s",
		SLICE_ARG(sent_by), SLICE_ARG(h->message.via.branch),
		strchr(options_text, '\n') + 1);
	assert_slice(h->message.text, expected);
	assert_int_equal(h->message.via.branch.n, 23);
}

static void invite_is_repeated_until_a_provisional_comes(void **state)
{
	struct harness *h = *state;

	start(h, invite_text);
	assert_true(peer_receive(h, 3 * T1_MS));
	assert_true(peer_receive(h, 4 * T1_MS));
	assert_string_equal(peer_line(h), "INVITE sip:b@127.0.0.1 SIP/2.0");
	peer_answer(h, 180, "t");
	harness_run(h, 5);
	while (peer_receive(h, 1)) // one more may have left before the 180 came
		;
	assert_int_equal(harness_count(h, "response 180"), 1);
	assert_false(peer_receive(h, 20 * T1_MS));
}

static void invite_without_answer_fails_with_408(void **state)
{
	struct harness *h = *state;

	start(h, invite_text);
	harness_until(h, "failed 408", 1);
	assert_int_equal(harness_count(h, "closed"), 1);
	assert_int_equal(stack_n_transactions(h->stack), 0);
}

static void ringing_invite_never_times_out(void **state)
{
	struct harness *h = *state;

	start(h, invite_text);
	peer_answer(h, 180, "t");
	harness_run(h, 70 * T1_MS);
	assert_int_equal(harness_count(h, "failed 408"), 0);
	assert_int_equal(stack_n_transactions(h->stack), 1);
}

static void refusal_is_acknowledged_each_time_and_told_once(void **state)
{
	struct harness *h = *state;
	struct sip_message invite;
	char text[2048];

	start(h, invite_text);
	memcpy(text, h->text, h->size);
	invite = h->message;
	for (int i = 0; i < 2; i++) {
		peer_answer(h, 486, "busy");
		do
			assert_true(peer_receive(h, 50));
		while (h->message.method == METHOD_INVITE);
		assert_string_equal(peer_line(h), "ACK sip:b@127.0.0.1 SIP/2.0");
		assert_slice(h->message.to_tag, "busy");
		assert_int_equal(h->message.cseq, 7);
		assert_slice(message_value(&h->message, HEADER_ROUTE), "<sip:127.0.0.1;lr>");
		assert_true(slice_equal(h->message.via.branch,
			(struct slice){text + (invite.via.branch.p - h->text), 23}));
		memcpy(h->text, text, sizeof(text)); // back to the INVITE for the next answer
		h->message = invite;
		message_parse(&h->message, h->headers, h->text, invite.text.n,
			&(struct message_error){0});
	}
	assert_int_equal(harness_count(h, "response 486"), 1);
	harness_run(h, TIMER_D_MS + 20);
	assert_int_equal(harness_count(h, "closed"), 1);
}

static void refusal_of_a_very_long_request_is_acknowledged(void **state)
{
	enum { LONG = 20000 };
	struct harness *h = *state;
	char *text = malloc(2 * LONG), *at = text;

	at += sprintf(at, "INVITE sip:b@127.0.0.1 SIP/2.0\r\nRoute: <sip:127.0.0.1;lr;x=");
	memset(at, 'r', LONG);
	snprintf(at + LONG, LONG / 2, ">\r\n%s", strchr(invite_text, '\n') + 1);
	start(h, text);
	peer_answer(h, 486, "busy");
	do
		assert_true(peer_receive(h, 50));
	while (h->message.method == METHOD_INVITE);
	assert_string_equal(peer_line(h), "ACK sip:b@127.0.0.1 SIP/2.0");
	assert_true(h->size > LONG);
	free(text);
}

static void every_2xx_of_an_invite_is_told(void **state)
{
	struct harness *h = *state;

	start(h, invite_text);
	peer_answer(h, 180, "one");
	peer_answer(h, 200, "one");
	peer_answer(h, 200, "two");
	peer_answer(h, 200, "one");
	harness_run(h, 10);
	assert_int_equal(harness_count(h, "response 200"), 3);
	while (peer_receive(h, 5)) // the ACK of a 2xx is the TU's
		assert_int_equal(h->message.method, METHOD_INVITE);
	harness_until(h, "closed", 1);
	peer_answer(h, 200, "one");
	harness_run(h, 5);
	assert_int_equal(harness_count(h, "stray 200"), 1);
}

static void cancel_waits_for_a_provisional(void **state)
{
	struct harness *h = *state;
	struct transaction *t = start(h, invite_text);
	char branch[32];

	snprintf(branch, sizeof(branch), SLICE_FMT, SLICE_ARG(h->message.via.branch));
	assert_int_equal(transaction_cancel(t, SLICE("Reason: SIP;cause=200\r\n")), 0);
	assert_int_equal(transaction_cancel(t, (struct slice){0}), -EALREADY);
	harness_run(h, 2);
	peer_answer(h, 100, "");
	do
		assert_true(peer_receive(h, 50));
	while (h->message.method == METHOD_INVITE);
	assert_string_equal(peer_line(h), "CANCEL sip:b@127.0.0.1 SIP/2.0");
	assert_slice(h->message.via.branch, branch);
	assert_int_equal(h->message.cseq, 7);
	assert_null(h->message.to_tag.p);
	assert_slice(message_value(&h->message, HEADER_REASON), "SIP;cause=200");
	assert_slice(message_value(&h->message, HEADER_ROUTE), "<sip:127.0.0.1;lr>");
	peer_answer(h, 200, "x");
	harness_run(h, 5);
	assert_int_equal(harness_count(h, "response 200"), 0); // the CANCEL is the stack's own
	assert_int_equal(harness_count(h, "response 100"), 1);
}

static void cancelled_invite_ends_with_487(void **state)
{
	struct harness *h = *state;
	struct transaction *t = start(h, invite_text);
	struct sip_message invite = h->message;
	char text[2048];

	memcpy(text, h->text, h->size);
	peer_answer(h, 180, "t");
	harness_run(h, 5);
	assert_int_equal(transaction_cancel(t, (struct slice){0}), 0);
	do
		assert_true(peer_receive(h, 50));
	while (h->message.method == METHOD_INVITE);
	assert_string_equal(peer_line(h), "CANCEL sip:b@127.0.0.1 SIP/2.0");
	peer_answer(h, 200, "t");
	memcpy(h->text, text, sizeof(text));
	h->message = invite;
	message_parse(&h->message, h->headers, h->text, invite.text.n, &(struct message_error){0});
	peer_answer(h, 487, "t");
	do
		assert_true(peer_receive(h, 50));
	while (h->message.method != METHOD_ACK);
	assert_string_equal(peer_line(h), "ACK sip:b@127.0.0.1 SIP/2.0");
	assert_int_equal(harness_count(h, "response 487"), 1);
}

static void answer_that_crosses_the_cancel_is_told(void **state)
{
	struct harness *h = *state;
	struct transaction *t = start(h, invite_text);

	peer_answer(h, 180, "t");
	peer_answer(h, 200, "t");
	harness_run(h, 5);
	assert_int_equal(harness_count(h, "response 200"), 1);
	assert_int_equal(transaction_cancel(t, (struct slice){0}), -EALREADY);
	while (peer_receive(h, 5)) // the INVITE once more, perhaps, but no CANCEL
		assert_int_equal(h->message.method, METHOD_INVITE);
}

static void cancelled_invite_without_final_fails_with_408(void **state)
{
	struct harness *h = *state;
	struct transaction *t = start(h, invite_text);

	peer_answer(h, 180, "t");
	harness_run(h, 5);
	transaction_cancel(t, (struct slice){0});
	harness_until(h, "failed 408", 1);
	harness_run(h, 10 * T1_MS); // the CANCEL's own time-out is not told
	assert_int_equal(harness_count(h, "failed 408"), 1);
	assert_int_equal(stack_n_transactions(h->stack), 0);
}

static void request_is_repeated_at_growing_intervals(void **state)
{
	struct harness *h = *state;
	unsigned int n = 0;

	// 10 30 70 150 230 310 390 470 550 630 ms after the first, as T1 and T2 have it; on a busy
	// machine some come late and the last are not sent, but never are there more.
	for (unsigned int i = 1; i <= 10 && n < 9; i++) {
		start(h, options_text);
		harness_until(h, "failed 408", i);
		for (n = 0; peer_receive(h, 1); n++)
			;
		assert_in_range(n, 1, 11);
	}
	assert_in_range(n, 9, 11);
}

static void final_response_is_told_once(void **state)
{
	struct harness *h = *state;

	start(h, options_text);
	peer_answer(h, 100, "");
	peer_answer(h, 404, "t");
	peer_answer(h, 404, "t");
	harness_run(h, 5);
	assert_int_equal(harness_count(h, "response 100"), 1);
	assert_int_equal(harness_count(h, "response 404"), 1);
	harness_run(h, T4_MS + 20);
	assert_int_equal(harness_count(h, "closed"), 1);
}

static void response_that_is_not_ours_is_dropped(void **state)
{
	struct harness *h = *state;
	const struct stack_counters *counters = stack_counters(h->stack);
	struct slice name;

	start(h, options_text);
	name = h->message.method_name;
	h->message.method_name = SLICE("INFO");
	peer_answer(h, 200, "method");
	h->message.method_name = name;
	h->message.via.value = SLICE("SIP/2.0/UDP h;branch=z9hG4bKforged");
	peer_answer(h, 200, "branch");
	harness_run(h, 5);
	assert_int_equal(harness_count(h, "response 200"), 0);
	assert_int_equal(counters->responses_unmatched, 2);
}

static void response_with_a_second_via_is_dropped(void **state)
{
	struct harness *h = *state;
	char vias[256];

	start(h, options_text);
	snprintf(vias, sizeof(vias), SLICE_FMT ", SIP/2.0/UDP other.example.com",
		SLICE_ARG(h->message.via.value));
	h->message.via.value = slice_of(vias);
	peer_answer(h, 200, "t");
	harness_run(h, 5);
	assert_int_equal(harness_count(h, "response 200"), 0);
}

static void closed_port_fails_with_503_at_once(void **state)
{
	struct harness *h = *state;

	close(h->peer);
	h->peer = -1;
	assert_non_null(transaction_start(h->stack, &h->to_peer, slice_of(options_text), NULL));
	assert_non_null(transaction_start(h->stack, &h->to_peer, slice_of(invite_text), NULL));
	harness_run(h, 5);
	assert_int_equal(harness_count(h, "failed 503"), 2);
	assert_int_equal(harness_count(h, "closed"), 2);
}

static void request_that_is_none_is_refused(void **state)
{
	struct harness *h = *state;

	assert_null(transaction_start(h->stack, &h->to_peer, (struct slice){0}, NULL));
	assert_int_equal(errno, EMSGSIZE);
	assert_null(transaction_start(h->stack, &h->to_peer, SLICE("OPTIONS"), NULL));
	assert_int_equal(errno, EBADMSG);
	assert_int_equal(stack_n_transactions(h->stack), 0);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, harness_setup, harness_teardown)
	const struct CMUnitTest tests[] = {
		CASE(request_gets_our_via_and_nothing_else),
		CASE(invite_is_repeated_until_a_provisional_comes),
		CASE(invite_without_answer_fails_with_408),
		CASE(ringing_invite_never_times_out),
		CASE(refusal_is_acknowledged_each_time_and_told_once),
		CASE(refusal_of_a_very_long_request_is_acknowledged),
		CASE(every_2xx_of_an_invite_is_told),
		CASE(cancel_waits_for_a_provisional),
		CASE(cancelled_invite_ends_with_487),
		CASE(answer_that_crosses_the_cancel_is_told),
		CASE(cancelled_invite_without_final_fails_with_408),
		CASE(request_is_repeated_at_growing_intervals),
		CASE(final_response_is_told_once),
		CASE(response_that_is_not_ours_is_dropped),
		CASE(response_with_a_second_via_is_dropped),
		CASE(closed_port_fails_with_503_at_once),
		CASE(request_that_is_none_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
