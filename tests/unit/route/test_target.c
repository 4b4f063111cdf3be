#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "target.h"
#include "trunk.h"

static struct health_rules rules = {.fails = 3, .successes = 2};

static int set_rules(void **)
{
	return status_set_add(&rules.alive, "2xx") || status_set_add(&rules.alive, "404");
}

// One letter a probe: + alive, - not; the state after it: U up, D down.
static void thresholds_count_results_in_a_row(void **)
{
	static const struct {
		const char *results, *states;
	} cases[] = {
		{"---", "UUD"},
		{"--+---", "UUUUUD"},
		{"---+-++", "UUDDDDU"},
		{"---++--", "UUDDUUU"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct target target = {};

		for (size_t j = 0; cases[i].results[j]; j++) {
			bool was_down = target.is_down;
			bool changed = target_probed(
				&target, &rules, cases[i].results[j] == '+' ? 200 : 0, j + 1);

			assert_int_equal(target.is_down ? 'D' : 'U', cases[i].states[j]);
			assert_int_equal(changed, target.is_down != was_down);
		}
	}
}

static void statuses_that_count_as_alive_are_a_matter_of_configuration(void **)
{
	struct target target = {};

	for (int i = 0; i < 5; i++)
		assert_false(target_probed(&target, &rules, 404, 1));
	assert_false(target_probed(&target, &rules, 403, 1));
	assert_false(target_probed(&target, &rules, 503, 1));
	assert_true(target_probed(&target, &rules, 500, 1));
	assert_string_equal(target_state(&target, 1), "down");
}

static void backoff_doubles_up_to_a_limit_and_ends_with_an_answer(void **)
{
	struct target target = {};

	target_failed(&target, 1000, 10000);
	assert_int_equal(target_fitness(&target, 10999), TARGET_LAST);
	assert_int_equal(target_fitness(&target, 11000), TARGET_FIT);
	target_failed(&target, 1000, 20000);
	assert_int_equal(target.failed_ms, 22000);
	for (int i = 0; i < 20; i++)
		target_failed(&target, 1000, 30000);
	assert_int_equal(target.failed_ms, 30000 + 1000 * BACKOFF_TIMES_MAX);
	assert_string_equal(target_state(&target, 30001), "failing");
	target_answered(&target);
	assert_int_equal(target_fitness(&target, 30001), TARGET_FIT);
	target_failed(&target, 1000, 40000);
	assert_int_equal(target.failed_ms, 41000);
}

static void no_backoff_is_none(void **)
{
	struct target target = {};

	target_failed(&target, 0, 1000);
	assert_int_equal(target_fitness(&target, 1000), TARGET_FIT);
	assert_int_equal(target.failed, 1);
}

static void retry_after_closes_and_no_answer_opens(void **)
{
	struct target target = {};

	target_close(&target, 30, 1000);
	target_answered(&target);
	assert_int_equal(target_fitness(&target, 30999), TARGET_UNFIT);
	assert_string_equal(target_state(&target, 30999), "closed");
	assert_int_equal(target_fitness(&target, 31000), TARGET_FIT);
	target_close(&target, UINT32_MAX, 1000);
	assert_int_equal(target.closed_ms, 1000 + RETRY_AFTER_MAX_S * 1000);
}

#define N_PEERS 3

static struct trunk_peer peers[N_PEERS];
static struct trunk trunk = {.peers = peers, .n_peers = N_PEERS};

static int open_trunk(void **)
{
	for (int i = 0; i < N_PEERS; i++) {
		peers[i] = (struct trunk_peer){.priority = 1 + (uint32_t)i, .weight = 1};
		if (address_parse("192.0.2.1", (uint16_t)(5061 + i), &peers[i].address))
			return -1;
	}
	return trunk_open(&trunk, NULL);
}

static int close_trunk(void **)
{
	trunk_close(&trunk);
	return 0;
}

static struct target *target_of(int peer)
{
	return peers[peer].targets[0].target;
}

// The order of peers as digits.
static const char *order(bool desperate, uint64_t now_ms)
{
	static char text[N_PEERS + 1];
	struct target *targets[N_PEERS];
	size_t n = trunk_targets(&trunk, now_ms, desperate, targets, N_PEERS);

	for (size_t i = 0; i < n; i++) {
		for (int j = 0; j < N_PEERS; j++)
			if (targets[i] == target_of(j))
				text[i] = (char)('1' + j);
		target_return(targets[i]);
	}
	text[n] = '\0';
	return text;
}

static void order_is_that_of_priority_and_of_what_is_known(void **)
{
	assert_string_equal(order(false, 1000), "123");
	target_failed(target_of(0), 5000, 1000);
	assert_string_equal(order(false, 1000), "231");
	target_close(target_of(1), 10, 1000);
	assert_string_equal(order(false, 1000), "31");
	assert_string_equal(order(true, 1000), "312");
	target_of(2)->is_down = true;
	assert_string_equal(order(false, 1000), "1");
	target_of(0)->is_down = true;
	assert_string_equal(order(false, 1000), "");
	assert_string_equal(order(true, 1000), "123");
	assert_string_equal(order(false, 60000), "2");
}

static void a_target_is_shared_and_goes_with_its_last_holder(void **)
{
	struct target_list list = LIST_HEAD_INITIALIZER(list);
	struct sockaddr_storage address, other;
	struct target *first, *second, *third;

	assert_int_equal(address_parse("192.0.2.1", 5060, &address), 0);
	assert_int_equal(address_parse("192.0.2.1", 5061, &other), 0);
	first = target_take(&list, REALM_UDP, &address);
	assert_ptr_equal(target_take(&list, REALM_UDP, &address), first);
	second = target_take(&list, REALM_TCP, &address);
	third = target_take(&list, REALM_UDP, &other);
	assert_true(first != second && first != third);
	target_return(first);
	assert_ptr_equal(target_take(&list, REALM_UDP, &address), first);
	target_return(first);
	target_return(first);
	target_return(second);
	target_return(third);
	assert_true(LIST_EMPTY(&list));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(thresholds_count_results_in_a_row),
		cmocka_unit_test(statuses_that_count_as_alive_are_a_matter_of_configuration),
		cmocka_unit_test(backoff_doubles_up_to_a_limit_and_ends_with_an_answer),
		cmocka_unit_test(no_backoff_is_none),
		cmocka_unit_test(retry_after_closes_and_no_answer_opens),
		cmocka_unit_test_setup_teardown(
			order_is_that_of_priority_and_of_what_is_known, open_trunk, close_trunk),
		cmocka_unit_test(a_target_is_shared_and_goes_with_its_last_holder),
	};

	return cmocka_run_group_tests(tests, set_rules, NULL);
}
