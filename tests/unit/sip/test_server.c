// The server transaction machines and what the stack answers on its own.
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

#define BRANCH "z9hG4bKpeer"

static void expect(struct harness *h, const char *line)
{
	if (!peer_receive(h, 60))
		fail_msg("silence instead of \"%s\"", line);
	assert_string_equal(peer_line(h), line);
}

static void expect_silence(struct harness *h, unsigned int ms)
{
	if (peer_receive(h, ms))
		fail_msg("\"%s\" instead of silence", peer_line(h));
}

static void request(struct harness *h, const char *method)
{
	peer_request(h, method, BRANCH, "", "");
	harness_run(h, 2);
}

static void slow_tu_makes_the_stack_say_100(void **state)
{
	struct harness *h = *state;

	peer_request(h, "INVITE", BRANCH, "", "Timestamp: 54.3\r\n");
	expect(h, "SIP/2.0 100 Trying");
	assert_null(h->message.to_tag.p);
	assert_slice(message_value(&h->message, HEADER_TIMESTAMP), "54.3");
	expect_silence(h, 3 * TRYING_MS);
	request(h, "INVITE");
	expect(h, "SIP/2.0 100 Trying");
	assert_int_equal(harness_count(h, "request INVITE"), 1);
}

static void ring(struct harness *, struct transaction *t)
{
	assert_int_equal(transaction_reply(t, 180), 0);
}

static void quick_tu_needs_no_100(void **state)
{
	struct harness *h = *state;

	h->on_request = ring;
	request(h, "INVITE");
	expect(h, "SIP/2.0 180 Ringing");
	assert_int_equal(h->message.to_tag.n, 16);
	expect_silence(h, 3 * TRYING_MS);
	request(h, "INVITE");
	expect(h, "SIP/2.0 180 Ringing");
}

static void busy(struct harness *, struct transaction *t)
{
	assert_int_equal(transaction_reply(t, 486), 0);
	assert_int_equal(transaction_reply(t, 200), -EALREADY);
	assert_int_equal(transaction_reply(t, 180), -EALREADY);
}

static void refusal_is_repeated_until_its_ack(void **state)
{
	struct harness *h = *state;

	h->on_request = busy;
	request(h, "INVITE");
	expect(h, "SIP/2.0 486 Busy Here");
	expect(h, "SIP/2.0 486 Busy Here");
	expect(h, "SIP/2.0 486 Busy Here");
	peer_request(h, "ACK", BRANCH, "x", "");
	harness_run(h, 2);
	while (peer_receive(h, 1))
		;
	peer_request(h, "ACK", BRANCH, "x", "");
	expect_silence(h, 10 * T1_MS);
	assert_int_equal(harness_count(h, "ack"), 0);
	harness_run(h, T4_MS);
	assert_int_equal(harness_count(h, "closed"), 1);
	assert_int_equal(harness_count(h, "failed 408"), 0);
}

static void ask_and_forget(struct harness *, struct transaction *t)
{
	transaction_reply(t, 407);
	transaction_forget(t);
}

static void forgotten_refusal_costs_nothing_and_comes_again(void **state)
{
	struct harness *h = *state;

	h->on_request = ask_and_forget;
	for (unsigned int i = 1; i <= 3; i++) {
		request(h, i < 3 ? "INVITE" : "REGISTER");
		expect(h, "SIP/2.0 407 Proxy Authentication Required");
		harness_run(h, 2);
		assert_int_equal(stack_n_transactions(h->stack), 0);
		assert_int_equal(harness_count(h, "closed"), i);
	}
	expect_silence(h, 5 * T1_MS);
	peer_request(h, "ACK", BRANCH, "x", "");
	harness_run(h, 2);
	assert_int_equal(harness_count(h, "failed 408"), 0);
}

static void refusal_without_ack_fails_with_408(void **state)
{
	struct harness *h = *state;

	h->on_request = busy;
	request(h, "INVITE");
	harness_until(h, "failed 408", 1);
	assert_int_equal(stack_n_transactions(h->stack), 0);
}

static void pick_up(struct harness *, struct transaction *t)
{
	assert_int_equal(transaction_reply(t, 200), 0);
	assert_int_equal(transaction_reply(t, 486), -EALREADY);
}

static void answered_invite_absorbs_its_retransmissions(void **state)
{
	struct harness *h = *state;

	h->on_request = pick_up;
	request(h, "INVITE");
	expect(h, "SIP/2.0 200 OK");
	request(h, "INVITE");
	expect_silence(h, 3 * T1_MS); // repeating a 2xx is the TU's: retransmit.h
	assert_int_equal(harness_count(h, "request INVITE"), 1);
	assert_int_equal(transaction_reply(h->server, 200), 0);
	expect(h, "SIP/2.0 200 OK");
	peer_request(h, "ACK", BRANCH, "x", ""); // some peers use the INVITE's branch
	peer_request(h, "ACK", BRANCH "2", "x", "");
	harness_run(h, 5);
	assert_int_equal(harness_count(h, "ack"), 2);
	harness_until(h, "closed", 1);
}

static void cancel_is_answered_and_told(void **state)
{
	struct harness *h = *state;
	char tag[32];

	h->on_request = ring;
	request(h, "INVITE");
	expect(h, "SIP/2.0 180 Ringing");
	snprintf(tag, sizeof(tag), SLICE_FMT, SLICE_ARG(h->message.to_tag));
	request(h, "CANCEL");
	expect(h, "SIP/2.0 200 OK");
	assert_int_equal(h->message.method, METHOD_CANCEL);
	assert_slice(h->message.to_tag, tag);
	assert_int_equal(harness_count(h, "cancel"), 1);
	request(h, "CANCEL");
	expect(h, "SIP/2.0 200 OK"); // a retransmission: answered again, told once
	assert_int_equal(harness_count(h, "cancel"), 1);
	transaction_reply(h->server, 487);
	expect(h, "SIP/2.0 487 Request Terminated");
	assert_int_equal(h->message.method, METHOD_INVITE);
}

static void late_cancel_changes_nothing(void **state)
{
	struct harness *h = *state;

	h->on_request = pick_up;
	request(h, "INVITE");
	expect(h, "SIP/2.0 200 OK");
	request(h, "CANCEL");
	expect(h, "SIP/2.0 200 OK");
	assert_int_equal(h->message.method, METHOD_CANCEL);
	assert_int_equal(harness_count(h, "cancel"), 0);
}

static void cancel_of_nothing_is_481(void **state)
{
	struct harness *h = *state;

	request(h, "CANCEL");
	expect(h, "SIP/2.0 481 Call/Transaction Does Not Exist");
	assert_int_equal(h->n_seen, 0);
}

static void merged_request_is_482(void **state)
{
	struct harness *h = *state;

	h->on_request = ring;
	request(h, "INVITE");
	expect(h, "SIP/2.0 180 Ringing");
	peer_request(h, "INVITE", BRANCH "-other-way", "", "");
	expect(h, "SIP/2.0 482 Loop Detected");
	peer_request(h, "INVITE", BRANCH "-in-dialog", "tag", "");
	expect(h, "SIP/2.0 180 Ringing");
	assert_int_equal(harness_count(h, "request INVITE"), 2);
}

// A branch without the cookie, none at all, and the cookie alone (RFC 4475 badbranch).
static void peers_of_rfc2543_are_matched(void **state)
{
	static const char *const branches[] = {"1", "z9hG4bK"};
	struct harness *h = *state;

	h->on_request = busy;
	for (unsigned int i = 0; i < 2; i++) {
		peer_request(h, "INVITE", branches[i], "", i ? "X: y\r\n" : "");
		expect(h, "SIP/2.0 486 Busy Here");
		peer_request(h, "INVITE", branches[i], "", "");
		expect(h, "SIP/2.0 486 Busy Here");
		peer_request(h, "ACK", branches[i], "t", "");
		harness_until(h, "closed", i + 1);
		while (peer_receive(h, 1))
			;
		assert_int_equal(harness_count(h, "request INVITE"), i + 1);
	}
	assert_int_equal(harness_count(h, "ack"), 0);
}

static void request_is_absorbed_until_answered_and_then_answered_again(void **state)
{
	struct harness *h = *state;

	request(h, "OPTIONS");
	request(h, "OPTIONS");
	expect_silence(h, 2 * T1_MS);
	assert_int_equal(harness_count(h, "request OPTIONS"), 1);
	transaction_reply(h->server, 200);
	expect(h, "SIP/2.0 200 OK");
	request(h, "OPTIONS");
	expect(h, "SIP/2.0 200 OK");
	harness_until(h, "closed", 1);
}

// RFC 4320.
static void slow_request_gets_a_late_100_and_never_a_408(void **state)
{
	struct harness *h = *state;

	request(h, "OPTIONS");
	expect_silence(h, 3 * T1_MS);
	assert_true(peer_receive(h, 20 * T1_MS));
	assert_string_equal(peer_line(h), "SIP/2.0 100 Trying");
	assert_non_null(h->server);
	assert_int_equal(transaction_reply(h->server, 408), 0);
	expect_silence(h, 2 * T1_MS);
	harness_until(h, "closed", 1);
	assert_int_equal(stack_n_transactions(h->stack), 0);
}

static void extension_methods_are_told_apart(void **state)
{
	struct harness *h = *state;

	request(h, "FOO");
	request(h, "BAR");
	request(h, "FOO");
	assert_int_equal(harness_count(h, "request FOO"), 1);
	assert_int_equal(harness_count(h, "request BAR"), 1);
}

static void malformed_request_is_answered_with_what_it_has(void **state)
{
	struct harness *h = *state;

	peer_send(h, "OPTIONS sip:us@127.0.0.1 SIP/2.0\r\n"
		     "Via: SIP/2.0/UDP 127.0.0.1;branch=" BRANCH ";rport\r\n"
		     "From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: x\r\n"
		     "CSeq: 1 INVITE\r\n\r\n");
	expect(h, "SIP/2.0 400 Bad CSeq");
	assert_slice(h->message.call_id, "x");
	assert_int_equal(h->message.to_tag.n, 16);
	assert_int_equal(h->message.via.rport, sip_address_port(&h->to_peer.remote));
	assert_int_equal(h->n_seen, 0);
}

static void malformed_ack_and_garbage_are_dropped(void **state)
{
	struct harness *h = *state;
	const struct stack_counters *counters = stack_counters(h->stack);

	peer_send(h, "ACK sip:us@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1\r\n\r\n");
	peer_send(h, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	peer_send(h, "SIP/2.0 4294967301 x\r\nVia: SIP/2.0/UDP 127.0.0.1\r\n\r\n");
	expect_silence(h, 10);
	assert_int_equal(counters->malformed_dropped, 3);
	assert_int_equal(counters->malformed_answered, 0);
}

static void refused_source_hears_nothing(void **state)
{
	struct harness *h = *state;

	h->refuse_all = true;
	request(h, "INVITE");
	peer_send(h, "OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1\r\n\r\n");
	expect_silence(h, 10);
	assert_int_equal(h->n_seen, 0);
	assert_int_equal(transport_counters(stack_transport(h->stack))->refused, 2);
}

// 18.2.2: without rport to the port of Via; a claimed received or maddr does not divert it.
static void response_goes_to_the_source(void **state)
{
	struct harness *h = *state;

	h->on_request = busy;
	peer_send(h,
		"OPTIONS sip:us@127.0.0.1 SIP/2.0\r\n"
		"Via: SIP/2.0/UDP nat.example.com:%u;received=192.0.2.66;branch=" BRANCH
		";maddr=192.0.2.77, SIP/2.0/UDP 192.0.2.4;branch=z9hG4bK4\r\n"
		"Via: SIP/2.0/UDP 192.0.2.5;branch=z9hG4bK5\r\n"
		"From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: x\r\n"
		"CSeq: 1 OPTIONS\r\n\r\n",
		sip_address_port(&h->to_peer.remote));
	expect(h, "SIP/2.0 486 Busy Here");
	assert_slice(h->message.via.received, "127.0.0.1");
	assert_slice(h->message.via.maddr, "192.0.2.77");
	assert_slice(h->message.headers[1].value, "SIP/2.0/UDP 192.0.2.5;branch=z9hG4bK5");
	assert_non_null(
		memmem(h->text, h->size, ", SIP/2.0/UDP 192.0.2.4;branch=z9hG4bK4\r\n", 41));
}

static void record_routes_come_back_in_what_makes_a_dialog(void **state)
{
	struct harness *h = *state;
	struct message_values it;
	struct slice value;

	h->on_request = ring;
	peer_request(h, "INVITE", BRANCH, "",
		"Record-Route: <sip:1;lr>, <sip:2;lr>\r\nRecord-Route: <sip:3>\r\n");
	expect(h, "SIP/2.0 180 Ringing");
	it = message_values(&h->message, HEADER_RECORD_ROUTE);
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(message_values_next(&it, &value), 1);
	assert_slice(value, "<sip:3>");
	transaction_reply(h->server, 404);
	expect(h, "SIP/2.0 404 Not Found");
	assert_null(message_header(&h->message, HEADER_RECORD_ROUTE));
}

static void very_long_header_fields_are_answered(void **state)
{
	enum { LONG = 20000 };
	struct harness *h = *state;
	char *extra = malloc(2 * LONG);

	h->on_request = busy;
	memset(extra, 'r', 2 * LONG);
	memcpy(extra, "Via: SIP/2.0/UDP ", 17);
	strcpy(extra + LONG, "\r\n");
	memset(extra + 17 + 200, ';', 1);
	peer_request(h, "INVITE", BRANCH, "", extra);
	expect(h, "SIP/2.0 486 Busy Here");
	assert_true(h->size > LONG);
	free(extra);
}

static void lost_response_is_told_and_the_transaction_stays(void **state)
{
	struct harness *h = *state;

	request(h, "INVITE");
	while (peer_receive(h, 3 * TRYING_MS))
		;
	close(h->peer);
	h->peer = -1;
	transaction_reply(h->server, 180);
	harness_run(h, 5);
	assert_int_equal(harness_count(h, "failed 503"), 1);
	assert_int_equal(stack_n_transactions(h->stack), 1);
}

static void destroyed_stack_closes_its_transactions(void **state)
{
	struct harness *h = *state;

	request(h, "INVITE");
	request(h, "OPTIONS");
	stack_destroy(h->stack);
	h->stack = NULL;
	assert_int_equal(harness_count(h, "closed"), 2);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, harness_setup, harness_teardown)
	const struct CMUnitTest tests[] = {
		CASE(slow_tu_makes_the_stack_say_100),
		CASE(quick_tu_needs_no_100),
		CASE(refusal_is_repeated_until_its_ack),
		CASE(forgotten_refusal_costs_nothing_and_comes_again),
		CASE(refusal_without_ack_fails_with_408),
		CASE(answered_invite_absorbs_its_retransmissions),
		CASE(cancel_is_answered_and_told),
		CASE(late_cancel_changes_nothing),
		CASE(cancel_of_nothing_is_481),
		CASE(merged_request_is_482),
		CASE(peers_of_rfc2543_are_matched),
		CASE(request_is_absorbed_until_answered_and_then_answered_again),
		CASE(slow_request_gets_a_late_100_and_never_a_408),
		CASE(extension_methods_are_told_apart),
		CASE(malformed_request_is_answered_with_what_it_has),
		CASE(malformed_ack_and_garbage_are_dropped),
		CASE(refused_source_hears_nothing),
		CASE(response_goes_to_the_source),
		CASE(record_routes_come_back_in_what_makes_a_dialog),
		CASE(very_long_header_fields_are_answered),
		CASE(lost_response_is_told_and_the_transaction_stays),
		CASE(destroyed_stack_closes_its_transactions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
