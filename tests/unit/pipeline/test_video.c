// Video relayed untouched: frames of several packets as large as Ethernet takes them, several SSRCs
// on one leg.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "call.h"

#define PAYLOAD_MAX (1472 - 12)
#define SSRC_RTX    0x99990000u
#define PT_VIDEO    96
#define PT_RTX	    97

static int video_setup(void **state)
{
	int rc = call_setup(state);

	for (unsigned int i = 0; i < 2; i++) {
		struct sl_leg *leg = &wanted.legs[i];

		leg->n_formats = 2;
		leg->formats[0] = (struct sl_format){.name = "VP8",
			.clock_hz = 90000,
			.channels = 1,
			.pt = PT_VIDEO,
			.receive_pt = PT_VIDEO};
		leg->formats[1] = (struct sl_format){.name = "rtx",
			.clock_hz = 90000,
			.channels = 1,
			.pt = PT_RTX,
			.receive_pt = PT_RTX};
	}
	return rc;
}

static void become_transparent(void)
{
	wanted.legs[0].flags |= SL_LEG_TRANSPARENT_SSRC;
	wanted.legs[1].flags |= SL_LEG_TRANSPARENT_SSRC;
}

static struct rtp_packet packet_of(uint32_t ssrc, uint16_t sequence, uint8_t *payload)
{
	struct rtp_packet packet = {.pt = ssrc == SSRC_RTX ? PT_RTX : PT_VIDEO,
		.sequence = sequence,
		.timestamp = sequence / 5 * 3000u, // a frame is five packets
		.marker = sequence % 5 == 4,
		.ssrc = ssrc,
		.payload = payload,
		.payload_bytes = PAYLOAD_MAX - sequence % 7};

	for (unsigned int i = 0; i < PAYLOAD_MAX; i++)
		payload[i] = (uint8_t)(i * 31 + sequence);
	return packet;
}

static struct frame exchange(const struct rtp_packet *rtp)
{
	uint8_t bytes[FRAME_MAX];
	struct frame frame;

	push_datagram(FAR0, 4000, LOCAL0, bytes, rtp_build(bytes, rtp));
	path_turn();
	assert_true(frame_pop(1, &frame));
	return frame;
}

static void frames_keep_their_marker_timestamp_and_payload(void **)
{
	uint8_t payload[PAYLOAD_MAX];
	uint32_t first_timestamp = 0;

	path_set(&wanted);
	for (uint16_t i = 0; i < 50; i++) {
		struct rtp_packet rtp = packet_of(SSRC0, i, payload);
		struct frame frame = exchange(&rtp);
		const uint8_t *out = frame.bytes + UDP_DATA;

		if (i == 0)
			first_timestamp = word_at(&frame, UDP_DATA + 4);
		assert_int_equal(frame.length, UDP_DATA + 12 + rtp.payload_bytes);
		assert_memory_equal(out + 12, payload, rtp.payload_bytes);
		assert_int_equal(word_at(&frame, UDP_DATA + 8), wanted.legs[1].ssrc);
		assert_int_equal(word_at(&frame, UDP_DATA + 4) - first_timestamp, rtp.timestamp);
		if (i > 0) // the first of a stream has one of ours
			assert_int_equal(out[1] >> 7, rtp.marker);
	}
	assert_int_equal(report_now().stats[0].lost, 0);
}

static void a_transparent_leg_changes_nothing_of_several_ssrcs(void **)
{
	uint8_t payload[PAYLOAD_MAX], expected[FRAME_MAX];

	become_transparent();
	path_set(&wanted);
	for (uint16_t i = 0; i < 60; i++) {
		uint32_t ssrc = i % 3 ? SSRC0 + i % 3 : SSRC_RTX;
		struct rtp_packet rtp = packet_of(ssrc, (uint16_t)(i / 3 + i % 3 * 10000), payload);
		struct frame frame = exchange(&rtp);
		unsigned int n = rtp_build(expected, &rtp);

		assert_int_equal(frame.length, UDP_DATA + n);
		assert_memory_equal(frame.bytes + UDP_DATA, expected, n);
	}
	assert_int_equal(all_drops(), 0);
}

static void the_first_of_several_ssrcs_is_the_one_that_is_measured(void **)
{
	uint8_t payload[PAYLOAD_MAX];
	struct sl_leg_stats stats;

	become_transparent();
	path_set(&wanted);
	for (uint16_t i = 0; i < 40; i++) {
		struct rtp_packet media = packet_of(SSRC0, i, payload);
		struct rtp_packet other = packet_of(SSRC_RTX, (uint16_t)(i * 1000), payload);

		if (i == 10)
			continue; // lost
		exchange(&media);
		exchange(&other);
	}
	stats = report_now().stats[0];
	assert_int_equal(stats.rx_ssrc, SSRC0);
	assert_int_equal(stats.rx_packets, 2 * 39);
	assert_int_equal(stats.lost, 1);
	assert_int_equal(stats.duplicates, 0);
	assert_int_equal(stats.reordered, 0);
}

// REMB, transport-wide feedback, a NACK for one of several SSRCs, a report: as they came.
static void feedback_between_transparent_legs_passes_untouched(void **)
{
	static const uint8_t rtcp[] = "\x80\xc9\x00\x01\x01\x02\x03\x04"
				      "\x8f\xce\x00\x05\x01\x02\x03\x04\0\0\0\0REMB\x01\x04\x11\x22"
				      "\x99\x99\x00\x00"
				      "\x8f\xcd\x00\x04\x01\x02\x03\x04\x55\x66\x77\x88"
				      "\x00\x01\x00\x01\x00\x00\x01\x00"
				      "\x81\xcd\x00\x03\x01\x02\x03\x04\x99\x99\x00\x00"
				      "\x00\x02\x80\x01";
	uint8_t payload[PAYLOAD_MAX];
	struct rtp_packet media = packet_of(SSRC0, 1, payload);
	struct frame frame;

	become_transparent();
	path_set(&wanted);
	exchange(&media);
	push_datagram(FAR0, 4001, LOCAL0 + 1, rtcp, sizeof(rtcp) - 1);
	path_turn();
	assert_true(frame_pop(1, &frame));
	assert_int_equal(frame.length, UDP_DATA + sizeof(rtcp) - 1);
	assert_memory_equal(frame.bytes + UDP_DATA, rtcp, sizeof(rtcp) - 1);
	// reduced-size only to who has agreed on it
	wanted.legs[0].flags |= SL_LEG_RTCP_REDUCED;
	path_set(&wanted);
	push_datagram(FAR0, 4001, LOCAL0 + 1, rtcp + 8, sizeof(rtcp) - 9);
	path_turn();
	assert_false(frame_pop(1, &frame));
	assert_int_equal(drops(DROP_rtcp_unrelayed), 1);
}

static struct leg *leg_at(uint16_t port)
{
	struct leg_table *table = sessions_table(path.sessions);

	return *table_slot(&table->addresses[0], port);
}

static void when_it_falls_silent_the_next_is_measured(void **)
{
	uint8_t payload[PAYLOAD_MAX];
	struct rtp_packet media = packet_of(SSRC0, 1, payload);
	struct rtp_packet other = packet_of(SSRC_RTX, 1, payload);

	become_transparent();
	path_set(&wanted);
	exchange(&media);
	exchange(&other);
	assert_int_equal(report_now().stats[0].rx_ssrc, SSRC0);
	leg_at(LOCAL0)->rx.measured_ns -= 1100000000; // so long ago
	exchange(&other);
	assert_int_equal(report_now().stats[0].rx_ssrc, SSRC_RTX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define VIDEO_TEST(name) cmocka_unit_test_setup_teardown(name, video_setup, call_teardown)
		VIDEO_TEST(frames_keep_their_marker_timestamp_and_payload),
		VIDEO_TEST(a_transparent_leg_changes_nothing_of_several_ssrcs),
		VIDEO_TEST(the_first_of_several_ssrcs_is_the_one_that_is_measured),
		VIDEO_TEST(feedback_between_transparent_legs_passes_untouched),
		VIDEO_TEST(when_it_falls_silent_the_next_is_measured),
#undef VIDEO_TEST
	};

	path_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
