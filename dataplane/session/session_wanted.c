// Runs, one after the other: how many zeros (a byte), how many other bytes (a byte), and these. Two
// zeros among others do not end a run, since a new one costs as much.
#include "session_wanted.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RUN_MAX 255

struct wanted_state {
	uint16_t packed_bytes;
	uint16_t n_bytes; // of the session, unpacked
	uint8_t packed[]; // then the record
};

// A run of others takes two bytes more than it is long and is at least three zeros apart from the
// next, or 255 bytes long.
#define PACKED_MAX (sizeof(struct sl_session) + sizeof(struct sl_session) / 16)

static size_t zeros_at(const uint8_t *bytes, size_t n)
{
	size_t zeros = 0;

	while (zeros < n && zeros < RUN_MAX && bytes[zeros] == 0)
		zeros++;
	return zeros;
}

// Bytes until three zeros, or zeros until the end.
static size_t others_at(const uint8_t *bytes, size_t n)
{
	size_t others = 0;

	while (others < n && others < RUN_MAX) {
		size_t zeros = zeros_at(bytes + others, n - others);

		if (zeros > 2 || zeros == n - others)
			break;
		others += zeros + 1;
	}
	return others < RUN_MAX ? others : RUN_MAX;
}

static size_t pack(const uint8_t *bytes, size_t n, uint8_t *packed)
{
	size_t at = 0, to = 0;

	while (at < n) {
		size_t zeros = zeros_at(bytes + at, n - at);
		size_t others = others_at(bytes + at + zeros, n - at - zeros);

		packed[to++] = (uint8_t)zeros;
		packed[to++] = (uint8_t)others;
		memcpy(packed + to, bytes + at + zeros, others);
		at += zeros + others;
		to += others;
	}
	return to;
}

static void unpack(const uint8_t *packed, size_t packed_bytes, uint8_t *bytes)
{
	for (size_t at = 0; at < packed_bytes;) {
		uint8_t zeros = packed[at++], others = packed[at++];

		memset(bytes, 0, zeros);
		memcpy(bytes + zeros, packed + at, others);
		bytes += zeros + others;
		at += others;
	}
}

struct wanted_state *wanted_state_create(const struct sl_session *session, const void *record)
{
	uint8_t packed[PACKED_MAX];
	size_t n = pack((const uint8_t *)session, session_bytes(session), packed);
	struct wanted_state *state = malloc(sizeof(*state) + n + session->record_length);

	if (!state)
		return NULL;
	state->packed_bytes = (uint16_t)n;
	state->n_bytes = (uint16_t)session_bytes(session);
	memcpy(state->packed, packed, n);
	if (session->record_length)
		memcpy(state->packed + n, record, session->record_length);
	return state;
}

void wanted_state_destroy(struct wanted_state *state)
{
	free(state);
}

const void *wanted_state_read(const struct wanted_state *state, struct sl_session *session)
{
	unpack(state->packed, state->packed_bytes, (uint8_t *)session);
	return state->packed + state->packed_bytes;
}

size_t wanted_state_bytes(const struct wanted_state *state)
{
	return sizeof(*state) + state->packed_bytes;
}
