// Answers as servers send them, byte for byte.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>

#include "dns_message.h"

static uint8_t message[2048];
static size_t length;

static void put(const void *bytes, size_t n)
{
	memcpy(message + length, bytes, n);
	length += n;
}

static void put_16(unsigned int number)
{
	const uint8_t bytes[] = {(uint8_t)(number >> 8), (uint8_t)number};

	put(bytes, 2);
}

// "a.example", and "" for the root; "@" points to the question.
static void put_name(const char *name)
{
	if (!strcmp(name, "@")) {
		put("\xc0\x0c", 2);
		return;
	}
	while (*name) {
		uint8_t n = (uint8_t)strcspn(name, ".");

		put(&n, 1);
		put(name, n);
		name += n + (name[n] == '.');
	}
	put("", 1);
}

static void begin(unsigned int flags, unsigned int n_answers, unsigned int n_authorities)
{
	length = 0;
	put_16(1);
	put_16(flags);
	put_16(1);
	put_16(n_answers);
	put_16(n_authorities);
	put_16(0);
	put_name("q.example");
	put_16(DNS_A);
	put_16(1);
}

// Returns where its length is to be written.
static size_t put_head(const char *name, unsigned int type, unsigned int ttl_s)
{
	put_name(name);
	put_16(type);
	put_16(1);
	put_16(0);
	put_16(ttl_s);
	put_16(0);
	return length - 2;
}

static void end_data(size_t at)
{
	size_t n = length - at - 2;

	message[at] = (uint8_t)(n >> 8);
	message[at + 1] = (uint8_t)n;
}

static void put_address(const char *name, unsigned int ttl_s, const char *address)
{
	size_t at = put_head(name, DNS_A, ttl_s);
	struct in_addr parsed;

	inet_pton(AF_INET, address, &parsed);
	put(&parsed, 4);
	end_data(at);
}

static int parse(enum dns_type type, struct dns_answer *answer)
{
	return dns_answer_parse(message, length, type, answer);
}

static void addresses_live_as_long_as_the_shortest(void **)
{
	struct dns_answer answer;
	size_t at;

	begin(0x8180, 3, 0);
	at = put_head("@", 5, 20); // an alias on the way
	put_name("b.example");
	end_data(at);
	put_address("b.example", 300, "192.0.2.1");
	put_address("b.example", 60, "192.0.2.2");
	assert_int_equal(parse(DNS_A, &answer), 0);
	assert_int_equal(answer.n, 2);
	assert_int_equal(answer.ttl_s, 20);
	assert_int_equal(answer.records[1].v4.s_addr, inet_addr("192.0.2.2"));
}

static void services_have_priority_weight_port_and_target(void **)
{
	struct dns_answer answer;
	size_t at;

	begin(0x8180, 2, 0);
	for (int i = 0; i < 2; i++) {
		at = put_head("@", DNS_SRV, 0);
		put_16(10 + i);
		put_16(60);
		put_16(5062);
		put_name(i ? "" : "sip.a.example");
		end_data(at);
	}
	assert_int_equal(parse(DNS_SRV, &answer), 0);
	assert_int_equal(answer.n, 2);
	assert_int_equal(answer.ttl_s, 1); // never none
	assert_int_equal(answer.records[0].priority, 10);
	assert_int_equal(answer.records[0].weight, 60);
	assert_int_equal(answer.records[0].port, 5062);
	assert_string_equal(answer.records[0].name, "sip.a.example");
	assert_string_equal(answer.records[1].name, "");
}

static void naptr_has_flags_service_and_replacement(void **)
{
	struct dns_answer answer;
	size_t at;

	begin(0x8180, 1, 0);
	at = put_head("@", DNS_NAPTR, 100);
	put_16(50);
	put_16(7);
	put("\1s\10SIPS+D2T\0", 12);
	put_name("_sips._tcp.example");
	end_data(at);
	assert_int_equal(parse(DNS_NAPTR, &answer), 0);
	assert_int_equal(answer.n, 1);
	assert_int_equal(answer.records[0].priority, 50);
	assert_int_equal(answer.records[0].weight, 7);
	assert_string_equal(answer.records[0].flags, "s");
	assert_string_equal(answer.records[0].service, "SIPS+D2T");
	assert_string_equal(answer.records[0].name, "_sips._tcp.example");
}

static void nothing_lives_as_long_as_its_zone_says(void **)
{
	struct dns_answer answer;
	size_t at;

	begin(0x8183, 0, 1);
	at = put_head("example", DNS_SOA, 3600);
	put_name("ns.example");
	put_name("root.example");
	put("\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\74", 20); // minimum: 60
	end_data(at);
	assert_int_equal(parse(DNS_A, &answer), 0);
	assert_int_equal(answer.n, 0);
	assert_int_equal(answer.ttl_s, 60);
	begin(0x8180, 0, 0);
	assert_int_equal(parse(DNS_A, &answer), 0);
	assert_int_equal(answer.ttl_s, DNS_NEGATIVE_S);
}

static void server_that_cannot_say_says_nothing(void **)
{
	struct dns_answer answer;

	begin(0x8182, 0, 0); // SERVFAIL
	assert_int_equal(parse(DNS_A, &answer), -EAGAIN);
	begin(0x8185, 0, 0); // REFUSED
	assert_int_equal(parse(DNS_A, &answer), -EAGAIN);
	begin(0x0100, 0, 0); // a question
	assert_int_equal(parse(DNS_A, &answer), -EBADMSG);
}

static void names_that_go_in_circles_are_refused(void **)
{
	struct dns_answer answer;
	uint8_t pointer[2] = {0xc0, 0};
	size_t at;

	begin(0x8180, 1, 0);
	at = put_head("@", DNS_SRV, 1);
	put_16(1);
	put_16(1);
	put_16(5060);
	pointer[1] = (uint8_t)length;
	put(pointer, 2); // to itself
	end_data(at);
	assert_int_equal(parse(DNS_SRV, &answer), 0);
	assert_int_equal(answer.n, 0); // the record, not the others
}

static void cut_anywhere_it_is_refused(void **)
{
	struct dns_answer answer;
	size_t whole;

	begin(0x8180, 2, 0);
	put_address("@", 300, "192.0.2.1");
	put_address("@", 300, "192.0.2.2");
	whole = length;
	for (length = 0; length < whole; length++)
		assert_int_equal(parse(DNS_A, &answer), -EBADMSG);
	assert_int_equal(parse(DNS_A, &answer), 0);
}

static void more_records_than_there_is_room_for_are_left_out(void **)
{
	struct dns_answer answer;

	begin(0x8180, DNS_RECORDS_MAX + 8, 0);
	for (int i = 0; i < DNS_RECORDS_MAX + 8; i++)
		put_address("@", 300, "192.0.2.1");
	assert_int_equal(parse(DNS_A, &answer), 0);
	assert_int_equal(answer.n, DNS_RECORDS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_live_as_long_as_the_shortest),
		cmocka_unit_test(services_have_priority_weight_port_and_target),
		cmocka_unit_test(naptr_has_flags_service_and_replacement),
		cmocka_unit_test(nothing_lives_as_long_as_its_zone_says),
		cmocka_unit_test(server_that_cannot_say_says_nothing),
		cmocka_unit_test(names_that_go_in_circles_are_refused),
		cmocka_unit_test(cut_anywhere_it_is_refused),
		cmocka_unit_test(more_records_than_there_is_room_for_are_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
