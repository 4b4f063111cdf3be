// A call as bytes for the other nodes: what record.c has, and what the dataplane would say besides.
//
//   u8 version | u8 kind: 1, established | u8 n legs of the session |
//   n times: u16 port | u32 SSRC that we send under | u64, u32, u32 how far SRTP of its far end has
//   come (sl_srtp_indices) | the record
//
//   u8 version | u8 kind: 2, not answered | u64 time of the INVITE | u64 of the first ring |
//   4 times u8 length and text: trunks of a and b, caller, called | INVITEs to b (attempts_save())
//
// Of calls that are not answered there is just what cleans up behind them: what rings is cancelled,
// and the caller calls again. Big-endian. What is of a newer version is left alone.
#include <errno.h>

#include "call_shards.h"
#include "description.h"
#include "hunt.h"

enum {
	VERSION = 1,
	KIND_CALL = 1,
	KIND_EARLY = 2,
	EARLY_SIZE = 2 + 8 + 8,
	LEG_SIZE = 2 + 4 + 8 + 4 + 4
};

static uint8_t *put(uint8_t *at, uint64_t number, size_t size)
{
	while (size--)
		*at++ = (uint8_t)(number >> 8 * size);
	return at;
}

static uint64_t get(const uint8_t **at, size_t size)
{
	uint64_t number = 0;

	while (size--)
		number = number << 8 | *(*at)++;
	return number;
}

static uint8_t *put_text(uint8_t *at, const char *text)
{
	size_t n = strlen(text);

	n = n < CALL_NAME_MAX ? n : CALL_NAME_MAX - 1;

	*at++ = (uint8_t)n;
	memcpy(at, text, n);
	return at + n;
}

static size_t early_save(const struct call *call, uint8_t *out, size_t size)
{
	const struct trunk *a = call->legs[LEG_A].trunk, *b = call->legs[LEG_B].trunk;
	uint8_t *at = out;
	int n;

	if (LIST_EMPTY(&call->attempts) || !a || !b || size < EARLY_SIZE + 4 * 256)
		return 0;
	at = put(at, VERSION, 1);
	at = put(at, KIND_EARLY, 1);
	at = put(at, call->times.invite_ms, 8);
	at = put(at, call->times.ringing_ms, 8);
	at = put_text(at, a->name);
	at = put_text(at, b->name);
	at = put_text(at, call->from);
	at = put_text(at, call->target.number);
	n = attempts_save(call, at, size - (size_t)(at - out));
	return n > 0 ? (size_t)(at - out) + (size_t)n : 0;
}

static size_t call_save(const struct call *call, void *out, size_t size)
{
	struct media_session *session = (struct media_session *)&call->session;
	unsigned int n_legs = media_session_n_legs(session);
	size_t head = 3 + n_legs * LEG_SIZE, n;
	uint8_t *at = out;

	if (size <= head)
		return 0;
	n = record_save(call, at + head, size - head);
	if (!n)
		return 0;
	at = put(at, VERSION, 1);
	at = put(at, KIND_CALL, 1);
	at = put(at, n_legs, 1);
	for (unsigned int i = 0; i < n_legs; i++) {
		const struct sl_leg *leg = media_session_leg(session, i);

		at = put(at, leg->local.port, 2);
		at = put(at, leg->ssrc, 4);
		at = put(at, leg->srtp_receive.resume.rtp_next, 8);
		at = put(at, leg->srtp_receive.resume.rtcp_next, 4);
		at = put(at, leg->srtp_receive.resume.ssrc, 4);
	}
	return head + n;
}

// The session as it was: exact ports, and what only the dataplane knew.
static int session_restore(struct call *call, const uint8_t *legs, unsigned int n_legs)
{
	const uint8_t *at = legs;

	if (media_session_resize(&call->session, n_legs))
		return -ENOMEM;
	description_place(call);
	if (media_session_n_legs(&call->session) != n_legs)
		return -EBADMSG;
	for (unsigned int i = 0; i < n_legs; i++) {
		struct sl_leg *leg = media_session_leg(&call->session, i);

		session_leg_place(call, leg, (int)(i % LEGS));
		leg->local.port = (uint16_t)get(&at, 2);
		leg->ssrc = (uint32_t)get(&at, 4);
		at += 8 + 4 + 4;
		if (!leg->local.port)
			return -EBADMSG;
	}
	media_session_restore(call->calls->media, &call->session);
	description_apply(call);
	for (unsigned int i = 0; i < n_legs; i++) {
		struct sl_leg *leg = media_session_leg(&call->session, i);
		struct sl_srtp_indices heard;

		at = legs + i * LEG_SIZE + 2 + 4;
		heard.rtp_next = get(&at, 8);
		heard.rtcp_next = (uint32_t)get(&at, 4);
		heard.ssrc = (uint32_t)get(&at, 4);
		if (leg->srtp_receive.suite != SL_SRTP_NONE && heard.rtp_next)
			leg->srtp_receive.resume = heard;
		if (leg->srtp_receive.suite != SL_SRTP_NONE)
			leg->ssrc = 0; // indices belong to it, and nobody knows the last one
	}
	return 0;
}

size_t checkpoint_save(const struct call *call, void *out, size_t size)
{
	size_t n;

	if (call->state == CALL_OVER)
		return 0;
	n = call_save(call, out, size);
	return n ? n : early_save(call, out, size);
}

static int get_text(const uint8_t **at, const uint8_t *end, char *out, size_t size)
{
	size_t n = *at < end ? **at : 0;

	if (*at >= end || n > (size_t)(end - *at - 1) || n >= size || memchr(*at + 1, '\0', n))
		return -EBADMSG;
	memcpy(out, *at + 1, n);
	out[n] = '\0';
	*at += 1 + n;
	return 0;
}

static int early_restore(struct call *call, const uint8_t *at, const uint8_t *end)
{
	const struct trunks *trunks = call->calls->settings.trunks;
	char name[CALL_NAME_MAX];

	if (end - at < EARLY_SIZE - 2)
		return -EBADMSG;
	call->times.invite_ms = get(&at, 8);
	call->times.ringing_ms = get(&at, 8);
	for (int i = 0; i < LEGS; i++) {
		if (get_text(&at, end, name, sizeof(name)))
			return -EBADMSG;
		call->legs[i].trunk = trunk_find(trunks, name);
		if (!call->legs[i].trunk)
			return -ENOENT;
	}
	if (get_text(&at, end, call->from, sizeof(call->from)) ||
		get_text(&at, end, call->target.number, sizeof(call->target.number)))
		return -EBADMSG;
	attempts_cancel_saved(call, at, (size_t)(end - at));
	return 1;
}

int checkpoint_restore(struct call *call, const void *data, size_t length)
{
	const uint8_t *at = data, *end = at + length;
	uint64_t version, kind, n_legs;
	int err;

	if (length < 3)
		return -EBADMSG;
	version = get(&at, 1);
	kind = get(&at, 1);
	if (version > VERSION)
		return -ENOTSUP;
	if (version == VERSION && kind == KIND_EARLY)
		return early_restore(call, at, end);
	n_legs = get(&at, 1);
	if (version != VERSION || kind != KIND_CALL || n_legs < LEGS || n_legs > SL_LEGS_MAX ||
		n_legs * LEG_SIZE > (size_t)(end - at))
		return -EBADMSG;
	err = record_restore(call, at + n_legs * LEG_SIZE, (size_t)(end - at) - n_legs * LEG_SIZE);
	return err ? err : session_restore(call, at, (unsigned int)n_legs);
}
