// Digits (DTMF) from one leg to the other, each in the form that its far end has: events (RFC
// 4733), tones, SIP INFO. Between events and tones the dataplane converts on its own; here is what
// INFO has a part in. The subtle thing is that no digit may come twice, so exactly one form counts
// from a leg:
//
//   from    to       what happens
//   events  INFO     the dataplane reports each digit, and drops the event
//   tones   INFO     the same, and it takes the tone out of the audio
//   INFO    events   the dataplane is asked to send it
//   INFO    tones    the same
//   INFO    INFO     the INFO goes to the other leg, which answers it; so it does where the other
//                    leg's form is not known
//
// A far end that has events or must use tones and sends INFO besides gets a 200, and the digit is
// left out. One that may use tones, and sends INFO, has shown what it uses: its tones do not count
// any more.
#include <errno.h>
#include <stddef.h>

#include "call_digits.h"
#include "call_private.h"
#include "description.h"
#include "sl_client.h"

#define MESSAGE_SIZE 4096

void digits_init(struct leg *leg)
{
	leg->digits.owner.kind = OWNER_DIGITS;
}

void digits_fini(struct leg *leg)
{
	if (leg->digits.info)
		transaction_user_set(leg->digits.info, NULL);
	leg->digits.info = NULL;
	leg->digits.n_waiting = 0;
}

static uint8_t mode_of(const struct leg *leg)
{
	bool has_events = leg->digits.mode == MEDIA_DIGITS_EVENTS;

	return leg->digits.by_info && !has_events ? MEDIA_DIGITS_INFO : leg->digits.mode;
}

static bool is_in_media(uint8_t mode)
{
	return mode == MEDIA_DIGITS_EVENTS || mode == MEDIA_DIGITS_INBAND;
}

uint16_t digits_flags(const struct call *call, int index)
{
	uint8_t mode = mode_of(&call->legs[index]), other = mode_of(&call->legs[!index]);
	uint16_t flags = 0;

	if (mode == MEDIA_DIGITS_INBAND &&
		(other == MEDIA_DIGITS_EVENTS || other == MEDIA_DIGITS_INFO))
		flags |= SL_LEG_DTMF_INBAND;
	if (is_in_media(mode) && other == MEDIA_DIGITS_INFO)
		flags |= SL_LEG_DTMF_REPORT | SL_LEG_DTMF_SEND;
	return flags;
}

static void digit_lost(const struct leg *to, char digit, const char *why)
{
	to->call->calls->counters.digits_lost++;
	log_warn(&log_call, "digit_lost", "call=%s leg=%s digit=%c error=\"%s\"", to->call->id_text,
		leg_name(to), digit, why);
}

// From INFO to the media of the other leg.

static void on_dtmf(void *arg, const struct sl_message *message)
{
	struct calls *calls = arg;

	if (message && !message->status)
		return;
	calls->counters.digits_lost++;
	log_warn(&log_call, "digit_lost", "error=\"%s\"",
		message ? strerror(-message->status) : "dataplane lost");
}

static void media_send(struct leg *to, const struct info_digit *digit)
{
	struct call *call = to->call;
	struct sl_dtmf dtmf = {
		.leg = to->index, .digit = digit->digit, .duration_ms = digit->duration_ms};
	int err = digit->digit == '!'
			  ? -EOPNOTSUPP
			  : media_session_dtmf(&call->session, &dtmf, on_dtmf, call->calls);

	if (err)
		digit_lost(to, digit->digit, strerror(-err));
}

bool digits_received(struct leg *leg, const struct info_digit *digit)
{
	struct leg *other = leg_other(leg);
	uint8_t mode = mode_of(leg), policy = leg->trunk->media.dtmf;

	if (mode == MEDIA_DIGITS_EVENTS || policy == SDP_DTMF_INBAND) {
		log_info(&log_call, "info_digit_ignored", "call=%s leg=%s digit=%c",
			leg->call->id_text, leg_name(leg), digit->digit);
		return true;
	}
	// Where neither end has events, its tones go on to the other as they are.
	if (policy == SDP_DTMF_NONE || !is_in_media(mode_of(other)) ||
		(mode != MEDIA_DIGITS_INFO && mode_of(other) == MEDIA_DIGITS_INBAND))
		return false;
	if (mode != MEDIA_DIGITS_INFO) {
		leg->digits.by_info = true;
		description_apply(leg->call);
	}
	leg->call->calls->counters.digits_by_info++;
	log_info(&log_call, "info_digit", "call=%s leg=%s digit=%c from=1", leg->call->id_text,
		leg_name(leg), digit->digit);
	media_send(other, digit);
	return true;
}

// From the media of a leg to INFO: one at a time, for they must not overtake each other.

static void waiting_drop_first(struct digits *digits)
{
	if (digits->n_waiting)
		digits->n_waiting--;
	memmove(digits->waiting, digits->waiting + 1,
		digits->n_waiting * sizeof(digits->waiting[0]));
}

static int info_send(struct leg *leg)
{
	char buffer[MESSAGE_SIZE], body[INFO_DIGIT_TEXT_MAX];
	struct builder b;

	builder_init(&b, buffer, sizeof(buffer));
	dialog_request_begin(&leg->dialog, METHOD_INFO, &b);
	builder_body(&b, SLICE(INFO_DIGIT_TYPE),
		slice_of(info_digit_write(&leg->digits.waiting[0], body)));
	leg->digits.info = transaction_start(
		leg->call->calls->stack, &leg->dialog.flow, builder_finish(&b), &leg->digits.owner);
	return leg->digits.info ? 0 : -errno;
}

static void waiting_send(struct leg *leg)
{
	struct digits *digits = &leg->digits;
	int err;

	while (digits->n_waiting && !digits->info) {
		err = leg->has_dialog && leg->state != LEG_OVER ? info_send(leg) : -ENOTCONN;
		if (!err)
			return;
		digit_lost(leg, digits->waiting[0].digit, strerror(-err));
		waiting_drop_first(digits);
	}
}

void digits_reported(struct leg *leg, const struct info_digit *digit)
{
	struct leg *other = leg_other(leg);
	struct digits *digits = &other->digits;

	if (mode_of(other) != MEDIA_DIGITS_INFO || !is_in_media(mode_of(leg)))
		return;
	if (digits->n_waiting == DIGITS_WAITING_MAX) {
		digit_lost(other, digit->digit, "too many are waiting");
		return;
	}
	other->call->calls->counters.digits_by_info++;
	log_info(&log_call, "info_digit", "call=%s leg=%s digit=%c to=1", other->call->id_text,
		leg_name(other), digit->digit);
	digits->waiting[digits->n_waiting++] = *digit;
	waiting_send(other);
}

void digits_answered(struct owner *owner, unsigned int status)
{
	struct digits *digits = (struct digits *)((char *)owner - offsetof(struct digits, owner));
	struct leg *leg = (struct leg *)((char *)digits - offsetof(struct leg, digits));

	if (status < 200 || !digits->info)
		return;
	transaction_user_set(digits->info, NULL);
	digits->info = NULL;
	if (status >= 300)
		digit_lost(leg, digits->waiting[0].digit, "refused");
	waiting_drop_first(digits);
	waiting_send(leg);
}
