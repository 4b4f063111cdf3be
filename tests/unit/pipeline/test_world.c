// Sessions of every kind at once, with traffic of which half is wrong: every packet is accounted
// for, and nothing goes where it does not belong. The fuzz target of the packet path (fuzz_packet)
// checks the same for whatever comes to its mind.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

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

static uint8_t payload_type(const struct sl_leg *leg)
{
	return leg->formats[0].receive_pt;
}

// A packet from the leg's far end or from a stranger.
static void push_to(const struct sl_session *session, unsigned int index, uint16_t sequence,
	const char *from, uint16_t from_port)
{
	static const uint8_t payload[160];
	const struct sl_leg *leg = &session->legs[index];
	const struct rtp_packet rtp = {.pt = payload_type(leg),
		.sequence = sequence,
		.timestamp = sequence * 160u,
		.ssrc = 0x100 + index,
		.payload = payload,
		.payload_bytes = sizeof(payload)};
	uint8_t bytes[FRAME_MAX];
	struct frame frame;

	build_towards(&frame, index > 0,
		(struct udp_packet){.from = from,
			.from_port = from_port,
			.to_port = leg->local.port,
			.payload = bytes,
			.payload_bytes = rtp_build(bytes, &rtp)});
	frame_push(index > 0, &frame);
}

static void push_round(uint16_t round, bool strangers)
{
	static const char *const far[] = {FAR0, FAR1, FAR1};

	for (unsigned int slot = 0; slot < WORLD_SLOTS; slot++) {
		const struct sl_session *session = world_session(slot);

		for (unsigned int i = 0; i < session->n_legs; i++) {
			push_to(session, i, round, far[i], session->legs[i].remote.port);
			if (strangers)
				push_to(session, i, (uint16_t)(round * 77), STRANGER, 1234);
		}
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

// Of packets from the right far ends nothing is lost, in any combination of kinds.
static void nothing_is_lost_of_what_is_right(void **)
{
	unsigned int n_out = 0;

	for (unsigned int slot = 0; slot < WORLD_SLOTS; slot++)
		world_set(slot, slot < 5 ? (enum world_kind)slot : WORLD_FORKED, 0);
	for (uint16_t round = 0; round < ROUNDS; round++) {
		push_round(round, false);
		turn(&n_out);
	}
	// Two packets a round of each session; the forked one's third leg sends in vain, and its
	// second gets what Opus is made of a little later.
	assert_in_range(n_out, 5 * 2 * ROUNDS + 2 * ROUNDS, 5 * 2 * ROUNDS + 3 * ROUNDS);
	assert_int_equal(all_drops(), drops(DROP_unrouted));
	assert_int_equal(drops(DROP_unrouted), ROUNDS);
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
		WORLD_TEST(a_packet_from_nowhere_would_be_seen),
		WORLD_TEST(a_wrong_count_would_be_seen),
	};

	path_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
