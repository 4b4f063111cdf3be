// The ring of messages: what is found, what is forgotten, and what is never kept.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>

#include "trace.h"
#include "transport.h"

#define RING 65536

static struct event_base *base;
static struct transport *transport;
static struct trace *trace;
static struct flow flow;
static const uint8_t alice[TRACE_OWNER_SIZE] = {1}, bob[TRACE_OWNER_SIZE] = {2};

static void never(void *, const struct flow *, char *, size_t)
{
	fail_msg("nothing is received here");
}

static int set_up(void **)
{
	static const struct transport_user user = {.receive = never};
	struct sip_address address;

	base = event_base_new();
	transport = transport_create(base, &user, NULL);
	sip_address_parse(SLICE("127.0.0.1"), 0, &address);
	flow.listener = listener_open(transport, TRANSPORT_UDP, &address, (struct slice){});
	if (!flow.listener)
		return -1;
	sip_address_parse(SLICE("192.0.2.9"), 5070, &flow.remote);
	trace = trace_create(RING);
	return trace ? 0 : -1;
}

static int tear_down(void **)
{
	trace_destroy(trace);
	transport_destroy(transport);
	event_base_free(base);
	return 0;
}

struct found {
	size_t n;
	struct trace_message last;
	char first[TRACE_OWNER_SIZE * 1024], text[TRACE_OWNER_SIZE * 1024];
};

static struct found found;

static void keep_found(void *, const struct trace_message *message)
{
	assert_true(message->text.n < sizeof(found.text));
	memcpy(found.text, message->text.p, message->text.n);
	found.text[message->text.n] = '\0';
	if (!found.n++)
		strcpy(found.first, found.text);
	found.last = *message;
}

static size_t find(const uint8_t *owner)
{
	found.n = 0;
	return trace_find(trace, owner, keep_found, NULL);
}

static void keep(const char *text, bool outgoing)
{
	trace_keep(trace, &flow, outgoing, slice_of(text));
}

static void messages_of_both_sides_are_found_in_order(void **)
{
	keep("INVITE x SIP/2.0\r\nCall-ID: one\r\n\r\n", false);
	trace_assign(trace, SLICE("one"), alice);
	trace_assign(trace, SLICE("two"), alice);
	trace_assign(trace, SLICE("three"), bob);
	keep("INVITE y SIP/2.0\r\ni : two \r\n\r\n", true);
	keep("INVITE z SIP/2.0\r\ncall-id:three\r\n\r\n", true);
	assert_int_equal(find(alice), 2);
	assert_int_equal(found.n, 2);
	assert_string_equal(found.first, "INVITE x SIP/2.0\r\nCall-ID: one\r\n\r\n");
	assert_string_equal(found.text, "INVITE y SIP/2.0\r\ni : two \r\n\r\n");
	assert_true(found.last.outgoing);
	assert_int_equal(found.last.protocol, TRANSPORT_UDP);
	assert_int_equal(sip_address_port(&found.last.remote), 5070);
	assert_true(sip_address_equal(&found.last.local, listener_address(flow.listener)));
	assert_true(found.last.at_us > 1700000000000000);
	assert_int_equal(find(bob), 1);
	found.n = 0;
	assert_int_equal(trace_find_call_id(trace, SLICE("one"), keep_found, NULL), 1);
	assert_int_equal(trace_find_call_id(trace, SLICE("ONE"), keep_found, NULL), 0);
	assert_int_equal(find((const uint8_t[TRACE_OWNER_SIZE]){3}), 0);
}

static void call_id_in_a_body_does_not_count(void **)
{
	keep("MESSAGE x SIP/2.0\r\nSubject: i: one\r\n\r\nCall-ID: one\r\n", false);
	keep("", false);
	keep("\r\n\r\n", false);
	keep("i", false);
	trace_assign(trace, SLICE("one"), alice);
	assert_int_equal(find(alice), 0);
}

static void secrets_are_not_kept(void **)
{
	keep("INVITE x SIP/2.0\r\ni: one\r\nAuthorization: Digest username=\"u\", "
	     "response=\"6629fae49393a05397450978507c4ef1\", qop=auth\r\n\r\n"
	     "a=crypto:1 AES_CM_128_HMAC_SHA1_80 "
	     "inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:4 "
	     "FEC_ORDER=FEC_SRTP\r\n"
	     "a=crypto:2 AEAD_AES_128_GCM inline:cut-off-key",
		false);
	trace_assign(trace, SLICE("one"), alice);
	assert_int_equal(find(alice), 1);
	assert_string_equal(found.text,
		"INVITE x SIP/2.0\r\ni: one\r\nAuthorization: Digest username=\"u\", "
		"response=\"********************************\", qop=auth\r\n\r\n"
		"a=crypto:1 AES_CM_128_HMAC_SHA1_80 "
		"inline:****************************************|2^20|1:4 "
		"FEC_ORDER=FEC_SRTP\r\n"
		"a=crypto:2 AEAD_AES_128_GCM inline:***********");
}

static void oldest_make_room_for_the_newest(void **)
{
	static char text[4000];
	int n = snprintf(text, sizeof(text), "INVITE x SIP/2.0\r\ni: one\r\nNumber: ");
	size_t n_kept;

	trace_assign(trace, SLICE("one"), alice);
	for (unsigned int i = 0; i < 10000; i++) {
		size_t length = (size_t)n + (size_t)sprintf(text + n, "%05u\r\n", i);

		memset(text + length, ' ', sizeof(text) - length);
		// Lengths that leave every rest at the end of the ring.
		trace_keep(trace, &flow, false, (struct slice){text, length + i * 7919 % 3900});
	}
	n_kept = find(alice);
	assert_in_range(n_kept, 15, 60);
	assert_memory_equal(found.text + n, "09999", 5);
	assert_int_equal(atoi(found.first + n), 10000 - (int)n_kept);
}

static void long_message_is_cut(void **)
{
	static char text[60000];

	memset(text, 'x', sizeof(text));
	memcpy(text, "i: one\r\n", 8);
	trace_assign(trace, SLICE("one"), alice);
	for (int i = 0; i < 100; i++)
		trace_keep(trace, &flow, false, (struct slice){text, sizeof(text)});
	assert_in_range(find(alice), 5, 8);
	assert_int_equal(found.last.text.n, 8192);
	assert_int_equal(found.last.n_whole, sizeof(text));
}

static void old_assignments_are_forgotten(void **)
{
	char call_id[16];

	keep("INVITE x SIP/2.0\r\nCall-ID: one\r\n\r\n", false);
	trace_assign(trace, SLICE("one"), alice);
	for (unsigned int i = 0; i < 32767; i++) {
		snprintf(call_id, sizeof(call_id), "%u", i);
		trace_assign(trace, slice_of(call_id), bob);
	}
	assert_int_equal(find(alice), 1);
	trace_assign(trace, SLICE("last"), bob);
	assert_int_equal(find(alice), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			messages_of_both_sides_are_found_in_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			call_id_in_a_body_does_not_count, set_up, tear_down),
		cmocka_unit_test_setup_teardown(secrets_are_not_kept, set_up, tear_down),
		cmocka_unit_test_setup_teardown(oldest_make_room_for_the_newest, set_up, tear_down),
		cmocka_unit_test_setup_teardown(long_message_is_cut, set_up, tear_down),
		cmocka_unit_test_setup_teardown(old_assignments_are_forgotten, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
