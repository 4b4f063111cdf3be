// A sick Redis, as far as the store can show it: calls go on (a put never waits), what is unsaved
// is counted, nobody claims, and all is there again once Redis is.
#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "proxy.h"
#include "store_rig.h"

static struct cluster cluster;
static struct node a, b;
static const char *const none[] = {NULL};

static const struct store_status *status(void)
{
	return store_status(a.store);
}

static int set_up(void **)
{
	cluster_init(&cluster, true);
	node_start(&a, &cluster, "a");
	memset(&b, 0, sizeof(b));
	assert_int_equal(claim(&cluster, &a, "s1"), STORE_OK);
	put(&a, "s1", "call-1", "one");
	put(&a, "s1", "call-2", "two");
	saved(&cluster, &a);
	return 0;
}

static int tear_down(void **)
{
	node_close(&a);
	if (b.store)
		node_close(&b);
	cluster_fini(&cluster);
	return 0;
}

// While Redis is away for the reason `ill`: puts are taken, counted, and cost nothing.
static void calls_go_on(enum store_ill ill)
{
	char text[16];
	int i;

	WAIT(&cluster, !status()->up && status()->ill == ill);
	for (i = 0; i < 1000; i++) {
		snprintf(text, sizeof(text), "state %d", i);
		put(&a, "s1", "call-1", text);
	}
	put(&a, "s1", "call-3", "three");
	assert_int_equal(status()->n_unprotected, 2);
	assert_true(status()->held_bytes < 100);
	assert_true(store_owns(a.store, "s1")); // keeping needs no Redis, claiming does
	assert_int_equal(claim(&cluster, &a, "s2"), STORE_DOWN);
	assert_true(status()->n_ills[ill] > 0);
}

static void all_is_there_again(void)
{
	WAIT(&cluster, status()->up);
	saved(&cluster, &a);
	node_start(&b, &cluster, "b");
	assert_string_equal(read_back(&cluster, &b, "s1", "call-1"), "state 999");
	assert_string_equal(read_back(&cluster, &b, "s1", "call-2"), "two");
	assert_string_equal(read_back(&cluster, &b, "s1", "call-3"), "three");
	assert_int_equal(claim(&cluster, &b, "s1"), STORE_HELD);
	assert_int_equal(a.n_lost, 0);
	assert_int_equal(redis_number(&cluster.redis, "HLEN sluice:{s1}:calls"), 3);
}

static void killed_and_empty_after_restart(void **)
{
	uint64_t epoch = a.epoch;

	redis_kill(&cluster.redis, SIGKILL);
	calls_go_on(STORE_ILL_CONNECT);
	assert_int_equal(status()->n_ills[STORE_ILL_CLOSED], 1);
	redis_restart(&cluster.redis, none);
	all_is_there_again();
	assert_int_equal(status()->n_rewound, 1);
	assert_true(a.epoch > epoch);
}

static void stopped_is_found_out_by_time(void **)
{
	redis_kill(&cluster.redis, SIGSTOP);
	calls_go_on(STORE_ILL_TIMEOUT);
	redis_kill(&cluster.redis, SIGCONT);
	all_is_there_again();
	assert_int_equal(status()->n_rewound, 0); // nothing was lost
}

static void stopped_is_found_out_without_anything_to_do(void **)
{
	node_close(&a);
	node_start(&a, &cluster, "idle");
	redis_kill(&cluster.redis, SIGSTOP);
	WAIT(&cluster, !status()->up && status()->ill == STORE_ILL_TIMEOUT);
	redis_kill(&cluster.redis, SIGCONT);
	WAIT(&cluster, status()->up);
}

// A server that sleeps in one command answers nobody: as seen from a second connection.
static void asleep(void **)
{
	redisContext *context = redisConnect("127.0.0.1", cluster.redis.port);

	assert_non_null(context);
	redisAppendCommand(context, "DEBUG SLEEP 1");
	int done = 0;
	while (!done)
		assert_int_equal(redisBufferWrite(context, &done), REDIS_OK);
	calls_go_on(STORE_ILL_TIMEOUT);
	all_is_there_again();
	redisFree(context);
}

static void emptied_while_connected(void **)
{
	redis_do_ok(&cluster.redis, "FLUSHALL");
	WAIT(&cluster, status()->n_rewound == 1);
	saved(&cluster, &a);
	assert_int_equal(redis_number(&cluster.redis, "HLEN sluice:{s1}:calls"), 2);
	assert_int_equal(a.n_lost, 0);
}

static void records_evicted(void **)
{
	redis_do_ok(&cluster.redis, "HDEL sluice:{s1}:calls call-2");
	WAIT(&cluster, status()->n_rewound == 1);
	saved(&cluster, &a);
	assert_string_equal(read_back(&cluster, &a, "s1", "call-2"), "two");
}

// The files of an hour ago: older states, and calls that have ended since.
static void rolled_back(void **)
{
	redis_do_ok(&cluster.redis, "SAVE");
	put(&a, "s1", "call-1", "newer");
	put(&a, "s1", "call-3", "three");
	assert_int_equal(store_delete(a.store, "s1", "call-2"), 0);
	WAIT(&cluster, status()->n_deleted == 1);
	saved(&cluster, &a);
	redis_kill(&cluster.redis, SIGKILL);
	redis_restart(&cluster.redis, none);
	WAIT(&cluster, status()->n_rewound == 1);
	saved(&cluster, &a);
	assert_string_equal(read_back(&cluster, &a, "s1", "call-1"), "newer");
	assert_string_equal(read_back(&cluster, &a, "s1", "call-3"), "three");
	assert_null(read_back(&cluster, &a, "s1", "call-2"));
}

// Another node claimed from the emptied store before we could say a word: it has the newer epoch.
static void claimed_by_another_while_away(void **)
{
	redis_do_ok(&cluster.redis,
		"HSET sluice:{s1}:own node b epoch 9000000000000000 until 9000000000000000");
	put(&a, "s1", "call-1", "stale");
	WAIT(&cluster, a.n_lost == 1);
	assert_string_equal(read_back(&cluster, &a, "s1", "call-1"), "one");
}

static void out_of_memory(void **)
{
	redis_do_ok(&cluster.redis, "CONFIG SET maxmemory 1");
	put(&a, "s1", "call-1", "state 999");
	put(&a, "s1", "call-3", "three");
	WAIT(&cluster, status()->ill == STORE_ILL_MEMORY);
	assert_true(status()->up); // reads go on
	assert_string_equal(read_back(&cluster, &a, "s1", "call-1"), "one");
	assert_int_equal(status()->n_unprotected, 2);
	redis_do_ok(&cluster.redis, "CONFIG SET maxmemory 0");
	all_is_there_again();
	assert_int_equal(status()->ill, STORE_ILL_NONE);
}

static void became_a_replica(void **)
{
	char command[64];

	snprintf(command, sizeof(command), "REPLICAOF 127.0.0.1 %d", free_port());
	redis_do_ok(&cluster.redis, command);
	put(&a, "s1", "call-1", "kept");
	calls_go_on(STORE_ILL_READONLY);
	redis_do_ok(&cluster.redis, "REPLICAOF NO ONE");
	all_is_there_again();
}

// Big enough to be seen while it reads its files.
static void loading(void **)
{
	static const char *const slow[] = {"--key-load-delay", "2000",
		"--loading-process-events-interval-bytes", "1024", NULL};

	redis_do_ok(&cluster.redis, "DEBUG POPULATE 1000 x 100");
	redis_do_ok(&cluster.redis, "SAVE");
	redis_kill(&cluster.redis, SIGKILL);
	redis_restart(&cluster.redis, slow);
	calls_go_on(STORE_ILL_LOADING);
	all_is_there_again();
}

static void wrong_password(void **)
{
	redis_do_ok(&cluster.redis, "CONFIG SET requirepass right");
	cluster.redis.password = "right";
	redis_do_ok(&cluster.redis, "CLIENT KILL TYPE normal");
	calls_go_on(STORE_ILL_PASSWORD); // none: NOAUTH
	node_init(&b, &cluster, "b");
	b.config.redis.password = "wrong";
	node_open(&b, &cluster);
	WAIT(&cluster, store_status(b.store)->ill == STORE_ILL_PASSWORD);
	node_close(&b);
	node_init(&b, &cluster, "b");
	b.config.redis.password = "right";
	node_open(&b, &cluster);
	WAIT(&cluster, store_status(b.store)->up);
	node_close(&b);
	redis_do_ok(&cluster.redis, "ACL SETUSER default nopass");
	all_is_there_again();
}

// The least a node's user may do, as an operator would set it up.
static void user_of_an_acl(void **)
{
	redis_do_ok(&cluster.redis,
		"ACL SETUSER node on >secret ~sluice:* +@hash +@scripting +ping +role +time +unlink +expire +pexpire +ttl +pttl");
	node_init(&b, &cluster, "b");
	b.config.redis.user = "node";
	b.config.redis.password = "secret";
	node_open(&b, &cluster);
	WAIT(&cluster, store_status(b.store)->up);
	assert_int_equal(claim(&cluster, &b, "s2"), STORE_OK);
	put(&b, "s2", "call", "x");
	saved(&cluster, &b);
	redis_do_ok(&cluster.redis, "ACL SETUSER node -hset");
	put(&b, "s2", "call", "y");
	WAIT(&cluster, store_status(b.store)->ill == STORE_ILL_PERMISSION);
}

static void through_proxy(struct proxy *proxy, const char *name)
{
	proxy_open(proxy, cluster.base, cluster.redis.port);
	node_init(&b, &cluster, name);
	b.config.redis.addresses[0] = proxy->address;
	node_open(&b, &cluster);
	WAIT(&cluster, store_status(b.store)->up);
}

static void blackholed(void **)
{
	struct proxy proxy;

	through_proxy(&proxy, "b");
	assert_int_equal(claim(&cluster, &b, "s2"), STORE_OK);
	proxy.blackhole = true;
	put(&b, "s2", "call", "x");
	WAIT(&cluster, store_status(b.store)->ill == STORE_ILL_TIMEOUT);
	assert_int_equal(store_status(b.store)->n_unprotected, 1);
	proxy.blackhole = false;
	saved(&cluster, &b);
	assert_string_equal(read_back(&cluster, &a, "s2", "call"), "x");
	node_close(&b);
	proxy_close(&proxy);
}

// 200 ms each way: more than a renewal's third, and nothing times out or is written twice for it.
static void slow_link(void **)
{
	struct proxy proxy;
	char key[16];
	int i;

	proxy_open(&proxy, cluster.base, cluster.redis.port);
	proxy.delay_ms = 200;
	node_init(&b, &cluster, "b");
	b.config.redis.addresses[0] = proxy.address;
	b.config.redis.command_timeout_ms = 2000;
	b.config.redis.connect_timeout_ms = 2000;
	b.config.lease_ms = 3000;
	node_open(&b, &cluster);
	WAIT(&cluster, store_status(b.store)->up);
	assert_int_equal(claim(&cluster, &b, "s2"), STORE_OK);
	for (i = 0; i < 1000; i++) {
		snprintf(key, sizeof(key), "call-%d", i);
		put(&b, "s2", key, "x");
	}
	saved(&cluster, &b);
	assert_int_equal(store_status(b.store)->n_saved, 1000);
	assert_int_equal(redis_number(&cluster.redis, "HLEN sluice:{s2}:calls"), 1000);
	assert_int_equal(store_status(b.store)->n_connects, 1);
	node_close(&b);
	proxy_close(&proxy);
}

static void not_redis_at_all(void **)
{
	struct proxy proxy;

	proxy_open(&proxy, cluster.base, cluster.redis.port);
	proxy.says = "HTTP/1.1 400 Bad Request\r\n\r\n";
	node_init(&b, &cluster, "b");
	b.config.redis.addresses[0] = proxy.address;
	node_open(&b, &cluster);
	WAIT(&cluster, store_status(b.store)->ill == STORE_ILL_PROTOCOL);
	node_close(&b);
	proxy_close(&proxy);
}

// More waits than memory may be taken: with fetch() only the values go, without the put is refused.
static void memory_is_bounded_while_away(void **)
{
	static char large[20000];
	char key[16];
	int i;

	memset(large, 'x', sizeof(large));
	node_init(&b, &cluster, "b");
	b.fetches = true;
	b.config.held_max = 100000;
	node_open(&b, &cluster);
	WAIT(&cluster, store_status(b.store)->up);
	assert_int_equal(claim(&cluster, &b, "s2"), STORE_OK);
	redis_kill(&cluster.redis, SIGSTOP);
	WAIT(&cluster, !store_status(b.store)->up);
	for (i = 0; i < 50; i++) {
		snprintf(key, sizeof(key), "call-%d", i);
		assert_int_equal(store_put(b.store, "s2", key, large, sizeof(large)), 0);
		assert_true(store_status(b.store)->held_bytes <= 100000);
	}
	assert_int_equal(store_status(b.store)->n_unprotected, 50);
	redis_kill(&cluster.redis, SIGCONT);
	saved(&cluster, &b);
	assert_int_equal(store_status(b.store)->held_bytes, 0);
	assert_string_equal(read_back(&cluster, &b, "s2", "call-49"), "state of call-49");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(killed_and_empty_after_restart),
		TEST(stopped_is_found_out_by_time),
		TEST(stopped_is_found_out_without_anything_to_do),
		TEST(asleep),
		TEST(emptied_while_connected),
		TEST(records_evicted),
		TEST(rolled_back),
		TEST(claimed_by_another_while_away),
		TEST(out_of_memory),
		TEST(became_a_replica),
		TEST(loading),
		TEST(wrong_password),
		TEST(user_of_an_acl),
		TEST(blackholed),
		TEST(slow_link),
		TEST(not_redis_at_all),
		TEST(memory_is_bounded_while_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
