// The two implementations against each other: what one protects is byte for byte what the other
// does, and is read by both. libsrtp2 derives its keys and forms its packets by itself.
#include <stdio.h>
#include <string.h>

#include "srtp_fixture.h"

#define SSRC 0xcafebabe

struct pair {
	struct srtp_engine *engine[2];
	struct srtp_context *sender[2];
	struct srtp_context *receiver[2];
};

static void pair_create(struct pair *pair, const struct srtp_keying *keying)
{
	for (unsigned int i = 0; i < 2; i++) {
		struct srtp_keying one = *keying;

		pair->engine[i] = fixture_engine(fixture_backends[i]);
		one.direction = SRTP_SEND;
		pair->sender[i] = srtp_context_create(pair->engine[i], &one);
		one.direction = SRTP_RECEIVE;
		pair->receiver[i] = srtp_context_create(pair->engine[i], &one);
		assert_non_null(pair->sender[i]);
		assert_non_null(pair->receiver[i]);
	}
}

static void pair_destroy(struct pair *pair)
{
	for (unsigned int i = 0; i < 2; i++) {
		srtp_context_destroy(pair->sender[i]);
		srtp_context_destroy(pair->receiver[i]);
	}
}

// Protect with both, compare, unprotect with both, compare. Returns how long it was on the wire.
static unsigned int pair_agree(struct pair *pair, const struct wire *clear, bool rtcp)
{
	struct wire wire[2] = {*clear, *clear};

	for (unsigned int i = 0; i < 2; i++)
		assert_status(protect(pair->engine[i], pair->sender[i], &wire[i], rtcp), "ok");
	assert_wire_equal(wire[0], wire[1]);
	for (unsigned int i = 0; i < 2; i++) {
		struct wire back = wire[0];

		assert_status(unprotect(pair->engine[i], pair->receiver[i], &back, rtcp), "ok");
		assert_wire_equal(back, *clear);
	}
	return wire[0].length;
}

static void every_length_of_every_suite_agrees(void **)
{
	for (unsigned int suite = 0; suite < N_SRTP_SUITES; suite++) {
		const struct srtp_suite_info *info = &srtp_suite_infos[suite];
		struct srtp_keying keying;
		struct pair pair;

		fixture_keying(&keying, suite, SRTP_SEND, suite);
		pair_create(&pair, &keying);
		for (unsigned int length = 12; length <= 1500; length++) {
			struct wire clear = rtp_packet(SSRC, length, length);

			assert_int_equal(
				pair_agree(&pair, &clear, false), length + info->rtp_tag_bytes);
			clear = rtcp_packet(SSRC, length & ~3u);
			assert_int_equal(pair_agree(&pair, &clear, true),
				clear.length + info->rtcp_tag_bytes + 4);
		}
		pair_destroy(&pair);
	}
}

static void csrcs_and_extensions_stay_in_clear(void **)
{
	for (unsigned int suite = 0; suite < N_SRTP_SUITES; suite++) {
		struct srtp_keying keying;
		struct pair pair;

		fixture_keying(&keying, suite, SRTP_SEND, 77);
		pair_create(&pair, &keying);
		for (unsigned int csrcs = 0; csrcs < 16; csrcs++) {
			struct wire clear = rtp_packet(SSRC, csrcs, 200);
			unsigned int extension = 12 + csrcs * 4;

			clear.data[0] = 0x90 | csrcs;
			clear.data[extension + 2] = 0;
			clear.data[extension + 3] = csrcs;
			pair_agree(&pair, &clear, false);
		}
		pair_destroy(&pair);
	}
}

static void index_goes_round_the_same_way(void **)
{
	for (unsigned int suite = 0; suite < N_SRTP_SUITES; suite++) {
		struct srtp_keying keying;
		struct pair pair;
		uint32_t random = 5;
		unsigned int sequence = 65000;

		fixture_keying(&keying, suite, SRTP_SEND, 5);
		pair_create(&pair, &keying);
		for (unsigned int i = 0; i < 300; i++) {
			struct wire clear = rtp_packet(SSRC, sequence, 32);

			pair_agree(&pair, &clear, false);
			sequence += 1 + fixture_random(&random) % 3000;
		}
		assert_true(sequence > 5 * 65536);
		pair_destroy(&pair);
	}
}

static void mki_agrees(void **)
{
	for (unsigned int suite = 0; suite < N_SRTP_SUITES; suite++) {
		static const unsigned int lengths[] = {1, 4, 16, 128};

		for (unsigned int i = 0; i < 4; i++) {
			struct wire clear = rtp_packet(SSRC, 9, 172);
			struct srtp_keying keying;
			struct pair pair;

			fixture_keying(&keying, suite, SRTP_SEND, i);
			keying.mki_bytes = lengths[i];
			memset(keying.mki, 0xa0 + i, lengths[i]);
			pair_create(&pair, &keying);
			assert_int_equal(pair_agree(&pair, &clear, false),
				172 + srtp_suite_infos[suite].rtp_tag_bytes + lengths[i]);
			clear = rtcp_packet(SSRC, 64);
			pair_agree(&pair, &clear, true);
			pair_destroy(&pair);
		}
	}
}

static void srtcp_without_encryption_agrees(void **)
{
	for (unsigned int suite = 0; suite < N_SRTP_SUITES; suite++) {
		struct srtp_keying keying;
		struct pair pair;

		fixture_keying(&keying, suite, SRTP_SEND, 3);
		keying.plain_srtcp = true;
		pair_create(&pair, &keying);
		for (unsigned int length = 8; length < 400; length += 4) {
			struct wire clear = rtcp_packet(SSRC, length);
			struct wire wire = clear;

			assert_status(protect(pair.engine[0], pair.sender[0], &wire, true), "ok");
			assert_memory_equal(wire.data, clear.data, length);
			assert_status(protect(pair.engine[1], pair.sender[1], &clear, true), "ok");
			clear = rtcp_packet(SSRC, length);
			pair_agree(&pair, &clear, true);
		}
		pair_destroy(&pair);
	}
}

static void imported_indices_agree(void **)
{
	static const struct srtp_indices cases[] = {
		{.rtp_next = 1, .rtcp_next = 1},
		{.rtp_next = 40000, .rtcp_next = 2},
		{.rtp_next = 0x10000, .rtcp_next = 127},
		{.rtp_next = 0x1ffff, .rtcp_next = 128},
		{.rtp_next = 0x12345678, .rtcp_next = 129},
		{.rtp_next = 0x7fffffffffff, .rtcp_next = 0x12345678},
		{.rtp_next = 0x800000000000, .rtcp_next = 0x7fffff00},
		{.rtp_next = 0xfffffffffff0, .rtcp_next = 0x7fffffa0},
		{.rtp_next = 0xfffffffffffc, .rtcp_next = 0x7ffffffd},
	};

	for (unsigned int suite = 0; suite < N_SRTP_SUITES; suite++)
		for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			struct srtp_indices indices = cases[i];
			struct srtp_keying keying;
			struct pair pair;

			indices.ssrc = SSRC;
			fixture_keying(&keying, suite, SRTP_SEND, 8);
			pair_create(&pair, &keying);
			for (unsigned int j = 0; j < 2; j++)
				assert_int_equal(
					srtp_context_import(pair.sender[j], &indices, 1), 0);
			assert_int_equal(srtp_context_import(pair.receiver[0], &indices, 1), 0);
			assert_int_equal(srtp_context_import(pair.receiver[1], &indices, 1), 0);
			for (unsigned int k = 0; k < 3; k++) {
				struct wire clear =
					rtp_packet(SSRC, (uint16_t)(indices.rtp_next + k), 172);

				pair_agree(&pair, &clear, false);
				clear = rtcp_packet(SSRC, 40);
				pair_agree(&pair, &clear, true);
			}
			pair_destroy(&pair);
		}
}

// One burst of packets of all suites and of many lengths, some of them SRTCP, gives what they give
// one by one.
static void mixed_burst_is_as_one_by_one(void **)
{
	enum { N = 150 };
	static struct wire burst[N], single[N];
	struct srtp_engine *engine = fixture_engine("ipsec-mb");
	struct srtp_job jobs[N];
	struct pair pair[N_SRTP_SUITES];

	for (unsigned int suite = 0; suite < N_SRTP_SUITES; suite++) {
		struct srtp_keying keying;

		fixture_keying(&keying, suite, SRTP_SEND, 30 + suite);
		pair_create(&pair[suite], &keying);
	}
	for (unsigned int i = 0; i < N; i++) {
		bool rtcp = i % 7 == 0;

		burst[i] = rtcp ? rtcp_packet(SSRC, 28 + i % 5 * 4)
				: rtp_packet(SSRC, i, 12 + i * 67 % 1400);
		single[i] = burst[i];
		jobs[i] = (struct srtp_job){
			.context = pair[i % N_SRTP_SUITES].sender[0],
			.packet = burst[i].data,
			.length = burst[i].length,
			.room = sizeof(burst[i].data),
			.rtcp = rtcp,
		};
	}
	srtp_protect_burst(engine, jobs, N);
	for (unsigned int i = 0; i < N; i++) {
		struct pair *one = &pair[i % N_SRTP_SUITES];

		assert_status(jobs[i].status, "ok");
		burst[i].length = jobs[i].out_length;
		assert_status(
			protect(one->engine[1], one->sender[1], &single[i], jobs[i].rtcp), "ok");
		assert_wire_equal(burst[i], single[i]);
		jobs[i].context = one->receiver[0];
		jobs[i].length = jobs[i].out_length;
	}
	srtp_unprotect_burst(engine, jobs, N);
	for (unsigned int i = 0; i < N; i++) {
		struct pair *one = &pair[i % N_SRTP_SUITES];

		assert_status(jobs[i].status, "ok");
		burst[i].length = jobs[i].out_length;
		unprotect(one->engine[1], one->receiver[1], &single[i], jobs[i].rtcp);
		assert_wire_equal(burst[i], single[i]);
	}
	for (unsigned int suite = 0; suite < N_SRTP_SUITES; suite++)
		pair_destroy(&pair[suite]);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_length_of_every_suite_agrees),
		cmocka_unit_test(csrcs_and_extensions_stay_in_clear),
		cmocka_unit_test(index_goes_round_the_same_way),
		cmocka_unit_test(mki_agrees),
		cmocka_unit_test(srtcp_without_encryption_agrees),
		cmocka_unit_test(imported_indices_agree),
		cmocka_unit_test(mixed_burst_is_as_one_by_one),
	};
	int failed;

	fixture_arch = argc > 1 ? argv[1] : NULL;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	fixture_fini();
	return failed;
}
