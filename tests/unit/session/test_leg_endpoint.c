#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>

#include "session_rig.h"

static struct leg_endpoint endpoint(const char *text, uint16_t port)
{
	struct sl_address address = rig_address(text, port);

	return leg_endpoint_of(&address);
}

static void both_families_come_back_as_they_were(void **)
{
	static const char *const texts[] = {"192.0.2.1", "255.255.255.255", "2001:db8::1",
		"fe80::ffff:192.0.2.1", "1::ffff:192.0.2.1", "::fffe:192.0.2.1"};

	for (size_t i = 0; i < RTE_DIM(texts); i++) {
		struct sl_address address = rig_address(texts[i], (uint16_t)(i + 1));
		struct leg_endpoint at = leg_endpoint_of(&address);
		struct sl_address again = leg_endpoint_address(&at);

		assert_memory_equal(&again, &address, sizeof(address));
		assert_int_equal(leg_endpoint_is_ipv4(&at), address.family == SL_IPV4);
	}
}

// Every bit counts.
static void two_are_equal_only_in_all_bits(void **)
{
	struct leg_endpoint a = endpoint("2001:db8::1", 4000), b = a;
	uint8_t *bytes = (uint8_t *)&b;

	assert_true(leg_endpoint_equal(&a, &b));
	assert_true(leg_endpoint_same_host(&a, &b));
	for (unsigned int bit = 0; bit < 18 * 8; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(leg_endpoint_equal(&a, &b));
		assert_int_equal(leg_endpoint_same_host(&a, &b), bit >= 16 * 8);
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

static void hosts_that_can_be_answered_as_a_table(void **)
{
	static const struct {
		const char *text;
		bool answerable;
	} rows[] = {
		{"0.0.0.0", false},
		{"0.255.255.255", false},
		{"1.0.0.0", true},
		{"192.0.2.1", true},
		{"223.255.255.255", true},
		{"224.0.0.0", false},
		{"255.255.255.255", false},
		{"::", false},
		{"::1", false},
		{"::192.0.2.1", false},
		{"::ffff:192.0.2.1", false},
		{"64:ff9b::192.0.2.1", true},
		{"2001:db8::1", true},
		{"fd00::1", true},
		{"fe7f::1", true},
		{"fe80::1", false},
		{"febf:ffff::1", false},
		{"fec0::1", true},
		{"feff::1", true},
		{"ff00::1", false},
		{"ffff::1", false},
	};

	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		struct leg_endpoint at = endpoint(rows[i].text, 1);
		bool answerable = strchr(rows[i].text, ':')
					  ? leg_ipv6_is_answerable(&at)
					  : leg_ipv4_is_answerable(leg_endpoint_ipv4_of(&at));

		if (answerable != rows[i].answerable)
			fail_msg("%s", rows[i].text);
	}
}

static struct leg_latch latch;
static bool stop;

static void *write_latches(void *)
{
	for (uint16_t i = 1; !__atomic_load_n(&stop, __ATOMIC_RELAXED); i++) {
		struct leg_endpoint from = {.ip = {i, i}, .port = i};

		leg_latch_set(&latch, i, &from);
	}
	return NULL;
}

static void main_never_sees_half_of_a_latch(void **)
{
	pthread_t writer;

	assert_int_equal(pthread_create(&writer, NULL, write_latches, NULL), 0);
	for (unsigned int n = 0; n < 1000000; n++) {
		struct leg_latch seen = leg_latch_read(&latch);

		assert_int_equal(seen.from.ip[0], seen.epoch);
		assert_int_equal(seen.from.ip[1], seen.epoch);
		assert_int_equal(seen.from.port, seen.epoch);
		assert_int_equal(seen.changes & 1, 0);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(writer, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_families_come_back_as_they_were),
		cmocka_unit_test(two_are_equal_only_in_all_bits),
		cmocka_unit_test(hosts_that_can_be_answered_as_a_table),
		cmocka_unit_test(main_never_sees_half_of_a_latch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
