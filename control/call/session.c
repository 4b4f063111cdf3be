// What the dataplane reports of media sessions, turned into events of calls, and the return of
// calls from an earlier run.
#include <errno.h>
#include <stdlib.h>

#include "call_digits.h"
#include "call_private.h"
#include "call_shards.h"
#include "description.h"
#include "sl_client.h"

static void on_ready(struct media_session *session, int status)
{
	struct call *call = call_of_session(session);
	struct call_event event = {.type = status ? EVENT_MEDIA_FAILED : EVENT_MEDIA_READY,
		.status = status == -EOPNOTSUPP || status == -EINVAL ? 488 : 503,
		.why = status == -EBUSY ? "transcoders_full" : "media_refused"};

	if (status)
		log_warn(&log_call, "media_refused", "call=%s error=\"%s\"", call->id_text,
			strerror(-status));
	call_event(call, &event);
}

// What is told and counted, and changes nothing: people who hear only one side hang up themselves.
static void note_media(struct call *call, const struct leg *leg, uint8_t type)
{
	struct calls_counters *counters = &call->calls->counters;
	const struct {
		const char *name;
		uint64_t *counter;
	} events[] = {
		[SL_EVENT_ONE_WAY] = {"one_way", &counters->one_way},
		[SL_EVENT_BOTH_WAYS] = {"both_ways", NULL},
		[SL_EVENT_SSRC_COLLISION] = {"ssrc_collision", &counters->ssrc_collisions},
		[SL_EVENT_LOOP] = {"media_loop", &counters->media_loops},
		[SL_EVENT_RATE_EXCEEDED] = {"rate_exceeded", &counters->rates_exceeded},
	};

	if (type >= sizeof(events) / sizeof(events[0]) || !events[type].name)
		return;
	if (events[type].counter)
		++*events[type].counter;
	log_warn(&log_call, events[type].name, "call=%s leg=%s", call->id_text, leg_name(leg));
}

static void log_quality(const struct leg *leg, const struct sl_media_event *media)
{
	char sent[32] = "";

	if (media->sent.mos_hundredths)
		snprintf(sent, sizeof(sent), " mos_sent=%.2f", media->sent.mos_hundredths / 100.0);
	log_info(&log_call, "quality",
		"call=%s leg=%s mos=%.2f r=%.1f loss_percent=%.1f jitter_ms=%.1f%s",
		leg->call->id_text, leg_name(leg), media->received.mos_hundredths / 100.0,
		media->received.r_tenths / 10.0, media->loss_permille / 10.0,
		media->jitter_us / 1000.0, sent);
}

static void on_event(struct media_session *session, const struct sl_media_event *media)
{
	struct call *call = call_of_session(session);
	struct call_event event = {
		.type = EVENT_MEDIA_TIMEOUT, .leg = &call->legs[media->leg % LEGS]};

	switch (media->type) {
	case SL_EVENT_TIMEOUT:
		call_event(call, &event);
		break;
	case SL_EVENT_FIRST_PACKET:
		log_info(&log_call, "media", "call=%s leg=%s", call->id_text, leg_name(event.leg));
		break;
	case SL_EVENT_DTMF:
		digits_reported(event.leg, &(struct info_digit){media->digit, media->duration_ms});
		break;
	case SL_EVENT_QUALITY:
		log_quality(event.leg, media);
		break;
	default:
		note_media(call, event.leg, media->type);
		break;
	}
}

static size_t on_record(struct media_session *session, void *out, size_t size)
{
	return record_save(call_of_session(session), out, size);
}

static void on_session_closed(struct media_session *session, const struct sl_session_report *report)
{
	struct call *call = call_of_session(session);
	struct calls *calls = call->calls;

	if (cdr_write(calls->cdr, call, report))
		calls->counters.cdr_errors++;
	else
		calls->counters.cdrs++;
	call->session_closed = true;
	call_release(call);
}

// Take a call over. What cannot be is deleted by media: early calls have no record, and a call
// whose CDR is written had ended.
static int call_recover(
	struct call *call, const struct sl_session_report *report, const void *record)
{
	int err;

	if (cdr_is_written(call->calls->cdr, call->id_text))
		return -EALREADY;
	err = record_restore(call, record, report->session.record_length);
	if (!err && call->shard && !call->shard->epoch)
		err = -EXDEV; // of a shard that is not ours (yet)
	if (err)
		return err;
	media_session_adopt(call->calls->media, &call->session, report);
	description_keys_restore(call);
	media_session_heard(&call->session, report);
	media_session_update(&call->session); // with a record of this run
	return 0;
}

int session_recover(struct calls *calls, const struct sl_session_report *report, const void *record)
{
	struct ulid id;
	struct call *call;
	int err = -ENOMEM;

	memcpy(id.bytes, report->session.id.bytes, sizeof(id.bytes));
	call = call_create(calls, &id);
	if (call)
		err = call_recover(call, report, record);
	if (!err) {
		calls->counters.recovered++;
		for (unsigned int i = 0; i < LEGS; i++)
			call_trace(call, call->legs[i].dialog.strings[DIALOG_CALL_ID]);
		log_info(&log_call, "recovered", "call=%s", call->id_text);
		call_share(call);
		return 0;
	}
	if (err != -EXDEV)
		calls->counters.unrecovered++;
	if (call) {
		if (err != -EXDEV)
			log_warn(&log_call, "not_recovered", "call=%s error=\"%s\"", call->id_text,
				strerror(-err));
		call_forget(call);
	}
	return err;
}

struct call_shard *session_shard(
	struct calls *calls, const struct sl_session_report *report, const void *record)
{
	struct call_shard *shard = NULL;
	struct ulid id;
	struct call *call;

	memcpy(id.bytes, report->session.id.bytes, sizeof(id.bytes));
	call = call_create(calls, &id);
	if (!call)
		return NULL;
	if (!record_restore(call, record, report->session.record_length))
		shard = call->shard;
	call_forget(call);
	return shard;
}

static enum media_found on_found(
	void *arg, const struct sl_session_report *report, const void *record)
{
	struct calls *calls = arg;

	if (!media_is_recovered(calls->media) && !session_recover(calls, report, record))
		return MEDIA_FOUND_ADOPTED;
	return shard_session_found(calls, report, record);
}

// How far SRTP has come is part of the record.
static void on_heard(struct media_session *session)
{
	call_share(call_of_session(session));
}

static void on_codecs(void *, const struct sl_message *message)
{
	const struct sl_codec *codecs;
	size_t n;

	if (!message || message->status || !message->payload_length)
		return;
	codecs = sl_payload_codecs(message, &n);
	if (codecs)
		description_codecs(codecs, n);
}

static void on_state(void *arg, bool up)
{
	struct calls *calls = arg;

	calls->ready = true;
	if (up)
		shards_media_up(calls);
	if (up)
		media_codecs(calls->media, on_codecs, calls);
	if (!up)
		log_warn(&log_call, "new_calls_refused", "calls=%u reason=dataplane_away",
			calls->counters.active_now);
}

static void on_shard(void *arg, const struct sl_shard_event *event)
{
	shards_media_event(arg, event);
}

const struct media_ops session_ops = {
	.ready = on_ready,
	.event = on_event,
	.record = on_record,
	.closed = on_session_closed,
	.found = on_found,
	.heard = on_heard,
	.shard = on_shard,
	.state = on_state,
};
