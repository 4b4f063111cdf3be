// BUNDLE: audio and video of one far end on one port pair, on two on the other side.
//
//   far end 0 :4000 <-> LOCAL0    leg 0 "a" audio  <->  leg 2  LOCAL1      <-> far end 1 :5000
//                                 leg 1 "v" video  <->  leg 3  LOCAL1 + 2  <-> far end 1 :5002
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "call.h"
#include "rtcp.h"
#include "rtp_extension.h"
#include "srtp_peer.h"

#define MID	   4 // id of the extension
#define PT_AUDIO   0
#define PT_VIDEO   96
#define PT_BOTH	   101
#define SSRC_AUDIO 0xa0000001u
#define SSRC_VIDEO 0xb0000001u

static const struct sl_format video = {
	.name = "VP8", .clock_hz = 90000, .channels = 1, .pt = PT_VIDEO, .receive_pt = PT_VIDEO};
static const struct sl_format both = {
	.name = "x-both", .clock_hz = 8000, .channels = 1, .pt = PT_BOTH, .receive_pt = PT_BOTH};

static int bundle_setup(void **state)
{
	int rc = call_setup(state);
	struct sl_leg *legs = wanted.legs;

	wanted.n_legs = 4;
	legs[2] = legs[1];
	legs[2].source = 0;
	legs[0].source = 2;
	legs[3] = legs[2];
	legs[3].local.port = LOCAL1 + 2;
	legs[3].remote.port = 5002;
	legs[3].ssrc = 0xdddd0000;
	legs[3].source = 1;
	legs[3].formats[0] = video;
	legs[0].flags |= SL_LEG_RTCP_MUX;
	legs[0].mid_extension = MID;
	legs[1] = (struct sl_leg){.flags = SL_LEG_RECEIVE | SL_LEG_SEND,
		.ssrc = 0xcccc0000,
		.source = 3,
		.transport = 0,
		.mid_extension = MID,
		.n_formats = 1,
		.formats = {video}};
	strcpy(legs[0].mid, "a");
	strcpy(legs[1].mid, "v");
	for (unsigned int i = 0; i < 4; i++)
		legs[i].formats[legs[i].n_formats++] = both;
	return rc;
}

// A packet with the MID, or without an extension where that is NULL.
static unsigned int build(
	uint8_t *out, const char *mid, uint8_t pt, uint32_t ssrc, uint16_t sequence)
{
	const struct rtp_packet rtp = {.pt = pt,
		.sequence = sequence,
		.timestamp = sequence * 160u,
		.ssrc = ssrc,
		.payload = (const uint8_t *)"payload",
		.payload_bytes = 7};
	unsigned int n = rtp_build(out, &rtp), n_mid = mid ? (unsigned int)strlen(mid) : 0;
	unsigned int words = (1 + n_mid + 3) / 4;

	if (!mid)
		return n;
	memmove(out + 16 + 4 * words, out + 12, 7);
	memset(out + 12, 0, 4 + 4 * words);
	out[0] |= 0x10;
	out[12] = 0xbe;
	out[13] = 0xde;
	out[15] = (uint8_t)words;
	out[16] = (uint8_t)(MID << 4 | (n_mid - 1));
	memcpy(out + 17, mid, n_mid);
	return n + 4 + 4 * words;
}

static void push(const char *mid, uint8_t pt, uint32_t ssrc, uint16_t sequence)
{
	uint8_t bytes[FRAME_MAX];

	push_datagram(FAR0, 4000, LOCAL0, bytes, build(bytes, mid, pt, ssrc, sequence));
	path_turn();
}

// To which leg it went: 2, 3, or 0 where it did not come out.
static unsigned int came_to(void)
{
	struct frame frame;

	if (!frame_pop(1, &frame))
		return 0;
	assert_int_equal(frame.bytes[UDP_DATA], 0x80); // without our side's MID
	assert_memory_equal(frame.bytes + UDP_DATA + 12, "payload", 7);
	return half_at(&frame, 36) == 5000 ? 2 : 3;
}

static unsigned int goes_to(const char *mid, uint8_t pt, uint32_t ssrc, uint16_t sequence)
{
	push(mid, pt, ssrc, sequence);
	return came_to();
}

static void mid_decides_then_ssrc_then_payload_type(void **)
{
	wanted.legs[1].ssrcs[3] = 77;
	path_set(&wanted);
	assert_int_equal(goes_to("a", PT_BOTH, 1, 1), 2);
	assert_int_equal(goes_to("v", PT_BOTH, 2, 1), 3);
	assert_int_equal(goes_to(NULL, PT_BOTH, 1, 2), 2); // learnt
	assert_int_equal(goes_to(NULL, PT_BOTH, 2, 2), 3);
	assert_int_equal(goes_to(NULL, PT_BOTH, 77, 1), 3); // signalled
	assert_int_equal(goes_to(NULL, PT_AUDIO, 3, 1), 2); // of one leg only
	assert_int_equal(goes_to(NULL, PT_VIDEO, 4, 1), 3);
	assert_int_equal(goes_to(NULL, PT_BOTH, 4, 2), 3); // learnt from that
	assert_int_equal(all_drops(), 0);
	assert_int_equal(goes_to(NULL, PT_BOTH, 5, 1), 0);
	assert_int_equal(drops(DROP_unknown_stream), 1);
	assert_int_equal(report_now().stats[0].rx_packets, 3);
	assert_int_equal(report_now().stats[1].rx_packets, 5);
}

static void a_mid_that_is_nobodys_is_no_reason_to_guess(void **)
{
	static const char *const strangers[] = {"b", "aa", "V", "0123456789abcdef"};

	path_set(&wanted);
	for (size_t i = 0; i < RTE_DIM(strangers); i++)
		assert_int_equal(goes_to(strangers[i], PT_AUDIO, 1, 1), 0);
	assert_int_equal(drops(DROP_unknown_stream), RTE_DIM(strangers));
	assert_int_equal(goes_to("a", PT_VIDEO, 1, 1), 0); // nor what its leg does not take
	assert_int_equal(drops(DROP_unknown_pt), 1);
}

static void a_stream_moves_with_a_newer_mid_not_with_an_older_one(void **)
{
	path_set(&wanted);
	assert_int_equal(goes_to("a", PT_BOTH, 1, 100), 2);
	assert_int_equal(goes_to("v", PT_BOTH, 1, 101), 3);
	assert_int_equal(goes_to("a", PT_BOTH, 1, 99), 3); // overtaken by the change
	assert_int_equal(goes_to(NULL, PT_BOTH, 1, 102), 3);
}

static void many_ssrcs_find_no_place_and_drive_nobody_out(void **)
{
	path_set(&wanted);
	assert_int_equal(goes_to("v", PT_BOTH, 1, 1), 3);
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(goes_to("a", PT_BOTH, 1000 + i, 1), 2);
	assert_int_equal(goes_to(NULL, PT_BOTH, 1, 2), 3);
	assert_int_equal(goes_to(NULL, PT_BOTH, 1099, 2), 0);
	path_pass(31000); // all are forgotten
	assert_int_equal(goes_to("a", PT_BOTH, 1099, 3), 2);
	assert_int_equal(goes_to(NULL, PT_BOTH, 1099, 4), 2);
}

static void from_elsewhere_nothing_is_learnt(void **)
{
	uint8_t bytes[FRAME_MAX];

	path_set(&wanted);
	push_datagram(STRANGER, 4000, LOCAL0, bytes, build(bytes, "a", PT_BOTH, 1, 1));
	path_turn();
	assert_int_equal(drops(DROP_wrong_source), 1);
	assert_int_equal(goes_to(NULL, PT_BOTH, 1, 2), 0);
}

static void push_back(unsigned int leg, uint16_t sequence)
{
	uint8_t bytes[FRAME_MAX];

	push_datagram1(FAR1, leg == 2 ? 5000 : 5002, leg == 2 ? LOCAL1 : LOCAL1 + 2, bytes,
		build(bytes, NULL, leg == 2 ? PT_AUDIO : PT_VIDEO,
			leg == 2 ? SSRC_AUDIO : SSRC_VIDEO, sequence));
	path_turn();
}

// One came out for far end 0, from and to these ports, with this MID and SSRC.
static void expect_at(uint16_t to_port, const char *mid, uint32_t ssrc)
{
	struct frame frame;
	const uint8_t *rtp = frame.bytes + UDP_DATA;
	const uint8_t *found;
	uint8_t n_bytes;

	assert_true(frame_pop(0, &frame));
	assert_int_equal(half_at(&frame, 34), LOCAL0);
	assert_int_equal(half_at(&frame, 36), to_port);
	found = rtp_extension_find(rtp, MID, &n_bytes);
	assert_non_null(found);
	assert_int_equal(n_bytes, strlen(mid));
	assert_memory_equal(found, mid, n_bytes);
	assert_int_equal(word_at(&frame, UDP_DATA + 8), ssrc);
	assert_memory_equal(frame.bytes + frame.length - 7, "payload", 7);
}

static void both_leave_by_the_transport_with_their_mid(void **)
{
	struct sl_session_report report;

	path_set(&wanted);
	for (uint16_t i = 1; i < 4; i++) {
		push_back(2, i);
		expect_at(4000, "a", wanted.legs[0].ssrc);
		push_back(3, i);
		expect_at(4000, "v", wanted.legs[1].ssrc);
	}
	report = report_now();
	assert_int_equal(report.stats[0].tx_packets, 3);
	assert_int_equal(report.stats[1].tx_packets, 3);
	assert_int_equal(report.stats[1].tx_bytes, 3 * (12 + 8 + 7));
}

static void other_extensions_pass_and_the_mid_is_exchanged(void **)
{
	static const uint8_t rtp[] = {0x90, PT_VIDEO, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4, 0xbe, 0xde, 0,
		2, 0x71, 'v', '2', 0x20, 9, 0, 0, 0, 'p', 'a', 'y', 'l', 'o', 'a', 'd'};
	struct frame frame;
	uint8_t n_bytes;

	wanted.legs[3].mid_extension = 7;
	strcpy(wanted.legs[3].mid, "v2");
	path_set(&wanted);
	push_datagram1(FAR1, 5002, LOCAL1 + 2, rtp, sizeof(rtp));
	path_turn();
	assert_true(frame_pop(0, &frame));
	assert_non_null(rtp_extension_find(frame.bytes + UDP_DATA, 2, &n_bytes));
	assert_null(rtp_extension_find(frame.bytes + UDP_DATA, 7, &n_bytes));
	assert_memory_equal(rtp_extension_find(frame.bytes + UDP_DATA, MID, &n_bytes), "v", 1);
	push("v", PT_VIDEO, 1, 1);
	assert_true(frame_pop(1, &frame));
	assert_memory_equal(rtp_extension_find(frame.bytes + UDP_DATA, 7, &n_bytes), "v2", 2);
	assert_int_equal(n_bytes, 2);
	assert_null(rtp_extension_find(frame.bytes + UDP_DATA, MID, &n_bytes));
}

static void each_leg_has_its_own_direction(void **)
{
	path_set(&wanted);
	wanted.legs[0].flags &= (uint16_t) ~(SL_LEG_RECEIVE | SL_LEG_SEND);
	path_set(&wanted);
	assert_int_equal(goes_to("v", PT_VIDEO, 1, 1), 3);
	assert_int_equal(goes_to("a", PT_AUDIO, 2, 1), 0);
	assert_int_equal(drops(DROP_not_receiving), 1);
	push_back(3, 1);
	expect_at(4000, "v", wanted.legs[1].ssrc);
	push_back(2, 1);
	assert_int_equal(drops(DROP_not_sending), 1);
}

static void both_follow_a_latch(void **)
{
	uint8_t bytes[FRAME_MAX];

	wanted.legs[0].source_rule = SL_SOURCE_LATCH;
	path_set(&wanted);
	push_back(2, 1);
	push_back(3, 1);
	expect_at(4000, "a", wanted.legs[0].ssrc);
	expect_at(4000, "v", wanted.legs[1].ssrc);
	push_datagram(NAT, 6000, LOCAL0, bytes, build(bytes, "v", PT_VIDEO, 1, 1));
	path_turn();
	assert_int_equal(came_to(), 3);
	sessions_tick(path.sessions, path.workers->workers[0]->now_ns);
	push_back(2, 2);
	push_back(3, 2);
	expect_at(6000, "a", wanted.legs[0].ssrc);
	expect_at(6000, "v", wanted.legs[1].ssrc);
}

static void both_are_under_the_keys_of_the_transport(void **)
{
	uint8_t bytes[FRAME_MAX];
	struct frame frame;
	srtp_t sender, receiver;

	peer_keys(&wanted.legs[0], SL_SRTP_AES_CM_128_HMAC_SHA1_80, 1);
	path_set(&wanted);
	sender = peer_sender(&wanted.legs[0].srtp_receive);
	receiver = peer_receiver(&wanted.legs[0].srtp_send);
	push("a", PT_AUDIO, 1, 1); // plain
	assert_int_equal(drops(DROP_srtp_auth) + drops(DROP_srtp_malformed), 1);
	for (uint32_t i = 0; i < 20; i++) { // more streams than a key has room for otherwise
		const char *mid = i % 2 ? "v" : "a";
		unsigned int n = build(bytes, mid, PT_BOTH, 100 + i, 1);

		push_datagram(FAR0, 4000, LOCAL0, bytes, peer_protect(sender, bytes, n));
		path_turn();
		assert_int_equal(came_to(), i % 2 ? 3 : 2);
		push_back(i % 2 ? 3 : 2, (uint16_t)(i + 1));
		assert_true(frame_pop(0, &frame));
		n = peer_unprotect(receiver, frame.bytes + UDP_DATA, frame.length - UDP_DATA);
		assert_int_equal(n, 12 + 8 + 7);
		assert_int_equal(word_at(&frame, UDP_DATA + 8), wanted.legs[i % 2].ssrc);
	}
	srtp_dealloc(sender);
	srtp_dealloc(receiver);
}

// A compound about both, and one about the video alone: each goes where its media goes.
static void reports_are_sorted_to_the_legs_that_they_speak_of(void **)
{
	static const struct rtcp_sender sender = {.packets = 1, .timestamp = 5};
	struct rtcp_block blocks[2] = {
		{.ssrc = wanted.legs[0].ssrc, .extended_sequence = 1},
		{.ssrc = wanted.legs[1].ssrc, .extended_sequence = 1},
	};
	uint8_t rtcp[256];
	struct frame frame;
	int n;

	path_set(&wanted);
	push("a", PT_AUDIO, 1, 1);
	push("v", PT_VIDEO, 2, 1);
	push_back(2, 1);
	push_back(3, 1);
	discard_output();
	n = rtcp_report_build(rtcp, sizeof(rtcp), 1, &sender, blocks, 2);
	n += rtcp_report_build(rtcp + n, sizeof(rtcp) - (size_t)n, 2, &sender, NULL, 0);
	push_datagram(FAR0, 4000, LOCAL0, rtcp, (unsigned int)n);
	path_turn();
	for (unsigned int i = 0; i < 2; i++) {
		assert_true(frame_pop(1, &frame)); // SR of this one, RR of the other
		assert_int_equal(half_at(&frame, 36), i ? 5003 : 5001);
		assert_int_equal(word_at(&frame, UDP_DATA + 4), wanted.legs[2 + i].ssrc);
	}
	assert_false(frame_pop(1, &frame));
	n = rtcp_report_build(rtcp, sizeof(rtcp), 2, &sender, &blocks[1], 1);
	push_datagram(FAR0, 4000, LOCAL0, rtcp, (unsigned int)n);
	path_turn();
	assert_true(frame_pop(1, &frame));
	assert_int_equal(half_at(&frame, 36), 5003);
	assert_int_equal(frame.bytes[UDP_DATA + 1], RTCP_SR);
	assert_int_equal(word_at(&frame, UDP_DATA + 8 + 20), SSRC_VIDEO); // the block's
	assert_false(frame_pop(1, &frame));
	n = rtcp_report_build(rtcp, sizeof(rtcp), 77, &sender, NULL, 0); // of nobody
	push_datagram(FAR0, 4000, LOCAL0, rtcp, (unsigned int)n);
	path_turn();
	assert_false(frame_pop(1, &frame));
	assert_int_equal(drops(DROP_rtcp_unrelayed), 1);
	assert_int_equal(report_now().stats[0].rx_rtcp, 1);
	assert_int_equal(report_now().stats[1].rx_rtcp, 2);
}

static void reports_of_both_leave_by_the_transport(void **)
{
	static const struct rtcp_sender sender = {.packets = 1, .timestamp = 5};
	uint8_t rtcp[256];
	struct frame frame;
	int n;

	path_set(&wanted);
	push_back(2, 1);
	push_back(3, 1);
	discard_output();
	n = rtcp_report_build(rtcp, sizeof(rtcp), SSRC_VIDEO, &sender, NULL, 0);
	push_datagram1(FAR1, 5003, LOCAL1 + 3, rtcp, (unsigned int)n);
	path_turn();
	assert_true(frame_pop(0, &frame));
	assert_int_equal(half_at(&frame, 34), LOCAL0);
	assert_int_equal(half_at(&frame, 36), 4000);
	assert_int_equal(frame.bytes[UDP_DATA + 1], RTCP_SR);
	assert_int_equal(word_at(&frame, UDP_DATA + 4), wanted.legs[1].ssrc);
	assert_int_equal(report_now().stats[1].tx_rtcp, 1);
	assert_int_equal(report_now().stats[0].tx_rtcp, 0);
}

static uint32_t ports_used(void)
{
	struct sessions_counts counts;

	sessions_count(path.sessions, &counts);
	return counts.ports_used;
}

// As a re-offer may do it: out of the bundle, and into it again.
static void a_leg_leaves_the_bundle_and_returns(void **)
{
	struct sl_leg bundled = wanted.legs[1], alone = wanted.legs[1];
	uint8_t bytes[FRAME_MAX];

	alone.transport = SL_NO_LEG;
	alone.local = rig_address(OUR0, LOCAL0 + 4);
	alone.remote = rig_address(FAR0, 4004);
	path_set(&wanted);
	assert_int_equal(ports_used(), 3);
	assert_int_equal(goes_to("v", PT_VIDEO, 1, 1), 3);
	wanted.legs[1] = alone;
	path_set(&wanted);
	assert_int_equal(ports_used(), 4);
	assert_int_equal(goes_to(NULL, PT_VIDEO, 1, 2), 0);
	push_datagram(FAR0, 4004, LOCAL0 + 4, bytes, build(bytes, NULL, PT_VIDEO, 1, 3));
	path_turn();
	assert_int_equal(came_to(), 3);
	wanted.legs[1] = bundled;
	path_set(&wanted);
	assert_int_equal(ports_used(), 3);
	assert_int_equal(goes_to("v", PT_VIDEO, 1, 4), 3);
	push_datagram(FAR0, 4004, LOCAL0 + 4, bytes, build(bytes, NULL, PT_VIDEO, 1, 5));
	path_turn();
	assert_int_equal(drops(DROP_unknown_port), 1);
	assert_int_equal(report_now().stats[1].rx_packets, 3);
}

static void what_was_learnt_is_void_when_the_mids_change(void **)
{
	path_set(&wanted);
	assert_int_equal(goes_to("v", PT_BOTH, 1, 1), 3);
	path_set(&wanted);
	assert_int_equal(goes_to(NULL, PT_BOTH, 1, 2), 3); // not by a mere replace
	strcpy(wanted.legs[0].mid, "v");
	strcpy(wanted.legs[1].mid, "a");
	path_set(&wanted);
	assert_int_equal(goes_to(NULL, PT_BOTH, 1, 3), 0);
	assert_int_equal(goes_to("v", PT_BOTH, 1, 4), 2);
}

// RFC 3550 8.2: what it knows of the others is in the configuration that takes the place, too.
static void a_leg_that_gives_its_ssrc_up_keeps_its_bundle(void **)
{
	uint32_t ssrc = wanted.legs[0].ssrc;
	uint8_t bytes[FRAME_MAX];
	unsigned int n;

	path_set(&wanted);
	assert_int_equal(goes_to("v", PT_VIDEO, SSRC_VIDEO, 1), 3);
	n = build(bytes, NULL, PT_AUDIO, SSRC_AUDIO, 1);
	push_datagram1(FAR1, 5000, LOCAL1, bytes, n);
	path_turn();
	assert_int_equal(goes_to("a", PT_AUDIO, ssrc, 30000), 2);
	for (unsigned int i = 0; i < 5; i++) {
		path_pass(100);
		path_turn();
	}
	assert_int_not_equal(report_now().stats[0].tx_ssrc, ssrc);
	assert_int_equal(goes_to("a", PT_BOTH, SSRC_AUDIO, 1), 2);
	assert_int_equal(goes_to(NULL, PT_BOTH, SSRC_VIDEO, 2), 3); // learnt before
	assert_int_equal(drops(DROP_unknown_stream), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define BUNDLE_TEST(name) cmocka_unit_test_setup_teardown(name, bundle_setup, call_teardown)
		BUNDLE_TEST(mid_decides_then_ssrc_then_payload_type),
		BUNDLE_TEST(a_mid_that_is_nobodys_is_no_reason_to_guess),
		BUNDLE_TEST(a_stream_moves_with_a_newer_mid_not_with_an_older_one),
		BUNDLE_TEST(many_ssrcs_find_no_place_and_drive_nobody_out),
		BUNDLE_TEST(from_elsewhere_nothing_is_learnt),
		BUNDLE_TEST(both_leave_by_the_transport_with_their_mid),
		BUNDLE_TEST(other_extensions_pass_and_the_mid_is_exchanged),
		BUNDLE_TEST(each_leg_has_its_own_direction),
		BUNDLE_TEST(both_follow_a_latch),
		BUNDLE_TEST(both_are_under_the_keys_of_the_transport),
		BUNDLE_TEST(reports_are_sorted_to_the_legs_that_they_speak_of),
		BUNDLE_TEST(reports_of_both_leave_by_the_transport),
		BUNDLE_TEST(a_leg_leaves_the_bundle_and_returns),
		BUNDLE_TEST(what_was_learnt_is_void_when_the_mids_change),
		BUNDLE_TEST(a_leg_that_gives_its_ssrc_up_keeps_its_bundle),
#undef BUNDLE_TEST
	};

	path_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
