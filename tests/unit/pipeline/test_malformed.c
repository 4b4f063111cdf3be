// Malformed packets among good ones, in bursts as full as they get: each costs one counted drop of
// its name, and none of the good ones is lost, late or altered. test_drops.c says what is malformed
// one by one; here it must not matter who stands beside it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <stdio.h>

#include "call.h"

#define ROUNDS 4 // bursts of 32
#define BURST  32

enum { IP = 14, UDP = 34, RTP = 42 };

static int setup(void **state)
{
	call_setup(state);
	path_set(&wanted);
	return 0;
}

static const struct kind {
	const char *what;
	enum drop_reason reason;
	int at; // where bytes of a good frame are others
	const char *bytes;
	int n;
	int length; // of the frame instead of its own; of the UDP payload where negative, less 1
	bool lies;  // checksums are not made to agree
} kinds[] = {
	{"an empty frame", DROP_too_short, .length = 1},
	{"half an Ethernet header", DROP_too_short, .length = 7},
	{"no more than Ethernet", DROP_too_short, .length = 14},
	{"half an IPv4 header", DROP_too_short, .length = 24},
	{"no more than IPv4", DROP_too_short, .length = 34},
	{"half a UDP header", DROP_too_short, .length = 38},
	{"no more than UDP", DROP_too_short, .length = 42},
	{"a payload cut off", DROP_too_short, .length = 213},
	{"wrong MAC", DROP_wrong_mac, 5, "\x77", 1, .lies = false},
	{"broadcast", DROP_wrong_mac, 0, "\xff\xff\xff\xff\xff\xff", 6},
	{"ARP", DROP_not_ip, 12, "\x08\x06", 2, .lies = true},
	{"LLDP", DROP_not_ip, 12, "\x88\xcc", 2, .lies = true},
	{"version 5", DROP_not_ip, IP, "\x55", 1},
	{"options", DROP_ip_options, IP, "\x4f", 1},
	{"header too short", DROP_ip_options, IP, "\x41", 1},
	{"total length beyond the frame", DROP_too_short, IP + 2, "\xff\xff", 2},
	{"total length too small", DROP_too_short, IP + 2, "\x00\x1c", 2},
	{"header checksum", DROP_ip_checksum, IP + 10, "\xde\xad", 2, .lies = true},
	{"first fragment", DROP_fragment, IP + 6, "\x20\x00", 2},
	{"last fragment", DROP_fragment, IP + 6, "\x00\xb9", 2},
	{"TCP", DROP_not_udp, IP + 9, "\x06", 1},
	{"ESP", DROP_not_udp, IP + 9, "\x32", 1},
	{"UDP length beyond IP", DROP_too_short, UDP + 4, "\xff\xff", 2},
	{"UDP length of its header less one", DROP_too_short, UDP + 4, "\x00\x07", 2},
	{"UDP length 0", DROP_too_short, UDP + 4, "\x00\x00", 2},
	{"source port 0", DROP_bad_source, UDP, "\x00\x00", 2},
	{"from a group", DROP_bad_source, IP + 12, "\xef\x01\x02\x03", 4},
	{"to another host", DROP_unknown_address, IP + 16, "\xc0\x00\x02\x63", 4},
	{"to a port without a leg", DROP_unknown_port, UDP + 2, "\x4e\x30", 2},
	{"to a port below all", DROP_unknown_port, UDP + 2, "\x00\x01", 2},
	{"no payload", DROP_not_rtp, .length = -1},
	{"one byte", DROP_not_rtp, .length = -2},
	{"half an RTP header", DROP_bad_rtp, .length = -7},
	{"RTP version 1", DROP_not_rtp, RTP, "\x44", 1},
	{"RTP version 3", DROP_not_rtp, RTP, "\xc0", 1},
	{"more CSRCs than bytes", DROP_bad_rtp, RTP, "\x8f", 1, .length = -13},
	{"an extension longer than all", DROP_bad_rtp, RTP, "\x90", 1},
	{"padding longer than all", DROP_bad_rtp, RTP, "\xa0", 1},
	{"a payload type of nobody", DROP_unknown_pt, RTP + 1, "\x63", 1},
	{"RTCP on RTP's port", DROP_rtcp_port, RTP + 1, "\xc9", 1},
	{"RTP on RTCP's port", DROP_rtcp_port, UDP, "\x0f\xa1\x4e\x21", 4},
	{"from elsewhere", DROP_wrong_source, IP + 15, "\x99", 1},
};

static void build_bad(struct frame *frame, const struct kind *kind)
{
	uint8_t bytes[FRAME_MAX];
	unsigned int n = build_silence(bytes, 1000);

	if (kind->length < 0)
		n = (unsigned int)(-kind->length - 1);
	build_datagram(frame, FAR0, 4000, LOCAL0, bytes, n);
	if (kind->n)
		memcpy(frame->bytes + kind->at, kind->bytes, (size_t)kind->n);
	if (!kind->lies)
		frame_checksums(frame);
	if (kind->length > 0)
		frame->length = (unsigned int)kind->length;
}

static void expect_good(uint16_t first, unsigned int n)
{
	struct frame frame;

	for (unsigned int i = 0; i < n; i++) {
		if (!frame_pop(1, &frame))
			fail_msg("good packet %u of %u is lost", i, n);
		assert_int_equal(sequence_of(&frame), (uint16_t)(first + i));
		assert_int_equal(frame.length, UDP_DATA + 172);
	}
	assert_false(frame_pop(1, &frame) || frame_pop(0, &frame));
}

// Every other packet, and all but one.
static void each_kind_costs_one_drop_and_no_good_packet(void **)
{
	for (size_t i = 0; i < RTE_DIM(kinds); i++) {
		uint64_t before = drops(kinds[i].reason), all = all_drops();
		uint16_t good = 0, bad = 0, first = (uint16_t)(i * 100);
		struct frame frame;

		build_bad(&frame, &kinds[i]);
		for (unsigned int j = 0; j < ROUNDS * BURST; j++) {
			bool is_bad = j < BURST ? j % 2 : j % BURST;

			if (is_bad)
				frame_push(0, &frame);
			else
				push_silence(FAR0, 4000, LOCAL0, (uint16_t)(first + good));
			bad += is_bad;
			good += !is_bad;
		}
		path_turn();
		if (drops(kinds[i].reason) != before + bad || all_drops() != all + bad)
			fail_msg("%s: not dropped for its reason", kinds[i].what);
		expect_good(first, good);
	}
}

static void all_kinds_at_once_cost_no_good_packet(void **)
{
	uint16_t good = 0;

	for (unsigned int round = 0; round < 8; round++)
		for (size_t i = 0; i < RTE_DIM(kinds); i++) {
			struct frame frame;

			build_bad(&frame, &kinds[(i * 5 + round) % RTE_DIM(kinds)]);
			frame_push(0, &frame);
			push_silence(FAR0, 4000, LOCAL0, good++);
		}
	path_turn();
	assert_int_equal(all_drops(), 8 * RTE_DIM(kinds));
	for (unsigned int reason = 0; reason < DROP_REASONS_N; reason++) {
		unsigned int expected = 0;

		for (size_t i = 0; i < RTE_DIM(kinds); i++)
			expected += kinds[i].reason == reason;
		assert_int_equal(drops((enum drop_reason)reason), 8 * expected);
	}
	expect_good(0, good);
}

// In two buffers, whatever the first says.
static void frames_in_two_buffers_cost_no_good_packet(void **)
{
	for (uint16_t i = 0; i < BURST; i++) {
		struct rte_mbuf *head = rte_pktmbuf_alloc(path.pool);
		struct rte_mbuf *tail = rte_pktmbuf_alloc(path.pool);
		uint8_t bytes[FRAME_MAX];
		struct frame frame;

		build_datagram(&frame, FAR0, 4000, LOCAL0, bytes, build_silence(bytes, i));
		memcpy(rte_pktmbuf_append(head, 100), frame.bytes, 100);
		memcpy(rte_pktmbuf_append(tail, (uint16_t)(frame.length - 100)), frame.bytes + 100,
			frame.length - 100);
		assert_int_equal(rte_pktmbuf_chain(head, tail), 0);
		mbuf_push(0, head);
		push_silence(FAR0, 4000, LOCAL0, i);
	}
	path_turn();
	assert_int_equal(drops(DROP_segmented), BURST);
	assert_int_equal(all_drops(), BURST);
	expect_good(0, BURST);
}

// Longer than what its way out takes: there is no cutting into fragments.
static void packets_too_long_for_the_way_out_cost_no_good_packet(void **)
{
	uint8_t bytes[FRAME_MAX] = {0x80};
	uint16_t good = 0;

	for (uint16_t i = 0; i < BURST; i++) {
		build_silence(bytes, good);
		push_datagram(FAR0, 4000, LOCAL0, bytes, 1473); // 1501 with UDP and IPv4
		push_silence(FAR0, 4000, LOCAL0, good++);
	}
	path_turn();
	assert_int_equal(drops(DROP_too_long), BURST);
	assert_int_equal(all_drops(), BURST);
	expect_good(0, good);
}

int main(void)
{
#define MALFORMED_TEST(name) cmocka_unit_test_setup_teardown(name, setup, call_teardown)
	const struct CMUnitTest tests[] = {
		MALFORMED_TEST(each_kind_costs_one_drop_and_no_good_packet),
		MALFORMED_TEST(all_kinds_at_once_cost_no_good_packet),
		MALFORMED_TEST(frames_in_two_buffers_cost_no_good_packet),
		MALFORMED_TEST(packets_too_long_for_the_way_out_cost_no_good_packet),
	};

	path_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
