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

#define assert_wire_equal(a, b)                                      \
	do {                                                         \
		assert_int_equal((a).length, (b).length);            \
		assert_memory_equal((a).data, (b).data, (a).length); \
	} while (0)

#define assert_status(actual, expected) assert_string_equal(srtp_status_names[actual], expected)
