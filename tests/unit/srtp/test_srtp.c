// What SRTP does with indices, replays, SSRCs, keys and damage; every test on both backends.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "srtp_fixture.h"

#define SSRC 0x11223344

// A sender and a receiver of one key.
struct link {
	struct srtp_engine *engine;
	struct srtp_context *sender;
	struct srtp_context *receiver;
};

static struct link link_create(void **state, enum srtp_suite suite, unsigned int seed)
{
	struct link link = {.engine = fixture_engine(*state)};

	link.sender = fixture_context(link.engine, suite, SRTP_SEND, seed);
	link.receiver = fixture_context(link.engine, suite, SRTP_RECEIVE, seed);
	return link;
}

static void link_destroy(struct link *link)
{
	srtp_context_destroy(link->sender);
	srtp_context_destroy(link->receiver);
}

static struct wire sent(struct link *link, uint32_t ssrc, uint16_t sequence)
{
	struct wire wire = rtp_packet(ssrc, sequence, 60);

	assert_status(protect(link->engine, link->sender, &wire, false), "ok");
	return wire;
}

static struct wire sent_rtcp(struct link *link, uint32_t ssrc)
{
	struct wire wire = rtcp_packet(ssrc, 28);

	assert_status(protect(link->engine, link->sender, &wire, true), "ok");
	return wire;
}

static enum srtp_status received(struct link *link, const struct wire *wire)
{
	struct wire copy = *wire;

	return unprotect(link->engine, link->receiver, &copy, false);
}

static enum srtp_status received_rtcp(struct link *link, const struct wire *wire)
{
	struct wire copy = *wire;

	return unprotect(link->engine, link->receiver, &copy, true);
}

static struct srtp_indices indices_of(const struct srtp_context *context, uint32_t ssrc)
{
	struct srtp_indices indices[SRTP_SSRCS_MAX];
	unsigned int n = srtp_context_export(context, indices, SRTP_SSRCS_MAX);

	for (unsigned int i = 0; i < n; i++)
		if (indices[i].ssrc == ssrc)
			return indices[i];
	return (struct srtp_indices){0};
}

// ---- indices ----

static void late_packets_around_a_wrap_are_read(void **state)
{
	static const uint16_t order[] = {65533, 65535, 1, 65534, 0, 3, 65532, 2, 32000, 64000, 100,
		63990, 99, 32768, 65535, 5};

	for (unsigned int suite = 0; suite < N_SRTP_SUITES; suite++) {
		struct link link = link_create(state, suite, suite);

		for (unsigned int i = 0; i < sizeof(order) / sizeof(order[0]) - 1; i++) {
			struct wire wire = rtp_packet(SSRC, order[i], 60);
			enum srtp_status status = protect(link.engine, link.sender, &wire, false);

			// 63990 comes 1646 packets late: neither side takes it.
			if (order[i] == 63990) {
				assert_status(status, "late");
				continue;
			}
			assert_status(status, "ok");
			assert_status(received(&link, &wire), "ok");
			assert_status(received(&link, &wire), "replay");
		}
		assert_int_equal(indices_of(link.receiver, SSRC).rtp_next, 3 * 65536);
		link_destroy(&link);
	}
}

static void receiver_follows_a_gap_below_32768_and_no_larger_one(void **state)
{
	struct link link = link_create(state, SRTP_SUITE_AES_CM_128_HMAC_SHA1_80, 1);
	struct wire wire = sent(&link, SSRC, 40000);

	assert_status(received(&link, &wire), "ok");
	wire = sent(&link, SSRC, 40000 + 32767 - 65536);
	assert_status(received(&link, &wire), "ok");
	assert_int_equal(indices_of(link.receiver, SSRC).rtp_next, 40000 + 32767 + 1);
	// Lost on the way: two steps, of 20000 each, that the receiver sees as one of 40000.
	sent(&link, SSRC, 7231 + 20000);
	wire = sent(&link, SSRC, 7231 + 40000);
	assert_status(received(&link, &wire), "late");
	link_destroy(&link);
}

static void sender_does_not_go_before_its_first_packet(void **state)
{
	struct link link = link_create(state, SRTP_SUITE_AES_CM_128_HMAC_SHA1_80, 1);
	struct wire wire = sent(&link, SSRC, 3), before = rtp_packet(SSRC, 65530, 60);

	assert_status(received(&link, &wire), "ok");
	assert_status(protect(link.engine, link.sender, &before, false), "late");
	wire = sent(&link, SSRC, 4);
	assert_status(received(&link, &wire), "ok");
	link_destroy(&link);
}

static void sender_sends_no_index_twice(void **state)
{
	static const struct {
		uint16_t sequence;
		const char *status;
	} steps[] = {
		{1000, "ok"},
		{1000, "replay"},
		{1002, "ok"},
		{1001, "ok"}, // late, and never sent before
		{1001, "replay"},
		{1128, "ok"},
		{1001, "replay"},
		{1000, "late"},
		{999, "late"},
		{1003, "ok"},
		{1003, "replay"},
	};
	struct link link = link_create(state, SRTP_SUITE_AEAD_AES_128_GCM, 1);

	for (unsigned int i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct wire wire = rtp_packet(SSRC, steps[i].sequence, 60);

		assert_status(protect(link.engine, link.sender, &wire, false), steps[i].status);
		if (!strcmp(steps[i].status, "ok"))
			assert_status(received(&link, &wire), "ok");
	}
	link_destroy(&link);
}

static void replays_are_refused(void **state)
{
	static struct wire wires[300], rtcp[300];
	struct link link = link_create(state, SRTP_SUITE_AES_CM_128_HMAC_SHA1_32, 9);

	for (unsigned int i = 0; i < 300; i++) {
		wires[i] = sent(&link, SSRC, i);
		rtcp[i] = sent_rtcp(&link, SSRC);
	}
	for (unsigned int i = 0; i < 300; i += 2) {
		assert_status(received(&link, &wires[i]), "ok");
		assert_status(received_rtcp(&link, &rtcp[i]), "ok");
	}
	for (unsigned int i = 0; i < 300; i++) {
		bool late = i + SRTP_WINDOW <= 298;
		const char *expected = late ? "late" : i % 2 ? "ok" : "replay";

		assert_status(received(&link, &wires[i]), expected);
		assert_status(received_rtcp(&link, &rtcp[i]), expected);
	}
	link_destroy(&link);
}

static void copies_in_one_burst_pass_once(void **state)
{
	for (unsigned int suite = 0; suite < N_SRTP_SUITES; suite++) {
		struct link link = link_create(state, suite, 2);
		struct wire wire = sent(&link, SSRC, 7), copies[3] = {wire, wire, wire};
		struct srtp_job jobs[3];

		for (unsigned int i = 0; i < 3; i++)
			jobs[i] = (struct srtp_job){
				.context = link.receiver,
				.packet = copies[i].data,
				.length = wire.length,
			};
		srtp_unprotect_burst(link.engine, jobs, 3);
		assert_status(jobs[0].status, "ok");
		assert_status(jobs[1].status, "replay");
		assert_status(jobs[2].status, "replay");
		link_destroy(&link);
	}
}

// Where packets of one burst depend on each other, the burst must do as single packets do.
static void burst_of_one_stream_is_as_one_by_one(void **state)
{
	enum { N = 60 };
	static struct wire wires[N];
	struct link link = link_create(state, SRTP_SUITE_AES_CM_128_HMAC_SHA1_80, 2);
	struct srtp_job jobs[N];

	for (unsigned int i = 0; i < N; i++) {
		wires[i] = sent(&link, SSRC, 65000 + i * 500);
		jobs[i] = (struct srtp_job){
			.context = link.receiver,
			.packet = wires[i].data,
			.length = wires[i].length,
		};
	}
	srtp_unprotect_burst(link.engine, jobs, N);
	for (unsigned int i = 0; i < N; i++) {
		struct wire clear = rtp_packet(SSRC, 65000 + i * 500, 60);

		assert_status(jobs[i].status, "ok");
		assert_memory_equal(wires[i].data, clear.data, clear.length);
	}
	assert_int_equal(indices_of(link.receiver, SSRC).rtp_next, 65000 + (N - 1) * 500 + 1);
	link_destroy(&link);
}

static void key_ends_at_the_last_index(void **state)
{
	const struct srtp_indices end = {
		.ssrc = SSRC, .rtp_next = UINT64_C(0xfffffffffffe), .rtcp_next = 0x7ffffffe};

	for (unsigned int suite = 0; suite < N_SRTP_SUITES; suite++) {
		struct link link = link_create(state, suite, 3);
		struct wire wire;

		assert_int_equal(srtp_context_import(link.sender, &end, 1), 0);
		assert_int_equal(srtp_context_import(link.receiver, &end, 1), 0);
		for (unsigned int i = 0; i < 2; i++) {
			wire = sent(&link, SSRC, 0xfffe + i);
			assert_status(received(&link, &wire), "ok");
			wire = sent_rtcp(&link, SSRC);
			assert_status(received_rtcp(&link, &wire), "ok");
		}
		for (unsigned int i = 0; i < 2; i++) {
			wire = rtp_packet(SSRC, i, 60);
			assert_status(protect(link.engine, link.sender, &wire, false), "limit");
			wire = rtcp_packet(SSRC, 28);
			assert_status(protect(link.engine, link.sender, &wire, true), "limit");
		}
		assert_int_equal(indices_of(link.sender, SSRC).rtp_next, UINT64_C(1) << 48);
		assert_int_equal(indices_of(link.sender, SSRC).rtcp_next, 1u << 31);
		link_destroy(&link);
	}
}

// ---- failover ----

static void importer_continues_where_the_exporter_was(void **state)
{
	struct link link = link_create(state, SRTP_SUITE_AEAD_AES_256_GCM, 4);
	struct link other = link_create(state, SRTP_SUITE_AEAD_AES_256_GCM, 4);
	struct srtp_indices indices[2];
	struct wire wire, old;

	for (unsigned int i = 0; i < 5; i++) {
		old = sent(&link, SSRC, i * 30000);
		assert_status(received(&link, &old), "ok");
		wire = sent_rtcp(&link, SSRC);
		assert_status(received_rtcp(&link, &wire), "ok");
	}
	assert_int_equal(srtp_context_export(link.sender, indices, 2), 1);
	assert_int_equal(indices[0].rtp_next, 120001);
	assert_int_equal(indices[0].rtcp_next, 6);
	assert_int_equal(srtp_context_import(other.sender, indices, 1), 0);
	assert_int_equal(srtp_context_export(link.receiver, indices, 2), 1);
	assert_int_equal(srtp_context_import(other.receiver, indices, 1), 0);

	assert_status(received(&other, &old), "replay");
	assert_status(received_rtcp(&other, &wire), "replay");
	wire = sent(&other, SSRC, (uint16_t)120001);
	assert_status(received(&other, &wire), "ok");
	assert_status(received(&link, &wire), "ok");
	wire = sent_rtcp(&other, SSRC);
	assert_status(received_rtcp(&link, &wire), "ok");
	link_destroy(&link);
	link_destroy(&other);
}

static void import_never_lowers(void **state)
{
	struct link link = link_create(state, SRTP_SUITE_AES_CM_128_HMAC_SHA1_80, 4);
	struct srtp_indices low = {.ssrc = SSRC, .rtp_next = 5, .rtcp_next = 1}, now;
	struct srtp_indices bad = {.ssrc = SSRC, .rtp_next = (UINT64_C(1) << 48) + 1};

	sent(&link, SSRC, 1000);
	sent_rtcp(&link, SSRC);
	assert_int_equal(srtp_context_import(link.sender, &low, 1), 0);
	now = indices_of(link.sender, SSRC);
	assert_int_equal(now.rtp_next, 1001);
	assert_int_equal(now.rtcp_next, 2);
	assert_int_equal(srtp_context_import(link.sender, &bad, 1), -EINVAL);
	bad = (struct srtp_indices){.ssrc = SSRC, .rtcp_next = (1u << 31) + 1};
	assert_int_equal(srtp_context_import(link.sender, &bad, 1), -EINVAL);
	link_destroy(&link);
}

// Random traffic with losses, repetitions, reordering and fail-overs to a node that knows an export
// that is some packets old and adds to it: no index may leave twice, as its packet would show.
static void no_index_is_ever_reused(void **state)
{
	enum { STEPS = 20000, MARGIN = 64 };
	static uint8_t used[STEPS * 8];
	struct srtp_engine *engine = fixture_engine(*state);
	struct srtp_context *sender =
		fixture_context(engine, SRTP_SUITE_AES_CM_128_HMAC_SHA1_32, SRTP_SEND, 6);
	struct srtp_indices checkpoint = {.ssrc = SSRC};
	uint32_t random = 99;
	unsigned int next = 60000, n_sent = 0, n_refused = 0;

	memset(used, 0, sizeof(used));
	for (unsigned int i = 0; i < STEPS; i++) {
		unsigned int index = next - fixture_random(&random) % 140;
		struct wire wire = rtp_packet(SSRC, index, 20);

		if (protect(engine, sender, &wire, false) == SRTP_STATUS_OK) {
			assert_false(used[index]);
			used[index] = 1;
			n_sent++;
		} else {
			n_refused++;
		}
		next += fixture_random(&random) % 3;
		if (i % 50 == 0)
			checkpoint = indices_of(sender, SSRC);
		if (i % 997 == 0) {
			srtp_context_destroy(sender);
			sender = fixture_context(
				engine, SRTP_SUITE_AES_CM_128_HMAC_SHA1_32, SRTP_SEND, 6);
			checkpoint.rtp_next += 2 * MARGIN;
			assert_int_equal(srtp_context_import(sender, &checkpoint, 1), 0);
		}
	}
	assert_true(n_sent > STEPS / 4);
	assert_true(n_refused > STEPS / 20);
	srtp_context_destroy(sender);
}

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

// ---- SSRCs ----

static void every_ssrc_has_an_index_of_its_own(void **state)
{
	struct link link = link_create(state, SRTP_SUITE_AES_CM_128_HMAC_SHA1_80, 7);
	struct wire wire;

	for (unsigned int i = 0; i < SRTP_SSRCS; i++)
		for (unsigned int packet = 0; packet < 4; packet++) {
			wire = sent(&link, i, 50000 + i + packet * 10000);
			assert_status(received(&link, &wire), "ok");
			wire = sent_rtcp(&link, i);
			assert_status(received_rtcp(&link, &wire), "ok");
		}
	for (unsigned int i = 0; i < SRTP_SSRCS; i++) {
		assert_int_equal(indices_of(link.receiver, i).rtp_next, 80000 + i + 1);
		assert_int_equal(indices_of(link.receiver, i).rtcp_next, 5);
	}
	link_destroy(&link);
}

static void ssrcs_are_bounded_and_only_real_ones_count(void **state)
{
	struct link link = link_create(state, SRTP_SUITE_AES_CM_128_HMAC_SHA1_80, 7);
	struct wire wire = sent(&link, 0, 1), forged = wire, too_many;

	for (unsigned int i = 0; i < 100; i++) {
		forged.data[8] = 1 + i;
		assert_status(received(&link, &forged), "auth");
	}
	assert_int_equal(srtp_context_export(link.receiver, NULL, 0), 0);
	assert_status(received(&link, &wire), "ok");
	for (unsigned int i = 1; i < SRTP_SSRCS; i++) {
		wire = sent(&link, i, 1);
		assert_status(received(&link, &wire), "ok");
	}
	too_many = rtp_packet(SRTP_SSRCS, 1, 60);
	assert_status(protect(link.engine, link.sender, &too_many, false), "ssrc");
	forged.data[8] = 99;
	assert_status(received(&link, &forged), "ssrc");
	// The others are not touched by that.
	wire = sent(&link, 0, 2);
	assert_status(received(&link, &wire), "ok");
	link_destroy(&link);
}

// ---- keys ----

static struct srtp_context *rekeyed(struct link *link, enum srtp_suite suite,
	enum srtp_direction direction, unsigned int seed, bool restart)
{
	struct srtp_context *context = fixture_context(link->engine, suite, direction, seed);

	srtp_context_take_over(
		context, direction == SRTP_SEND ? link->sender : link->receiver, restart);
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
		srtp_context_take_over(next, link.sender, false);
		link.sender = next;
		wire = sent(&link, SSRC, 3);
		assert_status(received(&link, &wire), "mki");
		next = mki_context(&link, suite, SRTP_RECEIVE, 2);
		srtp_context_take_over(next, link.receiver, false);
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

// ---- lengths ----

static void bad_lengths_are_refused(void **state)
{
	for (unsigned int suite = 0; suite < N_SRTP_SUITES; suite++) {
		unsigned int tag = srtp_suite_infos[suite].rtp_tag_bytes;
		unsigned int rtcp_tag = srtp_suite_infos[suite].rtcp_tag_bytes;
		struct link link = link_create(state, suite, 1);
		struct wire wire;

		for (unsigned int length = 0; length < 12 + tag; length++) {
			uint8_t *exact = malloc(length ? length : 1); // for sanitizers
			struct srtp_job job = {
				.context = link.receiver, .packet = exact, .length = length};

			assert_non_null(exact);
			wire = rtp_packet(SSRC, 1, 12 + tag);
			memcpy(exact, wire.data, length);
			srtp_unprotect_burst(link.engine, &job, 1);
			assert_status(job.status, "malformed");
			job.rtcp = true;
			if (length < 8 + 4 + rtcp_tag) {
				srtp_unprotect_burst(link.engine, &job, 1);
				assert_status(job.status, "malformed");
			}
			free(exact);
		}
		for (unsigned int length = 0; length < 12; length++) {
			wire = rtp_packet(SSRC, 1, 12);
			wire.length = length;
			assert_status(protect(link.engine, link.sender, &wire, false), "malformed");
			if (length < 8)
				assert_status(protect(link.engine, link.sender, &wire, true),
					"malformed");
		}
		wire = rtp_packet(SSRC, 1, SRTP_PACKET_MAX);
		assert_status(protect(link.engine, link.sender, &wire, false), "ok");
		assert_status(received(&link, &wire), "ok");
		wire = rtp_packet(SSRC, 2, SRTP_PACKET_MAX + 1);
		assert_status(protect(link.engine, link.sender, &wire, false), "malformed");
		link_destroy(&link);
	}
}

static void lying_headers_are_refused(void **state)
{
	static const struct {
		uint8_t first;
		uint16_t extension_words;
		unsigned int length;
		const char *status;
	} cases[] = {
		{0x80, 0, 12, "ok"},
		{0x00, 0, 60, "malformed"},
		{0x40, 0, 60, "malformed"},
		{0xc0, 0, 60, "malformed"},
		{0x8f, 0, 12 + 60, "ok"},
		{0x8f, 0, 12 + 59, "malformed"},
		{0x90, 0, 16, "ok"},
		{0x90, 0, 15, "malformed"},
		{0x90, 1, 20, "ok"},
		{0x90, 1, 19, "malformed"},
		{0x90, 0xffff, 1500, "malformed"},
		{0x9f, 1, 12 + 60 + 8, "ok"},
		{0x9f, 1, 12 + 60 + 7, "malformed"},
	};

	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct link link = link_create(state, SRTP_SUITE_AEAD_AES_128_GCM, 1);
		struct wire wire = rtp_packet(SSRC, i, cases[i].length), clear;
		unsigned int extension = 12 + (cases[i].first & 15) * 4;

		wire.data[0] = cases[i].first;
		wire.data[extension + 2] = cases[i].extension_words >> 8;
		wire.data[extension + 3] = cases[i].extension_words & 0xff;
		clear = wire;
		assert_status(protect(link.engine, link.sender, &wire, false), cases[i].status);
		if (strcmp(cases[i].status, "ok")) {
			wire.length += 16; // as if there were a tag
			assert_status(received(&link, &wire), cases[i].status);
		} else {
			assert_status(unprotect(link.engine, link.receiver, &wire, false), "ok");
			assert_wire_equal(wire, clear);
		}
		link_destroy(&link);
	}
}

static void trailer_needs_room(void **state)
{
	for (unsigned int suite = 0; suite < N_SRTP_SUITES; suite++) {
		struct link link = link_create(state, suite, 1);
		unsigned int tag = srtp_suite_infos[suite].rtp_tag_bytes;
		struct wire wire = rtp_packet(SSRC, 1, 100);
		uint8_t *exact = malloc(100 + tag);
		struct srtp_job job = {
			.context = link.sender, .packet = exact, .length = 100, .room = 100 + tag};

		assert_non_null(exact);
		memcpy(exact, wire.data, 100);
		job.room = 100 + tag - 1;
		srtp_protect_burst(link.engine, &job, 1);
		assert_status(job.status, "room");
		// The index was not used by that.
		job.room = 100 + tag;
		srtp_protect_burst(link.engine, &job, 1);
		assert_status(job.status, "ok");
		job.context = link.receiver;
		job.length = job.out_length;
		srtp_unprotect_burst(link.engine, &job, 1);
		assert_status(job.status, "ok");
		assert_memory_equal(exact, wire.data, 100);
		free(exact);
		link_destroy(&link);
	}
}

// The ciphers are assembler, which sanitizers do not see.
static void nothing_beside_the_packet_is_touched(void **state)
{
	enum { GUARD = 64 };
	static uint8_t before[GUARD + 512 + GUARD], buffer[sizeof(before)];

	for (unsigned int suite = 0; suite < N_SRTP_SUITES; suite++) {
		struct link link = link_create(state, suite, 1);

		for (unsigned int length = 12; length < 300; length++) {
			bool rtcp = length % 3 == 0;
			struct wire wire =
				rtcp ? rtcp_packet(SSRC, length) : rtp_packet(SSRC, length, length);
			struct srtp_job job = {
				.context = link.sender,
				.packet = buffer + GUARD,
				.length = length,
				.room = 512,
				.rtcp = rtcp,
			};

			memset(before, 0xa5, sizeof(before));
			memcpy(before + GUARD, wire.data, length);
			memcpy(buffer, before, sizeof(buffer));
			srtp_protect_burst(link.engine, &job, 1);
			assert_status(job.status, "ok");
			assert_memory_equal(buffer, before, GUARD + 8);
			assert_memory_equal(buffer + GUARD + job.out_length,
				before + GUARD + job.out_length, 512 + GUARD - job.out_length);
			job.context = link.receiver;
			job.length = job.out_length;
			srtp_unprotect_burst(link.engine, &job, 1);
			assert_status(job.status, "ok");
			assert_memory_equal(buffer, before, GUARD + length);
			assert_memory_equal(buffer + GUARD + job.length,
				before + GUARD + job.length, 512 + GUARD - job.length);
		}
		link_destroy(&link);
	}
}

static void bad_keying_is_refused(void **state)
{
	struct srtp_engine *engine = fixture_engine(*state);
	struct srtp_keying good, bad;

	fixture_keying(&good, SRTP_SUITE_AES_CM_128_HMAC_SHA1_80, SRTP_SEND, 1);
	bad = good;
	bad.suite = N_SRTP_SUITES;
	assert_null(srtp_context_create(engine, &bad));
	assert_int_equal(errno, EINVAL);
	bad = good;
	bad.mki_bytes = SRTP_MKI_MAX + 1;
	assert_null(srtp_context_create(engine, &bad));
	bad = good;
	bad.max_ssrcs = SRTP_SSRCS_MAX + 1;
	assert_null(srtp_context_create(engine, &bad));
	assert_null(srtp_engine_create("none", NULL));
	assert_int_equal(errno, ENOENT);
	assert_null(srtp_engine_create(*state, "z80"));
	assert_int_equal(errno, ENOENT);
}

static void engine_counts_by_status(void **state)
{
	struct link link = link_create(state, SRTP_SUITE_AES_CM_128_HMAC_SHA1_80, 1);
	uint64_t ok = srtp_engine_count(link.engine, SRTP_STATUS_OK);
	uint64_t replay = srtp_engine_count(link.engine, SRTP_STATUS_REPLAY);
	struct wire wire = sent(&link, SSRC, 1);

	received(&link, &wire);
	received(&link, &wire);
	assert_int_equal(srtp_engine_count(link.engine, SRTP_STATUS_OK), ok + 2);
	assert_int_equal(srtp_engine_count(link.engine, SRTP_STATUS_REPLAY), replay + 1);
	link_destroy(&link);
}

#define TESTS(X)                                                \
	X(late_packets_around_a_wrap_are_read)                  \
	X(receiver_follows_a_gap_below_32768_and_no_larger_one) \
	X(sender_does_not_go_before_its_first_packet)           \
	X(sender_sends_no_index_twice)                          \
	X(replays_are_refused)                                  \
	X(copies_in_one_burst_pass_once)                        \
	X(burst_of_one_stream_is_as_one_by_one)                 \
	X(key_ends_at_the_last_index)                           \
	X(importer_continues_where_the_exporter_was)            \
	X(import_never_lowers)                                  \
	X(no_index_is_ever_reused)                              \
	X(every_damaged_byte_is_noticed)                        \
	X(forged_packets_move_no_index)                         \
	X(other_keys_do_not_open)                               \
	X(every_ssrc_has_an_index_of_its_own)                   \
	X(ssrcs_are_bounded_and_only_real_ones_count)           \
	X(rekey_loses_no_packet)                                \
	X(old_key_is_returned_when_its_time_is_over)            \
	X(new_key_may_begin_at_roc_0)                           \
	X(same_key_again_changes_nothing)                       \
	X(two_rekeys_in_flight_lose_no_packet)                  \
	X(mki_chooses_the_key)                                  \
	X(e_bit_tells_whether_srtcp_is_encrypted)               \
	X(bad_lengths_are_refused)                              \
	X(lying_headers_are_refused)                            \
	X(trailer_needs_room)                                   \
	X(nothing_beside_the_packet_is_touched)                 \
	X(bad_keying_is_refused)                                \
	X(engine_counts_by_status)

#define ON_IPSEC_MB(test) {#test " on ipsec-mb", test, NULL, NULL, (void *)"ipsec-mb"},
#define ON_LIBSRTP(test)  {#test " on libsrtp2", test, NULL, NULL, (void *)"libsrtp2"},

int main(void)
{
	const struct CMUnitTest tests[] = {TESTS(ON_IPSEC_MB) TESTS(ON_LIBSRTP)};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	fixture_fini();
	return failed;
}
