// What SRTP does with lengths, headers and room, and what it refuses; every test on both backends.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "srtp_fixture.h"

#define SSRC 0x11223344

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

#define TESTS(X)                                \
	X(bad_lengths_are_refused)              \
	X(lying_headers_are_refused)            \
	X(trailer_needs_room)                   \
	X(nothing_beside_the_packet_is_touched) \
	X(bad_keying_is_refused)                \
	X(engine_counts_by_status)

int main(void)
{
	const struct CMUnitTest tests[] = {ON_BOTH(TESTS)};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	fixture_fini();
	return failed;
}
