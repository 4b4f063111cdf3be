#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>

#include "rtcp.h"

#define RR   "\x80\xc9\x00\x01\x00\x00\x00\x01"
#define US   "\x33\x33\x33\x33"
#define OURS 0x33333333u

static int parse_block(const void *block, size_t length)
{
	uint8_t *exact = malloc(16 + length);
	int rc;

	assert_non_null(exact);
	memcpy(exact, RR "\x80\xcf\x00\x00\x00\x00\x00\x01", 16);
	exact[11] = (uint8_t)(1 + length / 4);
	memcpy(exact + 16, block, length);
	rc = rtcp_parse(exact, 16 + length, false);
	free(exact);
	return rc;
}

// Every type with every length from none to more than it may have.
static void blocks_have_the_length_of_their_type(void **)
{
	static const struct {
		uint8_t type;
		unsigned int least, most, step; // bytes
	} rules[] = {
		{RTCP_XR_LOSS_RLE, 12, 64, 4},
		{RTCP_XR_DUPLICATE_RLE, 12, 64, 4},
		{RTCP_XR_RECEIPT_TIMES, 12, 64, 4},
		{RTCP_XR_RECEIVER_TIME, 12, 12, 4},
		{RTCP_XR_DLRR, 4, 64, 12},
		{RTCP_XR_STATISTICS, 40, 40, 4},
		{RTCP_XR_VOIP, 36, 36, 4},
		{99, 4, 64, 4},
	};

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		for (unsigned int n = 4; n <= 64; n += 4) {
			uint8_t block[64] = {rules[i].type, 0, 0, (uint8_t)(n / 4 - 1)};
			bool good = n >= rules[i].least && n <= rules[i].most &&
				    (n - rules[i].least) % rules[i].step == 0;

			if (parse_block(block, n) != (good ? 0 : -EBADMSG))
				fail_msg("type %u, %u bytes", rules[i].type, n);
		}
}

static void blocks_fill_their_packet(void **)
{
	assert_int_equal(parse_block("", 0), 0); // none at all
	assert_int_equal(parse_block("\x09\x00\x00\x01"
				     "four",
				 8),
		0);
	assert_int_equal(parse_block("\x09\x00\x00\x02"
				     "four",
				 8),
		-EBADMSG); // longer
	assert_int_equal(parse_block("\x09\x00\x00\x00"
				     "\x09\x00\x00\x01",
				 8),
		-EBADMSG);
	assert_int_equal(parse_block("\x09\x00\xff\xff"
				     "four",
				 8),
		-EBADMSG);
}

static void voip_metrics_are_read_field_by_field(void **)
{
	static const uint8_t block[RTCP_XR_VOIP_BYTES] =
		"\x07\x00\x00\x08" US "\x01\x02\x03\x04\x01\x05\x01\x06\x01\x07\x01\x08"
		"\xec\xc4\x0b\x10\x5d\x7f\x2a\x29\x30\x00\x00\x28\x00\x50\x01\x2c";
	struct rtcp_xr_voip voip;

	rtcp_xr_voip_read(block, &voip);
	assert_int_equal(voip.ssrc, OURS);
	assert_int_equal(voip.loss_rate, 1);
	assert_int_equal(voip.discard_rate, 2);
	assert_int_equal(voip.burst_density, 3);
	assert_int_equal(voip.gap_density, 4);
	assert_int_equal(voip.burst_duration_ms, 0x105);
	assert_int_equal(voip.gap_duration_ms, 0x106);
	assert_int_equal(voip.round_trip_ms, 0x107);
	assert_int_equal(voip.end_system_delay_ms, 0x108);
	assert_int_equal(voip.signal_level_dbm, -20);
	assert_int_equal(voip.noise_level_dbm, -60);
	assert_int_equal(voip.rerl_db, 11);
	assert_int_equal(voip.gmin, 16);
	assert_int_equal(voip.r_factor, 93);
	assert_int_equal(voip.external_r_factor, 127);
	assert_int_equal(voip.mos_lq, 42);
	assert_int_equal(voip.mos_cq, 41);
	assert_int_equal(voip.rx_config, 0x30);
	assert_int_equal(voip.jitter_buffer_nominal_ms, 40);
	assert_int_equal(voip.jitter_buffer_maximum_ms, 80);
	assert_int_equal(voip.jitter_buffer_absolute_ms, 300);
}

static void built_blocks_read_the_same(void **)
{
	const struct rtcp_xr_dlrr answer = {.ssrc = OURS, .last_rr = 7, .delay_last_rr = 65536};
	uint8_t out[64] = RR;
	struct rtcp_packet packet = {0};
	struct rtcp_xr_block block = {0};
	struct rtcp_xr_dlrr dlrr;

	assert_int_equal(rtcp_xr_receiver_time_build(out + 8, 56, 5, 0x0102030405060708), 20);
	assert_int_equal(rtcp_xr_dlrr_build(out + 28, 36, 5, &answer), 24);
	assert_int_equal(rtcp_parse(out, 52, false), 0);
	assert_memory_equal(out + 8, "\x80\xcf\x00\x04\x00\x00\x00\x05\x04\x00\x00\x02", 12);
	assert_memory_equal(out + 20, "\x01\x02\x03\x04\x05\x06\x07\x08", 8);
	for (int i = 0; i < 3; i++)
		assert_true(rtcp_next(out, 52, &packet));
	assert_int_equal(packet.pt, RTCP_XR);
	assert_true(rtcp_xr_next(&packet, &block));
	assert_int_equal(block.type, RTCP_XR_DLRR);
	assert_false(rtcp_xr_dlrr_find(&block, 6, &dlrr));
	assert_true(rtcp_xr_dlrr_find(&block, OURS, &dlrr));
	assert_int_equal(dlrr.last_rr, 7);
	assert_int_equal(dlrr.delay_last_rr, 65536);
	assert_false(rtcp_xr_next(&packet, &block));
	assert_int_equal(rtcp_xr_receiver_time_build(out, 19, 5, 1), -ENOSPC);
	assert_int_equal(rtcp_xr_dlrr_build(out, 23, 5, &answer), -ENOSPC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_have_the_length_of_their_type),
		cmocka_unit_test(blocks_fill_their_packet),
		cmocka_unit_test(voip_metrics_are_read_field_by_field),
		cmocka_unit_test(built_blocks_read_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
