#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>

#include "rtcp.h"
#include "rtp.h"

#define RR	  "\x80\xc9\x00\x01\x00\x00\x00\x01"
#define SR_FIXED  "12345678abcdefghijkl"
#define SR	  "\x80\xc8\x00\x06\x00\x00\x00\x01" SR_FIXED
#define BLOCK	  "bbbbbbbbbbbbbbbbbbbbbbbb"
#define SDES	  "\x81\xca\x00\x03\x00\x00\x00\x01\x01\x05host1\x00"
#define SDES_LONG "\x81\xca\x00\x03\x00\x00\x00\x01\x01\x04host\x00\x00"

static int parse(const char *bytes, size_t length, bool reduced_size)
{
	uint8_t *exact = malloc(length ? length : 1);
	int result;

	assert_non_null(exact);
	memcpy(exact, bytes, length);
	result = rtcp_parse(exact, length, reduced_size);
	free(exact);
	return result;
}

#define CASE(bytes, full, reduced)                      \
	{                                               \
		bytes, sizeof(bytes) - 1, full, reduced \
	}

static void datagrams_are_checked(void **)
{
	static const struct {
		const char *bytes;
		size_t length;
		bool full, reduced;
	} cases[] = {
		CASE(RR, true, true), CASE(SR, true, true), CASE(RR SDES, true, true),
		CASE(SR SDES_LONG, true, true), CASE("", false, false),
		CASE("\x80\xc9\x00", false, false),
		CASE("\x80\xc9\x00\x02\x00\x00\x00\x01", false, false), // longer than the datagram
		CASE("\x40\xc9\x00\x01\x00\x00\x00\x01", false, false), // version
		CASE("\x81\xc9\x00\x01\x00\x00\x00\x01", false, false), // a block that is not there
		CASE("\x81\xc9\x00\x07\x00\x00\x00\x01" BLOCK, true, true),
		CASE("\x81\xc8\x00\x06\x00\x00\x00\x01" SR_FIXED, false, false),
		CASE("\x81\xc8\x00\x0c\x00\x00\x00\x01" SR_FIXED BLOCK, true, true),
		CASE("\x81\xc8\x00\x0d\x00\x00\x00\x01" SR_FIXED BLOCK "ext1", true, true),
		CASE(SDES, false, true),				    // not first
		CASE("\x81\xcb\x00\x01\x00\x00\x00\x01" SDES, false, true), // nor BYE
		CASE(RR "\x81\xca\x00\x02\x00\x00\x00\x01\x01\x05hi", false,
			false), // text too long
		CASE(RR "\x81\xca\x00\x02\x00\x00\x00\x01\x01\x02hi", false,
			false), // no null octet
		CASE(RR "\x82\xca\x00\x03\x00\x00\x00\x01\x01\x04host\x00\x00", false, false),
		CASE(RR "\x80\xca\x00\x00", true, true), // SDES of nobody
		CASE(RR "\x81\xcb\x00\x01\x00\x00\x00\x01", true, true),
		CASE(RR "\x82\xcb\x00\x01\x00\x00\x00\x01", false, false),
		CASE(RR "\x81\xcb\x00\x02\x00\x00\x00\x01\x03"
			"bye",
			true, true),
		CASE(RR "\x81\xcb\x00\x02\x00\x00\x00\x01\x04"
			"bye",
			false, false),
		CASE("\x81\xcd\x00\x03\x00\x00\x00\x01\x00\x00\x00\x02\x00\x05\x00\x00", false,
			true),
		CASE("\x81\xcd\x00\x01\x00\x00\x00\x01", false, false), // feedback of no media
		CASE("\xa0\xc9\x00\x02\x00\x00\x00\x01\x00\x00\x00\x04", true, true),	// padding
		CASE("\xa0\xc9\x00\x02\x00\x00\x00\x01\x00\x00\x00\x03", false, false), // not by 4
		CASE("\xa0\xc9\x00\x02\x00\x00\x00\x01\x00\x00\x00\x08", false,
			false), // eats the SSRC
		CASE("\xa0\xc9\x00\x02\x00\x00\x00\x01\x00\x00\x00\x00", false, false),
		CASE("\xa0\xc9\x00\x02\x00\x00\x00\x01\x00\x00\x00\x04" RR, false,
			false),				   // not last
		CASE(RR "\x80\x60\x00\x00", false, false), // not RTCP's range of types
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(parse(cases[i].bytes, cases[i].length, false),
			cases[i].full ? 0 : -EBADMSG);
		assert_int_equal(parse(cases[i].bytes, cases[i].length, true),
			cases[i].reduced ? 0 : -EBADMSG);
	}
}

static void packets_are_walked_in_order(void **)
{
	static const uint8_t datagram[] =
		SR SDES "\xa1\xcb\x00\x02\x00\x00\x00\x09\x00\x00\x00\x04";
	size_t length = sizeof(datagram) - 1;
	struct rtcp_packet packet = {0};

	assert_int_equal(rtcp_parse(datagram, length, false), 0);
	assert_true(rtcp_next(datagram, length, &packet));
	assert_int_equal(packet.pt, RTCP_SR);
	assert_int_equal(packet.length, 28);
	assert_true(rtcp_next(datagram, length, &packet));
	assert_int_equal(packet.pt, RTCP_SDES);
	assert_int_equal(packet.count, 1);
	assert_int_equal(rtcp_sender_ssrc(&packet), 1);
	assert_true(rtcp_next(datagram, length, &packet));
	assert_int_equal(packet.pt, RTCP_BYE);
	assert_int_equal(packet.length, 8); // without its padding
	assert_int_equal(rtcp_sender_ssrc(&packet), 9);
	assert_false(rtcp_next(datagram, length, &packet));
}

static void report_that_was_built_reads_the_same(void **)
{
	const struct rtcp_sender sender = {
		.ntp = 0x0102030405060708, .timestamp = 9, .packets = 10, .bytes = 11};
	const struct rtcp_block block = {.ssrc = 0xaabbccdd,
		.fraction_lost = 128,
		.lost = 0xfffffe,
		.extended_sequence = 0x10005,
		.jitter = 77,
		.last_sr = 0x03040506,
		.delay_last_sr = 65536};
	struct rtcp_packet packet = {0};
	struct rtcp_sender sender_read;
	struct rtcp_block block_read;
	uint8_t out[128];
	int n = rtcp_report_build(out, sizeof(out), 5, &sender, &block, 1);

	assert_int_equal(n, 52);
	assert_int_equal(rtcp_parse(out, (size_t)n, false), 0);
	assert_true(rtcp_next(out, (size_t)n, &packet));
	rtcp_sender_read(&packet, &sender_read);
	assert_int_equal(sender_read.ntp, sender.ntp);
	assert_int_equal(sender_read.timestamp, sender.timestamp);
	assert_int_equal(sender_read.packets, sender.packets);
	assert_int_equal(sender_read.bytes, sender.bytes);
	rtcp_block_read(packet.data + 28, &block_read);
	assert_int_equal(block_read.lost, block.lost);
	assert_int_equal(block_read.fraction_lost, block.fraction_lost);
	assert_int_equal(block_read.ssrc, block.ssrc);
	assert_int_equal(block_read.extended_sequence, block.extended_sequence);
	assert_int_equal(block_read.jitter, block.jitter);
	assert_int_equal(block_read.last_sr, block.last_sr);
	assert_int_equal(block_read.delay_last_sr, block.delay_last_sr);
	assert_int_equal(rtcp_report_build(out, 51, 5, &sender, &block, 1), -ENOSPC);
}

static void compound_of_our_own_is_valid_for_every_cname_length(void **)
{
	char cname[RTCP_CNAME_MAX + 2];

	for (size_t n_cname = 0; n_cname <= RTCP_CNAME_MAX + 1; n_cname++) {
		uint8_t out[512];
		int n = rtcp_report_build(out, sizeof(out), 5, NULL, NULL, 0);

		memset(cname, 'x', n_cname);
		cname[n_cname] = '\0';
		n += rtcp_sdes_build(out + n, sizeof(out) - (size_t)n, 5, cname);
		n += rtcp_bye_build(out + n, sizeof(out) - (size_t)n, 5);
		assert_int_equal(parse((const char *)out, (size_t)n, false), 0);
		assert_int_equal(out[17], n_cname > RTCP_CNAME_MAX ? RTCP_CNAME_MAX : n_cname);
	}
}

static void block_of_a_reception_follows_the_intervals(void **)
{
	struct rtp_reception reception = {0};
	struct rtcp_block block;

	for (uint16_t i = 0; i < 8; i++) {
		struct rtp_view view = {
			.ssrc = 3, .sequence = (uint16_t)(65530 + i), .timestamp = i * 160u};

		if (i % 4 != 1)
			rtp_reception_update(&reception, &view, i * 160u);
	}
	rtcp_block_from_reception(&block, &reception);
	assert_int_equal(block.ssrc, 3);
	assert_int_equal(block.lost, 2);
	assert_int_equal(block.fraction_lost, 64);
	assert_int_equal(block.extended_sequence, 0x10001);
	rtcp_block_from_reception(&block, &reception);
	assert_int_equal(block.fraction_lost, 0); // nothing expected since
	assert_int_equal(block.lost, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(datagrams_are_checked),
		cmocka_unit_test(packets_are_walked_in_order),
		cmocka_unit_test(report_that_was_built_reads_the_same),
		cmocka_unit_test(compound_of_our_own_is_valid_for_every_cname_length),
		cmocka_unit_test(block_of_a_reception_follows_the_intervals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
