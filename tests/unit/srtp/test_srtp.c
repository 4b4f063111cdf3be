// What SRTP does with indices, replays, fail-over and SSRCs; every test on both backends.
#include <errno.h>
#include <string.h>

#include "srtp_fixture.h"

#define SSRC 0x11223344

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

// Not every sender is as careful: with nothing before ROC 0, it must be a step ahead.
static void receiver_takes_a_long_step_in_roc_0(void **state)
{
	struct link link = link_create(state, SRTP_SUITE_AES_CM_128_HMAC_SHA1_80, 1);
	struct link careless = link_create(state, SRTP_SUITE_AES_CM_128_HMAC_SHA1_80, 1);
	struct wire first = sent(&link, SSRC, 3), ahead = sent(&careless, SSRC, 65530);

	assert_status(received(&link, &first), "ok");
	assert_status(received(&link, &ahead), "ok");
	assert_int_equal(indices_of(link.receiver, SSRC).rtp_next, 65531);
	link_destroy(&link);
	link_destroy(&careless);
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

// Where the sender is, for each of the ROCs that an old mark may mean, ahead of it by more than
// 2^15 sequence numbers or less.
static void an_imported_roc_may_be_one_off(void **state)
{
	static const struct {
		uint64_t mark;
		uint64_t next;
		const char *status;
	} cases[] = {
		{0x50064, 0x50065, "ok"},
		{0x50064, 0x5fff0, "ok"}, // the estimate is 0x4fff0
		{0x50064, 0x60010, "ok"}, // and 0x50010, which is too old
		{0x5fff0, 0x60064, "ok"},
		{0x5fff0, 0x6fff8, "ok"},
		{0x50064, 0x70070, "auth"},   // two ROCs on
		{0x50064, 0x4fff0, "replay"}, // before the mark
		{0x50064, 0x4ff00, "late"},
	};

	for (unsigned int suite = 0; suite < N_SRTP_SUITES; suite++)
		for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			const struct srtp_indices sender = {
				.ssrc = SSRC, .rtp_next = cases[i].next};
			const struct srtp_indices receiver = {
				.ssrc = SSRC, .rtp_next = cases[i].mark};
			struct link link = link_create(state, suite, 4);
			struct wire wire;

			assert_int_equal(srtp_context_import(link.sender, &sender, 1), 0);
			assert_int_equal(srtp_context_import(link.receiver, &receiver, 1), 0);
			wire = sent(&link, SSRC, (uint16_t)cases[i].next);
			assert_status(received(&link, &wire), cases[i].status);
			if (strcmp(cases[i].status, "ok") == 0)
				assert_int_equal(indices_of(link.receiver, SSRC).rtp_next,
					cases[i].next + 1);
			link_destroy(&link);
		}
}

// Once a packet has proven the ROC, nothing but the estimate is tried.
static void a_proven_roc_is_no_guess_any_more(void **state)
{
	const struct srtp_indices mark = {.ssrc = SSRC, .rtp_next = 0x50064};
	const struct srtp_indices ahead = {.ssrc = SSRC, .rtp_next = 0x60070};
	struct link link = link_create(state, SRTP_SUITE_AES_CM_128_HMAC_SHA1_80, 4);
	struct wire wire;

	assert_int_equal(srtp_context_import(link.sender, &mark, 1), 0);
	assert_int_equal(srtp_context_import(link.receiver, &mark, 1), 0);
	wire = sent(&link, SSRC, 0x64);
	assert_status(received(&link, &wire), "ok");
	assert_int_equal(srtp_context_import(link.sender, &ahead, 1), 0);
	wire = sent(&link, SSRC, 0x70);
	assert_status(received(&link, &wire), "auth");
	link_destroy(&link);
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

#define TESTS(X)                                                \
	X(late_packets_around_a_wrap_are_read)                  \
	X(receiver_follows_a_gap_below_32768_and_no_larger_one) \
	X(sender_does_not_go_before_its_first_packet)           \
	X(receiver_takes_a_long_step_in_roc_0)                  \
	X(sender_sends_no_index_twice)                          \
	X(replays_are_refused)                                  \
	X(copies_in_one_burst_pass_once)                        \
	X(burst_of_one_stream_is_as_one_by_one)                 \
	X(key_ends_at_the_last_index)                           \
	X(importer_continues_where_the_exporter_was)            \
	X(an_imported_roc_may_be_one_off)                       \
	X(a_proven_roc_is_no_guess_any_more)                    \
	X(import_never_lowers)                                  \
	X(no_index_is_ever_reused)                              \
	X(every_ssrc_has_an_index_of_its_own)                   \
	X(ssrcs_are_bounded_and_only_real_ones_count)

int main(void)
{
	const struct CMUnitTest tests[] = {ON_BOTH(TESTS)};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	fixture_fini();
	return failed;
}
