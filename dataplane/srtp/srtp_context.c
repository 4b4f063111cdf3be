// Contexts: made, taken over, exported and imported. Nothing here runs for a packet but
// srtp_context_add(), for the first one of an SSRC.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "srtp_context.h"
#include "srtp_engine.h"

#define SUITE_INFO(id, text, key, salt, rtp_tag, rtcp_tag) \
	[SRTP_SUITE_##id] = {text, key, salt, rtp_tag, rtcp_tag},
const struct srtp_suite_info srtp_suite_infos[N_SRTP_SUITES] = {SRTP_SUITES(SUITE_INFO)};

#define LINE 64

static size_t lines(size_t bytes)
{
	return (bytes + LINE - 1) & ~(size_t)(LINE - 1);
}

static void *heap_take(void *, size_t bytes)
{
	void *memory = aligned_alloc(LINE, bytes);

	return memory ? memset(memory, 0, bytes) : NULL;
}

static void heap_give(void *memory)
{
	free(memory);
}

static const struct srtp_memory heap = {heap_take, heap_give, NULL};

static size_t context_bytes(
	const struct srtp_backend *backend, enum srtp_suite suite, unsigned int mki_bytes)
{
	return lines(SRTP_KEYS_AT + backend->keys_bytes(suite) + mki_bytes);
}

static size_t more_bytes(unsigned int n)
{
	return lines(sizeof(struct srtp_more_streams) + n * sizeof(struct srtp_stream));
}

static_assert(sizeof(struct srtp_more_streams) + (SRTP_SSRCS - 1) * sizeof(struct srtp_stream) <=
		      SRTP_MORE_BYTES,
	"what a context asks for when its second SSRC comes");

const uint8_t *srtp_context_mki(const struct srtp_context *context)
{
	return context->keys +
	       srtp_context_backend(context)->keys_bytes((enum srtp_suite)context->suite);
}

static uint8_t backend_index(const struct srtp_backend *backend)
{
	uint8_t i = 0;

	while (srtp_backends[i] != backend)
		i++;
	return i;
}

static void give(struct srtp_context *context)
{
	const struct srtp_memory *memory = context->memory;

	if (context->more)
		memory->give(context->more);
	explicit_bzero(context, context_bytes(srtp_context_backend(context),
					(enum srtp_suite)context->suite, context->mki_bytes));
	memory->give(context);
}

// Room for more streams than one from the beginning. Returns 0 or -ENOMEM.
static int make_room(struct srtp_context *context, unsigned int n_more)
{
	context->more = context->memory->take(context->memory->context, more_bytes(n_more));
	if (!context->more)
		return -ENOMEM;
	context->more->n_max = n_more;
	return 0;
}

struct srtp_context *srtp_context_create(
	struct srtp_engine *engine, const struct srtp_keying *keying)
{
	const struct srtp_memory *memory = keying->memory ? keying->memory : &heap;
	struct srtp_context *context;
	int rc = 0;

	if ((unsigned int)keying->suite >= N_SRTP_SUITES || keying->mki_bytes > SRTP_MKI_MAX ||
		keying->max_ssrcs > SRTP_SSRCS_MAX) {
		errno = EINVAL;
		return NULL;
	}
	context = memory->take(
		memory->context, context_bytes(engine->backend, keying->suite, keying->mki_bytes));
	if (!context) {
		errno = ENOMEM;
		return NULL;
	}
	context->memory = memory;
	context->backend = backend_index(engine->backend) & 3;
	context->suite = keying->suite & 7;
	context->direction = keying->direction & 1;
	context->mki_bytes = keying->mki_bytes;
	context->plain_srtcp = keying->plain_srtcp;
	if (keying->mki_bytes)
		memcpy((uint8_t *)srtp_context_mki(context), keying->mki, keying->mki_bytes);
	if (keying->max_ssrcs)
		rc = make_room(context, keying->max_ssrcs - 1u);
	if (rc == 0)
		rc = engine->backend->keys_init(engine->state, context->keys, keying);
	if (rc == 0)
		return context;
	give(context);
	errno = -rc;
	return NULL;
}

void srtp_context_destroy(struct srtp_context *context)
{
	while (context) {
		struct srtp_context *old = context->old;

		srtp_context_backend(context)->keys_fini(context->keys);
		give(context);
		context = old;
	}
}

struct srtp_owner *srtp_context_owner(struct srtp_context *context)
{
	return &context->owner;
}

size_t srtp_context_least_bytes(enum srtp_suite suite)
{
	return context_bytes(srtp_backends[0], suite, 0);
}

size_t srtp_context_bytes(const struct srtp_context *context)
{
	return context_bytes(srtp_context_backend(context), (enum srtp_suite)context->suite,
		       context->mki_bytes) +
	       (context->more ? more_bytes((unsigned int)context->more->n_max) : 0);
}

static bool keys_same(const struct srtp_context *a, const struct srtp_context *b)
{
	return a->suite == b->suite && a->backend == b->backend &&
	       srtp_context_backend(a)->keys_same(a->keys, b->keys, (enum srtp_suite)a->suite);
}

int srtp_context_is_of(struct srtp_engine *engine, const struct srtp_context *context,
	const struct srtp_keying *keying)
{
	struct srtp_context *other;
	bool same;

	if (context->suite != keying->suite || context->direction != keying->direction ||
		context->mki_bytes != keying->mki_bytes ||
		context->plain_srtcp != keying->plain_srtcp)
		return 0;
	other = srtp_context_create(engine, keying);
	if (!other)
		return -errno;
	same = keys_same(context, other) &&
	       (!context->mki_bytes ||
		       !memcmp(srtp_context_mki(context), keying->mki, context->mki_bytes));
	srtp_context_destroy(other);
	return same;
}

static unsigned int streams_max(const struct srtp_context *context)
{
	return context->more ? 1 + (unsigned int)context->more->n_max : SRTP_SSRCS;
}

struct srtp_stream *srtp_context_find_other(struct srtp_context *context, uint32_t ssrc)
{
	for (unsigned int i = 0; i + 1 < context->n_streams; i++)
		if (context->more->at[i].ssrc == ssrc)
			return &context->more->at[i];
	return NULL;
}

// One that has not been heard of under this key.
static struct srtp_stream *find_unheard(struct srtp_context *context)
{
	for (unsigned int i = 0; i < context->n_streams; i++) {
		struct srtp_stream *stream = srtp_context_stream(context, i);

		if (!stream->rtp_started && !stream->rtcp_started)
			return stream;
	}
	return NULL;
}

bool srtp_context_has_room(struct srtp_context *context)
{
	return context->n_streams < streams_max(context) || find_unheard(context);
}

// A thread that must not allocate has spare pieces.
static void make_room_later(const struct srtp_engine *engine, struct srtp_context *context)
{
	if (!engine || !engine->take_spare)
		make_room(context, SRTP_SSRCS - 1);
	else if ((context->more = engine->take_spare(engine->spares)))
		context->more->n_max = SRTP_SSRCS - 1;
}

struct srtp_stream *srtp_context_add(
	const struct srtp_engine *engine, struct srtp_context *context, uint32_t ssrc)
{
	struct srtp_stream *stream;

	if (context->n_streams == 1 && !context->more)
		make_room_later(engine, context);
	if (context->n_streams == 0 ||
		(context->more && context->n_streams < streams_max(context))) {
		stream = srtp_context_stream(context, context->n_streams);
		stream->ssrc = ssrc;
		__atomic_store_n(&context->n_streams, context->n_streams + 1, __ATOMIC_RELEASE);
		return stream;
	}
	stream = find_unheard(context);
	if (stream)
		*stream = (struct srtp_stream){.ssrc = ssrc};
	return stream;
}

// With a new key a receiver learns from the old context only where the ROC was: windows begin anew,
// since what was sent under the old key does not authenticate under the new one.
static void stream_take_over(
	struct srtp_context *context, const struct srtp_stream *from, bool whole)
{
	struct srtp_stream *stream = srtp_context_find(context, from->ssrc);

	if (!stream)
		stream = srtp_context_add(NULL, context, from->ssrc);
	if (!stream)
		return;
	if (whole)
		*stream = *from;
	else
		stream->highest = from->highest;
}

bool srtp_context_take_over(struct srtp_engine *engine, struct srtp_context *context,
	struct srtp_context *old, bool restart)
{
	bool same_key = keys_same(context, old);
	bool receive = context->direction == SRTP_RECEIVE;
	bool knows = receive || same_key || !restart; // what `old` knows matters

	if (knows && old->n_streams + context->n_streams > 1 && !context->more) {
		make_room_later(engine, context);
		if (!context->more)
			return false;
	}
	// One key must never have two windows, or what the one has seen passes the other.
	for (unsigned int i = 0; i < old->n_streams && knows; i++)
		stream_take_over(context, srtp_context_stream(old, i), same_key || !receive);
	context->old = old;
	context->overlap = receive && !same_key ? SRTP_WINDOW : 0;
	return true;
}

struct srtp_context *srtp_context_detach_old(struct srtp_context *context, bool now)
{
	struct srtp_context *old = context->old;

	if (context->overlap && !now)
		return NULL;
	context->old = NULL;
	context->overlap = 0;
	return old;
}

unsigned int srtp_context_export(
	const struct srtp_context *context, struct srtp_indices *indices, unsigned int max)
{
	unsigned int n = __atomic_load_n(&context->n_streams, __ATOMIC_ACQUIRE);

	for (unsigned int i = 0; i < n && i < max; i++) {
		const struct srtp_stream *stream =
			srtp_context_stream((struct srtp_context *)context, i);
		uint64_t rtp = __atomic_load_n(&stream->highest, __ATOMIC_RELAXED);
		uint32_t rtcp = __atomic_load_n(&stream->rtcp_highest, __ATOMIC_RELAXED);

		indices[i].ssrc = stream->ssrc;
		indices[i].rtp_next = stream->rtp_started ? rtp + 1 : 0;
		indices[i].rtcp_next = stream->rtcp_started ? rtcp + 1 : 0;
	}
	return n;
}

static void stream_import(
	struct srtp_stream *stream, const struct srtp_indices *indices, bool receive)
{
	if (indices->rtp_next &&
		(!stream->rtp_started || indices->rtp_next > stream->highest + 1)) {
		stream->highest = indices->rtp_next - 1;
		stream->window = SRTP_WINDOW_FULL;
		stream->rtp_started = true;
		stream->imported = receive;
	}
	if (indices->rtcp_next &&
		(!stream->rtcp_started || indices->rtcp_next > stream->rtcp_highest + 1)) {
		stream->rtcp_highest = indices->rtcp_next - 1;
		stream->rtcp_window = SRTP_WINDOW_FULL;
		stream->rtcp_started = true;
	}
}

int srtp_context_import(
	struct srtp_context *context, const struct srtp_indices *indices, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		struct srtp_stream *stream = srtp_context_find(context, indices[i].ssrc);

		if (indices[i].rtp_next > SRTP_INDEX_END || indices[i].rtcp_next > SRTCP_INDEX_END)
			return -EINVAL;
		if (!stream)
			stream = srtp_context_add(NULL, context, indices[i].ssrc);
		if (!stream)
			return -ENOSPC;
		stream_import(stream, &indices[i], context->direction == SRTP_RECEIVE);
	}
	return 0;
}
