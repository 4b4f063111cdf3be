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

static void expect_drop_at(
	unsigned int port, const struct frame *frame, enum drop_reason reason, const char *what)
{
	uint64_t before = drops(reason), all = all_drops();
	struct frame out;

	frame_push(port, frame);
	path_turn();
	if (drops(reason) != before + 1 || all_drops() != all + 1)
		fail_msg("%s: not dropped for its reason", what);
	if (frame_pop(0, &out) || frame_pop(1, &out))
		fail_msg("%s: came out", what);
}

static void expect_drop(const struct frame *frame, enum drop_reason reason, const char *what)
{
	expect_drop_at(0, frame, reason, what);
}

// Other bytes at a place of a good frame.
struct damage {
	const char *what;
	enum drop_reason reason;
	int at;
	const char *bytes;
	int n;
	bool checksums; // made to agree
};

static void expect_damaged_drop(void (*build)(struct frame *frame), const struct damage *damage)
{
	struct frame frame;

	build(&frame);
	memcpy(frame.bytes + damage->at, damage->bytes, (size_t)damage->n);
	if (damage->checksums)
		frame_checksums(&frame);
	expect_drop(&frame, damage->reason, damage->what);
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
	static const struct damage rows[] = {
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
		{"from loopback", DROP_bad_source, IP + 12, "\x7f\x00\x00\x01", 4, true},
		{"from broadcast", DROP_bad_source, IP + 12, "\xff\xff\xff\xff", 4, true},
		{"for another address", DROP_unknown_address, IP + 16, "\xc0\x00\x02\x02", 4, true},
		{"for the other port's address", DROP_unknown_address, IP + 16, "\xcb\x00\x71\x01",
			4, true},
		{"for a port without a leg", DROP_unknown_port, UDP + 2, "\x4e\x22", 2, true},
		{"for a port below the range", DROP_unknown_port, UDP + 2, "\x4e\x1f", 2, true},
		{"for a port above the range", DROP_unknown_port, UDP + 2, "\xff\xff", 2, true},
		{"RTP on RTCP's port", DROP_rtcp_port, UDP, "\x0f\xa1\x4e\x21", 4, true},
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

	for (size_t i = 0; i < RTE_DIM(rows); i++)
		expect_damaged_drop(build_good, &rows[i]);
}

#define FAR6  "2001:db8:f0::1"
#define PORT6 20020 // of ours

// Leg 0 of session 6 is on IPv6, leg 0 of session 7 on VLAN 7; both feed legs on IPv4.
static int setup_realms(void **state)
{
	struct sl_session session = rig_session(6);

	setup(state);
	session.legs[0].local = rig_address(OUR0_V6, PORT6);
	session.legs[0].remote = rig_address(FAR6, 4000);
	path_set(&session);
	session = rig_session(7);
	session.legs[0].local = rig_address(OUR7, LOCAL0);
	path_set(&session);
	return 0;
}

static void build_good6(struct frame *frame)
{
	uint8_t bytes[FRAME_MAX];
	const struct udp_packet udp = {.to_mac = MAC_P0,
		.from_mac = MAC_FAR0,
		.from = FAR6,
		.from_port = 4000,
		.to = OUR0_V6,
		.to_port = PORT6,
		.payload = bytes,
		.payload_bytes = build_silence(bytes, 1)};

	frame_build(frame, &udp);
}

static void expect_relayed(unsigned int port, const struct frame *frame, const char *what)
{
	uint64_t before = all_drops();
	struct frame out;

	frame_push(port, frame);
	path_turn();
	if (all_drops() != before || !frame_pop(1, &out))
		fail_msg("%s: was not relayed", what);
}

enum { IP6 = 14, NEXT6 = IP6 + 6, FROM6 = IP6 + 8, TO6 = IP6 + 24, UDP6 = 54 };

static void malformed_ipv6_is_dropped_for_its_reason(void **)
{
	static const struct damage rows[] = {
		{"version 4", DROP_not_ip, IP6, "\x45", 1, false},
		{"version 0", DROP_not_ip, IP6, "\x00", 1, false},
		{"IPv4's type", DROP_not_ip, 12, "\x08\x00", 2, false},
		{"longer than the frame", DROP_too_short, IP6 + 4, "\x01\x00", 2, true},
		{"a byte longer than the frame", DROP_too_short, IP6 + 4, "\x00\xb5", 2, true},
		{"shorter than its UDP", DROP_too_short, IP6 + 4, "\x00\xb3", 2, true},
		{"length 0, as of a jumbogram", DROP_too_short, IP6 + 4, "\x00\x00", 2, true},
		{"UDP longer than IP", DROP_too_short, UDP6 + 4, "\x01\x00", 2, true},
		{"UDP's length 0, as of a jumbogram", DROP_too_short, UDP6 + 4, "\0\0", 2, true},
		{"UDP shorter than itself", DROP_too_short, UDP6 + 4, "\x00\x07", 2, true},
		{"hop-by-hop options", DROP_ipv6_hop_by_hop, NEXT6, "\x00", 1, true},
		{"routing header", DROP_ipv6_routing, NEXT6, "\x2b", 1, true},
		{"fragment", DROP_fragment, NEXT6, "\x2c", 1, true},
		{"destination options", DROP_ipv6_destination, NEXT6, "\x3c", 1, true},
		{"TCP", DROP_not_udp, NEXT6, "\x06", 1, true},
		{"ICMPv6", DROP_not_udp, NEXT6, "\x3a", 1, true},
		{"ESP", DROP_not_udp, NEXT6, "\x32", 1, true},
		{"nothing behind it", DROP_not_udp, NEXT6, "\x3b", 1, true},
		{"no checksum", DROP_udp_no_checksum, UDP6 + 6, "\x00\x00", 2, false},
		{"from port 0", DROP_bad_source, UDP6, "\x00\x00", 2, true},
		{"from ::", DROP_bad_source, FROM6, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16, true},
		{"from ::1", DROP_bad_source, FROM6, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01", 16,
			true},
		{"from a group", DROP_bad_source, FROM6, "\xff\x02", 2, true},
		{"from a link-local address", DROP_bad_source, FROM6, "\xfe\x80", 2, true},
		{"from another link-local one", DROP_bad_source, FROM6, "\xfe\xbf", 2, true},
		{"from mapped IPv4", DROP_bad_source, FROM6,
			"\0\0\0\0\0\0\0\0\0\0\xff\xff\xc6\x33\x64\x01", 16, true},
		{"from IPv4-compatible", DROP_bad_source, FROM6,
			"\0\0\0\0\0\0\0\0\0\0\0\0\xc6\x33\x64\x01", 16, true},
		{"for another address", DROP_unknown_address, TO6 + 15, "\x02", 1, true},
		{"for the other port's address", DROP_unknown_address, TO6 + 5, "\x02", 1, true},
		{"for mapped IPv4 of ours", DROP_unknown_address, TO6,
			"\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x01", 16, true},
		{"for a port without a leg", DROP_unknown_port, UDP6 + 2, "\x4e\x22", 2, true},
		{"for a port below the range", DROP_unknown_port, UDP6 + 2, "\x4e\x1f", 2, true},
		{"from another address", DROP_wrong_source, FROM6 + 15, "\x02", 1, true},
		{"from another network", DROP_wrong_source, FROM6 + 5, "\xf2", 1, true},
		{"from another port", DROP_wrong_source, UDP6 + 1, "\xa1", 1, true},
	};
	struct frame frame;

	build_good6(&frame);
	expect_relayed(0, &frame, "the unchanged packet");
	for (size_t i = 0; i < RTE_DIM(rows); i++)
		expect_damaged_drop(build_good6, &rows[i]);
}

static void insert_bytes(struct frame *frame, unsigned int at, const char *bytes, unsigned int n)
{
	memmove(frame->bytes + at + n, frame->bytes + at, frame->length - at);
	memcpy(frame->bytes + at, bytes, n);
	frame->length += n;
}

// Whose tag is whose, at port 0 (untagged) and for the address on VLAN 7 at port 1.
static void a_tag_must_be_the_one_of_the_address(void **)
{
	static const struct {
		const char *what;
		unsigned int port;
		enum drop_reason reason;
		const char *tags; // between the MACs and the type
		unsigned int n;
	} rows[] = {
		{"untagged", 0, PASS, "", 0},
		{"priority tag", 0, PASS, "\x81\x00\xe0\x00", 4},
		{"VLAN 7, untagged realm", 0, DROP_wrong_vlan, "\x81\x00\x00\x07", 4},
		{"VLAN 4095", 0, DROP_wrong_vlan, "\x81\x00\x0f\xff", 4},
		{"QinQ", 0, DROP_qinq, "\x88\xa8\x00\x07\x81\x00\x00\x07", 8},
		{"service tag alone", 0, DROP_qinq, "\x88\xa8\x00\x07", 4},
		{"two tags", 0, DROP_qinq, "\x81\x00\x00\x00\x81\x00\x00\x00", 8},
		{"ARP behind a tag", 0, DROP_not_ip, "\x81\x00\x00\x00\x08\x06", 6},
		{"tagged realm, its tag", 1, PASS, "\x81\x00\x00\x07", 4},
		{"its tag with a priority", 1, PASS, "\x81\x00\xf0\x07", 4},
		{"no tag", 1, DROP_wrong_vlan, "", 0},
		{"priority tag, tagged realm", 1, DROP_wrong_vlan, "\x81\x00\xe0\x00", 4},
		{"another VLAN", 1, DROP_wrong_vlan, "\x81\x00\x00\x08", 4},
		{"the tag twice", 1, DROP_qinq, "\x81\x00\x00\x07\x81\x00\x00\x07", 8},
	};

	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		uint8_t bytes[FRAME_MAX];
		const struct udp_packet udp = {.to_mac = rows[i].port ? MAC_P1 : MAC_P0,
			.from_mac = MAC_FAR0,
			.from = FAR0,
			.from_port = 4000,
			.to = rows[i].port ? OUR7 : OUR0,
			.to_port = LOCAL0,
			.payload = bytes,
			.payload_bytes = build_silence(bytes, (uint16_t)i)};
		struct frame frame;

		frame_build(&frame, &udp);
		insert_bytes(&frame, 12, rows[i].tags, rows[i].n);
		if (rows[i].reason == PASS)
			expect_relayed(rows[i].port, &frame, rows[i].what);
		else
			expect_drop_at(rows[i].port, &frame, rows[i].reason, rows[i].what);
	}
}

static void drop_every_truncation(struct frame *frame)
{
	for (unsigned int length = frame->length - 1; length > 0; length--) {
		uint64_t before = all_drops();
		struct frame out;

		frame->length = length;
		frame_push(0, frame);
		path_turn();
		assert_int_equal(all_drops(), before + 1);
		assert_false(frame_pop(1, &out));
	}
}

static void every_truncation_is_dropped(void **)
{
	struct frame frame;

	build_good(&frame);
	drop_every_truncation(&frame);
	build_good6(&frame);
	drop_every_truncation(&frame);
	build_good(&frame);
	insert_bytes(&frame, 12, "\x81\x00\x00\x00", 4);
	drop_every_truncation(&frame);
	build_good6(&frame);
	insert_bytes(&frame, 12, "\x81\x00\x00\x00", 4);
	drop_every_truncation(&frame);
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
		cmocka_unit_test_setup_teardown(
			malformed_ipv6_is_dropped_for_its_reason, setup_realms, call_teardown),
		cmocka_unit_test_setup_teardown(
			a_tag_must_be_the_one_of_the_address, setup_realms, call_teardown),
		cmocka_unit_test_setup_teardown(
			every_truncation_is_dropped, setup_realms, call_teardown),
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
