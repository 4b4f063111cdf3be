// What the SIP stack reports, turned into events of calls; and the answers that concern no call:
// OPTIONS, methods that we do not have, dialogs that we do not know. Until the calls of an earlier
// run have been recovered nothing is taken in: the far end repeats it, and a 481 would end a call
// that is about to come back.
#include <errno.h>
#include <stdio.h>

#include "bodies.h"
#include "call_digits.h"
#include "call_private.h"
#include "call_shards.h"
#include "description.h"
#include "elsewhere.h"
#include "hunt.h"
#include "offer.h"
#include "outside.h"
#include "relay.h"
#include "subscription.h"
#include "transfer.h"

static bool on_accept(void *arg, const struct listener *listener, const struct sockaddr *source)
{
	struct calls *calls = arg;

	return proof_accepts(calls, listener, source) && calls->ready;
}

// The dataplane has more to do than it can.
static bool on_is_ready(void *arg)
{
	const struct calls *calls = arg;

	return !media_is_late(calls->media);
}

static bool on_is_urgent(void *arg, const struct sip_message *request)
{
	return request->method == METHOD_INVITE && setup_is_emergency(arg, request);
}

// What the body says is for the other far end to judge.
static bool is_relayed(enum method method)
{
	switch (method) {
	case METHOD_INFO:
	case METHOD_MESSAGE:
	case METHOD_NOTIFY:
	case METHOD_PUBLISH:
	case METHOD_SUBSCRIBE:
		return true;
	default:
		return false;
	}
}

static bool refuse_body(
	struct transaction *transaction, const struct trunk *trunk, unsigned int status)
{
	char text[ACCEPT_SIZE + 64], accept[ACCEPT_SIZE];
	struct builder b;

	if (!status)
		return false;
	builder_init(&b, text, sizeof(text));
	if (status == 415) {
		builder_header(&b, HEADER_ACCEPT, accept_write(trunk, accept));
		builder_header(&b, HEADER_ACCEPT_ENCODING, SLICE("identity"));
	}
	transaction_reply_with(transaction, status, (struct slice){}, builder_finish(&b));
	return true;
}

// The usual refusals of RFC 3261 8.2. Returns whether the request was refused.
static bool refuse(
	struct transaction *transaction, const struct trunk *trunk, const struct trunk *to)
{
	const struct sip_message *request = transaction_request(transaction);
	bool relayed = is_relayed(request->method);
	char allowed[ALLOW_SIZE];
	const struct request_rules rules = {
		.allowed = allow_write(trunk, allowed),
		.supported = request->method == METHOD_SUBSCRIBE ? SLICE("eventlist")
								 : SLICE(LEG_SUPPORTED),
		.forwards = (relayed || request->method == METHOD_INVITE) && !request->to_tag.p,
	};

	if (transaction_refuse(transaction, &rules))
		return true;
	// A BYE ends the call whatever it carries.
	return !relayed && request->method != METHOD_BYE &&
	       refuse_body(transaction, trunk, bodies_check(request, trunk, to));
}

static bool takes_registers(const struct calls *calls, const struct sip_message *request)
{
	return trunks_are_open(calls->settings.trunks, calls_realm(calls, request->flow.listener));
}

static void abilities_answer(
	struct transaction *transaction, const struct trunk *trunk, bool registers)
{
	char text[ALLOW_SIZE + ACCEPT_SIZE + 64], allowed[ALLOW_SIZE], accept[ACCEPT_SIZE];
	struct builder b;

	builder_init(&b, text, sizeof(text));
	builder_text(&b, "Allow: ");
	builder_slice(&b, allow_write(trunk, allowed));
	builder_text(&b, registers ? ", REGISTER\r\n" : "\r\n");
	builder_header(&b, HEADER_ACCEPT, accept_write(trunk, accept));
	transaction_reply_with(transaction, 200, (struct slice){}, builder_finish(&b));
}

static void options_answer(
	struct calls *calls, const struct trunk *trunk, struct transaction *transaction)
{
	if (!drain_refuse(calls, transaction))
		abilities_answer(transaction, trunk,
			takes_registers(calls, transaction_request(transaction)));
}

static void invite_take(
	struct calls *calls, struct transaction *transaction, const struct sip_message *request)
{
	struct call_event event = {
		.type = EVENT_INVITE, .transaction = transaction, .message = request};
	struct ulid id = ulid_create(now_realtime_ms());
	const struct trunk *trunk = trunk_of_request(calls, request);
	struct slice user;
	struct call *call;

	if (!trunk && takes_registers(calls, request)) {
		transaction_reply(transaction, 403); // of nobody's domain
		transaction_forget(transaction);
		return;
	}
	if (!proof_check(calls, trunk, transaction, request, true, &user))
		return;
	call = call_create(calls, &id);
	if (!call) {
		transaction_reply(transaction, 503);
		return;
	}
	snprintf(call->user, sizeof(call->user), SLICE_FMT, SLICE_ARG(user));
	if (register_forward_route_keep(call, trunk, request)) {
		call_forget(call);
		transaction_reply(transaction, 503);
		return;
	}
	media_session_open(calls->media, &call->session);
	calls->counters.invites++;
	call->times.invite_ms = now_realtime_ms();
	call_trace(call, request->call_id);
	call_event(call, &event);
}

static void request_outside(
	struct calls *calls, struct transaction *transaction, const struct sip_message *request)
{
	struct trunk *trunk = trunk_of_request(calls, request);

	if (request->method == METHOD_REGISTER && takes_registers(calls, request)) {
		register_take(calls, transaction, request);
		return;
	}
	if (request->method == METHOD_NOTIFY && !request_may_pass(trunk, METHOD_NOTIFY)) {
		transaction_reply(transaction, 481); // nobody here has subscribed
		return;
	}
	if (refuse(transaction, trunk, NULL))
		return;
	switch (request->method) {
	case METHOD_INVITE:
		invite_take(calls, transaction, request);
		break;
	case METHOD_OPTIONS:
		options_answer(calls, trunk, transaction);
		break;
	case METHOD_MESSAGE:
	case METHOD_NOTIFY:
	case METHOD_PUBLISH:
	case METHOD_SUBSCRIBE:
		request_take(calls, trunk, transaction, request);
		break;
	case METHOD_REFER:
		transaction_reply(transaction, 403); // only of calls that there are
		break;
	default:
		transaction_reply(transaction, 481);
		break;
	}
}

// Without an offer it only refreshes the target, and the session.
static void update_take(struct call_event *event, struct dialog *dialog)
{
	struct leg *leg = event->leg;

	extensions_learn(leg, event->message);
	if (!dialog_refresh(dialog, event->message))
		dialog_flow_update(dialog);
	event->type = EVENT_UPDATE;
	if (message_has_sdp(event->message))
		call_event(leg->call, event);
	else if (leg->offer && !transaction_is_client(leg->offer))
		refuse_for_now(event->transaction, true);
	else
		update_answer(leg, event->transaction, NULL);
}

static void prack_take(struct call_event *event)
{
	struct call *call = event->leg->call;
	enum call_state next;

	event->type = EVENT_PRACK;
	if (fsm_row(call->state, EVENT_PRACK, &next))
		call_event(call, event);
	else
		transaction_reply(event->transaction, 481);
}

static void refer_take(struct call_event *event)
{
	struct call *call = event->leg->call;
	enum call_state next;

	event->type = EVENT_REFER;
	if (event->leg->trunk->signalling.refer == TRUNK_REFER_PASS)
		refer_pass(event->leg, event->transaction);
	else if (fsm_row(call->state, EVENT_REFER, &next))
		call_event(call, event);
	else
		refuse_for_now(event->transaction, false);
}

static bool refuse_interval(
	struct leg *leg, struct transaction *transaction, const struct sip_message *request)
{
	char extra[64];
	struct builder b;

	if ((request->method != METHOD_INVITE && request->method != METHOD_UPDATE) ||
		!refresh_check(leg, request))
		return false;
	builder_init(&b, extra, sizeof(extra));
	extensions_refused(leg, 422, &b);
	transaction_reply_with(transaction, 422, (struct slice){}, builder_finish(&b));
	return true;
}

static void request_inside(
	struct dialog *dialog, struct transaction *transaction, const struct sip_message *request)
{
	struct leg *leg = dialog->user;
	struct call_event event = {
		.leg = leg, .dialog = dialog, .transaction = transaction, .message = request};

	if (dialog_request_received(dialog, request)) {
		transaction_reply(transaction, 500); // out of order (12.2.2)
		return;
	}
	if (refuse(transaction, leg->trunk, leg_other(leg)->trunk))
		return;
	if (leg->state == LEG_OVER ||
		(leg->call->state == CALL_OVER && request->method != METHOD_BYE)) {
		// Crossing our BYE (which may wait for an ACK), or repeated with another branch.
		transaction_reply(transaction, request->method == METHOD_BYE ? 200 : 481);
		return;
	}
	if (refuse_interval(leg, transaction, request))
		return;
	switch (request->method) {
	case METHOD_INVITE:
		event.type = EVENT_REINVITE;
		call_event(leg->call, &event);
		break;
	case METHOD_UPDATE:
		update_take(&event, dialog);
		break;
	case METHOD_PRACK:
		prack_take(&event);
		break;
	case METHOD_BYE:
		transaction_reply(transaction, 200);
		event.type = EVENT_BYE;
		call_event(leg->call, &event);
		break;
	case METHOD_REFER:
		refer_take(&event);
		break;
	case METHOD_INFO:
		info_received(leg, transaction);
		break;
	case METHOD_MESSAGE:
		leg_request_relay(leg, transaction);
		break;
	case METHOD_NOTIFY:
		refer_notified(leg, transaction);
		break;
	case METHOD_PUBLISH:
	case METHOD_SUBSCRIBE:
		transaction_reply(transaction, 403); // but in a dialog of its own
		break;
	default:
		abilities_answer(transaction, leg->trunk, false);
		break;
	}
}

struct leg *leg_of_message(const struct calls *calls, const struct sip_message *message)
{
	struct dialog *dialog = dialog_find(calls->dialogs, message);

	struct owner *owner = dialog ? dialog->user : NULL;

	return owner && owner->kind == OWNER_LEG ? (struct leg *)owner : NULL;
}

// A phone behind NAT may be seen at another port from now on.
static void user_follow(struct dialog *dialog, const struct sip_message *request)
{
	if (trunk_is_of_users(dialog_trunk(dialog)) &&
		dialog->flow.listener == request->flow.listener &&
		sip_address_equal_host(&dialog->flow.remote, &request->flow.remote))
		dialog->flow.remote = request->flow.remote;
}

static void on_request(
	void *arg, struct transaction *transaction, const struct sip_message *request)
{
	struct calls *calls = arg;
	unsigned int status = stranger_answer(calls, request);
	struct dialog *dialog;
	struct owner *owner;

	if (status) {
		transaction_reply(transaction, status);
		return;
	}
	if (!request->to_tag.p) {
		request_outside(calls, transaction, request);
		return;
	}
	dialog = dialog_find(calls->dialogs, request);
	owner = dialog ? dialog->user : NULL;
	if (owner)
		user_follow(dialog, request);
	if (owner && owner->kind == OWNER_SUBSCRIPTION) {
		subscription_request(owner, dialog, transaction, request);
	} else if (owner) {
		request_inside(dialog, transaction, request);
	} else if (request->method == METHOD_NOTIFY) {
		subscription_notify(calls, transaction, request);
	} else {
		calls->counters.unknown_dialogs++;
		if (shard_is_incomplete(calls, request->flow.listener))
			transaction_reply_with(
				transaction, 500, (struct slice){}, SLICE("Retry-After: 2\r\n"));
		else
			transaction_reply(transaction, 481);
	}
}

static void on_cancel(void *, struct transaction *invite, const struct sip_message *cancel)
{
	struct owner *owner = transaction_user(invite);
	struct leg *leg = (struct leg *)owner;
	struct call_event event = {.type = EVENT_CANCEL, .leg = leg, .message = cancel};

	if (!owner) {
		transaction_reply(invite, 487); // of nobody: it still wants its end
		return;
	}
	log_info(&log_call, "cancel", "call=%s leg=%s", leg->call->id_text, leg_name(leg));
	call_event(leg->call, &event);
}

static void on_ack(void *arg, const struct sip_message *ack)
{
	struct leg *leg = leg_of_message(arg, ack);
	struct call_event event = {.type = EVENT_ACK, .leg = leg, .message = ack};

	if (leg && leg->answer && ack->cseq == leg->accepted_cseq)
		call_event(leg->call, &event);
}

// One of ours in the dialog has come to its end.
static void leg_done(struct leg *leg, struct transaction *transaction)
{
	transaction_user_set(transaction, NULL);
	if (leg->invite == transaction)
		leg->invite = NULL;
	if (leg->offer == transaction)
		leg->offer = NULL;
	if (leg->timer.refresh == transaction)
		leg->timer.refresh = NULL;
}

// A final response to a re-INVITE of ours, or to an UPDATE or PRACK that offers.
static void leg_response(
	struct leg *leg, struct transaction *transaction, const struct sip_message *response)
{
	struct call_event event = {.leg = leg, .message = response, .status = response->status};

	bool refreshes = transaction == leg->timer.refresh;

	if (response->status < 200)
		return;
	leg_done(leg, transaction);
	extensions_learn(leg, response);
	event.type = response->status < 300 ? EVENT_MODIFY_ANSWER : EVENT_MODIFY_REFUSAL;
	if (response->status < 300)
		dialog_credentials_take(&leg->dialog, transaction);
	if (response->status < 300 && !dialog_refresh(&leg->dialog, response))
		dialog_flow_update(&leg->dialog);
	if (refreshes)
		refresh_response(leg, response->status, response);
	else
		call_event(leg->call, &event);
}

// A 2xx to a re-INVITE of a call that is over and gone wants its ACK all the same (RFC 5407 3.2.3).
static void ack_of_nobody(struct calls *calls, const struct sip_message *response)
{
	const struct dialog_request request = {.call_id = response->call_id,
		.local_tag = response->from_tag,
		.local_uri = SLICE("<sip:anonymous@anonymous.invalid>"),
		.remote_uri = SLICE("<sip:anonymous@anonymous.invalid>"),
		.cseq = response->cseq};
	struct dialog dialog;

	if (dialog_init_uac(&dialog, &request, response))
		return;
	dialog_flow_update(&dialog);
	dialog_ack(&dialog, calls->stack, (struct slice){}, (struct slice){});
	dialog_fini(&dialog);
}

static void ack_again(struct calls *calls, const struct sip_message *response)
{
	struct dialog *dialog = dialog_find(calls->dialogs, response);

	if (!dialog || dialog_ack_again(dialog, calls->stack, response->cseq) != -ENOENT)
		return;
	// A recovered dialog has no ACK to repeat, and one that is over has none for an answer to
	// its last INVITE that crossed the BYE.
	if (response->cseq == dialog->invite_cseq)
		dialog_ack(dialog, calls->stack, (struct slice){}, (struct slice){});
	else
		ack_of_nobody(calls, response);
}

static void on_response(
	void *arg, struct transaction *transaction, const struct sip_message *response)
{
	struct owner *owner = transaction_user(transaction);
	bool is_2xx_of_invite = response->method == METHOD_INVITE && response->status >= 200 &&
				response->status < 300;

	if (owner && owner->kind == OWNER_ATTEMPT)
		attempt_response((struct attempt *)owner, response);
	else if (owner && owner->kind == OWNER_PROBE)
		probe_response(owner, response);
	else if (owner && owner->kind == OWNER_REGISTRATION)
		registration_response(owner, response);
	else if (owner && owner->kind == OWNER_FORWARD)
		register_forward_response(owner, response);
	else if (owner && owner->kind == OWNER_RELAY)
		relay_response(owner, response);
	else if (owner && owner->kind == OWNER_DIGITS)
		digits_answered(owner, response->status);
	else if (owner && owner->kind == OWNER_CONFIRM)
		confirm_done(owner, response->status);
	else if (owner && owner->kind == OWNER_BYE) {
		if (response->status >= 200)
			bye_done((struct bye *)owner);
	} else if (owner && (!is_2xx_of_invite || ((struct leg *)owner)->call->state != CALL_OVER))
		leg_response((struct leg *)owner, transaction, response);
	else if (is_2xx_of_invite) { // nobody waits for it, but its sender for an ACK
		if (dialog_find(((const struct calls *)arg)->dialogs, response))
			ack_again(arg, response);
		else
			ack_of_nobody(arg, response);
	}
}

static void on_stray_2xx(void *arg, const struct sip_message *response)
{
	ack_again(arg, response);
}

static void on_failed(void *, struct transaction *transaction, unsigned int status)
{
	struct owner *owner = transaction_user(transaction);
	struct leg *leg = (struct leg *)owner;
	struct call_event event = {.type = EVENT_MODIFY_REFUSAL, .leg = leg, .status = 408};
	bool refreshes;

	if (owner && owner->kind == OWNER_RELAY) {
		relay_failed(owner, transaction, status);
		return;
	}
	if (!owner || !transaction_is_client(transaction))
		return; // BYE and the like; a server's: its response was final
	if (owner->kind == OWNER_DIGITS) {
		digits_answered(owner, status);
		return;
	}
	if (owner->kind == OWNER_BYE) {
		bye_done((struct bye *)owner);
		return;
	}
	if (owner->kind == OWNER_CONFIRM) {
		confirm_done(owner, status);
		return;
	}
	if (owner->kind == OWNER_ATTEMPT) {
		attempt_failed((struct attempt *)owner, status);
		return;
	}
	if (owner->kind == OWNER_PROBE) {
		probe_failed(owner);
		return;
	}
	if (owner->kind == OWNER_REGISTRATION) {
		registration_failed(owner);
		return;
	}
	if (owner->kind == OWNER_FORWARD) {
		register_forward_failed(owner, status);
		return;
	}
	refreshes = transaction == leg->timer.refresh;
	leg_done(leg, transaction);
	if (refreshes)
		refresh_response(leg, 408, NULL);
	else
		call_event(leg->call, &event);
}

static void on_closed(void *, struct transaction *transaction)
{
	struct owner *owner = transaction_user(transaction);
	struct leg *leg = (struct leg *)owner;

	if (owner && owner->kind == OWNER_ATTEMPT)
		attempt_destroy((struct attempt *)owner);
	else if (owner && owner->kind == OWNER_PROBE)
		probe_closed(owner);
	else if (owner && owner->kind == OWNER_REGISTRATION)
		registration_closed(owner);
	else if (owner && owner->kind == OWNER_FORWARD)
		register_forward_closed(owner, transaction);
	else if (owner && owner->kind == OWNER_RELAY)
		relay_closed(owner, transaction);
	else if (owner && owner->kind == OWNER_DIGITS)
		digits_answered(owner, 408); // the stack ends
	else if (owner && owner->kind == OWNER_BYE)
		bye_done((struct bye *)owner);
	else if (owner && owner->kind == OWNER_CONFIRM)
		confirm_done(owner, 503); // the stack ends
	else if (owner)
		leg_done(leg, transaction);
}

static void on_trace(void *arg, const struct flow *flow, bool outgoing, struct slice message)
{
	struct calls *calls = arg;

	if (calls->trace)
		trace_keep(calls->trace, flow, outgoing, message);
}

const struct stack_user signalling = {
	.accept = on_accept,
	.elsewhere = elsewhere_take,
	.failed_elsewhere = elsewhere_failed,
	.send_elsewhere = elsewhere_send,
	.is_urgent = on_is_urgent,
	.is_ready = on_is_ready,
	.request = on_request,
	.cancel = on_cancel,
	.ack = on_ack,
	.response = on_response,
	.keys = proof_keys,
	.next_cseq = proof_next_cseq,
	.stray_2xx = on_stray_2xx,
	.failed = on_failed,
	.closed = on_closed,
	.trace = on_trace,
};
