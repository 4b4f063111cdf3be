// What the far end's RTCP tells us, and what we answer.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "call.h"
#include "rtcp.h"
#include "session_state.h"

#define SENT0 0xaaaa0000u // SSRCs of what we send
#define SENT1 0xbbbb0000u
#define DELAY (65536 / 25) // 40 ms

static uint8_t datagram[512];
static unsigned int length;

// An RR of far end 1 with one block, and room behind it.
static void begin_report(const struct rtcp_block *block)
{
	length = (unsigned int)rtcp_report_build(
		datagram, sizeof(datagram), SSRC1, NULL, block, block ? 1 : 0);
}

static void append(int n)
{
	assert_true(n > 0);
	length += (unsigned int)n;
}

static void push_report1(void)
{
	push_datagram1(FAR1, 5001, LOCAL1 + 1, datagram, length);
	path_turn();
}

static void media(uint16_t sequence)
{
	push_silence(FAR0, 4000, LOCAL0, sequence);
	path_turn();
}

static void set_transcoded(void)
{
	wanted.legs[1].formats[0] = (struct sl_format){
		.name = "opus", .clock_hz = 48000, .channels = 2, .pt = 96, .receive_pt = 96};
	path_set(&wanted);
}

// What comes next to the RTCP port of far end i.
static bool next_rtcp(unsigned int i, struct frame *frame)
{
	while (frame_pop(i, frame))
		if (half_at(frame, 36) == (i ? 5001 : 4001))
			return true;
	return false;
}

static void make_reports_due(void)
{
	const struct session *session = session_find(path.sessions, &wanted.id);

	session->legs[0]->tx.report_ns = session->legs[1]->tx.report_ns = 0;
}

static void assert_round_trip(uint32_t rtt_us)
{
	assert_true(rtt_us >= 60000); // 100 ms less 40 ms
	assert_true(rtt_us < 5000000);
}

static void report_blocks_tell_how_our_media_arrives(void **)
{
	const struct rtcp_block block = {
		.ssrc = SENT1, .lost = 7, .fraction_lost = 64, .jitter = 80};
	const struct rtcp_block negative = {.ssrc = SENT1, .lost = 0xffffff, .fraction_lost = 1};
	const struct rtcp_block other = {.ssrc = 0x99999999, .lost = 9};

	path_set(&wanted);
	media(1);
	begin_report(&other);
	push_report1();
	assert_int_equal(report_now().stats[1].remote_lost, 0);
	begin_report(&block);
	push_report1();
	assert_int_equal(report_now().stats[1].remote_lost, 7);
	assert_int_equal(report_now().stats[1].remote_fraction_lost, 64);
	assert_int_equal(report_now().stats[1].remote_jitter_us, 10000);
	assert_int_equal(report_now().stats[1].rtt_us, 0);
	assert_int_equal(report_now().stats[0].remote_lost, 0);
	begin_report(&negative); // more came than was expected
	push_report1();
	assert_int_equal(report_now().stats[1].remote_lost, 0);
	assert_int_equal(report_now().stats[1].remote_fraction_lost, 1);
}

// The round trip is that between us and the far end, though the sender report is another's.
static void round_trip_of_a_relayed_leg_is_ours(void **)
{
	const struct rtcp_sender sender = {.ntp = 0x0102030405060708};
	struct rtcp_block block = {.ssrc = SENT1, .last_sr = 0x03040506, .delay_last_sr = DELAY};
	uint8_t sr[64];
	int n = rtcp_report_build(sr, sizeof(sr), SSRC0, &sender, NULL, 0);

	path_set(&wanted);
	media(1);
	begin_report(&block);
	push_report1(); // before there was any
	assert_int_equal(report_now().stats[1].rtt_us, 0);
	push_datagram(FAR0, 4001, LOCAL0 + 1, sr, (unsigned int)n);
	path_turn();
	path_pass(100);
	block.last_sr++;
	begin_report(&block);
	push_report1(); // about another
	assert_int_equal(report_now().stats[1].rtt_us, 0);
	block.last_sr--;
	block.delay_last_sr = 65536 * 100;
	begin_report(&block);
	push_report1(); // later than it can be
	assert_int_equal(report_now().stats[1].rtt_us, 0);
	block.delay_last_sr = DELAY;
	begin_report(&block);
	push_report1();
	assert_round_trip(report_now().stats[1].rtt_us);
}

static void round_trip_of_our_own_reports(void **)
{
	struct rtcp_block block = {.ssrc = SENT1, .delay_last_sr = DELAY};
	struct frame frame;

	set_transcoded();
	for (uint16_t i = 0; i < 5; i++)
		media(i);
	make_reports_due();
	for (uint16_t i = 5; i < 8; i++)
		media(i);
	assert_true(next_rtcp(1, &frame));
	assert_int_equal(frame.bytes[UDP_DATA + 1], RTCP_SR);
	block.last_sr = word_at(&frame, UDP_DATA + 10);
	path_pass(100);
	begin_report(&block);
	push_report1();
	assert_round_trip(report_now().stats[1].rtt_us);
}

static void voip_metrics_are_kept_and_passed_on(void **)
{
	static const uint8_t xr[] =
		"\x80\xcf\x00\x0a\x55\x66\x77\x88\x07\x00\x00\x08\xbb\xbb\x00\x00"
		"\x01\x02\x03\x04\x00\x05\x00\x06\x00\x07\x00\x08\xec\xc4\x0b\x10"
		"\x5d\x7f\x2a\x29\x30\x00\x00\x28\x00\x50\x01\x2c";
	struct sl_voip_metrics voip;
	struct frame frame;

	path_set(&wanted);
	media(1);
	assert_int_equal(report_now().stats[1].voip.ssrc, 0);
	discard_output();
	begin_report(NULL);
	memcpy(datagram + length, xr, sizeof(xr) - 1);
	append(sizeof(xr) - 1);
	push_report1();
	voip = report_now().stats[1].voip;
	assert_int_equal(voip.ssrc, SENT1);
	assert_int_equal(voip.loss_rate, 1);
	assert_int_equal(voip.end_system_delay_ms, 8);
	assert_int_equal(voip.signal_level_dbm, -20);
	assert_int_equal(voip.r_factor, 93);
	assert_int_equal(voip.mos_cq, 41);
	assert_int_equal(voip.jitter_buffer_absolute_ms, 300);
	assert_true(next_rtcp(0, &frame));
	assert_memory_equal(frame.bytes + frame.length - 36, "\x07\x00\x00\x08\x11\x22\x33\x44", 8);
	assert_memory_equal(frame.bytes + frame.length - 28, xr + 16, 28);
	// Of another stream: not ours to keep or to pass on.
	memcpy(datagram + length - 32, "\x99\x99\x99\x99", 4);
	datagram[length - 28] = 50;
	push_report1();
	assert_int_equal(report_now().stats[1].voip.loss_rate, 1);
}

// Our own reports say nothing extended to who does not; to who does, they answer his time, and ask
// where no sender report of ours could be answered.
static void receiver_times_are_answered_and_asked_for(void **)
{
	struct rtcp_xr_dlrr answer = {.ssrc = SENT0, .delay_last_rr = DELAY};
	struct rtcp_packet packet = {};
	struct rtcp_xr_block block = {};
	struct rtcp_xr_dlrr dlrr;
	struct frame frame;
	uint8_t rr[128];
	int n = rtcp_report_build(rr, sizeof(rr), SSRC0, NULL, NULL, 0);

	set_transcoded();
	for (uint16_t i = 0; i < 5; i++)
		media(i);
	make_reports_due();
	media(5);
	assert_true(next_rtcp(0, &frame));
	assert_null(memmem(frame.bytes + UDP_DATA, frame.length - UDP_DATA, "\x80\xcf", 2));

	n += rtcp_xr_receiver_time_build(rr + n, sizeof(rr) - (size_t)n, SSRC0, 0x0102030405060708);
	push_datagram(FAR0, 4001, LOCAL0 + 1, rr, (unsigned int)n);
	path_turn();
	make_reports_due();
	media(6);
	assert_true(next_rtcp(0, &frame));
	assert_int_equal(rtcp_parse(frame.bytes + UDP_DATA, frame.length - UDP_DATA, false), 0);
	for (int i = 0; i < 3; i++)
		assert_true(rtcp_next(frame.bytes + UDP_DATA, frame.length - UDP_DATA, &packet));
	assert_int_equal(packet.pt, RTCP_XR);
	assert_int_equal(rtcp_sender_ssrc(&packet), SENT0);
	assert_true(rtcp_xr_next(&packet, &block));
	assert_true(rtcp_xr_dlrr_find(&block, SSRC0, &dlrr));
	assert_int_equal(dlrr.last_rr, 0x03040506);
	assert_true(dlrr.delay_last_rr < 5 * 65536);

	assert_true(rtcp_next(frame.bytes + UDP_DATA, frame.length - UDP_DATA, &packet));
	memset(&block, 0, sizeof(block));
	assert_true(rtcp_xr_next(&packet, &block));
	assert_int_equal(block.type, RTCP_XR_RECEIVER_TIME);
	answer.last_rr = (uint32_t)block.data[6] << 24 | (uint32_t)block.data[7] << 16 |
			 (uint32_t)block.data[8] << 8 | block.data[9];
	path_pass(100);
	n = rtcp_report_build(rr, sizeof(rr), SSRC0, NULL, NULL, 0);
	n += rtcp_xr_dlrr_build(rr + n, sizeof(rr) - (size_t)n, SSRC0, &answer);
	push_datagram(FAR0, 4001, LOCAL0 + 1, rr, (unsigned int)n);
	path_turn();
	assert_round_trip(report_now().stats[0].rtt_us);
}

// RFC 5506: only where it was agreed, and a full compound for who has not agreed.
static void reduced_size_is_taken_and_passed_on_where_it_was_agreed(void **)
{
	static const uint8_t pli[] = "\x81\xce\x00\x02\x55\x66\x77\x88\xbb\xbb\x00\x00";
	static const struct {
		bool from, to;
		unsigned int bytes; // that arrive
	} rows[] = {
		{false, false, 0}, {false, true, 0}, {true, false, 8 + 28 + 12}, {true, true, 12}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t dropped = drops(DROP_bad_rtcp);
		struct frame frame = {};

		wanted.legs[0].flags = SL_LEG_SEND | SL_LEG_RECEIVE;
		wanted.legs[1].flags = SL_LEG_SEND | SL_LEG_RECEIVE;
		wanted.legs[0].flags |= rows[i].to ? SL_LEG_RTCP_REDUCED : 0;
		wanted.legs[1].flags |= rows[i].from ? SL_LEG_RTCP_REDUCED : 0;
		path_set(&wanted);
		media((uint16_t)i);
		discard_output();
		push_datagram1(FAR1, 5001, LOCAL1 + 1, pli, sizeof(pli) - 1);
		path_turn();
		assert_int_equal(next_rtcp(0, &frame), rows[i].bytes > 0);
		assert_int_equal(drops(DROP_bad_rtcp) - dropped, !rows[i].from);
		if (rows[i].bytes == 0)
			continue;
		assert_int_equal(frame.length - UDP_DATA, rows[i].bytes);
		assert_memory_equal(frame.bytes + frame.length - 12,
			"\x81\xce\x00\x02\xaa\xaa\x00\x00\x11\x22\x33\x44", 12);
	}
}

static bool has_bye(const struct frame *frame, const char *ssrc)
{
	char bye[8] = "\x81\xcb\x00\x01";

	memcpy(bye + 4, ssrc, 4);
	return memcmp(frame->bytes + frame->length - 8, bye, 8) == 0;
}

static void an_ssrc_that_is_given_up_says_bye(void **)
{
	struct frame frame;

	path_set(&wanted);
	wanted.legs[1].ssrc = 0xcccc0000;
	path_set(&wanted); // never sent with, so nothing to say
	media(1);
	assert_false(next_rtcp(1, &frame));
	wanted.legs[1].ssrc = 0xdddd0000;
	path_set(&wanted);
	assert_false(next_rtcp(1, &frame));
	media(2);
	assert_true(next_rtcp(1, &frame));
	assert_int_equal(rtcp_parse(frame.bytes + UDP_DATA, frame.length - UDP_DATA, false), 0);
	assert_true(has_bye(&frame, "\xcc\xcc\x00\x00"));
	media(3);
	assert_false(next_rtcp(1, &frame)); // once
}

static bool says_bye_when_deleted(unsigned int leg)
{
	struct frame frame;
	bool says;

	discard_output();
	session_delete(path.sessions, session_find(path.sessions, &wanted.id));
	path_turn();
	assert_false(next_rtcp(leg, &frame)); // not while a worker may still send media
	path_pass(10);
	path_turn();
	says = next_rtcp(leg, &frame);
	discard_output();
	return says;
}

static void a_leg_that_ends_says_bye_if_it_has_said_anything(void **)
{
	sessions_on_farewell(path.sessions, workers_farewell, path.workers);
	path_set(&wanted);
	assert_false(says_bye_when_deleted(1));
	path_set(&wanted);
	media(1);
	assert_true(says_bye_when_deleted(1));
	path_set(&wanted);
	media(2);
	assert_false(says_bye_when_deleted(0)); // it was sent nothing
	wanted.legs[1].flags |= SL_LEG_TRANSPARENT_SSRC;
	path_set(&wanted);
	media(3);
	assert_false(says_bye_when_deleted(1)); // the SSRC is not ours
}

static void a_leg_that_a_replace_ends_says_bye(void **)
{
	struct frame frame;

	sessions_on_farewell(path.sessions, workers_farewell, path.workers);
	path_set(&wanted);
	media(1);
	discard_output();
	wanted.n_legs = 1;
	wanted.legs[0].source = SL_NO_LEG;
	path_set(&wanted);
	path_pass(10);
	path_turn();
	assert_true(next_rtcp(1, &frame));
	assert_true(has_bye(&frame, "\xbb\xbb\x00\x00"));
	assert_false(next_rtcp(0, &frame));
}

static void bye_of_the_far_end_passes_where_its_ssrc_does(void **)
{
	static const uint8_t bye[] =
		"\x80\xc9\x00\x01\x11\x22\x33\x44\x81\xcb\x00\x01\x11\x22\x33\x44";
	struct frame frame;

	for (unsigned int i = 0; i < 2; i++) {
		wanted.legs[1].flags |= i ? SL_LEG_TRANSPARENT_SSRC : 0;
		path_set(&wanted);
		media((uint16_t)i);
		discard_output();
		push_datagram(FAR0, 4001, LOCAL0 + 1, bye, sizeof(bye) - 1);
		path_turn();
		assert_true(next_rtcp(1, &frame));
		assert_int_equal(has_bye(&frame, "\x11\x22\x33\x44"), i == 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CALL_TEST(report_blocks_tell_how_our_media_arrives),
		CALL_TEST(round_trip_of_a_relayed_leg_is_ours),
		CALL_TEST(round_trip_of_our_own_reports),
		CALL_TEST(voip_metrics_are_kept_and_passed_on),
		CALL_TEST(receiver_times_are_answered_and_asked_for),
		CALL_TEST(reduced_size_is_taken_and_passed_on_where_it_was_agreed),
		CALL_TEST(an_ssrc_that_is_given_up_says_bye),
		CALL_TEST(a_leg_that_ends_says_bye_if_it_has_said_anything),
		CALL_TEST(a_leg_that_a_replace_ends_says_bye),
		CALL_TEST(bye_of_the_far_end_passes_where_its_ssrc_does),
	};

	path_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
