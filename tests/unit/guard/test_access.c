// Networks and rates of sources.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "access.h"
#include "guard.h"
#include "sip_address.h"

static struct sip_address address(const char *text)
{
	struct sip_address parsed;

	assert_int_equal(sip_address_parse(slice_of(text), 5060, &parsed), 0);
	return parsed;
}

static bool is_in(const char *net_text, const char *host_text)
{
	struct sip_address host = address(host_text);
	struct access_net net;
	uint8_t bytes[16];

	assert_int_equal(access_net_parse(net_text, &net), 0);
	assert_int_equal(access_host(&host.any, bytes), 0);
	return access_has(&net, 1, bytes);
}

static void networks_hold_their_hosts(void **)
{
	assert_true(is_in("192.0.2.0/24", "192.0.2.255"));
	assert_false(is_in("192.0.2.0/24", "192.0.3.0"));
	assert_true(is_in("192.0.2.128/25", "192.0.2.128"));
	assert_false(is_in("192.0.2.128/25", "192.0.2.127"));
	assert_true(is_in("192.0.2.7", "192.0.2.7"));
	assert_false(is_in("192.0.2.7", "192.0.2.6"));
	assert_true(is_in("0.0.0.0/0", "203.0.113.1"));
	assert_false(is_in("0.0.0.0/0", "2001:db8::1"));
	assert_true(is_in("2001:db8::/33", "2001:db8:7fff::1"));
	assert_false(is_in("2001:db8::/33", "2001:db8:8000::1"));
	assert_true(is_in("::/0", "2001:db8::1"));
	assert_true(is_in("192.0.2.0/24", "::ffff:192.0.2.1"));
}

static void what_is_no_network_is_refused(void **)
{
	static const char *const bad[] = {"", "192.0.2.1/24", "192.0.2.0/33", "192.0.2.0/",
		"192.0.2.0/-1", "192.0.2.0/24x", "192.0.2.0/ 24", "2001:db8::/129",
		"2001:db8::1/64", "host.example", "192.0.2/24"};
	struct access_net net;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(access_net_parse(bad[i], &net), -EINVAL);
}

static void each_source_has_its_own_rate(void **)
{
	struct access_rates *rates = access_rates_create();
	uint8_t first[16] = {1}, second[16] = {2};

	for (int i = 0; i < 3; i++)
		assert_true(access_rates_take(rates, first, 3, 1000));
	assert_false(access_rates_take(rates, first, 3, 1000));
	assert_true(access_rates_take(rates, second, 3, 1000));
	assert_false(access_rates_take(rates, first, 3, 1300));
	assert_true(access_rates_take(rates, first, 3, 1350));
	assert_false(access_rates_take(rates, first, 3, 1350));
	for (int i = 0; i < 3; i++)
		assert_true(access_rates_take(rates, first, 3, 9000));
	assert_false(access_rates_take(rates, first, 3, 9000));
	access_rates_destroy(rates);
}

// More sources than there is room for: memory stays what it is, and those that call go on.
static void flood_of_sources_forgets_the_silent(void **)
{
	struct access_rates *rates = access_rates_create();
	unsigned int n_taken = 0;

	for (uint32_t i = 0; i < 200000; i++) {
		uint8_t host[16] = {};

		memcpy(host, &i, sizeof(i));
		n_taken += access_rates_take(rates, host, 1, 1000 + i);
	}
	assert_int_equal(n_taken, 200000);
	access_rates_destroy(rates);
}

static void rules_decide_before_and_after_the_hosts(void **)
{
	struct access_net deny, allow;
	struct access_rules rules = {
		.deny = &deny, .n_deny = 1, .allow = &allow, .n_allow = 1, .unknown = 0};
	struct sip_address peer = address("192.0.2.1"), denied = address("198.51.100.1"),
			   allowed = address("203.0.113.1"), stranger = address("192.0.2.2");
	struct guard *guard = guard_create();

	assert_int_equal(access_net_parse("198.51.100.0/24", &deny), 0);
	assert_int_equal(access_net_parse("203.0.113.0/24", &allow), 0);
	assert_int_equal(guard_allow(guard, &peer.any), 0);
	assert_int_equal(guard_allow(guard, &denied.any), 0);
	assert_true(guard_check(guard, &denied.any));
	guard_rules_set(guard, &rules);
	assert_false(guard_check(guard, &denied.any));
	assert_true(guard_denies(guard, &denied.any));
	assert_true(guard_check(guard, &peer.any));
	assert_int_equal(guard_answer(guard, &peer.any), 0);
	assert_true(guard_check(guard, &allowed.any));
	assert_int_equal(guard_answer(guard, &allowed.any), 403);
	assert_false(guard_check(guard, &stranger.any));
	rules.unknown = 404;
	assert_true(guard_check(guard, &stranger.any));
	assert_int_equal(guard_answer(guard, &stranger.any), 404);
	guard_clear(guard);
	assert_int_equal(guard_answer(guard, &peer.any), 404);
	guard_destroy(guard);
}

static void answers_to_strangers_are_few(void **)
{
	struct access_rules rules = {.unknown = 403};
	struct sip_address stranger = address("192.0.2.2");
	struct guard *guard = guard_create();
	unsigned int n = 0;

	guard_rules_set(guard, &rules);
	for (int i = 0; i < 10000; i++)
		n += guard_check(guard, &stranger.any);
	assert_in_range(n, 1, 400); // 100 a second, and this takes less than three
	guard_destroy(guard);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(networks_hold_their_hosts),
		cmocka_unit_test(what_is_no_network_is_refused),
		cmocka_unit_test(each_source_has_its_own_rate),
		cmocka_unit_test(flood_of_sources_forgets_the_silent),
		cmocka_unit_test(rules_decide_before_and_after_the_hosts),
		cmocka_unit_test(answers_to_strangers_are_few),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
