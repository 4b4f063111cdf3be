// Bytes in, bytes out: every byte of what leaves is compared with a frame that is built by hand.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "call.h"

static uint8_t payload[160];

static const struct rtp_packet media = {
	.pt = 0,
	.sequence = 65535,
	.timestamp = 0xfffffff0,
	.ssrc = 0x11223344,
	.payload = payload,
	.payload_bytes = sizeof(payload),
};

// From the far end of leg 0 to leg 0.
static void build_in(struct frame *frame, uint16_t local_port, const struct rtp_packet *rtp)
{
	uint8_t bytes[FRAME_MAX];
	struct udp_packet udp = {.to_mac = MAC_P0,
		.from_mac = MAC_FAR0,
		.from = FAR0,
		.from_port = 4000,
		.to = OUR0,
		.to_port = local_port,
		.ttl = 3,
		.tos = 0x28,
		.payload = bytes,
		.payload_bytes = rtp_build(bytes, rtp)};

	frame_build(frame, &udp);
}

// From leg 1 to its far end.
static void build_out(
	struct frame *frame, uint16_t local_port, uint8_t tos, const struct rtp_packet *rtp)
{
	uint8_t bytes[FRAME_MAX];
	struct udp_packet udp = {.to_mac = MAC_FAR1,
		.from_mac = MAC_P1,
		.from = OUR1,
		.from_port = local_port,
		.to = FAR1,
		.to_port = 5000,
		.tos = tos,
		.payload = bytes,
		.payload_bytes = rtp_build(bytes, rtp)};

	frame_build(frame, &udp);
}

static void assert_frames_equal(const struct frame *frame, const struct frame *expected)
{
	assert_int_equal(frame->length, expected->length);
	assert_memory_equal(frame->bytes, expected->bytes, expected->length);
}

static void push_media(const struct sl_session *session, const struct rtp_packet *rtp)
{
	struct frame frame;

	build_in(&frame, session->legs[0].local.port, rtp);
	frame_push(0, &frame);
	path_turn();
}

// What leg 1 sent is `rtp` and nothing else was sent.
static void assert_sent(const struct sl_session *session, const struct rtp_packet *rtp)
{
	struct frame frame, expected;

	assert_true(frame_pop(1, &frame));
	build_out(
		&expected, session->legs[1].local.port, (uint8_t)(session->legs[1].dscp << 2), rtp);
	assert_frames_equal(&frame, &expected);
	assert_false(frame_pop(0, &frame));
	assert_false(frame_pop(1, &frame));
}

static struct rtp_packet as_sent(const struct sl_session *session, struct rtp_packet rtp)
{
	rtp.ssrc = session->legs[1].ssrc;
	return rtp;
}

static void a_relayed_packet_is_rewritten_byte_for_byte(void **)
{
	struct sl_session session;
	struct rtp_packet rtp = media, expected;

	wanted.legs[1].dscp = 46;
	session = path_set(&wanted);
	for (unsigned int length = 0; length <= sizeof(payload); length++) { // odd ones too
		rtp.payload_bytes = length;
		push_media(&session, &rtp);
		expected = as_sent(&session, rtp);
		expected.marker = length == 0; // a stream begins
		assert_sent(&session, &expected);
		rtp.sequence++;
		rtp.timestamp += 160;
	}
	assert_int_equal(all_drops(), 0);
}

// To leg 0, as a device hands it over that says `flags` of it.
static void push_flagged(const struct frame *frame, uint64_t flags)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(path.pool);

	assert_non_null(mbuf);
	memcpy(rte_pktmbuf_append(mbuf, (uint16_t)frame->length), frame->bytes, frame->length);
	mbuf->ol_flags |= flags;
	mbuf_push(0, mbuf);
	path_turn();
}

// A payload is damaged behind its checksum: what we send says so, too, where the checksum was a
// whole one, and has a checksum of its own where it may have been partial, or was none.
static void damage_is_not_covered_up_by_a_new_checksum(void **)
{
	static const struct {
		bool whole; // the port's
		bool none;
		uint64_t flags;
		bool shows;
	} rows[] = {
		{.whole = true, .shows = true},
		{.whole = true, .none = true},
		{.whole = false},
		{.whole = false, .flags = RTE_MBUF_F_RX_L4_CKSUM_GOOD, .shows = true},
		{.whole = false, .flags = RTE_MBUF_F_RX_L4_CKSUM_GOOD, .none = true},
		{.whole = false, .flags = RTE_MBUF_F_RX_L4_CKSUM_NONE},
	};
	struct sl_session session = path_set(&wanted);
	struct rtp_packet rtp = media, out;
	struct frame frame, expected;

	for (unsigned int i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		path.ports[0].rx_checksum = rows[i].whole;
		build_in(&frame, session.legs[0].local.port, &rtp);
		frame.bytes[UDP_DATA + 100] ^= 0x40;
		if (rows[i].none)
			memset(frame.bytes + UDP_DATA - 2, 0, 2);
		push_flagged(&frame, rows[i].flags);
		out = as_sent(&session, rtp);
		out.marker = i == 0;
		build_out(&expected, session.legs[1].local.port, 0, &out);
		expected.bytes[UDP_DATA + 100] ^= 0x40;
		if (!rows[i].shows)
			frame_checksums(&expected);
		assert_true(frame_pop(1, &frame));
		assert_frames_equal(&frame, &expected);
		rtp.sequence++;
		rtp.timestamp += 160;
	}
}

static void the_other_direction_is_relayed_too(void **)
{
	struct sl_session session = path_set(&wanted);
	struct rtp_packet rtp = media;
	uint8_t bytes[FRAME_MAX];
	struct udp_packet udp = {.to_mac = MAC_P1,
		.from_mac = MAC_FAR1,
		.from = FAR1,
		.from_port = 5000,
		.to = OUR1,
		.to_port = session.legs[1].local.port,
		.payload = bytes};
	struct frame frame, expected;

	udp.payload_bytes = rtp_build(bytes, &rtp);
	frame_build(&frame, &udp);
	frame_push(1, &frame);
	path_turn();
	udp = (struct udp_packet){.to_mac = MAC_FAR0,
		.from_mac = MAC_P0,
		.from = OUR0,
		.from_port = session.legs[0].local.port,
		.to = FAR0,
		.to_port = 4000,
		.payload = bytes};
	rtp.ssrc = session.legs[0].ssrc;
	rtp.marker = true;
	udp.payload_bytes = rtp_build(bytes, &rtp);
	frame_build(&expected, &udp);
	assert_true(frame_pop(0, &frame));
	assert_frames_equal(&frame, &expected);
}

static void payload_types_are_mapped(void **)
{
	static const struct sl_format formats[] = {
		{.name = "opus", .clock_hz = 48000, .channels = 2, .pt = 111, .receive_pt = 110},
		{.name = "telephone-event",
			.clock_hz = 48000,
			.channels = 1,
			.pt = 112,
			.receive_pt = 109},
	};
	struct rtp_packet rtp = media, expected;
	struct sl_session session;

	for (unsigned int leg = 0; leg < 2; leg++) {
		wanted.legs[leg].n_formats = 2;
		memcpy(wanted.legs[leg].formats, formats, sizeof(formats));
	}
	wanted.legs[1].formats[0].pt = 96;
	wanted.legs[1].formats[1].pt = 101;
	session = path_set(&wanted);
	rtp.pt = 110; // the far end's own number for what we send it as 111
	push_media(&session, &rtp);
	expected = as_sent(&session, rtp);
	expected.marker = true;
	expected.pt = 96;
	assert_sent(&session, &expected);
	rtp.pt = 109;
	rtp.sequence++;
	push_media(&session, &rtp);
	expected = as_sent(&session, rtp);
	expected.pt = 101;
	assert_sent(&session, &expected);
}

// The values of both laws for the same sample, from ITU-T G.711 tables: positive and negative full
// scale, both zeros, and two in the middle of a segment.
static void g711_is_converted_between_its_laws(void **)
{
	static const uint8_t ulaw[] = {0x80, 0x00, 0xff, 0x7f, 0xaa, 0x9d};
	static const uint8_t alaw[] = {0xaa, 0x2a, 0xd5, 0xd5, 0x81, 0xb7};
	struct rtp_packet rtp = media, expected;
	struct sl_session session;

	strcpy(wanted.legs[1].formats[0].name, "PCMA");
	wanted.legs[1].formats[0].pt = 8;
	wanted.legs[1].formats[0].receive_pt = 8;
	session = path_set(&wanted);
	rtp.payload = ulaw;
	rtp.payload_bytes = sizeof(ulaw);
	push_media(&session, &rtp);
	expected = as_sent(&session, rtp);
	expected.marker = true;
	expected.pt = 8;
	expected.payload = alaw;
	assert_sent(&session, &expected);
}

static void a_transparent_leg_keeps_ssrc_sequence_and_timestamp(void **)
{
	struct sl_session session;

	wanted.legs[1].flags |= SL_LEG_TRANSPARENT_SSRC;
	session = path_set(&wanted);
	push_media(&session, &media);
	assert_sent(&session, &media);
}

// Sequence and timestamp go on where they were when the source changes its SSRC.
static void a_new_source_continues_the_stream(void **)
{
	struct sl_session session = path_set(&wanted);
	struct rtp_packet rtp = media;
	struct frame first, second;

	push_media(&session, &rtp);
	assert_true(frame_pop(1, &first));
	rtp.ssrc++;
	rtp.sequence = 4711;
	rtp.timestamp = 12345;
	push_media(&session, &rtp);
	assert_true(frame_pop(1, &second));
	assert_memory_equal(first.bytes + 50, second.bytes + 50, 4); // SSRC
	assert_memory_equal(second.bytes + 44, "\x00\x00", 2);	     // 65535 + 1
	assert_int_equal(second.bytes[43], 0x80);		     // marker
}

static void a_replace_keeps_continuity_and_counters(void **)
{
	struct sl_session session = path_set(&wanted), again;
	struct rtp_packet rtp = media, expected;
	struct sl_session_report report;

	push_media(&session, &rtp);
	expected = as_sent(&session, rtp);
	expected.marker = true;
	assert_sent(&session, &expected);
	wanted.legs[1].dscp = 8;
	wanted.legs[0].media_timeout_ms = 1000;
	again = path_set(&wanted);
	assert_int_equal(again.legs[1].ssrc, session.legs[1].ssrc);
	rtp.sequence++;
	rtp.timestamp += 160;
	push_media(&session, &rtp);
	expected = as_sent(&session, rtp);
	assert_sent(&again, &expected); // no marker: nothing began
	session_report(session_find(path.sessions, &wanted.id), &report);
	assert_int_equal(report.stats[0].rx_packets, 2);
	assert_int_equal(report.stats[0].rx_bytes, 2 * (12 + sizeof(payload)));
	assert_int_equal(report.stats[1].tx_packets, 2);
	assert_int_equal(report.stats[1].tx_bytes, 2 * (12 + sizeof(payload)));
	assert_int_equal(report.stats[0].rx_ssrc, media.ssrc);
	assert_int_equal(report.stats[0].lost, 0);
}

static void ethernet_padding_is_not_passed_on(void **)
{
	struct sl_session session = path_set(&wanted);
	struct rtp_packet rtp = media, expected;
	struct frame frame;

	rtp.payload_bytes = 1;
	build_in(&frame, session.legs[0].local.port, &rtp);
	frame.length = 60;
	memset(frame.bytes + 55, 0xee, 5);
	frame_push(0, &frame);
	path_turn();
	expected = as_sent(&session, rtp);
	expected.marker = true;
	assert_sent(&session, &expected);
}

// VLAN 0 is none (IEEE 802.1Q 9.6): the tag says only how urgent it is.
static void a_frame_with_a_priority_tag_is_taken(void **)
{
	struct sl_session session = path_set(&wanted);
	struct rtp_packet expected = as_sent(&session, media);
	struct frame frame;

	build_in(&frame, session.legs[0].local.port, &media);
	memmove(frame.bytes + 16, frame.bytes + 12, frame.length - 12);
	memcpy(frame.bytes + 12, "\x81\x00\xa0\x00", 4);
	frame.length += 4;
	frame_push(0, &frame);
	path_turn();
	expected.marker = true;
	assert_sent(&session, &expected);
}

// A leg may be the source of several: each gets a packet of its own.
static void one_source_feeds_two_legs(void **)
{
	struct sl_session session;
	struct frame first, second;

	wanted.n_legs = 3;
	wanted.legs[2] = wanted.legs[1];
	wanted.legs[2].local.port = 0;
	wanted.legs[2].remote.port = 6000;
	strcpy(wanted.legs[2].formats[0].name, "PCMA");
	wanted.legs[2].formats[0].pt = 8;
	wanted.legs[2].formats[0].receive_pt = 8;
	session = path_set(&wanted);
	push_media(&session, &media);
	assert_true(frame_pop(1, &first));
	assert_true(frame_pop(1, &second));
	assert_memory_equal(first.bytes + 36, "\x13\x88", 2);  // 5000
	assert_memory_equal(second.bytes + 36, "\x17\x70", 2); // 6000
	assert_int_equal(first.bytes[54], 0x00);	       // PCMU as it came
	assert_int_equal(second.bytes[54], 0x2a);	       // the same in A-law
	assert_int_equal(worker_counter("worker.0.copied"), 1);
}

static void loss_reordering_and_duplicates_are_counted_and_passed_on(void **)
{
	static const uint16_t order[] = {10, 11, 14, 13, 13, 15};
	struct sl_session session = path_set(&wanted);
	struct rtp_packet rtp = media;
	struct sl_session_report report;
	struct frame frame;

	for (size_t i = 0; i < RTE_DIM(order); i++) {
		rtp.sequence = order[i];
		push_media(&session, &rtp);
		assert_true(frame_pop(1, &frame));
		assert_int_equal(frame.bytes[45], order[i]);
	}
	session_report(session_find(path.sessions, &wanted.id), &report);
	assert_int_equal(report.stats[0].rx_packets, RTE_DIM(order));
	assert_int_equal(report.stats[0].lost, 1);
	assert_int_equal(report.stats[0].reordered, 1);
	assert_int_equal(report.stats[0].duplicates, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CALL_TEST(a_relayed_packet_is_rewritten_byte_for_byte),
		CALL_TEST(damage_is_not_covered_up_by_a_new_checksum),
		CALL_TEST(the_other_direction_is_relayed_too),
		CALL_TEST(payload_types_are_mapped),
		CALL_TEST(g711_is_converted_between_its_laws),
		CALL_TEST(a_transparent_leg_keeps_ssrc_sequence_and_timestamp),
		CALL_TEST(a_new_source_continues_the_stream),
		CALL_TEST(a_replace_keeps_continuity_and_counters),
		CALL_TEST(ethernet_padding_is_not_passed_on),
		CALL_TEST(a_frame_with_a_priority_tag_is_taken),
		CALL_TEST(one_source_feeds_two_legs),
		CALL_TEST(loss_reordering_and_duplicates_are_counted_and_passed_on),
	};

	path_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
