// RTCP between two relayed legs is translated; where it cannot be, each side gets our own.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "call.h"
#include "rtcp.h"

static void media_of_leg0(uint16_t sequence)
{
	push_silence(FAR0, 4000, LOCAL0, sequence);
	path_turn();
}

static void media_of_leg1(uint16_t sequence)
{
	push_silence1(sequence);
	path_turn();
}

// A sender report of leg 0's far end, with a block about what it receives from us.
static unsigned int sender_report(uint8_t *out)
{
	const struct rtcp_sender sender = {
		.ntp = 0x0102030405060708, .timestamp = 1600, .packets = 10, .bytes = 1600};
	const struct rtcp_block block = {.ssrc = 0xaaaa0000, .extended_sequence = 77};
	int report = rtcp_report_build(out, 512, SSRC0, &sender, &block, 1);
	int sdes = rtcp_sdes_build(out + report, 512, SSRC0, "alice@192.168.1.2");

	assert_true(report > 0 && sdes > 0);
	return (unsigned int)(report + sdes);
}

static void push_report(const char *from, uint16_t from_port)
{
	uint8_t bytes[1024];

	push_datagram(from, from_port, LOCAL0 + 1, bytes, sender_report(bytes));
	path_turn();
}

static unsigned int payload_bytes(const struct frame *frame)
{
	return frame->length - UDP_DATA;
}

static void reports_are_put_in_terms_of_the_other_leg(void **)
{
	struct rtcp_packet packet = {};
	struct rtcp_sender sender;
	struct rtcp_block block;
	struct frame frame;

	path_set(&wanted);
	media_of_leg0(10);
	media_of_leg1(77);
	discard_output();
	push_report(FAR0, 4001);
	assert_true(frame_pop(1, &frame));
	assert_memory_equal(frame.bytes + 34, "\x4e\x2b\x13\x89", 4); // 20011 to 5001
	assert_int_equal(rtcp_parse(frame.bytes + UDP_DATA, payload_bytes(&frame), false), 0);
	assert_true(rtcp_next(frame.bytes + UDP_DATA, payload_bytes(&frame), &packet));
	assert_int_equal(packet.pt, RTCP_SR);
	assert_int_equal(rtcp_sender_ssrc(&packet), 0xbbbb0000);
	rtcp_sender_read(&packet, &sender);
	assert_int_equal(sender.ntp, 0x0102030405060708);
	assert_int_equal(sender.timestamp, 1600);
	rtcp_block_read(packet.data + 28, &block);
	assert_int_equal(block.ssrc, SSRC1); // whose media it is about, on that side
	assert_int_equal(block.extended_sequence & 0xffff, 77);
	assert_null(memmem(frame.bytes, frame.length, "alice", 5));
	assert_int_equal(worker_counter("worker.0.reports"), 0);
}

static void far_end_that_wants_no_reports_gets_none(void **)
{
	struct frame frame;

	wanted.legs[1].flags |= SL_LEG_NO_RTCP;
	path_set(&wanted);
	media_of_leg0(10);
	media_of_leg1(77);
	discard_output();
	push_report(FAR0, 4001);
	assert_false(frame_pop(1, &frame));
	assert_int_equal(drops(DROP_not_sending), 1);
	media_of_leg0(11); // which goes on
	assert_true(frame_pop(1, &frame));
}

static void reports_from_elsewhere_are_dropped(void **)
{
	struct frame frame;

	path_set(&wanted);
	media_of_leg0(10);
	discard_output();
	push_report("198.51.100.9", 4001);
	push_report(FAR0, 4003);
	assert_int_equal(drops(DROP_wrong_source), 2);
	assert_false(frame_pop(1, &frame));
}

static void malformed_reports_are_dropped(void **)
{
	uint8_t bytes[1024];
	unsigned int n = sender_report(bytes);
	struct frame frame;

	path_set(&wanted);
	for (unsigned int length = 4; length < n; length++)
		if (length != 52) { // the report alone is a whole packet
			push_datagram(FAR0, 4001, LOCAL0 + 1, bytes, length);
			path_turn();
		}
	assert_int_equal(drops(DROP_bad_rtcp), n - 4 - 1);
	assert_false(frame_pop(1, &frame));
}

static void mux_takes_rtcp_on_the_rtp_port(void **)
{
	uint8_t bytes[1024];
	struct frame frame;

	wanted.legs[0].flags |= SL_LEG_RTCP_MUX;
	path_set(&wanted);
	media_of_leg0(10);
	media_of_leg1(77);
	discard_output();
	push_datagram(FAR0, 4000, LOCAL0, bytes, sender_report(bytes));
	path_turn();
	assert_true(frame_pop(1, &frame));
	assert_memory_equal(frame.bytes + 34, "\x4e\x2b\x13\x89", 4);
}

// RTCP of a leg that latched is taken from next to its RTP, once.
static void rtcp_latches_beside_its_rtp(void **)
{
	struct frame frame;

	wanted.legs[0].source_rule = SL_SOURCE_LATCH;
	path_set(&wanted);
	push_report("198.51.100.77", 33001); // nothing latches by RTCP alone
	assert_int_equal(drops(DROP_wrong_source), 1);
	push_silence("198.51.100.77", 33000, LOCAL0, 1);
	path_turn();
	discard_output();
	push_report("198.51.100.78", 33001);
	assert_int_equal(drops(DROP_wrong_source), 2);
	push_report("198.51.100.77", 41999);
	push_report("198.51.100.77", 33001);
	assert_int_equal(drops(DROP_wrong_source), 3);
	assert_true(frame_pop(1, &frame));
	assert_false(frame_pop(1, &frame));
}

// Both legs, or 1: the reports that are due now.
static void make_reports_due(void)
{
	const struct leg_table *table = sessions_table(path.sessions);

	(*(struct leg **)&table->addresses[0].slots[LOCAL0 - 20000])->tx.report_ns = 0;
	(*(struct leg **)&table->addresses[2].slots[LOCAL1 - 20000])->tx.report_ns = 0;
}

static bool find_rtcp(unsigned int port, struct frame *frame)
{
	while (frame_pop(port, frame))
		if (frame->bytes[37] & 1) // to an odd port
			return true;
	return false;
}

// With a codec between, reports of one side say nothing true on the other: both get ours.
static void transcoded_legs_get_reports_of_our_own(void **)
{
	struct rtcp_packet packet = {};
	struct rtcp_sender sender;
	struct rtcp_block block;
	struct frame frame;

	wanted.legs[1].formats[0] = (struct sl_format){
		.name = "opus", .clock_hz = 48000, .channels = 2, .pt = 96, .receive_pt = 96};
	path_set(&wanted);
	for (uint16_t i = 0; i < 5; i++)
		media_of_leg0(i);
	discard_output();
	push_report(FAR0, 4001);
	assert_false(frame_pop(1, &frame));
	assert_int_equal(drops(DROP_rtcp_unrelayed), 1);
	make_reports_due();
	for (uint16_t i = 5; i < 10; i++)
		media_of_leg0(i);
	assert_true(find_rtcp(1, &frame)); // leg 1 is sent media: SR
	assert_int_equal(rtcp_parse(frame.bytes + UDP_DATA, payload_bytes(&frame), false), 0);
	assert_true(rtcp_next(frame.bytes + UDP_DATA, payload_bytes(&frame), &packet));
	assert_int_equal(packet.pt, RTCP_SR);
	assert_int_equal(packet.count, 0); // it has sent nothing
	assert_int_equal(rtcp_sender_ssrc(&packet), 0xbbbb0000);
	rtcp_sender_read(&packet, &sender);
	assert_true(sender.packets >= 5 && sender.packets < 10);
	assert_true(rtcp_next(frame.bytes + UDP_DATA, payload_bytes(&frame), &packet));
	assert_int_equal(packet.pt, RTCP_SDES);

	assert_true(find_rtcp(0, &frame)); // leg 0 only sends to us: RR about it
	memset(&packet, 0, sizeof(packet));
	assert_true(rtcp_next(frame.bytes + UDP_DATA, payload_bytes(&frame), &packet));
	assert_int_equal(packet.pt, RTCP_RR);
	assert_int_equal(packet.count, 1);
	rtcp_block_read(packet.data + 8, &block);
	assert_int_equal(block.ssrc, SSRC0);
	assert_int_equal(block.last_sr, 0x03040506); // of the report above
	assert_int_equal(worker_counter("worker.0.reports"), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CALL_TEST(reports_are_put_in_terms_of_the_other_leg),
		CALL_TEST(reports_from_elsewhere_are_dropped),
		CALL_TEST(far_end_that_wants_no_reports_gets_none),
		CALL_TEST(malformed_reports_are_dropped),
		CALL_TEST(mux_takes_rtcp_on_the_rtp_port),
		CALL_TEST(rtcp_latches_beside_its_rtp),
		CALL_TEST(transcoded_legs_get_reports_of_our_own),
	};

	path_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
