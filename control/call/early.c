// Between b's first response and the answer that a gets: provisional responses and their PRACKs on
// either side, early media, and an answer that must wait for a's PRACK or for an exchange that is
// under way. What is reliable on both sides is acknowledged end to end: b gets its PRACK once a's
// has come, and with what that offers. Reliable on one side only is acknowledged there.
#include <errno.h>
#include <stdio.h>

#include "call_private.h"
#include "description.h"
#include "early.h"
#include "hunt.h"
#include "offer.h"
#include "transfer.h"

// What P-Early-Media says of the way from b to a (RFC 5009 section 8); nothing new without it.
static void early_media_note(struct early *early, const struct sip_message *response)
{
	struct message_values it = message_values(response, HEADER_P_EARLY_MEDIA);
	struct slice value;

	if (!message_header(response, HEADER_P_EARLY_MEDIA))
		return;
	early->authorized = false;
	while (message_values_next(&it, &value) > 0)
		if (slice_equal_nocase(value, SLICE("sendrecv")) ||
			slice_equal_nocase(value, SLICE("sendonly")))
			early->authorized = true;
}

static bool early_media_heard(const struct leg *leg)
{
	switch (leg->trunk->signalling.early_media) {
	case TRUNK_EARLY_MEDIA_NEVER:
		return false;
	case TRUNK_EARLY_MEDIA_AUTHORIZED:
		return leg->early.authorized;
	default:
		return true;
	}
}

// What b describes, where it has not done so reliably already: that would be its answer for good.
static void answer_take(struct leg *b_leg, const struct sip_message *response, bool reliable)
{
	if (!message_has_sdp(response) || b_leg->early.described)
		return;
	if (!description_take_answer(b_leg, response)) // else without it
		b_leg->early.described = reliable;
}

// Early media: what b describes, in our words to a. Returns whether there is something to pass on.
static bool early_description(struct call *call, const struct sip_message *response, bool reliable)
{
	struct leg *b_leg = &call->legs[LEG_B];
	bool was_gated = call->gated;

	answer_take(b_leg, response, reliable);
	call->gated = !early_media_heard(b_leg);
	if (call->negotiation.legs[LEG_B].state != NEGOTIATION_STABLE)
		return false;
	description_apply(call);
	return !call->gated && (was_gated || message_has_sdp(response));
}

static bool wants_early_media_header(const struct call *call)
{
	const struct sip_message *invite = transaction_request(call->legs[LEG_A].invite);

	return message_has_token(invite, HEADER_P_EARLY_MEDIA, SLICE("supported"));
}

// a without an offer of its own gets ours in the first reliable response (RFC 3262 section 5), or
// in the 2xx. Returns whether this response is to describe.
static bool offer_late(struct call *call, bool described, const struct provisional *to_a)
{
	if (!call->late_offer)
		return described;
	if (call->negotiation.legs[LEG_A].state == NEGOTIATION_OFFERED)
		return false; // its answer is due
	return described && to_a->reliable && !negotiation_make_offer(&call->negotiation, LEG_A);
}

// Whether a may have this one at all: a first reliable response without the offer is none.
static bool may_be_sent(const struct call *call, const struct provisional *to_a)
{
	return !call->late_offer || !to_a->reliable || to_a->describes ||
	       call->negotiation.legs[LEG_A].state != NEGOTIATION_IDLE;
}

static void pass_on(struct call *call, const struct early_dialog *early,
	const struct sip_message *response, bool reliable)
{
	struct leg *a_leg = &call->legs[LEG_A], *b_leg = &call->legs[LEG_B];
	struct provisional to_a = {.status = response->status};
	bool described;

	if (call->transfer_from) { // nobody to hear it, but one to be told
		if (reliable)
			early_prack(b_leg, early);
		transfer_progress(call, response->status);
		return;
	}
	described = !early->fork && early_description(call, response, reliable);
	to_a.reliable = a_leg->peer.needs_100rel || (reliable && a_leg->peer.rel100);
	to_a.describes = offer_late(call, described && !a_leg->described, &to_a);
	if (!may_be_sent(call, &to_a))
		to_a.reliable = false;
	if (to_a.reliable && reliable)
		to_a.early = early->early->number;
	if (wants_early_media_header(call))
		snprintf(to_a.early_media, sizeof(to_a.early_media), SLICE_FMT,
			SLICE_ARG(message_value(response, HEADER_P_EARLY_MEDIA)));
	// One that requires reliable ones gets none that is not.
	if ((!to_a.reliable && a_leg->peer.needs_100rel) || leg_provisional(a_leg, &to_a))
		to_a.early = 0;
	if (reliable && !to_a.early)
		early_prack(b_leg, early);
	log_info(&log_call, response->status == 180 ? "ringing" : "progress",
		"call=%s status=%u early_media=%d reliable_a=%d reliable_b=%d after_ms=%llu",
		call->id_text, response->status, to_a.describes, to_a.reliable, reliable,
		(unsigned long long)(now_realtime_ms() - call->times.invite_ms));
}

// Repeated, or out of order: as if it had not come (RFC 3262 section 4).
static bool is_news(struct early_dialog *early, const struct sip_message *response, bool *reliable)
{
	*reliable = false;
	return !early->dialog || !early_rseq_take(early->early, response, reliable);
}

int setup_provisional(struct call *call, const struct call_event *event)
{
	struct leg *b_leg = &call->legs[LEG_B];
	struct early none = {}; // RFC 3261 wants a To tag in all but the 100, and some forget it
	struct early_dialog early = {.early = &none};
	bool reliable;

	if (event->message->to_tag.n &&
		early_find(b_leg, attempt_request(call->attempt), event->message, &early)) {
		log_info(&log_call, "early_dialog_ignored", "call=%s", call->id_text);
		return ACTION_GO(call->state);
	}
	if (!is_news(&early, event->message, &reliable))
		return ACTION_GO(call->state);
	extensions_learn(b_leg, event->message);
	early_media_note(early.early, event->message);
	// Who describes is heard from now on.
	if (message_has_sdp(event->message) && early_select(b_leg, &early))
		return 500;
	if (!call->times.ringing_ms)
		call->times.ringing_ms = now_realtime_ms();
	pass_on(call, &early, event->message, reliable);
	return 0;
}

// What the PRACK brings besides: the answer to our offer, or an offer. Returns 0 or the status that
// ends the call.
static int prack_description(struct leg *a_leg, const struct call_event *event)
{
	struct call *call = a_leg->call;
	bool answer_due = call->negotiation.legs[LEG_A].state == NEGOTIATION_OFFERED;
	unsigned int status = 0;

	if (answer_due && call->late_offer) {
		status = message_has_sdp(event->message)
				 ? description_take_answer(a_leg, event->message)
				 : 488;
		transaction_reply(event->transaction, 200);
		if (status)
			return (int)status;
		call->late_offer = false;
		description_apply(call);
		return 0;
	}
	if (message_has_sdp(event->message))
		return modify_offer(call, event);
	transaction_reply(event->transaction, 200);
	return 0;
}

int early_acknowledged(struct call *call, const struct call_event *event)
{
	struct leg *a_leg = &call->legs[LEG_A], *b_leg = &call->legs[LEG_B];
	struct early_dialog early;
	struct provisional acknowledged;
	int result;
	bool is_of_b;

	if (event->leg != a_leg || reliable_acknowledge(a_leg, event->message, &acknowledged)) {
		transaction_reply(event->transaction, 481);
		return ACTION_GO(call->state);
	}
	is_of_b = early_of_number(b_leg, acknowledged.early, &early);
	if (is_of_b && message_has_sdp(event->message))
		early_select(b_leg, &early);
	result = prack_description(a_leg, event);
	if (result > 0)
		return result;
	if (is_of_b)
		early_prack(b_leg, &early); // where it has not gone with the offer
	if (result < 0 && result != ACTION_GO(call->state))
		return result;
	if (call->state == CALL_ANSWERING)
		return setup_pass_answer(call);
	reliable_next(a_leg);
	return ACTION_GO(call->state);
}

// It crosses our 2xx, or comes late: what is to be acknowledged is, and nothing else changes.
int early_acknowledged_late(struct call *call, const struct call_event *event)
{
	struct leg *b_leg = &call->legs[LEG_B];
	struct early_dialog early;
	struct provisional acknowledged;
	bool matches = event->leg->index == LEG_A &&
		       !reliable_acknowledge(event->leg, event->message, &acknowledged);

	if (matches && message_has_sdp(event->message))
		refuse_for_now(event->transaction, false);
	else
		transaction_reply(event->transaction, matches ? 200 : 481);
	if (matches && early_of_number(b_leg, acknowledged.early, &early))
		early_prack(b_leg, &early);
	return ACTION_GO(call->state);
}

// UPDATE before the answer, or beside it.
int early_update(struct call *call, const struct call_event *event)
{
	struct early_dialog early;
	int result;

	// Of one fork among several: it is the one to be heard now.
	if (event->leg->index == LEG_B && event->dialog &&
		!early_of_dialog(event->leg, event->dialog, &early)) {
		if (early.fork && !early.early->described) {
			refuse_for_now(event->transaction, true);
			return ACTION_GO(call->state);
		}
		if (early_select(event->leg, &early))
			return 500;
	}
	result = modify_offer(call, event);
	return result > 0 ? result : ACTION_GO(call->state);
}

bool early_answer_waits(const struct call *call)
{
	return call->before || reliable_holds_answer(&call->legs[LEG_A]);
}
