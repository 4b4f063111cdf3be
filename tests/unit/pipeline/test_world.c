// Sessions of every kind at once, with traffic of which half is wrong: every packet is accounted
// for, and nothing goes where it does not belong. The fuzz target of the packet path (fuzz_packet)
// checks the same for whatever comes to its mind.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>

#include "clock.h"
#include "world.h"

#define ROUNDS 40

static int setup(void **)
{
	path_open(2);
	return 0;
}

static int teardown(void **)
{
	struct sessions_counts counts;

	world_end();
	sessions_count(path.sessions, &counts);
	assert_int_equal(counts.legs + counts.ports_used + counts.deferred, 0);
	assert_int_equal(mbufs_in_use(), 0);
	path_close();
	return 0;
}

static void turn(unsigned int *n_out)
{
	const char *wrong = world_turn(n_out);

	path.rig.n_events = 0;
	if (wrong)
		fail_msg("%s", wrong);
}

// A packet of a leg's far end, or of a stranger.
static void push_to(unsigned int slot, unsigned int index, uint16_t sequence, bool stranger)
{
	static const uint8_t payload[160];
	const struct sl_leg *leg = &world_session(slot)->legs[index];
	const struct sl_leg *transport = &world_session(slot)->legs[world_transport(slot, index)];
	bool ipv6 = transport->local.family == SL_IPV6;
	const struct rtp_packet rtp = {.pt = leg->formats[0].receive_pt,
		.sequence = sequence,
		.timestamp = sequence * 160u,
		.ssrc = 0x100 + index,
		.payload = payload,
		.payload_bytes = sizeof(payload)};
	struct udp_packet udp = {.from_port = stranger ? 1234 : transport->remote.port};
	char from[INET6_ADDRSTRLEN];
	uint8_t bytes[FRAME_MAX];
	struct frame frame;
	unsigned int port;

	inet_ntop(ipv6 ? AF_INET6 : AF_INET, transport->remote.bytes, from, sizeof(from));
	udp.from = !stranger ? from : ipv6 ? "2001:db8:9::78" : STRANGER;
	udp.payload = bytes;
	udp.payload_bytes = rtp_build(bytes, &rtp);
	if (transport->remote.family == SL_UNSPEC && !stranger)
		return;
	port = world_build(&frame, slot, index, udp, false);
	frame_push(port, &frame);
}

static void push_round(uint16_t round, bool strangers)
{
	for (unsigned int slot = 0; slot < WORLD_SLOTS; slot++)
		for (unsigned int i = 0; i < world_session(slot)->n_legs; i++) {
			push_to(slot, i, round, false);
			if (strangers)
				push_to(slot, i, (uint16_t)(round * 77), true);
		}
}

static void counters_add_up_whatever_comes_and_changes(void **)
{
	unsigned int n_out = 0;

	for (uint16_t round = 0; round < ROUNDS; round++) {
		for (unsigned int slot = 0; slot < WORLD_SLOTS; slot++)
			if ((round + slot) % 5 == 0)
				world_set(slot, (round / 5 + slot) % N_WORLD_KINDS,
					round % 2 ? (uint8_t)(round * 37) : 0);
		if (round < 5)
			continue;
		push_round(round, round % 2);
		turn(&n_out);
		if (round % 7 == 0)
			path_pass(3000);
		if (round % 11 == 0) {
			push_round(round, false);
			world_delete(round % WORLD_SLOTS);
			turn(&n_out);
			world_set(round % WORLD_SLOTS, WORLD_TRANSCODED, 0);
		}
	}
	assert_true(n_out > ROUNDS * WORLD_SLOTS / 2); // it is not that nothing ever goes through
}

// Of packets from the right far ends nothing is lost, whatever kinds are side by side.
static void nothing_is_lost_of_what_is_right(void **)
{
	static const enum world_kind kinds[][WORLD_SLOTS] = {
		{WORLD_RELAYED, WORLD_G711, WORLD_MUX, WORLD_LATCH, WORLD_TRANSPARENT,
			WORLD_PUNTING},
		{WORLD_IPV6, WORLD_IPV6_TO_IPV4, WORLD_TAGGED, WORLD_TAGGED_IPV6, WORLD_OPAQUE,
			WORLD_RELAYED},
	};

	for (size_t i = 0; i < RTE_DIM(kinds); i++) {
		unsigned int n_out = 0;

		for (unsigned int slot = 0; slot < WORLD_SLOTS; slot++)
			world_set(slot, kinds[i][slot], 0);
		for (uint16_t round = 0; round < ROUNDS; round++) {
			push_round(round, false);
			turn(&n_out);
		}
		assert_int_equal(n_out, 2 * WORLD_SLOTS * ROUNDS);
		world_end();
	}
	assert_int_equal(all_drops(), 0);
}

// A codec takes its time, and a fork's third leg sends in vain.
static void codecs_and_forks_lose_nothing_either(void **)
{
	unsigned int n_out = 0;

	for (unsigned int slot = 0; slot < WORLD_SLOTS; slot++)
		world_set(slot, slot % 2 ? WORLD_FORKED : WORLD_RELAYED, 0);
	for (uint16_t round = 0; round < ROUNDS; round++) {
		push_round(round, false);
		turn(&n_out);
	}
	assert_in_range(n_out, 3 * 4 * ROUNDS, 3 * 5 * ROUNDS);
	assert_int_equal(all_drops(), 3 * ROUNDS);
	assert_int_equal(drops(DROP_unrouted), 3 * ROUNDS);
}

// The oracle itself: it would see it.
static void a_packet_from_nowhere_would_be_seen(void **)
{
	uint8_t bytes[FRAME_MAX];

	world_set(0, WORLD_RELAYED, 0);
	world_set(1, WORLD_RELAYED, 0);
	push_datagram(
		FAR0, 4000, world_session(0)->legs[0].local.port, bytes, build_silence(bytes, 1));
	path_turn();
	world_delete(0);
	assert_string_equal(world_turn(NULL), "sent from a port that is no leg's");
	world_set(0, WORLD_RELAYED, 0);
	push_datagram(
		FAR0, 4000, world_session(0)->legs[0].local.port, bytes, build_silence(bytes, 1));
	path_turn();
	world_set(0, WORLD_RELAYED, WORLD_NO_REMOTE);
	assert_string_equal(world_turn(NULL), "sent to somebody who is not the leg's far end");
}

// A reason that is counted for no packet, a packet that nobody counts.
static void a_wrong_count_would_be_seen(void **)
{
	struct rte_mbuf *mbuf = NULL;

	assert_null(path_imbalance());
	path.workers->workers[0]->counters.drops[DROP_stun]++;
	assert_non_null(path_imbalance());
	path.workers->workers[0]->counters.drops[DROP_stun]--;
	push_silence(FAR0, 4000, LOCAL0, 1);
	assert_null(path_imbalance());
	assert_int_equal(rte_ring_dequeue(path.in[0], (void **)&mbuf), 0);
	assert_non_null(path_imbalance());
	rte_pktmbuf_free(mbuf);
}

int main(void)
{
#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		WORLD_TEST(counters_add_up_whatever_comes_and_changes),
		WORLD_TEST(nothing_is_lost_of_what_is_right),
		WORLD_TEST(codecs_and_forks_lose_nothing_either),
		WORLD_TEST(a_packet_from_nowhere_would_be_seen),
		WORLD_TEST(a_wrong_count_would_be_seen),
	};

	path_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
