// Offers in a call, by re-INVITE, UPDATE or PRACK: what one leg asks, the other is asked, and its
// answer goes back, so that hold is known at both ends. What concerns one leg only (its address, a
// session refresh) is answered here, and so is what the other leg cannot be asked now (an early
// dialog without UPDATE). `call->before` is what holds until the exchange is complete, and NULL
// where none is under way.
#include <errno.h>
#include <stdlib.h>

#include "call_private.h"
#include "description.h"
#include "early.h"
#include "offer.h"
#include "transfer.h"

static void exchange_end(struct call *call)
{
	if (call->before)
		negotiation_wipe(call->before);
	free(call->before);
	call->before = NULL;
	call->waits_for_ports = false;
}

static int exchange_begin(struct leg *asker, enum method by)
{
	struct call *call = asker->call;

	exchange_end(call);
	call->before = malloc(sizeof(*call->before));
	if (!call->before)
		return -ENOMEM;
	*call->before = call->negotiation;
	call->asker = asker->index;
	call->asked_by = by;
	call->tells = false;
	return 0;
}

// The state that follows.
static int exchange_over(struct call *call)
{
	exchange_end(call);
	if (call->state == CALL_ANSWERING)
		return setup_pass_answer(call);
	return ACTION_GO(call->times.answer_ms ? CALL_UP : call->state);
}

// Refuse the offer; the call goes on as it was (RFC 6141).
static int exchange_refuse(struct leg *leg, unsigned int status)
{
	struct call *call = leg->call;

	if (call->before)
		negotiation_rollback(&call->negotiation, call->before);
	if (call->asked_by == METHOD_INVITE)
		leg_refuse(leg, status);
	else
		offer_refuse(leg, status);
	log_info(&log_call, "modify_refused", "call=%s leg=%s status=%u", call->id_text,
		leg_name(leg), status);
	return exchange_over(call);
}

static int exchange_accept(struct leg *leg)
{
	WIPED_DESCRIPTION(description);
	struct call *call = leg->call;

	if (description_write(leg, description))
		return 500;
	description_apply(call);
	if (call->asked_by == METHOD_INVITE)
		return leg_accept(leg, description) ? 500 : ACTION_GO(CALL_MODIFIED);
	offer_answer(leg, description);
	log_info(&log_call, "modified", "call=%s leg=%s", call->id_text, leg_name(leg));
	return exchange_over(call);
}

// It wants us to offer: everything this leg may use, both ways, whoever was on hold (RFC 6337 5.3).
// Its answer comes in the ACK.
static int offer_here(struct leg *leg)
{
	struct call *call = leg->call;
	int result = 500;

	call->negotiation.legs[!leg->index].remote_direction = SDP_SENDRECV;
	if (!negotiation_make_offer(&call->negotiation, leg->index))
		result = exchange_accept(leg);
	if (result > 0)
		return exchange_refuse(leg, 500);
	call->late_offer = true;
	return result;
}

static int exchange_pass_on(struct leg *leg)
{
	struct call *call = leg->call;
	struct leg *other = leg_other(leg);
	WIPED_DESCRIPTION(description);

	if (description_write(other, description) || offer_send(other, call->ask_by, description))
		return exchange_refuse(leg, 500);
	return ACTION_GO(call->times.answer_ms ? CALL_MODIFYING : call->state);
}

// Ask the other leg, or answer at once. Where it takes ports to ask, that waits for them.
static int exchange_ask(struct leg *leg, const struct sip_message *message)
{
	struct call *call = leg->call;
	enum method how = offer_method(leg_other(leg), call->asked_by);
	bool ask_other = how != METHOD_OTHER;
	unsigned int status = description_take_reoffer(leg, message, &ask_other);
	int result;

	if (status)
		return exchange_refuse(leg, status);
	if (!ask_other) {
		result = exchange_accept(leg);
		return result > 0 ? exchange_refuse(leg, 500) : result;
	}
	call->ask_by = how;
	// In a call that is not up yet a new line is refused instead.
	if (call->times.answer_ms && media_is_up(call->calls->media) && relays_wait(call)) {
		call->waits_for_ports = true;
		return ACTION_GO(CALL_MODIFYING);
	}
	return exchange_pass_on(leg);
}

int modify_placed(struct call *call, const struct call_event *)
{
	if (!call->waits_for_ports || !relays_are_placed(call))
		return 0;
	call->waits_for_ports = false;
	return exchange_pass_on(&call->legs[call->asker]);
}

// The call goes on without what it has no ports for.
int modify_unplaced(struct call *call, const struct call_event *event)
{
	if (!call->waits_for_ports)
		return end_failed(call, event);
	relays_forget_new(call);
	return exchange_refuse(&call->legs[call->asker], event->status);
}

static void note(const struct leg *leg, const struct call_event *event)
{
	log_info(&log_call, "modify", "call=%s leg=%s by=" SLICE_FMT, leg->call->id_text,
		leg_name(leg), SLICE_ARG(event->message->method_name));
}

int modify_begin(struct call *call, const struct call_event *event)
{
	struct leg *leg = event->leg;

	leg->invite = event->transaction;
	transaction_user_set(event->transaction, leg);
	call->late_offer = false;
	extensions_learn(leg, event->message);
	if (!dialog_refresh(&leg->dialog, event->message))
		dialog_flow_update(&leg->dialog);
	note(leg, event);
	if (exchange_begin(leg, METHOD_INVITE))
		return exchange_refuse(leg, 500);
	return message_has_sdp(event->message) ? exchange_ask(leg, event->message)
					       : offer_here(leg);
}

// Which offers must wait (RFC 3311 section 5.2): behind one of its own, behind one of ours.
static bool is_busy(const struct leg *leg, bool *its_own)
{
	const struct negotiation *negotiation = &leg->call->negotiation;
	enum negotiation_state state = negotiation->legs[leg->index].state;

	*its_own = leg->offer || state == NEGOTIATION_ANSWER_DUE;
	return *its_own || leg->call->before || state != NEGOTIATION_STABLE ||
	       negotiation->legs[!leg->index].state != NEGOTIATION_STABLE;
}

int modify_offer(struct call *call, const struct call_event *event)
{
	struct leg *leg = event->leg;
	bool its_own;

	if (is_busy(leg, &its_own)) {
		refuse_for_now(event->transaction, its_own);
		return ACTION_GO(call->state);
	}
	note(leg, event);
	offer_take(leg, event->transaction);
	call->asked_by = transaction_method(event->transaction);
	if (exchange_begin(leg, call->asked_by) || fork_offer_keep(call))
		return exchange_refuse(leg, 500);
	return exchange_ask(leg, event->message);
}

// A session refresh. The far end should answer what it has answered before; some take the chance to
// say where they have moved to.
int modify_repeat(struct leg *leg)
{
	char description[NEGOTIATION_TEXT_MAX];
	struct call *call = leg->call;

	if (exchange_begin(leg, METHOD_INVITE))
		return ACTION_GO(CALL_UP);
	call->asker = LEGS;
	if (!description_write(leg, description) && !leg_reinvite(leg, description))
		return ACTION_GO(CALL_MODIFYING);
	return exchange_over(call);
}

static int repeat_answered(struct leg *leg, const struct sip_message *response)
{
	struct call *call = leg->call;

	if (call->negotiation.legs[leg->index].offered_by_us && message_has_sdp(response) &&
		!description_take_answer(leg, response))
		description_apply(call);
	else if (call->tells)
		negotiation_rollback(&call->negotiation, call->before);
	return exchange_over(call);
}

static int repeat_refused(struct leg *leg, const struct call_event *event)
{
	bool gone = event->status == 408 || event->status == 481;
	unsigned int status;

	if (leg->call->tells) {
		negotiation_rollback(&leg->call->negotiation, leg->call->before);
		return gone ? (int)event->status : exchange_over(leg->call);
	}
	status = refresh_refused(leg, event->status, event->message);
	return status ? (int)status : exchange_over(leg->call);
}

int modify_answer(struct call *call, const struct call_event *event)
{
	struct leg *answerer = event->leg, *asker = leg_other(answerer);
	unsigned int status = 502;

	if (event->message->method == METHOD_INVITE)
		dialog_ack(
			&answerer->dialog, call->calls->stack, (struct slice){}, (struct slice){});
	if (event->message->method != METHOD_PRACK && call->times.answer_ms)
		refresh_take(answerer, event->message);
	if (call->asker == LEGS && call->transfer_to)
		return transfer_taken(call, event);
	if (call->asker == LEGS)
		return repeat_answered(answerer, event->message);
	if (message_has_sdp(event->message))
		status = description_take_answer(answerer, event->message);
	if (status && !call->times.answer_ms)
		return exchange_refuse(asker, status);
	return status ? (int)status : exchange_accept(asker);
}

// It wants a longer session: the same once more.
static bool ask_again(struct leg *leg, const struct sip_message *response)
{
	char description[NEGOTIATION_TEXT_MAX];

	return response && refresh_raise(leg, response) && !description_write(leg, description) &&
	       !offer_send(leg, response->method, description);
}

int modify_refuse(struct call *call, const struct call_event *event)
{
	struct leg *asker = leg_other(event->leg);

	if (call->asker == LEGS && call->transfer_to)
		return transfer_refused(call, event);
	if (call->asker == LEGS)
		return repeat_refused(event->leg, event);
	if (ask_again(event->leg, event->message))
		return ACTION_GO(call->state);
	// Its dialog is no more (12.2.1.2); an early one is for the response to its INVITE to end.
	if (call->times.answer_ms && (event->status == 408 || event->status == 481))
		return (int)event->status;
	return exchange_refuse(asker, status_pass_on(event->status));
}

// What one leg answered in its ACK is news to the other: who was on hold is no more.
static int tell(struct leg *leg)
{
	char description[NEGOTIATION_TEXT_MAX];
	struct call *call = leg->call;

	if (exchange_begin(leg, METHOD_INVITE))
		return ACTION_GO(CALL_UP);
	call->asker = LEGS;
	call->tells = true;
	if (!negotiation_make_offer(&call->negotiation, leg->index) &&
		!description_write(leg, description) && !leg_reinvite(leg, description))
		return ACTION_GO(CALL_MODIFYING);
	negotiation_rollback(&call->negotiation, call->before);
	return exchange_over(call);
}

static bool is_news(const struct leg *leg)
{
	const struct negotiation *negotiation = &leg->call->negotiation;

	return negotiation->legs[leg->index].remote_direction !=
	       negotiation->legs[!leg->index].local_direction;
}

int modify_confirm(struct call *call, const struct call_event *event)
{
	struct leg *leg = event->leg;
	unsigned int status = 0;

	leg_acknowledged(leg);
	if (call->late_offer)
		status = message_has_sdp(event->message)
				 ? description_take_answer(leg, event->message)
				 : 488;
	if (status)
		return (int)status;
	if (call->late_offer)
		description_apply(call);
	exchange_end(call);
	log_info(&log_call, "modified", "call=%s leg=%s", call->id_text, leg_name(leg));
	return call->late_offer && is_news(leg) ? tell(leg_other(leg)) : 0;
}

// The asker gives up: so do we. What the other leg says decides, as ever with CANCEL.
int modify_cancel(struct call *call, const struct call_event *event)
{
	struct leg *other = leg_other(event->leg);

	if (call->waits_for_ports)
		return exchange_refuse(event->leg, 487);
	if (other->invite)
		transaction_cancel(other->invite, (struct slice){});
	return 0;
}

// One exchange at a time.
int modify_busy(struct call *call, const struct call_event *event)
{
	const struct leg *leg = event->leg;
	bool its_own = (leg->invite && !transaction_is_client(leg->invite)) ||
		       (leg->offer && !transaction_is_client(leg->offer));

	refuse_for_now(event->transaction, its_own);
	return ACTION_GO(call->state);
}
