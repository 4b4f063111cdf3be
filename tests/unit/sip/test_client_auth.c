// How client transactions answer 401 and 407, seen from the wire and from the TU.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "dialog.h"
#include "digest_server.h"
#include "harness.h"

static const struct digest_keys alice = {.user = "alice", .password = "secret"};

static struct transaction *start(struct harness *h, const char *method)
{
	char text[1024];
	struct transaction *t;

	snprintf(text, sizeof(text),
		"%s sip:b@127.0.0.1 SIP/2.0\r\nMax-Forwards: 70\r\n"
		"From: <sip:a@example.com>;tag=a1\r\nTo: <sip:b@example.com>\r\nCall-ID: c1\r\n"
		"CSeq: 7 %s\r\nContact: <sip:a@127.0.0.1>\r\nContent-Type: text/plain\r\n"
		"Content-Length: 4\r\n\r\nbody",
		method, method);
	while (peer_receive(h, 1)) // repetitions of what went before
		;
	t = transaction_start(h->stack, &h->to_peer, slice_of(text), h);
	assert_non_null(t);
	assert_true(peer_receive(h, 100));
	return t;
}

// The peer gets such a request; repetitions of others do not count.
static bool awaits(struct harness *h, enum method method, uint32_t cseq)
{
	while (peer_receive(h, 500))
		if (h->message.method == method && h->message.cseq == cseq)
			return true;
	return false;
}

// Nothing but what may have been on its way comes any more.
static void assert_silence(struct harness *h)
{
	while (peer_receive(h, 1))
		;
	assert_false(peer_receive(h, 5 * T1_MS));
}

#define WWW   "WWW-Authenticate: Digest realm=\"r\", nonce=\"n1\", qop=\"auth\", algorithm=MD5\r\n"
#define WWW2  "WWW-Authenticate: Digest realm=\"r\", nonce=\"n2\", qop=\"auth\", algorithm=MD5\r\n"
#define STALE "WWW-Authenticate: Digest realm=\"r\", nonce=\"n3\", qop=\"auth\", stale=true\r\n"
#define PROXY "Proxy-Authenticate: Digest realm=\"p\", nonce=\"n4\", opaque=\"o\"\r\n"

// What the peer got last proves that its sender knows the secret.
static struct digest_credentials credentials_in(
	const struct harness *h, enum header_id id, const char *realm, const char *nonce)
{
	const struct sip_header *header = message_header(&h->message, id);
	char ha1[DIGEST_HEX_SIZE], response[DIGEST_HEX_SIZE], expected[DIGEST_HEX_SIZE + 1];
	struct digest_credentials c;
	int n;

	for (; header; header = message_header_next(&h->message, header)) {
		assert_int_equal(digest_credentials_parse(header->value, &c), 0);
		if (slice_equal(c.realm, slice_of(realm)))
			break;
	}
	assert_non_null(header);
	assert_slice(c.username, "alice");
	assert_slice(c.nonce, nonce);
	assert_slice(c.uri, "sip:b@127.0.0.1");
	n = digest_ha1(c.algorithm, c.username, c.realm, SLICE("secret"), ha1);
	n = digest_response(&c, (struct slice){ha1, (size_t)n}, h->message.method_name, response);
	snprintf(expected, sizeof(expected), "%.*s", n, response);
	assert_slice(c.response, expected);
	return c;
}

static void request_is_repeated_with_credentials(void **state)
{
	struct harness *h = *state;
	char branch[64];

	h->keys = &alice;
	start(h, "OPTIONS");
	snprintf(branch, sizeof(branch), SLICE_FMT, SLICE_ARG(h->message.via.branch));
	peer_answer_with(h, 401, "t", WWW);
	assert_true(awaits(h, METHOD_OPTIONS, 8));
	assert_int_equal(credentials_in(h, HEADER_AUTHORIZATION, "r", "n1").nc, 1);
	assert_int_equal(h->message.cseq, 8);
	assert_false(slice_equal(h->message.via.branch, slice_of(branch)));
	assert_slice(h->message.body, "body");
	assert_slice(message_value(&h->message, HEADER_CONTENT_TYPE), "text/plain");
	assert_false(h->message.to_tag.p);
	peer_answer(h, 200, "t");
	harness_until(h, "response 200", 1);
	assert_int_equal(harness_count(h, "response 401"), 0);
	harness_until(h, "closed", 1);
	assert_int_equal(stack_n_transactions(h->stack), 0);
}

static void refused_invite_is_acknowledged_whenever_it_is_repeated(void **state)
{
	struct harness *h = *state;
	struct sip_message first;
	char text[4096];

	h->keys = &alice;
	start(h, "INVITE");
	memcpy(text, h->text, sizeof(text));
	first = h->message;
	peer_answer_with(h, 407, "t", PROXY);
	assert_true(awaits(h, METHOD_ACK, 7));
	assert_slice(h->message.to_tag, "t");
	assert_true(awaits(h, METHOD_INVITE, 8));
	assert_false(credentials_in(h, HEADER_PROXY_AUTHORIZATION, "p", "n4").has_qop);
	assert_non_null(strstr(h->text, "opaque=\"o\""));
	peer_answer(h, 100, "");
	harness_until(h, "response 100", 1);
	while (peer_receive(h, 1)) // repetitions of the INVITE
		;
	memcpy(h->text, text, sizeof(text)); // which it points into
	h->message = first;
	peer_answer_with(h, 407, "t", PROXY);
	assert_true(awaits(h, METHOD_ACK, 7));
	assert_int_equal(harness_count(h, "response 407"), 0);
}

static void second_refusal_is_told(void **state)
{
	struct harness *h = *state;

	h->keys = &alice;
	start(h, "OPTIONS");
	peer_answer_with(h, 401, "t", WWW);
	assert_true(awaits(h, METHOD_OPTIONS, 8));
	peer_answer_with(h, 401, "t", WWW2);
	harness_until(h, "response 401", 1);
	assert_silence(h);
}

static void stale_nonce_is_no_refusal(void **state)
{
	struct harness *h = *state;

	h->keys = &alice;
	start(h, "OPTIONS");
	peer_answer_with(h, 401, "t", WWW);
	assert_true(awaits(h, METHOD_OPTIONS, 8));
	peer_answer_with(h, 401, "t", STALE);
	assert_true(awaits(h, METHOD_OPTIONS, 9));
	credentials_in(h, HEADER_AUTHORIZATION, "r", "n3");
	assert_int_equal(h->message.cseq, 9);
	assert_null(message_header_next(
		&h->message, message_header(&h->message, HEADER_AUTHORIZATION)));
}

static void endless_staleness_ends(void **state)
{
	struct harness *h = *state;
	unsigned int n = 0;

	h->keys = &alice;
	start(h, "OPTIONS");
	do
		peer_answer_with(h, 401, "t", STALE);
	while (awaits(h, METHOD_OPTIONS, 8 + n) && ++n < 100);
	assert_int_equal(n, 4);
	harness_until(h, "response 401", 1);
}

static void proxy_and_far_end_may_both_ask(void **state)
{
	struct harness *h = *state;

	h->keys = &alice;
	start(h, "OPTIONS");
	peer_answer_with(h, 407, "t", PROXY);
	assert_true(awaits(h, METHOD_OPTIONS, 8));
	peer_answer_with(h, 401, "t", WWW);
	assert_true(awaits(h, METHOD_OPTIONS, 9));
	credentials_in(h, HEADER_PROXY_AUTHORIZATION, "p", "n4");
	credentials_in(h, HEADER_AUTHORIZATION, "r", "n1");
	assert_int_equal(h->message.cseq, 9);
}

static void strongest_challenge_is_answered(void **state)
{
	struct harness *h = *state;

	h->keys = &alice;
	start(h, "OPTIONS");
	peer_answer_with(h, 401, "t",
		WWW "WWW-Authenticate: Digest realm=\"r\", nonce=\"n9\", qop=\"auth\", "
		    "algorithm=SHA-256\r\n"
		    "WWW-Authenticate: Digest realm=\"r\", nonce=\"n8\", algorithm=SHA3\r\n");
	assert_true(awaits(h, METHOD_OPTIONS, 8));
	assert_int_equal(
		credentials_in(h, HEADER_AUTHORIZATION, "r", "n9").algorithm, DIGEST_SHA256);
	assert_null(message_header_next(
		&h->message, message_header(&h->message, HEADER_AUTHORIZATION)));
}

static void without_fitting_keys_the_refusal_is_told(void **state)
{
	const struct digest_keys elsewhere = {
		.user = "alice", .password = "secret", .realm = "other"};
	struct harness *h = *state;

	start(h, "OPTIONS");
	peer_answer_with(h, 401, "t", WWW);
	harness_until(h, "response 401", 1);
	h->keys = &elsewhere;
	start(h, "OPTIONS");
	peer_answer_with(h, 401, "t", WWW);
	harness_until(h, "response 401", 2);
	h->keys = &alice;
	start(h, "OPTIONS");
	peer_answer_with(h, 401, "t", "WWW-Authenticate: Basic realm=\"r\"\r\n");
	harness_until(h, "response 401", 3);
	assert_silence(h);
}

static void cancelled_invite_is_not_repeated(void **state)
{
	struct harness *h = *state;
	struct transaction *t;

	h->keys = &alice;
	t = start(h, "INVITE");
	assert_int_equal(transaction_cancel(t, (struct slice){0}), 0);
	peer_answer_with(h, 407, "t", PROXY);
	harness_until(h, "response 407", 1);
}

static void repeated_invite_can_be_cancelled(void **state)
{
	struct harness *h = *state;
	struct transaction *t;
	char branch[64];

	h->keys = &alice;
	t = start(h, "INVITE");
	peer_answer_with(h, 407, "t", PROXY);
	assert_true(awaits(h, METHOD_INVITE, 8));
	snprintf(branch, sizeof(branch), SLICE_FMT, SLICE_ARG(h->message.via.branch));
	peer_answer(h, 180, "t2");
	harness_until(h, "response 180", 1);
	assert_int_equal(transaction_cancel(t, (struct slice){0}), 0);
	assert_true(awaits(h, METHOD_CANCEL, 8));
	assert_slice(h->message.via.branch, branch);
	assert_int_equal(h->message.cseq, 8);
}

static void acknowledge(struct harness *h, struct transaction *t, const struct sip_message *m)
{
	const struct dialog_request request = {.call_id = SLICE("c1"),
		.local_tag = SLICE("a1"),
		.local_uri = SLICE("<sip:a@example.com>"),
		.remote_uri = SLICE("<sip:b@example.com>"),
		.contact = SLICE("<sip:a@127.0.0.1>"),
		.cseq = 7};
	struct dialog dialog;

	if (m->status != 200)
		return;
	assert_int_equal(dialog_init_uac(&dialog, &request, m), 0);
	assert_int_equal(dialog_credentials_take(&dialog, t), 0);
	assert_int_equal(dialog_ack(&dialog, h->stack, (struct slice){0}, (struct slice){0}), 0);
	dialog_fini(&dialog);
}

static void ack_of_a_2xx_has_the_credentials_and_the_number(void **state)
{
	struct harness *h = *state;

	h->keys = &alice;
	h->on_response = acknowledge;
	start(h, "INVITE");
	peer_answer_with(h, 407, "t", PROXY);
	assert_true(awaits(h, METHOD_INVITE, 8));
	peer_answer(h, 200, "t");
	assert_true(awaits(h, METHOD_ACK, 8));
	assert_string_equal(peer_line(h), "ACK sip:peer@127.0.0.1 SIP/2.0");
	assert_int_equal(h->message.cseq, 8);
	assert_non_null(message_header(&h->message, HEADER_PROXY_AUTHORIZATION));
}

#define test(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(request_is_repeated_with_credentials),
		test(refused_invite_is_acknowledged_whenever_it_is_repeated),
		test(second_refusal_is_told),
		test(stale_nonce_is_no_refusal),
		test(endless_staleness_ends),
		test(proxy_and_far_end_may_both_ask),
		test(strongest_challenge_is_answered),
		test(without_fitting_keys_the_refusal_is_told),
		test(cancelled_invite_is_not_repeated),
		test(repeated_invite_can_be_cancelled),
		test(ack_of_a_2xx_has_the_credentials_and_the_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
