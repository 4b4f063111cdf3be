// TCP on loopback: messages in pieces and in one, which connection an answer takes, what a far end
// that is slow, silent, wrong, many or gone does to us, and which timers rest.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "harness.h"

enum { CONNECT_MS = 100, MESSAGE_MS = 100, IDLE_MS = 500 };

static const struct transport_limits limits = {.connections = 20,
	.per_source = 10,
	.connect_ms = CONNECT_MS,
	.message_ms = MESSAGE_MS,
	.idle_ms = IDLE_MS};

// The TU's side of the tests is the harness, its listener that of TCP.
static int setup(void **state)
{
	struct sip_address local;
	struct harness *h;

	if (harness_setup(state))
		return -1;
	h = *state;
	transport_limits_set(stack_transport(h->stack), &limits);
	sip_address_parse(SLICE("127.0.0.1"), 0, &local);
	h->listener =
		listener_open(stack_transport(h->stack), TRANSPORT_TCP, &local, (struct slice){0});
	h->to_peer.listener = h->listener;
	return h->listener ? 0 : -1;
}

static const struct transport_counters *counters(const struct harness *h)
{
	return transport_counters(stack_transport(h->stack));
}

// ---- the far end

static int peer_connect(struct harness *h)
{
	const struct sip_address *to = listener_address(h->listener);
	int fd = socket(to->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)); // pieces stay pieces
	assert_int_equal(connect(fd, &to->any, sip_address_length(to)), 0);
	harness_run(h, 1);
	return fd;
}

// A socket that listens, whose address is that of h->to_peer.
static int peer_listen(struct harness *h)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	socklen_t length = sizeof(h->to_peer.remote);
	struct sip_address any;

	sip_address_parse(SLICE("127.0.0.1"), 0, &any);
	assert_int_equal(bind(fd, &any.any, sip_address_length(&any)), 0);
	assert_int_equal(listen(fd, 5), 0);
	getsockname(fd, &h->to_peer.remote.any, &length);
	return fd;
}

static int peer_accept(struct harness *h, int listening)
{
	for (int i = 0; i < 50; i++) {
		int fd = accept(listening, NULL, NULL);

		if (fd >= 0)
			return fd;
		harness_run(h, 1);
	}
	fail_msg("nobody has connected");
	return -1;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

// What the far end gets until `ms` have passed without more, as text.
static const char *hear(struct harness *h, int fd, unsigned int ms)
{
	ssize_t n = 0, got;

	for (unsigned int silent = 0; silent < ms; silent++) {
		harness_run(h, 1);
		got = recv(fd, h->text + n, sizeof(h->text) - 1 - (size_t)n, MSG_DONTWAIT);
		if (got > 0) {
			n += got;
			silent = 0;
		}
	}
	h->text[n] = '\0';
	return h->text;
}

// True where the far end sees the connection closed within that time.
static bool is_closed_within(struct harness *h, int fd, unsigned int ms)
{
	char rest[4096];

	for (unsigned int i = 0; i < ms; i++) {
		ssize_t n = recv(fd, rest, sizeof(rest), MSG_DONTWAIT);

		if (n == 0 || (n < 0 && errno != EAGAIN))
			return true;
		harness_run(h, 1);
	}
	return false;
}

static unsigned int occurrences(const char *text, const char *of)
{
	unsigned int n = 0;

	while ((text = strstr(text, of))) {
		text += strlen(of);
		n++;
	}
	return n;
}

static const char *request(const char *method, unsigned int via_port, const char *branch)
{
	static char text[1024];

	snprintf(text, sizeof(text),
		"%s sip:us@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:%u;branch=z9hG4bK%s\r\n"
		"From: <sip:peer@example.com>;tag=p\r\nTo: <sip:us@example.com>\r\n"
		"Call-ID: %s\r\nCSeq: 1 %s\r\nContact: <sip:peer@127.0.0.1>\r\n"
		"Content-Length: 0\r\n\r\n",
		method, via_port, branch, branch, method);
	return text;
}

static const char options_text[] = "OPTIONS sip:b SIP/2.0\r\nFrom: <sip:a>;tag=1\r\n"
				   "To: <sip:b>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n"
				   "Content-Length: 0\r\n\r\n";
static const char invite_text[] = "INVITE sip:b SIP/2.0\r\nFrom: <sip:a>;tag=1\r\n"
				  "To: <sip:b>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n"
				  "Content-Length: 0\r\n\r\n";

static void answer_ok(struct harness *, struct transaction *t)
{
	transaction_reply(t, 200);
}

static void answer_busy(struct harness *, struct transaction *t)
{
	transaction_reply(t, 486);
}

// Answer what the far end has got.
static void reply(struct harness *h, int fd, unsigned int status)
{
	struct message_error error;
	char text[1024];

	h->size = strlen(h->text);
	assert_int_equal(message_parse(&h->message, h->headers, h->text, h->size, &error), 0);
	snprintf(text, sizeof(text),
		"SIP/2.0 %u X\r\nVia: " SLICE_FMT "\r\nFrom: " SLICE_FMT "\r\nTo: " SLICE_FMT
		";tag=b\r\nCall-ID: " SLICE_FMT "\r\nCSeq: %u " SLICE_FMT
		"\r\nContent-Length: 0\r\n\r\n",
		status, SLICE_ARG(h->message.via.value), SLICE_ARG(h->message.from.value),
		SLICE_ARG(h->message.to.value), SLICE_ARG(h->message.call_id), h->message.cseq,
		SLICE_ARG(h->message.method_name));
	say(fd, text);
}

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
	assert_int_equal(counters(h)->connections, limits.per_source);
	assert_int_equal(counters(h)->connections_refused, 2);
	assert_true(is_closed_within(h, fds[11], 10));
	close(fds[0]);
	harness_run(h, 2);
	close(fds[11]);
	fds[11] = peer_connect(h);
	harness_run(h, 2);
	assert_int_equal(counters(h)->connections, limits.per_source);
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
	struct transport_limits small = limits;
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

// ---- timers of 17 on a reliable transport

static void requests_are_not_repeated(void **state)
{
	struct harness *h = *state;
	int listening = peer_listen(h), fd;

	transaction_start(h->stack, &h->to_peer, slice_of(invite_text), NULL); // A
	fd = peer_accept(h, listening);
	assert_int_equal(occurrences(hear(h, fd, 8 * T1_MS), "INVITE sip:b"), 1);
	transaction_start(h->stack, &h->to_peer, slice_of(options_text), NULL); // E
	assert_int_equal(occurrences(hear(h, fd, 8 * T1_MS), "OPTIONS sip:b"), 1);
	assert_int_equal(stack_counters(h->stack)->retransmissions_out, 0);
	close(fd);
	close(listening);
}

static void finished_client_transactions_are_gone_at_once(void **state)
{
	struct harness *h = *state;
	int listening = peer_listen(h), fd;

	transaction_start(h->stack, &h->to_peer, slice_of(invite_text), NULL);
	fd = peer_accept(h, listening);
	hear(h, fd, 3);
	reply(h, fd, 486);
	assert_int_equal(occurrences(hear(h, fd, 3), "ACK sip:b"), 1);
	assert_int_equal(stack_n_transactions(h->stack), 0); // D
	transaction_start(h->stack, &h->to_peer, slice_of(options_text), NULL);
	hear(h, fd, 3);
	reply(h, fd, 200);
	harness_run(h, 3);
	assert_int_equal(harness_count(h, "response 200"), 1);
	assert_int_equal(stack_n_transactions(h->stack), 0); // K
	close(fd);
	close(listening);
}

static void finished_server_transactions_are_gone_at_once(void **state)
{
	struct harness *h = *state;
	int fd = peer_connect(h);

	h->on_request = answer_ok;
	say(fd, request("OPTIONS", 5060, "a"));
	assert_int_equal(occurrences(hear(h, fd, 3), "SIP/2.0 200"), 1);
	assert_int_equal(stack_n_transactions(h->stack), 0); // J
	h->on_request = answer_busy;
	say(fd, request("INVITE", 5060, "b"));
	assert_int_equal(occurrences(hear(h, fd, 8 * T1_MS), "SIP/2.0 486"), 1); // G
	assert_int_equal(stack_n_transactions(h->stack), 1);
	say(fd, request("ACK", 5060, "b"));
	harness_run(h, 3);
	assert_int_equal(stack_n_transactions(h->stack), 0); // I
	close(fd);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, harness_teardown)
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
		CASE(connection_that_is_not_accepted_fails_in_time),
		CASE(far_end_that_does_not_read_is_given_up),
		CASE(accepted_connections_stay_within_the_total),
		CASE(requests_are_not_repeated),
		CASE(finished_client_transactions_are_gone_at_once),
		CASE(finished_server_transactions_are_gone_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
