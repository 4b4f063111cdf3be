// The store behind three real sentinels, a master and a replica: whoever is the master, the
// records are there, and the node that wrote them goes on meanwhile.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "store_rig.h"

enum { N_SENTINELS = 3, SWITCH_MS = 100000, AGAIN_MS = 6000 };

static struct cluster cluster; // its Redis is the first master
static struct redis_rig replica, sentinels[N_SENTINELS];
static struct node node;
static unsigned int n_written;
static const char *const none[] = {NULL};

static const struct store_status *status(void)
{
	return store_status(node.store);
}

static bool is(struct redis_rig *redis, const char *role)
{
	redisReply *reply;
	bool same;

	if (!redis->pid)
		return false;
	reply = redis_do(redis, "ROLE");
	same = reply->type == REDIS_REPLY_ARRAY && !strcmp(reply->element[0]->str, role);
	freeReplyObject(reply);
	return same;
}

// A field of SENTINEL MASTER.
static int field(struct redis_rig *sentinel, const char *name)
{
	redisReply *reply = redis_do(sentinel, "SENTINEL MASTER m");
	int number = -1;
	size_t i;

	for (i = 0; reply->type == REDIS_REPLY_ARRAY && i + 1 < reply->elements; i += 2)
		if (!strcmp(reply->element[i]->str, name))
			number = atoi(reply->element[i + 1]->str);
	freeReplyObject(reply);
	return number;
}

// They look, talk and decide more often than they are used to. A replica is taken for a master only
// where INFO is at most five pings old, and INFO is asked for each second.
static void watch(struct redis_rig *sentinel, int port, int quorum)
{
	static const char *const times[] = {"info-period 200", "ping-period 500", "ask-period 100",
		"publish-period 200", "tilt-period 500", "min-link-reconnect-period 300",
		"election-timeout 1000"};
	char text[200];
	size_t i;

	snprintf(text, sizeof(text),
		"sentinel monitor m 127.0.0.1 %d %d\n"
		"sentinel down-after-milliseconds m 1000\n"
		"sentinel failover-timeout m 3000\n",
		port, quorum);
	redis_start_sentinel(sentinel, text);
	for (i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		snprintf(text, sizeof(text), "SENTINEL DEBUG %s", times[i]);
		redis_do_ok(sentinel, text);
	}
}

static void follow(struct redis_rig *redis, const struct redis_rig *master)
{
	char text[64];

	snprintf(text, sizeof(text), "REPLICAOF 127.0.0.1 %d", master->port);
	redis_do_ok(redis, text);
	WAIT(&cluster, is(redis, "slave") && redis_number(redis, "EXISTS there"));
}

static void open_node(const struct redis_rig asked[], size_t n)
{
	size_t i;

	node_init(&node, &cluster, "a");
	node.config.redis.master = "m";
	for (i = 0; i < n; i++)
		node.config.redis.addresses[i] = asked[i].address;
	node.config.redis.n_addresses = n;
	node.config.redis.connect_timeout_ms = node.config.redis.command_timeout_ms = 1000;
	node.config.lease_ms = 900;
	node_open(&node, &cluster);
}

static int start_pair(void **)
{
	static const char *const at_once[] = {"--repl-diskless-sync-delay", "0", NULL};

	n_written = 0;
	memset(sentinels, 0, sizeof(sentinels));
	cluster_start(&cluster, at_once);
	redis_start(&replica, at_once);
	redis_do_ok(&cluster.redis, "SET there yes");
	follow(&replica, &cluster.redis);
	return 0;
}

static int set_up(void **state)
{
	int i;

	start_pair(state);
	for (i = 0; i < N_SENTINELS; i++)
		watch(&sentinels[i], cluster.redis.port, 2);
	for (i = 0; i < N_SENTINELS; i++)
		WAIT(&cluster, field(&sentinels[i], "num-other-sentinels") == 2 &&
				       field(&sentinels[i], "num-slaves") == 1);
	open_node(sentinels, N_SENTINELS);
	WAIT(&cluster, status()->up);
	assert_int_equal(claim(&cluster, &node, "s1"), STORE_OK);
	return 0;
}

static int tear_down(void **)
{
	int i;

	if (node.store)
		node_close(&node);
	for (i = 0; i < N_SENTINELS; i++)
		if (sentinels[i].folder[0])
			redis_stop(&sentinels[i]);
	redis_stop(&replica);
	cluster_fini(&cluster);
	return 0;
}

static void write_one(void)
{
	char key[16];

	snprintf(key, sizeof(key), "call-%u", n_written++);
	put(&node, "s1", key, key);
}

static bool fail_over(struct redis_rig *sentinel)
{
	redisReply *reply = redis_do(sentinel, "SENTINEL FAILOVER m");
	bool taken = reply->type != REDIS_REPLY_ERROR;

	freeReplyObject(reply);
	return taken;
}

// Calls come and go for as long as it takes until `master` is the master, and has them all.
// Sentinels give a switch up that takes them too long, and do nothing for a while: they are asked
// again.
static void write_until_all_is_on(struct redis_rig *master)
{
	int waited = 0;

	while (n_written < 100 || !is(master, "master") || status()->n_unprotected ||
		!status()->up || redis_number(master, "HLEN sluice:{s1}:calls") != n_written) {
		if (!is(master, "master") || n_written < 100)
			write_one();
		run_ms(&cluster, 5);
		waited += 5;
		assert_true(waited < SWITCH_MS);
		if (waited % AGAIN_MS == 0 && !is(master, "master"))
			fail_over(&sentinels[1]);
	}
	assert_true(store_owns(node.store, "s1"));
	assert_int_equal(node.n_lost, 0);
}

static void master_that_dies_is_followed(void **)
{
	uint64_t n_connects;

	write_until_all_is_on(&cluster.redis);
	redis_kill(&cluster.redis, SIGKILL);
	write_until_all_is_on(&replica);
	n_connects = status()->n_connects;
	// It comes back and is made a replica: the store has no reason to look after it.
	redis_restart(&cluster.redis, none);
	WAIT(&cluster, is(&cluster.redis, "slave"));
	write_one();
	saved(&cluster, &node);
	assert_int_equal(status()->n_connects, n_connects);
	assert_int_equal(redis_number(&replica, "HLEN sluice:{s1}:calls"), n_written);
}

// TCP is alive and nothing comes: the sentinels find out, and so do we.
static void master_that_hangs_is_followed(void **)
{
	write_until_all_is_on(&cluster.redis);
	redis_kill(&cluster.redis, SIGSTOP);
	while (!is(&replica, "master"))
		run_ms(&cluster, 20);
	write_until_all_is_on(&replica);
	redis_kill(&cluster.redis, SIGCONT); // awake, it believes to be the master for a moment
	WAIT(&cluster, is(&cluster.redis, "slave"));
	write_one();
	saved(&cluster, &node);
	assert_int_equal(redis_number(&replica, "HLEN sluice:{s1}:calls"), n_written);
	assert_int_equal(node.n_lost, 0);
}

// A switch by an operator: both live, roles change.
static void demoted_master_is_left(void **)
{
	write_until_all_is_on(&cluster.redis);
	WAIT(&cluster, fail_over(&sentinels[1])); // first it must hear of the replica's health
	write_until_all_is_on(&replica);
	WAIT(&cluster, is(&cluster.redis, "slave"));
	write_one();
	saved(&cluster, &node);
	assert_int_equal(redis_number(&replica, "HLEN sluice:{s1}:calls"), n_written);
}

// Sentinels only say where the master is. Without them it is written to as before; what they would
// have said is asked for again and again.
static void all_sentinels_gone(void **)
{
	int i;

	for (i = 0; i < N_SENTINELS; i++)
		redis_kill(&sentinels[i], SIGKILL);
	write_one();
	write_until_all_is_on(&cluster.redis);
	assert_true(status()->up);
	assert_int_equal(status()->n_connects, 1);
	// Nobody can tell who is the master now, so the one of before is not believed.
	redis_do_ok(&cluster.redis, "CLIENT KILL TYPE normal");
	WAIT(&cluster, status()->ill == STORE_ILL_SENTINEL);
	for (i = 0; i < 1000; i++)
		write_one();
	assert_int_equal(status()->n_unprotected, 1000);
	assert_true(store_owns(node.store, "s1"));
	assert_int_equal(claim(&cluster, &node, "s2"), STORE_DOWN);
	redis_restart(&sentinels[2], none);
	write_until_all_is_on(&cluster.redis);
	assert_int_equal(status()->n_rewound, 0);
}

// One sentinel missed the switch (it was alone then) and names a server that is a replica now, or
// gone: the next one is asked.
static void stale_sentinel_is_not_the_last_word(void **)
{
	watch(&sentinels[0], replica.port, 2);
	watch(&sentinels[1], cluster.redis.port, 2);
	open_node(sentinels, 2);
	WAIT(&cluster, status()->up);
	assert_true(status()->n_ills[STORE_ILL_READONLY] > 0);
	assert_int_equal(claim(&cluster, &node, "s1"), STORE_OK);
	write_one();
	write_until_all_is_on(&cluster.redis);
	node_close(&node);
	redis_kill(&replica, SIGKILL);
	open_node(sentinels, 2);
	WAIT(&cluster, status()->up);
	assert_true(status()->n_ills[STORE_ILL_CONNECT] > 0);
}

static void sentinel_that_hangs_is_passed_over(void **)
{
	watch(&sentinels[0], cluster.redis.port, 2);
	watch(&sentinels[1], cluster.redis.port, 2);
	redis_kill(&sentinels[0], SIGSTOP);
	open_node(sentinels, 2);
	WAIT(&cluster, status()->up);
	assert_true(status()->n_ills[STORE_ILL_SENTINEL] > 0);
}

static void unknown_master_and_wrong_password(void **)
{
	watch(&sentinels[0], cluster.redis.port, 2);
	redis_do_ok(&sentinels[0], "ACL SETUSER default >secret");
	open_node(sentinels, 1);
	WAIT(&cluster, status()->n_ills[STORE_ILL_SENTINEL] > 1); // NOAUTH
	node_close(&node);
	open_node(sentinels, 1);
	node_close(&node);
	node.config.redis.sentinel_password = "secret";
	node.config.redis.master = "of-another-name";
	node_open(&node, &cluster);
	WAIT(&cluster, status()->n_ills[STORE_ILL_SENTINEL] > 1);
	assert_int_equal(status()->n_connects, 0);
	node_close(&node);
	node.config.redis.master = "m";
	node_open(&node, &cluster);
	WAIT(&cluster, status()->up);
	node_close(&node);
	node.config.redis.sentinel_user = "nobody";
	node_open(&node, &cluster);
	WAIT(&cluster, status()->n_ills[STORE_ILL_SENTINEL] > 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name, set_up) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(master_that_dies_is_followed, set_up),
		TEST(master_that_hangs_is_followed, set_up),
		TEST(demoted_master_is_left, set_up),
		TEST(all_sentinels_gone, set_up),
		TEST(stale_sentinel_is_not_the_last_word, start_pair),
		TEST(sentinel_that_hangs_is_passed_over, start_pair),
		TEST(unknown_master_and_wrong_password, start_pair),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
