// What control wanted of a session, kept until it asks (GET, LIST) or replaces it. Most of a
// `struct sl_session` is zero: formats and SRTP that a leg does not have, ends of names and
// addresses. So it is kept as its bytes without those zeros, with the record behind, in one piece
// of memory of just that size. What main needs to know ten times a second is in the leg and its
// configuration.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "sl_api.h"

struct wanted_state;

// Of a session without keys, and its record (session->record_length bytes). NULL with errno:
// ENOMEM.
struct wanted_state *wanted_state_create(const struct sl_session *session, const void *record);
void wanted_state_destroy(struct wanted_state *state);

// The session as it was: n_legs legs of `session` are written, and what comes before them. Returns
// the record, which stays the state's.
const void *wanted_state_read(const struct wanted_state *state, struct sl_session *session);

// Of memory, without the record.
size_t wanted_state_bytes(const struct wanted_state *state);

// Bytes of a session that are looked at.
static inline size_t session_bytes(const struct sl_session *session)
{
	return offsetof(struct sl_session, legs) + session->n_legs * sizeof(session->legs[0]);
}
