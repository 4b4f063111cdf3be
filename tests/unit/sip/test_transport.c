// UDP on loopback: batches, sizes, what is no SIP, IPv6, ICMP; and what a UAS must refuse, asked
// over the wire.
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

static const struct transport_counters *counters(const struct harness *h)
{
	return transport_counters(stack_transport(h->stack));
}

static void keepalives_and_junk_are_ignored(void **state)
{
	static const char *const junk[] = {
		"\r\n\r\n", "\r\n", "\x01", "\x80\x11\x22", "\xff\xfe", "{}", " x"};
	struct harness *h = *state;

	for (size_t i = 0; i < sizeof(junk) / sizeof(junk[0]); i++)
		peer_send(h, "%s", junk[i]);
	assert_false(peer_receive(h, 5));
	assert_int_equal(counters(h)->keepalives, 7);
	assert_int_equal(counters(h)->received, 0);
}

static void leading_line_ends_are_skipped(void **state)
{
	struct harness *h = *state;

	peer_send(h, "\r\n\r\nOPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;rport\r\n"
		     "From: <sip:a>;tag=1\r\nTo: <sip:b>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n\r\n");
	harness_run(h, 2);
	assert_int_equal(harness_count(h, "request OPTIONS"), 1);
}

static void empty_datagram_is_ignored(void **state)
{
	struct harness *h = *state;
	const struct sip_address *to = listener_address(h->listener);

	assert_int_equal(sendto(h->peer, "", 0, 0, &to->any, sip_address_length(to)), 0);
	assert_false(peer_receive(h, 5));
	assert_int_equal(counters(h)->received, 0);
}

static void answer_ok(struct harness *, struct transaction *t)
{
	transaction_reply(t, 200);
}

static void burst_is_answered_in_order(void **state)
{
	struct harness *h = *state;
	char extra[64];

	h->on_request = answer_ok;
	for (int i = 0; i < 100; i++) {
		snprintf(extra, sizeof(extra), "z9hG4bK%d", i);
		peer_request(h, "INFO", extra, "tag", "");
	}
	for (int i = 0; i < 100; i++) {
		assert_true(peer_receive(h, 50));
		snprintf(extra, sizeof(extra), "z9hG4bK%d", i);
		assert_slice(h->message.via.branch, extra);
	}
	assert_int_equal(counters(h)->received, 100);
	assert_int_equal(counters(h)->sent, 100);
}

static void echo_body(struct harness *h, struct transaction *t)
{
	struct builder b;

	builder_init(&b, h->text, sizeof(h->text));
	response_begin(&b, t, 200, (struct slice){0}, (struct slice){0});
	builder_body(&b, SLICE("text/plain"), transaction_request(t)->body);
	assert_int_equal(transaction_respond(t, builder_finish(&b)), 0);
}

static void largest_datagram_goes_both_ways(void **state)
{
	enum { BODY = 65507 - 400 };
	struct harness *h = *state;
	char *body = malloc(BODY + 1);

	memset(body, 'x', BODY);
	body[BODY] = '\0';
	h->on_request = echo_body;
	peer_send(h,
		"MESSAGE sip:x SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;rport\r\n"
		"From: <sip:a>;tag=1\r\nTo: <sip:b>\r\nCall-ID: x\r\nCSeq: 1 MESSAGE\r\n"
		"Content-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s",
		BODY, body);
	assert_true(peer_receive(h, 100));
	assert_int_equal(h->message.body.n, BODY);
	assert_memory_equal(h->message.body.p, body, BODY);
	free(body);
}

static void too_large_a_message_is_not_sent(void **state)
{
	struct harness *h = *state;
	char *text = calloc(1, 70000);

	assert_int_equal(transport_send(&h->to_peer, (struct slice){text, 65536}), -EMSGSIZE);
	assert_int_equal(transport_send(&h->to_peer, (struct slice){0}), -EMSGSIZE);
	free(text);
}

static void more_than_the_queue_is_sent_in_order(void **state)
{
	struct harness *h = *state;
	char text[16];

	for (int i = 0; i < 200; i++) {
		snprintf(text, sizeof(text), "%d", i);
		assert_int_equal(transport_send(&h->to_peer, slice_of(text)), 0);
	}
	harness_run(h, 2);
	for (int i = 0; i < 200; i++) {
		ssize_t n = recv(h->peer, h->text, sizeof(h->text), MSG_DONTWAIT);

		assert_true(n > 0);
		assert_int_equal(strtol((h->text[n] = '\0', h->text), NULL, 10), i);
	}
}

static void listeners_are_found_by_address_and_family(void **state)
{
	struct harness *h = *state;
	struct transport *transport = stack_transport(h->stack);
	struct sip_address address, remote;
	struct listener *v6;

	sip_address_parse(SLICE("::1"), 0, &address);
	v6 = listener_open(transport, TRANSPORT_UDP, &address, SLICE("sip.example.com:5060"));
	if (!v6) {
		print_message("skipped: no IPv6 here: %s\n", strerror(errno));
		skip();
	}
	assert_slice(listener_sent_by(v6), "sip.example.com:5060");
	assert_ptr_equal(listener_find(transport, TRANSPORT_UDP, listener_address(v6)), v6);
	sip_address_parse(SLICE("2001:db8::1"), 5060, &remote);
	assert_ptr_equal(listener_for(transport, TRANSPORT_UDP, &remote), v6);
	assert_ptr_equal(listener_for(transport, TRANSPORT_UDP, &h->to_peer.remote), h->listener);
	assert_null(listener_find(transport, TRANSPORT_UDP, &remote));
	assert_null(listener_for(transport, TRANSPORT_TCP, &remote));
}

static void taken_address_is_an_error(void **state)
{
	struct harness *h = *state;

	assert_null(listener_open(stack_transport(h->stack), TRANSPORT_UDP,
		listener_address(h->listener), (struct slice){0}));
	assert_int_equal(errno, EADDRINUSE);
}

static void wildcard_address_needs_a_name(void **state)
{
	struct harness *h = *state;
	struct sip_address any;

	sip_address_parse(SLICE("0.0.0.0"), 0, &any);
	assert_null(
		listener_open(stack_transport(h->stack), TRANSPORT_UDP, &any, (struct slice){0}));
	assert_int_equal(errno, EINVAL);
	assert_non_null(listener_open(
		stack_transport(h->stack), TRANSPORT_UDP, &any, SLICE("gw.example.com")));
}

static void ipv6_peers_are_answered(void **state)
{
	static const char text[] =
		"OPTIONS sip:x@[::1] SIP/2.0\r\nVia: SIP/2.0/UDP [::1]:9;rport\r\n"
		"From: <sip:a>;tag=1\r\nTo: <sip:b>\r\nCall-ID: x\r\n"
		"CSeq: 1 OPTIONS\r\n\r\n";
	struct harness *h = *state;
	struct sip_address local, source;
	struct listener *listener;
	socklen_t length = sizeof(source);

	sip_address_parse(SLICE("::1"), 0, &local);
	listener =
		listener_open(stack_transport(h->stack), TRANSPORT_UDP, &local, (struct slice){0});
	if (!listener) {
		print_message("skipped: no IPv6 here: %s\n", strerror(errno));
		skip();
	}
	h->on_request = answer_ok;
	close(h->peer);
	h->peer = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(h->peer, &local.any, sip_address_length(&local)), 0);
	getsockname(h->peer, &source.any, &length);
	local = *listener_address(listener);
	sendto(h->peer, text, sizeof(text) - 1, 0, &local.any, sip_address_length(&local));
	assert_true(peer_receive(h, 50));
	assert_string_equal(peer_line(h), "SIP/2.0 200 OK");
	assert_slice(h->message.via.received, "::1");
	assert_int_equal(h->message.via.rport, sip_address_port(&source));
}

// ---- what a UAS refuses (8.2)

static const struct request_rules rules = {.allowed = SLICE("OPTIONS, INVITE, MESSAGE"),
	.supported = SLICE("timer, 100rel"),
	.accepted = SLICE("application/sdp, multipart/mixed"),
	.max_body = 10,
	.forwards = true};

static void refuse(struct harness *, struct transaction *t)
{
	if (!transaction_refuse(t, &rules))
		transaction_reply(t, 200);
}

static void uas_refuses_in_the_order_of_the_rfc(void **state)
{
	static const struct {
		const char *method, *uri, *extra, *body;
		unsigned int status;
		enum header_id id;
		const char *value;
	} cases[] = {
		{"OPTIONS", "sip:x", "", "", 200, HEADER_VIA, NULL},
		{"PUBLISH", "soap.beep:x", "Require: foo\r\n", "", 405, HEADER_ALLOW,
			"OPTIONS, INVITE, MESSAGE"},
		{"options", "sip:x", "", "", 501, HEADER_ALLOW, "OPTIONS, INVITE, MESSAGE"},
		{"OPTIONS", "soap.beep:x", "Require: foo\r\n", "", 416, HEADER_VIA, NULL},
		{"OPTIONS", "sip:x", "Max-Forwards: 0\r\n", "", 483, HEADER_VIA, NULL},
		{"OPTIONS", "sip:x", "Max-Forwards: 1\r\n", "", 200, HEADER_VIA, NULL},
		{"OPTIONS", "sip:x", "Require: timer, foo\r\nRequire: 100REL,bar\r\n", "", 420,
			HEADER_UNSUPPORTED, "foo, bar"},
		{"OPTIONS", "sip:x", "Require: timer\r\n", "", 200, HEADER_VIA, NULL},
		{"MESSAGE", "sip:x", "Content-Type: text/plain\r\n", "hi", 415, HEADER_ACCEPT,
			"application/sdp, multipart/mixed"},
		{"MESSAGE", "sip:x", "c: APPLICATION / sdp;x=y\r\n", "hi", 200, HEADER_VIA, NULL},
		{"MESSAGE", "sip:x", "Content-Type: text/plain\r\n", "", 200, HEADER_VIA, NULL},
		{"MESSAGE", "sip:x", "", "hi", 400, HEADER_VIA, NULL},
		{"MESSAGE", "sip:x",
			"Content-Type: text/plain\r\n"
			"Content-Disposition: render;handling=optional\r\n",
			"hi", 200, HEADER_VIA, NULL},
		{"MESSAGE", "sip:x", "c: text/plain\r\n", "0123456789a", 413, HEADER_VIA, NULL},
		{"MESSAGE", "sip:x", "c: application/sdp\r\n", "0123456789", 200, HEADER_VIA, NULL},
		{"MESSAGE", "sip:x", "c: application/sdp\r\ne: gzip\r\n", "hi", 415,
			HEADER_ACCEPT_ENCODING, "identity"},
	};
	struct harness *h = *state;

	h->on_request = refuse;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		peer_send(h,
			"%s %s SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK%zu\r\n"
			"From: <sip:a>;tag=1\r\nTo: <sip:b>\r\nCall-ID: %zu\r\nCSeq: 1 %s\r\n"
			"%s\r\n%s",
			cases[i].method, cases[i].uri, i, i, cases[i].method, cases[i].extra,
			cases[i].body);
		assert_true(peer_receive(h, 50));
		if (h->message.status != cases[i].status)
			fail_msg("case %zu: %s", i, peer_line(h));
		if (cases[i].value)
			assert_slice(message_value(&h->message, cases[i].id), cases[i].value);
	}
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, harness_setup, harness_teardown)
	const struct CMUnitTest tests[] = {
		CASE(keepalives_and_junk_are_ignored),
		CASE(leading_line_ends_are_skipped),
		CASE(empty_datagram_is_ignored),
		CASE(burst_is_answered_in_order),
		CASE(largest_datagram_goes_both_ways),
		CASE(too_large_a_message_is_not_sent),
		CASE(more_than_the_queue_is_sent_in_order),
		CASE(listeners_are_found_by_address_and_family),
		CASE(taken_address_is_an_error),
		CASE(wildcard_address_needs_a_name),
		CASE(ipv6_peers_are_answered),
		CASE(uas_refuses_in_the_order_of_the_rfc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
