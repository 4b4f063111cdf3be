// Protect and unprotect: what RFC 3711 3.3 and 3.4 say step by step, over bursts. Sending settles
// an index and marks it used before the cipher runs, so nothing can make it be used again.
// Receiving changes nothing until the tag was right; then it looks at the window again, since the
// same packet may be in one burst twice.
#include <assert.h>
#include <string.h>

#include "srtp_context.h"
#include "srtp_engine.h"

#define RTP_FIXED_BYTES	 12
#define RTCP_CLEAR_BYTES 8
#define GENERATIONS_MAX	 3 // contexts that a packet is tried on

static uint16_t be16(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static uint32_t be32(const uint8_t *bytes)
{
	return (uint32_t)be16(bytes) << 16 | be16(bytes + 2);
}

// Bytes up to the payload (RFC 3550 5.1, 5.3.1), 0 where they are not all there.
static unsigned int rtp_header_bytes(const uint8_t *packet, unsigned int length)
{
	unsigned int bytes = RTP_FIXED_BYTES + (packet[0] & 0x0f) * 4;

	if (packet[0] & 0x10) {
		if (bytes + 4 > length)
			return 0;
		bytes += 4 + be16(packet + bytes + 2) * 4;
	}
	return bytes <= length ? bytes : 0;
}

static unsigned int trailer_bytes(const struct srtp_context *context, bool rtcp)
{
	return srtp_tag_bytes(context->suite, rtcp) + context->mki_bytes + (rtcp ? 4 : 0);
}

// Cut up a packet of which `length` bytes are no trailer.
static enum srtp_status op_start(struct srtp_op *op, const struct srtp_job *job,
	const struct srtp_context *context, int length)
{
	const uint8_t *packet = job->packet;
	unsigned int header = RTCP_CLEAR_BYTES;

	if (length < (job->rtcp ? RTCP_CLEAR_BYTES : RTP_FIXED_BYTES) || packet[0] >> 6 != 2)
		return SRTP_STATUS_MALFORMED;
	if (!job->rtcp)
		header = rtp_header_bytes(packet, length);
	if (!header)
		return SRTP_STATUS_MALFORMED;
	*op = (struct srtp_op){
		.keys = (void *)context->keys,
		.packet = job->packet,
		.mki_bytes = context->mki_bytes,
		.ssrc = be32(packet + (job->rtcp ? 4 : 8)),
		.header_bytes = header,
		.body_bytes = length - header,
		.suite = context->suite,
		.rtcp = job->rtcp,
		.encrypted = true,
	};
	if (__builtin_expect(context->mki_bytes, 0))
		op->mki = srtp_context_mki(context);
	return SRTP_STATUS_OK;
}

static void op_prefetch(const struct srtp_engine *engine, const struct srtp_op *op)
{
	if (engine->backend->keys_prefetch)
		engine->backend->keys_prefetch(op->keys, op->suite, op->body_bytes);
}

static void rtp_mark(struct srtp_stream *stream, uint64_t index)
{
	uint64_t highest = index;

	if (stream->rtp_started)
		highest = srtp_window_add(&stream->window, stream->highest, index);
	else
		stream->window = (struct srtp_window){{1}};
	__atomic_store_n(&stream->highest, highest, __ATOMIC_RELAXED);
	stream->rtp_started = true;
}

static void rtcp_mark(struct srtp_stream *stream, uint32_t index)
{
	uint64_t highest = index;

	if (stream->rtcp_started)
		highest = srtp_window_add(&stream->rtcp_window, stream->rtcp_highest, index);
	else
		stream->rtcp_window = (struct srtp_window){{1}};
	__atomic_store_n(&stream->rtcp_highest, (uint32_t)highest, __ATOMIC_RELAXED);
	stream->rtcp_started = true;
}

// ---- protect ----

static enum srtp_status send_rtp_index(struct srtp_stream *stream, uint16_t sequence, uint64_t *out)
{
	int64_t index = sequence;
	enum srtp_status status = SRTP_STATUS_OK;

	if (stream->rtp_started) {
		index = srtp_index_estimate(stream->highest, sequence);
		// Before ROC 0: the receiver could take it only for one far ahead.
		if (index < 0)
			return SRTP_STATUS_LATE;
		if (index >= (int64_t)SRTP_INDEX_END)
			return SRTP_STATUS_LIMIT;
		status = srtp_window_check(&stream->window, stream->highest, index);
	}
	if (status == SRTP_STATUS_OK)
		rtp_mark(stream, index);
	*out = index;
	return status;
}

// The first index is 1, as that of libsrtp2; to a receiver 0 is then a packet that got lost.
static enum srtp_status send_rtcp_index(struct srtp_stream *stream, uint64_t *out)
{
	*out = stream->rtcp_started ? (uint64_t)stream->rtcp_highest + 1 : 1;
	if (*out >= SRTCP_INDEX_END)
		return SRTP_STATUS_LIMIT;
	rtcp_mark(stream, *out);
	return SRTP_STATUS_OK;
}

static enum srtp_status protect_start(
	const struct srtp_engine *engine, const struct srtp_job *job, struct srtp_op *op)
{
	struct srtp_context *context = job->context;
	struct srtp_stream *stream;
	enum srtp_status status;

	assert(context->direction == SRTP_SEND);
	if (job->length > SRTP_PACKET_MAX)
		return SRTP_STATUS_MALFORMED;
	status = op_start(op, job, context, job->length);
	if (status != SRTP_STATUS_OK)
		return status;
	if (job->length + trailer_bytes(context, job->rtcp) > job->room)
		return SRTP_STATUS_ROOM;
	op->encrypted = !(job->rtcp && context->plain_srtcp);
	stream = srtp_context_find(context, op->ssrc);
	if (!stream)
		stream = srtp_context_add(engine, context, op->ssrc);
	if (!stream)
		return SRTP_STATUS_SSRC;
	if (job->rtcp)
		return send_rtcp_index(stream, &op->index);
	return send_rtp_index(stream, be16(job->packet + 2), &op->index);
}

static void protect_chunk(struct srtp_engine *engine, struct srtp_job *jobs, unsigned int n)
{
	struct srtp_job *of_op[SRTP_CHUNK];
	unsigned int n_ops = 0;

	for (unsigned int i = 0; i < n; i++) {
		struct srtp_op *op = &engine->ops[n_ops];

		jobs[i].out_length = 0;
		jobs[i].status = protect_start(engine, &jobs[i], op);
		if (jobs[i].status != SRTP_STATUS_OK)
			continue;
		op_prefetch(engine, op);
		of_op[n_ops++] = &jobs[i];
	}
	engine->backend->protect(engine->state, engine->ops, n_ops);
	for (unsigned int i = 0; i < n_ops; i++) {
		struct srtp_job *job = of_op[i];

		job->status = engine->ops[i].status;
		if (job->status == SRTP_STATUS_OK)
			job->out_length = job->length + trailer_bytes(job->context, job->rtcp);
	}
}

// ---- unprotect ----

// The context to try as number `k`: the newest that ever authenticated a packet, then those after
// it, then those before. NULL: no more.
static struct srtp_context *generation(struct srtp_context *newest, unsigned int k)
{
	struct srtp_context *all[GENERATIONS_MAX] = {newest};
	unsigned int n = 1, current = 0;

	if (!newest->overlap)
		return k ? NULL : newest;
	while (n < GENERATIONS_MAX && all[n - 1]->overlap && all[n - 1]->old) {
		all[n] = all[n - 1]->old;
		n++;
	}
	while (current < n - 1 && !all[current]->started)
		current++;
	if (k >= n)
		return NULL;
	return all[k <= current ? current - k : k];
}

// Ways to read a packet under one key: with the ROC that RFC 3711 3.3.1 estimates, with the 0 of a
// sender that has begun anew, and where the ROC is another's word, with what else it may be of
// that, one more and one less.
enum way { WAY_ESTIMATE, WAY_FROM_ZERO, WAY_OTHER, WAY_OTHER2, WAYS };

// The index with the `n`th of the ROCs r, r + 1, r - 1 that the estimate has not; -1: there is
// none.
static int64_t other_index(const struct srtp_stream *stream, uint16_t sequence, unsigned int n)
{
	static const int64_t steps[] = {0, 0x10000, -0x10000};
	int64_t estimate = srtp_index_estimate(stream->highest, sequence);

	for (unsigned int i = 0; i < 3; i++) {
		int64_t index =
			(int64_t)(stream->highest & ~UINT64_C(0xffff)) + steps[i] + sequence;

		if (index != estimate && n-- == 0)
			return index;
	}
	return -1;
}

static enum srtp_status receive_rtp_index(
	const struct srtp_stream *stream, uint16_t sequence, enum way way, uint64_t *out)
{
	int64_t index = sequence;

	if (way >= WAY_OTHER) {
		index = other_index(stream, sequence, way - WAY_OTHER);
		if (index < 0)
			return SRTP_STATUS_LATE;
	} else if (stream && (way != WAY_FROM_ZERO || stream->rtp_started)) {
		index = srtp_index_estimate(stream->highest, sequence);
	}
	// There is nothing before ROC 0; it may be a step ahead of 2^15 and more, the tag will
	// tell.
	if (index < 0)
		index = sequence;
	*out = index;
	if (index >= (int64_t)SRTP_INDEX_END)
		return SRTP_STATUS_LIMIT;
	if (stream && stream->rtp_started)
		return srtp_window_check(&stream->window, stream->highest, index);
	return SRTP_STATUS_OK;
}

static enum srtp_status receive_rtcp_index(
	const struct srtp_stream *stream, const struct srtp_job *job, struct srtp_op *op)
{
	unsigned int tag = srtp_suite_is_gcm(op->suite) ? srtp_tag_bytes(op->suite, true) : 0;
	uint32_t word = be32(job->packet + op->header_bytes + op->body_bytes + tag);

	op->encrypted = word & SRTCP_E_FLAG;
	op->index = word & ~SRTCP_E_FLAG;
	if (stream && stream->rtcp_started)
		return srtp_window_check(&stream->rtcp_window, stream->rtcp_highest, op->index);
	return SRTP_STATUS_OK;
}

static bool mki_matches(const struct srtp_context *context, const struct srtp_job *job)
{
	const uint8_t *end = job->packet + job->length;

	if (!srtp_suite_is_gcm(context->suite))
		end -= srtp_tag_bytes(context->suite, job->rtcp);
	return !memcmp(end - context->mki_bytes, srtp_context_mki(context), context->mki_bytes);
}

// Read the packet as one of `context`.
static enum srtp_status unprotect_start(
	const struct srtp_job *job, struct srtp_context *context, enum way way, struct srtp_op *op)
{
	struct srtp_stream *stream;
	enum srtp_status status;

	assert(context->direction == SRTP_RECEIVE);
	if (job->length > SRTP_PACKET_MAX + SRTP_TRAILER_MAX)
		return SRTP_STATUS_MALFORMED;
	status = op_start(
		op, job, context, (int)job->length - (int)trailer_bytes(context, job->rtcp));
	if (status != SRTP_STATUS_OK)
		return status;
	if (context->mki_bytes && !mki_matches(context, job))
		return SRTP_STATUS_MKI;
	stream = srtp_context_find(context, op->ssrc);
	if (!stream && !srtp_context_has_room(context))
		return SRTP_STATUS_SSRC;
	if (job->rtcp)
		return receive_rtcp_index(stream, job, op);
	return receive_rtp_index(stream, be16(job->packet + 2), way, &op->index);
}

// Whether the SSRC is known from the old key only: then its ROC may have gone on or begun anew.
static bool may_begin_anew(struct srtp_context *context, const struct srtp_job *job)
{
	const struct srtp_stream *stream;

	if (job->rtcp || job->length < RTP_FIXED_BYTES)
		return false;
	stream = srtp_context_find(context, be32(job->packet + 8));
	return stream && !stream->rtp_started && stream->highest;
}

// Whether nothing of the SSRC has authenticated since its indices were imported.
static bool is_imported(struct srtp_context *context, const struct srtp_job *job)
{
	const struct srtp_stream *stream;

	if (job->rtcp || job->length < RTP_FIXED_BYTES)
		return false;
	stream = srtp_context_find(context, be32(job->packet + 8));
	return stream && stream->imported;
}

static bool is_open(struct srtp_context *context, const struct srtp_job *job, enum way way)
{
	switch (way) {
	case WAY_FROM_ZERO:
		return may_begin_anew(context, job);
	case WAY_OTHER:
	case WAY_OTHER2:
		return is_imported(context, job);
	default:
		return true;
	}
}

// Settle how to read the packet: the first way from attempt->number on that makes sense. WAYS of
// each context. False: none is left, attempt->status says why.
static bool attempt_start(
	const struct srtp_engine *engine, struct srtp_attempt *attempt, struct srtp_op *op)
{
	for (;; attempt->number++) {
		enum way way = (enum way)(attempt->number % WAYS);
		enum srtp_status status;

		attempt->context = generation(attempt->job->context, attempt->number / WAYS);
		if (!attempt->context)
			return false;
		if (!is_open(attempt->context, attempt->job, way))
			continue;
		status = unprotect_start(attempt->job, attempt->context, way, op);
		if (status == SRTP_STATUS_OK) {
			op_prefetch(engine, op);
			return true;
		}
		if (attempt->status == SRTP_STATUS_OK)
			attempt->status = status;
	}
}

// The tag was right: now it counts.
static enum srtp_status commit(
	const struct srtp_engine *engine, struct srtp_context *context, const struct srtp_op *op)
{
	struct srtp_stream *stream = srtp_context_find(context, op->ssrc);
	enum srtp_status status = SRTP_STATUS_OK;

	if (!stream)
		stream = srtp_context_add(engine, context, op->ssrc);
	if (!stream)
		return SRTP_STATUS_SSRC;
	if (op->rtcp && stream->rtcp_started)
		status = srtp_window_check(&stream->rtcp_window, stream->rtcp_highest, op->index);
	else if (!op->rtcp && stream->rtp_started)
		status = srtp_window_check(&stream->window, stream->highest, op->index);
	if (status != SRTP_STATUS_OK)
		return status;
	if (op->rtcp)
		rtcp_mark(stream, op->index);
	else
		rtp_mark(stream, op->index);
	stream->imported &= op->rtcp;
	context->started = true;
	if (context->overlap)
		context->overlap--;
	return SRTP_STATUS_OK;
}

// False: try again, another way; or the same way where a packet of this burst moved the ROC on.
static bool attempt_finish(
	const struct srtp_engine *engine, struct srtp_attempt *attempt, struct srtp_op *op)
{
	struct srtp_job *job = attempt->job;
	uint64_t tried = op->index;

	if (op->status == SRTP_STATUS_AUTH) {
		if (attempt->status == SRTP_STATUS_OK)
			attempt->status = SRTP_STATUS_AUTH;
		if (unprotect_start(job, attempt->context, (enum way)(attempt->number % WAYS),
			    op) != SRTP_STATUS_OK ||
			op->index == tried)
			attempt->number++;
		return false;
	}
	job->status = op->status;
	if (job->status == SRTP_STATUS_OK)
		job->status = commit(engine, attempt->context, op);
	if (job->status == SRTP_STATUS_OK)
		job->out_length = op->header_bytes + op->body_bytes;
	return true;
}

static void unprotect_chunk(struct srtp_engine *engine, struct srtp_job *jobs, unsigned int n)
{
	struct srtp_attempt *attempts = engine->attempts;
	unsigned int n_waiting = n;

	for (unsigned int i = 0; i < n; i++) {
		jobs[i].out_length = 0;
		attempts[i] = (struct srtp_attempt){.job = &jobs[i]};
	}
	while (n_waiting) {
		unsigned int n_ops = 0;

		for (unsigned int i = 0; i < n_waiting; i++) {
			struct srtp_attempt attempt = attempts[i];

			if (attempt_start(engine, &attempt, &engine->ops[n_ops]))
				attempts[n_ops++] = attempt;
			else
				attempt.job->status = attempt.status;
		}
		engine->backend->unprotect(engine->state, engine->ops, n_ops);
		n_waiting = 0;
		for (unsigned int i = 0; i < n_ops; i++)
			if (!attempt_finish(engine, &attempts[i], &engine->ops[i]))
				attempts[n_waiting++] = attempts[i];
	}
}

// ---- both ----

static void burst(struct srtp_engine *engine, struct srtp_job *jobs, unsigned int n,
	void (*chunk)(struct srtp_engine *, struct srtp_job *, unsigned int))
{
	unsigned int n_chunk = engine->backend->chunk;

	for (; n; jobs += n_chunk) {
		if (n_chunk > n)
			n_chunk = n;
		for (unsigned int i = 0; i < n_chunk; i++)
			__builtin_prefetch(jobs[i].context);
		chunk(engine, jobs, n_chunk);
		for (unsigned int i = 0; i < n_chunk; i++) {
			uint64_t *count = &engine->counts[jobs[i].status];

			__atomic_store_n(count, *count + 1, __ATOMIC_RELAXED);
		}
		n -= n_chunk;
	}
}

void srtp_protect_burst(struct srtp_engine *engine, struct srtp_job *jobs, unsigned int n)
{
	burst(engine, jobs, n, protect_chunk);
}

void srtp_unprotect_burst(struct srtp_engine *engine, struct srtp_job *jobs, unsigned int n)
{
	burst(engine, jobs, n, unprotect_chunk);
}
