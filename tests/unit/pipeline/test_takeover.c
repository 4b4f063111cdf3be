// The two lives of a call: it begins on one node, whose marks are read, some of its packets later
// the node is gone, and another goes on with the marks. What far ends get of both lives is looked
// at packet by packet: libsrtp2 says whether each authenticates, and so which index it has, and no
// index may be there twice under a key and SSRC.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <time.h>

#include "address_claim.h"
#include "call.h"
#include "clock.h"
#include "media_shard.h"
#include "rtcp.h"
#include "srtp_peer.h"

#define ROC	    5u
#define BEGIN	    0xffc0u // so that the sequence wraps in the first life
#define N_SENT_MAX  4096
#define OLD_SSRC    0xaaaa0000u
#define AT_MOST_PPS 50

// ---- what a far end got under its key ----

struct far_end {
	srtp_t sender;
	srtp_t receiver;
	uint16_t sequence; // of its next packet
	uint32_t timestamp;
	unsigned int n;
	struct {
		uint32_t ssrc;
		uint64_t index;
		uint32_t timestamp;
	} got[N_SENT_MAX];
	unsigned int n_rtcp;
	uint32_t rtcp_got[64];
	unsigned int n_refused; // that did not authenticate, or were replays
};

static struct far_end far[2];
static struct session *session;

static const char *const our_mac[] = {MAC_P0, MAC_P1};
static const char *const far_mac[] = {MAC_FAR0, MAC_FAR1};
static const char *const our_ip[] = {OUR0, OUR1};
static const char *const far_ip[] = {FAR0, FAR1};
static const uint16_t far_port[] = {4000, 5000};
static const uint16_t our_port[] = {LOCAL0, LOCAL1};

static void node_begins(void)
{
	static const struct path_size size = {.megabytes = "128",
		.sessions_max = 100,
		.n_udp_ports = 64,
		.n_addresses = {1, 1},
		.sharded = true};
	struct sl_session session_now;

	path_open_sized(1, &size);
	session_now = path_set(&wanted);
	for (unsigned int i = 0; i < 2; i++)
		wanted.legs[i].ssrc = session_now.legs[i].ssrc;
	session = session_find(path.sessions, &wanted.id);
}

static void activate(uint64_t epoch)
{
	struct timespec boot;
	struct sl_shard shard = {
		.name = "s1", .epoch = epoch, .pause_ms = 10000, .state = SL_SHARD_ACTIVE};

	clock_gettime(CLOCK_BOOTTIME, &boot);
	shard.valid_until_ns = (uint64_t)(boot.tv_sec + 1000) * 1000000000;
	assert_int_equal(shards_set(path.shards, &shard, &shard), 0);
	path_turn();
}

static void freeze(void)
{
	struct sl_shard shard = {.name = "s1", .epoch = 1, .state = SL_SHARD_FROZEN};

	assert_int_equal(shards_set(path.shards, &shard, &shard), 0);
}

static void push_payload(unsigned int side, const uint8_t *bytes, unsigned int n, bool rtcp)
{
	struct frame frame;

	frame_build(&frame, &(struct udp_packet){.to_mac = our_mac[side],
				    .from_mac = far_mac[side],
				    .from = far_ip[side],
				    .to = our_ip[side],
				    .from_port = (uint16_t)(far_port[side] + rtcp),
				    .to_port = (uint16_t)(our_port[side] + rtcp),
				    .payload = bytes,
				    .payload_bytes = n});
	frame_push(side, &frame);
}

// The next packet of a far end, 20 ms after the last.
static void far_end_sends(unsigned int side)
{
	struct far_end *end = &far[side];
	uint8_t bytes[FRAME_MAX], silence[160];
	unsigned int n;

	memset(silence, 0xd5 + side, sizeof(silence));
	n = rtp_build(bytes, &(struct rtp_packet){.sequence = end->sequence++,
				     .timestamp = end->timestamp,
				     .ssrc = side ? SSRC1 : SSRC0,
				     .payload = silence,
				     .payload_bytes = sizeof(silence)});
	end->timestamp += 160;
	if (end->sender)
		n = peer_protect(end->sender, bytes, n);
	push_payload(side, bytes, n, false);
}

static void far_end_reports(unsigned int side)
{
	struct far_end *end = &far[side];
	uint8_t bytes[FRAME_MAX];
	unsigned int n = (unsigned int)rtcp_report_build(
		bytes, sizeof(bytes), side ? SSRC1 : SSRC0, NULL, NULL, 0);

	if (end->sender)
		n = peer_protect_rtcp(end->sender, bytes, n);
	push_payload(side, bytes, n, true);
}

// Indices as they go: a packet's is less than 2^15 from the one before.
static uint64_t index_of(const struct far_end *end, uint16_t sequence)
{
	uint64_t last = end->n ? end->got[end->n - 1].index : (uint64_t)ROC << 16 | BEGIN;

	return last + (uint64_t)(int16_t)(sequence - (uint16_t)last);
}

// Behind the packet, in front of the tag, or at the end (RFC 3711 3.4, RFC 7714 17).
static uint32_t rtcp_index_of(const uint8_t *bytes, unsigned int n, uint8_t suite)
{
	const uint8_t *word = bytes + n - 4 - (suite == SL_SRTP_AES_CM_128_HMAC_SHA1_80 ? 10 : 0);

	return ((uint32_t)word[0] << 24 | (uint32_t)word[1] << 16 | (uint32_t)word[2] << 8 |
		       word[3]) &
	       0x7fffffff;
}

static void far_end_gets(unsigned int side, struct frame *frame)
{
	struct far_end *end = &far[side];
	uint8_t *bytes = frame->bytes + UDP_DATA;
	unsigned int n = frame->length - UDP_DATA;
	bool rtcp = half_at(frame, 36) == far_port[side] + 1;

	if (rtcp) {
		uint32_t index = rtcp_index_of(bytes, n, wanted.legs[side].srtp_send.suite);

		assert_true(end->n_rtcp < RTE_DIM(end->rtcp_got));
		end->rtcp_got[end->n_rtcp++] = index;
		if (end->receiver)
			end->n_refused += !peer_unprotect_rtcp(end->receiver, bytes, n);
		return;
	}
	assert_true(end->n < N_SENT_MAX);
	end->got[end->n].ssrc = word_at(frame, UDP_DATA + 8);
	end->got[end->n].timestamp = word_at(frame, UDP_DATA + 4);
	end->got[end->n].index = index_of(end, sequence_of(frame));
	end->n++;
	if (end->receiver)
		end->n_refused += !peer_unprotect(end->receiver, bytes, n);
}

static void deliver(void)
{
	struct frame frame;

	path_turn();
	for (unsigned int side = 0; side < 2; side++)
		while (frame_pop(side, &frame))
			if (!claim_parse(frame.bytes, frame.length, &(struct claim){}))
				far_end_gets(side, &frame);
}

static void both_send(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		far_end_sends(0);
		far_end_sends(1);
		deliver();
	}
}

static void both_lose(unsigned int n)
{
	for (unsigned int side = 0; side < 2; side++) {
		uint8_t bytes[FRAME_MAX];

		for (unsigned int i = 0; i < n; i++) {
			unsigned int length = rtp_build(
				bytes, &(struct rtp_packet){.sequence = far[side].sequence++,
					       .ssrc = side ? SSRC1 : SSRC0,
					       .payload = (const uint8_t *)""});

			if (far[side].sender)
				peer_protect(far[side].sender, bytes, length);
		}
		far[side].timestamp += 160 * n;
	}
}

static unsigned int read_marks(struct sl_mark *marks)
{
	return session_marks(session, 1, marks);
}

static void set_marks(struct sl_mark *marks, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		assert_int_equal(session_mark_set(path.sessions, &marks[i]), 0);
}

static void indices_are_unique(const struct far_end *end)
{
	for (unsigned int i = 0; i < end->n; i++)
		for (unsigned int j = 0; j < i; j++)
			if (end->got[i].ssrc == end->got[j].ssrc &&
				end->got[i].index == end->got[j].index)
				fail_msg("packets %u and %u have index %llx", j, i,
					(unsigned long long)end->got[i].index);
	for (unsigned int i = 0; i < end->n_rtcp; i++)
		for (unsigned int j = 0; j < i; j++)
			assert_int_not_equal(end->rtcp_got[i], end->rtcp_got[j]);
}

// ---- the call ----

static int setup(void **)
{
	memset(far, 0, sizeof(far));
	wanted = rig_session(1);
	for (unsigned int i = 0; i < 2; i++) {
		wanted.legs[i].local.port = our_port[i];
		wanted.legs[i].remote = rig_address(far_ip[i], far_port[i]);
		wanted.legs[i].ssrc = OLD_SSRC + i;
		far[i].sequence = BEGIN;
	}
	return 0;
}

static int teardown(void **state)
{
	for (unsigned int i = 0; i < 2; i++) {
		if (far[i].sender)
			srtp_dealloc(far[i].sender);
		if (far[i].receiver)
			srtp_dealloc(far[i].receiver);
	}
	return call_teardown(state);
}

// Both sides, both directions, and the ROC of all of them.
static void secure(enum sl_srtp_suite suite)
{
	for (unsigned int i = 0; i < 2; i++) {
		struct sl_leg *leg = &wanted.legs[i];
		const struct sl_srtp_indices from_us = {
			.ssrc = leg->ssrc, .rtp_next = (uint64_t)ROC << 16 | BEGIN};
		const struct sl_srtp_indices to_us = {
			.ssrc = i ? SSRC1 : SSRC0, .rtp_next = (uint64_t)ROC << 16 | BEGIN};

		peer_keys(leg, suite, (uint8_t)(1 + 100 * i));
		leg->srtp_send.resume = from_us;
		leg->srtp_receive.resume = to_us;
		far[i].sender = peer_at(&leg->srtp_receive, to_us.ssrc, ROC);
		far[i].receiver = peer_at(&leg->srtp_send, from_us.ssrc, ROC);
	}
}

// What the adopter knows of keys and indices is only what the record and the marks say.
static void forget_indices(void)
{
	for (unsigned int i = 0; i < 2; i++) {
		memset(&wanted.legs[i].srtp_send.resume, 0, sizeof(struct sl_srtp_indices));
		memset(&wanted.legs[i].srtp_receive.resume, 0, sizeof(struct sl_srtp_indices));
	}
}

static void first_life_ends_after(unsigned int n_after_marks, struct sl_mark *marks)
{
	node_begins();
	activate(1);
	both_send(120);
	far_end_reports(0);
	far_end_reports(1);
	deliver();
	assert_int_equal(read_marks(marks), 2);
	both_send(n_after_marks);
	far_end_reports(0);
	far_end_reports(1);
	deliver();
	assert_int_equal(far[0].n, 120 + n_after_marks);
	assert_int_equal(far[1].n, 120 + n_after_marks);
	path_close();
	forget_indices();
}

static void no_index_is_used_twice(enum sl_srtp_suite suite)
{
	struct sl_mark marks[SESSION_MARKS_MAX];
	unsigned int n_first;

	secure(suite);
	first_life_ends_after(80, marks);
	n_first = far[0].n;
	both_lose(40); // nobody has the address
	node_begins();
	for (unsigned int i = 0; i < 2; i++) // 80 and 40 packets, and time to notice, are 3 s
		assert_int_equal(
			media_mark_advance(&marks[i], true, marks[i].at_ms + 3000, AT_MOST_PPS), 0);
	set_marks(marks, 2);
	activate(2);
	both_send(200);
	far_end_reports(0);
	far_end_reports(1);
	deliver();
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(far[i].n, n_first + 200);
		assert_int_equal(far[i].n_refused, 0);
		assert_int_equal(far[i].n_rtcp, 3);
		assert_true(far[i].got[n_first].index > far[i].got[n_first - 1].index);
		assert_true(far[i].got[n_first].index - far[i].got[n_first - 1].index < 1 << 15);
		assert_int_equal(far[i].got[n_first].ssrc, OLD_SSRC + i);
		assert_int_equal(far[i].got[n_first].index >> 16, ROC + 1);
		assert_true(far[i].rtcp_got[2] >= far[i].rtcp_got[1] + 1000);
		indices_are_unique(&far[i]);
	}
}

static void no_index_of_aes_cm_is_used_twice(void **)
{
	no_index_is_used_twice(SL_SRTP_AES_CM_128_HMAC_SHA1_80);
}

static void no_index_of_gcm_is_used_twice(void **)
{
	no_index_is_used_twice(SL_SRTP_AEAD_AES_128_GCM);
}

// A hand-over loses nothing but what comes in meanwhile, and jumps nowhere.
static void a_hand_over_goes_on_with_the_next_index(void **)
{
	struct sl_mark marks[SESSION_MARKS_MAX];

	secure(SL_SRTP_AEAD_AES_256_GCM);
	node_begins();
	activate(1);
	both_send(100);
	freeze();
	far_end_sends(0);
	far_end_sends(1);
	deliver();
	assert_int_equal(far[1].n, 100);
	assert_int_equal(drops(DROP_shard_inactive), 2);
	assert_int_equal(read_marks(marks), 2);
	path_close();
	forget_indices();
	node_begins();
	set_marks(marks, 2);
	activate(2);
	both_send(100);
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(far[i].n, 200);
		assert_int_equal(far[i].n_refused, 0);
		assert_int_equal(far[i].got[100].index, far[i].got[99].index + 1);
		indices_are_unique(&far[i]);
	}
}

// A relayed stream has its source's numbers: what the source has sent before is refused, what it
// goes on with is passed at once.
static void a_relayed_stream_refuses_what_is_at_or_below_its_mark(void **)
{
	struct sl_mark marks[SESSION_MARKS_MAX];
	unsigned int n_first;

	wanted.legs[0].ssrc = SSRC1;
	wanted.legs[1].ssrc = SSRC0;
	for (unsigned int i = 0; i < 2; i++)
		wanted.legs[i].flags |= SL_LEG_TRANSPARENT_SSRC;
	secure(SL_SRTP_AES_CM_128_HMAC_SHA1_80);
	srtp_dealloc(far[0].sender); // that side is plain
	far[0].sender = NULL;
	srtp_dealloc(far[0].receiver);
	far[0].receiver = NULL;
	memset(&wanted.legs[0].srtp_send, 0, sizeof(struct sl_srtp));
	memset(&wanted.legs[0].srtp_receive, 0, sizeof(struct sl_srtp));
	first_life_ends_after(0, marks);
	n_first = far[1].n;
	node_begins();
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(
			media_mark_advance(&marks[i], i == 1, marks[i].at_ms + 3000, AT_MOST_PPS),
			0);
	set_marks(marks, 2);
	activate(2);
	far[0].sequence = (uint16_t)(far[0].sequence - 20); // it begins again
	for (unsigned int i = 0; i < 20; i++) {
		far_end_sends(0);
		deliver();
	}
	assert_int_equal(far[1].n, n_first);
	assert_int_equal(drops(DROP_srtp_resent), 20);
	both_send(50);
	assert_int_equal(far[1].n, n_first + 50);
	assert_int_equal(far[1].n_refused, 0);
	assert_int_equal(far[1].got[n_first].index, far[1].got[n_first - 1].index + 1);
	indices_are_unique(&far[1]);
}

static void timestamps_go_on_by_the_clock(void **)
{
	struct sl_mark marks[SESSION_MARKS_MAX];
	uint32_t last;
	int32_t ahead;

	first_life_ends_after(0, marks);
	last = far[1].got[far[1].n - 1].timestamp;
	assert_int_equal(marks[1].flags, SL_MARK_STREAM);
	node_begins();
	for (unsigned int i = 0; i < 2; i++) {
		marks[i].at_ms -= 60000; // it was a minute ago
		marks[i].timestamp -= 60 * 8000;
		assert_int_equal(
			media_mark_advance(&marks[i], false, media_wall_ms(), AT_MOST_PPS), 0);
	}
	set_marks(marks, 2);
	activate(2);
	both_send(10);
	ahead = (int32_t)(far[1].got[120].timestamp - last);
	assert_true(ahead > 0 && ahead < 20 * 8000); // the time of the test, however slow
	assert_int_equal(far[1].got[121].timestamp, far[1].got[120].timestamp + 160);
	assert_int_equal(far[1].got[120].ssrc, OLD_SSRC + 1);
	assert_true(far[1].got[120].index - far[1].got[119].index > 60 * AT_MOST_PPS);
}

static void a_latched_source_is_taken_over(void **)
{
	struct sl_mark marks[SESSION_MARKS_MAX];
	struct frame frame;
	uint8_t bytes[FRAME_MAX];

	wanted.legs[0].source_rule = SL_SOURCE_LATCH;
	node_begins();
	activate(1);
	push_silence(NAT, 33000, LOCAL0, 1);
	path_turn();
	assert_int_equal(read_marks(marks), 2);
	assert_int_equal(marks[0].source.port, 33000);
	discard_output();
	path_close();
	node_begins();
	set_marks(marks, 2);
	activate(2);
	discard_output();
	push_silence(STRANGER, 1234, LOCAL0, 2); // the latch is closed
	push_payload(1, bytes, build_silence(bytes, 1), false);
	path_turn();
	assert_int_equal(drops(DROP_wrong_source), 1);
	assert_true(frame_pop(0, &frame));
	assert_int_equal(half_at(&frame, 36), 33000);
}

static void marks_are_refused_while_active(void **)
{
	struct sl_mark marks[SESSION_MARKS_MAX], bad;

	node_begins();
	assert_int_equal(read_marks(marks), 2);
	bad = marks[0];
	bad.leg = 2;
	assert_int_equal(session_mark_set(path.sessions, &bad), -ENOENT);
	bad = marks[0];
	bad.id.bytes[3] ^= 1;
	assert_int_equal(session_mark_set(path.sessions, &bad), -ENOENT);
	bad = marks[0];
	bad.source = (struct sl_address){.family = 9, .port = 1};
	assert_int_equal(session_mark_set(path.sessions, &bad), -EINVAL);
	activate(1);
	assert_int_equal(session_mark_set(path.sessions, &marks[0]), -EBUSY);
}

// ---- what a mark becomes ----

static void an_old_mark_is_not_advanced(void **)
{
	const struct sl_mark old = {
		.flags = SL_MARK_STREAM, .sent = {.rtp_next = 7}, .at_ms = 1000};
	struct sl_mark mark = old;

	assert_int_equal(media_mark_advance(&mark, true, 1000 + 700000, 50), -ERANGE);
	assert_memory_equal(&mark, &old, sizeof(mark));
	assert_int_equal(media_mark_advance(&mark, true, 1000 + 300000, 50), 0);
	assert_int_equal(mark.sent.rtp_next, 7 + 301 * 50 + 256);
	assert_int_equal(mark.sent.rtcp_next, 1000 + 3010);
	mark = (struct sl_mark){.flags = SL_MARK_STREAM};
	assert_int_equal(media_mark_advance(&mark, true, 1000, 50), -ENODATA);
	mark = (struct sl_mark){.sent = {.rtp_next = 7}, .at_ms = 1000};
	assert_int_equal(media_mark_advance(&mark, true, 1000 + 700000, 50), 0);
	assert_int_equal(mark.sent.rtp_next, 7);
}

#define TAKEOVER_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TAKEOVER_TEST(no_index_of_aes_cm_is_used_twice),
		TAKEOVER_TEST(no_index_of_gcm_is_used_twice),
		TAKEOVER_TEST(a_hand_over_goes_on_with_the_next_index),
		TAKEOVER_TEST(a_relayed_stream_refuses_what_is_at_or_below_its_mark),
		TAKEOVER_TEST(timestamps_go_on_by_the_clock),
		TAKEOVER_TEST(a_latched_source_is_taken_over),
		TAKEOVER_TEST(marks_are_refused_while_active),
		cmocka_unit_test(an_old_mark_is_not_advanced),
	};

	path_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
