// The store on a real Redis Cluster of three masters and a replica: every shard is on the server of
// its slot, and stays reachable while slots move, masters fail over and servers die.
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "redis_cluster.h"
#include "store_rig.h"

enum { MASTERS = 3, SERVERS = 4, SHARDS = 9, SWITCH_MS = 100000 };

static struct cluster cluster;		  // only its loop
static struct redis_rig servers[SERVERS]; // the last is a replica of the first
static struct node node, other;
static unsigned int n_written[SHARDS];
static struct answer answer;

static const struct store_status *status(void)
{
	return store_status(node.store);
}

// redis-cli --cluster WORDS...: true where it succeeds.
static bool cli(const char *words)
{
	char command[512];

	snprintf(command, sizeof(command), "redis-cli --cluster %s >>%s/cli 2>&1 </dev/null", words,
		servers[0].folder);
	return !system(command);
}

// The bus has a port 10,000 higher, and both are below those that the kernel gives away.
static bool is_free(int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	int result = bind(fd, (struct sockaddr *)&address, sizeof(address));

	close(fd);
	return !result;
}

static int cluster_port(void)
{
	int port;

	do
		port = 12000 + (int)arc4random_uniform(8000);
	while (!is_free(port) || !is_free(port + 10000));
	return port;
}

static const char *id_of(struct redis_rig *redis)
{
	static char ids[8][64];
	static unsigned int n;
	redisReply *reply = redis_do(redis, "CLUSTER MYID");
	char *id = ids[n++ % 8];

	snprintf(id, sizeof(ids[0]), "%s", reply->str);
	freeReplyObject(reply);
	return id;
}

static bool says(struct redis_rig *redis, const char *command, const char *text)
{
	redisReply *reply = redis_do(redis, command);
	bool found = reply->str && strstr(reply->str, text);

	freeReplyObject(reply);
	return found;
}

static bool is_master(struct redis_rig *redis)
{
	return says(redis, "INFO replication", "role:master");
}

static int start_servers(void **)
{
	char text[300], port[16];
	int i;

	memset(&cluster, 0, sizeof(cluster));
	cluster.base = event_base_new();
	for (i = 0; i < SERVERS; i++) {
		snprintf(port, sizeof(port), "%d", cluster_port());
		redis_start(
			&servers[i], (const char *const[]){"--port", port, "--cluster-enabled",
					     "yes", "--cluster-node-timeout", "1500",
					     "--appendonly", "no", "--repl-diskless-sync-delay",
					     "0", "--cluster-allow-replica-migration", "no", NULL});
		servers[i].port = atoi(port);
		snprintf(servers[i].address, sizeof(servers[i].address), "127.0.0.1:%s", port);
	}
	snprintf(text, sizeof(text), "create %s %s %s --cluster-yes", servers[0].address,
		servers[1].address, servers[2].address);
	assert_true(cli(text));
	snprintf(text, sizeof(text), "add-node %s %s --cluster-slave --cluster-master-id %s",
		servers[3].address, servers[0].address, id_of(&servers[0]));
	WAIT(&cluster, cli(text));
	for (i = 0; i < SERVERS; i++) {
		WAIT(&cluster, says(&servers[i], "CLUSTER INFO", "cluster_state:ok"));
		WAIT(&cluster, says(&servers[i], "CLUSTER NODES", "slave "));
	}
	WAIT(&cluster, says(&servers[3], "INFO replication", "master_link_status:up"));
	return 0;
}

static int stop_servers(void **)
{
	int i;

	for (i = 0; i < SERVERS; i++)
		redis_stop(&servers[i]);
	event_base_free(cluster.base);
	return 0;
}

// All servers have heard of what was changed last, as redis-cli wants it before it changes more.
static void agree(void)
{
	char text[64];

	snprintf(text, sizeof(text), "check %s", servers[1].address);
	WAIT(&cluster, cli(text));
}

static const char *shard(int i)
{
	static char names[SHARDS][16];

	snprintf(names[i], sizeof(names[i]), "s%d", i);
	return names[i];
}

static void configure(struct node *of, const char *name)
{
	size_t i;

	node_init(of, &cluster, name);
	for (i = 0; i < 2; i++)
		of->config.redis.addresses[i] = servers[i + 1].address;
	of->config.redis.n_addresses = 2;
	of->config.redis.command_timeout_ms = of->config.redis.connect_timeout_ms = 1000;
	of->config.lease_ms = 900;
}

static int set_up(void **)
{
	int i;

	for (i = 0; i < SERVERS; i++) // of which one is a replica and refuses
		freeReplyObject(redis_do(&servers[i], "FLUSHALL"));
	memset(&other, 0, sizeof(other));
	memset(n_written, 0, sizeof(n_written));
	configure(&node, "a");
	node_open(&node, &cluster);
	WAIT(&cluster, status()->up);
	for (i = 0; i < SHARDS; i++)
		assert_int_equal(claim(&cluster, &node, shard(i)), STORE_OK);
	return 0;
}

static int tear_down(void **)
{
	if (node.store)
		node_close(&node);
	if (other.store)
		node_close(&other);
	return 0;
}

static void write_one(void)
{
	char key[16];
	int i;

	for (i = 0; i < SHARDS; i++) {
		snprintf(key, sizeof(key), "call-%u", n_written[i]++);
		put(&node, shard(i), key, key);
	}
}

static long long length_on(struct redis_rig *redis, const char *name)
{
	char command[64];
	redisReply *reply;
	long long n;

	snprintf(command, sizeof(command), "HLEN sluice:{%s}:calls", name);
	reply = redis_do(redis, command);
	n = reply->type == REDIS_REPLY_INTEGER ? reply->integer : 0; // MOVED
	freeReplyObject(reply);
	return n;
}

// As the servers have it: all records of a shard on one, wherever.
static bool all_is_there(void)
{
	int i, j;

	for (i = 0; i < SHARDS; i++) {
		long long n = 0;

		for (j = 0; j < SERVERS; j++)
			if (servers[j].pid && is_master(&servers[j]))
				n += length_on(&servers[j], shard(i));
		if (n != n_written[i])
			return false;
	}
	return !status()->n_unprotected;
}

static void keeps_all(void)
{
	int i;

	for (i = 0; i < SHARDS; i++)
		assert_true(store_owns(node.store, shard(i)));
	assert_int_equal(node.n_lost, 0);
}

static void slots_are_those_of_redis(void **)
{
	static const char *const tags[] = {"s0", "shard-a", "v.node", "v.ban", "x.y_z-0"};
	char command[64];
	size_t i;

	for (i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
		snprintf(command, sizeof(command), "CLUSTER KEYSLOT sluice:{%s}:own", tags[i]);
		assert_int_equal(redis_number(&servers[0], command), redis_slot(tags[i]));
	}
}

static void shards_are_on_all_servers(void **)
{
	const struct store_item ban = {"192.0.2.1", "x", 1};
	int i, n_used[MASTERS] = {0};

	for (i = 0; i < 50; i++) {
		write_one();
		run_ms(&cluster, 2);
	}
	saved(&cluster, &node);
	for (i = 0; i < SHARDS * MASTERS; i++)
		n_used[i % MASTERS] += length_on(&servers[i % MASTERS], shard(i / MASTERS)) == 50;
	for (i = 0; i < MASTERS; i++)
		assert_true(n_used[i] > 0);
	assert_int_equal(n_used[0] + n_used[1] + n_used[2], SHARDS);
	configure(&other, "b");
	node_open(&other, &cluster);
	WAIT(&cluster, store_status(other.store)->up);
	for (i = 0; i < SHARDS; i++) {
		assert_string_equal(read_back(&cluster, &other, shard(i), "call-49"), "call-49");
		assert_int_equal(claim(&cluster, &other, shard(i)), STORE_HELD);
		ASK(&cluster, &answer, store_list(other.store, shard(i), answer_take, &answer));
		assert_int_equal(answer.n_items, 50);
	}
	ASK(&cluster, &answer,
		store_value_set(node.store, "ban", &ban, 9000, answer_take, &answer));
	assert_int_equal(answer.result, STORE_OK);
	ASK(&cluster, &answer,
		store_value_get(other.store, "ban", "192.0.2.1", answer_take, &answer));
	assert_int_equal(answer.result, STORE_OK);
	keeps_all();
	assert_int_equal(status()->n_connects, 1);
	assert_int_equal(status()->n_rewound, 0);
}

// Connections are as many as servers, however many shards there are.
static void one_connection_a_server(void **)
{
	int i;

	write_one();
	saved(&cluster, &node);
	for (i = 0; i < MASTERS; i++) {
		redisReply *reply = redis_do(&servers[i], "CLIENT LIST TYPE normal");
		const char *at = reply->str;
		int n = 0;

		while ((at = strstr(at, "addr=127.0.0.1:"))) {
			n++;
			at++;
		}
		freeReplyObject(reply);
		assert_in_range(n, 1, 2); // laddr, too
	}
}

// All slots of two servers change hands under writes: MOVED, ASK and TRYAGAIN, as redis-cli does
// it.
static void slots_move_under_writes(void **)
{
	static const char *const plans[][2] = {{"1", "2"}, {"2", "1"}, {"1", "2"}};
	char text[300];
	size_t i;

	for (i = 0; i < sizeof(plans) / sizeof(plans[0]); i++) {
		struct redis_rig *from = &servers[atoi(plans[i][0])],
				 *to = &servers[atoi(plans[i][1])];
		int ended = 0, result = 0;
		pid_t pid;

		agree();
		snprintf(text, sizeof(text),
			"reshard %s --cluster-from %s --cluster-to %s --cluster-slots 4000 "
			"--cluster-yes --cluster-pipeline 1",
			from->address, id_of(from), id_of(to));
		pid = fork();
		assert_true(pid >= 0);
		if (!pid)
			_exit(cli(text) ? 0 : 1);
		while (!ended) {
			write_one();
			run_ms(&cluster, 5);
			ended = waitpid(pid, &result, WNOHANG);
		}
		assert_int_equal(result, 0);
		saved(&cluster, &node);
	}
	WAIT(&cluster, all_is_there());
	keeps_all();
	assert_int_equal(status()->n_rewound, 0);
	assert_int_equal(status()->n_connects, 1);
	for (i = 0; i < SHARDS; i++) // no server has the cursor of another
		ASK(&cluster, &answer, store_list(node.store, shard((int)i), answer_take, &answer));
	assert_in_range(answer.n_items, n_written[SHARDS - 1], 2 * n_written[SHARDS - 1]);
}

// One key is at the new place, the other is not yet: it is tried again until both are.
static void half_moved_shard_waits(void **)
{
	int slot = (int)redis_slot(shard(0)), i, from = 0, to;
	char text[200];

	write_one();
	saved(&cluster, &node);
	for (i = 0; i < MASTERS; i++)
		if (length_on(&servers[i], shard(0)))
			from = i;
	to = (from + 1) % MASTERS;
	snprintf(
		text, sizeof(text), "CLUSTER SETSLOT %d IMPORTING %s", slot, id_of(&servers[from]));
	redis_do_ok(&servers[to], text);
	snprintf(text, sizeof(text), "CLUSTER SETSLOT %d MIGRATING %s", slot, id_of(&servers[to]));
	redis_do_ok(&servers[from], text);
	snprintf(text, sizeof(text), "MIGRATE 127.0.0.1 %d sluice:{%s}:own 0 5000",
		servers[to].port, shard(0));
	redis_do_ok(&servers[from], text);
	write_one();
	run_ms(&cluster, 200);
	assert_int_equal(status()->n_unprotected, 1);
	snprintf(text, sizeof(text), "MIGRATE 127.0.0.1 %d sluice:{%s}:calls 0 5000",
		servers[to].port, shard(0));
	redis_do_ok(&servers[from], text);
	saved(&cluster, &node); // by ASK, the slot still is the other's
	assert_string_equal(read_back(&cluster, &node, shard(0), "call-1"), "call-1");
	for (i = 0; i < MASTERS; i++) {
		snprintf(text, sizeof(text), "CLUSTER SETSLOT %d NODE %s", slot,
			id_of(&servers[to]));
		redis_do_ok(&servers[(to + i) % MASTERS], text);
	}
	write_one();
	saved(&cluster, &node);
	assert_int_equal(length_on(&servers[to], shard(0)), 3);
	keeps_all();
	assert_int_equal(status()->n_rewound, 0);
}

static void write_until_all_is_there(bool (*ready)(void))
{
	int waited = 0;

	while (!ready() || !all_is_there()) {
		if (!ready() || n_written[0] < 50)
			write_one();
		run_ms(&cluster, 5);
		assert_true(waited++ * 5 < SWITCH_MS);
	}
	keeps_all();
}

static bool replica_is_master(void)
{
	return is_master(&servers[3]);
}

static bool first_is_replica(void)
{
	return servers[0].pid && says(&servers[0], "INFO replication", "role:slave") &&
	       says(&servers[0], "INFO replication", "master_link_status:up");
}

// Its replica takes the slots; the shards of the others are written to meanwhile.
static void master_that_dies_is_replaced(void **)
{
	char port[16];

	write_one();
	saved(&cluster, &node);
	redis_kill(&servers[0], SIGKILL);
	write_until_all_is_there(replica_is_master);
	assert_int_equal(status()->n_connects, 1); // servers 1 and 2 are those that were configured
	snprintf(port, sizeof(port), "%d", servers[0].port);
	redis_restart(
		&servers[0], (const char *const[]){"--port", port, "--cluster-enabled", "yes",
				     "--cluster-node-timeout", "1500", "--appendonly", "no", NULL});
	WAIT(&cluster, first_is_replica());
}

// Redis gives up after 5 s where others do not vote in time, and may be asked again.
static void promote(struct redis_rig *redis)
{
	int waited;

	for (waited = 0; !is_master(redis); waited++) {
		assert_true(waited < 1000);
		if (waited % 300 == 0)
			redis_do_ok(redis, "CLUSTER FAILOVER");
		run_ms(&cluster, 20);
	}
}

// And back again, by hand: no write is lost.
static void roles_are_changed_by_hand(void **)
{
	write_one();
	saved(&cluster, &node);
	agree();
	promote(&servers[0]);
	write_one();
	saved(&cluster, &node);
	WAIT(&cluster, all_is_there());
	keeps_all();
}

// The server over which the map is learned goes: another one serves for that.
static void server_of_the_map_hangs(void **)
{
	int i;

	write_one();
	saved(&cluster, &node);
	redis_kill(&servers[1], SIGSTOP); // shorter than the cluster's own time-out needs to matter
	WAIT(&cluster, !status()->up);
	redis_kill(&servers[1], SIGCONT);
	WAIT(&cluster, status()->up);
	for (i = 0; i < MASTERS; i++)
		WAIT(&cluster, says(&servers[i], "CLUSTER INFO", "cluster_state:ok"));
	write_one();
	saved(&cluster, &node);
	WAIT(&cluster, all_is_there());
	keeps_all();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		cmocka_unit_test(slots_are_those_of_redis),
		TEST(shards_are_on_all_servers),
		TEST(one_connection_a_server),
		TEST(slots_move_under_writes),
		TEST(half_moved_shard_waits),
		TEST(master_that_dies_is_replaced),
		TEST(roles_are_changed_by_hand),
		TEST(server_of_the_map_hangs),
	};

	return cmocka_run_group_tests(tests, start_servers, stop_servers);
}
