// Slices and the rules made of them: every port of a range is somebody's, and one's only.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <rte_common.h>
#include <stdlib.h>

#include "flow.h"

#define ROUNDS	  300
#define UDP_PORTS 65536

static uint8_t matches[UDP_PORTS];

// How often each port is matched, in `matches`.
static unsigned int count_matches(const struct port_slice *slice)
{
	struct port_pattern patterns[PORT_PATTERNS_MAX + 1];
	unsigned int n = port_slice_patterns(slice, patterns);

	for (unsigned int i = 0; i < n; i++)
		for (unsigned int port = 0; port < UDP_PORTS; port++)
			matches[port] += (port & patterns[i].mask) == patterns[i].port;
	return n;
}

static struct realm random_realm(void)
{
	unsigned int a = (unsigned int)rand() % (UDP_PORTS / 2);
	unsigned int b = (unsigned int)rand() % (UDP_PORTS / 2);

	return (struct realm){.rtp_port_min = (uint16_t)(2 * RTE_MIN(a, b)),
		.rtp_port_max = (uint16_t)(2 * RTE_MAX(a, b) + 1)};
}

static void patterns_of_all_slices_match_each_port_once_and_no_other(void **)
{
	srand(1);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		struct realm realm = random_realm();
		unsigned int n_workers = 1 + (unsigned int)rand() % 5;

		memset(matches, 0, sizeof(matches));
		for (unsigned int i = 0; i < n_workers; i++) {
			struct port_slice slice = port_slice_of(&realm, i, n_workers);

			assert_in_range(count_matches(&slice), 0, PORT_PATTERNS_MAX);
		}
		for (unsigned int port = 0; port < UDP_PORTS; port++)
			if (matches[port] !=
				(port >= realm.rtp_port_min && port <= realm.rtp_port_max))
				fail_msg("%u..%u, %u workers: port %u is matched %u times",
					realm.rtp_port_min, realm.rtp_port_max, n_workers, port,
					matches[port]);
	}
}

static void slices_are_contiguous_pairs_and_as_long_as_each_other(void **)
{
	for (unsigned int round = 0; round < 100 * ROUNDS; round++) {
		struct realm realm = random_realm();
		unsigned int n_workers = 1 + (unsigned int)rand() % 64;
		uint32_t next = realm.rtp_port_min, shortest = UDP_PORTS, longest = 0;

		for (unsigned int i = 0; i < n_workers; i++) {
			struct port_slice slice = port_slice_of(&realm, i, n_workers);
			uint32_t length = slice.end - slice.first;

			assert_int_equal(slice.first, next);
			assert_int_equal(length % 2, 0);
			next = slice.end;
			shortest = RTE_MIN(shortest, length);
			longest = RTE_MAX(longest, length);
		}
		assert_int_equal(next, realm.rtp_port_max + 1u);
		assert_in_range(longest - shortest, 0, 2);
	}
}

static void patterns_of_a_slice_are_as_few_as_can_be(void **)
{
	static const struct {
		uint32_t first, last;
		unsigned int n;
	} rows[] = {
		{16384, 32767, 1}, // a power of two
		{16384, 24575, 1}, {0, 65535, 1}, {20000, 20001, 1}, {20000, 20003, 1},
		{20002, 20005, 2}, // 2 + 2
		{2, 65533, 28},	   // the worst
		{20000, 19999, 0}, // more workers than pairs
	};
	struct port_pattern patterns[PORT_PATTERNS_MAX];

	for (unsigned int i = 0; i < RTE_DIM(rows); i++)
		assert_int_equal(
			port_slice_patterns(
				&(struct port_slice){rows[i].first, rows[i].last + 1}, patterns),
			rows[i].n);
}

struct seen {
	unsigned int n;
	struct flow_rule rules[64];
	int stop_at;
};

static int note(void *context, const struct flow_rule *rule)
{
	struct seen *seen = context;

	seen->rules[seen->n++] = *rule;
	return (int)seen->n == seen->stop_at ? -1 : 0;
}

static void rules_are_of_all_addresses_of_a_port_and_of_each_worker(void **)
{
	struct realms realms = {.n = 3,
		.entries = {{.port = 0,
				    .vlan = 7,
				    .rtp_port_min = 16384,
				    .rtp_port_max = 32767,
				    .n_addresses = 2},
			{.port = 1, .rtp_port_min = 16384, .rtp_port_max = 32767, .n_addresses = 1},
			{.port = 0,
				.rtp_port_min = 20000,
				.rtp_port_max = 20007,
				.n_addresses = 1}}};
	const struct ports_config config = {.realms = &realms, .n_workers = 2};
	struct seen seen = {};

	assert_int_equal(flow_rules(&config, 0, note, &seen), 0);
	assert_int_equal(seen.n, 2 * 2 + 2);
	for (unsigned int i = 0; i < 6; i++) {
		assert_int_equal(seen.rules[i].vlan, i < 4 ? 7 : 0);
		assert_int_equal(seen.rules[i].queue, i < 4 ? i / 2 : i - 4);
	}
	assert_ptr_equal(seen.rules[0].address, &realms.entries[0].addresses[0]);
	assert_ptr_equal(seen.rules[1].address, &realms.entries[0].addresses[1]);
	assert_int_equal(seen.rules[2].pattern.port, 24576);
	assert_int_equal(seen.rules[2].pattern.mask, 0xe000);
	assert_ptr_equal(seen.rules[5].address, &realms.entries[2].addresses[0]);
	assert_int_equal(seen.rules[5].pattern.port, 20004);
	assert_int_equal(seen.rules[5].pattern.mask, 0xfffc);
}

static void a_rule_that_is_refused_is_the_last(void **)
{
	struct realms realms = {.n = 2,
		.entries = {{.rtp_port_min = 2, .rtp_port_max = 65533, .n_addresses = 1},
			{.rtp_port_min = 2, .rtp_port_max = 65533, .n_addresses = 1}}};
	const struct ports_config config = {.realms = &realms, .n_workers = 2};
	struct seen seen = {.stop_at = 3};

	assert_int_equal(flow_rules(&config, 0, note, &seen), -1);
	assert_int_equal(seen.n, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns_of_all_slices_match_each_port_once_and_no_other),
		cmocka_unit_test(slices_are_contiguous_pairs_and_as_long_as_each_other),
		cmocka_unit_test(patterns_of_a_slice_are_as_few_as_can_be),
		cmocka_unit_test(rules_are_of_all_addresses_of_a_port_and_of_each_worker),
		cmocka_unit_test(a_rule_that_is_refused_is_the_last),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
