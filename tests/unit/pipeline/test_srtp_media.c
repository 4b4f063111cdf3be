// SRTP through the whole worker turn, byte for byte: what goes in is made by libsrtp2, what comes
// out is what libsrtp2 would have made, on every suite and between any two kinds of legs.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "call.h"
#include "clock.h"
#include "rtcp.h"
#include "srtp_peer.h"

#define SENT_SSRC 0xbbbb0000u // what leg 1 sends as

// As leg 1 sends on what build_silence() made.
static unsigned int build_sent(uint8_t *out, uint16_t sequence, bool marker)
{
	unsigned int n = build_silence(out, sequence);

	out[1] = (uint8_t)(marker << 7);
	memcpy(out + 8, "\xbb\xbb\x00\x00", 4);
	return n;
}

// From leg 1 to its far end.
static void assert_sent(const uint8_t *payload, unsigned int payload_bytes)
{
	struct udp_packet udp = {.to_mac = MAC_FAR1,
		.from_mac = MAC_P1,
		.from = OUR1,
		.from_port = LOCAL1,
		.to = FAR1,
		.to_port = 5000,
		.payload = payload,
		.payload_bytes = payload_bytes};
	struct frame frame, expected;

	frame_build(&expected, &udp);
	assert_true(frame_pop(1, &frame));
	assert_int_equal(frame.length, expected.length);
	assert_memory_equal(frame.bytes, expected.bytes, expected.length);
}

// Ten packets from far end 0 to far end 1, over a wrap of the sequence number (and so of the ROC).
// `secure0`, `secure1`: which legs have keys.
static void check_relay(enum sl_srtp_suite suite, bool secure0, bool secure1)
{
	srtp_t sender = NULL, judge = NULL;

	if (secure0) {
		peer_keys(&wanted.legs[0], suite, 1);
		sender = peer_sender(&wanted.legs[0].srtp_receive);
	}
	if (secure1) {
		peer_keys(&wanted.legs[1], suite, 101);
		judge = peer_sender(&wanted.legs[1].srtp_send);
	}
	path_set(&wanted);
	for (unsigned int i = 0; i < 10; i++) {
		uint16_t sequence = (uint16_t)(65530 + i);
		uint8_t in[FRAME_MAX], out[FRAME_MAX];
		unsigned int n_in = build_silence(in, sequence);
		unsigned int n_out = build_sent(out, sequence, i == 0);

		if (sender)
			n_in = peer_protect(sender, in, n_in);
		if (judge)
			n_out = peer_protect(judge, out, n_out);
		push_datagram(FAR0, 4000, LOCAL0, in, n_in);
		path_turn();
		assert_sent(out, n_out);
	}
	assert_int_equal(all_drops(), 0);
	assert_int_equal(worker_counter("worker.0.unprotected"), secure0 ? 10 : 0);
	assert_int_equal(worker_counter("worker.0.protected"), secure1 ? 10 : 0);
	if (sender)
		srtp_dealloc(sender);
	if (judge)
		srtp_dealloc(judge);
}

static void check_suites(bool secure0, bool secure1)
{
	for (enum sl_srtp_suite suite = SL_SRTP_AES_CM_128_HMAC_SHA1_80;
		suite <= SL_SRTP_AEAD_AES_256_GCM; suite++) {
		check_relay(suite, secure0, secure1);
		path_close();
		call_setup(NULL);
	}
}

static void srtp_to_rtp_is_what_went_in(void **)
{
	check_suites(true, false);
}

static void rtp_to_srtp_is_what_libsrtp2_makes_of_it(void **)
{
	check_suites(false, true);
}

static void srtp_to_srtp_changes_keys(void **)
{
	check_suites(true, true);
}

static void suites_of_both_sides_may_differ_and_mkis_too(void **)
{
	srtp_t sender, judge;
	uint8_t in[FRAME_MAX], out[FRAME_MAX];
	unsigned int n_in = build_silence(in, 7), n_out = build_sent(out, 7, true);

	peer_keys(&wanted.legs[0], SL_SRTP_AEAD_AES_256_GCM, 1);
	peer_keys(&wanted.legs[1], SL_SRTP_AES_CM_128_HMAC_SHA1_32, 101);
	wanted.legs[0].srtp_receive.mki_bytes = 4;
	memcpy(wanted.legs[0].srtp_receive.mki, "\1\2\3\4", 4);
	wanted.legs[1].srtp_send.mki_bytes = 1;
	wanted.legs[1].srtp_send.mki[0] = 9;
	sender = peer_sender(&wanted.legs[0].srtp_receive);
	judge = peer_sender(&wanted.legs[1].srtp_send);
	path_set(&wanted);
	n_in = peer_protect(sender, in, n_in);
	n_out = peer_protect(judge, out, n_out);
	push_datagram(FAR0, 4000, LOCAL0, in, n_in);
	path_turn();
	assert_sent(out, n_out);
	assert_int_equal(n_out, 172 + 4 + 1);
	srtp_dealloc(sender);
	srtp_dealloc(judge);
}

// A burst with packets of plain and of secure legs, good and bad, keeps the good in order.
static void good_and_bad_packets_of_one_burst_do_not_mix(void **)
{
	struct sl_session plain = rig_session(2);
	srtp_t sender;
	uint8_t bytes[FRAME_MAX];
	struct frame frame;

	peer_keys(&wanted.legs[0], SL_SRTP_AES_CM_128_HMAC_SHA1_80, 1);
	sender = peer_sender(&wanted.legs[0].srtp_receive);
	plain.legs[0].local.port = LOCAL0 + 2;
	plain.legs[1].ssrc = 0xcccc0000;
	path_set(&wanted);
	path_set(&plain);
	for (uint16_t i = 0; i < 8; i++) {
		unsigned int n = peer_protect(sender, bytes, build_silence(bytes, i));

		bytes[20] ^= i == 3 || i == 5;
		push_silence(FAR0, 4000, LOCAL0 + 2, i);
		push_datagram(FAR0, 4000, LOCAL0, bytes, n);
	}
	path_turn();
	for (uint16_t i = 0; i < 8; i++) {
		assert_true(frame_pop(1, &frame));
		assert_memory_equal(frame.bytes + UDP_DATA + 8, "\xcc\xcc\x00\x00", 4);
		assert_int_equal(frame.bytes[UDP_DATA + 3], i);
		if (i == 3 || i == 5)
			continue;
		assert_true(frame_pop(1, &frame));
		assert_memory_equal(frame.bytes + UDP_DATA + 8, "\xbb\xbb\x00\x00", 4);
		assert_int_equal(frame.bytes[UDP_DATA + 3], i);
		assert_int_equal(frame.bytes[UDP_DATA + 12], 0xff);
		assert_int_equal(frame.length, UDP_DATA + 172);
	}
	assert_false(frame_pop(1, &frame));
	assert_int_equal(drops(DROP_srtp_auth), 2);
	assert_int_equal(all_drops(), 2);
	srtp_dealloc(sender);
}

// Padding, CSRCs and an extension: what says how long they are is partly ciphered.
static void options_of_the_header_get_across(void **)
{
	static const uint8_t header[] = {0xb1, 0, 0, 1, 0, 0, 0, 160, 0x11, 0x22, 0x33, 0x44, 1, 2,
		3, 4, 0xbe, 0xde, 0, 1, 0x10, 0x55, 0, 0};
	srtp_t sender, receiver;
	struct frame frame;
	uint8_t bytes[FRAME_MAX] = {};

	peer_keys(&wanted.legs[0], SL_SRTP_AES_CM_128_HMAC_SHA1_80, 1);
	peer_keys(&wanted.legs[1], SL_SRTP_AEAD_AES_128_GCM, 101);
	sender = peer_sender(&wanted.legs[0].srtp_receive);
	receiver = peer_receiver(&wanted.legs[1].srtp_send);
	path_set(&wanted);
	memcpy(bytes, header, sizeof(header));
	bytes[sizeof(header) + 99] = 4; // of padding
	push_datagram(FAR0, 4000, LOCAL0, bytes, peer_protect(sender, bytes, sizeof(header) + 100));
	path_turn();
	assert_true(frame_pop(1, &frame));
	assert_int_equal(
		peer_unprotect(receiver, frame.bytes + UDP_DATA, frame.length - UDP_DATA), 124);
	assert_memory_equal(frame.bytes + UDP_DATA + 12, header + 12, 12);
	assert_int_equal(frame.bytes[UDP_DATA + 123], 4);
	srtp_dealloc(sender);
	srtp_dealloc(receiver);
}

static void a_codec_between_has_srtp_on_one_side(void **)
{
	srtp_t receiver;
	struct frame frame;
	unsigned int n = 0;

	peer_keys(&wanted.legs[1], SL_SRTP_AEAD_AES_128_GCM, 101);
	receiver = peer_receiver(&wanted.legs[1].srtp_send);
	wanted.legs[1].formats[0] = (struct sl_format){
		.name = "opus", .clock_hz = 48000, .channels = 2, .pt = 96, .receive_pt = 96};
	path_set(&wanted);
	for (uint16_t i = 0; i < 20; i++) {
		push_silence(FAR0, 4000, LOCAL0, i);
		path_turn();
	}
	for (; frame_pop(1, &frame); n++) {
		assert_true(peer_unprotect(receiver, frame.bytes + UDP_DATA,
				    frame.length - UDP_DATA) > 12);
		assert_int_equal(frame.bytes[UDP_DATA + 1] & 0x7f, 96);
	}
	assert_in_range(n, 18, 20);
	srtp_dealloc(receiver);
}

static void a_codec_gets_what_was_ciphered(void **)
{
	srtp_t sender;
	struct frame frame;
	uint8_t bytes[FRAME_MAX];
	unsigned int n = 0;

	peer_keys(&wanted.legs[0], SL_SRTP_AES_256_CM_HMAC_SHA1_80, 1);
	sender = peer_sender(&wanted.legs[0].srtp_receive);
	wanted.legs[1].formats[0] = (struct sl_format){
		.name = "opus", .clock_hz = 48000, .channels = 2, .pt = 96, .receive_pt = 96};
	path_set(&wanted);
	for (uint16_t i = 0; i < 20; i++) {
		push_datagram(FAR0, 4000, LOCAL0, bytes,
			peer_protect(sender, bytes, build_silence(bytes, i)));
		path_turn();
	}
	for (; frame_pop(1, &frame); n++)
		if (n > 3) // digital silence costs Opus next to nothing, noise would not
			assert_true(frame.length < UDP_DATA + 12 + 20);
	assert_in_range(n, 18, 20);
	srtp_dealloc(sender);
}

// ---- SRTCP ----

static unsigned int sender_report(uint8_t *out, uint32_t ssrc)
{
	const struct rtcp_sender sender = {.ntp = 0x0102030405060708, .timestamp = 1600};
	int report = rtcp_report_build(out, 512, ssrc, &sender, NULL, 0);
	int sdes = rtcp_sdes_build(out + report, 512, ssrc, "alice@192.168.1.2");

	assert_true(report > 0 && sdes > 0);
	return (unsigned int)(report + sdes);
}

static bool find_rtcp(unsigned int port, struct frame *frame)
{
	while (frame_pop(port, frame))
		if (frame->bytes[37] & 1) // to an odd port
			return true;
	return false;
}

static void check_relayed_report(enum sl_srtp_suite suite)
{
	srtp_t sender, receiver;
	struct rtcp_packet packet = {};
	uint8_t bytes[FRAME_MAX];
	struct frame frame;
	unsigned int n;

	peer_keys(&wanted.legs[0], suite, 1);
	peer_keys(&wanted.legs[1], suite, 101);
	sender = peer_sender(&wanted.legs[0].srtp_receive);
	receiver = peer_receiver(&wanted.legs[1].srtp_send);
	path_set(&wanted);
	push_datagram(
		FAR0, 4000, LOCAL0, bytes, peer_protect(sender, bytes, build_silence(bytes, 1)));
	push_datagram(FAR0, 4001, LOCAL0 + 1, bytes,
		peer_protect_rtcp(sender, bytes, sender_report(bytes, SSRC0)));
	path_turn();
	assert_true(find_rtcp(1, &frame));
	n = peer_unprotect_rtcp(receiver, frame.bytes + UDP_DATA, frame.length - UDP_DATA);
	assert_int_equal(rtcp_parse(frame.bytes + UDP_DATA, n, false), 0);
	assert_true(rtcp_next(frame.bytes + UDP_DATA, n, &packet));
	assert_int_equal(packet.pt, RTCP_SR);
	assert_int_equal(rtcp_sender_ssrc(&packet), SENT_SSRC);
	assert_int_equal(all_drops(), 0);
	push_datagram(FAR0, 4001, LOCAL0 + 1, bytes, sender_report(bytes, SSRC0));
	path_turn();
	assert_false(frame_pop(1, &frame));
	assert_int_equal(drops(DROP_srtp_auth), 1); // plain RTCP
	srtp_dealloc(sender);
	srtp_dealloc(receiver);
}

static void srtcp_is_relayed_under_the_other_key(void **)
{
	for (enum sl_srtp_suite suite = SL_SRTP_AES_CM_128_HMAC_SHA1_80;
		suite <= SL_SRTP_AEAD_AES_256_GCM; suite++) {
		check_relayed_report(suite);
		path_close();
		call_setup(NULL);
	}
}

static void our_own_reports_are_srtcp(void **)
{
	const struct leg_table *table = sessions_table(path.sessions);
	srtp_t receiver;
	struct rtcp_packet packet = {};
	struct frame frame;
	unsigned int n;

	peer_keys(&wanted.legs[1], SL_SRTP_AES_CM_128_HMAC_SHA1_32, 101);
	receiver = peer_receiver(&wanted.legs[1].srtp_send);
	wanted.legs[1].formats[0] = (struct sl_format){
		.name = "opus", .clock_hz = 48000, .channels = 2, .pt = 96, .receive_pt = 96};
	path_set(&wanted);
	for (uint16_t i = 0; i < 10; i++) {
		if (i == 5)
			table->addresses[2].slots[LOCAL1 - 20000]->tx.report_ns = 0;
		push_silence(FAR0, 4000, LOCAL0, i);
		path_turn();
	}
	assert_true(find_rtcp(1, &frame));
	n = peer_unprotect_rtcp(receiver, frame.bytes + UDP_DATA, frame.length - UDP_DATA);
	assert_int_equal(rtcp_parse(frame.bytes + UDP_DATA, n, false), 0);
	assert_true(rtcp_next(frame.bytes + UDP_DATA, n, &packet));
	assert_int_equal(packet.pt, RTCP_SR);
	assert_int_equal(rtcp_sender_ssrc(&packet), SENT_SSRC);
	srtp_dealloc(receiver);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CALL_TEST(srtp_to_rtp_is_what_went_in),
		CALL_TEST(rtp_to_srtp_is_what_libsrtp2_makes_of_it),
		CALL_TEST(srtp_to_srtp_changes_keys),
		CALL_TEST(suites_of_both_sides_may_differ_and_mkis_too),
		CALL_TEST(good_and_bad_packets_of_one_burst_do_not_mix),
		CALL_TEST(options_of_the_header_get_across),
		CALL_TEST(a_codec_between_has_srtp_on_one_side),
		CALL_TEST(a_codec_gets_what_was_ciphered),
		CALL_TEST(srtcp_is_relayed_under_the_other_key),
		CALL_TEST(our_own_reports_are_srtcp),
	};

	path_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
