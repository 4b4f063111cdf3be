// Transactions over TCP on loopback: requests that are too large for UDP, and which timers rest.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <unistd.h>

#include "tcp_harness.h"

// ---- requests that are too large for UDP (18.1.1)

// A UDP listener on the address of the TCP one, for flows to the peer.
static void udp_beside(struct harness *h)
{
	h->to_peer.listener = listener_open(stack_transport(h->stack), TRANSPORT_UDP,
		listener_address(h->listener), (struct slice){0});
	assert_non_null(h->to_peer.listener);
}

static int peer_listen_udp(struct harness *h)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_int_equal(
		bind(fd, &h->to_peer.remote.any, sip_address_length(&h->to_peer.remote)), 0);
	return fd;
}

// An INVITE that is `size` bytes when it is sent over UDP.
static void start_invite_of(struct harness *h, size_t size)
{
	static const char via[] =
		"Via: SIP/2.0/UDP 127.0.0.1:12345;branch=z9hG4bKabcdefghijklmnop;rport\r\n";
	static const char head[] = "INVITE sip:b SIP/2.0\r\nFrom: <sip:a>;tag=1\r\nTo: <sip:b>\r\n"
				   "Call-ID: c\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\nX: ";
	size_t fill = size - strlen(via) - strlen(head) - strlen("\r\n\r\n");
	char text[2000];
	int n = snprintf(text, sizeof(text), "%s%0*d\r\n\r\n", head, (int)fill, 0);

	assert_non_null(
		transaction_start(h->stack, &h->to_peer, (struct slice){text, (size_t)n}, NULL));
}

static struct listener *response_listener;

static void note_listener(struct harness *, struct transaction *, const struct sip_message *m)
{
	response_listener = m->flow.listener;
}

static void large_request_takes_tcp(void **state)
{
	struct harness *h = *state;
	int listening = peer_listen(h), udp = peer_listen_udp(h), fd;

	udp_beside(h);
	h->on_response = note_listener;
	start_invite_of(h, 1301);
	fd = peer_accept(h, listening);
	assert_int_equal(occurrences(hear(h, fd, 3), "Via: SIP/2.0/TCP "), 1);
	reply(h, fd, 180);
	harness_run(h, 3);
	assert_ptr_equal(response_listener, h->to_peer.listener);
	start_invite_of(h, 1300);
	harness_run(h, 3);
	assert_int_equal(recv(udp, h->text, sizeof(h->text), MSG_DONTWAIT), 1300);
	close(fd);
	close(udp);
	close(listening);
}

static void large_request_takes_udp_where_we_have_no_tcp(void **state)
{
	struct harness *h = *state;
	struct sip_address any;
	int udp;

	close(peer_listen(h));
	udp = peer_listen_udp(h);
	sip_address_parse(SLICE("127.0.0.1"), 0, &any);
	h->to_peer.listener =
		listener_open(stack_transport(h->stack), TRANSPORT_UDP, &any, (struct slice){0});
	start_invite_of(h, 1500);
	assert_true(occurrences(hear(h, udp, 3), "Via: SIP/2.0/UDP "));
	close(udp);
}

static void large_request_returns_to_udp_where_tcp_is_refused(void **state)
{
	struct harness *h = *state;
	unsigned int n;
	int udp;

	close(peer_listen(h));
	udp = peer_listen_udp(h);
	udp_beside(h);
	start_invite_of(h, 1500);
	hear(h, udp, 4 * T1_MS);
	n = occurrences(h->text, "INVITE sip:b");
	assert_true(n > 2); // repeated, as UDP wants it
	assert_int_equal(occurrences(h->text, "Via: "), n);
	assert_int_equal(occurrences(h->text, "Via: SIP/2.0/UDP "), n);
	assert_int_equal(harness_count(h, "failed 503"), 0);
	assert_int_equal(counters(h)->connect_errors, 1);
	close(udp);
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
#define CASE(f) cmocka_unit_test_setup_teardown(f, tcp_setup, harness_teardown)
	const struct CMUnitTest tests[] = {
		CASE(large_request_takes_tcp),
		CASE(large_request_takes_udp_where_we_have_no_tcp),
		CASE(large_request_returns_to_udp_where_tcp_is_refused),
		CASE(requests_are_not_repeated),
		CASE(finished_client_transactions_are_gone_at_once),
		CASE(finished_server_transactions_are_gone_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
