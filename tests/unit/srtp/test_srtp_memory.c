// Contexts and memory: keys are gone from it when it is given back, and running out of it at any
// point is survived. Linked with wrappers around the allocator.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mb.h"
#include "srtp_context.h"
#include "srtp_engine.h"
#include "srtp_fixture.h"

void *__real_aligned_alloc(size_t alignment, size_t size);
void __real_free(void *memory);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void __wrap_free(void *memory);

static volatile unsigned int fail_after; // allocations; 0: never
static const void *watched;		 // block whose end is looked at
static size_t watched_bytes;
static bool watched_was_clean;

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
	if (fail_after && !--fail_after) {
		errno = ENOMEM;
		return NULL;
	}
	return __real_aligned_alloc(alignment, size);
}

void __wrap_free(void *memory)
{
	if (memory && memory == watched) {
		watched_was_clean = true;
		for (size_t i = 0; i < watched_bytes; i++)
			if (((const uint8_t *)memory)[i])
				watched_was_clean = false;
	}
	__real_free(memory);
}

static void keys_are_wiped_before_their_memory_is_freed(void **)
{
	struct srtp_engine *engine = fixture_engine("ipsec-mb");

	for (unsigned int suite = 0; suite < N_SRTP_SUITES; suite++) {
		struct srtp_context *context = fixture_context(engine, suite, SRTP_SEND, 1);

		watched = context;
		watched_bytes = srtp_context_bytes(context);
		watched_was_clean = false;
		srtp_context_destroy(context);
		assert_true(watched_was_clean);
		watched = NULL;
	}
}

static void failed_allocations_are_told(void **)
{
	struct srtp_engine *engine = fixture_engine("ipsec-mb");
	struct srtp_keying keying;

	for (unsigned int suite = 0; suite < N_SRTP_SUITES; suite++)
		for (unsigned int n = 1; n <= 2; n++) {
			fixture_keying(&keying, suite, SRTP_RECEIVE, 1);
			keying.max_ssrcs = 2;
			fail_after = n;
			assert_null(srtp_context_create(engine, &keying));
			assert_int_equal(errno, ENOMEM);
			assert_int_equal(fail_after, 0);
		}
	for (unsigned int n = 1; n <= 2; n++) {
		fail_after = n;
		assert_null(srtp_engine_create("ipsec-mb", NULL));
		assert_int_equal(errno, ENOMEM);
	}
}

// The figures that sizing goes by: a change of them is to be noticed.
static void contexts_are_as_large_as_stated(void **)
{
	static const unsigned int vaes[N_SRTP_SUITES] = {384, 384, 512, 512, 640, 704};
	static const unsigned int others[N_SRTP_SUITES] = {384, 384, 512, 512, 1216, 1216};
	struct srtp_engine *engine = fixture_engine("ipsec-mb");
	const unsigned int *bytes = engine->backend == &srtp_backend_mb_vaes ? vaes : others;

	for (unsigned int suite = 0; suite < N_SRTP_SUITES; suite++) {
		struct srtp_context *context;
		struct srtp_keying keying;

		fixture_keying(&keying, suite, SRTP_SEND, 1);
		context = srtp_context_create(engine, &keying);
		assert_non_null(context);
		assert_int_equal(srtp_context_bytes(context), bytes[suite]);
		srtp_context_destroy(context);
	}
}

static struct {
	void *spare; // NULL: none is left
	unsigned int n_taken;
} spares;

static void *take_spare(void *)
{
	void *spare = spares.spare;

	spares.spare = NULL;
	spares.n_taken += spare != NULL;
	return spare;
}

static enum srtp_status send_as(
	struct srtp_engine *engine, struct srtp_context *context, uint32_t ssrc, uint8_t sequence)
{
	uint8_t packet[128] = {0x80, 0, 0, sequence, 0, 0, 0, 0, (uint8_t)(ssrc >> 24),
		(uint8_t)(ssrc >> 16), (uint8_t)(ssrc >> 8), (uint8_t)ssrc};
	struct srtp_job job = {
		.context = context, .packet = packet, .length = 32, .room = sizeof(packet)};

	srtp_protect_burst(engine, &job, 1);
	return job.status;
}

// A thread that must not allocate: more than one SSRC is told off until there is memory for it, and
// then up to SRTP_SSRCS pass. The allocator is not asked, and what was lent is given back.
static void a_second_ssrc_waits_for_a_spare(void **)
{
	struct srtp_engine *engine = fixture_engine("ipsec-mb");
	struct srtp_context *context =
		fixture_context(engine, SRTP_SUITE_AES_CM_128_HMAC_SHA1_80, SRTP_SEND, 1);

	srtp_engine_set_spares(engine, take_spare, NULL);
	fail_after = 1;
	assert_int_equal(send_as(engine, context, 1, 1), SRTP_STATUS_OK);
	assert_int_equal(send_as(engine, context, 2, 1), SRTP_STATUS_SSRC);
	assert_int_equal(send_as(engine, context, 1, 2), SRTP_STATUS_OK);
	fail_after = 0;
	spares.spare = aligned_alloc(64, SRTP_MORE_BYTES);
	memset(spares.spare, 0, SRTP_MORE_BYTES);
	fail_after = 1;
	for (uint32_t ssrc = 2; ssrc <= SRTP_SSRCS; ssrc++)
		assert_int_equal(send_as(engine, context, ssrc, 1), SRTP_STATUS_OK);
	assert_int_equal(send_as(engine, context, SRTP_SSRCS + 1, 1), SRTP_STATUS_SSRC);
	for (uint32_t ssrc = 1; ssrc <= SRTP_SSRCS; ssrc++)
		assert_int_equal(send_as(engine, context, ssrc, 1), SRTP_STATUS_REPLAY);
	assert_int_equal(spares.n_taken, 1);
	assert_int_equal(fail_after, 1);
	fail_after = 0;
	assert_int_equal(srtp_context_bytes(context), 384 + SRTP_MORE_BYTES);
	srtp_engine_set_spares(engine, NULL, NULL);
	srtp_context_destroy(context);
}

// One that knows several SSRCs is taken over whole, or not yet.
static void a_context_of_several_ssrcs_is_taken_over_once_there_is_room(void **)
{
	struct srtp_engine *engine = fixture_engine("ipsec-mb");
	struct srtp_context *old =
		fixture_context(engine, SRTP_SUITE_AES_CM_128_HMAC_SHA1_80, SRTP_SEND, 1);
	struct srtp_context *context =
		fixture_context(engine, SRTP_SUITE_AES_CM_128_HMAC_SHA1_80, SRTP_SEND, 2);
	struct srtp_indices indices[SRTP_SSRCS];

	assert_int_equal(send_as(engine, old, 1, 1), SRTP_STATUS_OK);
	assert_int_equal(send_as(engine, old, 2, 7), SRTP_STATUS_OK);
	srtp_engine_set_spares(engine, take_spare, NULL);
	assert_false(srtp_context_take_over(engine, context, old, false));
	assert_int_equal(srtp_context_export(context, indices, SRTP_SSRCS), 0);
	spares.spare = aligned_alloc(64, SRTP_MORE_BYTES);
	memset(spares.spare, 0, SRTP_MORE_BYTES);
	assert_true(srtp_context_take_over(engine, context, old, false));
	assert_int_equal(srtp_context_export(context, indices, SRTP_SSRCS), 2);
	assert_int_equal(indices[1].ssrc, 2);
	assert_int_equal(indices[1].rtp_next, 8);
	srtp_engine_set_spares(engine, NULL, NULL);
	srtp_context_destroy(context);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_wiped_before_their_memory_is_freed),
		cmocka_unit_test(failed_allocations_are_told),
		cmocka_unit_test(contexts_are_as_large_as_stated),
		cmocka_unit_test(a_second_ssrc_waits_for_a_spare),
		cmocka_unit_test(a_context_of_several_ssrcs_is_taken_over_once_there_is_room),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	fixture_fini();
	return failed;
}
