// Bans: when they begin and end, and that they stay within their memory.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "bans.h"
#include "sip_address.h"

static const struct bans_rules rules = {
	.failures = 3, .failures_s = 10, .ban_s = 60, .hosts_max = 4};

static struct sip_address host(const char *text)
{
	struct sip_address address;

	assert_int_equal(sip_address_parse(slice_of(text), 5060, &address), 0);
	return address;
}

static bool fails(struct bans *bans, const char *text, uint64_t now_ms)
{
	struct sip_address address = host(text);

	return bans_failed(bans, &address.any, now_ms);
}

static bool has(struct bans *bans, const char *text, uint64_t now_ms)
{
	struct sip_address address = host(text);

	return bans_has(bans, &address.any, now_ms);
}

static void third_failure_in_time_bans_for_a_while(void **)
{
	struct bans *bans = bans_create(&rules);

	assert_false(fails(bans, "192.0.2.1", 1000));
	assert_false(fails(bans, "192.0.2.1", 5000));
	assert_false(has(bans, "192.0.2.1", 5000));
	assert_true(fails(bans, "192.0.2.1", 11000));
	assert_true(has(bans, "192.0.2.1", 11000));
	assert_true(has(bans, "192.0.2.1", 70999));
	assert_false(has(bans, "192.0.2.2", 11000));
	assert_false(has(bans, "192.0.2.1", 71000));
	assert_int_equal(bans_refused(bans), 2);
	bans_destroy(bans);
}

static void failures_far_apart_do_not_count_together(void **)
{
	struct bans *bans = bans_create(&rules);

	for (unsigned int i = 0; i < 20; i++)
		assert_false(fails(bans, "192.0.2.1", 1000 + i * 5001));
	bans_destroy(bans);
}

static void hosts_of_one_ipv6_network_count_together(void **)
{
	struct bans *bans = bans_create(&rules);

	fails(bans, "2001:db8:1:2::1", 1000);
	fails(bans, "2001:db8:1:2::2", 1000);
	assert_true(fails(bans, "2001:db8:1:2::3", 1000));
	assert_true(has(bans, "2001:db8:1:2:3:4:5:6", 1000));
	assert_false(has(bans, "2001:db8:1:3::1", 1000));
	fails(bans, "192.0.2.1", 1000);
	fails(bans, "192.0.2.1", 1000);
	assert_true(fails(bans, "::ffff:192.0.2.1", 1000));
	assert_true(has(bans, "192.0.2.1", 1000));
	bans_destroy(bans);
}

static void memory_is_bounded(void **)
{
	struct bans *bans = bans_create(&rules);
	char text[32];

	for (unsigned int i = 0; i < 100; i++) {
		snprintf(text, sizeof(text), "192.0.2.%u", i);
		fails(bans, text, 1000);
		assert_true(bans_n(bans) <= rules.hosts_max);
	}
	fails(bans, "192.0.2.99", 1000);
	assert_true(fails(bans, "192.0.2.99", 1000));
	bans_destroy(bans);
}

static void without_a_limit_nobody_is_banned(void **)
{
	const struct bans_rules none = {.failures_s = 10, .ban_s = 60, .hosts_max = 4};
	struct bans *bans = bans_create(&none);

	for (unsigned int i = 0; i < 100; i++)
		assert_false(fails(bans, "192.0.2.1", 1000));
	assert_int_equal(bans_n(bans), 0);
	bans_destroy(bans);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(third_failure_in_time_bans_for_a_while),
		cmocka_unit_test(failures_far_apart_do_not_count_together),
		cmocka_unit_test(hosts_of_one_ipv6_network_count_together),
		cmocka_unit_test(memory_is_bounded),
		cmocka_unit_test(without_a_limit_nobody_is_banned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
