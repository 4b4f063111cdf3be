// What others do with our ports while calls run: steal a stream, inject into one, bleed it out by
// spraying all ports, replay it, jump its sequence, flood it. In each, the far end hears nothing of
// the attacker, the attacker hears nothing, the victim loses nothing, and a counter says why.
//
// What no rule can prevent without proof is in these tests as well, so that nobody believes more
// than what holds. Where a leg may latch, whoever's valid packet comes first within the window is
// believed (RFC 7362 5); that is why it latches once, within a window, and why a port is a random
// one of thousands. And who can forge the victim's own address, port, SSRC and sequence, having
// seen them, injects into plain RTP. Against both there is SRTP.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <rte_ring.h>
#include <unistd.h>

#include "rtcp.h"
#include "srtp_call.h"

#define EVIL 0x66 // in an attacker's payload
#define GOOD 0x55

static unsigned int build_media(uint8_t *out, uint8_t mark, uint32_t ssrc, uint16_t sequence)
{
	uint8_t payload[160];
	const struct rtp_packet rtp = {.sequence = sequence,
		.timestamp = sequence * 160u,
		.ssrc = ssrc,
		.payload = payload,
		.payload_bytes = sizeof(payload)};

	memset(payload, mark, sizeof(payload));
	return rtp_build(out, &rtp);
}

// To leg 0, as if its far end had sent it but for the address.
static void push_mark(const char *from, uint16_t from_port, uint8_t mark, uint16_t sequence)
{
	uint8_t bytes[FRAME_MAX];

	push_datagram(from, from_port, LOCAL0, bytes, build_media(bytes, mark, SSRC0, sequence));
}

static void push_good(uint16_t sequence)
{
	push_mark(FAR0, 4000, GOOD, sequence);
}

struct heard {
	unsigned int good;
	unsigned int evil;
	unsigned int of_stranger; // sent to his address
};

static bool leads_to(const struct frame *frame, const char *address)
{
	struct sl_address wire = {}, wanted_address = rig_address(address, 0);

	memcpy(wire.bytes, frame->bytes + 30, 4);
	return !memcmp(wire.bytes, wanted_address.bytes, 4);
}

// What has come out of a port since the last time.
static struct heard hear(unsigned int port)
{
	struct heard heard = {};
	struct frame frame;

	path_turn();
	while (frame_pop(port, &frame)) {
		uint8_t mark = frame.bytes[UDP_DATA + 12 + 80];

		heard.good += mark == GOOD;
		heard.evil += mark == EVIL;
		heard.of_stranger += leads_to(&frame, STRANGER);
	}
	return heard;
}

// ---- steal ----

// When the attacker's packets come: at a leg that waits, at one whose far end has sent, and at one
// whose window is over.
static void a_stream_is_not_stolen(void **)
{
	static const struct {
		const char *what;
		enum sl_source_rule rule;
		bool victim_first;
		bool window_over;
		bool is_stolen;
	} rows[] = {
		{"strict, before the victim", SL_SOURCE_STRICT, false, false, false},
		{"strict, after the victim", SL_SOURCE_STRICT, true, false, false},
		{"latched, within the window", SL_SOURCE_LATCH, true, false, false},
		{"latched, after the window", SL_SOURCE_LATCH, true, true, false},
		{"not latched, after the window", SL_SOURCE_LATCH, false, true, false},
		// There is no telling: see above.
		{"not latched, within the window", SL_SOURCE_LATCH, false, false, true},
	};

	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		struct heard heard;

		wanted.id = rig_id(1 + (unsigned int)i);
		wanted.legs[0].source_rule = (uint8_t)rows[i].rule;
		wanted.legs[0].latch_window_ms = 1000;
		path_set(&wanted);
		if (rows[i].victim_first)
			push_good(1);
		hear(1);
		if (rows[i].window_over)
			path_pass(1500);
		for (uint16_t j = 2; j < 20; j++)
			push_mark(STRANGER, 4000, EVIL, j);
		heard = hear(1);
		path_pass(200); // main finds the way to where it latched
		push_silence1((uint16_t)i);
		if ((heard.evil > 0) != rows[i].is_stolen ||
			hear(0).of_stranger != rows[i].is_stolen)
			fail_msg("%s", rows[i].what);
		push_good(20);
		if (hear(1).good == rows[i].is_stolen)
			fail_msg("%s: the victim", rows[i].what);
		assert_int_equal(report_now().stats[0].dropped_source, rows[i].is_stolen ? 1 : 18);
		session_delete(path.sessions, session_find(path.sessions, &wanted.id));
	}
}

// What signalling says counts, whoever has latched before.
static void a_stolen_stream_comes_back_with_a_signalled_change(void **)
{
	wanted.legs[0].source_rule = SL_SOURCE_LATCH;
	path_set(&wanted);
	push_mark(STRANGER, 4000, EVIL, 1);
	assert_int_equal(hear(1).evil, 1);
	wanted.legs[0].source_rule = SL_SOURCE_STRICT;
	wanted.legs[0].remote.port = 4002;
	path_set(&wanted);
	push_mark(STRANGER, 4000, EVIL, 2);
	push_mark(FAR0, 4002, GOOD, 3);
	assert_int_equal(hear(1).good, 1);
	push_silence1(1);
	assert_int_equal(hear(0).of_stranger, 0);
}

// ---- inject ----

// With the right SSRC and the sequence number that comes next, from elsewhere.
static void media_from_elsewhere_is_neither_heard_nor_counted(void **)
{
	for (int latch = 0; latch < 2; latch++) {
		struct heard heard = {};

		wanted.id = rig_id(1 + (unsigned int)latch);
		wanted.legs[0].source_rule = latch ? SL_SOURCE_LATCH : SL_SOURCE_STRICT;
		path_set(&wanted);
		for (uint16_t i = 0; i < 100; i++) {
			struct heard now;

			push_good(i);
			push_mark(STRANGER, 4000, EVIL, (uint16_t)(i + 1));
			push_mark(FAR0, 4002, EVIL, (uint16_t)(i + 1));
			now = hear(1);
			heard.good += now.good;
			heard.evil += now.evil;
		}
		assert_int_equal(heard.good, 100);
		assert_int_equal(heard.evil, 0);
		assert_int_equal(report_now().stats[0].rx_packets, 100);
		assert_int_equal(report_now().stats[0].duplicates, 0);
		assert_int_equal(report_now().stats[0].dropped_source, 200);
		session_delete(path.sessions, session_find(path.sessions, &wanted.id));
	}
}

// A forged BYE would end the stream for the far end, a forged report make it turn down its rate.
static void reports_from_elsewhere_are_not_passed_on(void **)
{
	static const uint8_t bye[] = {0x80, RTCP_RR, 0, 1, 0x11, 0x22, 0x33, 0x44, 0x81, RTCP_BYE,
		0, 1, 0x11, 0x22, 0x33, 0x44};
	struct frame frame;

	path_set(&wanted);
	push_good(1);
	push_silence1(1);
	path_turn();
	discard_output();
	push_datagram(STRANGER, 4001, LOCAL0 + 1, bye, sizeof(bye));
	push_datagram(FAR0, 4003, LOCAL0 + 1, bye, sizeof(bye));
	push_datagram(STRANGER, 4000, LOCAL0, bye, sizeof(bye));
	path_turn();
	assert_false(frame_pop(1, &frame));
	assert_int_equal(drops(DROP_wrong_source), 3);
	assert_int_equal(report_now().stats[0].rx_rtcp, 0);
	push_datagram(FAR0, 4001, LOCAL0 + 1, bye, sizeof(bye)); // the true one is
	path_turn();
	assert_true(frame_pop(1, &frame));
}

static void what_a_codec_would_have_made_audible_is_not_given_to_it(void **)
{
	wanted.legs[1].formats[0] = (struct sl_format){
		.name = "opus", .clock_hz = 48000, .channels = 2, .pt = 96, .receive_pt = 96};
	path_set(&wanted);
	for (uint16_t i = 0; i < 10; i++) {
		push_good(i);
		push_mark(STRANGER, 4000, EVIL, (uint16_t)(i + 1));
	}
	hear(1);
	assert_int_equal(worker_counter("worker.0.to_codec"), 10);
	assert_int_equal(drops(DROP_wrong_source), 10);
}

// The attacker is on the path and forges all of it: plain RTP cannot tell, SRTP does.
static void only_srtp_withstands_a_forged_source(void **)
{
	path_set(&wanted);
	push_good(1);
	push_mark(FAR0, 4000, EVIL, 2);
	assert_int_equal(hear(1).evil, 1);
	wanted.id = rig_id(2);
	wanted.legs[0].local.port = LOCAL0 + 4;
	wanted.legs[1].local.port = LOCAL1 + 4;
	peer_keys(&wanted.legs[0], SUITE, 1);
	path_set(&wanted);
	for (uint16_t i = 0; i < 100; i++) {
		uint8_t bytes[FRAME_MAX];

		push_datagram(FAR0, 4000, LOCAL0 + 4, bytes, build_media(bytes, EVIL, SSRC0, i));
		push_datagram(FAR0, 4001, LOCAL0 + 5, bytes, 100);
	}
	assert_int_equal(hear(1).evil, 0);
	assert_int_equal(drops(DROP_srtp_auth), 100);
}

// ---- bleed ----

// Valid-looking RTP and RTCP to every port of the range, over and over, while a call runs and other
// legs wait for their first packet.
static void spraying_all_ports_bleeds_nothing(void **)
{
	struct sl_session waiting = rig_session(2);
	struct heard heard = {}, back = {};

	path_set(&wanted);
	path_set(&waiting); // strict: waits for its far end
	waiting = rig_session(3);
	waiting.legs[0].source_rule = SL_SOURCE_LATCH; // one whose window has passed
	waiting.legs[0].latch_window_ms = 100;
	path_set(&waiting);
	path_pass(200);
	for (uint16_t i = 0; i < 50; i++) {
		struct heard now;
		uint8_t bytes[FRAME_MAX];
		unsigned int n = build_media(bytes, EVIL, SSRC0, (uint16_t)(i + 1));

		push_good(i);
		push_silence1(i);
		for (uint16_t port = 20000; port < 20064; port++) {
			push_datagram(STRANGER, 4000, port, bytes, n);
			push_datagram(FAR0, 4000, port == LOCAL0 ? 20063 : port, bytes, n);
		}
		now = hear(1);
		heard.good += now.good;
		heard.evil += now.evil;
		now = hear(0);
		back.of_stranger += now.of_stranger;
	}
	assert_int_equal(heard.good, 50);
	// Far end 0 itself may send to the waiting strict leg, for that is where it was signalled.
	assert_int_equal(heard.evil, 2 * 50);
	assert_int_equal(back.of_stranger, 0);
	assert_int_equal(report_now().stats[0].rx_packets, 50);
	assert_true(drops(DROP_unknown_port) > 0 && drops(DROP_wrong_source) > 0);
}

// ---- SRTP ----

// Everything that went over the wire comes again from two addresses, as it was and changed.
static void a_secure_call_hears_each_packet_once(void **)
{
	struct wire packets[60];

	path_set(&wanted);
	for (uint16_t i = 0; i < RTE_DIM(packets); i++) {
		packets[i] = wire(i);
		assert_true(passes(&packets[i]));
		for (uint16_t j = i > 10 ? i - 10 : 0; j <= i; j++) {
			struct wire changed = packets[j];

			assert_false(passes(&packets[j]));
			assert_false(passes_from(STRANGER, 4000, &packets[j]));
			changed.bytes[j % changed.length] ^= (uint8_t)(1 << i % 8);
			assert_false(passes(&changed));
		}
	}
	assert_int_equal(report_now().stats[0].rx_packets, RTE_DIM(packets));
	assert_int_equal(report_now().stats[0].lost, 0);
	assert_true(drops(DROP_srtp_replay) && drops(DROP_srtp_auth));
}

// The sequence number says which ROC the receiver guesses. Forged ones make it guess wrong, not
// remember wrong.
static void guesses_at_the_roc_move_nothing(void **)
{
	path_set(&wanted);
	for (uint16_t i = 65500; i != 40; i++) {
		struct wire packet = wire(i), forged = packet;

		for (unsigned int jump = 0x1000; jump < 0x10000; jump += 0x1000) {
			forged.bytes[2] = (uint8_t)((i + jump) >> 8);
			assert_false(passes(&forged));
		}
		assert_true(passes(&packet));
	}
	assert_int_equal(report_now().stats[0].srtp_received.rtp_next, 0x10000 + 40);
}

// Room for SSRCs is for those that have authenticated.
static void forged_ssrcs_take_no_room(void **)
{
	struct wire packet;

	path_set(&wanted);
	packet = wire(1);
	for (unsigned int i = 0; i < 1000; i++) {
		struct wire forged = packet;

		memcpy(forged.bytes + 8, &i, sizeof(i));
		assert_false(passes(&forged));
	}
	assert_true(passes(&packet));
	assert_int_equal(drops(DROP_srtp_auth), 1000);
	assert_int_equal(drops(DROP_srtp_ssrcs), 0);
}

// ---- flood ----

// A turn takes a burst of each queue and no more: who waits at the other port waits for one turn.
static void a_flood_on_one_port_does_not_hold_up_the_other(void **)
{
	struct frame frame;

	path_set(&wanted);
	for (unsigned int i = 0; i < 1000; i++)
		push_mark(STRANGER, 4000, EVIL, (uint16_t)i);
	push_silence1(1);
	worker_turn(path.workers->workers[0]);
	worker_turn(path.workers->workers[0]);
	assert_true(frame_pop(0, &frame));
	assert_true(rte_ring_count(path.in[0]) > 900);
	path_turn();
	assert_int_equal(drops(DROP_wrong_source), 1000);
}

// Thirty packets of a flood for each of a call that comes by the same queue.
static void a_flood_on_one_leg_costs_another_no_packet(void **)
{
	struct sl_session flooded = rig_session(2);
	struct heard heard = {};
	uint16_t port;

	path_set(&wanted);
	port = path_set(&flooded).legs[0].local.port;
	for (uint16_t i = 0; i < 200; i++) {
		uint8_t bytes[FRAME_MAX];
		unsigned int n = build_media(bytes, EVIL, SSRC0, i);

		for (unsigned int j = 0; j < 30; j++)
			push_datagram(STRANGER, (uint16_t)(1000 + j), port, bytes, n);
		push_good(i);
		if (i % 20 == 19)
			heard.good += hear(1).good;
	}
	assert_int_equal(heard.good, 200);
	assert_int_equal(drops(DROP_wrong_source), 200 * 30);
	assert_int_equal(all_drops(), 200 * 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CALL_TEST(a_stream_is_not_stolen),
		CALL_TEST(a_stolen_stream_comes_back_with_a_signalled_change),
		CALL_TEST(media_from_elsewhere_is_neither_heard_nor_counted),
		CALL_TEST(reports_from_elsewhere_are_not_passed_on),
		CALL_TEST(what_a_codec_would_have_made_audible_is_not_given_to_it),
		CALL_TEST(only_srtp_withstands_a_forged_source),
		CALL_TEST(spraying_all_ports_bleeds_nothing),
		SRTP_TEST(a_secure_call_hears_each_packet_once),
		SRTP_TEST(guesses_at_the_roc_move_nothing),
		SRTP_TEST(forged_ssrcs_take_no_room),
		CALL_TEST(a_flood_on_one_port_does_not_hold_up_the_other),
		CALL_TEST(a_flood_on_one_leg_costs_another_no_packet),
	};

	path_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
