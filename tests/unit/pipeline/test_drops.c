// One row for each way in which a packet can be wrong: it is dropped for exactly that reason, and
// nothing comes out.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <rte_ethdev.h>
#include <stdio.h>

#include "call.h"

static int setup(void **state)
{
	call_setup(state);
	path_set(&wanted);
	return 0;
}

static void build_good(struct frame *frame)
{
	uint8_t bytes[FRAME_MAX];

	build_datagram(frame, FAR0, 4000, LOCAL0, bytes, build_silence(bytes, 1));
}

static void expect_drop(const struct frame *frame, enum drop_reason reason, const char *what)
{
	uint64_t before = drops(reason), all = all_drops();
	struct frame out;

	frame_push(0, frame);
	path_turn();
	if (drops(reason) != before + 1 || all_drops() != all + 1)
		fail_msg("%s: not dropped for its reason", what);
	if (frame_pop(0, &out) || frame_pop(1, &out))
		fail_msg("%s: came out", what);
}

static void the_unchanged_packet_is_relayed(void **)
{
	struct frame frame;

	build_good(&frame);
	frame_push(0, &frame);
	path_turn();
	assert_int_equal(all_drops(), 0);
	assert_true(frame_pop(1, &frame));
}

enum { ETHERNET = 0, IP = 14, UDP = 34, RTP = 42 };

// Change bytes of a good frame; with or without checksums that agree.
static void malformed_frames_are_dropped_for_their_reason(void **)
{
	static const struct {
		const char *what;
		enum drop_reason reason;
		int at;
		const char *bytes;
		int n;
		bool checksums; // made to agree
	} rows[] = {
		{"for another MAC", DROP_wrong_mac, 5, "\x09", 1, true},
		{"broadcast", DROP_wrong_mac, 0, "\xff\xff\xff\xff\xff\xff", 6, true},
		{"ARP", DROP_not_ip, 12, "\x08\x06", 2, true},
		{"IPv6 that says 4", DROP_not_ip, 12, "\x86\xdd", 2, true},
		{"two VLAN tags", DROP_qinq, 12, "\x81\x00\x00\x07\x81\x00", 6, false},
		{"version 6 in IPv4", DROP_not_ip, IP, "\x65", 1, true},
		{"header of four words", DROP_ip_options, IP, "\x44", 1, true},
		{"options", DROP_ip_options, IP, "\x46", 1, true},
		{"longer than the frame", DROP_too_short, IP + 2, "\x01\x00", 2, true},
		{"more fragments", DROP_fragment, IP + 6, "\x20\x00", 2, true},
		{"a later fragment", DROP_fragment, IP + 6, "\x00\x01", 2, true},
		{"header checksum", DROP_ip_checksum, IP + 10, "\x12\x34", 2, false},
		{"TCP", DROP_not_udp, IP + 9, "\x06", 1, true},
		{"ICMP", DROP_not_udp, IP + 9, "\x01", 1, true},
		{"UDP longer than IP", DROP_too_short, UDP + 4, "\x01\x00", 2, true},
		{"UDP shorter than itself", DROP_too_short, UDP + 4, "\x00\x07", 2, true},
		{"from port 0", DROP_bad_source, UDP, "\x00\x00", 2, true},
		{"from 0.0.0.0", DROP_bad_source, IP + 12, "\x00\x00\x00\x00", 4, true},
		{"from a group", DROP_bad_source, IP + 12, "\xe0\x00\x00\x01", 4, true},
		{"from broadcast", DROP_bad_source, IP + 12, "\xff\xff\xff\xff", 4, true},
		{"for another address", DROP_unknown_address, IP + 16, "\xc0\x00\x02\x02", 4, true},
		{"for the other port's address", DROP_unknown_address, IP + 16, "\xcb\x00\x71\x01",
			4, true},
		{"for a port without a leg", DROP_unknown_port, UDP + 2, "\x4e\x22", 2, true},
		{"for a port below the range", DROP_unknown_port, UDP + 2, "\x4e\x1f", 2, true},
		{"for a port above the range", DROP_unknown_port, UDP + 2, "\xff\xff", 2, true},
		{"RTP on RTCP's port", DROP_rtcp_port, UDP + 2, "\x4e\x21", 2, true},
		{"RTCP on RTP's port", DROP_rtcp_port, RTP, "\x80\xc8", 2, true},
		{"STUN", DROP_stun, RTP, "\x00\x01\x00\x00\x21\x12\xa4\x42", 8, true},
		{"DTLS", DROP_dtls, RTP, "\x16\xfe\xfd", 3, true},
		{"RTP version 1", DROP_not_rtp, RTP, "\x40", 1, true},
		{"text", DROP_not_rtp, RTP, "hello", 5, true},
		{"extension beyond the end", DROP_bad_rtp, RTP, "\x90", 1, true},
		{"padding beyond the end", DROP_bad_rtp, RTP, "\xa0", 1, true},
		{"unknown payload type", DROP_unknown_pt, RTP + 1, "\x08", 1, true},
		{"from another address", DROP_wrong_source, IP + 15, "\x63", 1, true},
		{"from another port", DROP_wrong_source, UDP + 1, "\xa1", 1, true},
	};

	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		struct frame frame;

		build_good(&frame);
		memcpy(frame.bytes + rows[i].at, rows[i].bytes, (size_t)rows[i].n);
		if (rows[i].checksums)
			frame_checksums(&frame);
		expect_drop(&frame, rows[i].reason, rows[i].what);
	}
}

static void every_truncation_is_dropped(void **)
{
	struct frame frame;

	build_good(&frame);
	for (unsigned int length = frame.length - 1; length > 0; length--) {
		uint64_t before = all_drops();
		struct frame out;

		frame.length = length;
		frame_push(0, &frame);
		path_turn();
		assert_int_equal(all_drops(), before + 1);
		assert_false(frame_pop(1, &out));
	}
}

// RTP cut off inside its header, with lengths and checksums that agree.
static void short_rtp_is_dropped(void **)
{
	uint8_t bytes[FRAME_MAX];
	struct frame frame;

	build_silence(bytes, 1);
	for (unsigned int length = 0; length < 12; length++) {
		uint64_t before = all_drops();

		build_datagram(&frame, FAR0, 4000, LOCAL0, bytes, length);
		frame_push(0, &frame);
		path_turn();
		assert_int_equal(all_drops(), before + 1);
		assert_int_equal(drops(DROP_too_short), 0); // it is the RTP that is short
	}
}

static void a_wrong_source_is_counted_for_the_leg(void **)
{
	push_silence("198.51.100.9", 4000, LOCAL0, 1);
	path_turn();
	assert_int_equal(report_now().stats[0].dropped_source, 1);
	assert_int_equal(report_now().stats[0].rx_packets, 0);
}

// What each flag and each missing piece of a leg does to a packet.
static void legs_that_do_not_take_or_send_drop(void **)
{
	static const struct {
		uint8_t flags0;
		uint8_t flags1;
		uint8_t source1;
		bool remote1;
		enum drop_reason reason;
	} rows[] = {
		{SL_LEG_SEND, SL_LEG_SEND, 0, true, DROP_not_receiving},
		{SL_LEG_RECEIVE, SL_LEG_RECEIVE, 0, true, DROP_not_sending},
		{SL_LEG_RECEIVE, SL_LEG_SEND, SL_NO_LEG, true, DROP_unrouted},
		{SL_LEG_RECEIVE, SL_LEG_SEND, 0, false, DROP_no_remote},
	};

	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		struct sl_session session = wanted;
		uint8_t bytes[FRAME_MAX];
		struct frame frame;

		session.legs[0].flags = rows[i].flags0;
		session.legs[1].flags = rows[i].flags1;
		session.legs[1].source = rows[i].source1;
		if (!rows[i].remote1)
			memset(&session.legs[1].remote, 0, sizeof(session.legs[1].remote));
		path_set(&session);
		build_datagram(&frame, FAR0, 4000, LOCAL0, bytes, build_silence(bytes, 1));
		expect_drop(&frame, rows[i].reason, "row");
	}
}

static void a_full_device_drops_and_counts(void **)
{
	unsigned int sent = 0;
	struct frame frame;

	for (uint16_t i = 0; i < 1500; i++) {
		push_silence(FAR0, 4000, LOCAL0, i);
		if (i % 32 == 31)
			path_turn();
	}
	path_turn();
	while (frame_pop(1, &frame))
		sent++;
	assert_int_equal(sent, 1023); // what the ring holds
	assert_int_equal(drops(DROP_tx_full), 1500 - 1023);
	assert_int_equal(worker_counter("worker.0.tx_packets"), 1023);
}

static void a_lone_jump_of_the_sequence_is_dropped(void **)
{
	struct frame frame;

	push_silence(FAR0, 4000, LOCAL0, 1);
	push_silence(FAR0, 4000, LOCAL0, 30000);
	push_silence(FAR0, 4000, LOCAL0, 2);
	path_turn();
	assert_int_equal(drops(DROP_sequence_jump), 1);
	assert_true(frame_pop(1, &frame) && frame_pop(1, &frame));
	assert_false(frame_pop(1, &frame));
}

static void a_port_is_free_again_once_its_session_is_deleted(void **)
{
	session_delete(path.sessions, session_find(path.sessions, &(struct sl_id){{1}}));
	push_silence(FAR0, 4000, LOCAL0, 1);
	path_turn();
	assert_int_equal(drops(DROP_unknown_port), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			the_unchanged_packet_is_relayed, setup, call_teardown),
		cmocka_unit_test_setup_teardown(
			malformed_frames_are_dropped_for_their_reason, setup, call_teardown),
		cmocka_unit_test_setup_teardown(every_truncation_is_dropped, setup, call_teardown),
		cmocka_unit_test_setup_teardown(short_rtp_is_dropped, setup, call_teardown),
		cmocka_unit_test_setup_teardown(
			a_wrong_source_is_counted_for_the_leg, setup, call_teardown),
		cmocka_unit_test_setup_teardown(
			legs_that_do_not_take_or_send_drop, setup, call_teardown),
		cmocka_unit_test_setup_teardown(
			a_full_device_drops_and_counts, setup, call_teardown),
		cmocka_unit_test_setup_teardown(
			a_lone_jump_of_the_sequence_is_dropped, setup, call_teardown),
		cmocka_unit_test_setup_teardown(
			a_port_is_free_again_once_its_session_is_deleted, setup, call_teardown),
	};

	path_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
