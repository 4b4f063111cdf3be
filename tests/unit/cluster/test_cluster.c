// Nodes of a cluster in one process: heartbeats over UDP on loopback, a memory that they share for
// a store. Everything is waited for by its sign.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "cluster.h"
#include "cluster_show.h"
#include "store.h"

enum { NODES = 3, KEYS = 8 };

static const char *const names[] = {"n1", "n2", "n3"};

struct node {
	struct rig *rig;
	struct cluster_settings settings;
	struct cluster *cluster;
	unsigned int n_owned, n_dropped, n_others;
	uint64_t epoch, newer;
	// Records as control would have them: what was put, and what a list has brought.
	char text[KEYS][32];
	unsigned int n_listed;
	char listed[KEYS][64];
	bool list_done;
	int list_status;
};

struct rig {
	struct event_base *base;
	struct store_memory *memory;
	char key_path[64];
	struct cluster_node nodes[NODES];
	struct cluster_shard shard;
	size_t n;
	struct node list[NODES];
};

static void on_own(void *arg, const char *shard, uint64_t epoch)
{
	struct node *node = arg;

	assert_string_equal(shard, "s1");
	node->n_owned++;
	node->epoch = epoch;
}

static void on_drop(void *arg, const char *shard, uint64_t epoch)
{
	struct node *node = arg;

	assert_string_equal(shard, "s1");
	assert_true(epoch > node->epoch);
	node->n_dropped++;
	node->newer = epoch;
}

static void on_other(void *arg, const char *, uint64_t epoch)
{
	struct node *node = arg;

	node->n_others++;
	node->newer = epoch;
}

static size_t on_record(void *arg, const char *, const char *key, uint8_t *out, size_t size)
{
	struct node *node = arg;
	const char *text = node->text[atoi(key) % KEYS];

	assert_true(size >= strlen(text));
	memcpy(out, text, strlen(text));
	return strlen(text);
}

static const struct cluster_ops ops = {
	.own = on_own, .drop = on_drop, .other = on_other, .record = on_record};

static void run_ms(struct rig *rig, unsigned int ms)
{
	struct timeval after = {.tv_usec = (suseconds_t)ms * 1000};

	event_base_loopexit(rig->base, &after);
	event_base_dispatch(rig->base);
}

#define WAIT(rig, condition)                                                  \
	do {                                                                  \
		int waited = 0;                                               \
		while (!(condition) && waited++ < 1500)                       \
			run_ms(rig, 10);                                      \
		if (!(condition))                                             \
			fail_msg("line %d: never: %s", __LINE__, #condition); \
	} while (0)

// A free port of UDP; another process could take it meanwhile, which no test has seen.
static in_port_t free_port(void)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
	close(fd);
	return address.sin_port;
}

static void node_start(struct rig *rig, size_t i)
{
	struct node *node = &rig->list[i];

	*node = (struct node){.rig = rig};
	node->settings = (struct cluster_settings){.node = names[i],
		.nodes = rig->nodes,
		.n_nodes = rig->n,
		.shards = &rig->shard,
		.n_shards = 1,
		.heartbeat_ms = 20,
		.n_missed = 10,
		.store_votes = rig->n == 2,
		.key_file = rig->key_path};
	store_config_init(&node->settings.store);
	node->settings.store.node = names[i];
	node->settings.store.lease_ms = 600;
	node->settings.store.grace_ms = 100;
	node->settings.store.flush_ms = 10;
	node->cluster = cluster_create_shared(rig->base, &node->settings, rig->memory, &ops, node);
	assert_non_null(node->cluster);
}

static void node_kill(struct rig *rig, size_t i)
{
	cluster_destroy(rig->list[i].cluster);
	rig->list[i].cluster = NULL;
}

static void rig_init(struct rig *rig, size_t n)
{
	static const char key[] =
		"1 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n";
	int fd;

	*rig = (struct rig){.n = n};
	strcpy(rig->key_path, "/tmp/sluice-cluster-XXXXXX");
	fd = mkstemp(rig->key_path);
	assert_int_equal(write(fd, key, sizeof(key) - 1), sizeof(key) - 1);
	close(fd);
	rig->base = event_base_new();
	event_base_priority_init(rig->base, 2);
	rig->memory = store_memory_create();
	rig->shard = (struct cluster_shard){.name = "s1"};
	for (size_t i = 0; i < n; i++) {
		struct sockaddr_in *address = (struct sockaddr_in *)&rig->nodes[i].address;

		rig->nodes[i].name = names[i];
		rig->shard.nodes[rig->shard.n_nodes++] = names[i];
		address->sin_family = AF_INET;
		address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		address->sin_port = free_port();
	}
}

static void rig_fini(struct rig *rig)
{
	for (size_t i = 0; i < rig->n; i++)
		node_kill(rig, i);
	store_memory_destroy(rig->memory);
	event_base_free(rig->base);
	unlink(rig->key_path);
}

static bool owns(const struct rig *rig, size_t i)
{
	return rig->list[i].cluster && cluster_owns(rig->list[i].cluster, "s1");
}

static unsigned int n_owners(const struct rig *rig)
{
	unsigned int n = 0;

	for (size_t i = 0; i < rig->n; i++)
		n += owns(rig, i);
	return n;
}

static uint64_t counter_value;

static void counter_take(void *arg, const char *name, uint64_t value)
{
	if (!strcmp(arg, name))
		counter_value = value;
}

static uint64_t counter(struct rig *rig, size_t i, const char *name)
{
	counter_value = UINT64_MAX;
	cluster_counters_read(rig->list[i].cluster, counter_take, (void *)name);
	assert_true(counter_value != UINT64_MAX);
	return counter_value;
}

static void on_listed(void *arg, const char *key, const void *record, size_t length, int status)
{
	struct node *node = arg;

	if (!key) {
		node->list_done = true;
		node->list_status = status;
		return;
	}
	snprintf(node->listed[node->n_listed++ % KEYS], 64, "%s=%.*s", key, (int)length,
		(const char *)record);
}

static void the_preferred_of_those_that_are_there_owns_a_new_shard(void **)
{
	struct rig rig;

	rig_init(&rig, 3);
	for (size_t i = 0; i < 3; i++)
		node_start(&rig, 2 - i);
	WAIT(&rig, n_owners(&rig));
	assert_true(owns(&rig, 0));
	WAIT(&rig, rig.list[1].n_others && rig.list[2].n_others);
	assert_int_equal(n_owners(&rig), 1);
	assert_true(cluster_is_serving(rig.list[0].cluster));
	assert_false(cluster_is_serving(rig.list[1].cluster));
	rig_fini(&rig);
}

static void a_dead_owners_shard_goes_to_the_next_with_its_records(void **)
{
	struct rig rig;
	struct node *next = &rig.list[1];

	rig_init(&rig, 3);
	for (size_t i = 0; i < 3; i++)
		node_start(&rig, i);
	WAIT(&rig, owns(&rig, 0));
	strcpy(rig.list[0].text[1], "first");
	strcpy(rig.list[0].text[2], "second");
	strcpy(rig.list[0].text[3], "over");
	assert_int_equal(cluster_put(rig.list[0].cluster, "s1", "1"), 0);
	assert_int_equal(cluster_put(rig.list[0].cluster, "s1", "2"), 0);
	assert_int_equal(cluster_put(rig.list[0].cluster, "s1", "3"), 0);
	WAIT(&rig, counter(&rig, 0, "cluster.records_saved") == 3);
	assert_int_equal(cluster_delete(rig.list[0].cluster, "s1", "3"), 0);
	WAIT(&rig, counter(&rig, 0, "cluster.records_deleted") == 1);
	node_kill(&rig, 0);
	WAIT(&rig, n_owners(&rig));
	assert_true(owns(&rig, 1));
	assert_true(next->epoch > rig.list[0].epoch);
	assert_int_equal(cluster_list(next->cluster, "s1", on_listed, next), 0);
	WAIT(&rig, next->list_done);
	assert_int_equal(next->list_status, 0);
	assert_int_equal(next->n_listed, 2);
	assert_int_equal(counter(&rig, 1, "cluster.records_now"), 2);
	assert_int_equal(counter(&rig, 1, "cluster.unprotected_now"), 0);
	// One that comes back does not take it away again.
	node_start(&rig, 0);
	WAIT(&rig, rig.list[0].n_others);
	assert_true(owns(&rig, 1));
	assert_int_equal(rig.list[0].n_owned, 0);
	rig_fini(&rig);
}

static void of_two_nodes_the_store_is_the_witness(void **)
{
	struct rig rig;

	rig_init(&rig, 2);
	node_start(&rig, 0);
	node_start(&rig, 1);
	WAIT(&rig, owns(&rig, 0));
	node_kill(&rig, 0);
	WAIT(&rig, owns(&rig, 1));
	rig_fini(&rig);
}

static void without_a_majority_nobody_claims(void **)
{
	struct rig rig;
	json_t *shown;

	rig_init(&rig, 3);
	for (size_t i = 0; i < 3; i++)
		node_start(&rig, i);
	WAIT(&rig, owns(&rig, 0));
	node_kill(&rig, 0);
	node_kill(&rig, 2);
	WAIT(&rig, ({
		shown = cluster_json(rig.list[1].cluster);
		const json_t *shard = json_array_get(json_object_get(shown, "shards"), 0);
		bool waits =
			!strcmp("no_majority", json_string_value(json_object_get(shard, "claim")));
		json_decref(shown);
		waits;
	}));
	run_ms(&rig, 100);
	assert_false(owns(&rig, 1));
	node_start(&rig, 2);
	WAIT(&rig, owns(&rig, 1));
	rig_fini(&rig);
}

static void a_node_that_was_started_again_has_its_shard_back(void **)
{
	struct rig rig;

	rig_init(&rig, 2);
	node_start(&rig, 0);
	WAIT(&rig, owns(&rig, 0));
	node_kill(&rig, 0);
	node_start(&rig, 0);
	WAIT(&rig, owns(&rig, 0));
	assert_true(rig.list[0].epoch > 1);
	rig_fini(&rig);
}

// The owner is stopped (its events are not run), another claims, and the owner wakes: before it
// does anything else it hears of that.
static void who_was_stopped_asks_before_anything_else(void **)
{
	struct rig rig, other;

	rig_init(&rig, 2);
	node_start(&rig, 0);
	node_start(&rig, 1);
	WAIT(&rig, owns(&rig, 0));
	// The second one runs on a loop of its own while the first stands still.
	other = rig;
	other.base = event_base_new();
	event_base_priority_init(other.base, 2);
	node_kill(&rig, 1);
	other.list[0].cluster = NULL;
	node_start(&other, 1);
	WAIT(&other, owns(&other, 1));
	assert_true(owns(&rig, 0));
	run_ms(&rig, 0);
	WAIT(&rig, !owns(&rig, 0));
	assert_int_equal(rig.list[0].n_dropped, 1);
	assert_true(rig.list[0].newer == other.list[1].epoch);
	cluster_destroy(other.list[1].cluster);
	event_base_free(other.base);
	rig.list[1].cluster = NULL;
	rig_fini(&rig);
}

static void who_was_stopped_and_not_missed_goes_on(void **)
{
	const struct timespec stop = {.tv_sec = 0, .tv_nsec = 900000000};
	struct rig rig;

	rig_init(&rig, 2);
	node_start(&rig, 0);
	WAIT(&rig, owns(&rig, 0));
	nanosleep(&stop, NULL);
	WAIT(&rig, counter(&rig, 0, "cluster.doubts") == 1);
	assert_true(owns(&rig, 0));
	WAIT(&rig, cluster_is_serving(rig.list[0].cluster));
	assert_int_equal(rig.list[0].n_dropped, 0);
	rig_fini(&rig);
}

static void a_conflict_with_a_newer_epoch_takes_the_shard(void **)
{
	struct rig rig;

	rig_init(&rig, 2);
	node_start(&rig, 0);
	WAIT(&rig, owns(&rig, 0));
	cluster_conflict(rig.list[0].cluster, "s1", 0); // of whom? the store says: of nobody
	run_ms(&rig, 50);
	assert_true(owns(&rig, 0));
	cluster_conflict(rig.list[0].cluster, "s1", rig.list[0].epoch);
	assert_true(owns(&rig, 0));
	cluster_conflict(rig.list[0].cluster, "s1", rig.list[0].epoch + 1);
	assert_false(owns(&rig, 0));
	assert_int_equal(rig.list[0].n_dropped, 1);
	rig_fini(&rig);
}

static void who_drains_claims_nothing(void **)
{
	struct rig rig;

	rig_init(&rig, 2);
	node_start(&rig, 0);
	cluster_drain(rig.list[0].cluster, true);
	node_start(&rig, 1);
	WAIT(&rig, owns(&rig, 1));
	assert_false(owns(&rig, 0));
	rig_fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_preferred_of_those_that_are_there_owns_a_new_shard),
		cmocka_unit_test(a_dead_owners_shard_goes_to_the_next_with_its_records),
		cmocka_unit_test(of_two_nodes_the_store_is_the_witness),
		cmocka_unit_test(without_a_majority_nobody_claims),
		cmocka_unit_test(a_node_that_was_started_again_has_its_shard_back),
		cmocka_unit_test(who_was_stopped_asks_before_anything_else),
		cmocka_unit_test(who_was_stopped_and_not_missed_goes_on),
		cmocka_unit_test(a_conflict_with_a_newer_epoch_takes_the_shard),
		cmocka_unit_test(who_drains_claims_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
