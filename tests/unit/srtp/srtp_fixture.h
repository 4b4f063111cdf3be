// What the tests of SRTP share: contexts with keys from a seed, packets, one-packet bursts.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "srtp.h"

#define ROOM (SRTP_PACKET_MAX + SRTP_TRAILER_MAX)

// A packet as it is on its way.
struct wire {
	uint8_t data[ROOM];
	unsigned int length;
};

extern const char *const fixture_backends[2];
extern const char *fixture_arch; // of ipsec-mb, NULL: as it comes

// The engine of a backend, shared by the tests of a program; skips the test where it is not built
// in or does not work here.
struct srtp_engine *fixture_engine(const char *backend);
void fixture_fini(void);

uint32_t fixture_random(uint32_t *state);

void fixture_keying(struct srtp_keying *keying, enum srtp_suite suite,
	enum srtp_direction direction, unsigned int seed);
struct srtp_context *fixture_context(struct srtp_engine *engine, enum srtp_suite suite,
	enum srtp_direction direction, unsigned int seed);

// A packet of `length` bytes with a payload made of the sequence number.
struct wire rtp_packet(uint32_t ssrc, uint16_t sequence, unsigned int length);
struct wire rtcp_packet(uint32_t ssrc, unsigned int length);

enum srtp_status protect(
	struct srtp_engine *engine, struct srtp_context *context, struct wire *wire, bool rtcp);
enum srtp_status unprotect(
	struct srtp_engine *engine, struct srtp_context *context, struct wire *wire, bool rtcp);

// A sender and a receiver of one key.
struct link {
	struct srtp_engine *engine;
	struct srtp_context *sender;
	struct srtp_context *receiver;
};

struct link link_create(void **state, enum srtp_suite suite, unsigned int seed);
void link_destroy(struct link *link);

// Protect a packet of 60 bytes, or of 28 for SRTCP, which must succeed.
struct wire sent(struct link *link, uint32_t ssrc, uint16_t sequence);
struct wire sent_rtcp(struct link *link, uint32_t ssrc);

// Unprotect a copy.
enum srtp_status received(struct link *link, const struct wire *wire);
enum srtp_status received_rtcp(struct link *link, const struct wire *wire);

// As exported; zeros where there is no such SSRC.
struct srtp_indices indices_of(const struct srtp_context *context, uint32_t ssrc);

// Tests that run on both backends: an X-list makes the array of a main().
#define ON_IPSEC_MB(test) {#test " on ipsec-mb", test, NULL, NULL, (void *)"ipsec-mb"},
#define ON_LIBSRTP(test)  {#test " on libsrtp2", test, NULL, NULL, (void *)"libsrtp2"},
#define ON_BOTH(TESTS)	  TESTS(ON_IPSEC_MB) TESTS(ON_LIBSRTP)

#define assert_wire_equal(a, b)                                      \
	do {                                                         \
		assert_int_equal((a).length, (b).length);            \
		assert_memory_equal((a).data, (b).data, (a).length); \
	} while (0)

#define assert_status(actual, expected) assert_string_equal(srtp_status_names[actual], expected)
