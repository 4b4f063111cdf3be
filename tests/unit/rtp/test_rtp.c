#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "rtp.h"

static void datagrams_are_told_apart_by_their_first_bytes(void **)
{
	static const struct {
		uint8_t first, second;
		enum rtp_kind kind;
	} cases[] = {
		{0, 1, RTP_KIND_STUN},
		{3, 1, RTP_KIND_STUN},
		{4, 0, RTP_KIND_OTHER},
		{16, 0, RTP_KIND_OTHER},
		{19, 0, RTP_KIND_OTHER},
		{20, 254, RTP_KIND_DTLS},
		{22, 254, RTP_KIND_DTLS},
		{63, 254, RTP_KIND_DTLS},
		{64, 0, RTP_KIND_OTHER},
		{79, 0, RTP_KIND_OTHER},
		{127, 0, RTP_KIND_OTHER},
		{128, 0, RTP_KIND_RTP},
		{128, 191, RTP_KIND_RTP},
		{128, 192, RTP_KIND_RTCP},
		{129, 200, RTP_KIND_RTCP},
		{191, 223, RTP_KIND_RTCP},
		{128, 224, RTP_KIND_RTP},
		{128, 128 | 96, RTP_KIND_RTP},
		{192, 0, RTP_KIND_OTHER},
		{255, 255, RTP_KIND_OTHER},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t packet[20] = {cases[i].first, cases[i].second};

		assert_int_equal(rtp_demultiplex(packet, sizeof(packet)), cases[i].kind);
	}
	assert_int_equal(rtp_demultiplex((const uint8_t *)"\x80", 1), RTP_KIND_OTHER);
	assert_int_equal(rtp_demultiplex((const uint8_t *)"", 0), RTP_KIND_OTHER);
}

// A packet of `length` bytes from the heap, so that a sanitizer sees a read past its end.
static uint8_t *packet_create(uint8_t first, size_t length)
{
	uint8_t *packet = calloc(1, length ? length : 1);

	assert_non_null(packet);
	if (length)
		packet[0] = first;
	return packet;
}

static void lengths_are_checked(void **)
{
	static const struct {
		uint8_t first;
		uint16_t length, extension_words;
		uint8_t padding;
		int result, payload_offset, payload_bytes;
	} cases[] = {
		{0x80, 12, 0, 0, 0, 12, 0},
		{0x80, 172, 0, 0, 0, 12, 160},
		{0x80, 11, 0, 0, -EBADMSG, 0, 0},
		{0x00, 172, 0, 0, -EBADMSG, 0, 0},
		{0x40, 172, 0, 0, -EBADMSG, 0, 0},
		{0xc0, 172, 0, 0, -EBADMSG, 0, 0},
		{0x82, 20, 0, 0, 0, 20, 0},
		{0x82, 19, 0, 0, -EBADMSG, 0, 0},
		{0x8f, 72, 0, 0, 0, 72, 0},
		{0x8f, 71, 0, 0, -EBADMSG, 0, 0},
		{0x90, 16, 0, 0, 0, 16, 0},
		{0x90, 15, 0, 0, -EBADMSG, 0, 0},
		{0x90, 24, 2, 0, 0, 24, 0},
		{0x90, 23, 2, 0, -EBADMSG, 0, 0},
		{0x90, 24, 0xffff, 0, -EBADMSG, 0, 0},
		{0xa0, 20, 0, 4, 0, 12, 4},
		{0xa0, 20, 0, 8, 0, 12, 0},
		{0xa0, 20, 0, 9, -EBADMSG, 0, 0},
		{0xa0, 20, 0, 0, -EBADMSG, 0, 0},
		{0xa0, 12, 0, 1, -EBADMSG, 0, 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t *packet = packet_create(cases[i].first, cases[i].length);
		struct rtp_view view = {.ssrc = 7};

		if (cases[i].first & 0x10 && cases[i].length >= 16) {
			packet[14] = (uint8_t)(cases[i].extension_words >> 8);
			packet[15] = (uint8_t)cases[i].extension_words;
		}
		if (cases[i].first & 0x20 && cases[i].length > 12)
			packet[cases[i].length - 1] = cases[i].padding;
		assert_int_equal(rtp_parse(packet, cases[i].length, &view), cases[i].result);
		if (cases[i].result == 0) {
			assert_int_equal(view.payload_offset, cases[i].payload_offset);
			assert_int_equal(view.payload_bytes, cases[i].payload_bytes);
		} else {
			assert_int_equal(view.ssrc, 7); // written only on success
		}
		free(packet);
	}
}

static void header_that_was_written_reads_the_same(void **)
{
	const struct rtp_view out = {.ssrc = 0xdeadbeef,
		.timestamp = 0x01020304,
		.sequence = 0xfffe,
		.pt = 111,
		.marker = true};
	uint8_t packet[14] = {0};
	struct rtp_view in;

	rtp_header_write(packet, &out);
	assert_memory_equal(packet, "\x80\xef\xff\xfe\x01\x02\x03\x04\xde\xad\xbe\xef", 12);
	assert_int_equal(rtp_parse(packet, sizeof(packet), &in), 0);
	assert_int_equal(in.ssrc, out.ssrc);
	assert_int_equal(in.timestamp, out.timestamp);
	assert_int_equal(in.sequence, out.sequence);
	assert_int_equal(in.pt, 111);
	assert_true(in.marker);
	assert_int_equal(in.payload_bytes, 2);
}

static void distance_wraps(void **)
{
	assert_int_equal(rtp_sequence_distance(65535, 0), 1);
	assert_int_equal(rtp_sequence_distance(0, 65535), -1);
	assert_int_equal(rtp_sequence_distance(10, 10), 0);
	assert_int_equal(rtp_timestamp_distance(0xffffff00, 0x60), 0x160);
	assert_int_equal(rtp_timestamp_distance(0x60, 0xffffff00), -0x160);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(datagrams_are_told_apart_by_their_first_bytes),
		cmocka_unit_test(lengths_are_checked),
		cmocka_unit_test(header_that_was_written_reads_the_same),
		cmocka_unit_test(distance_wraps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
