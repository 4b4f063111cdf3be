// A call as bytes, kept by the dataplane with the call's session, so that the next run of this
// process can take the call over. Only established calls have one. Integers are big-endian, strings
// and parts have their length in front; the first byte is the version, and a record of another
// version is refused, never guessed at. What is read here may be anything: bounds first.
//
// Sequence numbers: requests may have been sent after the record was written, so the one who takes
// over sends with a number that is higher for certain (RFC 3261 12.2 demands growth, not steps).
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "call_private.h"
#include "call_shards.h"
#include "description.h"
#include "offer.h"

#define RECORD_VERSION 3
#define VERSION_BEFORE 2 // the same without facts
#define CSEQ_JUMP      100

struct writer {
	uint8_t *p;
	size_t n, size;
	bool overflow;
};

static void *put_room(struct writer *w, size_t size)
{
	void *room = w->p + w->n;

	if (w->overflow || size > w->size - w->n) {
		w->overflow = true;
		return NULL;
	}
	w->n += size;
	return room;
}

static void put_number(struct writer *w, uint64_t number, size_t size)
{
	uint8_t *out = put_room(w, size);

	for (size_t i = 0; out && i < size; i++)
		out[i] = (uint8_t)(number >> 8 * (size - 1 - i));
}

static void put_string(struct writer *w, const char *text)
{
	size_t n = strlen(text);
	void *out;

	put_number(w, n, 2);
	out = put_room(w, n);
	if (out)
		memcpy(out, text, n);
}

// A part that writes itself: its length is filled in afterwards.
static void put_part(struct writer *w, int written)
{
	uint8_t *length = w->p + w->n;

	if (w->overflow || written < 0 || written > UINT16_MAX) {
		w->overflow = true;
		return;
	}
	length[0] = (uint8_t)(written >> 8);
	length[1] = (uint8_t)written;
	w->n += 2 + (size_t)written;
}

static size_t part_room(const struct writer *w)
{
	return w->overflow || w->size - w->n < 2 ? 0 : w->size - w->n - 2;
}

// The call is worth recovering without them.
static void put_facts(struct writer *w, const char *facts)
{
	size_t room = part_room(w);

	put_string(w, facts && strlen(facts) <= room ? facts : "");
}

static void put_dialog(struct writer *w, const struct dialog *dialog)
{
	size_t room = part_room(w);

	put_part(w, room ? dialog_save(dialog, w->p + w->n + 2, room) : -ENOBUFS);
}

static void put_negotiation(struct writer *w, const struct negotiation *negotiation)
{
	size_t room = part_room(w);

	put_part(w, room ? negotiation_save(negotiation, w->p + w->n + 2, room) : -ENOBUFS);
}

enum { PEER_UPDATE = 1, WE_REFRESH = 2 };

static void put_leg_timer(struct writer *w, const struct leg *leg)
{
	put_number(w,
		(leg->peer.update ? PEER_UPDATE : 0) | (leg->timer.we_refresh ? WE_REFRESH : 0), 1);
	put_number(w, leg->timer.interval_s, 4);
	put_number(w, leg->timer.min_s, 4);
	// CLOCK_MONOTONIC does not outlive the host, the age does.
	put_number(w, now_realtime_ms() - refresh_age_ms(leg), 8);
}

static bool is_up(const struct leg *leg)
{
	return leg->state == LEG_ACCEPTED || leg->state == LEG_CONFIRMED;
}

// Either leg may wait for the ACK of a 2xx of ours: b after a re-INVITE of its own.
static bool is_established(const struct call *call)
{
	return call->state != CALL_OVER && is_up(&call->legs[LEG_A]) && is_up(&call->legs[LEG_B]);
}

size_t record_save(const struct call *call, void *out, size_t size)
{
	struct writer w = {.p = out, .size = size};
	// In the middle of an offer and answer: what held before it.
	bool undecided = call->before && (call->state == CALL_MODIFYING || call->late_offer);

	if (!call->times.answer_ms || !is_established(call))
		return 0;
	put_number(&w, RECORD_VERSION, 1);
	put_number(&w, call->times.invite_ms, 8);
	put_number(&w, call->times.ringing_ms, 8);
	put_number(&w, call->times.answer_ms, 8);
	put_string(&w, call->legs[LEG_A].trunk->name);
	put_string(&w, call->legs[LEG_B].trunk->name);
	put_string(&w, call->from);
	put_string(&w, call->target.number);
	put_dialog(&w, &call->legs[LEG_A].dialog);
	put_dialog(&w, &call->legs[LEG_B].dialog);
	for (int i = 0; i < LEGS; i++)
		put_leg_timer(&w, &call->legs[i]);
	put_negotiation(&w, undecided ? call->before : &call->negotiation);
	for (int i = 0; i < LEGS; i++)
		put_facts(&w, call->legs[i].facts);
	if (w.overflow) {
		log_error(&log_call, "record_too_long", "call=%s", call->id_text);
		return 0; // the call goes on, but would not be recovered
	}
	return w.n;
}

struct reader {
	const uint8_t *p;
	size_t left;
	bool bad;
};

static const uint8_t *get_bytes(struct reader *r, size_t size)
{
	const uint8_t *bytes = r->p;

	if (r->bad || size > r->left) {
		r->bad = true;
		return NULL;
	}
	r->p += size;
	r->left -= size;
	return bytes;
}

static uint64_t get_number(struct reader *r, size_t size)
{
	const uint8_t *bytes = get_bytes(r, size);
	uint64_t number = 0;

	for (size_t i = 0; bytes && i < size; i++)
		number = number << 8 | bytes[i];
	return number;
}

static struct slice get_part(struct reader *r)
{
	size_t n = get_number(r, 2);
	const uint8_t *bytes = get_bytes(r, n);

	return bytes ? (struct slice){(const char *)bytes, n} : (struct slice){};
}

static void get_string(struct reader *r, char *out, size_t size)
{
	struct slice text = get_part(r);

	if (text.n >= size || (text.n && memchr(text.p, '\0', text.n))) {
		r->bad = true;
		return;
	}
	if (text.n)
		memcpy(out, text.p, text.n);
	out[text.n] = '\0';
}

static int leg_trunk_get(struct leg *leg, struct reader *r)
{
	char name[CALL_NAME_MAX] = "";

	get_string(r, name, sizeof(name));
	if (r->bad)
		return -EBADMSG;
	leg->trunk = trunk_find(leg->call->calls->settings.trunks, name);
	return leg->trunk ? 0 : -ENOENT;
}

static int leg_dialog_get(struct leg *leg, struct reader *r)
{
	struct calls *calls = leg->call->calls;
	struct slice part = get_part(r);
	int n;

	if (r->bad)
		return -EBADMSG;
	n = dialog_restore(&leg->dialog, calls->stack, part.p, part.n);
	if (n < 0)
		return n;
	leg->has_dialog = true;
	if ((size_t)n != part.n)
		return -EBADMSG;
	if (!calls_realm(calls, leg->dialog.flow.listener))
		leg->dialog.flow.listener = calls_listener(
			calls, leg->trunk->realm, TRANSPORT_UDP, &leg->dialog.flow.remote.any);
	leg->listener = leg->dialog.flow.listener;
	if (!leg->listener)
		return -ENOENT; // its realm has no address of that family any more
	leg->dialog.local_cseq += CSEQ_JUMP;
	leg->dialog.user = leg;
	leg->state = LEG_CONFIRMED;
	return dialog_table_add(calls->dialogs, &leg->dialog);
}

static void leg_timer_get(struct leg *leg, struct reader *r)
{
	uint64_t flags = get_number(r, 1), began_ms, now_ms = now_realtime_ms(), age_ms;

	leg->peer.update = flags & PEER_UPDATE;
	leg->timer.we_refresh = flags & WE_REFRESH;
	leg->timer.interval_s = (uint32_t)get_number(r, 4);
	leg->timer.min_s = (uint32_t)get_number(r, 4);
	began_ms = get_number(r, 8);
	if (leg->timer.interval_s > SESSION_EXPIRES_MAX_S)
		r->bad = true;
	age_ms = now_ms > began_ms ? now_ms - began_ms : 0;
	if (!r->bad)
		refresh_restore(leg, age_ms < UINT32_MAX ? (uint32_t)age_ms : UINT32_MAX);
}

// They become part of a line of JSON, and must not break it.
static int leg_facts_get(struct leg *leg, struct reader *r)
{
	struct slice part = get_part(r);
	json_t *parsed;
	char *text;

	if (r->bad || asprintf(&text, "{" SLICE_FMT "}", SLICE_ARG(part)) < 0)
		return r->bad ? -EBADMSG : -ENOMEM;
	parsed = json_loads(text, 0, NULL);
	free(text);
	if (!parsed)
		return -EBADMSG;
	json_decref(parsed);
	free(leg->facts);
	leg->facts = part.n ? strndup(part.p, part.n) : NULL;
	return 0;
}

static int negotiation_get(struct call *call, struct reader *r)
{
	struct slice part = get_part(r);

	if (r->bad)
		return -EBADMSG;
	description_init(call);
	return negotiation_load(&call->negotiation, (const uint8_t *)part.p, part.n);
}

static void duration_timer_set(struct call *call)
{
	uint64_t longest_ms = (uint64_t)call->calls->settings.max_duration_s * 1000;
	uint64_t so_far_ms = now_realtime_ms() - call->times.answer_ms;
	uint64_t left_ms = so_far_ms < longest_ms ? longest_ms - so_far_ms : 0;
	struct timeval left = {.tv_sec = (time_t)(left_ms / 1000), .tv_usec = 1};

	call_timer_set(call, longest_ms ? &left : NULL);
}

int record_restore(struct call *call, const void *record, size_t length)
{
	struct reader r = {.p = record, .left = length};
	uint64_t version;
	int err = 0;

	if (!length)
		return -ENODATA;
	version = get_number(&r, 1);
	if (version != RECORD_VERSION && version != VERSION_BEFORE)
		return -EBADMSG;
	call->times.invite_ms = get_number(&r, 8);
	call->times.ringing_ms = get_number(&r, 8);
	call->times.answer_ms = get_number(&r, 8);
	for (int i = 0; !err && i < LEGS; i++)
		err = leg_trunk_get(&call->legs[i], &r);
	if (err)
		return err;
	get_string(&r, call->from, sizeof(call->from));
	get_string(&r, call->target.number, sizeof(call->target.number));
	for (int i = 0; !err && i < LEGS; i++)
		err = leg_dialog_get(&call->legs[i], &r);
	for (int i = 0; !err && i < LEGS; i++)
		leg_timer_get(&call->legs[i], &r);
	if (!err)
		err = negotiation_get(call, &r);
	for (int i = 0; !err && i < LEGS && version != VERSION_BEFORE; i++)
		err = leg_facts_get(&call->legs[i], &r);
	if (!err && (r.left || !call->times.answer_ms))
		err = -EBADMSG;
	if (err)
		return err;
	// Counted, but no limit applies to calls that there are already.
	for (int i = 0; i < LEGS; i++) {
		trunk_call_force(call->legs[i].trunk, leg_direction(&call->legs[i]));
		call->legs[i].counted = true;
	}
	call->shard = shard_of_listener(call->calls, call->legs[LEG_A].listener);
	call->recovered = true;
	call->state = CALL_UP;
	duration_timer_set(call);
	return 0;
}
