// SRTP: nothing that was not protected is taken, everything that was comes back as it was, once.
// The first byte chooses the part, the second suite and options.
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "srtp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition)           \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

#define OPTION_MKI   0x08
#define OPTION_PLAIN 0x10
#define OPTION_RTCP  0x20
#define OPTION_REKEY 0x40
#define OPTION_OTHER 0x80 // the other backend

static struct srtp_engine *engine_of(uint8_t options)
{
	static struct srtp_engine *engines[2];
	bool other = options & OPTION_OTHER;

	if (!engines[0]) {
		engines[0] = srtp_engine_create(NULL, NULL);
		engines[1] = srtp_engine_create("libsrtp2", NULL);
		MUST(engines[0] && engines[1]);
	}
	return engines[other];
}

static struct srtp_context *context_create(
	uint8_t options, enum srtp_direction direction, uint8_t number)
{
	struct srtp_keying keying = {
		.suite = ((options & 7) + number) % N_SRTP_SUITES,
		.direction = direction,
		.key = {number},
		.mki = {0, 0, 0, number},
		.mki_bytes = options & OPTION_MKI ? 4 : 0,
		.max_ssrcs = 4,
		.plain_srtcp = options & OPTION_PLAIN,
	};
	struct srtp_context *context = srtp_context_create(engine_of(options), &keying);

	MUST(context);
	return context;
}

static struct srtp_context *rekey(
	struct srtp_context *old, uint8_t options, enum srtp_direction direction, uint8_t number)
{
	struct srtp_context *context = context_create(options, direction, number);

	srtp_context_take_over(engine_of(options), context, old, number & 1);
	return context;
}

static uint8_t *copy_of(const uint8_t *data, size_t size, size_t room)
{
	uint8_t *copy = malloc(room ? room : 1); // exact, so that a sanitizer sees all beyond

	MUST(copy);
	if (size)
		memcpy(copy, data, size);
	return copy;
}

// Bytes from the network. A tag of four bytes may be guessed, others may not.
static void fuzz_unprotect(uint8_t options, const uint8_t *data, size_t size)
{
	struct srtp_context *context = context_create(options, SRTP_RECEIVE, 0);
	struct srtp_job job = {
		.packet = copy_of(data, size, size),
		.length = (uint16_t)size,
		.rtcp = options & OPTION_RTCP,
	};

	if (options & OPTION_REKEY)
		context = rekey(context, options, SRTP_RECEIVE, 1);
	job.context = context;
	srtp_unprotect_burst(engine_of(options), &job, 1);
	MUST(job.status < N_SRTP_STATUSES);
	MUST(job.status != SRTP_STATUS_OK || (options & 7) % N_SRTP_SUITES == 1 ||
		options & OPTION_REKEY);
	MUST(job.status == SRTP_STATUS_OK || !srtp_context_export(context, NULL, 0));
	free(job.packet);
	srtp_context_destroy(context);
}

// A packet there and back; `damage` is a byte of it to change on the way, if there is one.
static void fuzz_round_trip(uint8_t options, const uint8_t *data, size_t size)
{
	struct srtp_context *sender = context_create(options, SRTP_SEND, 0);
	struct srtp_context *receiver = context_create(options, SRTP_RECEIVE, 0);
	uint16_t damage = size ? data[0] * 8 : 0, room;
	struct srtp_job job = {.context = sender, .rtcp = options & OPTION_RTCP};

	data += size > 0;
	size -= size > 0;
	room = (uint16_t)(size + (damage & 8 ? 24 : damage % 32));
	job.packet = copy_of(data, size, room);
	job.length = (uint16_t)size;
	job.room = room;
	srtp_protect_burst(engine_of(options), &job, 1);
	if (job.status == SRTP_STATUS_OK) {
		uint8_t *wire = copy_of(job.packet, job.out_length, job.out_length);

		job.context = receiver;
		job.length = job.out_length;
		if (damage < job.length) {
			job.packet[damage] ^= 0x10;
			srtp_unprotect_burst(engine_of(options), &job, 1);
			MUST(job.status != SRTP_STATUS_OK);
		}
		memcpy(job.packet, wire, job.length);
		srtp_unprotect_burst(engine_of(options), &job, 1);
		MUST(job.status == SRTP_STATUS_OK && job.out_length == size);
		MUST(!memcmp(job.packet, data, size));
		memcpy(job.packet, wire, job.length);
		srtp_unprotect_burst(engine_of(options), &job, 1);
		MUST(job.status == SRTP_STATUS_REPLAY);
		free(wire);
	}
	free(job.packet);
	srtp_context_destroy(sender);
	srtp_context_destroy(receiver);
}

// A step that a receiver may be expected to follow, even where a late packet was all it saw so far.
static bool step_is_small(const struct srtp_context *sender, uint32_t ssrc, uint16_t sequence)
{
	struct srtp_indices indices[4];
	unsigned int n = srtp_context_export(sender, indices, 4);

	for (unsigned int i = 0; i < n; i++)
		if (indices[i].ssrc == ssrc && indices[i].rtp_next)
			return (uint16_t)(sequence - indices[i].rtp_next) < 0x8000 - SRTP_WINDOW ||
			       (uint16_t)(sequence - indices[i].rtp_next) >= 0x8000;
	return true;
}

// Four bytes a step: what to do, SSRC, sequence number. All that leaves the sender arrives, so the
// receiver must follow it: every packet is right, and no second packet of an index leaves.
static void fuzz_steps(uint8_t options, const uint8_t *data, size_t size)
{
	struct srtp_engine *engine = engine_of(options);
	struct srtp_context *sender = context_create(options, SRTP_SEND, 0);
	struct srtp_context *receiver = context_create(options, SRTP_RECEIVE, 0);
	uint8_t number = 0;

	for (; size >= 4 && number < 8; data += 4, size -= 4) {
		uint8_t packet[64] = {
			0x80, 0, data[2], data[3], 0, 0, 0, 0, 0, 0, 0, data[1] % 4, data[0]};
		uint8_t clear[64];
		struct srtp_job job = {
			.context = sender, .packet = packet, .length = 16, .room = sizeof(packet)};

		if (data[0] % 16 == 1)
			sender = rekey(sender, options, SRTP_SEND, ++number);
		if (data[0] % 16 == 1)
			receiver = rekey(receiver, options, SRTP_RECEIVE, number);
		if (!step_is_small(sender, data[1] % 4, (uint16_t)(data[2] << 8 | data[3])))
			continue;
		job.context = sender;
		memcpy(clear, packet, sizeof(clear));
		srtp_protect_burst(engine, &job, 1);
		if (job.status != SRTP_STATUS_OK)
			continue;
		job.context = receiver;
		job.length = job.out_length;
		srtp_unprotect_burst(engine, &job, 1);
		MUST(job.status == SRTP_STATUS_OK && job.out_length == 16);
		MUST(!memcmp(packet, clear, 16));
		job = (struct srtp_job){
			.context = sender, .packet = packet, .length = 16, .room = sizeof(packet)};
		srtp_protect_burst(engine, &job, 1);
		MUST(job.status == SRTP_STATUS_REPLAY);
	}
	srtp_context_destroy(sender);
	srtp_context_destroy(receiver);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const parts[])(uint8_t, const uint8_t *, size_t) = {
		fuzz_unprotect, fuzz_round_trip, fuzz_steps};

	if (size >= 2 && size < UINT16_MAX - 64)
		parts[data[0] % 3](data[1], data + 2, size - 2);
	return 0;
}
