// One table of semantics, run against both implementations: memory, and a real Redis.
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "store_rig.h"

static struct cluster cluster;
static struct node a, b;
static struct answer answer;

static int set_up(void **state)
{
	cluster_init(&cluster, *state);
	node_start(&a, &cluster, "a");
	node_start(&b, &cluster, "b");
	return 0;
}

static int tear_down(void **)
{
	node_close(&a);
	node_close(&b);
	cluster_fini(&cluster);
	return 0;
}

static void put_is_read_back_by_another_node(void **)
{
	assert_int_equal(claim(&cluster, &a, "s1"), STORE_OK);
	put(&a, "s1", "call-1", "one");
	assert_int_equal(store_status(a.store)->n_unprotected, 1);
	saved(&cluster, &a);
	assert_string_equal(read_back(&cluster, &b, "s1", "call-1"), "one");
	assert_null(read_back(&cluster, &b, "s1", "call-2"));
	assert_null(read_back(&cluster, &b, "s2", "call-1"));
	assert_int_equal(store_status(a.store)->n_records, 1);
}

static void latest_state_wins_and_is_written_once(void **)
{
	char text[16];
	int i;

	assert_int_equal(claim(&cluster, &a, "s1"), STORE_OK);
	for (i = 0; i < 100; i++) {
		snprintf(text, sizeof(text), "state %d", i);
		put(&a, "s1", "call", text);
	}
	assert_int_equal(store_status(a.store)->n_unprotected, 1);
	saved(&cluster, &a);
	assert_string_equal(read_back(&cluster, &b, "s1", "call"), "state 99");
	assert_int_equal(store_status(a.store)->n_saved, 1);
	assert_int_equal(store_status(a.store)->n_coalesced, 99);
}

static void put_while_the_one_before_is_under_way_wins(void **)
{
	assert_int_equal(claim(&cluster, &a, "s1"), STORE_OK);
	put(&a, "s1", "call", "old");
	// 5 ms of write-behind, then the batch is on its way within this turn
	while (!store_status(a.store)->n_saved) {
		event_base_loop(cluster.base, EVLOOP_ONCE);
		put(&a, "s1", "call", "new");
	}
	saved(&cluster, &a);
	assert_string_equal(read_back(&cluster, &b, "s1", "call"), "new");
}

static void deleted_record_is_gone(void **)
{
	assert_int_equal(claim(&cluster, &a, "s1"), STORE_OK);
	put(&a, "s1", "call", "one");
	put(&a, "s1", "other", "two");
	saved(&cluster, &a);
	assert_int_equal(store_delete(a.store, "s1", "call"), 0);
	WAIT(&cluster, store_status(a.store)->n_deleted == 1);
	assert_null(read_back(&cluster, &b, "s1", "call"));
	assert_string_equal(read_back(&cluster, &b, "s1", "other"), "two");
	assert_int_equal(store_status(a.store)->n_records, 1);
	// and comes back
	put(&a, "s1", "call", "three");
	saved(&cluster, &a);
	assert_string_equal(read_back(&cluster, &b, "s1", "call"), "three");
}

static void put_then_delete_leaves_nothing(void **)
{
	assert_int_equal(claim(&cluster, &a, "s1"), STORE_OK);
	put(&a, "s1", "call", "one");
	assert_int_equal(store_delete(a.store, "s1", "call"), 0);
	assert_int_equal(store_status(a.store)->n_unprotected, 0);
	WAIT(&cluster, store_status(a.store)->n_deleted == 1);
	assert_null(read_back(&cluster, &b, "s1", "call"));
	assert_int_equal(store_status(a.store)->n_records, 0);
	assert_int_equal(store_status(a.store)->held_bytes, 0);
}

static void held_shard_is_not_given_away(void **)
{
	assert_int_equal(claim(&cluster, &a, "s1"), STORE_OK);
	ASK(&cluster, &answer, store_claim(b.store, "s1", answer_take, &answer));
	assert_int_equal(answer.result, STORE_HELD);
	assert_string_equal(answer.holder, "a");
	assert_int_equal(answer.epoch, a.epoch);
	assert_in_range(answer.left_ms, 1, 600);
	assert_false(store_owns(b.store, "s1"));
	assert_int_equal(b.n_owned, 0);
	assert_int_equal(store_put(b.store, "s1", "call", "x", 1), -ENOENT);
	assert_int_equal(claim(&cluster, &b, "s2"), STORE_OK); // others are not concerned
}

static void lease_is_renewed_for_as_long_as_the_node_lives(void **)
{
	assert_int_equal(claim(&cluster, &a, "s1"), STORE_OK);
	run_ms(&cluster, 900); // lease: 600
	assert_int_equal(claim(&cluster, &b, "s1"), STORE_HELD);
	assert_true(store_owns(a.store, "s1"));
}

static void lapsed_lease_is_claimed_with_a_higher_epoch(void **)
{
	uint64_t epoch;

	assert_int_equal(claim(&cluster, &a, "s1"), STORE_OK);
	put(&a, "s1", "call", "of a");
	saved(&cluster, &a);
	epoch = a.epoch;
	node_close(&a);
	assert_int_equal(claim(&cluster, &b, "s1"), STORE_HELD);
	run_ms(&cluster, 700);
	assert_int_equal(claim(&cluster, &b, "s1"), STORE_OK);
	assert_true(b.epoch > epoch);
	assert_string_equal(read_back(&cluster, &b, "s1", "call"), "of a");
}

static void restarted_node_takes_its_own_shard_at_once(void **)
{
	uint64_t epoch;

	assert_int_equal(claim(&cluster, &a, "s1"), STORE_OK);
	epoch = a.epoch;
	node_close(&a);
	node_start(&a, &cluster, "a");
	assert_int_equal(claim(&cluster, &a, "s1"), STORE_OK);
	assert_true(a.epoch > epoch);
}

// A second node of the same name stands for whoever claimed while the first was not looking.
static void stale_epoch_is_refused_and_the_shard_lost(void **)
{
	struct node again;

	assert_int_equal(claim(&cluster, &a, "s1"), STORE_OK);
	put(&a, "s1", "call", "before");
	saved(&cluster, &a);
	node_start(&again, &cluster, "a");
	assert_int_equal(claim(&cluster, &again, "s1"), STORE_OK);
	put(&a, "s1", "call", "stale");
	put(&a, "s1", "other", "stale");
	WAIT(&cluster, a.n_lost == 1);
	assert_false(store_owns(a.store, "s1"));
	assert_int_equal(a.epoch, again.epoch); // that is what it was told
	assert_int_equal(store_put(a.store, "s1", "call", "x", 1), -ENOENT);
	assert_string_equal(read_back(&cluster, &b, "s1", "call"), "before");
	assert_null(read_back(&cluster, &b, "s1", "other"));
	assert_int_equal(store_status(a.store)->n_stale, 1);
	WAIT(&cluster, !store_status(a.store)->n_records);
	assert_int_equal(store_status(a.store)->n_unprotected, 0);
	assert_int_equal(store_status(a.store)->held_bytes, 0);
	assert_true(store_owns(again.store, "s1"));
	node_close(&again);
}

static void released_shard_is_complete_and_free(void **)
{
	assert_int_equal(claim(&cluster, &a, "s1"), STORE_OK);
	put(&a, "s1", "call", "last words");
	ASK(&cluster, &answer, store_release(a.store, "s1", answer_take, &answer));
	assert_int_equal(answer.result, STORE_OK);
	assert_false(store_owns(a.store, "s1"));
	assert_int_equal(store_release(a.store, "s1", NULL, NULL), -ENOENT);
	assert_int_equal(claim(&cluster, &b, "s1"), STORE_OK);
	assert_string_equal(read_back(&cluster, &b, "s1", "call"), "last words");
	assert_int_equal(a.n_lost, 0);
}

static void owner_is_told(void **)
{
	ASK(&cluster, &answer, store_owner(b.store, "s1", answer_take, &answer));
	assert_int_equal(answer.result, STORE_NONE);
	assert_int_equal(claim(&cluster, &a, "s1"), STORE_OK);
	ASK(&cluster, &answer, store_owner(b.store, "s1", answer_take, &answer));
	assert_int_equal(answer.result, STORE_OK);
	assert_string_equal(answer.holder, "a");
	assert_int_equal(answer.epoch, a.epoch);
}

static void all_records_of_a_shard_are_listed(void **)
{
	char key[16];
	int i;

	assert_int_equal(claim(&cluster, &a, "s1"), STORE_OK);
	assert_int_equal(claim(&cluster, &a, "s2"), STORE_OK);
	for (i = 0; i < 1000; i++) {
		snprintf(key, sizeof(key), "call-%d", i);
		put(&a, "s1", key, key);
	}
	put(&a, "s2", "not-this", "one");
	saved(&cluster, &a);
	ASK(&cluster, &answer, store_list(b.store, "s1", answer_take, &answer));
	assert_int_equal(answer.result, STORE_OK);
	assert_in_range(answer.n_items, 1000, 1100); // one may come twice
	assert_true(answer.n_calls > 2);
	assert_string_equal(answer.items[0].key, answer.items[0].value);
	ASK(&cluster, &answer, store_list(b.store, "empty", answer_take, &answer));
	assert_int_equal(answer.n_items, 0);
}

static void records_are_binary(void **)
{
	static const char data[] = "a\0b\r\n$3\r\n\xff";

	assert_int_equal(claim(&cluster, &a, "s1"), STORE_OK);
	assert_int_equal(store_put(a.store, "s1", "call", data, sizeof(data)), 0);
	saved(&cluster, &a);
	ASK(&cluster, &answer, store_list(b.store, "s1", answer_take, &answer));
	assert_int_equal(answer.n_items, 1);
	assert_memory_equal(answer.items[0].value, "a", 2);
	assert_string_equal(read_back(&cluster, &b, "s1", "call"), "a");
}

static void values_live_for_their_time(void **)
{
	const struct store_item ban = {"192.0.2.1", "because: 7", 10};

	ASK(&cluster, &answer, store_value_set(a.store, "ban", &ban, 150, answer_take, &answer));
	assert_int_equal(answer.result, STORE_OK);
	ASK(&cluster, &answer, store_value_get(b.store, "ban", "192.0.2.1", answer_take, &answer));
	assert_int_equal(answer.result, STORE_OK);
	assert_string_equal(answer.items[0].value, "because: 7");
	ASK(&cluster, &answer, store_value_list(b.store, "ban", answer_take, &answer));
	assert_int_equal(answer.n_items, 1);
	assert_string_equal(answer.items[0].key, "192.0.2.1");
	ASK(&cluster, &answer, store_value_list(b.store, "quota", answer_take, &answer));
	assert_int_equal(answer.n_items, 0);
	run_ms(&cluster, 200);
	ASK(&cluster, &answer, store_value_get(b.store, "ban", "192.0.2.1", answer_take, &answer));
	assert_int_equal(answer.result, STORE_NONE);
	ASK(&cluster, &answer, store_value_list(b.store, "ban", answer_take, &answer));
	assert_int_equal(answer.n_items, 0);
}

static void one_value_outlives_another_of_its_kind(void **)
{
	const struct store_item brief = {"brief", "1", 1}, lasting = {"lasting", "2", 1};

	ASK(&cluster, &answer,
		store_value_set(a.store, "x", &lasting, 60000, answer_take, &answer));
	ASK(&cluster, &answer, store_value_set(a.store, "x", &brief, 50, answer_take, &answer));
	run_ms(&cluster, 100);
	ASK(&cluster, &answer, store_value_list(b.store, "x", answer_take, &answer));
	assert_int_equal(answer.n_items, 1);
	assert_string_equal(answer.items[0].key, "lasting");
}

static void numbers_add_up_across_nodes(void **)
{
	ASK(&cluster, &answer,
		store_value_add(a.store, "quota", "t", 5, 150, answer_take, &answer));
	assert_int_equal(answer.number, 5);
	ASK(&cluster, &answer,
		store_value_add(b.store, "quota", "t", -2, 9000, answer_take, &answer));
	assert_int_equal(answer.number, 3);
	run_ms(&cluster, 200); // of the first addition
	ASK(&cluster, &answer,
		store_value_add(b.store, "quota", "t", 1, 150, answer_take, &answer));
	assert_int_equal(answer.number, 1);
}

static void heartbeats_tell_nodes_and_loads(void **)
{
	struct store_node said = {
		.name = "a", .n_calls = 7, .calls_max = 1000, .load = 250, .draining = true};
	struct store_node heard;
	struct store_item item;

	assert_int_equal(store_heartbeat(a.store, &said, 60), 0);
	run_ms(&cluster, 20);
	ASK(&cluster, &answer, store_nodes(b.store, answer_take, &answer));
	assert_int_equal(answer.n_items, 1);
	item = (struct store_item){
		answer.items[0].key, answer.items[0].value, strlen(answer.items[0].value)};
	assert_int_equal(store_node_parse(&item, &heard), 0);
	assert_string_equal(heard.name, "a");
	assert_int_equal(heard.n_calls, 7);
	assert_int_equal(heard.calls_max, 1000);
	assert_int_equal(heard.load, 250);
	assert_true(heard.draining);
	item.length = 3;
	assert_int_equal(store_node_parse(&item, &heard), -EINVAL);
	run_ms(&cluster, 250); // three missed
	ASK(&cluster, &answer, store_nodes(b.store, answer_take, &answer));
	assert_int_equal(answer.n_items, 0);
}

static void bad_names_are_refused(void **)
{
	static const char *const bad[] = {
		"", "a b", "a}", "{", "a:b", "12345678901234567890123456789012"};
	const struct store_item item = {"with blank", "x", 1},
				large = {"n", "x", STORE_VALUE_MAX + 1};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(store_claim(a.store, bad[i], NULL, NULL), -EINVAL);
	assert_int_equal(claim(&cluster, &a, "s1"), STORE_OK);
	assert_int_equal(store_claim(a.store, "s1", NULL, NULL), -EALREADY);
	assert_int_equal(store_put(a.store, "s1", "", "x", 1), -EINVAL);
	assert_int_equal(store_put(a.store, "s1", "a\nb", "x", 1), -EINVAL);
	assert_int_equal(store_put(a.store, "s1", "k", "x", STORE_RECORD_MAX + 1), -EMSGSIZE);
	assert_int_equal(store_put(a.store, "s1", "k", "", 0), -EINVAL);
	assert_int_equal(store_value_set(a.store, "k", &item, 1, NULL, NULL), -EINVAL);
	assert_int_equal(store_value_set(a.store, "k", &large, 1, NULL, NULL), -EMSGSIZE);
	assert_int_equal(
		store_value_set(a.store, "way-too-long-kind", &large, 1, NULL, NULL), -EINVAL);
}

static void adopted_records_are_ours_without_being_written(void **)
{
	assert_int_equal(claim(&cluster, &a, "s1"), STORE_OK);
	put(&a, "s1", "call", "of a");
	ASK(&cluster, &answer, store_release(a.store, "s1", answer_take, &answer));
	node_close(&b);
	node_init(&b, &cluster, "b");
	b.fetches = true;
	node_open(&b, &cluster);
	WAIT(&cluster, store_status(b.store)->up);
	assert_int_equal(claim(&cluster, &b, "s1"), STORE_OK);
	assert_int_equal(store_adopt(b.store, "s1", "call"), 0);
	run_ms(&cluster, 500); // two renewals: counted, nothing missing
	assert_int_equal(store_status(b.store)->n_records, 1);
	assert_int_equal(store_status(b.store)->n_saved, 0);
	assert_int_equal(store_status(b.store)->n_rewound, 0);
	assert_string_equal(read_back(&cluster, &b, "s1", "call"), "of a");
	assert_int_equal(store_delete(b.store, "s1", "call"), 0);
	WAIT(&cluster, store_status(b.store)->n_deleted == 1);
	assert_null(read_back(&cluster, &b, "s1", "call"));
}

static void shard_unheard_of_is_given_away_after_a_grace(void **)
{
	node_close(&b);
	node_init(&b, &cluster, "b");
	b.config.grace_ms = 300;
	node_open(&b, &cluster);
	WAIT(&cluster, store_status(b.store)->up);
	ASK(&cluster, &answer, store_claim(b.store, "new", answer_take, &answer));
	assert_int_equal(answer.result, STORE_EARLY);
	assert_in_range(answer.left_ms, 1, 300);
	run_ms(&cluster, 350);
	assert_int_equal(claim(&cluster, &b, "new"), STORE_OK);
}

static void destroyed_store_answers_what_is_under_way(void **)
{
	memset(&answer, 0, sizeof(answer));
	assert_int_equal(store_get(a.store, "s1", "call", answer_take, &answer), 0);
	assert_int_equal(claim(&cluster, &b, "s1"), STORE_OK);
	memset(&answer, 0, sizeof(answer));
	assert_int_equal(store_get(a.store, "s1", "call", answer_take, &answer), 0);
	put(&b, "s1", "call", "never written");
	node_close(&a);
	assert_int_equal(answer.n_calls, 1);
	assert_int_equal(answer.result, STORE_DOWN);
}

// Losing a large shard must not stop the event loop (it once looked for each record from the
// start).
static void large_shard_goes_quickly(void **)
{
	char key[16];
	clock_t before;
	int i;

	assert_int_equal(claim(&cluster, &a, "s1"), STORE_OK);
	for (i = 0; i < 100000; i++) {
		snprintf(key, sizeof(key), "call-%d", i);
		put(&a, "s1", key, "x");
	}
	assert_int_equal(store_status(a.store)->n_records, 100000);
	before = clock();
	node_close(&a);
	assert_true(clock() - before < CLOCKS_PER_SEC);
}

#define EACH(test)                                                 \
	{"memory: " #test, test, set_up, tear_down, NULL},         \
	{                                                          \
		"redis: " #test, test, set_up, tear_down, &cluster \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(put_is_read_back_by_another_node),
		EACH(latest_state_wins_and_is_written_once),
		EACH(put_while_the_one_before_is_under_way_wins),
		EACH(deleted_record_is_gone),
		EACH(put_then_delete_leaves_nothing),
		EACH(held_shard_is_not_given_away),
		EACH(lease_is_renewed_for_as_long_as_the_node_lives),
		EACH(lapsed_lease_is_claimed_with_a_higher_epoch),
		EACH(restarted_node_takes_its_own_shard_at_once),
		EACH(stale_epoch_is_refused_and_the_shard_lost),
		EACH(released_shard_is_complete_and_free),
		EACH(owner_is_told),
		EACH(all_records_of_a_shard_are_listed),
		EACH(records_are_binary),
		EACH(values_live_for_their_time),
		EACH(one_value_outlives_another_of_its_kind),
		EACH(numbers_add_up_across_nodes),
		EACH(heartbeats_tell_nodes_and_loads),
		EACH(bad_names_are_refused),
		EACH(adopted_records_are_ours_without_being_written),
		EACH(shard_unheard_of_is_given_away_after_a_grace),
		EACH(destroyed_store_answers_what_is_under_way),
		EACH(large_shard_goes_quickly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
