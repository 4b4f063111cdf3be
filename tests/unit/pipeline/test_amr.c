// AMR between two legs: what is relayed and what is transcoded, and the mode that a far end asks
// for, which has to get from the packets that it sends to those that it is sent.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "call.h"

#define PAYLOAD (UDP_DATA + 12)

static struct sl_format amr(uint16_t flags, uint16_t mode_set)
{
	return (struct sl_format){.name = "AMR",
		.clock_hz = 8000,
		.channels = 1,
		.pt = 97,
		.receive_pt = 97,
		.complexity = 0xff,
		.flags = flags,
		.mode_set = mode_set};
}

// 12.2 kbit/s, all bits 0: bandwidth-efficient, no request (RFC 4867 4.3).
static const uint8_t speech[32] = {0xf3, 0xc0};

static void push_amr(uint16_t sequence, const uint8_t *payload, unsigned int n)
{
	const struct rtp_packet rtp = {.pt = 97,
		.sequence = sequence,
		.timestamp = sequence * 160u,
		.ssrc = SSRC0,
		.payload = payload,
		.payload_bytes = n};
	uint8_t bytes[FRAME_MAX];

	push_datagram(FAR0, 4000, LOCAL0, bytes, rtp_build(bytes, &rtp));
	path_turn();
}

static unsigned int payload_bytes(const struct frame *frame)
{
	return half_at(frame, 38) - 8u - 12u;
}

static void layouts_that_differ_are_transcoded(void **)
{
	struct frame frame;

	wanted.legs[0].formats[0] = amr(0, 0);
	wanted.legs[1].formats[0] = amr(SL_FORMAT_OCTET_ALIGN, 0);
	path_set(&wanted);
	push_amr(0, speech, sizeof(speech));
	assert_true(frame_pop(1, &frame));
	assert_int_equal(payload_bytes(&frame), 33);
	assert_memory_equal(frame.bytes + PAYLOAD, "\xf0\x3c", 2);
	assert_int_equal(report_now().stats[0].transcoded, 1);
}

static void check_relay(uint16_t set0, uint16_t set1, bool is_relayed)
{
	struct frame frame;

	wanted.legs[0].formats[0] = amr(0, set0);
	wanted.legs[1].formats[0] = amr(0, set1);
	path_set(&wanted);
	push_amr(0, speech, sizeof(speech));
	assert_true(frame_pop(1, &frame));
	assert_int_equal(report_now().stats[0].transcoded, !is_relayed);
	if (is_relayed)
		assert_memory_equal(frame.bytes + PAYLOAD, speech, sizeof(speech));
}

static void one_layout_and_one_mode_set_are_relayed(void **)
{
	check_relay(0x95, 0x95, true);
}

static void mode_set_of_one_side_only_is_no_reason_to_transcode(void **)
{
	check_relay(0, 0x95, true);
}

static void mode_sets_that_differ_are_transcoded(void **)
{
	check_relay(0x80, 0x01, false);
}

// The mode of what far end 0 is sent.
static uint8_t mode_sent(uint16_t sequence)
{
	struct frame frame;

	push_silence1(sequence);
	path_turn();
	assert_true(frame_pop(0, &frame));
	return frame.bytes[PAYLOAD + 1] >> 3 & 15;
}

static void mode_that_a_far_end_asks_for_is_what_it_is_sent(void **)
{
	static const uint8_t request[] = {2 << 4, 0x7c}, nothing[] = {0xf0, 0x7c};

	wanted.legs[0].formats[0] = amr(SL_FORMAT_OCTET_ALIGN, 0x95);
	path_set(&wanted);
	assert_int_equal(mode_sent(0), 7);
	push_amr(0, nothing, sizeof(nothing));
	assert_int_equal(mode_sent(1), 7);
	push_amr(1, request, sizeof(request));
	assert_int_equal(mode_sent(2), 2);
	push_amr(2, nothing, sizeof(nothing)); // no new wish: the old one stands
	assert_int_equal(mode_sent(3), 2);
	wanted.legs[1].formats[0].ptime_ms = 40; // other streams, the same far end
	path_set(&wanted);
	assert_int_equal(mode_sent(4), 2);
	discard_output();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CALL_TEST(layouts_that_differ_are_transcoded),
		CALL_TEST(one_layout_and_one_mode_set_are_relayed),
		CALL_TEST(mode_set_of_one_side_only_is_no_reason_to_transcode),
		CALL_TEST(mode_sets_that_differ_are_transcoded),
		CALL_TEST(mode_that_a_far_end_asks_for_is_what_it_is_sent),
	};

	path_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
