// One leg feeds several: recording, forking. Each copy is its leg's own.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "call.h"
#include "srtp_peer.h"

static const struct sl_format pcma = {
	.name = "PCMA", .clock_hz = 8000, .channels = 1, .pt = 8, .receive_pt = 8};
static const struct sl_format opus = {
	.name = "opus", .clock_hz = 48000, .channels = 2, .pt = 96, .receive_pt = 96};

// Leg 0 feeds legs 1 to n - 1, whose far ends are at port 5000 + index.
static void fork_into(unsigned int n_legs)
{
	for (unsigned int i = 1; i < n_legs; i++) {
		wanted.legs[i] = wanted.legs[1];
		wanted.legs[i].source = 0;
		wanted.legs[i].ssrc = 0xbbbb0000 + i;
		wanted.legs[i].local.port = (uint16_t)(LOCAL1 + 2 * i);
		wanted.legs[i].remote.port = (uint16_t)(5000 + i);
	}
	wanted.n_legs = (uint8_t)n_legs;
}

static void send_one(uint16_t sequence)
{
	push_silence(FAR0, 4000, LOCAL0, sequence);
	path_turn();
}

// What came out for each leg; the test fails where there are two.
static void collect_copies(struct frame copies[SL_LEGS_MAX])
{
	struct frame frame;

	memset(copies, 0, SL_LEGS_MAX * sizeof(*copies));
	while (frame_pop(1, &frame)) {
		unsigned int i = half_at(&frame, 36) - 5000u;

		assert_in_range(i, 1, SL_LEGS_MAX - 1);
		assert_int_equal(copies[i].length, 0);
		copies[i] = frame;
	}
}

static void each_copy_is_its_legs_own(void **)
{
	static struct frame copies[SL_LEGS_MAX];

	for (unsigned int n = 3; n <= SL_LEGS_MAX; n++) {
		fork_into(n);
		path_set(&wanted);
		send_one((uint16_t)n);
		collect_copies(copies);
		for (unsigned int i = 1; i < SL_LEGS_MAX; i++) {
			assert_int_equal(copies[i].length, i < n ? UDP_DATA + 172 : 0);
			if (i < n)
				assert_int_equal(word_at(&copies[i], UDP_DATA + 8), 0xbbbb0000 + i);
		}
	}
	assert_int_equal(worker_counter("worker.0.copied"), 1 + 2 + 3 + 4 + 5 + 6);
	assert_int_equal(all_drops(), 0);
}

static void forks_differ_in_format_keys_and_ssrc(void **)
{
	static struct frame copies[SL_LEGS_MAX];
	unsigned int n_opus = 0;
	srtp_t receiver;

	fork_into(5);
	wanted.legs[1].formats[0] = opus;
	wanted.legs[2].formats[0] = pcma;
	peer_keys(&wanted.legs[3], SL_SRTP_AEAD_AES_128_GCM, 1);
	wanted.legs[4].flags |= SL_LEG_TRANSPARENT_SSRC;
	path_set(&wanted);
	receiver = peer_receiver(&wanted.legs[3].srtp_send);
	for (uint16_t i = 1; i <= 5; i++) {
		send_one(i);
		collect_copies(copies);
		n_opus += copies[1].length != 0;
		if (copies[1].length)
			assert_int_equal(copies[1].bytes[UDP_DATA + 1] & 0x7f, 96);
		assert_int_equal(copies[2].bytes[UDP_DATA + 1] & 0x7f, 8);
		assert_int_equal(copies[2].bytes[UDP_DATA + 12], 0xd5); // silence by the other law
		assert_int_equal(copies[3].length, UDP_DATA + 172 + 16);
		assert_int_equal(
			peer_unprotect(receiver, copies[3].bytes + UDP_DATA, 172 + 16), 172);
		assert_int_equal(copies[3].bytes[UDP_DATA + 12], 0xff);
		assert_int_equal(word_at(&copies[4], UDP_DATA + 8), SSRC0);
		assert_int_equal(sequence_of(&copies[4]), i);
		assert_int_equal(copies[4].bytes[UDP_DATA + 12], 0xff);
	}
	assert_true(n_opus >= 3);
	srtp_dealloc(receiver);
}

static void a_fork_goes_and_the_others_do_not_notice(void **)
{
	static struct frame before[SL_LEGS_MAX], after[SL_LEGS_MAX];

	fork_into(6);
	wanted.legs[2].formats[0] = opus;
	path_set(&wanted);
	send_one(1);
	send_one(2);
	for (unsigned int i = 0; i < 2; i++) { // one in the middle, then the last
		discard_output();
		send_one((uint16_t)(3 + 2 * i));
		collect_copies(before);
		if (i == 0)
			wanted.legs[3].source = SL_NO_LEG;
		else
			wanted.n_legs = 5;
		path_set(&wanted);
		send_one((uint16_t)(4 + 2 * i));
		collect_copies(after);
		for (unsigned int leg = 1; leg < 6; leg++) {
			bool gone = leg == 3 || (leg == 5 && i == 1);

			assert_int_equal(after[leg].length != 0, !gone);
			if (!gone)
				assert_int_equal(sequence_of(&after[leg]),
					(uint16_t)(sequence_of(&before[leg]) + 1));
		}
	}
	assert_int_equal(report_now().stats[0].lost, 0);
	assert_int_equal(all_drops(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CALL_TEST(each_copy_is_its_legs_own),
		CALL_TEST(forks_differ_in_format_keys_and_ssrc),
		CALL_TEST(a_fork_goes_and_the_others_do_not_notice),
	};

	path_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
