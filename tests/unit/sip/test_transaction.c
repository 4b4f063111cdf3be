// The four transaction machines, seen from the wire (a bare UDP socket) and from the TU.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

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

static struct transaction *start(struct harness *h, const char *text)
{
	struct transaction *t = transaction_start(h->stack, &h->to_peer, slice_of(text), NULL);

	assert_non_null(t);
	assert_true(peer_receive(h, 100));
	return t;
}

// What the peer got last, as a response to it.
static void answer(struct harness *h, unsigned int status, const char *tag)
{
	const struct sip_message *m = &h->message;

	peer_send(h,
		"SIP/2.0 %u X\r\nVia: " SLICE_FMT "\r\nFrom: " SLICE_FMT "\r\nTo: " SLICE_FMT
		"%s%s\r\nCall-ID: " SLICE_FMT "\r\nCSeq: %u " SLICE_FMT
		"\r\nContent-Length: 0\r\n\r\n",
		status, SLICE_ARG(m->via.value), SLICE_ARG(m->from.value), SLICE_ARG(m->to.value),
		*tag ? ";tag=" : "", tag, SLICE_ARG(m->call_id), m->cseq,
		SLICE_ARG(m->method_name));
}

static void invite_is_repeated_until_a_provisional_comes(void **state)
{
	struct harness *h = *state;

	start(h, invite_text);
	assert_true(peer_receive(h, 3 * T1_MS));
	assert_true(peer_receive(h, 4 * T1_MS));
	assert_string_equal(peer_line(h), "INVITE sip:b@127.0.0.1 SIP/2.0");
	answer(h, 180, "t");
	harness_run(h, 2);
	assert_int_equal(harness_count(h, "response 180"), 1);
	assert_false(peer_receive(h, 12 * T1_MS));
}

static void invite_without_answer_fails_with_408(void **state)
{
	struct harness *h = *state;

	start(h, invite_text);
	harness_run(h, 66 * T1_MS);
	assert_int_equal(harness_count(h, "failed 408"), 1);
	assert_int_equal(harness_count(h, "closed"), 1);
	assert_int_equal(stack_n_transactions(h->stack), 0);
}

static void refusal_is_acknowledged_each_time_and_told_once(void **state)
{
	struct harness *h = *state;
	char branch[64];

	start(h, invite_text);
	snprintf(branch, sizeof(branch), SLICE_FMT, SLICE_ARG(h->message.via.branch));
	for (int i = 0; i < 2; i++) {
		answer(h, 486, "busy");
		assert_true(peer_receive(h, 50));
		assert_string_equal(peer_line(h), "ACK sip:b@127.0.0.1 SIP/2.0");
		assert_true(slice_equal(h->message.via.branch, slice_of(branch)));
		assert_true(slice_equal(h->message.to_tag, SLICE("busy")));
		assert_int_equal(h->message.cseq, 7);
		assert_true(slice_equal(
			message_value(&h->message, HEADER_ROUTE), SLICE("<sip:127.0.0.1;lr>")));
		// the answer() of the next round answers the INVITE again
		h->message.method_name = SLICE("INVITE");
		h->message.to.value = SLICE("<sip:b@example.com>");
	}
	assert_int_equal(harness_count(h, "response 486"), 1);
	harness_run(h, TIMER_D_MS + 20);
	assert_int_equal(harness_count(h, "closed"), 1);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, harness_setup, harness_teardown)
	const struct CMUnitTest tests[] = {
		CASE(invite_is_repeated_until_a_provisional_comes),
		CASE(invite_without_answer_fails_with_408),
		CASE(refusal_is_acknowledged_each_time_and_told_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
