// Media between IPv4 and IPv6, with a VLAN tag and without, byte for byte: what is expected is
// built by frame_build(), which knows nothing of the code under test.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <stdio.h>

#include "call.h"

#define FAR0_PORT 4000
#define FAR1_PORT 5000
#define RTCP	  1 // added to a port

// One end of a leg: our address and the far end's, and how frames between them look.
struct end {
	const char *name;
	unsigned int port;
	uint16_t vlan;
	uint8_t dscp;
	const char *our_mac;
	const char *far_mac;
	const char *our_ip;
	const char *far_ip;
};

static const struct end firsts[] = {
	{"IPv4", 0, 0, 46, MAC_P0, MAC_FAR0, OUR0, FAR0},
	{"IPv6", 0, 0, 46, MAC_P0, MAC_FAR0, OUR0_V6, "2001:db8:f0::1"},
};

static const struct end seconds[] = {
	{"IPv4", 1, 0, 46, MAC_P1, MAC_FAR1, OUR1, FAR1},
	{"IPv6", 1, 0, 46, MAC_P1, MAC_FAR1, OUR1_V6, "2001:db8:f1::ffff:ffff"},
	{"tagged IPv4", 1, 7, 34, MAC_P1, MAC_FAR1, OUR7, FAR1},
	{"tagged IPv6", 1, 7, 34, MAC_P1, MAC_FAR7, OUR7_V6, "2001:db8:f1::1"},
};

struct stretch { // of a call: its two ends
	const struct end *ends[2];
	uint16_t local_ports[2];
	struct sl_session session;
	uint32_t labels[2][2]; // flow labels seen, by leg, RTP and RTCP
};

static const uint16_t far_ports[2] = {FAR0_PORT, FAR1_PORT};

// Same SSRC, sequence and timestamp on both sides: payloads pass as they are.
static void set_call(struct stretch *call, const struct end *first, const struct end *second)
{
	struct sl_session session = rig_session(1);

	*call = (struct stretch){.ends = {first, second}};
	for (unsigned int i = 0; i < 2; i++) {
		session.legs[i].local = rig_address(call->ends[i]->our_ip, 0);
		session.legs[i].remote = rig_address(call->ends[i]->far_ip, far_ports[i]);
		session.legs[i].flags |= SL_LEG_TRANSPARENT_SSRC;
		session.legs[i].dscp = SL_DSCP_REALM;
	}
	call->session = path_set(&session);
	for (unsigned int i = 0; i < 2; i++)
		call->local_ports[i] = call->session.legs[i].local.port;
}

static void end_call(const struct stretch *call)
{
	session_delete(path.sessions, session_find(path.sessions, &call->session.id));
}

static void push_from(const struct stretch *call, unsigned int leg, uint16_t rtcp,
	const uint8_t *payload, unsigned int payload_bytes)
{
	const struct end *end = call->ends[leg];
	const struct udp_packet udp = {.to_mac = end->our_mac,
		.from_mac = end->far_mac,
		.vlan = end->vlan,
		.from = end->far_ip,
		.to = end->our_ip,
		.from_port = far_ports[leg] + rtcp,
		.to_port = call->local_ports[leg] + rtcp,
		.ttl = 9,
		.tos = 0xff,
		.flow_label = 0xfffff,
		.payload = payload,
		.payload_bytes = payload_bytes};
	struct frame frame;

	frame_build(&frame, &udp);
	frame_push(end->port, &frame);
	path_turn();
}

// The frame that leg `leg` sends, with the flow label that `like` has.
static void build_expected(struct frame *frame, const struct stretch *call, unsigned int leg,
	uint16_t rtcp, const struct udp_packet *like)
{
	const struct end *end = call->ends[leg];
	const struct udp_packet udp = {.to_mac = end->far_mac,
		.from_mac = end->our_mac,
		.vlan = end->vlan,
		.from = end->our_ip,
		.to = end->far_ip,
		.from_port = call->local_ports[leg] + rtcp,
		.to_port = far_ports[leg] + rtcp,
		.tos = (uint8_t)(end->dscp << 2),
		.flow_label = like->flow_label,
		.payload = like->payload,
		.payload_bytes = like->payload_bytes};

	frame_build(frame, &udp);
}

// Of a leg: random, but the same for all packets of one flow, and never none (RFC 6437 3).
static uint32_t flow_label_of(
	struct stretch *call, unsigned int leg, uint16_t rtcp, const struct frame *frame)
{
	const struct end *end = call->ends[leg];
	uint32_t *seen = &call->labels[leg][rtcp];
	uint32_t label;

	if (!strchr(end->our_ip, ':'))
		return 0;
	label = word_at(frame, end->vlan ? 18 : 14) & 0xfffff;
	assert_int_not_equal(label, 0);
	if (*seen)
		assert_int_equal(label, *seen);
	*seen = label;
	return label;
}

static void assert_sent(struct stretch *call, unsigned int leg, uint16_t rtcp,
	const uint8_t *payload, unsigned int payload_bytes)
{
	const struct end *end = call->ends[leg];
	struct udp_packet like = {.payload = payload, .payload_bytes = payload_bytes};
	struct frame frame, expected;
	unsigned int headers = (end->vlan ? 18 : 14) + (strchr(end->our_ip, ':') ? 48 : 28);

	if (!frame_pop(end->port, &frame))
		fail_msg("%s to %s: nothing came out", call->ends[!leg]->name, end->name);
	like.flow_label = flow_label_of(call, leg, rtcp, &frame);
	if (rtcp) { // its CNAME is ours: take it as it is, what is around it must fit
		like.payload = frame.bytes + headers;
		like.payload_bytes = frame.length - headers;
	}
	build_expected(&expected, call, leg, rtcp, &like);
	if (frame.length != expected.length || memcmp(frame.bytes, expected.bytes, frame.length))
		fail_msg("%s to %s: not as expected", call->ends[!leg]->name, end->name);
	assert_false(frame_pop(0, &frame));
	assert_false(frame_pop(1, &frame));
}

// Media of every length up to `most`, so that nothing hides in what is even or a whole vector.
static void relay_lengths(struct stretch *call, unsigned int from, unsigned int most)
{
	static uint16_t sequence;
	uint8_t bytes[FRAME_MAX], data[FRAME_MAX];

	for (unsigned int n = 0; n <= most; n++) {
		const struct rtp_packet rtp = {.sequence = sequence,
			.timestamp = sequence * 160u,
			.ssrc = 0x11223344,
			.payload = data,
			.payload_bytes = n};
		unsigned int length = rtp_build(bytes, &rtp);

		sequence++;
		memset(data, (int)(0xff - n), sizeof(data));
		length = rtp_build(bytes, &rtp);
		push_from(call, from, 0, bytes, length);
		assert_sent(call, !from, 0, bytes, length);
	}
}

// RFC 3550 6.4.1 and 6.5: SR without blocks, SDES with a CNAME.
static void relay_rtcp(struct stretch *call, unsigned int from)
{
	static const uint8_t compound[] = {0x80, 200, 0, 6, 0x11, 0x22, 0x33, 0x44, 1, 2, 3, 4, 5,
		6, 7, 8, 0, 0, 0, 160, 0, 0, 0, 1, 0, 0, 0, 160, 0x81, 202, 0, 3, 0x11, 0x22, 0x33,
		0x44, 1, 4, 'f', 'a', 'r', '0', 0, 0};

	push_from(call, from, RTCP, compound, sizeof(compound));
	assert_sent(call, !from, RTCP, NULL, 0);
}

static int setup(void **)
{
	path_open(1);
	return 0;
}

static void every_pair_of_families_and_tags_byte_for_byte(void **)
{
	for (size_t i = 0; i < RTE_DIM(firsts); i++)
		for (size_t j = 0; j < RTE_DIM(seconds); j++) {
			struct stretch call;

			set_call(&call, &firsts[i], &seconds[j]);
			for (unsigned int from = 0; from < 2; from++) {
				relay_lengths(&call, from, 70);
				relay_rtcp(&call, from);
			}
			if (strchr(seconds[j].our_ip, ':')) // two flows
				assert_int_not_equal(call.labels[1][0], call.labels[1][1]);
			end_call(&call);
		}
	assert_int_equal(all_drops(), 0);
}

// A sum of zero means "none" (RFC 768) and over IPv6 is not allowed (RFC 8200 8.1): it is sent as
// all ones. Some word of a payload makes it so.
static void a_checksum_of_zero_is_sent_as_all_ones(void **)
{
	for (size_t j = 0; j < 2; j++) {
		unsigned int at = j ? 60 : 40; // UDP's checksum in a frame
		uint8_t bytes[FRAME_MAX], data[4] = {};
		const struct rtp_packet rtp = {.ssrc = 7, .payload = data, .payload_bytes = 4};
		struct udp_packet like = {.payload = bytes, .payload_bytes = 16};
		struct frame expected;
		struct stretch call;
		bool found = false;

		set_call(&call, &firsts[0], &seconds[j]);
		for (unsigned int word = 0; word <= UINT16_MAX && !found; word++) {
			data[0] = (uint8_t)(word >> 8);
			data[1] = (uint8_t)word;
			rtp_build(bytes, &rtp);
			build_expected(&expected, &call, 1, 0, &like);
			found = half_at(&expected, at) == 0xffff;
		}
		assert_true(found);
		push_from(&call, 0, 0, bytes, 16);
		assert_sent(&call, 1, 0, bytes, 16);
		end_call(&call);
	}
}

// A leg that may latch does so to an IPv6 address, another host or another port.
static void a_leg_latches_to_an_ipv6_source(void **)
{
	static const struct end nat = {
		"NAT", 0, 0, 46, MAC_P0, MAC_FAR0, OUR0_V6, "2001:db8:f0::77"};
	struct sl_session_report report;
	struct stretch call, behind;
	uint8_t bytes[FRAME_MAX];
	struct frame frame;

	set_call(&call, &firsts[1], &seconds[0]);
	call.session.legs[0].source_rule = SL_SOURCE_LATCH;
	path_set(&call.session);
	behind = call;
	behind.ends[0] = &nat;
	push_from(&behind, 0, 0, bytes, build_silence(bytes, 1));
	assert_true(frame_pop(1, &frame));
	push_from(&call, 0, 0, bytes, build_silence(bytes, 2)); // too late
	assert_int_equal(drops(DROP_wrong_source), 1);
	assert_false(frame_pop(1, &frame));
	path_pass(200);
	push_from(&call, 1, 0, bytes, build_silence(bytes, 3));
	assert_sent(&behind, 0, 0, bytes, build_silence(bytes, 3));
	session_report(session_find(path.sessions, &call.session.id), &report);
	assert_int_equal(report.stats[0].latched, 1);
	assert_int_equal(report.stats[0].source.family, SL_IPV6);
	assert_memory_equal(report.stats[0].source.bytes, rig_address(nat.far_ip, 0).bytes, 16);
}

// What a leg says goes before what its realm says.
static void dscp_is_the_legs_or_its_realms(void **)
{
	static const struct {
		const struct end *end;
		uint8_t dscp;
		uint8_t byte; // TOS
	} rows[] = {
		{&seconds[0], SL_DSCP_REALM, 46 << 2},
		{&seconds[2], SL_DSCP_REALM, 34 << 2},
		{&seconds[2], 0, 0},
		{&seconds[0], 63, 63 << 2},
	};

	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		uint8_t bytes[FRAME_MAX];
		struct stretch call;
		struct frame frame;

		set_call(&call, &firsts[0], rows[i].end);
		call.session.legs[1].dscp = rows[i].dscp;
		path_set(&call.session);
		push_from(&call, 0, 0, bytes, build_silence(bytes, 1));
		assert_true(frame_pop(1, &frame));
		assert_int_equal(frame.bytes[rows[i].end->vlan ? 19 : 15], rows[i].byte);
		end_call(&call);
	}
}

// What fits IPv4's packet may not fit IPv6's, whose header is longer by 20 bytes.
static void what_is_too_long_for_the_mtu_is_dropped_and_counted(void **)
{
	static const struct {
		const struct end *end;
		unsigned int longest; // payload of UDP
	} rows[] = {{&seconds[0], 1500 - 28}, {&seconds[1], 1500 - 48}, {&seconds[3], 1500 - 48}};
	uint8_t bytes[FRAME_MAX] = {0x80};
	struct stretch call;

	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		unsigned int n = rows[i].longest;

		path.ports[1].mtu = 1500;
		set_call(&call, &firsts[0], rows[i].end);
		push_from(&call, 0, 0, bytes, n);
		assert_sent(&call, 1, 0, bytes, n);
		path.ports[1].mtu = 1499;
		push_from(&call, 0, 0, bytes, n);
		assert_int_equal(drops(DROP_too_long), i + 1);
		assert_int_equal(all_drops(), i + 1);
		end_call(&call);
	}
}

int main(void)
{
#define FAMILY_TEST(name) cmocka_unit_test_setup_teardown(name, setup, call_teardown)
	const struct CMUnitTest tests[] = {
		FAMILY_TEST(every_pair_of_families_and_tags_byte_for_byte),
		FAMILY_TEST(a_checksum_of_zero_is_sent_as_all_ones),
		FAMILY_TEST(a_leg_latches_to_an_ipv6_source),
		FAMILY_TEST(dscp_is_the_legs_or_its_realms),
		FAMILY_TEST(what_is_too_long_for_the_mtu_is_dropped_and_counted),
	};

	path_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
