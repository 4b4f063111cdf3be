// What a session costs in memory, all included, and that what is kept small comes back whole.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <malloc.h>
#include <rte_malloc.h>
#include <stdlib.h>

#include "session_rig.h"
#include "session_wanted.h"

#define MANY	    4000
#define ROUNDS	    3000
#define RECORD_TEXT "the record"

// README states these: bytes a leg of a session of two, with everything that is there for it.
#define PLAIN_LEG_MAX  1150
#define SECURE_LEG_MAX 2000

static struct rig rig;

static int eal(void **)
{
	rig_eal();
	return 0;
}

// AddressSanitizer brings an allocator of its own, which cannot be asked.
static void needs_the_allocator_of_libc(void)
{
#ifdef __SANITIZE_ADDRESS__
	skip();
#endif
}

// All that this process has taken, from DPDK and from libc.
static size_t taken(void)
{
	struct rte_malloc_socket_stats stats;

	assert_int_equal(rte_malloc_get_socket_stats(0, &stats), 0);
	return stats.heap_allocsz_bytes + mallinfo2().uordblks + mallinfo2().hblkhd;
}

static void set(const struct sl_session *wanted)
{
	struct sl_session session;
	const char *why = "";

	assert_int_equal(session_set(rig.sessions, wanted, NULL, &session, &why), 0);
}

static struct sl_srtp key_of(unsigned int number)
{
	struct sl_srtp key = {.suite = SL_SRTP_AES_CM_128_HMAC_SHA1_80};

	number++;
	memcpy(key.key, &number, sizeof(number));
	return key;
}

// A call as control sets it: two formats, time-outs, a latch.
static struct sl_session usual_session(unsigned int number, bool secure)
{
	struct sl_session session = rig_session(number);

	for (unsigned int i = 0; i < 2; i++) {
		struct sl_leg *leg = &session.legs[i];

		leg->formats[1] = (struct sl_format){.name = "telephone-event",
			.clock_hz = 8000,
			.pt = 101,
			.receive_pt = 101,
			.channels = 1};
		leg->n_formats = 2;
		leg->start_timeout_ms = 60000;
		leg->media_timeout_ms = 30000;
		leg->hold_timeout_ms = 3600000;
		leg->source_rule = SL_SOURCE_LATCH;
		leg->dscp = SL_DSCP_REALM;
		if (!secure)
			continue;
		leg->srtp_receive = key_of(4 * number + 2 * i);
		leg->srtp_send = key_of(4 * number + 2 * i + 1);
	}
	return session;
}

// Against sessions that are configured, but for which there is next to no room.
static size_t leg_bytes(bool secure)
{
	size_t empty, full;

	rig_open(&rig, 1, 16, 8, NULL);
	empty = taken();
	rig_close(&rig);
	rig_open(&rig, 1, 2 * MANY, MANY, NULL);
	for (unsigned int i = 0; i < MANY; i++) {
		struct sl_session session = usual_session(i, secure);

		set(&session);
	}
	full = taken();
	rig_close(&rig);
	return (full - empty) / (2 * MANY);
}

static void a_leg_costs_what_the_readme_says(void **)
{
	size_t plain, secure;

	needs_the_allocator_of_libc();
	plain = leg_bytes(false);
	secure = leg_bytes(true);
	print_message("bytes a leg: plain %zu, SRTP %zu\n", plain, secure);
	assert_in_range(plain, 500, PLAIN_LEG_MAX);
	assert_in_range(secure, plain, SECURE_LEG_MAX);
}

static void what_is_closed_gives_its_memory_back(void **)
{
	size_t before;

	needs_the_allocator_of_libc();
	leg_bytes(true);
	before = taken();
	leg_bytes(true);
	assert_in_range(taken(), before - 4096, before + 4096);
}

// Zeros and others in stretches of all lengths, among them those that a run cannot hold.
static void fill(uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n;) {
		size_t length = 1 + (size_t)rand() % (rand() % 8 ? 8 : 600);
		bool zeros = rand() % 2;

		for (size_t j = 0; j < length && i < n; j++, i++)
			bytes[i] = zeros ? 0 : (uint8_t)rand();
	}
}

static void a_wanted_state_comes_back_as_it_was(void **)
{
	srand(1);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		struct sl_session session, read;
		struct wanted_state *state;

		fill((uint8_t *)&session, sizeof(session));
		session.n_legs = (uint8_t)(i % (SL_LEGS_MAX + 1));
		session.record_length = i % 3 ? sizeof(RECORD_TEXT) : 0;
		state = wanted_state_create(&session, RECORD_TEXT);
		assert_non_null(state);
		memset(&read, 0xa5, sizeof(read));
		assert_memory_equal(
			wanted_state_read(state, &read), RECORD_TEXT, session.record_length);
		assert_memory_equal(&read, &session, session_bytes(&session));
		wanted_state_destroy(state);
	}
}

static void the_worst_state_to_keep_is_kept(void **)
{
	static const unsigned int periods[] = {2, 3, 4, 5, 254, 255, 256, 257, 258, 259, 5000};

	for (unsigned int i = 0; i < 2 * sizeof(periods) / sizeof(periods[0]); i++) {
		unsigned int period = periods[i / 2];
		struct sl_session session, read;
		struct wanted_state *state;

		// Either one other byte in so many zeros, or three zeros in so many others.
		for (size_t at = 0; at < sizeof(session); at++)
			((uint8_t *)&session)[at] = i % 2 ? at % period == 0 : at % period > 2;
		session.n_legs = SL_LEGS_MAX;
		session.record_length = 0;
		state = wanted_state_create(&session, NULL);
		assert_non_null(state);
		wanted_state_read(state, &read);
		assert_memory_equal(&read, &session, sizeof(session));
		assert_in_range(wanted_state_bytes(state), 1, sizeof(session) * 17 / 16);
		wanted_state_destroy(state);
	}
}

static void a_usual_state_is_a_fraction_of_its_struct(void **)
{
	struct sl_session session = usual_session(1, false);
	struct wanted_state *state = wanted_state_create(&session, NULL);

	assert_non_null(state);
	assert_in_range(wanted_state_bytes(state), 50, 300);
	wanted_state_destroy(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_wanted_state_comes_back_as_it_was),
		cmocka_unit_test(the_worst_state_to_keep_is_kept),
		cmocka_unit_test(a_usual_state_is_a_fraction_of_its_struct),
		cmocka_unit_test(a_leg_costs_what_the_readme_says),
		cmocka_unit_test(what_is_closed_gives_its_memory_back),
	};

	return cmocka_run_group_tests(tests, eal, NULL);
}
