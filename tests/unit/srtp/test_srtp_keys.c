// What SRTP does with damage, and with keys that change; every test on both backends.
#include "srtp_fixture.h"

#define SSRC 0x11223344

// ---- authentication ----

static void every_damaged_byte_is_noticed(void **state)
{
	for (unsigned int suite = 0; suite < N_SRTP_SUITES; suite++) {
		struct link link = link_create(state, suite, 5);
		struct wire rtp = sent(&link, SSRC, 77), rtcp = sent_rtcp(&link, SSRC);

		for (unsigned int i = 0; i < rtp.length; i++)
			for (unsigned int bit = 0; bit < 8; bit++) {
				struct wire bad = rtp;

				bad.data[i] ^= 1 << bit;
				assert_true(received(&link, &bad) != SRTP_STATUS_OK);
			}
		for (unsigned int i = 0; i < rtcp.length; i++)
			for (unsigned int bit = 0; bit < 8; bit++) {
				struct wire bad = rtcp;

				bad.data[i] ^= 1 << bit;
				assert_true(received_rtcp(&link, &bad) != SRTP_STATUS_OK);
			}
		// None of that left a trace.
		assert_int_equal(indices_of(link.receiver, SSRC).rtp_next, 0);
		assert_int_equal(srtp_context_export(link.receiver, NULL, 0), 0);
		assert_status(received(&link, &rtp), "ok");
		assert_status(received_rtcp(&link, &rtcp), "ok");
		link_destroy(&link);
	}
}

static void forged_packets_move_no_index(void **state)
{
	struct link link = link_create(state, SRTP_SUITE_AES_CM_128_HMAC_SHA1_80, 5);
	struct wire wire = sent(&link, SSRC, 100), forged;

	assert_status(received(&link, &wire), "ok");
	for (unsigned int sequence = 0; sequence < 65536; sequence += 113) {
		forged = wire;
		forged.data[2] = sequence >> 8;
		forged.data[3] = sequence;
		assert_true(received(&link, &forged) != SRTP_STATUS_OK);
	}
	assert_int_equal(indices_of(link.receiver, SSRC).rtp_next, 101);
	wire = sent(&link, SSRC, 101);
	assert_status(received(&link, &wire), "ok");
	link_destroy(&link);
}

static void other_keys_do_not_open(void **state)
{
	for (unsigned int suite = 0; suite < N_SRTP_SUITES; suite++) {
		struct link link = link_create(state, suite, 5);
		struct link other = link_create(state, suite, 6);
		struct wire rtp = sent(&link, SSRC, 1), rtcp = sent_rtcp(&link, SSRC);

		assert_status(received(&other, &rtp), "auth");
		assert_status(received_rtcp(&other, &rtcp), "auth");
		// SRTP is not SRTCP under the same master key.
		assert_true(received_rtcp(&link, &rtp) != SRTP_STATUS_OK);
		assert_true(received(&link, &rtcp) != SRTP_STATUS_OK);
		link_destroy(&link);
		link_destroy(&other);
	}
}

// ---- keys ----

static struct srtp_context *rekeyed(struct link *link, enum srtp_suite suite,
	enum srtp_direction direction, unsigned int seed, bool restart)
{
	struct srtp_context *context = fixture_context(link->engine, suite, direction, seed);

	srtp_context_take_over(link->engine, context,
		direction == SRTP_SEND ? link->sender : link->receiver, restart);
	return context;
}

// Sender and receiver change at different times, with packets of the old key still on their way,
// from any suite to any other: none is lost.
static void rekey_loses_no_packet(void **state)
{
	for (unsigned int from = 0; from < N_SRTP_SUITES; from++)
		for (unsigned int to = 0; to < N_SRTP_SUITES; to++) {
			struct link link = link_create(state, from, 10);
			struct wire late[4], wire;
			uint16_t sequence = 65500;

			for (unsigned int i = 0; i < 100; i++) {
				wire = sent(&link, SSRC, sequence++);
				assert_status(received(&link, &wire), "ok");
			}
			link.receiver = rekeyed(&link, to, SRTP_RECEIVE, 11, false);
			for (unsigned int i = 0; i < 200; i++) {
				wire = sent(&link, SSRC, sequence++);
				assert_status(received(&link, &wire), "ok");
				assert_status(received(&link, &wire), "replay");
			}
			assert_null(srtp_context_detach_old(link.receiver, false));
			for (unsigned int i = 0; i < 4; i++)
				late[i] = sent(&link, SSRC, sequence++);
			link.sender = rekeyed(&link, to, SRTP_SEND, 11, false);
			for (unsigned int i = 0; i < SRTP_WINDOW; i++) {
				wire = sent(&link, SSRC, sequence++);
				assert_status(received(&link, &wire), "ok");
				if (i < 4)
					assert_status(received(&link, &late[i]), "ok");
				wire = sent_rtcp(&link, SSRC);
				if (i == 3)
					assert_status(received_rtcp(&link, &wire), "ok");
			}
			link_destroy(&link);
		}
}

static void old_key_is_returned_when_its_time_is_over(void **state)
{
	struct link link = link_create(state, SRTP_SUITE_AES_CM_128_HMAC_SHA1_80, 10);
	struct srtp_context *first_receiver = link.receiver, *first_sender = link.sender;
	struct wire wire = sent(&link, SSRC, 1), old = sent(&link, SSRC, 2);

	assert_status(received(&link, &wire), "ok");
	link.sender = rekeyed(&link, SRTP_SUITE_AEAD_AES_128_GCM, SRTP_SEND, 11, false);
	link.receiver = rekeyed(&link, SRTP_SUITE_AEAD_AES_128_GCM, SRTP_RECEIVE, 11, false);
	assert_ptr_equal(srtp_context_detach_old(link.sender, false), first_sender);
	srtp_context_destroy(first_sender);
	for (unsigned int i = 0; i < SRTP_WINDOW; i++) {
		assert_null(srtp_context_detach_old(link.receiver, false));
		wire = sent(&link, SSRC, 3 + i);
		assert_status(received(&link, &wire), "ok");
	}
	assert_status(received(&link, &old), "late");
	assert_ptr_equal(srtp_context_detach_old(link.receiver, false), first_receiver);
	assert_null(srtp_context_detach_old(link.receiver, true));
	srtp_context_destroy(first_receiver);
	link_destroy(&link);
}

static void new_key_may_begin_at_roc_0(void **state)
{
	for (unsigned int suite = 0; suite < N_SRTP_SUITES; suite++)
		for (unsigned int restart = 0; restart < 2; restart++) {
			struct link link = link_create(state, suite, 10);
			uint64_t roc = restart ? 0 : 1;
			struct wire wire;

			for (unsigned int i = 0; i < 4; i++) {
				wire = sent(&link, SSRC, i * 30000);
				assert_status(received(&link, &wire), "ok");
			}
			link.sender = rekeyed(&link, suite, SRTP_SEND, 11, restart);
			link.receiver = rekeyed(&link, suite, SRTP_RECEIVE, 11, false);
			wire = sent(&link, SSRC, (uint16_t)90001);
			assert_status(received(&link, &wire), "ok");
			assert_int_equal(indices_of(link.receiver, SSRC).rtp_next,
				roc * 65536 + (uint16_t)90001 + 1);
			wire = sent_rtcp(&link, SSRC);
			assert_status(received_rtcp(&link, &wire), "ok");
			link_destroy(&link);
		}
}

// Setting a session again may bring the key that is in use: then nothing begins anew, whatever was
// asked for, or an index would be sent, or a replay taken, for a second time.
static void same_key_again_changes_nothing(void **state)
{
	for (unsigned int suite = 0; suite < N_SRTP_SUITES; suite++) {
		struct link link = link_create(state, suite, 10);
		struct wire wires[10], again;

		for (unsigned int i = 0; i < 10; i++) {
			wires[i] = sent(&link, SSRC, i);
			assert_status(received(&link, &wires[i]), "ok");
		}
		link.sender = rekeyed(&link, suite, SRTP_SEND, 10, true);
		link.receiver = rekeyed(&link, suite, SRTP_RECEIVE, 10, true);
		for (unsigned int i = 0; i < 10; i++) {
			assert_status(received(&link, &wires[i]), "replay");
			again = rtp_packet(SSRC, i, 60);
			assert_status(protect(link.engine, link.sender, &again, false), "replay");
		}
		again = sent(&link, SSRC, 10);
		assert_status(received(&link, &again), "ok");
		assert_status(received(&link, &again), "replay");
		link_destroy(&link);
	}
}

static void two_rekeys_in_flight_lose_no_packet(void **state)
{
	struct link link = link_create(state, SRTP_SUITE_AES_CM_128_HMAC_SHA1_80, 10);
	struct wire wires[3];

	wires[0] = sent(&link, SSRC, 1);
	link.sender = rekeyed(&link, SRTP_SUITE_AEAD_AES_128_GCM, SRTP_SEND, 11, false);
	wires[1] = sent(&link, SSRC, 2);
	link.sender = rekeyed(&link, SRTP_SUITE_AES_256_CM_HMAC_SHA1_32, SRTP_SEND, 12, false);
	wires[2] = sent(&link, SSRC, 3);
	link.receiver = rekeyed(&link, SRTP_SUITE_AEAD_AES_128_GCM, SRTP_RECEIVE, 11, false);
	link.receiver = rekeyed(&link, SRTP_SUITE_AES_256_CM_HMAC_SHA1_32, SRTP_RECEIVE, 12, false);
	for (unsigned int i = 0; i < 3; i++)
		assert_status(received(&link, &wires[i]), "ok");
	link_destroy(&link);
}

static struct srtp_context *mki_context(struct link *link, enum srtp_suite suite,
	enum srtp_direction direction, unsigned int number)
{
	struct srtp_keying keying;
	struct srtp_context *context;

	fixture_keying(&keying, suite, direction, number);
	keying.mki_bytes = 4;
	keying.mki[3] = number;
	context = srtp_context_create(link->engine, &keying);
	assert_non_null(context);
	return context;
}

static void mki_chooses_the_key(void **state)
{
	for (unsigned int suite = 0; suite < N_SRTP_SUITES; suite++) {
		struct link link = {.engine = fixture_engine(*state)};
		struct srtp_context *next;
		struct wire old, wire;

		link.sender = mki_context(&link, suite, SRTP_SEND, 1);
		link.receiver = mki_context(&link, suite, SRTP_RECEIVE, 1);
		wire = sent(&link, SSRC, 1);
		assert_int_equal(wire.length, 60 + 4 + srtp_suite_infos[suite].rtp_tag_bytes);
		assert_status(received(&link, &wire), "ok");
		old = sent(&link, SSRC, 2);

		next = mki_context(&link, suite, SRTP_SEND, 2);
		srtp_context_take_over(link.engine, next, link.sender, false);
		link.sender = next;
		wire = sent(&link, SSRC, 3);
		assert_status(received(&link, &wire), "mki");
		next = mki_context(&link, suite, SRTP_RECEIVE, 2);
		srtp_context_take_over(link.engine, next, link.receiver, false);
		link.receiver = next;
		assert_status(received(&link, &wire), "ok");
		assert_status(received(&link, &old), "ok");
		wire = sent_rtcp(&link, SSRC);
		assert_status(received_rtcp(&link, &wire), "ok");
		link_destroy(&link);
	}
}

static void e_bit_tells_whether_srtcp_is_encrypted(void **state)
{
	for (unsigned int suite = 0; suite < N_SRTP_SUITES; suite++) {
		struct link link = link_create(state, suite, 1);
		struct srtp_context *plain, *encrypting = link.sender;
		struct wire wire, clear = rtcp_packet(SSRC, 28);
		const struct srtp_indices later = {.ssrc = SSRC, .rtcp_next = 100};
		struct srtp_keying keying;

		fixture_keying(&keying, suite, SRTP_SEND, 1);
		keying.plain_srtcp = true;
		plain = srtp_context_create(link.engine, &keying);
		assert_non_null(plain);
		assert_int_equal(srtp_context_import(plain, &later, 1), 0);
		wire = sent_rtcp(&link, SSRC);
		assert_memory_not_equal(wire.data + 8, clear.data + 8, 20);
		assert_status(received_rtcp(&link, &wire), "ok");
		link.sender = plain;
		wire = sent_rtcp(&link, SSRC);
		assert_memory_equal(wire.data, clear.data, 28);
		assert_status(received_rtcp(&link, &wire), "ok");
		assert_status(received_rtcp(&link, &wire), "replay");
		srtp_context_destroy(encrypting);
		link_destroy(&link);
	}
}

// The old key is tried first, and must leave the packet as it was.
static void plain_srtcp_is_read_through_a_rekey(void **state)
{
	for (unsigned int suite = 0; suite < N_SRTP_SUITES; suite++) {
		struct link link = link_create(state, suite, 1);
		struct wire wire = sent_rtcp(&link, SSRC);
		struct srtp_context *plain;
		struct srtp_keying keying;

		assert_status(received_rtcp(&link, &wire), "ok");
		fixture_keying(&keying, suite, SRTP_SEND, 2);
		keying.plain_srtcp = true;
		plain = srtp_context_create(link.engine, &keying);
		assert_non_null(plain);
		srtp_context_take_over(link.engine, plain, link.sender, false);
		link.sender = plain;
		link.receiver = rekeyed(&link, suite, SRTP_RECEIVE, 2, false);
		wire = sent_rtcp(&link, SSRC);
		assert_status(received_rtcp(&link, &wire), "ok");
		link_destroy(&link);
	}
}

#define TESTS(X)                                     \
	X(every_damaged_byte_is_noticed)             \
	X(forged_packets_move_no_index)              \
	X(other_keys_do_not_open)                    \
	X(rekey_loses_no_packet)                     \
	X(old_key_is_returned_when_its_time_is_over) \
	X(new_key_may_begin_at_roc_0)                \
	X(same_key_again_changes_nothing)            \
	X(two_rekeys_in_flight_lose_no_packet)       \
	X(mki_chooses_the_key)                       \
	X(e_bit_tells_whether_srtcp_is_encrypted)    \
	X(plain_srtcp_is_read_through_a_rekey)

int main(void)
{
	const struct CMUnitTest tests[] = {ON_BOTH(TESTS)};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	fixture_fini();
	return failed;
}
