#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "guard.h"
#include "log.h"
#include "sip_address.h"

static struct sip_address address(const char *host, uint16_t port)
{
	struct sip_address out;

	assert_int_equal(sip_address_parse(slice_of(host), port, &out), 0);
	return out;
}

static bool checked(struct guard *guard, const char *host, uint16_t port)
{
	struct sip_address source = address(host, port);

	return guard_check(guard, &source.any);
}

static void allow(struct guard *guard, const char *host)
{
	struct sip_address known = address(host, 5060);

	assert_int_equal(guard_allow(guard, &known.any), 0);
}

static void known_hosts_pass_from_any_port(void **)
{
	struct guard *guard = guard_create();

	allow(guard, "192.0.2.1");
	allow(guard, "2001:db8::1");
	assert_true(checked(guard, "192.0.2.1", 5060));
	assert_true(checked(guard, "192.0.2.1", 40000));
	assert_true(checked(guard, "2001:db8::1", 1));
	assert_int_equal(guard_counters(guard)->allowed, 3);
	guard_destroy(guard);
}

static void unknown_hosts_are_refused_and_counted(void **)
{
	struct guard *guard = guard_create();

	assert_false(checked(guard, "192.0.2.2", 5060));
	allow(guard, "192.0.2.1");
	assert_false(checked(guard, "192.0.2.2", 5060));
	assert_false(checked(guard, "2001:db8::1", 5060));
	assert_int_equal(guard_counters(guard)->refused, 3);
	assert_int_equal(guard_counters(guard)->allowed, 0);
	guard_destroy(guard);
}

// As it comes from a socket that takes both families.
static void mapped_address_is_the_ipv4_host(void **)
{
	struct guard *guard = guard_create();

	allow(guard, "192.0.2.1");
	assert_true(checked(guard, "::ffff:192.0.2.1", 5060));
	guard_destroy(guard);
}

static void table_grows_and_forgets_nobody(void **)
{
	struct guard *guard = guard_create();
	char host[32];

	for (int i = 0; i < 5000; i++) {
		snprintf(host, sizeof(host), "10.0.%d.%d", i / 250, i % 250 + 1);
		allow(guard, host);
		allow(guard, host);
	}
	for (int i = 0; i < 5000; i++) {
		snprintf(host, sizeof(host), "10.0.%d.%d", i / 250, i % 250 + 1);
		assert_true(checked(guard, host, 5060));
		snprintf(host, sizeof(host), "10.1.%d.%d", i / 250, i % 250 + 1);
		assert_false(checked(guard, host, 5060));
	}
	guard_destroy(guard);
}

static void other_families_are_refused(void **)
{
	struct guard *guard = guard_create();
	struct sockaddr local = {.sa_family = AF_UNIX};

	assert_int_equal(guard_allow(guard, &local), -EAFNOSUPPORT);
	assert_false(guard_check(guard, &local));
	guard_destroy(guard);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_hosts_pass_from_any_port),
		cmocka_unit_test(unknown_hosts_are_refused_and_counted),
		cmocka_unit_test(mapped_address_is_the_ipv4_host),
		cmocka_unit_test(table_grows_and_forgets_nobody),
		cmocka_unit_test(other_families_are_refused),
	};

	log_guard.level = LOG_LEVEL_ERROR;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
