#include "harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static void note(struct harness *h, struct transaction *t, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void note(struct harness *h, struct transaction *t, const char *format, ...)
{
	struct seen *seen = &h->seen[h->n_seen++];
	va_list args;

	assert_true(h->n_seen < sizeof(h->seen) / sizeof(h->seen[0]));
	va_start(args, format);
	vsnprintf(seen->text, sizeof(seen->text), format, args);
	va_end(args);
	seen->transaction = t;
}

static bool accepts(void *arg, const struct listener *, const struct sockaddr *)
{
	struct harness *h = arg;

	return !h->refuse_all;
}

static bool is_urgent(void *arg, const struct sip_message *m)
{
	const struct harness *h = arg;

	return h->urgent && slice_equal(m->call_id, slice_of(h->urgent));
}

static bool is_ready(void *arg)
{
	const struct harness *h = arg;

	return !h->not_ready;
}

static void on_request(void *arg, struct transaction *t, const struct sip_message *m)
{
	struct harness *h = arg;

	note(h, t, "request " SLICE_FMT, SLICE_ARG(m->method_name));
	h->server = t;
	if (h->on_request)
		h->on_request(h, t);
}

static void on_cancel(void *arg, struct transaction *invite, const struct sip_message *)
{
	struct harness *h = arg;

	note(h, invite, "cancel");
	if (h->on_cancel)
		h->on_cancel(h, invite);
}

static void on_ack(void *arg, const struct sip_message *m)
{
	struct harness *h = arg;

	note(h, NULL, "ack");
	if (h->on_ack)
		h->on_ack(h, m);
}

static void on_response(void *arg, struct transaction *t, const struct sip_message *m)
{
	struct harness *h = arg;

	note(h, t, "response %u", m->status);
	if (h->on_response)
		h->on_response(h, t, m);
}

static const struct digest_keys *keys(void *arg, struct transaction *, const struct sip_message *)
{
	const struct harness *h = arg;

	return h->keys;
}

static void on_stray(void *arg, const struct sip_message *m)
{
	struct harness *h = arg;

	note(h, NULL, "stray %u", m->status);
	if (h->on_stray)
		h->on_stray(h, m);
}

static void on_failed(void *arg, struct transaction *t, unsigned int status)
{
	note(arg, t, "failed %u", status);
}

static void on_closed(void *arg, struct transaction *t)
{
	struct harness *h = arg;

	note(h, t, "closed");
	if (h->server == t)
		h->server = NULL;
}

static const struct stack_user user = {
	.accept = accepts,
	.is_urgent = is_urgent,
	.is_ready = is_ready,
	.request = on_request,
	.cancel = on_cancel,
	.ack = on_ack,
	.response = on_response,
	.keys = keys,
	.stray_2xx = on_stray,
	.failed = on_failed,
	.closed = on_closed,
};

static void peer_open(struct harness *h)
{
	struct sip_address address;
	socklen_t length = sizeof(address);

	sip_address_parse(SLICE("127.0.0.1"), 0, &address);
	h->peer = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(h->peer >= 0);
	assert_int_equal(bind(h->peer, &address.any, sip_address_length(&address)), 0);
	assert_int_equal(getsockname(h->peer, &address.any, &length), 0);
	h->to_peer = (struct flow){h->listener, address};
}

int harness_setup(void **state)
{
	struct harness *h = calloc(1, sizeof(*h));
	struct stack_config config = {.user = &user,
		.arg = h,
		.t1_ms = T1_MS,
		.t2_ms = T2_MS,
		.t4_ms = T4_MS,
		.timer_d_ms = TIMER_D_MS,
		.trying_ms = TRYING_MS};
	struct sip_address local;

	h->base = config.base = event_base_new();
	h->stack = stack_create(&config);
	assert_non_null(h->stack);
	sip_address_parse(SLICE("127.0.0.1"), 0, &local);
	h->listener =
		listener_open(stack_transport(h->stack), TRANSPORT_UDP, &local, (struct slice){0});
	assert_non_null(h->listener);
	peer_open(h);
	*state = h;
	return 0;
}

int harness_teardown(void **state)
{
	struct harness *h = *state;

	if (h->peer >= 0)
		close(h->peer);
	stack_destroy(h->stack);
	event_base_free(h->base);
	free(h);
	return 0;
}

void harness_run(struct harness *h, unsigned int ms)
{
	struct timeval end = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	event_base_loopexit(h->base, &end);
	event_base_dispatch(h->base);
}

void peer_send(struct harness *h, const char *format, ...)
{
	const struct sip_address *to = listener_address(h->listener);
	char text[65536];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	assert_true(n > 0 && (size_t)n < sizeof(text));
	assert_int_equal(sendto(h->peer, text, (size_t)n, 0, &to->any, sip_address_length(to)), n);
}

void peer_answer(struct harness *h, unsigned int status, const char *tag)
{
	peer_answer_with(h, status, tag, "");
}

void peer_answer_with(struct harness *h, unsigned int status, const char *tag, const char *extra)
{
	const struct sip_message *m = &h->message;

	peer_send(h,
		"SIP/2.0 %u X\r\nVia: " SLICE_FMT "\r\nFrom: " SLICE_FMT "\r\nTo: " SLICE_FMT
		"%s%s\r\nCall-ID: " SLICE_FMT "\r\nCSeq: %u " SLICE_FMT
		"\r\nContact: <sip:peer@127.0.0.1>\r\n%sContent-Length: 0\r\n\r\n",
		status, SLICE_ARG(m->via.value), SLICE_ARG(m->from.value), SLICE_ARG(m->to.value),
		*tag ? ";tag=" : "", tag, SLICE_ARG(m->call_id), m->cseq, SLICE_ARG(m->method_name),
		extra);
}

void peer_request(struct harness *h, const char *method, const char *branch, const char *to_tag,
	const char *extra)
{
	peer_send(h,
		"%s sip:us@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%u;branch=%s\r\n"
		"From: <sip:peer@example.com>;tag=p\r\nTo: <sip:us@example.com>%s%s\r\n"
		"Call-ID: from-peer\r\nCSeq: 1 %s\r\nContact: <sip:peer@127.0.0.1>\r\n"
		"%sContent-Length: 0\r\n\r\n",
		method, sip_address_port(&h->to_peer.remote), branch, *to_tag ? ";tag=" : "",
		to_tag, method, extra);
}

uint64_t harness_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

bool peer_receive(struct harness *h, unsigned int ms)
{
	struct message_error error;
	uint64_t end = harness_now_ms() + ms;
	ssize_t n;

	do {
		harness_run(h, 1);
		n = recv(h->peer, h->text, sizeof(h->text), MSG_DONTWAIT);
	} while (n < 0 && harness_now_ms() < end);
	if (n < 0)
		return false;
	h->size = (size_t)n;
	if (message_parse(&h->message, h->headers, h->text, h->size, &error))
		fail_msg("the stack sent a malformed message: %s", error.reason);
	return true;
}

const char *peer_line(const struct harness *h)
{
	static char line[512];
	struct slice rest = {h->text, h->size}, first = slice_trim(slice_cut(&rest, '\n'));

	snprintf(line, sizeof(line), SLICE_FMT, SLICE_ARG(first));
	return line;
}

unsigned int harness_count(const struct harness *h, const char *text)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < h->n_seen; i++)
		n += strcmp(h->seen[i].text, text) == 0;
	return n;
}

void harness_until(struct harness *h, const char *text, unsigned int n)
{
	uint64_t end = harness_now_ms() + 10000;

	while (harness_count(h, text) < n && harness_now_ms() < end)
		harness_run(h, 5);
	assert_int_equal(harness_count(h, text), n);
}
