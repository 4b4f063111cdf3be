// RTCP in every combination: on a port of its own or beside RTP, on either side; passed on, or made
// by us because a codec is between; plain, or SRTCP of one suite or another, on either side. What
// arrives is read by a parser that shares nothing with the code under test.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <stdio.h>

#include "call.h"
#include "clock.h"
#include "session_state.h"
#include "srtp_peer.h"

#define NTP "\x01\x02\x03\x04\x05\x06\x07\x08"

static const enum sl_srtp_suite suites[] = {
	SL_SRTP_NONE, SL_SRTP_AES_CM_128_HMAC_SHA1_80, SL_SRTP_AEAD_AES_128_GCM};

struct row {
	bool mux[2];
	bool own;
	enum sl_srtp_suite suite[2];
	char text[80];
};

static struct far_end {
	srtp_t sends, receives; // NULL: plain
} far_ends[2];

static void meet(unsigned int i, enum sl_srtp_suite suite)
{
	struct sl_leg *leg = &wanted.legs[i];

	memset(&leg->srtp_receive, 0, sizeof(leg->srtp_receive));
	memset(&leg->srtp_send, 0, sizeof(leg->srtp_send));
	far_ends[i] = (struct far_end){};
	if (suite == SL_SRTP_NONE)
		return;
	peer_keys(leg, suite, (uint8_t)(1 + 100 * i));
	far_ends[i] =
		(struct far_end){peer_sender(&leg->srtp_receive), peer_receiver(&leg->srtp_send)};
}

static void part(void)
{
	for (unsigned int i = 0; i < 2; i++)
		if (far_ends[i].sends) {
			srtp_dealloc(far_ends[i].sends);
			srtp_dealloc(far_ends[i].receives);
		}
}

static void push(unsigned int i, bool to_odd_port, uint8_t *bytes, unsigned int n)
{
	uint16_t port = (uint16_t)((i ? 5000 : 4000) + to_odd_port);

	if (i)
		push_datagram1(FAR1, port, (uint16_t)(LOCAL1 + to_odd_port), bytes, n);
	else
		push_datagram(FAR0, port, (uint16_t)(LOCAL0 + to_odd_port), bytes, n);
	path_turn();
}

static void push_media(unsigned int i, uint16_t sequence)
{
	uint8_t bytes[FRAME_MAX];
	unsigned int n = build_silence(bytes, sequence);

	if (i)
		memcpy(bytes + 8, "\x55\x66\x77\x88", 4);
	if (far_ends[i].sends)
		n = peer_protect(far_ends[i].sends, bytes, n);
	push(i, false, bytes, n);
}

// A sender report of far end i about the media that we send it.
static void push_report(unsigned int i, bool mux)
{
	static const char *const reports[2] = {
		"\x81\xc8\x00\x0c\x11\x22\x33\x44" NTP "\x00\x00\x06\x40\x00\x00\x00\x0a\x00\x00"
		"\x06\x40\xaa\xaa\x00\x00\x01\x00\x00\x02\x00\x00\x00\x02\x00\x00\x00\x09\x00\x00"
		"\x00\x00\x00\x00\x00\x00\x81\xca\x00\x03\x11\x22\x33\x44\x01\x05"
		"alice",
		"\x81\xc8\x00\x0c\x55\x66\x77\x88" NTP "\x00\x00\x06\x40\x00\x00\x00\x0a\x00\x00"
		"\x06\x40\xbb\xbb\x00\x00\x01\x00\x00\x02\x00\x00\x00\x02\x00\x00\x00\x09\x00\x00"
		"\x00\x00\x00\x00\x00\x00\x81\xca\x00\x03\x55\x66\x77\x88\x01\x05"
		"alice"};
	uint8_t bytes[FRAME_MAX] = {};
	unsigned int n = 68;

	memcpy(bytes, reports[i], n - 1);
	if (far_ends[i].sends)
		n = peer_protect_rtcp(far_ends[i].sends, bytes, n);
	push(i, !mux, bytes, n);
}

static void make_reports_due(void)
{
	const struct session *session = session_find(path.sessions, &wanted.id);

	session->legs[0]->tx.report_ns = session->legs[1]->tx.report_ns = 0;
}

// The one RTCP datagram among what was sent to far end i, opened. Media on the way is passed over.
static unsigned int take_rtcp(
	unsigned int i, const struct row *row, uint8_t *rtcp, unsigned int *n_found)
{
	uint16_t odd = row->mux[i] ? 0 : 1;
	struct frame frame;
	unsigned int n = 0;

	*n_found = 0;
	while (frame_pop(i, &frame)) {
		bool is_rtcp = frame.bytes[UDP_DATA + 1] >= 200 && frame.bytes[UDP_DATA + 1] <= 207;
		uint16_t from = half_at(&frame, 34), to = half_at(&frame, 36);

		if (!is_rtcp)
			continue;
		if (from != (i ? LOCAL1 : LOCAL0) + odd || to != (i ? 5000 : 4000) + odd)
			fail_msg("%s: RTCP from %u to %u", row->text, from, to);
		n = frame.length - UDP_DATA;
		memcpy(rtcp, frame.bytes + UDP_DATA, n);
		if (far_ends[i].receives)
			n = peer_unprotect_rtcp(far_ends[i].receives, rtcp, n);
		if (n == 0)
			fail_msg("%s: does not authenticate", row->text);
		++*n_found;
	}
	return n;
}

static uint32_t word(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

// RFC 3550 6.1 and A.2, and of the first report its SSRC; then an SDES with a CNAME of the same.
static bool is_compound_of(
	unsigned int wanted_packets, const uint8_t *rtcp, unsigned int n, uint32_t ssrc)
{
	unsigned int at = 0, n_packets = 0;

	while (at + 8 <= n) {
		unsigned int bytes = 4 * ((unsigned int)(rtcp[at + 2] << 8 | rtcp[at + 3]) + 1);

		if (rtcp[at] >> 5 != 4 || word(rtcp + at + 4) != ssrc || at + bytes > n)
			return false;
		if (n_packets == 0 && rtcp[at + 1] != 200 && rtcp[at + 1] != 201)
			return false;
		if (n_packets == 1 && (rtcp[at + 1] != 202 || rtcp[at + 8] != 1))
			return false;
		at += bytes;
		n_packets++;
	}
	return at == n && n_packets == wanted_packets;
}

static bool is_compound(const uint8_t *rtcp, unsigned int n, uint32_t ssrc)
{
	return is_compound_of(2, rtcp, n, ssrc);
}

static const uint32_t ssrcs[2] = {0xaaaa0000, 0xbbbb0000};
static const uint32_t far_ssrcs[2] = {SSRC0, SSRC1};

// What far end i sends arrives at the other one, in its terms.
static void check_relayed(const struct row *row, unsigned int i)
{
	uint8_t rtcp[FRAME_MAX];
	unsigned int n, n_found;

	push_report(i, row->mux[i]);
	n = take_rtcp(!i, row, rtcp, &n_found);
	if (n_found != 1 || !is_compound(rtcp, n, ssrcs[!i]) || rtcp[1] != 200)
		fail_msg("%s: of far end %u: no sender report", row->text, i);
	if (memcmp(rtcp + 8, NTP, 8) || (rtcp[0] & 0x1f) != 1 || word(rtcp + 28) != far_ssrcs[!i] ||
		word(rtcp + 32) != 0x01000002)
		fail_msg("%s: of far end %u: another report", row->text, i);
	assert_null(memmem(rtcp, n, "alice", 5));
}

// Both get ours: far end 1 is sent media, far end 0 sends some. What they say goes no further.
static void check_own(const struct row *row)
{
	uint8_t rtcp[FRAME_MAX];
	unsigned int n, n_found;

	push_report(0, row->mux[0]);
	take_rtcp(1, row, rtcp, &n_found);
	assert_int_equal(n_found, 0);
	make_reports_due();
	for (uint16_t sequence = 10; sequence < 13; sequence++)
		push_media(0, sequence);
	n = take_rtcp(1, row, rtcp, &n_found);
	if (n_found != 1 || !is_compound(rtcp, n, ssrcs[1]) || rtcp[0] != 0x80 || rtcp[1] != 200)
		fail_msg("%s: no sender report of ours", row->text);
	n = take_rtcp(0, row, rtcp, &n_found);
	if (n_found != 1 || !is_compound(rtcp, n, ssrcs[0]) || rtcp[0] != 0x81 || rtcp[1] != 201 ||
		word(rtcp + 8) != SSRC0 || word(rtcp + 24) != 0x03040506)
		fail_msg("%s: no receiver report of ours %08x", row->text, word(rtcp + 24));
}

// The session has been deleted: each far end is told of the SSRC that it was sent.
static void check_bye(const struct row *row)
{
	uint8_t rtcp[FRAME_MAX];
	unsigned int n, n_found;

	for (unsigned int i = 0; i < 2; i++) {
		n = take_rtcp(i, row, rtcp, &n_found);
		if (n_found != 1 || !is_compound_of(3, rtcp, n, ssrcs[i]) ||
			word(rtcp + n - 8) != 0x81cb0001)
			fail_msg("%s: no BYE for far end %u", row->text, i);
	}
}

static void check_row(const struct row *row)
{
	wanted.legs[1].formats[0] = wanted.legs[0].formats[0];
	if (row->own)
		wanted.legs[1].formats[0] = (struct sl_format){.name = "opus",
			.clock_hz = 48000,
			.channels = 2,
			.pt = 96,
			.receive_pt = 96};
	for (unsigned int i = 0; i < 2; i++) {
		wanted.legs[i].flags &= (uint16_t)~SL_LEG_RTCP_MUX;
		if (row->mux[i])
			wanted.legs[i].flags |= SL_LEG_RTCP_MUX;
		meet(i, row->suite[i]);
	}
	path_set(&wanted);
	for (uint16_t sequence = 1; sequence < 4; sequence++) {
		push_media(0, sequence);
		if (!row->own)
			push_media(1, sequence);
	}
	if (row->own) {
		check_own(row);
	} else {
		check_relayed(row, 0);
		check_relayed(row, 1);
	}
	discard_output();
	session_delete(path.sessions, session_find(path.sessions, &wanted.id));
	path_pass(10);
	path_turn();
	check_bye(row);
	part();
}

static void rtcp_passes_in_every_combination(void **)
{
	sessions_on_farewell(path.sessions, workers_farewell, path.workers);
	for (unsigned int i = 0; i < 8; i++)
		for (unsigned int j = 0; j < 9; j++) {
			struct row row = {.mux = {i & 1, i & 2},
				.own = i & 4,
				.suite = {suites[j % 3], suites[j / 3]}};

			snprintf(row.text, sizeof(row.text), "mux %d-%d, %s, suites %d-%d",
				row.mux[0], row.mux[1], row.own ? "own" : "relayed", row.suite[0],
				row.suite[1]);
			check_row(&row);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {CALL_TEST(rtcp_passes_in_every_combination)};

	path_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
