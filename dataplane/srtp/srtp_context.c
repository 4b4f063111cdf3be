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

static size_t context_bytes(unsigned int max_streams, unsigned int mki_bytes)
{
	size_t bytes = sizeof(struct srtp_context) + max_streams * sizeof(struct srtp_stream);

	return (bytes + mki_bytes + 63) & ~(size_t)63;
}

struct srtp_context *srtp_context_create(
	struct srtp_engine *engine, const struct srtp_keying *keying)
{
	unsigned int max_streams = keying->max_ssrcs ? keying->max_ssrcs : SRTP_SSRCS;
	struct srtp_context *context;
	size_t bytes;

	if ((unsigned int)keying->suite >= N_SRTP_SUITES || keying->mki_bytes > SRTP_MKI_MAX ||
		max_streams > SRTP_SSRCS_MAX) {
		errno = EINVAL;
		return NULL;
	}
	bytes = context_bytes(max_streams, keying->mki_bytes);
	context = aligned_alloc(64, bytes);
	if (!context)
		return NULL;
	memset(context, 0, bytes);
	context->backend = engine->backend;
	context->suite = keying->suite;
	context->direction = keying->direction;
	context->max_streams = max_streams;
	context->mki_bytes = keying->mki_bytes;
	context->plain_srtcp = keying->plain_srtcp;
	memcpy((uint8_t *)&context->streams[max_streams], keying->mki, keying->mki_bytes);
	context->keys = engine->backend->keys_create(engine->state, keying);
	if (!context->keys) {
		free(context);
		return NULL;
	}
	return context;
}

void srtp_context_destroy(struct srtp_context *context)
{
	while (context) {
		struct srtp_context *old = context->old;

		context->backend->keys_destroy(context->keys, context->suite);
		free(context);
		context = old;
	}
}

size_t srtp_context_bytes(const struct srtp_context *context)
{
	return context_bytes(context->max_streams, context->mki_bytes) +
	       context->backend->keys_bytes(context->suite);
}

struct srtp_stream *srtp_context_add(struct srtp_context *context, uint32_t ssrc)
{
	struct srtp_stream *stream = NULL;

	if (context->n_streams < context->max_streams) {
		stream = &context->streams[context->n_streams];
		stream->ssrc = ssrc;
		__atomic_store_n(&context->n_streams, context->n_streams + 1, __ATOMIC_RELEASE);
		return stream;
	}
	for (unsigned int i = 0; i < context->n_streams && !stream; i++)
		if (!context->streams[i].rtp_started && !context->streams[i].rtcp_started)
			stream = &context->streams[i];
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
		stream = srtp_context_add(context, from->ssrc);
	if (!stream)
		return;
	if (whole)
		*stream = *from;
	else
		stream->highest = from->highest;
}

void srtp_context_take_over(struct srtp_context *context, struct srtp_context *old, bool restart)
{
	bool same_key = context->suite == old->suite && context->backend == old->backend &&
			context->backend->keys_same(context->keys, old->keys, context->suite);
	bool receive = context->direction == SRTP_RECEIVE;

	// One key must never have two windows, or what the one has seen passes the other.
	for (unsigned int i = 0; i < old->n_streams && (receive || same_key || !restart); i++)
		stream_take_over(context, &old->streams[i], same_key || !receive);
	context->old = old;
	context->overlap = receive && !same_key ? SRTP_WINDOW : 0;
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
		const struct srtp_stream *stream = &context->streams[i];
		uint64_t rtp = __atomic_load_n(&stream->highest, __ATOMIC_RELAXED);
		uint32_t rtcp = __atomic_load_n(&stream->rtcp_highest, __ATOMIC_RELAXED);

		indices[i].ssrc = stream->ssrc;
		indices[i].rtp_next = stream->rtp_started ? rtp + 1 : 0;
		indices[i].rtcp_next = stream->rtcp_started ? rtcp + 1 : 0;
	}
	return n;
}

static void stream_import(struct srtp_stream *stream, const struct srtp_indices *indices)
{
	if (indices->rtp_next &&
		(!stream->rtp_started || indices->rtp_next > stream->highest + 1)) {
		stream->highest = indices->rtp_next - 1;
		stream->window = SRTP_WINDOW_FULL;
		stream->rtp_started = true;
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
			stream = srtp_context_add(context, indices[i].ssrc);
		if (!stream)
			return -ENOSPC;
		stream_import(stream, &indices[i]);
	}
	return 0;
}
