// TCP on loopback: messages in pieces and in one, which connection an answer takes, what a far end
// that is slow, silent, wrong, many or gone does to us.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "tcp_harness.h"

// ---- streams

static void messages_may_be_split_and_joined(void **state)
{
	struct harness *h = *state;
	int fd = peer_connect(h);
	char three[4096] = "";
	const char *heard;

	h->on_request = answer_ok;
	for (const char *branch = "abc"; *branch; branch++)
		strcat(three, request("OPTIONS", 5060, (char[]){*branch, '\0'}));
	say(fd, three);
	heard = hear(h, fd, 5);
	assert_int_equal(occurrences(heard, "SIP/2.0 200 OK\r\n"), 3);
	assert_int_equal(occurrences(heard, "Via: SIP/2.0/TCP 127.0.0.1:5060;"), 3);
	for (const char *p = request("OPTIONS", 5060, "d"); *p; p++) {
		say(fd, (char[]){*p, '\0'});
		if ((uintptr_t)p % 64 == 0)
			harness_run(h, 1);
	}
	assert_int_equal(occurrences(hear(h, fd, 5), "SIP/2.0 200 OK\r\n"), 1);
	assert_int_equal(counters(h)->accepted, 1);
	assert_int_equal(counters(h)->received, 4);
	close(fd);
	harness_run(h, 3);
	assert_int_equal(counters(h)->connections, 0);
}

static void ping_is_answered_and_keeps_the_connection(void **state)
{
	struct harness *h = *state;
	int fd = peer_connect(h);

	for (int i = 0; i < 10; i++) {
		say(fd, "\r\n\r\n");
		assert_string_equal(hear(h, fd, IDLE_MS / 8), "\r\n");
	}
	say(fd, "\r\n");
	assert_string_equal(hear(h, fd, 5), "");
	assert_int_equal(counters(h)->timed_out, 0);
	assert_true(is_closed_within(h, fd, 2 * IDLE_MS));
	assert_int_equal(counters(h)->timed_out, 1);
	close(fd);
}

static void half_a_message_does_not_live_by_drops(void **state)
{
	struct harness *h = *state;
	int fd = peer_connect(h);
	bool closed = false;

	for (int i = 0; i < 2 * MESSAGE_MS && !closed; i++) {
		if (send(fd, i ? "x" : "O", 1, MSG_NOSIGNAL) < 0)
			break;
		closed = is_closed_within(h, fd, 1);
	}
	assert_true(closed);
	assert_int_equal(counters(h)->timed_out, 1);
	assert_int_equal(counters(h)->connections, 0);
	close(fd);
}

static void large_message_comes_whole(void **state)
{
	enum { SIZE = 60000 };
	struct harness *h = *state;
	int fd = peer_connect(h);
	char *text = malloc(SIZE + 1000);
	size_t n = (size_t)sprintf(text,
		"MESSAGE sip:x SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bKx\r\n"
		"From: <sip:a>;tag=1\r\nTo: <sip:b>\r\nCall-ID: x\r\nCSeq: 1 MESSAGE\r\n"
		"Content-Type: text/plain\r\nContent-Length: %d\r\n\r\n",
		SIZE);

	memset(text + n, 'x', SIZE);
	text[n + SIZE] = '\0';
	h->on_request = answer_ok;
	fcntl(fd, F_SETFL, O_NONBLOCK);
	for (size_t at = 0; at < n + SIZE;) {
		ssize_t sent = send(fd, text + at, n + SIZE - at, MSG_NOSIGNAL);

		at += sent > 0 ? (size_t)sent : 0;
		harness_run(h, 1);
	}
	assert_int_equal(occurrences(hear(h, fd, 5), "SIP/2.0 200 OK"), 1);
	free(text);
	close(fd);
}

static void stream_without_a_next_message_is_answered_and_closed(void **state)
{
	static const struct {
		const char *text, *answer;
	} cases[] = {
		{"OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK1\r\n"
		 "From: <sip:a>;tag=1\r\nTo: <sip:b>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n\r\n",
			"SIP/2.0 400 Content-Length Missing\r\n"},
		{"OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK2\r\n"
		 "From: <sip:a>;tag=1\r\nTo: <sip:b>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n"
		 "Content-Length: 99999999\r\n\r\n",
			"SIP/2.0 400 Content-Length Larger Than Message\r\n"},
		{"ACK sip:x SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK1\r\n"
		 "From: <sip:a>;tag=1\r\nTo: <sip:b>\r\nCall-ID: x\r\nCSeq: 1 ACK\r\n\r\n",
			""},
		{"SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK1\r\n\r\n", ""},
		{"GET / HTTP/1.0\r\n\r\n", ""},
		{"\x16\x03\x01", ""},
	};
	struct harness *h = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int fd = peer_connect(h);

		say(fd, cases[i].text);
		hear(h, fd, 5);
		assert_int_equal(strncmp(h->text, cases[i].answer, strlen(cases[i].answer)), 0);
		assert_true(*cases[i].answer || !*h->text);
		assert_true(is_closed_within(h, fd, 5));
		close(fd);
		harness_run(h, 3);
		assert_int_equal(counters(h)->connections, 0);
		assert_int_equal(counters(h)->framing_errors, i + 1);
	}
	assert_int_equal(harness_count(h, "request OPTIONS"), 0);
}

// ---- who may connect

static void refused_source_is_closed(void **state)
{
	struct harness *h = *state;
	int fd;

	h->refuse_all = true;
	fd = peer_connect(h);
	assert_true(is_closed_within(h, fd, 10));
	assert_int_equal(counters(h)->refused, 1);
	assert_int_equal(counters(h)->accepted, 0);
	close(fd);
}

static void connections_of_one_source_have_a_limit(void **state)
{
	struct harness *h = *state;
	int fds[12];

	for (unsigned int i = 0; i < 12; i++)
		fds[i] = peer_connect(h);
	harness_run(h, 2);
	assert_int_equal(counters(h)->connections, tcp_limits.per_source);
	assert_int_equal(counters(h)->connections_refused, 2);
	assert_true(is_closed_within(h, fds[11], 10));
	close(fds[0]);
	harness_run(h, 2);
	close(fds[11]);
	fds[11] = peer_connect(h);
	harness_run(h, 2);
	assert_int_equal(counters(h)->connections, tcp_limits.per_source);
	for (unsigned int i = 1; i < 12; i++)
		close(fds[i]);
}

static void ipv6_connections_are_answered(void **state)
{
	struct harness *h = *state;
	struct sip_address local;
	int fd;

	sip_address_parse(SLICE("::1"), 0, &local);
	h->listener =
		listener_open(stack_transport(h->stack), TRANSPORT_TCP, &local, (struct slice){0});
	if (!h->listener) {
		print_message("skipped: no IPv6 here: %s\n", strerror(errno));
		skip();
	}
	h->on_request = answer_ok;
	fd = peer_connect(h);
	say(fd, request("OPTIONS", 5060, "a"));
	assert_non_null(strstr(hear(h, fd, 5), ";received=::1\r\n"));
	close(fd);
}

// ---- which connection

static void answer_opens_a_connection_where_the_old_one_is_gone(void **state)
{
	struct harness *h = *state;
	int listening = peer_listen(h), fd = peer_connect(h);

	say(fd, request("OPTIONS", sip_address_port(&h->to_peer.remote), "a"));
	harness_run(h, 3);
	close(fd);
	harness_run(h, 3);
	assert_int_equal(counters(h)->connections, 0);
	assert_non_null(h->server);
	transaction_reply(h->server, 200);
	fd = peer_accept(h, listening);
	assert_int_equal(occurrences(hear(h, fd, 5), "SIP/2.0 200 OK"), 1);
	close(fd);
	close(listening);
}

static void requests_share_one_connection(void **state)
{
	struct harness *h = *state;
	int listening = peer_listen(h), fd;

	transaction_start(h->stack, &h->to_peer, slice_of(options_text), NULL);
	transaction_start(h->stack, &h->to_peer, slice_of(options_text), NULL);
	fd = peer_accept(h, listening);
	assert_int_equal(
		occurrences(hear(h, fd, 5), "OPTIONS sip:b SIP/2.0\r\nVia: SIP/2.0/TCP "), 2);
	transaction_start(h->stack, &h->to_peer, slice_of(options_text), NULL);
	assert_int_equal(occurrences(hear(h, fd, 5), "OPTIONS sip:b"), 1);
	assert_int_equal(counters(h)->connected, 1);
	assert_int_equal(accept(listening, NULL, NULL), -1);
	close(fd);
	harness_run(h, 3);
	transaction_start(h->stack, &h->to_peer, slice_of(options_text), NULL);
	fd = peer_accept(h, listening);
	assert_int_equal(occurrences(hear(h, fd, 5), "OPTIONS sip:b"), 1);
	close(fd);
	close(listening);
}

static void requests_go_back_over_the_callers_connection(void **state)
{
	struct harness *h = *state;
	int fd = peer_connect(h);
	struct flow flow;

	say(fd, request("OPTIONS", 5060, "a"));
	harness_run(h, 3);
	flow = *transaction_flow(h->server);
	transaction_start(h->stack, &flow, slice_of(options_text), NULL);
	assert_int_equal(occurrences(hear(h, fd, 5), "OPTIONS sip:b"), 1);
	assert_int_equal(counters(h)->connected, 0);
	close(fd);
}

// ---- trouble

static void refused_connection_fails_the_transactions(void **state)
{
	struct harness *h = *state;

	close(peer_listen(h));
	transaction_start(h->stack, &h->to_peer, slice_of(options_text), NULL);
	transaction_start(h->stack, &h->to_peer, slice_of(invite_text), NULL);
	assert_int_equal(harness_count(h, "failed 503"), 0); // never from within
	harness_run(h, 5);
	assert_int_equal(harness_count(h, "failed 503"), 2);
	assert_int_equal(counters(h)->connect_errors, 1);
	assert_int_equal(counters(h)->send_errors, 2);
	assert_int_equal(counters(h)->connections, 0);
	assert_int_equal(stack_n_transactions(h->stack), 0);
}

// From an address of loopback there is no way there; the kernel says so at once.
static void unreachable_far_end_fails_the_transaction(void **state)
{
	struct harness *h = *state;

	sip_address_parse(SLICE("192.0.2.1"), 5060, &h->to_peer.remote);
	transaction_start(h->stack, &h->to_peer, slice_of(options_text), NULL);
	assert_int_equal(harness_count(h, "failed 503"), 0);
	harness_run(h, 5);
	assert_int_equal(harness_count(h, "failed 503"), 1);
	assert_int_equal(counters(h)->connections, 0);
}

// A backlog of one that is full: the kernel lets further SYNs fall.
static void connection_that_is_not_accepted_fails_in_time(void **state)
{
	struct harness *h = *state;
	int listening = peer_listen(h), waiting[4];

	listen(listening, 0);
	for (int i = 0; i < 4; i++) {
		waiting[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		connect(waiting[i], &h->to_peer.remote.any, sip_address_length(&h->to_peer.remote));
	}
	transaction_start(h->stack, &h->to_peer, slice_of(options_text), NULL);
	harness_run(h, CONNECT_MS / 2);
	assert_int_equal(harness_count(h, "failed 503"), 0);
	harness_run(h, CONNECT_MS);
	assert_int_equal(harness_count(h, "failed 503"), 1);
	assert_int_equal(counters(h)->connect_errors, 1);
	for (int i = 0; i < 4; i++)
		close(waiting[i]);
	close(listening);
}

static void far_end_that_does_not_read_is_given_up(void **state)
{
	enum { SIZE = 60000 };
	struct harness *h = *state;
	int listening = peer_listen(h), fd, n = 0;
	char *text = calloc(1, SIZE);

	memset(text, 'x', SIZE);
	transport_send(&h->to_peer, SLICE("x"));
	fd = peer_accept(h, listening);
	while (!counters(h)->send_errors && n++ < 1000) {
		transport_send(&h->to_peer, (struct slice){text, SIZE});
		transport_flush(stack_transport(h->stack));
		if (n % 4 == 0)
			harness_run(h, 1);
	}
	assert_in_range(n, 4, 999); // bounded, whatever the kernel takes
	harness_run(h, 3 * MESSAGE_MS);
	assert_int_equal(counters(h)->timed_out, 1);
	assert_int_equal(counters(h)->connections, 0);
	assert_true(counters(h)->send_errors > 1);
	free(text);
	close(fd);
	close(listening);
}

static void accepted_connections_stay_within_the_total(void **state)
{
	struct transport_limits small = tcp_limits;
	struct harness *h = *state;
	int fds[4];

	small.connections = 2;
	transport_limits_set(stack_transport(h->stack), &small);
	for (int i = 0; i < 3; i++)
		fds[i] = peer_connect(h);
	assert_int_equal(counters(h)->connections, 2);
	assert_true(is_closed_within(h, fds[2], 5));
	fds[3] = peer_listen(h);
	transaction_start(h->stack, &h->to_peer, slice_of(options_text), NULL);
	harness_run(h, 3);
	assert_int_equal(harness_count(h, "failed 503"), 1);
	for (int i = 0; i < 4; i++)
		close(fds[i]);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, tcp_setup, harness_teardown)
	const struct CMUnitTest tests[] = {
		CASE(messages_may_be_split_and_joined),
		CASE(ping_is_answered_and_keeps_the_connection),
		CASE(half_a_message_does_not_live_by_drops),
		CASE(large_message_comes_whole),
		CASE(stream_without_a_next_message_is_answered_and_closed),
		CASE(refused_source_is_closed),
		CASE(connections_of_one_source_have_a_limit),
		CASE(ipv6_connections_are_answered),
		CASE(answer_opens_a_connection_where_the_old_one_is_gone),
		CASE(requests_share_one_connection),
		CASE(requests_go_back_over_the_callers_connection),
		CASE(refused_connection_fails_the_transactions),
		CASE(unreachable_far_end_fails_the_transaction),
		CASE(connection_that_is_not_accepted_fails_in_time),
		CASE(far_end_that_does_not_read_is_given_up),
		CASE(accepted_connections_stay_within_the_total),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
