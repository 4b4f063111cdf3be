// 200,000 legs in one process, set through the API: sessions of two legs over several addresses.
// Some of them are looked at with a packet; all go again, and leave nothing behind.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <rte_malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "log_server.h"
#include "media.h"
#include "server.h"
#include "sl_client.h"

#define SESSIONS  100000
#define ADDRESSES 5 // 22,768 pairs of ports each
#define IN_FLIGHT 64
#define SAMPLE	  997 // one in so many

static const struct path_size size = {.megabytes = "320",
	.sessions_max = SESSIONS,
	.n_udp_ports = 65536 - 20000,
	.n_addresses = {ADDRESSES, ADDRESSES}};
static uint16_t ports[SESSIONS][2];
static struct server *server;
static struct sl_client *client;

static size_t heap_bytes(void)
{
	struct rte_malloc_socket_stats stats;

	assert_int_equal(rte_malloc_get_socket_stats(0, &stats), 0);
	return stats.heap_allocsz_bytes;
}

static int setup(void **)
{
	struct server_config config = {.sessions_max = SESSIONS};
	char socket_path[64], error[256];

	snprintf(socket_path, sizeof(socket_path), "/tmp/sluice-test-many-%d.sock", getpid());
	path_open_sized(1, &size);
	config.path = socket_path;
	config.sessions = path.sessions;
	config.workers = path.workers;
	server = server_create(&config, error, sizeof(error));
	if (!server)
		fail_msg("%s", error);
	client = sl_client_open(socket_path, "test", 0);
	return client ? 0 : -1;
}

static int teardown(void **)
{
	sl_client_close(client);
	server_destroy(server);
	path_close();
	return 0;
}

static void take_answers(unsigned int *n_answers)
{
	struct sl_message message;

	server_poll(server);
	while (sl_client_receive(client, &message) == 0) {
		const struct sl_session *session = NULL;
		unsigned int number;

		if (message.type == SL_HELLO)
			continue;
		assert_int_equal(message.status, 0);
		(*n_answers)++;
		if (message.type != SL_SESSION_SET)
			continue;
		session = sl_payload_session(&message, NULL);
		assert_non_null(session);
		memcpy(&number, session->id.bytes, sizeof(number));
		for (unsigned int i = 0; i < 2; i++)
			ports[number][i] = session->legs[i].local.port;
	}
}

static struct sl_address address_of(unsigned int number, unsigned int leg)
{
	struct sl_address address = rig_address(leg ? OUR1 : OUR0, 0);

	address.bytes[3] = (uint8_t)(address.bytes[3] + number % ADDRESSES);
	return address;
}

static int64_t ask_set(unsigned int number)
{
	struct sl_session session = rig_session(number);

	for (unsigned int i = 0; i < 2; i++)
		session.legs[i].local = address_of(number, i);
	return sl_client_session_set(client, &session, NULL);
}

static int64_t ask_delete(unsigned int number)
{
	struct sl_id id = rig_id(number);

	return sl_client_session_delete(client, &id);
}

static void ask_all(int64_t (*ask)(unsigned int number))
{
	unsigned int n_answers = 0;

	for (unsigned int i = 0; i < SESSIONS; i++) {
		assert_true(ask(i) > 0);
		while (i - n_answers >= IN_FLIGHT && i > n_answers)
			take_answers(&n_answers);
	}
	while (n_answers < SESSIONS)
		take_answers(&n_answers);
}

// A packet from the far end of leg 0 comes out towards that of leg 1, from its own address.
static void relay_one(unsigned int number)
{
	struct sl_address in = address_of(number, 0), out = address_of(number, 1);
	uint8_t rtp[256];
	char to[16];
	struct udp_packet udp = {.to_mac = MAC_P0,
		.from_mac = MAC_FAR0,
		.from = FAR0,
		.to = to,
		.from_port = 4000,
		.to_port = ports[number][0],
		.payload = rtp,
		.payload_bytes = build_silence(rtp, (uint16_t)number)};
	struct frame frame;

	snprintf(to, sizeof(to), "%u.%u.%u.%u", in.bytes[0], in.bytes[1], in.bytes[2], in.bytes[3]);
	frame_build(&frame, &udp);
	frame_push(0, &frame);
	path_turn();
	assert_true(frame_pop(1, &frame));
	assert_memory_equal(frame.bytes + 26, out.bytes, 4);
	assert_int_equal(half_at(&frame, 34), ports[number][1]);
	assert_int_equal(half_at(&frame, 36), 5000);
	assert_int_equal(sequence_of(&frame), (uint16_t)number);
}

static struct sessions_counts counts_now(void)
{
	struct sessions_counts counts;

	sessions_count(path.sessions, &counts);
	return counts;
}

static void wait_for_workers(void)
{
	for (unsigned int i = 0; i < 100 && counts_now().deferred; i++) {
		path_turn();
		sessions_tick(path.sessions, clock_now_ns());
	}
	assert_int_equal(counts_now().deferred, 0);
}

static void two_hundred_thousand_legs_come_and_go(void **)
{
	struct sessions_counts before = counts_now(), now;
	size_t heap[2];

	for (unsigned int round = 0; round < 2; round++) {
		ask_all(ask_set);
		now = counts_now();
		assert_int_equal(now.legs, 2 * SESSIONS);
		assert_int_equal(now.ports_used, 2 * SESSIONS);
		heap[round] = heap_bytes();
		for (unsigned int i = round; i < SESSIONS; i += SAMPLE)
			relay_one(i);
		ask_all(ask_delete);
		wait_for_workers();
		now = counts_now();
		assert_int_equal(now.sessions, 0);
		assert_int_equal(now.legs, 0);
		assert_int_equal(now.ports_used, 0);
		assert_int_equal(now.ports_free, before.ports_free);
		assert_null(path_imbalance());
		assert_int_equal(mbufs_in_use(), 0);
	}
	assert_int_equal(heap[1], heap[0]); // the second time takes the memory of the first
}

static void what_they_need_is_known_before(void **)
{
	size_t before = heap_bytes(), used;

	ask_all(ask_set);
	used = heap_bytes() - before;
	assert_in_range(used, sessions_memory_bytes(SESSIONS, false) * 9 / 10,
		sessions_memory_bytes(SESSIONS, false));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			two_hundred_thousand_legs_come_and_go, setup, teardown),
		cmocka_unit_test_setup_teardown(what_they_need_is_known_before, setup, teardown),
	};
	size_t before;
	int failed;

	path_start_sized(&size);
	log_server.level = LOG_LEVEL_ERROR;
	path_open_sized(1, &size); // what DPDK keeps of the first time
	path_close();
	before = heap_bytes();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	if (heap_bytes() > before + (64 << 10)) {
		fprintf(stderr, "%zu bytes are not given back\n", heap_bytes() - before);
		failed++;
	}
	return failed;
}
