// What a context is made of: one piece of memory for state, keys and MKI, so that it takes no more
// than it needs and begins and ends with a cache line.
//
//   line 0     all that a packet of the first SSRC touches besides the keys
//   then       its SRTCP, and from SRTP_KEYS_AT on the keys as the backend has them
//   the end    the MKI
//
// Nearly all contexts have one SSRC for as long as they live. Others get a piece of memory more.
#pragma once

#include <assert.h>
#include <stddef.h>

#include "srtp_backend.h"

// One SSRC. Written by the owner of the context; `highest` and `rtcp_highest` are read by
// srtp_context_export() anywhere.
struct srtp_stream {
	uint64_t highest; // SRTP index; a mere guess of the ROC where not rtp_started
	struct srtp_window window;
	uint32_t ssrc;
	bool rtp_started; // under this key
	bool rtcp_started;
	bool imported; // receiving: its ROC is another's word, one more or less may be right
	uint8_t reserved;
	struct srtp_window rtcp_window;
	uint32_t rtcp_highest;
	uint8_t reserved2[4];
};

// Those behind the first.
struct srtp_more_streams {
	uint64_t n_max;
	struct srtp_stream at[];
};

struct srtp_context {
	struct srtp_context *old;	// taken over
	struct srtp_more_streams *more; // NULL: one has been enough, and there is room for one
	const struct srtp_memory *memory;
	uint8_t suite : 3;
	uint8_t direction : 1;
	uint8_t plain_srtcp : 1;
	uint8_t backend : 2; // index into srtp_backends
	bool started;	     // has authenticated a packet
	uint8_t n_streams;
	uint8_t mki_bytes;
	uint8_t overlap; // packets for which `old` will still be tried
	struct srtp_owner owner;
	struct srtp_stream first;
	uint8_t keys[];
};

#define SRTP_KEYS_AT (offsetof(struct srtp_context, keys))

static_assert(SRTP_KEYS_AT == 88 && offsetof(struct srtp_context, first.rtcp_window) == 64,
	"a packet of the first SSRC needs one line besides the keys");

static inline const struct srtp_backend *srtp_context_backend(const struct srtp_context *context)
{
	return srtp_backends[context->backend];
}

// Only where there is one.
const uint8_t *srtp_context_mki(const struct srtp_context *context);

// Of n_streams.
static inline struct srtp_stream *srtp_context_stream(struct srtp_context *context, unsigned int i)
{
	return i == 0 ? &context->first : &context->more->at[i - 1];
}

struct srtp_stream *srtp_context_find_other(struct srtp_context *context, uint32_t ssrc);

static inline struct srtp_stream *srtp_context_find(struct srtp_context *context, uint32_t ssrc)
{
	if (context->n_streams && context->first.ssrc == ssrc)
		return &context->first;
	return context->n_streams > 1 ? srtp_context_find_other(context, ssrc) : NULL;
}

// Whether srtp_context_add() may find room. What it needs memory for may still fail.
bool srtp_context_has_room(struct srtp_context *context);

// A new SSRC, or NULL where there is no room. One that has not been heard of under this key gives
// way; one that has never does, since its window is what keeps out its replays. `engine` is that of
// the thread, NULL: main's.
struct srtp_stream *srtp_context_add(
	const struct srtp_engine *engine, struct srtp_context *context, uint32_t ssrc);
