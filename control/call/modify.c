// Re-INVITE of an established call: what one leg asks, the other is asked, and its answer goes
// back, so that hold is known at both ends. What concerns one leg only (its address, a session
// refresh) is answered here. `call->before` is what holds until the exchange is complete.
#include <errno.h>
#include <stdlib.h>

#include "call_private.h"
#include "token.h"

static void exchange_end(struct call *call)
{
	if (call->before)
		negotiation_wipe(call->before);
	free(call->before);
	call->before = NULL;
}

static int exchange_begin(struct call *call)
{
	exchange_end(call);
	call->before = malloc(sizeof(*call->before));
	if (!call->before)
		return -ENOMEM;
	*call->before = call->negotiation;
	return 0;
}

// Refuse the re-INVITE; the call goes on as it was.
static int exchange_refuse(struct leg *leg, unsigned int status)
{
	struct call *call = leg->call;

	if (call->before)
		negotiation_rollback(&call->negotiation, call->before);
	exchange_end(call);
	leg_refuse(leg, status);
	log_info(&log_call, "modify_refused", "call=%s leg=%s status=%u", call->id_text,
		leg_name(leg), status);
	return ACTION_GO(CALL_UP);
}

static int exchange_accept(struct leg *leg)
{
	char description[NEGOTIATION_TEXT_MAX];

	if (description_write(leg, description))
		return 500;
	description_apply(leg->call);
	return leg_accept(leg, description) ? 500 : 0;
}

// It wants us to offer: everything this leg may use. Its answer comes in the ACK.
static int offer_here(struct leg *leg)
{
	struct call *call = leg->call;

	if (negotiation_make_offer(&call->negotiation, leg->index) || exchange_accept(leg))
		return exchange_refuse(leg, 500);
	call->late_offer = true;
	return ACTION_GO(CALL_MODIFIED);
}

int modify_begin(struct call *call, const struct call_event *event)
{
	struct leg *leg = event->leg, *other = leg_other(leg);
	char description[NEGOTIATION_TEXT_MAX];
	unsigned int status;
	bool ask_other;

	leg->invite = event->transaction;
	transaction_user_set(event->transaction, leg);
	call->late_offer = false;
	if (!dialog_refresh(&leg->dialog, event->message))
		dialog_flow_update(&leg->dialog);
	log_info(&log_call, "modify", "call=%s leg=%s", call->id_text, leg_name(leg));
	if (exchange_begin(call))
		return exchange_refuse(leg, 500);
	if (!message_has_sdp(event->message))
		return offer_here(leg);
	status = description_take_reoffer(leg, event->message, &ask_other);
	if (status)
		return exchange_refuse(leg, status);
	if (!ask_other)
		return exchange_accept(leg) ? exchange_refuse(leg, 500) : ACTION_GO(CALL_MODIFIED);
	if (description_write(other, description) || leg_reinvite(other, description))
		return exchange_refuse(leg, 500);
	return 0;
}

int modify_answer(struct call *call, const struct call_event *event)
{
	struct leg *answerer = event->leg, *asker = leg_other(answerer);
	unsigned int status;

	dialog_ack(&answerer->dialog, call->calls->stack, (struct slice){}, (struct slice){});
	if (!message_has_sdp(event->message))
		return 502;
	status = description_take_answer(answerer, event->message);
	return status ? (int)status : exchange_accept(asker);
}

int modify_refuse(struct call *call, const struct call_event *event)
{
	struct leg *asker = leg_other(event->leg);

	(void)call;
	// Its dialog is no more (12.2.1.2).
	if (event->status == 408 || event->status == 481)
		return (int)event->status;
	exchange_refuse(asker, status_pass_on(event->status));
	return 0;
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
	return 0;
}

// The asker gives up: so do we. What the other leg says decides, as ever with CANCEL.
int modify_cancel(struct call *call, const struct call_event *event)
{
	struct leg *other = leg_other(event->leg);

	(void)call;
	if (other->invite)
		transaction_cancel(other->invite, (struct slice){});
	return 0;
}

// One exchange at a time.
int modify_busy(struct call *call, const struct call_event *event)
{
	struct leg *leg = event->leg;
	bool its_own = leg->invite && !transaction_is_client(leg->invite);
	uint8_t wait_s;
	char retry[] = "Retry-After: 0\r\n";

	// Two of its own at once: 500 and a random time of up to 10 s. Otherwise ours is under way.
	token_random(&wait_s, sizeof(wait_s));
	retry[sizeof(retry) - 4] = (char)('0' + wait_s % 10);
	if (its_own)
		transaction_reply_with(event->transaction, 500, (struct slice){}, slice_of(retry));
	else
		transaction_reply(event->transaction, 491);
	return ACTION_GO(call->state);
}
