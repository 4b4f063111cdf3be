// Contexts and memory: keys are gone from it when it is given back, and running out of it at any
// point is survived. Linked with wrappers around the allocator.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mb.h"
#include "srtp_context.h"
#include "srtp_fixture.h"

void *__real_aligned_alloc(size_t alignment, size_t size);
void __real_free(void *memory);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void __wrap_free(void *memory);

static unsigned int fail_after; // allocations; 0: never
static const void *watched;	// block whose end is looked at
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

		watched = context->keys;
		watched_bytes = mb_keys_bytes(suite);
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
	static const unsigned int bytes[N_SRTP_SUITES] = {576, 576, 704, 704, 1344, 1344};
	struct srtp_engine *engine = fixture_engine("ipsec-mb");

	for (unsigned int suite = 0; suite < N_SRTP_SUITES; suite++) {
		struct srtp_context *context;
		struct srtp_keying keying;

		fixture_keying(&keying, suite, SRTP_SEND, 1);
		keying.max_ssrcs = 4;
		context = srtp_context_create(engine, &keying);
		assert_non_null(context);
		assert_int_equal(srtp_context_bytes(context), bytes[suite]);
		srtp_context_destroy(context);
	}
	// What a packet of the first SSRC touches of a context is its first cache line.
	assert_true(offsetof(struct srtp_context, streams) +
			    offsetof(struct srtp_stream, rtcp_window) <=
		    64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_wiped_before_their_memory_is_freed),
		cmocka_unit_test(failed_allocations_are_told),
		cmocka_unit_test(contexts_are_as_large_as_stated),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	fixture_fini();
	return failed;
}
