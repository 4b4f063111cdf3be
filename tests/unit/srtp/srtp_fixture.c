// Shared by the tests of SRTP, see srtp_fixture.h.
#include "srtp_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const char *const fixture_backends[2] = {"ipsec-mb", "libsrtp2"};
const char *fixture_arch;

static struct srtp_engine *engines[2];

struct srtp_engine *fixture_engine(const char *backend)
{
	unsigned int i = !strcmp(backend, fixture_backends[1]);

	if (!engines[i])
		engines[i] = srtp_engine_create(backend, i ? NULL : fixture_arch);
	if (!engines[i]) {
		print_message("%s: %s\n", backend, strerror(errno));
		skip();
	}
	return engines[i];
}

void fixture_fini(void)
{
	for (unsigned int i = 0; i < 2; i++)
		srtp_engine_destroy(engines[i]);
}

uint32_t fixture_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

void fixture_keying(struct srtp_keying *keying, enum srtp_suite suite,
	enum srtp_direction direction, unsigned int seed)
{
	uint32_t state = seed * 2654435761u + 1;

	*keying = (struct srtp_keying){.suite = suite, .direction = direction};
	for (unsigned int i = 0; i < sizeof(keying->key); i++)
		keying->key[i] = (uint8_t)fixture_random(&state);
	for (unsigned int i = 0; i < sizeof(keying->salt); i++)
		keying->salt[i] = (uint8_t)fixture_random(&state);
}

struct srtp_context *fixture_context(struct srtp_engine *engine, enum srtp_suite suite,
	enum srtp_direction direction, unsigned int seed)
{
	struct srtp_keying keying;
	struct srtp_context *context;

	fixture_keying(&keying, suite, direction, seed);
	context = srtp_context_create(engine, &keying);
	assert_non_null(context);
	return context;
}

static void put32(uint8_t *out, uint32_t value)
{
	value = __builtin_bswap32(value);
	memcpy(out, &value, sizeof(value));
}

struct wire rtp_packet(uint32_t ssrc, uint16_t sequence, unsigned int length)
{
	struct wire wire = {.data = {0x80, 96, sequence >> 8, sequence & 0xff}, .length = length};

	put32(wire.data + 4, sequence * 160u);
	put32(wire.data + 8, ssrc);
	for (unsigned int i = 12; i < length; i++)
		wire.data[i] = (uint8_t)(sequence + i * 7);
	return wire;
}

struct wire rtcp_packet(uint32_t ssrc, unsigned int length)
{
	struct wire wire = {.data = {0x80, 200, 0, (uint8_t)(length / 4 - 1)}, .length = length};

	put32(wire.data + 4, ssrc);
	for (unsigned int i = 8; i < length; i++)
		wire.data[i] = (uint8_t)(i * 5);
	return wire;
}

static enum srtp_status run(void (*burst)(struct srtp_engine *, struct srtp_job *, unsigned int),
	struct srtp_engine *engine, struct srtp_context *context, struct wire *wire, bool rtcp)
{
	struct srtp_job job = {
		.context = context,
		.packet = wire->data,
		.length = wire->length,
		.room = sizeof(wire->data),
		.rtcp = rtcp,
	};

	burst(engine, &job, 1);
	if (job.status == SRTP_STATUS_OK)
		wire->length = job.out_length;
	else
		assert_int_equal(job.out_length, 0);
	return job.status;
}

enum srtp_status protect(
	struct srtp_engine *engine, struct srtp_context *context, struct wire *wire, bool rtcp)
{
	return run(srtp_protect_burst, engine, context, wire, rtcp);
}

enum srtp_status unprotect(
	struct srtp_engine *engine, struct srtp_context *context, struct wire *wire, bool rtcp)
{
	return run(srtp_unprotect_burst, engine, context, wire, rtcp);
}

struct link link_create(void **state, enum srtp_suite suite, unsigned int seed)
{
	struct link link = {.engine = fixture_engine(*state)};

	link.sender = fixture_context(link.engine, suite, SRTP_SEND, seed);
	link.receiver = fixture_context(link.engine, suite, SRTP_RECEIVE, seed);
	return link;
}

void link_destroy(struct link *link)
{
	srtp_context_destroy(link->sender);
	srtp_context_destroy(link->receiver);
}

struct wire sent(struct link *link, uint32_t ssrc, uint16_t sequence)
{
	struct wire wire = rtp_packet(ssrc, sequence, 60);

	assert_status(protect(link->engine, link->sender, &wire, false), "ok");
	return wire;
}

struct wire sent_rtcp(struct link *link, uint32_t ssrc)
{
	struct wire wire = rtcp_packet(ssrc, 28);

	assert_status(protect(link->engine, link->sender, &wire, true), "ok");
	return wire;
}

enum srtp_status received(struct link *link, const struct wire *wire)
{
	struct wire copy = *wire;

	return unprotect(link->engine, link->receiver, &copy, false);
}

enum srtp_status received_rtcp(struct link *link, const struct wire *wire)
{
	struct wire copy = *wire;

	return unprotect(link->engine, link->receiver, &copy, true);
}

struct srtp_indices indices_of(const struct srtp_context *context, uint32_t ssrc)
{
	struct srtp_indices indices[SRTP_SSRCS_MAX];
	unsigned int n = srtp_context_export(context, indices, SRTP_SSRCS_MAX);

	for (unsigned int i = 0; i < n; i++)
		if (indices[i].ssrc == ssrc)
			return indices[i];
	return (struct srtp_indices){0};
}
