// Heartbeats as bytes, and what members make of them.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "members.h"
#include "store_keys.h"

static struct store_keys *keys_make(const char *lines)
{
	char path[] = "/tmp/sluice-beat-XXXXXX", error[256];
	int fd = mkstemp(path);
	struct store_keys *keys;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, lines, strlen(lines)), strlen(lines));
	close(fd);
	keys = store_keys_load(path, error, sizeof(error));
	unlink(path);
	assert_non_null(keys);
	return keys;
}

#define KEY_1 "1 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n"
#define KEY_2 "2 ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n"

static const struct beat example = {.node = "n1",
	.draining = true,
	.boot = 1700000000000,
	.counter = 77,
	.calls = 1234,
	.n_missing = 1,
	.missing = {"n3"},
	.n_shards = 2,
	.shards = {{"s1", 5}, {"s2", 1ull << 40}}};

static void a_beat_comes_back_as_it_was(void **)
{
	struct store_keys *keys = keys_make(KEY_1);
	uint8_t datagram[BEAT_MAX];
	struct beat beat;
	int n = beat_seal(&example, keys, datagram);

	assert_true(n > 0 && n < 200);
	assert_int_equal(beat_open(&beat, keys, datagram, (size_t)n), 0);
	assert_memory_equal(&beat, &example, sizeof(beat));
	store_keys_destroy(keys);
}

static void the_largest_beat_fits(void **)
{
	struct store_keys *keys = keys_make(KEY_1);
	static struct beat beat, again;
	uint8_t datagram[BEAT_MAX];
	int n;

	beat = (struct beat){.n_missing = CLUSTER_NODES_MAX, .n_shards = CLUSTER_SHARDS_MAX};
	memset(beat.node, 'n', CLUSTER_NAME_MAX);
	for (size_t i = 0; i < CLUSTER_NODES_MAX; i++)
		memset(beat.missing[i], 'm', CLUSTER_NAME_MAX);
	for (size_t i = 0; i < CLUSTER_SHARDS_MAX; i++)
		memset(beat.shards[i].name, 's', CLUSTER_NAME_MAX);
	n = beat_seal(&beat, keys, datagram);
	assert_true(n > 0);
	assert_int_equal(beat_open(&again, keys, datagram, (size_t)n), 0);
	assert_memory_equal(&beat, &again, sizeof(beat));
	store_keys_destroy(keys);
}

static void every_changed_byte_is_noticed(void **)
{
	struct store_keys *keys = keys_make(KEY_1);
	uint8_t datagram[BEAT_MAX];
	struct beat beat;
	int n = beat_seal(&example, keys, datagram);

	for (int i = 0; i < n; i++) {
		datagram[i] ^= 1;
		assert_int_not_equal(beat_open(&beat, keys, datagram, (size_t)n), 0);
		datagram[i] ^= 1;
	}
	for (int i = 0; i < n; i++)
		assert_int_not_equal(beat_open(&beat, keys, datagram, (size_t)i), 0);
	assert_int_equal(beat_open(&beat, keys, datagram, (size_t)n), 0);
	store_keys_destroy(keys);
}

static void keys_are_those_of_the_cluster(void **)
{
	struct store_keys *one = keys_make(KEY_1), *both = keys_make(KEY_2 KEY_1),
			  *two = keys_make(KEY_2);
	uint8_t datagram[BEAT_MAX];
	struct beat beat;
	int n = beat_seal(&example, one, datagram);

	assert_int_equal(beat_open(&beat, two, datagram, (size_t)n), -ENOKEY);
	assert_int_equal(beat_open(&beat, both, datagram, (size_t)n), 0);
	store_keys_destroy(one);
	store_keys_destroy(two);
	store_keys_destroy(both);
}

static void what_is_no_beat_is_refused(void **)
{
	static const struct {
		const char *text;
		size_t length;
	} cases[] = {
		{"", 0}, {"\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\1\0\0\0\0", 20},	// ends early
		{"\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0", 24},	// no name
		{"\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\1\0\0\0\0\1/\0\0", 25},	// of other letters
		{"\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\1\0\0\0\0\1n\21\0", 25},	// too many missing
		{"\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\1\0\0\0\0\1n\0\1\1s\0", 28}, // epoch ends early
	};
	struct beat beat;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (beat_read(cases[i].text, cases[i].length, &beat) != -EBADMSG)
			fail_msg("case %zu", i);
}

static const struct cluster_node nodes[] = {{"n1"}, {"n2"}, {"n3"}};
static const struct cluster_settings settings = {
	.node = "n1", .nodes = nodes, .n_nodes = 3, .heartbeat_ms = 50, .n_missed = 5};

static void a_member_is_unknown_alive_and_dead(void **)
{
	struct beat beat = {.node = "n2", .boot = 1, .counter = 1};
	struct members members;
	struct member *member;

	members_init(&members, &settings, 1000);
	assert_int_equal(members.n, 2);
	assert_null(members_turn(&members, 1249));
	member = members_hear(&members, &beat, 1240);
	assert_string_equal(member->node->name, "n2");
	assert_ptr_equal(members_turn(&members, 1249), member);
	assert_int_equal(member->state, MEMBER_ALIVE);
	assert_int_equal(members_turn(&members, 1250)->state, MEMBER_DEAD); // n3, never heard
	assert_null(members_turn(&members, 1489));
	assert_ptr_equal(members_turn(&members, 1490), member);
	assert_int_equal(member->state, MEMBER_DEAD);
	members_restart(&members, 1500);
	assert_int_equal(members_turn(&members, 1500)->state, MEMBER_UNKNOWN);
}

static void a_repetition_is_not_heard(void **)
{
	static const struct {
		uint64_t boot, counter;
		bool taken;
	} steps[] = {{5, 10, true}, {5, 10, false}, {5, 9, false}, {5, 12, true}, {5, 11, false},
		{4, 99, false}, {6, 1, true}, {5, 13, false}, {6, 2, true}};
	struct members members;

	members_init(&members, &settings, 1000);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct beat beat = {
			.node = "n2", .boot = steps[i].boot, .counter = steps[i].counter};

		errno = 0;
		assert_int_equal(members_hear(&members, &beat, 1000 + i) != NULL, steps[i].taken);
		if (!steps[i].taken)
			assert_int_equal(errno, EALREADY);
	}
}

static void strangers_and_our_own_name_are_not_heard(void **)
{
	struct members members;

	members_init(&members, &settings, 1000);
	assert_null(members_hear(&members, &(struct beat){.node = "n9"}, 1000));
	assert_int_equal(errno, ENOENT);
	assert_null(members_hear(&members, &(struct beat){.node = "n1"}, 1000));
	assert_int_equal(errno, ENOENT);
}

static void a_beat_says_what_its_node_owns_and_misses(void **)
{
	struct member member = {.beat = example};

	assert_true(member_misses(&member, "n3"));
	assert_false(member_misses(&member, "n2"));
	assert_int_equal(member_epoch(&member, "s1"), 5);
	assert_int_equal(member_epoch(&member, "s3"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_beat_comes_back_as_it_was),
		cmocka_unit_test(the_largest_beat_fits),
		cmocka_unit_test(every_changed_byte_is_noticed),
		cmocka_unit_test(keys_are_those_of_the_cluster),
		cmocka_unit_test(what_is_no_beat_is_refused),
		cmocka_unit_test(a_member_is_unknown_alive_and_dead),
		cmocka_unit_test(a_repetition_is_not_heard),
		cmocka_unit_test(strangers_and_our_own_name_are_not_heard),
		cmocka_unit_test(a_beat_says_what_its_node_owns_and_misses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
