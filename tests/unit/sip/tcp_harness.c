#include "tcp_harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <unistd.h>

const struct transport_limits tcp_limits = {.connections = 20,
	.per_source = 10,
	.connect_ms = CONNECT_MS,
	.message_ms = MESSAGE_MS,
	.idle_ms = IDLE_MS};

// The TU's side of the tests is the harness, its listener that of TCP.
int tcp_setup(void **state)
{
	struct sip_address local;
	struct harness *h;

	if (harness_setup(state))
		return -1;
	h = *state;
	transport_limits_set(stack_transport(h->stack), &tcp_limits);
	sip_address_parse(SLICE("127.0.0.1"), 0, &local);
	h->listener =
		listener_open(stack_transport(h->stack), TRANSPORT_TCP, &local, (struct slice){0});
	h->to_peer.listener = h->listener;
	return h->listener ? 0 : -1;
}

const struct transport_counters *counters(const struct harness *h)
{
	return transport_counters(stack_transport(h->stack));
}

int peer_connect(struct harness *h)
{
	const struct sip_address *to = listener_address(h->listener);
	int fd = socket(to->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)); // pieces stay pieces
	assert_int_equal(connect(fd, &to->any, sip_address_length(to)), 0);
	harness_run(h, 1);
	return fd;
}

// A socket that listens, whose address is that of h->to_peer.
int peer_listen(struct harness *h)
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

int peer_accept(struct harness *h, int listening)
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

void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

// What the far end gets until `ms` have passed without more, as text.
const char *hear(struct harness *h, int fd, unsigned int ms)
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
bool is_closed_within(struct harness *h, int fd, unsigned int ms)
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

unsigned int occurrences(const char *text, const char *of)
{
	unsigned int n = 0;

	while ((text = strstr(text, of))) {
		text += strlen(of);
		n++;
	}
	return n;
}

const char *request(const char *method, unsigned int via_port, const char *branch)
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

const char options_text[] = "OPTIONS sip:b SIP/2.0\r\nFrom: <sip:a>;tag=1\r\n"
			    "To: <sip:b>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n"
			    "Content-Length: 0\r\n\r\n";
const char invite_text[] = "INVITE sip:b SIP/2.0\r\nFrom: <sip:a>;tag=1\r\n"
			   "To: <sip:b>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n"
			   "Content-Length: 0\r\n\r\n";

void answer_ok(struct harness *, struct transaction *t)
{
	transaction_reply(t, 200);
}

void answer_busy(struct harness *, struct transaction *t)
{
	transaction_reply(t, 486);
}

// Answer what the far end has got.
void reply(struct harness *h, int fd, unsigned int status)
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
