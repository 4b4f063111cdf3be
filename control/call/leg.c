// What one leg sends: responses to its INVITE, requests in its dialog. Nothing here decides; it
// writes messages. The subtle thing is leg_end(): what a far end is still owed depends on how far
// its leg got, and a BYE to a caller waits for the ACK of our 2xx (RFC 3261 15).
#include "bodies.h"
#include "call_digits.h"
#include "call_private.h"
#include "call_shards.h"
#include "early.h"
#include "hunt.h"
#include "offer.h"
#include "pass.h"
#include "status.h"
#include "subscription.h"

#include <errno.h>
#include <stdlib.h>

#define MESSAGE_SIZE (8192 + BODIES_ROOM) // of what we write
#define REASON_SIZE  256

void leg_init(struct leg *leg, struct call *call, uint8_t index)
{
	leg->owner.kind = OWNER_LEG;
	leg->bye = (struct bye){.owner.kind = OWNER_BYE, .leg = leg};
	leg->call = call;
	leg->index = index;
	leg->state = LEG_IDLE;
	digits_init(leg);
	confirm_init(leg);
	refresh_init(leg);
}

void leg_fini(struct leg *leg)
{
	retransmit_stop(leg->answer);
	leg->answer = NULL;
	if (leg->invite)
		transaction_user_set(leg->invite, NULL);
	leg->invite = NULL;
	if (leg->bye.transaction)
		transaction_user_set(leg->bye.transaction, NULL);
	leg->bye.transaction = NULL;
	digits_fini(leg);
	confirm_fini(leg);
	offer_forget(leg);
	refresh_stop(leg);
	reliable_fini(leg);
	early_drop(leg);
	leg_leave(leg);
	free(leg->facts);
}

// A sips URI says TLS by itself, and WebSocket always says what it is (RFC 7118 5.2.1).
static const char *transport_param(const struct listener *listener, bool secure)
{
	static const char *const texts[] = {[TRANSPORT_UDP] = "",
		[TRANSPORT_TCP] = ";transport=tcp",
		[TRANSPORT_TLS] = ";transport=tls",
		[TRANSPORT_WS] = ";transport=ws",
		[TRANSPORT_WSS] = ";transport=ws"};

	return secure && listener_connects(listener) ? "" : texts[listener_protocol(listener)];
}

struct slice contact_write(const struct listener *listener, bool secure, char *out, size_t size)
{
	struct builder b;

	builder_init(&b, out, size);
	builder_text(&b, secure ? "<sips:" : "<sip:");
	builder_slice(&b, listener_sent_by(listener));
	builder_text(&b, transport_param(listener, secure));
	builder_char(&b, '>');
	return builder_finish(&b);
}

const struct trunk *dialog_trunk(const struct dialog *dialog)
{
	const struct owner *owner = dialog->user;

	if (!owner)
		return NULL;
	return owner->kind == OWNER_SUBSCRIPTION ? subscription_trunk(owner)
						 : ((const struct leg *)owner)->trunk;
}

void dialog_flow_update(struct dialog *dialog)
{
	const struct trunk *trunk = dialog_trunk(dialog);
	const struct owner *owner = dialog->user;
	struct sip_address address;
	struct uri hop;

	// Users are where their messages come from, whatever they say: they may be behind NAT.
	if (trunk && trunk_is_of_users(trunk))
		return;
	if (!listener_connects(dialog->flow.listener))
		return; // RFC 7118 5: whatever the Contact says, only this connection leads there
	if (dialog_next_hop(dialog, &hop) || (hop.scheme != URI_SIP && hop.scheme != URI_SIPS))
		return;
	if (sip_address_parse(hop.host,
		    hop.port ? hop.port : listener_default_port(dialog->flow.listener), &address)) {
		if (owner && owner->kind == OWNER_LEG && trunk)
			hop_resolve(((const struct leg *)owner)->call->calls, trunk, dialog, &hop);
		return; // until that is known: where messages came from
	}
	if (address.any.sa_family != dialog->flow.remote.any.sa_family)
		return;
	if (listener_is_reliable(dialog->flow.listener) &&
		sip_address_equal_host(&address, &dialog->flow.remote)) {
		dialog->flow.connect_port = sip_address_port(&address); // once it is closed
		return;
	}
	dialog->flow.remote = address;
	dialog->flow.connect_port = 0;
}

static int dialog_begin(struct leg *leg)
{
	int err;

	leg->dialog.user = leg;
	leg->has_dialog = true;
	err = dialog_table_add(leg->call->calls->dialogs, &leg->dialog);
	if (err)
		return err;
	dialog_flow_update(&leg->dialog);
	return 0;
}

int leg_dialog_uas(struct leg *leg, const struct transaction *invite)
{
	char contact[REASON_SIZE];
	const struct sip_message *request = transaction_request(invite);
	int err = dialog_init_uas(&leg->dialog, request, transaction_to_tag(invite),
		contact_write(leg->listener, uri_is_sips(request->uri), contact, sizeof(contact)));

	return err ? err : dialog_begin(leg);
}

int leg_dialog_uac(
	struct leg *leg, const struct dialog_request *request, const struct sip_message *response)
{
	int err;

	err = dialog_init_uac(&leg->dialog, request, response);
	return err ? err : dialog_begin(leg);
}

// The way to the leg of what came from the other one and is being dealt with; of nothing, where
// that is not so.
static struct passage heard_passage(struct leg *leg)
{
	const struct call *call = leg->call;
	struct passage passage = {
		.message = call->heard,
		.from = leg_other(leg)->trunk,
		.to = leg->trunk,
		.host = listener_sent_by(leg->listener),
	};

	if (call->heard_from == leg || !passage.from || !passage.to)
		passage.message = NULL;
	return passage;
}

static void heard_write(struct leg *leg, struct builder *b)
{
	const struct passage passage = heard_passage(leg);

	if (passage.message)
		pass_headers(b, &passage);
}

void leg_body_write(struct leg *leg, struct builder *b, const char *description)
{
	const struct passage passage = heard_passage(leg);

	bodies_write(b, description, &passage);
}

// Responses to the leg's INVITE.

void leg_response_begin(struct leg *leg, struct builder *b, unsigned int status)
{
	char contact[REASON_SIZE];

	response_begin(b, leg->invite, status, (struct slice){}, (struct slice){});
	builder_header(b, HEADER_CONTACT,
		contact_write(leg->listener, leg->dialog.is_secure, contact, sizeof(contact)));
	extensions_write(b, leg, EXTENSIONS_RESPONSE);
	heard_write(leg, b);
}

static void on_no_ack(void *arg)
{
	struct leg *leg = arg;
	struct call_event event = {.type = EVENT_NO_ACK, .leg = leg};

	leg->answer = NULL;
	call_event(leg->call, &event);
}

int leg_accept(struct leg *leg, const char *description)
{
	struct sip_stack *stack = leg->call->calls->stack;
	const struct flow *flow = transaction_flow(leg->invite);
	bool initial = leg->state == LEG_INVITED;
	char buffer[MESSAGE_SIZE];
	struct slice response;
	WIPED_BUILDER b = {};
	int err;

	builder_init(&b, buffer, sizeof(buffer));
	leg_response_begin(leg, &b, 200);
	refresh_answer(leg, &b, transaction_request(leg->invite));
	leg_body_write(leg, &b, description);
	response = builder_finish(&b);
	if (initial) {
		// The dataplane has the call's record before a has its answer, so that no crash of
		// ours loses a call that is up.
		leg->state = LEG_ACCEPTED;
		media_session_settle(&leg->call->session);
	}
	err = transaction_respond(leg->invite, response);
	if (err) {
		leg->state = initial ? LEG_INVITED : leg->state;
		return err;
	}
	reliable_stop(leg);
	retransmit_stop(leg->answer);
	leg->answer = retransmit_start(stack, flow, response, on_no_ack, leg);
	leg->accepted_cseq = transaction_request(leg->invite)->cseq;
	transaction_user_set(leg->invite, NULL);
	leg->invite = NULL;
	leg->state = LEG_ACCEPTED;
	return leg->answer ? 0 : -ENOMEM;
}

void warning_write(struct leg *leg, struct builder *b)
{
	char text[REASON_SIZE];
	struct builder value;

	builder_init(&value, text, sizeof(text));
	builder_unsigned(&value, leg->warning ? leg->warning : 399);
	builder_char(&value, ' ');
	builder_slice(&value, listener_sent_by(leg->listener));
	builder_char(&value, ' ');
	builder_quoted(&value, slice_of(leg->warning ? sdp_warning_text(leg->warning)
						     : "Refused by the other side"));
	builder_header(b, HEADER_WARNING, builder_finish(&value));
	leg->warning = 0;
}

void leg_refuse(struct leg *leg, unsigned int status)
{
	const struct call *call = leg->call;
	char response[MESSAGE_SIZE];
	struct builder b;
	// Only our own trouble says when to come back: that of b's trunk is not all of ours.
	bool our_trouble =
		status == 503 && call->end_status == 503 && call->ended_by == ENDED_BY_US;

	if (!leg->invite || transaction_is_client(leg->invite))
		return;
	reliable_stop(leg);
	builder_init(&b, response, sizeof(response));
	response_begin(&b, leg->invite, status, (struct slice){}, (struct slice){});
	if (!drain_refusal_write(call, status, &b) && our_trouble)
		builder_header(&b, HEADER_RETRY_AFTER, SLICE("5"));
	extensions_refused(leg, status, &b);
	if (status == 488)
		warning_write(leg, &b);
	heard_write(leg, &b);
	leg_body_write(leg, &b, "");
	if (transaction_respond(leg->invite, builder_finish(&b)))
		transaction_reply(leg->invite, status);
	transaction_user_set(leg->invite, NULL);
	leg->invite = NULL;
}

void leg_acknowledged(struct leg *leg)
{
	retransmit_stop(leg->answer);
	leg->answer = NULL;
	if (leg->state == LEG_ACCEPTED)
		leg->state = LEG_CONFIRMED;
}

// Requests in the dialog.

int leg_reinvite(struct leg *leg, const char *description)
{
	char buffer[MESSAGE_SIZE];
	struct slice request;
	WIPED_BUILDER b = {};

	builder_init(&b, buffer, sizeof(buffer));
	dialog_request_begin(&leg->dialog, METHOD_INVITE, &b);
	extensions_write(&b, leg, EXTENSIONS_REQUEST);
	leg_body_write(leg, &b, description);
	request = builder_finish(&b);
	leg->invite = transaction_start(leg->call->calls->stack, &leg->dialog.flow, request, leg);
	return leg->invite ? 0 : -errno;
}

void dialog_bye(struct dialog *dialog, struct sip_stack *stack, struct slice rest, struct bye *bye)
{
	struct transaction *transaction;
	char buffer[MESSAGE_SIZE];
	struct builder b;

	builder_init(&b, buffer, sizeof(buffer));
	dialog_request_begin(dialog, METHOD_BYE, &b);
	if (rest.n)
		builder_slice(&b, rest);
	else
		builder_body(&b, (struct slice){}, (struct slice){});
	// Whatever its response is, the dialog is over (15.1.1).
	transaction = transaction_start(stack, &dialog->flow, builder_finish(&b), bye);
	if (!transaction)
		log_warn(&log_call, "bye_failed", "error=%d", errno);
	if (bye)
		bye->transaction = transaction;
	dialog->state = DIALOG_TERMINATED;
}

void bye_done(struct bye *bye)
{
	transaction_user_set(bye->transaction, NULL);
	bye->transaction = NULL;
	call_release(bye->leg->call);
}

static void reason_write(struct builder *b, unsigned int status)
{
	char text[REASON_SIZE];
	struct builder value;

	builder_init(&value, text, sizeof(text));
	builder_text(&value, "SIP;cause=");
	builder_unsigned(&value, status);
	builder_text(&value, ";text=");
	builder_quoted(&value, status_reason(status));
	builder_header(b, HEADER_REASON, builder_finish(&value));
}

static void leg_bye(struct leg *leg)
{
	struct call *call = leg->call;
	bool has_reason = call->heard && call->heard_from != leg &&
			  message_header(call->heard, HEADER_REASON);
	char rest[MESSAGE_SIZE];
	struct builder b;

	builder_init(&b, rest, sizeof(rest));
	if (call->end_status == 408)
		builder_header(&b, HEADER_REASON,
			SLICE("Q.850;cause=102;text=\"Recovery on timer expiry\""));
	else
		heard_write(leg, &b);
	// What went wrong here after the answer, as a description in its ACK (RFC 3326).
	if (!has_reason && call->end_status >= 300 && call->end_status != 408 &&
		call->end_status != 487)
		reason_write(&b, call->end_status);
	leg_body_write(leg, &b, "");
	log_info(&log_call, "bye", "call=%s leg=%s to=1", call->id_text, leg_name(leg));
	dialog_bye(&leg->dialog, call->calls->stack, builder_finish(&b), &leg->bye);
	leg->state = LEG_OVER;
}

// The attempt stands alone from here, and so does any dialog that a late answer makes.
static void attempt_end(struct leg *leg, const struct sip_message *cause)
{
	attempts_abandon(leg->call, cause, (struct slice){});
	contacts_ring_time_stop(leg->call);
	early_drop(leg);
}

void leg_end(struct leg *leg, unsigned int status, const struct sip_message *cause)
{
	// Theirs are refused; ours are left to their transactions, the BYE ends them too.
	refresh_stop(leg);
	offer_refuse(leg, 487);
	leg_refuse(leg, leg->state == LEG_INVITED ? status : 487);
	if (leg->state == LEG_CALLING)
		attempt_end(leg, cause);
	if (leg->state == LEG_CONFIRMED || (leg->state == LEG_ACCEPTED && !leg->answer)) {
		leg_bye(leg);
	} else if (leg->state == LEG_ACCEPTED) {
		leg->bye_due = true;
		return;
	}
	retransmit_stop(leg->answer);
	leg->answer = NULL;
	leg->state = LEG_OVER;
}

// Statuses that speak of our own request, or of the far side's network, must not reach the other
// side as they are: it would act on them.
unsigned int status_pass_on(unsigned int status)
{
	if (status < 400)
		return 480; // redirections name the far network's hosts; we do not follow
	switch (status) {
	case 401:
	case 407:
		return 403; // it wants credentials that we do not have for it
	case 400:
	case 402:
	case 405:
	case 406:
	case 413:
	case 414:
	case 415:
	case 416:
	case 420:
	case 421:
	case 422:
	case 423:
	case 481:
	case 493:
	case 494:
	case 505:
	case 513:
		return 500;
	default:
		return status > 699 ? 500 : status;
	}
}
