// WebSocket on loopback, with a client of the test's own: upgrades, messages in frames of all
// kinds, what a client that breaks the rules is told, and who is reached by which connection.
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
#include "http_upgrade.h"
#include "tls_harness.h"

enum { PING_MS = 150, FIN = 0x80, TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10 };

static const struct transport_limits limits = {.connections = 20,
	.per_source = 10,
	.message_ms = MESSAGE_MS,
	.handshakes_per_source = 3,
	.handshake_ms = 100,
	.ping_ms = PING_MS};

static const char upgrade_text[] =
	"GET / HTTP/1.1\r\nHost: gw\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
	"Sec-WebSocket-Protocol: sip\r\n\r\n";

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
		listener_open(stack_transport(h->stack), TRANSPORT_WS, &local, (struct slice){0});
	h->to_peer.listener = h->listener;
	h->on_request = answer_ok;
	return h->listener ? 0 : -1;
}

// ---- the client

static int client_open(struct harness *h)
{
	int fd = peer_connect(h);
	socklen_t length = sizeof(h->to_peer.remote);
	char got[1024];
	ssize_t n = -1;

	say(fd, upgrade_text);
	for (int i = 0; n < 0 && i < 1000; i++) {
		harness_run(h, 1);
		n = recv(fd, got, sizeof(got) - 1, MSG_DONTWAIT);
	}
	assert_true(n > 0);
	got[n] = '\0';
	assert_non_null(strstr(got, "HTTP/1.1 101 Switching Protocols\r\n"));
	assert_non_null(strstr(got, "\r\nSec-WebSocket-Protocol: sip\r\n"));
	assert_non_null(strstr(got, "\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
	getsockname(fd, &h->to_peer.remote.any, &length);
	return fd;
}

// A masked frame (RFC 6455 5.2). Returns its size.
static size_t frame_make(char *out, unsigned int head, const char *payload, size_t n)
{
	static const char mask[] = "\x37\xfa\x21\x3d";
	size_t at = 0;

	out[at++] = (char)head;
	out[at++] = (char)(0x80 | (n < 126 ? n : 126));
	if (n >= 126) {
		out[at++] = (char)(n >> 8);
		out[at++] = (char)n;
	}
	memcpy(out + at, mask, 4);
	at += 4;
	for (size_t i = 0; i < n; i++)
		out[at + i] = (char)(payload[i] ^ mask[i % 4]);
	return at + n;
}

static void put(int fd, const char *bytes, size_t n)
{
	assert_int_equal(send(fd, bytes, n, MSG_NOSIGNAL), n);
}

static void frame_say(int fd, unsigned int head, const char *payload, size_t n)
{
	static char out[65536 + 16];

	put(fd, out, frame_make(out, head, payload, n));
}

static void text_say(int fd, const char *text)
{
	frame_say(fd, FIN | TEXT, text, strlen(text));
}

static bool take(struct harness *h, int fd, void *out, size_t n)
{
	size_t at = 0;

	for (int silent = 0; silent < 2000 && at < n; silent++) {
		ssize_t got = recv(fd, (char *)out + at, n - at, MSG_DONTWAIT);

		at += got > 0 ? (size_t)got : 0;
		if (got <= 0)
			harness_run(h, 1);
	}
	return at == n;
}

// The next frame of ours, its payload as text in h->text with h->size. Returns its first byte, 0
// where none comes.
static unsigned int frame_hear(struct harness *h, int fd)
{
	unsigned char head[4];

	if (!take(h, fd, head, 2))
		return 0;
	assert_true(head[1] <= 126); // no mask, and no message of ours is longer (5.1)
	if (head[1] == 126 && !take(h, fd, head + 2, 2))
		return 0;
	h->size = head[1] < 126 ? head[1] : head[2] * 256u + head[3];
	if (!take(h, fd, h->text, h->size))
		return 0;
	h->text[h->size] = '\0';
	return head[0];
}

static const char *ws_request(const char *method, const char *branch)
{
	static char text[1024];

	snprintf(text, sizeof(text),
		"%s sip:us@example.com SIP/2.0\r\n"
		"Via: SIP/2.0/WS df7jal23ls0d.invalid;branch=z9hG4bK%s\r\n"
		"From: <sip:peer@example.com>;tag=p\r\nTo: <sip:us@example.com>\r\n"
		"Call-ID: %s\r\nCSeq: 1 %s\r\n"
		"Contact: <sip:peer@df7jal23ls0d.invalid;transport=ws;ob>\r\n\r\n",
		method, branch, branch, method);
	return text;
}

static void check_answered(struct harness *h, int fd)
{
	assert_int_equal(frame_hear(h, fd), FIN | TEXT);
	assert_non_null(strstr(h->text, "SIP/2.0 200 OK\r\n"));
	assert_non_null(strstr(h->text, "Via: SIP/2.0/WS df7jal23ls0d.invalid;branch=z9hG4bK"));
}

static void check_closed(struct harness *h, int fd, unsigned int status)
{
	assert_int_equal(frame_hear(h, fd), FIN | CLOSE);
	assert_int_equal(h->size, 2);
	assert_int_equal((unsigned char)h->text[0] << 8 | (unsigned char)h->text[1], status);
	assert_true(is_closed_within(h, fd, 1000));
	close(fd);
	harness_run(h, 5);
	assert_int_equal(counters(h)->connections, 0);
}

// ---- messages

static void request_is_answered_on_its_connection(void **state)
{
	struct harness *h = *state;
	int fd = client_open(h), other = client_open(h);

	text_say(fd, ws_request("OPTIONS", "a"));
	check_answered(h, fd);
	assert_non_null(strstr(h->text, ";received=127.0.0.1"));
	text_say(other, ws_request("OPTIONS", "b"));
	check_answered(h, other);
	frame_say(fd, FIN | BINARY, ws_request("OPTIONS", "c"), strlen(ws_request("OPTIONS", "c")));
	check_answered(h, fd);
	assert_int_equal(counters(h)->accepted, 2);
	assert_int_equal(counters(h)->received, 3);
	assert_int_equal(counters(h)->sent, 3);
	close(fd);
	close(other);
}

static void messages_may_be_in_fragments_and_bytes(void **state)
{
	struct harness *h = *state;
	const char *text = ws_request("OPTIONS", "a");
	size_t size = strlen(text), n = 0;
	int fd = client_open(h);
	char bytes[2048];

	n += frame_make(bytes + n, TEXT, text, 100);
	n += frame_make(bytes + n, FIN | PING, "here?", 5);
	n += frame_make(bytes + n, 0, text + 100, 0);
	n += frame_make(bytes + n, FIN, text + 100, size - 100);
	for (size_t i = 0; i < n; i++) {
		put(fd, bytes + i, 1);
		if (i % 64 == 0)
			harness_run(h, 1);
	}
	assert_int_equal(frame_hear(h, fd), FIN | PONG);
	assert_string_equal(h->text, "here?");
	check_answered(h, fd);
	put(fd, bytes, n);
	put(fd, bytes, n); // both in one piece; the same request again
	assert_int_equal(frame_hear(h, fd), FIN | PONG);
	assert_int_equal(frame_hear(h, fd), FIN | PONG);
	check_answered(h, fd); // answers leave when the turn ends
	check_answered(h, fd);
	assert_int_equal(counters(h)->received, 3);
	assert_int_equal(counters(h)->framing_errors, 0);
	close(fd);
}

static void answer_that_is_no_utf8_is_binary(void **state)
{
	static const char *const names[] = {
		"\xff", "\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82"};
	struct harness *h = *state;
	int fd = client_open(h);
	char text[1024];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) + 1; i++) {
		bool is_valid = i == sizeof(names) / sizeof(names[0]);

		snprintf(text, sizeof(text),
			"OPTIONS sip:us@example.com SIP/2.0\r\n"
			"Via: SIP/2.0/WS a.invalid;branch=z9hG4bK%zu\r\n"
			"From: \"%s\" <sip:a@b>;tag=p\r\nTo: <sip:us@b>\r\nCall-ID: %zu\r\n"
			"CSeq: 1 OPTIONS\r\nContact: <sip:a@b.invalid>\r\n\r\n",
			i, is_valid ? "J\xc3\xb6rg \xe2\x82\xac \xf0\x9f\x98\x80" : names[i], i);
		frame_say(fd, FIN | BINARY, text, strlen(text));
		assert_int_equal(frame_hear(h, fd), FIN | (is_valid ? TEXT : BINARY));
	}
	close(fd);
}

static void requests_of_ours_take_the_clients_connection(void **state)
{
	struct harness *h = *state;
	int fd = client_open(h);
	char via[64], text[1024];

	transaction_start(h->stack, &h->to_peer, slice_of(options_text), NULL);
	assert_int_equal(frame_hear(h, fd), FIN | TEXT);
	snprintf(via, sizeof(via), "Via: SIP/2.0/WS 127.0.0.1:%u;",
		sip_address_port(listener_address(h->listener)));
	assert_non_null(strstr(h->text, via));
	*strstr(h->text, "\r\nFrom") = '\0';
	snprintf(text, sizeof(text),
		"SIP/2.0 200 OK\r\n%s\r\nFrom: <sip:a>;tag=1\r\nTo: <sip:b>;tag=2\r\nCall-ID: c\r\n"
		"CSeq: 1 OPTIONS\r\n\r\n",
		strstr(h->text, "Via: "));
	text_say(fd, text);
	harness_until(h, "response 200", 1);
	assert_int_equal(harness_count(h, "response 200"), 1);
	close(fd);
}

static void client_that_left_is_not_called(void **state)
{
	struct harness *h = *state;
	int fd = client_open(h), listening;

	close(fd);
	harness_run(h, 5);
	listening = peer_listen(h); // somebody is there, but not by WebSocket of its own
	transaction_start(h->stack, &h->to_peer, slice_of(options_text), NULL);
	harness_until(h, "failed 503", 1);
	assert_int_equal(harness_count(h, "failed 503"), 1);
	assert_int_equal(accept(listening, NULL, NULL), -1);
	assert_int_equal(counters(h)->connected, 0);
	close(listening);
}

// ---- keep-alives

static void crlf_ping_is_answered(void **state)
{
	struct harness *h = *state;
	int fd = client_open(h);

	text_say(fd, "\r\n\r\n");
	assert_int_equal(frame_hear(h, fd), FIN | TEXT);
	assert_string_equal(h->text, "\r\n");
	text_say(fd, "\r\n"); // an answer: nobody answers that
	text_say(fd, ws_request("OPTIONS", "a"));
	check_answered(h, fd);
	close(fd);
}

static void silent_client_is_asked_and_given_up(void **state)
{
	struct harness *h = *state;
	int silent = client_open(h), alive = client_open(h);

	for (int i = 0; i < 3; i++) {
		assert_int_equal(frame_hear(h, alive), FIN | PING);
		frame_say(alive, FIN | PONG, h->text, h->size);
	}
	assert_int_equal(frame_hear(h, silent), FIN | PING);
	assert_true(is_closed_within(h, silent, 2 * PING_MS));
	assert_int_equal(counters(h)->timed_out, 1);
	assert_int_equal(counters(h)->connections, 1);
	close(silent);
	close(alive);
}

static void half_a_message_does_not_live_by_pings(void **state)
{
	struct harness *h = *state;
	int fd = client_open(h);
	uint64_t end = harness_now_ms() + 20 * MESSAGE_MS;
	char bytes[64];
	size_t n = frame_make(bytes, FIN | PING, "", 0);
	bool closed = false;

	frame_say(fd, TEXT, "OPT", 3);
	while (!closed && harness_now_ms() < end) {
		closed = send(fd, bytes, n, MSG_NOSIGNAL) < 0;
		closed = closed || is_closed_within(h, fd, 2);
	}
	assert_true(closed);
	assert_int_equal(counters(h)->timed_out, 1);
	close(fd);
}

static void half_a_frame_header_times_out(void **state)
{
	struct harness *h = *state;
	int fd = client_open(h);

	put(fd, "\x81", 1);
	assert_true(is_closed_within(h, fd, 10 * MESSAGE_MS));
	assert_int_equal(counters(h)->timed_out, 1);
	close(fd);
}

// ---- who breaks the rules

static void client_that_breaks_the_rules_is_told(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		unsigned int status;
	} table[] = {
#define ROW(bytes, status) {bytes, sizeof(bytes) - 1, status}
		ROW("\x81\x05hello", 1002),			    // not masked
		ROW("\xc1\x85\0\0\0\0hello", 1002),		    // RSV1
		ROW("\x83\x80\0\0\0\0", 1002),			    // no such opcode
		ROW("\x8b\x80\0\0\0\0", 1002),			    // nor such control frame
		ROW("\x80\x81\0\0\0\0x", 1002),			    // continues nothing
		ROW("\x01\x81\0\0\0\0x\x81\x81\0\0\0\0x", 1002),    // not continued
		ROW("\x09\x80\0\0\0\0", 1002),			    // ping in fragments
		ROW("\x89\xfe\x00\x7e\0\0\0\0", 1002),		    // ping too long
		ROW("\x81\xfe\x00\x01\0\0\0\0x", 1002),		    // length not minimal
		ROW("\x81\xff\x00\0\0\0\0\0\0\x01\0\0\0\0x", 1002), // likewise
		ROW("\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", 1002), // sign bit
		ROW("\x81\xff\x00\0\0\0\0\x01\0\0\0\0\0\0", 1009),	       // 65,536 bytes
		ROW("\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", 1009),
		ROW("\x81\x81\0\0\0\0\xff", 1007),     // no UTF-8
		ROW("\x81\x81\0\0\0\0\xc3", 1007),     // half of it
		ROW("\x88\x82\0\0\0\0\x03\xed", 1002), // 1005 is no status
		ROW("\x88\x82\0\0\0\0\x00\x00", 1002),
#undef ROW
	};
	struct harness *h = *state;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		int fd = client_open(h);

		put(fd, table[i].bytes, table[i].n);
		text_say(fd, ws_request("OPTIONS", "late")); // is not heard any more
		check_closed(h, fd, table[i].status);
		assert_int_equal(counters(h)->framing_errors, i + 1);
	}
	assert_int_equal(counters(h)->received, 0);
}

static void message_that_grows_too_large_is_refused(void **state)
{
	static char half[40000];
	struct harness *h = *state;
	int fd = client_open(h);

	memset(half, 'a', sizeof(half));
	frame_say(fd, TEXT, half, sizeof(half));
	frame_say(fd, FIN, half, sizeof(half));
	check_closed(h, fd, 1009);
}

static void crumbs_are_refused(void **state)
{
	struct harness *h = *state;
	int fd = client_open(h);

	frame_say(fd, TEXT, "a", 1);
	for (int i = 0; i < 256; i++)
		frame_say(fd, 0, "a", 1);
	check_closed(h, fd, 1008);
}

static void close_is_answered(void **state)
{
	struct harness *h = *state;
	int fd = client_open(h);

	frame_say(fd, FIN | CLOSE, "\x03\xe9", 2);
	check_closed(h, fd, 1001);
	fd = client_open(h);
	frame_say(fd, FIN | CLOSE, "", 0);
	assert_int_equal(frame_hear(h, fd), FIN | CLOSE);
	assert_int_equal(h->size, 0);
	assert_true(is_closed_within(h, fd, 1000));
	assert_int_equal(counters(h)->framing_errors, 0);
	close(fd);
}

static void who_never_reads_is_cut_off(void **state)
{
	static char flood[132 * 400];
	struct harness *h = *state;
	int fd = client_open(h);
	char payload[125] = {0};
	size_t n = 0;
	bool closed = false;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &(int){4096}, sizeof(int));
	for (int i = 0; i < 400; i++)
		n += frame_make(flood + n, FIN | PING, payload, sizeof(payload));
	for (int i = 0; i < 2000 && !closed; i++) {
		ssize_t sent = send(fd, flood, n, MSG_NOSIGNAL | MSG_DONTWAIT);

		closed = sent < 0 && errno != EAGAIN;
		if (!closed && sent != (ssize_t)n)
			break; // a piece of a frame has been left out: no more is to be said
		harness_run(h, 1);
	}
	for (int i = 0; i < 5000 && counters(h)->connections; i++)
		harness_run(h, 1);
	assert_int_equal(counters(h)->connections, 0);
	close(fd);
}

// ---- upgrades

static void bad_upgrade_is_answered_and_closed(void **state)
{
	struct harness *h = *state;
	int fd = peer_connect(h);

	say(fd, "GET /phone HTTP/1.1\r\nHost: gw\r\n\r\n");
	assert_non_null(strstr(hear(h, fd, 20), "HTTP/1.1 404 Not Found\r\n"));
	assert_true(is_closed_within(h, fd, 1000));
	close(fd);
	harness_run(h, 5);
	fd = peer_connect(h);
	say(fd, request("OPTIONS", 5060, "a")); // SIP as over TCP
	assert_non_null(strstr(hear(h, fd, 20), "HTTP/1.1 400 Bad Request\r\n"));
	close(fd);
	harness_run(h, 5);
	assert_int_equal(counters(h)->upgrades_refused, 2);
	assert_int_equal(counters(h)->handshakes_failed, 2);
	assert_int_equal(counters(h)->handshakes, 0);
	assert_int_equal(counters(h)->connections, 0);
	assert_int_equal(counters(h)->received, 0);
}

static void origin_is_checked(void **state)
{
	static const char *const list[] = {"https://phone.example.com"};
	const struct upgrade_rules rules = {list, 1};
	struct harness *h = *state;
	int fd;

	listener_upgrade_rules_set(h->listener, &rules);
	fd = peer_connect(h);
	say(fd, upgrade_text);
	assert_non_null(strstr(hear(h, fd, 20), "HTTP/1.1 403 Forbidden\r\n"));
	close(fd);
}

static void upgrade_must_come_in_time(void **state)
{
	struct harness *h = *state;
	int fd[4];

	for (int i = 0; i < 4; i++) // the fourth is one too many
		fd[i] = peer_connect(h);
	harness_run(h, 5);
	assert_int_equal(counters(h)->handshakes, 3);
	assert_int_equal(counters(h)->handshakes_refused, 1);
	say(fd[0], "GET / HT");
	for (int i = 0; i < 4; i++)
		assert_true(is_closed_within(h, fd[i], 1000));
	assert_int_equal(counters(h)->handshakes_failed, 3);
	assert_int_equal(counters(h)->handshakes, 0);
	for (int i = 0; i < 4; i++)
		close(fd[i]);
}

static void nothing_is_sent_before_the_upgrade(void **state)
{
	struct harness *h = *state;
	int fd = peer_connect(h);
	socklen_t length = sizeof(h->to_peer.remote);

	getsockname(fd, &h->to_peer.remote.any, &length);
	transaction_start(h->stack, &h->to_peer, slice_of(options_text), NULL);
	harness_until(h, "failed 503", 1);
	assert_string_equal(hear(h, fd, 5), "");
	close(fd);
}

static void client_may_go_at_any_time(void **state)
{
	struct harness *h = *state;
	char bytes[1024];
	size_t n = frame_make(bytes, FIN | TEXT, ws_request("OPTIONS", "a"), 200);

	for (size_t i = 0; i < sizeof(upgrade_text) - 1; i += 7) {
		int fd = peer_connect(h);

		put(fd, upgrade_text, i);
		harness_run(h, 1);
		close(fd);
		harness_run(h, 1);
	}
	for (size_t i = 0; i < n; i += 9) {
		int fd = client_open(h);

		put(fd, bytes, i);
		harness_run(h, 1);
		close(fd);
		harness_run(h, 1);
	}
	harness_run(h, 10);
	assert_int_equal(counters(h)->connections, 0);
	assert_int_equal(counters(h)->handshakes, 0);
}

// ---- over TLS

static int secure_setup(void **state)
{
	struct sip_address local;

	if (tls_setup(state))
		return -1;
	sip_address_parse(SLICE("127.0.0.1"), 0, &local);
	tls.h->listener = listener_open(
		stack_transport(tls.h->stack), TRANSPORT_WSS, &local, (struct slice){0});
	listener_tls_set(tls.h->listener, tls.server, tls.client);
	tls.h->on_request = answer_ok;
	return tls.h->listener ? 0 : -1;
}

static void secure_client_is_answered(void **)
{
	struct far_end far = far_connect(NULL);
	const char *text = ws_request("OPTIONS", "a");
	char bytes[1024];

	assert_true(far_shake_hands(&far));
	assert_int_equal(counters(tls.h)->handshakes, 1); // the upgrade is a part of it
	far_say(&far, upgrade_text, 10);
	far_say(&far, upgrade_text + 10, sizeof(upgrade_text) - 11);
	assert_non_null(strstr(far_hear(&far, "\r\n\r\n"), "HTTP/1.1 101 "));
	assert_int_equal(counters(tls.h)->handshakes, 0);
	far_say(&far, bytes, frame_make(bytes, FIN | TEXT, text, strlen(text)));
	far_hear(&far, "Content-Length: 0\r\n\r\n");
	assert_memory_equal(tls.h->text, "\x81\x7e", 2);
	far_say(&far, bytes, frame_make(bytes, FIN | CLOSE, "\x03\xe8", 2));
	assert_true(far_is_closed(&far));
	far_close(&far);
}

static void secure_client_that_breaks_the_rules_is_told(void **)
{
	struct far_end far = far_connect(NULL);

	assert_true(far_shake_hands(&far));
	far_say(&far, "GET / HTTP/1.1\r\nHost: gw\r\n\r\n", 28);
	assert_non_null(strstr(far_hear(&far, "\r\n\r\n"), "HTTP/1.1 426 "));
	assert_true(far_is_closed(&far));
	far_close(&far);
	run_until(connections, 0);
	assert_int_equal(counters(tls.h)->handshakes_failed, 1);
}

int main(void)
{
#define TEST(name)   cmocka_unit_test_setup_teardown(name, setup, harness_teardown)
#define SECURE(name) cmocka_unit_test_setup_teardown(name, secure_setup, tls_teardown)
	const struct CMUnitTest tests[] = {
		TEST(request_is_answered_on_its_connection),
		TEST(messages_may_be_in_fragments_and_bytes),
		TEST(answer_that_is_no_utf8_is_binary),
		TEST(requests_of_ours_take_the_clients_connection),
		TEST(client_that_left_is_not_called),
		TEST(crlf_ping_is_answered),
		TEST(silent_client_is_asked_and_given_up),
		TEST(half_a_message_does_not_live_by_pings),
		TEST(half_a_frame_header_times_out),
		TEST(client_that_breaks_the_rules_is_told),
		TEST(message_that_grows_too_large_is_refused),
		TEST(crumbs_are_refused),
		TEST(close_is_answered),
		TEST(who_never_reads_is_cut_off),
		TEST(bad_upgrade_is_answered_and_closed),
		TEST(origin_is_checked),
		TEST(upgrade_must_come_in_time),
		TEST(nothing_is_sent_before_the_upgrade),
		TEST(client_may_go_at_any_time),
		SECURE(secure_client_is_answered),
		SECURE(secure_client_that_breaks_the_rules_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
