// Punts and injected packets, from the wire to a client of the socket and back.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "call.h"
#include "log_server.h"
#include "server.h"
#include "sl_client.h"

static char socket_path[64];
static struct server *server;
static const uint8_t stun[] = {0, 1, 0, 4, 0x21, 0x12, 0xa4, 0x42};

static struct server *open_server(struct next_hops *hops)
{
	const struct server_config config = {.path = socket_path,
		.sessions = path.sessions,
		.sessions_max = 100,
		.workers = path.workers,
		.hops = hops};
	char error[256] = "";
	struct server *opened = server_create(&config, error, sizeof(error));

	if (!opened)
		fail_msg("%s", error);
	return opened;
}

static int setup(void **state)
{
	snprintf(socket_path, sizeof(socket_path), "/tmp/sluice-test-datagrams-%d.sock", getpid());
	call_setup(state);
	wanted.legs[0].flags |= SL_LEG_PUNT;
	wanted.legs[0].dscp = 46;
	server = open_server(path.hops);
	return 0;
}

static int teardown(void **state)
{
	server_destroy(server);
	return call_teardown(state);
}

static int next(struct sl_client *client, struct sl_message *message)
{
	for (int i = 0; i < 20; i++)
		server_poll(server);
	server_punts(server);
	return sl_client_receive(client, message);
}

static struct sl_client *connect_client(unsigned int wants)
{
	struct sl_client *client = sl_client_open(socket_path, "test", wants);
	struct sl_message message;

	assert_non_null(client);
	assert_int_equal(next(client, &message), 0);
	assert_int_equal(message.type, SL_HELLO);
	return client;
}

static void push_stun(void)
{
	path_pass(20);
	push_datagram(FAR0, 4000, LOCAL0, stun, sizeof(stun));
	path_turn();
}

static void punts_go_to_those_who_asked(void **)
{
	struct sl_client *deaf, *first, *second;
	struct sl_message message;
	const struct sl_datagram *datagram;

	path_set(&wanted);
	deaf = connect_client(SL_CLIENT_EVENTS);
	assert_false(server_takes_punts(server));
	push_stun();
	assert_int_equal(drops(DROP_stun), 1);
	first = connect_client(SL_CLIENT_PUNTS);
	second = connect_client(SL_CLIENT_PUNTS | SL_CLIENT_EVENTS);
	assert_true(server_takes_punts(server));
	push_stun();
	assert_int_equal(next(first, &message), 0);
	assert_int_equal(message.type, SL_PUNT);
	datagram = sl_payload_datagram(&message);
	assert_int_equal(datagram->length, sizeof(stun));
	assert_memory_equal(datagram->bytes, stun, sizeof(stun));
	assert_int_equal(next(second, &message), 0);
	assert_int_equal(message.type, SL_PUNT);
	assert_int_equal(next(deaf, &message), -EAGAIN);
	sl_client_close(first);
	sl_client_close(second);
	assert_int_equal(next(deaf, &message), -EAGAIN);
	assert_false(server_takes_punts(server));
	push_stun();
	assert_int_equal(drops(DROP_stun), 2);
	sl_client_close(deaf);
}

static uint64_t counter(struct sl_client *client, const char *name)
{
	struct sl_message message;
	uint64_t value = UINT64_MAX;

	sl_client_stats_get(client);
	do {
		const struct sl_counter *counters;
		size_t n;

		assert_int_equal(next(client, &message), 0);
		counters = sl_payload_counters(&message, &n);
		for (size_t i = 0; counters && i < n; i++)
			if (!strcmp(counters[i].name, name))
				value = counters[i].value;
	} while (message.more);
	assert_true(value != UINT64_MAX);
	return value;
}

// However long it does not read, there is room for what must not be lost, and nothing piles up.
static void who_does_not_read_loses_punts_and_nothing_else(void **)
{
	const struct sl_media_event event = {.id = {{9}}, .type = SL_EVENT_LATCHED};
	struct sl_client *slow, *other;
	struct sl_message message;
	unsigned int n_punts = 0, n_events = 0;
	uint64_t dropped;

	path_set(&wanted);
	slow = connect_client(SL_CLIENT_PUNTS | SL_CLIENT_EVENTS);
	other = connect_client(0);
	for (int i = 0; i < 2000; i++) {
		push_stun();
		server_punts(server);
	}
	for (int i = 0; i < 50; i++)
		server_event(server, &event);
	dropped = counter(other, "server.punts_dropped");
	assert_in_range(dropped, 1, 1999);
	assert_int_equal(counter(other, "server.punts"), 2000);
	assert_int_equal(counter(other, "server.slow_clients"), 0);
	while (next(slow, &message) == 0) {
		n_punts += message.type == SL_PUNT;
		n_events += message.type == SL_MEDIA_EVENT;
	}
	assert_int_equal(n_events, 50);
	assert_int_equal(n_punts, 2000 - dropped);
	push_stun(); // it reads again, and gets them again
	assert_int_equal(next(slow, &message), 0);
	assert_int_equal(message.type, SL_PUNT);
	sl_client_close(slow);
	sl_client_close(other);
}

static struct sl_datagram datagram_to(const char *address, uint16_t port)
{
	struct sl_datagram datagram = {
		.id = wanted.id, .address = rig_address(address, port), .length = sizeof(stun)};

	memcpy(datagram.bytes, stun, sizeof(stun));
	return datagram;
}

static int inject_now(struct sl_client *client, const struct sl_datagram *datagram)
{
	struct sl_message message;

	assert_true(sl_client_inject(client, datagram) > 0);
	assert_int_equal(next(client, &message), 0);
	assert_int_equal(message.type, SL_INJECT);
	assert_true(message.response);
	return message.status;
}

static void an_injected_packet_leaves_from_the_legs_port_to_any_address(void **)
{
	struct sl_client *client = connect_client(0);
	struct sl_datagram datagram = datagram_to(STRANGER, 777);
	struct frame frame, expected;
	struct udp_packet udp = {.to_mac = MAC_FAR0,
		.from_mac = MAC_P0,
		.from = OUR0,
		.to = STRANGER,
		.to_port = 777,
		.tos = 46 << 2,
		.payload = stun,
		.payload_bytes = sizeof(stun)};

	path_set(&wanted);
	for (uint8_t rtcp = 0; rtcp < 2; rtcp++) {
		datagram.rtcp = rtcp;
		assert_int_equal(inject_now(client, &datagram), 0);
		path_turn();
		assert_true(frame_pop(0, &frame));
		udp.from_port = LOCAL0 + rtcp;
		frame_build(&expected, &udp);
		assert_int_equal(frame.length, expected.length);
		assert_memory_equal(frame.bytes, expected.bytes, expected.length);
	}
	assert_int_equal(worker_counter("worker.0.injected"), 2);
	assert_int_equal(report_now().stats[0].tx_packets, 0); // no media
	sl_client_close(client);
}

static void what_cannot_be_injected_is_refused(void **)
{
	struct sl_client *client = connect_client(0);
	struct sl_datagram bad;

	path_set(&wanted);
#define REFUSED(error, change)                                      \
	do {                                                        \
		bad = datagram_to(STRANGER, 777);                   \
		change;                                             \
		if (inject_now(client, &bad) != -(error))           \
			fail_msg("line %d: %s", __LINE__, #change); \
	} while (0)
	REFUSED(ENOENT, bad.id.bytes[15] = 1);
	REFUSED(EINVAL, bad.leg = 2);
	REFUSED(EINVAL, bad.leg = SL_NO_LEG);
	REFUSED(EINVAL, bad.rtcp = 2);
	REFUSED(EINVAL, bad.length = 0);
	REFUSED(EINVAL, bad.length = SL_DATAGRAM_MAX + 1);
	REFUSED(EINVAL, bad.length = UINT16_MAX);
	REFUSED(EINVAL, bad.length = 1473); // with headers beyond the MTU of 1500
	REFUSED(0, bad.length = 1472);
	REFUSED(EINVAL, bad.address.family = SL_UNSPEC);
	REFUSED(EINVAL, bad.address.family = SL_IPV6);
	REFUSED(EINVAL, bad.address.port = 0);
	REFUSED(EINVAL, bad.address.bytes[0] = 0);
	REFUSED(EINVAL, bad.address.bytes[0] = 224);
	REFUSED(EINVAL, bad.address.bytes[4] = 1);
	REFUSED(EINVAL, bad.address.reserved = 1);
	REFUSED(0, bad.address.bytes[0] = 223);
#undef REFUSED
	path_turn();
	discard_output();
	server_destroy(server);
	server = open_server(NULL);
	sl_client_close(client);
	client = connect_client(0);
	bad = datagram_to(STRANGER, 777);
	assert_int_equal(inject_now(client, &bad), -ENETUNREACH);
	sl_client_close(client);
}

static void too_many_at_once_are_eagain(void **)
{
	struct sl_client *client = connect_client(0);
	struct sl_datagram datagram = datagram_to(STRANGER, 777);
	unsigned int n = 0;
	struct frame frame;

	path_set(&wanted);
	while (n < 2000 && inject_now(client, &datagram) == 0)
		n++;
	assert_int_equal(n, rte_ring_get_capacity(path.workers->workers[0]->injections));
	path_turn();
	while (frame_pop(0, &frame))
		n--;
	assert_int_equal(n, 0);
	assert_int_equal(inject_now(client, &datagram), 0);
	sl_client_close(client);
}

// Packets to more addresses than next hops are held for; none of them keeps another from leaving.
static void hops_are_held_for_the_latest_addresses(void **)
{
	struct sl_client *client = connect_client(0);
	struct sl_datagram datagram = datagram_to(STRANGER, 777);
	struct frame frame;

	path_set(&wanted);
	for (unsigned int i = 0; i < 1000; i++) {
		datagram.address.bytes[2] = (uint8_t)(i >> 8);
		datagram.address.bytes[3] = (uint8_t)i;
		assert_int_equal(inject_now(client, &datagram), 0);
		path_turn();
		assert_true(frame_pop(0, &frame));
		assert_memory_equal(frame.bytes + 30, datagram.address.bytes, 4);
	}
	sl_client_close(client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(punts_go_to_those_who_asked),
		TEST(who_does_not_read_loses_punts_and_nothing_else),
		TEST(an_injected_packet_leaves_from_the_legs_port_to_any_address),
		TEST(what_cannot_be_injected_is_refused),
		TEST(too_many_at_once_are_eagain),
		TEST(hops_are_held_for_the_latest_addresses),
#undef TEST
	};

	path_start();
	log_server.level = LOG_LEVEL_ERROR;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
