// STUN keep-alives: the mapped addresses and the fingerprint of RFC 5769, what is no request, and
// the answers of a listener.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "check.h"
#include "harness.h"
#include "stun.h"

#define ID "\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae"

static const char plain[] = "\x00\x01\x00\x00\x21\x12\xa4\x42" ID;

// RFC 5769 2.1. Its attributes are those of ICE, which is not what we speak here.
static const char sample[] =
	"\x00\x01\x00\x58\x21\x12\xa4\x42" ID "\x80\x22\x00\x10STUN test client"
	"\x00\x24\x00\x04\x6e\x00\x01\xff"
	"\x80\x29\x00\x08\x93\x2f\xf9\xb1\x51\x26\x3b\x36"
	"\x00\x06\x00\x09\x65\x76\x74\x6a\x3a\x68\x36\x76\x59\x20\x20\x20"
	"\x00\x08\x00\x14\x9a\xea\xa7\x0c\xbf\xd8\xcb\x56\x78\x1e\xf2\xb5"
	"\xb2\xd3\xf2\x49\xc1\xb5\x71\xa2"
	"\x80\x28\x00\x04\xe5\x7a\x3b\xcf";

#define BYTES(literal) ((struct slice){literal, sizeof(literal) - 1})

static struct sip_address source(const char *host)
{
	struct sip_address address;

	assert_int_equal(sip_address_parse(slice_of(host), 32853, &address), 0);
	return address;
}

static void check_answer(struct slice request, const char *host, struct slice expected)
{
	struct sip_address from = source(host);
	char out[STUN_ANSWER_MAX];
	struct slice answer = stun_answer(request, &from, out);

	assert_int_equal(answer.n, expected.n);
	assert_memory_equal(answer.p, expected.p, expected.n);
}

static void mapped_addresses_are_those_of_the_rfc(void **)
{
	check_answer(BYTES(plain), "192.0.2.1",
		BYTES("\x01\x01\x00\x0c\x21\x12\xa4\x42" ID
		      "\x00\x20\x00\x08\x00\x01\xa1\x47\xe1\x12\xa6\x43"));
	check_answer(BYTES(plain), "2001:db8:1234:5678:11:2233:4455:6677",
		BYTES("\x01\x01\x00\x18\x21\x12\xa4\x42" ID
		      "\x00\x20\x00\x14\x00\x02\xa1\x47\x01\x13\xa9\xfa\xa5\xd3\xf1\x79"
		      "\xbc\x25\xf4\xb5\xbe\xd2\xb9\xd9"));
}

// It demands PRIORITY, USERNAME and MESSAGE-INTEGRITY.
static void what_is_demanded_and_unknown_is_told(void **)
{
	struct sip_address from = source("192.0.2.1");
	char out[STUN_ANSWER_MAX];
	struct slice answer = stun_answer(BYTES(sample), &from, out);
	static const char expected[] = "\x01\x11\x00\x30\x21\x12\xa4\x42" ID
				       "\x00\x09\x00\x15\x00\x00\x04\x14Unknown Attribute\0\0\0"
				       "\x00\x0a\x00\x06\x00\x24\x00\x06\x00\x08\0\0"
				       "\x80\x28\x00\x04";

	assert_int_equal(answer.n, sizeof(expected) - 1 + 4);
	assert_memory_equal(answer.p, expected, sizeof(expected) - 1);
}

static void fingerprint_is_answered_by_one(void **)
{
	// By crc32() of zlib.
	static const char request[] = "\x00\x01\x00\x08\x21\x12\xa4\x42" ID "\x80\x28\x00\x04"
				      "\xfd\xf6\xae\x02";
	static const char answer[] = "\x01\x01\x00\x14\x21\x12\xa4\x42" ID
				     "\x00\x20\x00\x08\x00\x01\xa1\x47\xe1\x12\xa6\x43"
				     "\x80\x28\x00\x04"
				     "\x7d\x28\x1f\x59";

	check_answer(BYTES(request), "192.0.2.1", BYTES(answer));
}

static void what_is_no_request_gets_nothing(void **)
{
	static const struct {
		struct slice data;
	} table[] = {
		{BYTES("")},
		{{plain, sizeof(plain) - 2}},
		{BYTES("\x00\x01\x00\x00\x21\x12\xa4\x43" ID)},		   // no cookie
		{BYTES("\x01\x01\x00\x00\x21\x12\xa4\x42" ID)},		   // a response
		{BYTES("\x00\x11\x00\x00\x21\x12\xa4\x42" ID)},		   // an indication
		{BYTES("\x00\x01\x00\x04\x21\x12\xa4\x42" ID)},		   // cut
		{BYTES("\x00\x01\x00\x00\x21\x12\xa4\x42" ID "\0\0\0\0")}, // longer
		{BYTES("\x00\x01\x00\x04\x21\x12\xa4\x42" ID "\x80\x22\xff\xff")},
		{BYTES("\x00\x01\x00\x04\x21\x12\xa4\x42" ID "\x80\x22\x00\x01")},
		{BYTES("\x00\x01\x00\x08\x21\x12\xa4\x42" ID "\x80\x28\x00\x04wrng")},
		{{sample, sizeof(sample) - 2}},
	};
	struct sip_address from = source("192.0.2.1");
	char out[STUN_ANSWER_MAX], broken[sizeof(sample)];

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		assert_null(stun_answer(table[i].data, &from, out).p);
	for (size_t i = 20; i < sizeof(sample) - 1 - 8; i++) { // the fingerprint covers all
		memcpy(broken, sample, sizeof(sample));
		broken[i] ^= 1;
		assert_null(stun_answer(BYTES(broken), &from, out).p);
	}
}

static void listener_answers_who_may_talk(void **state)
{
	struct harness *h = *state;
	const struct sip_address *to = listener_address(h->listener);
	char got[256];

	for (h->refuse_all = true;; h->refuse_all = false) {
		ssize_t n;

		assert_int_equal(sendto(h->peer, plain, sizeof(plain) - 1, 0, &to->any,
					 sip_address_length(to)),
			sizeof(plain) - 1);
		harness_run(h, 5);
		n = recv(h->peer, got, sizeof(got), MSG_DONTWAIT);
		assert_int_equal(n, h->refuse_all ? -1 : 32);
		if (!h->refuse_all)
			break;
	}
	assert_memory_equal(got, "\x01\x01\x00\x0c\x21\x12\xa4\x42" ID, 20);
	assert_int_equal(transport_counters(stack_transport(h->stack))->keepalives, 1);
	assert_int_equal(h->n_seen, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mapped_addresses_are_those_of_the_rfc),
		cmocka_unit_test(what_is_demanded_and_unknown_is_told),
		cmocka_unit_test(fingerprint_is_answered_by_one),
		cmocka_unit_test(what_is_no_request_gets_nothing),
		cmocka_unit_test_setup_teardown(
			listener_answers_who_may_talk, harness_setup, harness_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
