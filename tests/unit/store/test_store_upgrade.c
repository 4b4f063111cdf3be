// Nodes of two versions, or with two keys, on one store while a cluster is upgraded or its key
// changed: what one cannot read it leaves as it is.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store_keys.h"
#include "store_record.h"
#include "store_rig.h"

#define KEY_1 "1 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"
#define KEY_2 "2 ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100\n"

enum { RENEWALS_MS = 700 }; // three of a lease of 600 ms

static struct cluster cluster;
static struct node older, newer;
static struct answer answer;

static int set_up(void **redis)
{
	cluster_init(&cluster, *redis);
	node_init(&older, &cluster, "older");
	older.fetches = true;
	node_open(&older, &cluster);
	node_start(&newer, &cluster, "newer");
	WAIT(&cluster, store_status(older.store)->up);
	return 0;
}

static int tear_down(void **)
{
	node_close(&older);
	node_close(&newer);
	cluster_fini(&cluster);
	return 0;
}

static void hand_over(struct node *from, struct node *to)
{
	ASK(&cluster, &answer, store_release(from->store, "s1", answer_take, &answer));
	assert_int_equal(answer.result, STORE_OK);
	assert_int_equal(claim(&cluster, to, "s1"), STORE_OK);
}

// A record as version 2 may write it.
static size_t of_version_2(const char *body, uint8_t *out, size_t size)
{
	const struct store_record_content content = {
		.kind = STORE_RECORD_CALL, .body = body, .body_length = strlen(body)};
	int length =
		store_record_build(NULL, &(struct store_place){"s1", "k"}, &content, out, size);

	assert_true(length > 0);
	out[2]++;
	return (size_t)length;
}

static struct listed {
	unsigned int n_read, n_kept;
	bool done;
} listed;

// As a node takes over what it finds: what it reads it adopts, the rest it keeps.
static void take_over(void *arg, const struct store_reply *reply)
{
	struct node *node = arg;
	struct store_record record;
	size_t i;

	for (i = 0; i < reply->n_items; i++) {
		const struct store_item *item = &reply->items[i];

		if (!store_record_parse(item->value, item->length, &record)) {
			listed.n_read++;
			store_adopt(node->store, "s1", item->key);
		} else {
			listed.n_kept++;
			assert_int_equal(
				store_keep(node->store, "s1", item->key, item->value, item->length),
				0);
		}
	}
	listed.done = reply->result != STORE_MORE;
}

static void list(struct node *node)
{
	listed = (struct listed){0};
	assert_int_equal(store_list(node->store, "s1", take_over, node), 0);
	WAIT(&cluster, listed.done);
}

static void put_versions(void)
{
	static const struct store_record_content content = {
		.kind = STORE_RECORD_CALL, .body = "common", .body_length = 6};
	const struct store_place place = {"s1", "call-1"};
	uint8_t data[200];
	int length = store_record_build(NULL, &place, &content, data, sizeof(data));

	assert_int_equal(claim(&cluster, &newer, "s1"), STORE_OK);
	assert_int_equal(store_put(newer.store, "s1", "call-1", data, (size_t)length), 0);
	length = (int)of_version_2("of tomorrow", data, sizeof(data));
	assert_int_equal(store_put(newer.store, "s1", "call-2", data, (size_t)length), 0);
	put(&newer, "s1", "odd", "no record at all");
	hand_over(&newer, &older);
}

static void newer_record_is_there(void)
{
	uint8_t data[200];
	size_t length = of_version_2("of tomorrow", data, sizeof(data));
	size_t i;

	ASK(&cluster, &answer, store_get(newer.store, "s1", "call-2", answer_take, &answer));
	assert_int_equal(answer.result, STORE_OK);
	// Text of the rig ends at the first zero byte; the rest is compared by its length in Redis.
	for (i = 0; data[i] && i < length; i++)
		assert_int_equal(answer.items[0].value[i], data[i]);
	if (!cluster.memory)
		assert_int_equal(
			redis_number(&cluster.redis, "HSTRLEN sluice:{s1}:calls call-2"), length);
	assert_string_equal(read_back(&cluster, &newer, "s1", "odd"), "no record at all");
}

// Who has claimed lists in its own time. Until it has, a renewal must not take for strange what is
// there (it once cleared the shard and wrote again what it knew: nothing).
static void renewals_leave_what_is_not_listed_yet(void **)
{
	put_versions();
	run_ms(&cluster, RENEWALS_MS);
	assert_int_equal(store_status(older.store)->n_rewound, 0);
	newer_record_is_there();
	list(&older);
	assert_int_equal(listed.n_read, 1);
	assert_int_equal(listed.n_kept, 2);
}

static void what_cannot_be_read_is_kept(void **)
{
	put_versions();
	list(&older);
	assert_int_equal(store_status(older.store)->n_kept, 2);
	assert_int_equal(store_status(older.store)->n_records, 3);
	put(&older, "s1", "call-3", "x");
	assert_int_equal(store_delete(older.store, "s1", "call-1"), 0);
	WAIT(&cluster, store_status(older.store)->n_deleted == 1);
	saved(&cluster, &older);
	run_ms(&cluster, RENEWALS_MS);
	assert_int_equal(store_status(older.store)->n_rewound, 0);
	newer_record_is_there();
	hand_over(&older, &newer);
	newer_record_is_there();
	assert_int_equal(store_status(older.store)->kept_bytes, 0);
}

static void what_is_kept_is_written_again(void **)
{
	put_versions();
	list(&older);
	redis_do_ok(&cluster.redis, "FLUSHALL");
	WAIT(&cluster, store_status(older.store)->n_rewound == 1);
	saved(&cluster, &older);
	newer_record_is_there();
	assert_string_equal(read_back(&cluster, &newer, "s1", "call-1"), "state of call-1");
	redis_do_ok(&cluster.redis, "FLUSHALL"); // and again
	WAIT(&cluster, store_status(older.store)->n_rewound == 2);
	saved(&cluster, &older);
	newer_record_is_there();
	assert_int_equal(store_status(older.store)->held_bytes, 0);
	// From now on it is ours.
	put(&older, "s1", "call-2", "understood");
	assert_int_equal(store_status(older.store)->n_kept, 1);
	assert_int_equal(store_delete(older.store, "s1", "odd"), 0);
	saved(&cluster, &older);
	WAIT(&cluster, store_status(older.store)->n_deleted == 1);
	assert_int_equal(store_status(older.store)->n_kept, 0);
	assert_int_equal(store_status(older.store)->kept_bytes, 0);
	assert_string_equal(read_back(&cluster, &newer, "s1", "call-2"), "understood");
	assert_null(read_back(&cluster, &newer, "s1", "odd"));
}

static void memory_for_what_is_kept_is_bounded(void **)
{
	static char large[20000];
	char key[16];
	int i;

	memset(large, 'x', sizeof(large));
	node_close(&older);
	node_init(&older, &cluster, "older");
	older.fetches = true;
	older.config.held_max = 100000;
	node_open(&older, &cluster);
	WAIT(&cluster, store_status(older.store)->up);
	assert_int_equal(claim(&cluster, &newer, "s1"), STORE_OK);
	for (i = 0; i < 50; i++) {
		snprintf(key, sizeof(key), "call-%d", i);
		assert_int_equal(store_put(newer.store, "s1", key, large, sizeof(large)), 0);
	}
	hand_over(&newer, &older);
	list(&older);
	assert_int_equal(store_status(older.store)->n_kept, 50);
	assert_true(store_status(older.store)->kept_bytes <= 100000);
	run_ms(&cluster, RENEWALS_MS);
	assert_int_equal(redis_number(&cluster.redis, "HLEN sluice:{s1}:calls"), 50);
	redis_do_ok(&cluster.redis, "FLUSHALL"); // what is not remembered is lost, and counted
	WAIT(&cluster, store_status(older.store)->n_rewound == 1);
	saved(&cluster, &older);
	assert_int_equal(redis_number(&cluster.redis, "HLEN sluice:{s1}:calls"), 5);
	assert_int_equal(store_status(older.store)->n_dropped, 45);
}

// Fields, keys and kinds of values that only a newer node knows.
static void fields_and_keys_of_tomorrow_do_no_harm(void **)
{
	static const char *const commands[] = {"HSET sluice:{s1}:own vip 192.0.2.1",
		"HSET sluice:{s1}:media 7 x", "SET sluice:{s1}:calls.format 2",
		"HSET sluice:{v.tomorrow} name 99999999999999:x"};
	struct store_node heard;
	size_t i;

	assert_int_equal(claim(&cluster, &older, "s1"), STORE_OK);
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		redis_do_ok(&cluster.redis, commands[i]);
	put(&older, "s1", "call-1", "x");
	saved(&cluster, &older);
	run_ms(&cluster, RENEWALS_MS);
	hand_over(&older, &newer);
	put(&newer, "s1", "call-2", "y");
	saved(&cluster, &newer);
	assert_int_equal(redis_number(&cluster.redis, "HEXISTS sluice:{s1}:own vip"), 1);
	assert_int_equal(redis_number(&cluster.redis, "HLEN sluice:{s1}:media"), 1);
	assert_int_equal(redis_number(&cluster.redis, "EXISTS sluice:{s1}:calls.format"), 1);
	assert_int_equal(redis_number(&cluster.redis, "EXISTS sluice:{v.tomorrow}"), 1);
	assert_int_equal(store_status(older.store)->n_rewound, 0);
	assert_int_equal(
		store_node_parse(&(struct store_item){"n", "2 7 1000 250 1 rack-4", 21}, &heard),
		0);
	assert_int_equal(heard.n_calls, 7);
}

static struct store_keys *load(const char *text)
{
	char path[] = "/tmp/sluice-keys-XXXXXX", error[200];
	int fd = mkstemp(path);
	struct store_keys *keys;

	assert_int_equal(fchmod(fd, 0600), 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	keys = store_keys_load(path, error, sizeof(error));
	unlink(path);
	assert_non_null(keys);
	return keys;
}

static void put_sealed(struct node *node, struct store_keys *keys, const char *key)
{
	const struct store_place place = {"s1", key};
	const struct store_record_content content = {
		.kind = STORE_RECORD_CALL, .secret = "media key", .secret_length = 9};
	uint8_t data[200];
	int length = store_record_build(keys, &place, &content, data, sizeof(data));

	assert_true(length > 0);
	assert_int_equal(store_put(node->store, "s1", key, data, (size_t)length), 0);
	saved(&cluster, node);
}

static struct store_keys *reading_keys;
static int opened[2]; // of call-1 and call-2: length of the secret, or why not

static void open_all(void *arg, const struct store_reply *reply)
{
	struct store_record record;
	uint8_t secret[64];
	size_t i;

	for (i = 0; i < reply->n_items; i++) {
		const struct store_item *item = &reply->items[i];
		const struct store_place place = {"s1", item->key};

		assert_int_equal(store_record_parse(item->value, item->length, &record), 0);
		opened[item->key[5] - '1'] = store_record_open(
			reading_keys, &place, item->value, &record, secret, sizeof(secret));
	}
	*(bool *)arg = reply->result != STORE_MORE;
}

static void reads(struct node *node, struct store_keys *keys, int first, int second)
{
	bool done = false;

	reading_keys = keys;
	opened[0] = opened[1] = 0;
	assert_int_equal(store_list(node->store, "s1", open_all, &done), 0);
	WAIT(&cluster, done);
	assert_int_equal(opened[0], first);
	assert_int_equal(opened[1], second);
}

// The order of store_keys.h: the new key second everywhere, then first everywhere, then alone. At
// each step two nodes are one step apart, and read each other's records.
static void keys_are_changed_while_nodes_write(void **)
{
	static const char *const steps[] = {KEY_1, KEY_1 KEY_2, KEY_2 KEY_1, KEY_2};
	static const uint32_t sealing[] = {1, 1, 2, 2};
	size_t i;

	assert_int_equal(claim(&cluster, &newer, "s1"), STORE_OK);
	for (i = 0; i + 1 < sizeof(steps) / sizeof(steps[0]); i++) {
		struct store_keys *before = load(steps[i]), *after = load(steps[i + 1]);

		assert_int_equal(store_keys_sealing_id(before), sealing[i]);
		put_sealed(&newer, before, "call-1"); // written again under the key of the day
		put_sealed(&newer, after, "call-2");
		reads(&older, before, 9, 9);
		reads(&older, after, 9, 9);
		store_keys_destroy(before);
		store_keys_destroy(after);
	}
}

// Who skips a step cannot read what the others write, says so, and destroys nothing.
static void key_that_is_missing_is_said(void **)
{
	struct store_keys *first = load(KEY_1), *second = load(KEY_2);

	assert_int_equal(claim(&cluster, &newer, "s1"), STORE_OK);
	put_sealed(&newer, first, "call-1");
	put_sealed(&newer, second, "call-2");
	reads(&older, first, 9, -ENOKEY);
	reads(&older, second, -ENOKEY, 9);
	store_keys_destroy(first);
	store_keys_destroy(second);
}

#define MEMORY(test)                                            \
	{                                                       \
		"memory: " #test, test, set_up, tear_down, NULL \
	}
#define REDIS(test)                                                \
	{                                                          \
		"redis: " #test, test, set_up, tear_down, &cluster \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MEMORY(renewals_leave_what_is_not_listed_yet),
		REDIS(renewals_leave_what_is_not_listed_yet),
		MEMORY(what_cannot_be_read_is_kept),
		REDIS(what_cannot_be_read_is_kept),
		REDIS(what_is_kept_is_written_again),
		REDIS(memory_for_what_is_kept_is_bounded),
		REDIS(fields_and_keys_of_tomorrow_do_no_harm),
		MEMORY(keys_are_changed_while_nodes_write),
		REDIS(keys_are_changed_while_nodes_write),
		REDIS(key_that_is_missing_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
