// What a leg with SRTP refuses, and whom it believes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "clock.h"
#include "rtcp.h"
#include "srtp_call.h"

static void plain_rtp_is_refused(void **)
{
	path_set(&wanted);
	push_silence(FAR0, 4000, LOCAL0, 1);
	path_turn();
	assert_false(arrives());
	assert_int_equal(drops(DROP_srtp_auth), 1);
	assert_int_equal(report_now().stats[0].dropped_auth, 1);
	assert_int_equal(report_now().stats[0].rx_packets, 0);
	assert_true(next_passes(1)); // the refused one has not used up the index
}

// What a cipher costs is spent only on what may be the far end's.
static void a_wrong_source_is_dropped_before_it_is_authenticated(void **)
{
	struct wire packet;

	path_set(&wanted);
	packet = wire(1);
	packet.bytes[packet.length - 1] ^= 1;
	push_from(STRANGER, 4000, &packet);
	assert_int_equal(drops(DROP_wrong_source), 1);
	assert_int_equal(drops(DROP_srtp_auth), 0);
	push_from(FAR0, 4000, &packet);
	assert_int_equal(drops(DROP_srtp_auth), 1);
}

// Of a leg whose far end may move: strangers get a hearing, but not at its expense.
static void a_flood_of_strangers_does_not_keep_the_far_end_out(void **)
{
	struct wire good, bad;

	wanted.legs[0].source_rule = SL_SOURCE_LATCH;
	wanted.legs[0].packets_per_second = 20;
	path_set(&wanted);
	assert_true(next_passes(1));
	path_pass(1000);
	bad = wire(2);
	bad.bytes[bad.length - 1] ^= 1;
	for (int i = 0; i < 28; i++)
		push_datagram(STRANGER, 4000, LOCAL0, bad.bytes, bad.length);
	for (uint16_t i = 3; i < 6; i++) {
		good = wire(i);
		push_datagram(FAR0, 4000, LOCAL0, good.bytes, good.length);
	}
	worker_turn(path.workers->workers[0]);
	assert_int_equal(drops(DROP_srtp_auth), 3);
	assert_int_equal(drops(DROP_leg_rate), 25);
	for (int i = 0; i < 3; i++)
		assert_true(arrives());
	path_pass(1000);
	good = wire(6);
	assert_true(passes_from(NAT, 4000, &good)); // it can still move
}

static void another_key_is_refused(void **)
{
	struct wire packet;

	path_set(&wanted);
	peer_keys(&wanted.legs[0], SUITE, 50);
	meet_sender();
	packet = wire(1);
	assert_false(passes(&packet));
	assert_int_equal(drops(DROP_srtp_auth), 1);
}

static void a_changed_bit_anywhere_is_refused(void **)
{
	struct wire good, bad;

	path_set(&wanted);
	good = wire(1);
	for (unsigned int i = 1; i < good.length; i++) {
		bad = good;
		bad.bytes[i] ^= 1;
		assert_false(passes(&bad));
	}
	assert_true(report_now().stats[0].dropped_auth >= good.length - 3);
	assert_int_equal(report_now().stats[0].rx_packets, 0);
	assert_true(passes(&good));
}

static void a_truncated_packet_is_refused(void **)
{
	struct wire packet;

	path_set(&wanted);
	packet = wire(1);
	while (--packet.length >= 2)
		assert_false(passes(&packet));
	assert_int_equal(report_now().stats[0].rx_packets, 0);
}

static void a_replay_is_refused(void **)
{
	struct wire first, packet;

	path_set(&wanted);
	first = packet = wire(1);
	assert_true(passes(&packet));
	assert_false(passes(&packet));
	assert_int_equal(drops(DROP_srtp_replay), 1);
	for (uint16_t i = 2; i < 200; i++)
		assert_true(next_passes(i));
	assert_false(passes(&first));
	assert_int_equal(drops(DROP_srtp_late), 1);
	assert_int_equal(report_now().stats[0].dropped_replay, 2);
	assert_int_equal(report_now().stats[0].rx_packets, 199);
}

// Twice in one burst is a replay too.
static void a_replay_within_a_burst_is_refused(void **)
{
	struct wire packet;

	path_set(&wanted);
	packet = wire(1);
	push_datagram(FAR0, 4000, LOCAL0, packet.bytes, packet.length);
	push_datagram(FAR0, 4000, LOCAL0, packet.bytes, packet.length);
	path_turn();
	assert_true(arrives());
	assert_false(arrives());
	assert_int_equal(drops(DROP_srtp_replay), 1);
}

// A plain leg relays what the network doubled, but under a key nothing is sent twice.
static void a_duplicate_is_not_sent_twice(void **)
{
	memset(&wanted.legs[0].srtp_receive, 0, sizeof(struct sl_srtp));
	memset(&wanted.legs[0].srtp_send, 0, sizeof(struct sl_srtp));
	path_set(&wanted);
	for (int i = 0; i < 2; i++)
		push_silence(FAR0, 4000, LOCAL0, 1);
	path_turn();
	assert_true(arrives());
	assert_false(arrives());
	assert_int_equal(drops(DROP_srtp_resent), 1);
}

// ---- latch ----

static void only_proof_latches(void **)
{
	struct wire packet;

	wanted.legs[0].source_rule = SL_SOURCE_LATCH;
	path_set(&wanted);
	push_silence(STRANGER, 1234, LOCAL0, 1);
	path_turn();
	assert_int_equal(report_now().stats[0].latched, 0);
	packet = wire(1);
	assert_true(passes_from(NAT, 33000, &packet));
	assert_int_equal(report_now().stats[0].latched, 1);
	assert_false(passes_from(STRANGER, 1234, &packet)); // replayed
	assert_int_equal(report_now().stats[0].source.port, 33000);
}

// One packet of far end 1: what leg 0 is sent.
static void send_to_leg1(uint16_t sequence)
{
	uint8_t bytes[FRAME_MAX];
	srtp_t far1 = peer_sender(&wanted.legs[1].srtp_receive);
	struct udp_packet udp = {.to_mac = MAC_P1,
		.from_mac = MAC_FAR1,
		.from = FAR1,
		.from_port = 5000,
		.to = OUR1,
		.to_port = LOCAL1,
		.payload = bytes,
		.payload_bytes = peer_protect(far1, bytes, build_silence(bytes, sequence))};
	struct frame frame;

	frame_build(&frame, &udp);
	frame_push(1, &frame);
	path_turn();
	srtp_dealloc(far1);
}

static void a_latched_leg_moves_with_proof_only(void **)
{
	struct wire old, packet;
	struct frame frame;

	wanted.legs[0].source_rule = SL_SOURCE_LATCH;
	path_set(&wanted);
	old = wire(1);
	packet = wire(2);
	assert_true(passes_from(NAT, 33000, &packet));
	sessions_tick(path.sessions, clock_now_ns());
	path_pass(1100); // events of a kind are a second apart
	send_to_leg1(1);
	assert_true(frame_pop(0, &frame));
	assert_memory_equal(frame.bytes + 36, "\x80\xe8", 2); // 33000
	assert_false(passes_from(STRANGER, 1234, &old));      // held back: authentic, but older
	assert_int_equal(drops(DROP_wrong_source), 1);
	assert_int_equal(report_now().stats[0].source.port, 33000);
	packet = wire(3);
	assert_true(passes_from(STRANGER, 1234, &packet)); // the NAT's mapping has changed
	sessions_tick(path.sessions, clock_now_ns());
	assert_int_equal(report_now().stats[0].source.port, 1234);
	assert_memory_equal(report_now().stats[0].source.bytes, "\xc6\x33\x64\x4e", 4);
	packet = wire(4);
	assert_true(passes_from(STRANGER, 1234, &packet));
	assert_int_equal(path.rig.n_events, 4); // the third is of leg 1
	assert_int_equal(path.rig.events[3].type, SL_EVENT_LATCHED);
	assert_int_equal(path.rig.events[3].address.port, 1234);

	send_to_leg1(2);
	assert_true(frame_pop(0, &frame));
	assert_memory_equal(frame.bytes + 30, "\xc6\x33\x64\x4e", 4); // STRANGER
	assert_memory_equal(frame.bytes + 36, "\x04\xd2", 2);	      // 1234
}

static uint64_t rtcp_taken_from(const char *from, uint16_t from_port)
{
	uint8_t bytes[FRAME_MAX];
	int n = rtcp_report_build(bytes, sizeof(bytes), 0x11223344, NULL, NULL, 0);

	assert_true(n > 0);
	push_datagram(from, from_port, LOCAL0 + 1, bytes,
		peer_protect_rtcp(sender, bytes, (unsigned int)n));
	path_turn();
	return report_now().stats[0].rx_rtcp;
}

static void rtcp_moves_along(void **)
{
	struct wire packet;
	struct frame frame;

	wanted.legs[0].source_rule = SL_SOURCE_LATCH;
	path_set(&wanted);
	packet = wire(1);
	assert_true(passes_from(NAT, 33000, &packet));
	assert_int_equal(rtcp_taken_from(NAT, 33001), 1);
	assert_int_equal(rtcp_taken_from(STRANGER, 1235), 1);
	assert_true(frame_pop(1, &frame)); // the report
	packet = wire(2);
	assert_true(passes_from(STRANGER, 1234, &packet));
	assert_int_equal(rtcp_taken_from(STRANGER, 1235), 2);
	assert_int_equal(rtcp_taken_from(NAT, 33001), 2);
	assert_int_equal(drops(DROP_wrong_source), 2);
}

static void a_strict_leg_does_not_move_with_proof(void **)
{
	struct wire packet;

	path_set(&wanted);
	packet = wire(1);
	assert_false(passes_from(NAT, 33000, &packet));
	assert_int_equal(drops(DROP_wrong_source), 1);
	assert_true(next_passes(2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SRTP_TEST(plain_rtp_is_refused),
		SRTP_TEST(a_wrong_source_is_dropped_before_it_is_authenticated),
		SRTP_TEST(a_flood_of_strangers_does_not_keep_the_far_end_out),
		SRTP_TEST(another_key_is_refused),
		SRTP_TEST(a_changed_bit_anywhere_is_refused),
		SRTP_TEST(a_truncated_packet_is_refused),
		SRTP_TEST(a_replay_is_refused),
		SRTP_TEST(a_replay_within_a_burst_is_refused),
		SRTP_TEST(a_duplicate_is_not_sent_twice),
		SRTP_TEST(only_proof_latches),
		SRTP_TEST(a_latched_leg_moves_with_proof_only),
		SRTP_TEST(rtcp_moves_along),
		SRTP_TEST(a_strict_leg_does_not_move_with_proof),
	};

	path_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
