// SRTP keys and SETs in mid-call: no packet is lost, no index used twice, no key told.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "clock.h"
#include "srtp_call.h"

static void a_replace_with_the_same_keys_goes_on(void **)
{
	struct wire seen;

	path_set(&wanted);
	seen = wire(65534);
	assert_true(passes(&seen));
	for (uint16_t i = 65535; i != 5; i++) { // ROC 1 on both sides
		wanted.legs[0].dscp = i & 63;
		wanted.legs[1].media_timeout_ms = i;
		path_set(&wanted);
		assert_true(next_passes(i));
		sessions_tick(path.sessions, clock_now_ns());
	}
	assert_false(passes(&seen));
	assert_int_equal(drops(DROP_srtp_replay), 1);
	assert_int_equal(report_now().stats[0].srtp_received.rtp_next, 0x10000 + 5);
	assert_int_equal(report_now().stats[1].srtp_sent.rtp_next, 0x10000 + 5);
}

static void assert_rekey_loses_nothing(uint8_t flags)
{
	struct wire late[3], seen;

	path_set(&wanted);
	for (uint16_t i = 0; i < 10; i++)
		assert_true(next_passes(i));
	seen = wire(10);
	assert_true(passes(&seen));
	for (uint16_t i = 0; i < 3; i++) // in flight when the keys change
		late[i] = wire((uint16_t)(11 + i));
	peer_keys(&wanted.legs[0], SL_SRTP_AEAD_AES_128_GCM, 60);
	peer_keys(&wanted.legs[1], SL_SRTP_AEAD_AES_256_GCM, 160);
	wanted.legs[1].srtp_send.flags = flags;
	path_set(&wanted);
	meet_sender();
	meet_receiver(); // gets the new key from the first packet on
	assert_true(passes(&late[0]));
	assert_true(next_passes(14));
	assert_true(passes(&late[2]));
	assert_true(passes(&late[1]));
	assert_false(passes(&seen)); // nor does the overlap let a replay in
	for (uint16_t i = 15; i < 300; i++)
		assert_true(next_passes(i));
	sessions_tick(path.sessions, clock_now_ns());
	assert_false(passes(&late[1]));
	assert_int_equal(all_drops(), 2);
}

static void new_keys_lose_no_packet(void **)
{
	assert_rekey_loses_nothing(0);
}

static void new_keys_with_a_new_roc_lose_no_packet(void **)
{
	assert_rekey_loses_nothing(SL_SRTP_RESTART);
}

// The ROC of what we send goes on with a new key, or begins again where control says so.
static void the_roc_after_a_new_key_is_as_wanted(void **)
{
	for (unsigned int restart = 0; restart < 2; restart++) {
		struct sl_srtp_indices sent;

		path_set(&wanted);
		for (uint16_t i = 65530; i != 5; i++)
			assert_true(next_passes(i));
		wanted.legs[1].srtp_send = peer_key(SUITE, (uint8_t)(200 + restart));
		wanted.legs[1].srtp_send.flags = restart ? SL_SRTP_RESTART : 0;
		path_set(&wanted);
		push_from(FAR0, 4000, &(struct wire[]){wire(5)}[0]);
		sent = report_now().stats[1].srtp_sent;
		assert_int_equal(sent.rtp_next, restart ? 6 : 0x10000 + 6);
		if (restart) {
			meet_receiver();
			assert_true(arrives());
		}
		srtp_call_teardown(NULL);
		srtp_call_setup(NULL);
	}
}

// Faster than packets come: what no worker ever saw goes without a trace.
static void keys_that_no_packet_used_are_skipped(void **)
{
	path_set(&wanted);
	assert_true(next_passes(1));
	for (uint8_t i = 0; i < 20; i++) {
		peer_keys(&wanted.legs[0], SUITE, (uint8_t)(10 + 2 * i));
		peer_keys(&wanted.legs[1], SUITE, (uint8_t)(110 + 2 * i));
		path_set(&wanted);
		if (i % 3 == 0)
			sessions_tick(path.sessions, clock_now_ns());
	}
	meet_sender();
	meet_receiver();
	assert_true(next_passes(2));
	for (uint8_t i = 0; i < 20; i++) { // and with each of these goes one packet
		peer_keys(&wanted.legs[0], SUITE, (uint8_t)(60 + 2 * i));
		peer_keys(&wanted.legs[1], SUITE, (uint8_t)(160 + 2 * i));
		path_set(&wanted);
		meet_sender();
		meet_receiver();
		assert_true(next_passes((uint16_t)(3 + i)));
	}
	assert_int_equal(all_drops(), 0);
}

// To plain RTP and back to the same key: the replay window has not been forgotten.
static void a_key_that_returns_goes_on(void **)
{
	struct sl_leg secure[2] = {wanted.legs[0], wanted.legs[1]};
	struct frame frame;
	struct wire seen;

	path_set(&wanted);
	seen = wire(1);
	assert_true(passes(&seen));
	for (unsigned int i = 0; i < 2; i++) {
		memset(&wanted.legs[i].srtp_receive, 0, sizeof(struct sl_srtp));
		memset(&wanted.legs[i].srtp_send, 0, sizeof(struct sl_srtp));
	}
	path_set(&wanted);
	push_silence(FAR0, 4000, LOCAL0, 2);
	path_turn();
	assert_true(frame_pop(1, &frame));
	assert_int_equal(frame.length, UDP_DATA + 172); // plain
	memcpy(wanted.legs, secure, sizeof(secure));
	path_set(&wanted);
	assert_false(passes(&seen));
	assert_int_equal(drops(DROP_srtp_replay), 1);
	assert_true(next_passes(3));
}

// After a failover: above what another node may have sent, and not below what it has received.
static void indices_can_be_resumed(void **)
{
	struct sl_srtp_indices sent;

	wanted.legs[1].ssrc = 0xbbbb0000;
	wanted.legs[1].srtp_send.resume =
		(struct sl_srtp_indices){.rtp_next = 0x50000, .rtcp_next = 77, .ssrc = 0xbbbb0000};
	wanted.legs[0].srtp_receive.resume =
		(struct sl_srtp_indices){.rtp_next = 10, .ssrc = 0x11223344};
	path_set(&wanted);
	push_from(FAR0, 4000, &(struct wire[]){wire(5)}[0]);
	assert_int_equal(drops(DROP_srtp_replay), 1);
	push_from(FAR0, 4000, &(struct wire[]){wire(10)}[0]);
	sent = report_now().stats[1].srtp_sent;
	assert_int_equal(sent.rtp_next, 0x5000b);
	assert_int_equal(sent.rtcp_next, 77);
	assert_int_equal(sent.ssrc, 0xbbbb0000);
	assert_int_equal(report_now().stats[0].srtp_received.rtp_next, 11);
}

static void assert_no_secret(const void *where, size_t bytes)
{
	for (unsigned int i = 0; i < 2; i++) {
		const struct sl_leg *leg = &wanted.legs[i];

		assert_null(memmem(where, bytes, leg->srtp_receive.key, 16));
		assert_null(memmem(where, bytes, leg->srtp_send.key, 16));
		assert_null(memmem(where, bytes, leg->srtp_receive.salt, 12));
		assert_null(memmem(where, bytes, leg->srtp_send.salt, 12));
	}
}

static void no_answer_carries_a_key(void **)
{
	struct sl_session answer = path_set(&wanted);
	struct sl_session_report report = report_now();
	struct sl_session again;
	const char *why = "";

	assert_no_secret(&answer, sizeof(answer));
	assert_no_secret(&report, sizeof(report));
	assert_int_equal(report.session.legs[0].srtp_receive.suite, SUITE);
	assert_int_equal(session_set(path.sessions, &report.session, NULL, &again, &why), -EINVAL);
	assert_string_equal(why, "srtp: no key");
	wanted.legs[0].local.port = 20001; // refused, so nothing is kept of it either
	assert_int_equal(session_set(path.sessions, &wanted, NULL, &again, &why), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SRTP_TEST(a_replace_with_the_same_keys_goes_on),
		SRTP_TEST(new_keys_lose_no_packet),
		SRTP_TEST(new_keys_with_a_new_roc_lose_no_packet),
		SRTP_TEST(the_roc_after_a_new_key_is_as_wanted),
		SRTP_TEST(keys_that_no_packet_used_are_skipped),
		SRTP_TEST(a_key_that_returns_goes_on),
		SRTP_TEST(indices_can_be_resumed),
		SRTP_TEST(no_answer_carries_a_key),
	};

	path_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
