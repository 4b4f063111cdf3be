#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "rtcp.h"

#define SOURCE	    0x11111111u // who sends us media and this RTCP
#define SENDER	    0x22222222u // what its media goes out as
#define OURS	    0x33333333u // what we send to it
#define FAR	    0x44444444u // what that is made from
#define SOURCE_TEXT "\x11\x11\x11\x11"
#define OURS_TEXT   "\x33\x33\x33\x33"

static const struct rtcp_relay relay = {
	.source_ssrc = SOURCE,
	.sender_ssrc = SENDER,
	.timestamp_offset = 1000,
	.media_ssrc = OURS,
	.media_source = FAR,
	.sequence_offset = 5,
	.sequence_last = 1000,
	.sequence_span = 999,
	.media_known = true,
	.cname = "ours",
};

static uint8_t out[1500];

// Translate, check that the result is a compound of its own right, return its length.
static size_t translate(const struct rtcp_relay *how, const void *datagram, size_t length)
{
	int n;

	assert_int_equal(rtcp_parse(datagram, length, true), 0);
	n = rtcp_relay_translate(how, datagram, length, out, sizeof(out));
	assert_true(n >= 0);
	assert_true((size_t)n <= length + RTCP_CNAME_MAX + 32);
	if (n)
		assert_int_equal(rtcp_parse(out, (size_t)n, false), 0);
	return (size_t)n;
}

static size_t sender_report(uint8_t *datagram, uint32_t ssrc)
{
	const struct rtcp_sender sender = {
		.ntp = 0x0102030405060708, .timestamp = 160, .packets = 1};
	const struct rtcp_block blocks[] = {
		{.ssrc = OURS, .extended_sequence = 0x00020003, .lost = 4},
		{.ssrc = 0x99999999, .extended_sequence = 1},
	};
	int n = rtcp_report_build(datagram, 500, ssrc, &sender, blocks, 2);

	n += rtcp_sdes_build(datagram + n, 400, ssrc, "secret@10.0.0.1");
	return (size_t)n;
}

static void sender_report_is_put_in_the_other_legs_terms(void **)
{
	uint8_t datagram[500];
	size_t n = translate(&relay, datagram, sender_report(datagram, SOURCE));
	struct rtcp_packet packet = {0};
	struct rtcp_sender sender;
	struct rtcp_block block;

	assert_true(rtcp_next(out, n, &packet));
	assert_int_equal(packet.pt, RTCP_SR);
	assert_int_equal(packet.count, 1); // the block on a stream that is not ours is gone
	assert_int_equal(rtcp_sender_ssrc(&packet), SENDER);
	rtcp_sender_read(&packet, &sender);
	assert_int_equal(sender.ntp, 0x0102030405060708);
	assert_int_equal(sender.timestamp, 1160);
	rtcp_block_read(packet.data + 28, &block);
	assert_int_equal(block.ssrc, FAR);
	assert_int_equal(block.extended_sequence, 0x0002fffe);
	assert_int_equal(block.lost, 4);
	assert_true(rtcp_next(out, n, &packet));
	assert_int_equal(packet.pt, RTCP_SDES);
	assert_memory_equal(packet.data + 8, "\x01\x04ours\x00\x00", 8);
	assert_false(rtcp_next(out, n, &packet));
}

static void sender_report_of_another_source_becomes_a_receiver_report(void **)
{
	uint8_t datagram[500];
	size_t n = translate(&relay, datagram, sender_report(datagram, 0x77777777));
	struct rtcp_packet packet = {0};

	assert_true(rtcp_next(out, n, &packet));
	assert_int_equal(packet.pt, RTCP_RR);
	assert_int_equal(packet.count, 1);
}

static void blocks_are_left_out_while_the_far_source_is_unknown(void **)
{
	struct rtcp_relay unknown = relay;
	uint8_t datagram[500];
	struct rtcp_packet packet = {0};
	size_t n;

	unknown.media_known = false;
	n = translate(&unknown, datagram, sender_report(datagram, SOURCE));
	assert_true(rtcp_next(out, n, &packet));
	assert_int_equal(packet.count, 0);
}

static void nothing_of_the_sender_gets_through(void **)
{
	static const uint8_t datagram[] =
		"\x80\xc9\x00\x01" SOURCE_TEXT "\x81\xca\x00\x04" SOURCE_TEXT "\x01\x08"
		"10.1.2.3"
		"\x00\x00"
		"\x80\xcc\x00\x03" SOURCE_TEXT "NAMEdata"
		"\x80\xcf\x00\x02" SOURCE_TEXT "\x0c\x00\x00\x00"
		"\x8f\xce\x00\x03" SOURCE_TEXT OURS_TEXT "REMB";
	size_t n = translate(&relay, datagram, sizeof(datagram) - 1);

	assert_int_equal(n, 8 + 16);
	assert_null(memmem(out, n, SOURCE_TEXT, 4));
	assert_null(memmem(out, n, "10.1", 4));
}

static void nack_and_pli_are_mapped_into_a_compound(void **)
{
	static const uint8_t nack[] = "\x81\xcd\x00\x05" SOURCE_TEXT OURS_TEXT "\x00\x02\x80\x01"
				      "\x00\x00\x00\x00"  // of the source before
				      "\x03\xe9\x00\x00"; // not sent yet
	static const uint8_t stale[] = "\x81\xcd\x00\x03" SOURCE_TEXT OURS_TEXT "\x00\x00\x80\x01";
	static const uint8_t pli[] = "\x81\xce\x00\x02" SOURCE_TEXT OURS_TEXT;
	static const uint8_t other[] = "\x81\xce\x00\x02" SOURCE_TEXT "\x99\x99\x99\x99";

	assert_int_equal(translate(&relay, nack, sizeof(nack) - 1), 8 + 16 + 16);
	assert_memory_equal(
		out + 24, "\x81\xcd\x00\x03\x22\x22\x22\x22\x44\x44\x44\x44\xff\xfd\x80\x01", 16);
	assert_int_equal(translate(&relay, stale, sizeof(stale) - 1), 0);
	assert_int_equal(translate(&relay, pli, sizeof(pli) - 1), 8 + 16 + 12);
	assert_memory_equal(out + 24, "\x81\xce\x00\x02\x22\x22\x22\x22\x44\x44\x44\x44", 12);
	assert_int_equal(translate(&relay, other, sizeof(other) - 1), 0);
}

static void bye_is_passed_only_where_our_stream_ends_too(void **)
{
	static const uint8_t datagram[] =
		"\x80\xc9\x00\x01" SOURCE_TEXT "\x82\xcb\x00\x04\x99\x99\x99\x99" SOURCE_TEXT "\x03"
		"why\0\0\0\0";
	struct rtcp_relay ending = relay;

	assert_int_equal(translate(&relay, datagram, sizeof(datagram) - 1), 24);
	ending.pass_bye = true;
	assert_int_equal(translate(&ending, datagram, sizeof(datagram) - 1), 32);
	assert_memory_equal(out + 24, "\x81\xcb\x00\x01\x22\x22\x22\x22", 8);
	ending.source_ssrc = 0x55555555;
	assert_int_equal(translate(&ending, datagram, sizeof(datagram) - 1), 24);
}

#define XR_HEAD(words) "\x80\xcf\x00" words SOURCE_TEXT

// What becomes of one XR block: the block behind the XR header of the output, or nothing.
static size_t translate_block(
	const struct rtcp_relay *how, const void *block, size_t length, const uint8_t **mapped)
{
	uint8_t datagram[600] = "\x80\xc9\x00\x01" SOURCE_TEXT XR_HEAD("\x00");
	size_t n;

	datagram[11] = (uint8_t)(1 + length / 4);
	memcpy(datagram + 16, block, length);
	n = translate(how, datagram, 16 + length);
	assert_memory_equal(out + 4, "\x22\x22\x22\x22", 4);
	if (n == 24)
		return 0;
	assert_int_equal(out[25], RTCP_XR);
	assert_memory_equal(out + 28, "\x22\x22\x22\x22", 4);
	*mapped = out + 32;
	return n - 32;
}

static void xr_blocks_are_mapped_or_left_out(void **)
{
#define RANGE(type, begin, end) type "\x00\x02" OURS_TEXT begin end
#define WORDS7			"aaaabbbbccccddddeeeeffffgggg"
	static const struct {
		const char *name;
		const char *block, *mapped; // NULL: left out
		size_t length;
	} cases[] = {
#define XR(name, block, mapped) {name, block, mapped, sizeof(block) - 1}
		XR("loss RLE", RANGE("\x01\x00", "\x00\x10", "\x00\x20"),
			"\x01\x00\x00\x02\x44\x44\x44\x44\x00\x0b\x00\x1b"),
		XR("duplicate RLE, chunks as they are",
			"\x02\x00\x00\x03" OURS_TEXT "\x00\x10\x03\xe9\xc0\x01\x00\x00",
			"\x02\x00\x00\x03\x44\x44\x44\x44\x00\x0b\x03\xe4\xc0\x01\x00\x00"),
		XR("receipt times", "\x03\x00\x00\x03" OURS_TEXT "\x00\x10\x00\x11time",
			"\x03\x00\x00\x03\x44\x44\x44\x44\x00\x0b\x00\x0ctime"),
		XR("statistics", "\x06\xe0\x00\x09" OURS_TEXT "\x00\x10\x00\x20" WORDS7,
			"\x06\xe0\x00\x09\x44\x44\x44\x44\x00\x0b\x00\x1b" WORDS7),
		XR("a range from before the source", RANGE("\x01\x00", "\x00\x00", "\x00\x20"),
			NULL),
		XR("a range beyond the last", RANGE("\x01\x00", "\x00\x10", "\x03\xea"), NULL),
		XR("an empty range", RANGE("\x01\x00", "\x00\x10", "\x00\x10"), NULL),
		XR("thinned by 2, offset 5", RANGE("\x01\x01", "\x00\x10", "\x00\x20"), NULL),
		XR("about another stream", "\x01\x00\x00\x02\x99\x99\x99\x99\x00\x10\x00\x20",
			NULL),
		XR("receiver time", "\x04\x00\x00\x02ntp1ntp2", "\x04\x00\x00\x02ntp1ntp2"),
		XR("DLRR, one of two for us",
			"\x05\x00\x00\x06\x99\x99\x99\x99"
			"aaaabbbb" OURS_TEXT "ccccdddd",
			"\x05\x00\x00\x03\x44\x44\x44\x44"
			"ccccdddd"),
		XR("DLRR for nobody here",
			"\x05\x00\x00\x03\x99\x99\x99\x99"
			"aaaabbbb",
			NULL),
		XR("VoIP metrics", "\x07\x00\x00\x08" OURS_TEXT WORDS7,
			"\x07\x00\x00\x08\x44\x44\x44\x44" WORDS7),
		XR("VoIP metrics of another", "\x07\x00\x00\x08\x99\x99\x99\x99" WORDS7, NULL),
		XR("an unknown type", "\x09\x00\x00\x01" OURS_TEXT, NULL),
#undef XR
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const uint8_t *mapped = NULL;
		size_t n = translate_block(&relay, cases[i].block, cases[i].length, &mapped);
		size_t wanted = cases[i].mapped ? 4 * (1 + (size_t)cases[i].mapped[3]) : 0;

		if (n != wanted || (n && memcmp(mapped, cases[i].mapped, n) != 0))
			fail_msg("%s: %zu bytes", cases[i].name, n);
	}
}

static void xr_ranges_wrap_with_the_sequence(void **)
{
	static const uint8_t block[] = RANGE("\x01\x00", "\xff\xf0", "\x00\x10");
	struct rtcp_relay wrapped = relay;
	const uint8_t *mapped;

	wrapped.sequence_last = 0x20;
	wrapped.sequence_span = 0x40;
	assert_int_equal(translate_block(&wrapped, block, sizeof(block) - 1, &mapped), 12);
	assert_memory_equal(mapped + 8, "\xff\xeb\x00\x0b", 4);
	wrapped.sequence_span = 0x2f;
	assert_int_equal(translate_block(&wrapped, block, sizeof(block) - 1, &mapped), 0);
}

static void xr_without_known_media_or_source_keeps_nothing(void **)
{
	static const uint8_t voip[] = "\x07\x00\x00\x08" OURS_TEXT WORDS7;
	static const uint8_t time[] = "\x04\x00\x00\x02ntp1ntp2";
	struct rtcp_relay unknown = relay;
	const uint8_t *mapped;

	unknown.media_known = false;
	assert_int_equal(translate_block(&unknown, voip, sizeof(voip) - 1, &mapped), 0);
	unknown.source_ssrc = 0;
	assert_int_equal(translate_block(&unknown, time, sizeof(time) - 1, &mapped), 0);
}

// RFC 5506: a packet alone goes on alone only where the far end has agreed to that.
static void reduced_size_goes_on_as_such_where_it_was_agreed(void **)
{
	static const uint8_t nack[] = "\x81\xcd\x00\x03" SOURCE_TEXT OURS_TEXT "\x00\x02\x80\x01";
	static const uint8_t full[] =
		"\x80\xc9\x00\x01" SOURCE_TEXT "\x81\xce\x00\x02" SOURCE_TEXT OURS_TEXT;
	struct rtcp_relay reduced = relay;

	reduced.reduced_size = true;
	assert_int_equal(
		rtcp_relay_translate(&reduced, nack, sizeof(nack) - 1, out, sizeof(out)), 16);
	assert_memory_equal(
		out, "\x81\xcd\x00\x03\x22\x22\x22\x22\x44\x44\x44\x44\xff\xfd\x80\x01", 16);
	assert_int_equal(rtcp_parse(out, 16, true), 0);
	assert_int_equal(translate(&reduced, full, sizeof(full) - 1), 8 + 16 + 12);
	assert_int_equal(translate(&relay, nack, sizeof(nack) - 1), 8 + 16 + 16);
}

static void a_full_intra_request_is_mapped_entry_by_entry(void **)
{
	static const uint8_t fir[] = "\x84\xce\x00\x06" SOURCE_TEXT "\0\0\0\0"
				     "\x99\x99\x99\x99\x01\0\0\0" OURS_TEXT "\x07\0\0\0";
	size_t n = translate(&relay, fir, sizeof(fir) - 1);

	assert_int_equal(n, 8 + 16 + 20);
	assert_memory_equal(
		out + 24, "\x84\xce\x00\x04\x22\x22\x22\x22\0\0\0\0\x44\x44\x44\x44\x07\0\0\0", 20);
	assert_int_equal(translate(&relay, fir, sizeof(fir) - 1), n);
	((uint8_t *)memcpy(out + 500, fir, sizeof(fir)))[20] ^= 1; // for somebody else
	assert_int_equal(translate(&relay, out + 500, sizeof(fir) - 1), 0);
}

static void a_datagram_concerns_whom_it_names(void **)
{
	static const uint8_t nack[] = "\x81\xcd\x00\x03" SOURCE_TEXT OURS_TEXT "\x00\x02\x80\x01";
	static const uint8_t fir[] =
		"\x84\xce\x00\x04" SOURCE_TEXT "\0\0\0\0" OURS_TEXT "\x07\0\0\0";
	uint8_t report[500];
	size_t n = sender_report(report, SOURCE);

	assert_true(rtcp_concerns(report, n, SOURCE, 1));
	assert_true(rtcp_concerns(report, n, 1, OURS));
	assert_true(rtcp_concerns(report, n, 1, 0x99999999)); // the second block
	assert_false(rtcp_concerns(report, n, 1, 2));
	assert_true(rtcp_concerns(nack, sizeof(nack) - 1, SOURCE, 1));
	assert_true(rtcp_concerns(nack, sizeof(nack) - 1, 1, OURS));
	assert_false(rtcp_concerns(nack, sizeof(nack) - 1, OURS, SOURCE));
	assert_true(rtcp_concerns(fir, sizeof(fir) - 1, 1, OURS));
	assert_false(rtcp_concerns(fir, sizeof(fir) - 1, 1, 0x07000000));
}

static void every_room_that_is_too_small_is_refused(void **)
{
	static const uint8_t nack[] = "\x81\xcd\x00\x03" SOURCE_TEXT OURS_TEXT "\x00\x02\x80\x01";

	for (size_t room = 0; room < 40; room++)
		assert_int_equal(
			rtcp_relay_translate(&relay, nack, sizeof(nack) - 1, out, room), -ENOSPC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sender_report_is_put_in_the_other_legs_terms),
		cmocka_unit_test(sender_report_of_another_source_becomes_a_receiver_report),
		cmocka_unit_test(blocks_are_left_out_while_the_far_source_is_unknown),
		cmocka_unit_test(nothing_of_the_sender_gets_through),
		cmocka_unit_test(nack_and_pli_are_mapped_into_a_compound),
		cmocka_unit_test(xr_blocks_are_mapped_or_left_out),
		cmocka_unit_test(xr_ranges_wrap_with_the_sequence),
		cmocka_unit_test(xr_without_known_media_or_source_keeps_nothing),
		cmocka_unit_test(reduced_size_goes_on_as_such_where_it_was_agreed),
		cmocka_unit_test(bye_is_passed_only_where_our_stream_ends_too),
		cmocka_unit_test(a_full_intra_request_is_mapped_entry_by_entry),
		cmocka_unit_test(a_datagram_concerns_whom_it_names),
		cmocka_unit_test(every_room_that_is_too_small_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
