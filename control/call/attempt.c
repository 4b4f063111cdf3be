// One INVITE to one peer. It lives as long as its transaction, which may be 32 s longer than
// anybody is interested in it: in that time it acknowledges 2xx again, and ends those that nobody
// wants with ACK and BYE: of other forks, of a peer that was given up, or crossing our CANCEL.
#include "bodies.h"
#include "call_private.h"
#include "chars.h"
#include "description.h"
#include "early.h"
#include "elsewhere.h"
#include "facts.h"
#include "hunt.h"
#include "offer.h"
#include "pass.h"
#include "plan.h"
#include "relay.h"
#include "token.h"
#include "transfer.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>

#define MESSAGE_SIZE (8192 + BODIES_ROOM)
#define MAX_FORWARDS 70	  // RFC 3261 8.1.1.6
#define TEXT_SIZE    2048 // of the values that dialogs are made from

// A dialog that an unwanted 2xx has made, kept to acknowledge its repetitions.
struct stray {
	SLIST_ENTRY(stray) next;
	struct dialog dialog;
};

struct attempt {
	struct owner owner;
	LIST_ENTRY(attempt) in_call; // while that is not NULL
	struct calls *calls;
	struct call *call; // NULL: abandoned or won
	const struct trunk *trunk;
	struct plan *plan; // that the trunk is of
	struct transaction *transaction;
	struct dialog_request request; // slices of `text`
	struct slice uri, route;       // as attempt_to has them, good as long as it has a call
	char id_text[ULID_TEXT_SIZE];  // of the call, for logs
	struct negotiation_leg *half;  // of b as offered to this one; NULL: to all alike
	char *facts;		       // for its CDR, where it wins or is the last
	struct event patience;	       // for any response, where there are other peers
	bool patience_set;
	SLIST_HEAD(, stray) strays;
	size_t text_used;
	char text[TEXT_SIZE];
};

// Writing the request.

static struct slice text_keep(struct attempt *attempt, const struct builder *b)
{
	struct slice written = builder_finish(b);

	attempt->text_used += written.n;
	return written;
}

static void text_begin(struct attempt *attempt, struct builder *b)
{
	builder_init(b, attempt->text + attempt->text_used, TEXT_SIZE - attempt->text_used);
}

static struct slice tag_make(struct attempt *attempt)
{
	char *tag = attempt->text + attempt->text_used;

	call_token_make(attempt->call, tag);
	attempt->text_used += TOKEN_SIZE;
	return (struct slice){tag, TOKEN_SIZE};
}

// The INVITE of a on its way to b.
static struct passage invite_passage(const struct call *call)
{
	const struct leg *a_leg = &call->legs[LEG_A], *b_leg = &call->legs[LEG_B];
	bool is_registrar = trunk_forwards_to(a_leg->trunk, b_leg->trunk);

	return (struct passage){
		.message = call_request(call),
		.from = a_leg->trunk,
		.to = b_leg->trunk,
		.host = is_registrar ? slice_of(a_leg->trunk->users->domain)
				     : listener_sent_by(b_leg->listener),
		.target = slice_of(call->target.number),
		.user = trunk_is_of_users(a_leg->trunk) ? slice_of(call->user) : (struct slice){},
	};
}

// From as b may know it (RFC 3323 4.1).
static void caller_write(struct builder *b, const struct passage *passage, const struct call *call)
{
	struct nameaddr transferee;
	const struct nameaddr *from = &passage->message->from;

	// A transferee calls itself, whoever asked for that.
	if (call->transfer_from && !nameaddr_parse(transfer_party(call), &transferee))
		from = &transferee;
	if (!call->refer && identity_is_private(passage))
		builder_text(b, IDENTITY_ANONYMOUS);
	else
		identity_from_write(b, passage, from);
}

// The values of the dialog-to-be. Nothing of a's side but the user parts and the display name.
static int request_fill(
	struct attempt *attempt, const struct call *call, const struct attempt_to *to)
{
	const struct leg *b_leg = &call->legs[LEG_B];
	const struct passage passage = invite_passage(call);
	struct dialog_request *request = &attempt->request;
	struct builder b;

	request->cseq = 1;
	request->secure = call->legs[LEG_A].dialog.is_secure;
	request->local_tag = tag_make(attempt);
	text_begin(attempt, &b);
	builder_text(&b, call->id_text);
	builder_char(&b, '-'); // several peers of one call are several dialogs
	builder_unsigned(&b, call->hunt.n_tried);
	request->call_id = text_keep(attempt, &b);
	call_trace(call, request->call_id);
	text_begin(attempt, &b);
	caller_write(&b, &passage, call);
	request->local_uri = text_keep(attempt, &b);
	text_begin(attempt, &b);
	builder_char(&b, '<');
	called_uri_write(&b, call, to->host);
	builder_char(&b, '>');
	request->remote_uri = text_keep(attempt, &b);
	text_begin(attempt, &b);
	request->contact = contact_write(
		b_leg->listener, request->secure, b.p, b.size); // the last, so its size is free
	attempt->text_used += request->contact.n;
	return request->call_id.p && request->local_uri.p && request->remote_uri.p &&
			       request->contact.p
		       ? 0
		       : -EMSGSIZE;
}

static struct slice invite_write(struct builder *b, const struct attempt *attempt,
	const struct call *call, const char *description)
{
	const struct passage passage = invite_passage(call);
	const struct dialog_request *request = &attempt->request;
	struct slice uri = {request->remote_uri.p + 1, request->remote_uri.n - 2}; // without <>
	int hops = passage.message->max_forwards;

	builder_request_line(b, SLICE("INVITE"), attempt->uri.p ? attempt->uri : uri);
	builder_header_unsigned(
		b, HEADER_MAX_FORWARDS, hops > 0 ? (uint64_t)hops - 1 : MAX_FORWARDS - 1);
	if (attempt->route.p)
		builder_header(b, HEADER_ROUTE, attempt->route);
	request_parties_write(b, request, SLICE("INVITE"));
	builder_header(b, HEADER_CONTACT, request->contact);
	extensions_write(b, &call->legs[LEG_B], EXTENSIONS_FIRST);
	if (!trunk_forwards_to(passage.from, passage.to)) // else the caller has its own
		digest_memory_write(&passage.to->state->proof, &passage.to->auth, SLICE("INVITE"),
			attempt->uri.p ? attempt->uri : uri, b);
	if (call->emergency && !message_header(passage.message, HEADER_PRIORITY))
		builder_header(b, HEADER_PRIORITY, SLICE("emergency"));
	// What came with a REFER is of the transferor, and no part of the call.
	if (call->refer) {
		referred_by_write(b, &passage);
		builder_body(b, SLICE("application/sdp"), slice_of(description));
	} else {
		pass_headers(b, &passage);
		bodies_write(b, description, &passage);
	}
	return builder_finish(b);
}

// The peer's patience: it is given up without a word from it, where there is another.

static void on_impatient(evutil_socket_t, short, void *arg)
{
	struct attempt *attempt = arg;

	attempt->patience_set = false;
	transaction_cancel(attempt->transaction, (struct slice){});
	attempt_failed(attempt, 408);
}

static void patience_end(struct attempt *attempt)
{
	if (attempt->patience_set)
		event_del(&attempt->patience);
	attempt->patience_set = false;
}

// Of b: those of the last INVITE, until one wins.
static void facts_keep(struct attempt *attempt, const struct attempt_to *to, struct slice message)
{
	const struct dialog_request *request = &attempt->request;
	struct slice called = {request->remote_uri.p + 1, request->remote_uri.n - 2};
	struct leg *leg = &attempt->call->legs[LEG_B];

	attempt->facts = facts_of_sent(
		&to->flow, to->host, request, attempt->uri.p ? attempt->uri : called, message);
	free(leg->facts);
	leg->facts = attempt->facts ? strdup(attempt->facts) : NULL;
}

struct attempt *attempt_start(struct call *call, const struct attempt_to *to,
	const char *description, const struct timeval *patience)
{
	struct attempt *attempt = calloc(1, sizeof(*attempt));
	char buffer[MESSAGE_SIZE];
	struct slice message;
	WIPED_BUILDER b = {};

	if (!attempt)
		return NULL;
	attempt->owner.kind = OWNER_ATTEMPT;
	attempt->calls = call->calls;
	attempt->call = call;
	attempt->trunk = call->legs[LEG_B].trunk;
	attempt->plan = plan_hold(call_plan_of(call, attempt->trunk));
	attempt->uri = to->uri;
	attempt->route = to->route;
	memcpy(attempt->id_text, call->id_text, sizeof(attempt->id_text));
	SLIST_INIT(&attempt->strays);
	if (to->is_one_of_several) {
		attempt->half = negotiation_leg_copy(&call->negotiation.legs[LEG_B]);
		if (!attempt->half)
			goto fail;
	}
	errno = EMSGSIZE;
	if (request_fill(attempt, call, to))
		goto fail;
	builder_init(&b, buffer, sizeof(buffer));
	message = invite_write(&b, attempt, call, description);
	attempt->transaction = transaction_start(call->calls->stack, &to->flow, message, attempt);
	if (!attempt->transaction)
		goto fail;
	facts_keep(attempt, to, message);
	if (patience) {
		evtimer_assign(
			&attempt->patience, call->calls->settings.base, on_impatient, attempt);
		evtimer_add(&attempt->patience, patience);
		attempt->patience_set = true;
	}
	LIST_INSERT_HEAD(&call->attempts, attempt, in_call);
	return attempt;
fail:
	negotiation_leg_free(attempt->half);
	plan_drop(attempt->plan);
	free(attempt);
	return NULL;
}

// The same INVITE once more, with the next number, after a refusal that said what to change.
static int attempt_repeat(struct attempt *attempt, const struct sip_message *response)
{
	struct call *call = attempt->call;
	const struct flow flow = *transaction_flow(attempt->transaction);
	char buffer[MESSAGE_SIZE], description[NEGOTIATION_TEXT_MAX];
	struct transaction *again;
	struct builder b;

	early_half_restore(call, attempt->half);
	if (description_write(&call->legs[LEG_B], description))
		return -EAGAIN;
	early_drop(&call->legs[LEG_B]);
	attempt->request.cseq = response->cseq + 1;
	builder_init(&b, buffer, sizeof(buffer));
	again = transaction_start(attempt->calls->stack, &flow,
		invite_write(&b, attempt, call, description), attempt);
	if (!again)
		return -errno;
	transaction_user_set(attempt->transaction, NULL);
	attempt->transaction = again;
	return 0;
}

// The call does not hear of it any more.
static void attempt_leave(struct attempt *attempt)
{
	LIST_REMOVE(attempt, in_call);
	if (attempt->call->attempt == attempt)
		attempt->call->attempt = NULL;
	attempt->call = NULL;
	patience_end(attempt);
}

void attempts_abandon(struct call *call, const struct sip_message *cause, struct slice reason)
{
	struct attempt *attempt;
	struct builder b;
	char text[512];

	builder_init(&b, text, sizeof(text));
	if (cause)
		builder_copy(&b, cause, HEADER_REASON);
	else
		builder_slice(&b, reason);
	while ((attempt = LIST_FIRST(&call->attempts))) {
		attempt_leave(attempt);
		// -EALREADY is fine: there is nothing left to cancel.
		transaction_cancel(attempt->transaction, builder_finish(&b));
	}
}

void attempt_won(struct attempt *attempt)
{
	struct call *call = attempt->call;
	struct leg *leg = &call->legs[LEG_B];

	free(leg->facts);
	leg->facts = attempt->facts;
	attempt->facts = NULL;
	attempt_leave(attempt);
	attempts_abandon(
		call, NULL, SLICE("Reason: SIP;cause=200;text=\"Call completed elsewhere\"\r\n"));
}

const struct dialog_request *attempt_request(const struct attempt *attempt)
{
	return &attempt->request;
}

const struct negotiation_leg *attempt_half(const struct attempt *attempt)
{
	return attempt ? attempt->half : NULL;
}

const struct trunk *attempt_trunk(const struct attempt *attempt)
{
	return attempt->trunk;
}

void attempt_credentials(const struct attempt *attempt, struct dialog *dialog)
{
	dialog_credentials_take(dialog, attempt->transaction);
}

// Answers.

static void stray_end(struct attempt *attempt, const struct sip_message *response)
{
	struct sip_stack *stack = attempt->calls->stack;
	struct stray *stray = calloc(1, sizeof(*stray));

	if (!stray)
		return; // it comes again
	if (dialog_init_uac(&stray->dialog, &attempt->request, response))
		goto fail;
	if (dialog_confirm(&stray->dialog, response) ||
		dialog_table_add(attempt->calls->dialogs, &stray->dialog))
		goto fail_dialog;
	SLIST_INSERT_HEAD(&attempt->strays, stray, next);
	if (!trunk_is_of_users(attempt->trunk))
		dialog_flow_update(&stray->dialog);
	attempt_credentials(attempt, &stray->dialog);
	dialog_ack(&stray->dialog, stack, (struct slice){}, (struct slice){});
	dialog_bye(&stray->dialog, stack, (struct slice){}, NULL);
	log_info(&log_call, "unwanted_answer", "call=%s status=%u", attempt->id_text,
		response->status);
	return;
fail_dialog:
	dialog_fini(&stray->dialog);
fail:
	free(stray);
}

static void attempt_answered(struct attempt *attempt, const struct sip_message *response)
{
	struct call_event event = {.type = EVENT_ANSWER, .message = response};
	struct dialog *known = dialog_find(attempt->calls->dialogs, response);

	if (known && known->state != DIALOG_EARLY) {
		dialog_ack_again(known, attempt->calls->stack, response->cseq);
	} else if (attempt->call) {
		event.leg = &attempt->call->legs[LEG_B];
		call_event(attempt->call, &event);
	} else {
		stray_end(attempt, response);
	}
}

// Of several that ring, only the last to fail is news, or one who speaks for all (6xx).
static bool is_last(struct call *call, unsigned int status)
{
	if (LIST_EMPTY(&call->attempts))
		return true;
	if (status / 100 != 6)
		return false;
	attempts_abandon(call, NULL, (struct slice){});
	return true;
}

// No answer will come of it.
static void attempt_lost(
	struct attempt *attempt, unsigned int status, const struct sip_message *response)
{
	struct call *call = attempt->call;
	bool goes_on = hunt_lost(call, &status, response);
	bool redirected = !goes_on && response && response->status < 400 &&
			  !trunk_is_of_users(attempt->trunk) && redirect_follow(call, response);
	struct call_event event = {.type = goes_on	? EVENT_NEXT_PEER
					   : redirected ? EVENT_REDIRECTED
							: EVENT_REFUSAL,
		.leg = &call->legs[LEG_B],
		.message = response,
		.status = status};

	attempt_leave(attempt);
	if (is_last(call, status))
		call_event(call, &event);
}

void attempt_response(struct attempt *attempt, const struct sip_message *response)
{
	struct call *call = attempt->call;
	struct call_event event = {.type = EVENT_PROVISIONAL, .message = response};

	patience_end(attempt);
	if (response->status > 100 && response->status < 300)
		digest_memory_proved(&attempt->trunk->state->proof);
	if (call) {
		call->attempt = attempt;
		hunt_heard(call);
	}
	if (response->status >= 200 && response->status < 300) {
		attempt_answered(attempt, response);
	} else if (call && refresh_raise(&call->legs[LEG_B], response) &&
		   !attempt_repeat(attempt, response)) {
		log_info(&log_call, "interval_raised", "call=%s leg=b", call->id_text);
	} else if (call && response->status >= 300) {
		attempt_lost(attempt, response->status, response);
	} else if (call && response->status > 100) {
		call->hunt.rings = true;
		event.leg = &call->legs[LEG_B];
		call_event(call, &event);
	}
}

void attempt_failed(struct attempt *attempt, unsigned int status)
{
	if (!attempt->call)
		return;
	if (status == 503 && trunk_is_of_users(attempt->trunk))
		contacts_flow_failed(attempt->call, transaction_flow(attempt->transaction));
	attempt_lost(attempt, status, NULL);
}

// For another node: the trunk is the caller's to know.

int attempts_save(const struct call *call, void *out, size_t size)
{
	const struct attempt *attempt;
	uint8_t *at = out;

	LIST_FOREACH (attempt, &call->attempts, in_call) {
		size_t used = (size_t)(at - (uint8_t *)out);
		int n = size - used > 2
				? transaction_save(attempt->transaction, at + 2, size - used - 2)
				: -ENOSPC;

		if (n < 0)
			continue; // it rings until its far end gives up
		at[0] = (uint8_t)(n >> 8);
		at[1] = (uint8_t)n;
		at += 2 + n;
	}
	return (int)(at - (uint8_t *)out);
}

static struct slice value_keep(struct attempt *attempt, struct slice value)
{
	struct builder b;

	text_begin(attempt, &b);
	builder_slice(&b, value);
	return text_keep(attempt, &b);
}

// From or To without its tag, as it was written before that was added.
static struct slice untagged(struct slice value)
{
	const char *tag = memmem(value.p, value.n, ";tag=", 5);

	return tag ? (struct slice){value.p, (size_t)(tag - value.p)} : value;
}

static int request_resume(struct attempt *attempt)
{
	struct dialog_request *request = &attempt->request;
	struct sip_header headers[MESSAGE_MAX_HEADERS];
	struct sip_message sent;
	int err = transaction_sent(attempt->transaction, &sent, headers);

	if (err)
		return err;
	request->cseq = sent.cseq;
	request->secure = uri_is_sips(sent.uri);
	request->call_id = value_keep(attempt, sent.call_id);
	request->local_tag = value_keep(attempt, sent.from_tag);
	request->local_uri = value_keep(attempt, untagged(message_value(&sent, HEADER_FROM)));
	request->remote_uri = value_keep(attempt, message_value(&sent, HEADER_TO));
	request->contact = value_keep(attempt, message_value(&sent, HEADER_CONTACT));
	return request->contact.p ? 0 : -EMSGSIZE;
}

static int attempt_resume(struct call *call, const struct slice *saved)
{
	struct attempt *attempt = calloc(1, sizeof(*attempt));
	int err;

	if (!attempt)
		return -ENOMEM;
	attempt->owner.kind = OWNER_ATTEMPT;
	attempt->calls = call->calls;
	attempt->trunk = call->legs[LEG_B].trunk;
	attempt->plan = plan_hold(call_plan_of(call, attempt->trunk));
	memcpy(attempt->id_text, call->id_text, sizeof(attempt->id_text));
	SLIST_INIT(&attempt->strays);
	attempt->transaction = transaction_resume(call->calls->stack, saved->p, saved->n, attempt);
	if (!attempt->transaction) {
		err = -errno;
		attempt_destroy(attempt);
		return err;
	}
	err = request_resume(attempt);
	if (err)
		log_warn(&log_call, "orphan_unreadable", "call=%s", call->id_text);
	transaction_cancel(
		attempt->transaction, SLICE("Reason: SIP;cause=503;text=\"Node lost\"\r\n"));
	return err;
}

unsigned int attempts_cancel_saved(struct call *call, const void *data, size_t size)
{
	struct slice rest = {data, size};
	unsigned int n_cancelled = 0;

	while (rest.n > 2) {
		size_t n = (size_t)((unsigned char)rest.p[0] << 8 | (unsigned char)rest.p[1]);
		struct slice saved = {rest.p + 2, n};

		if (n > rest.n - 2)
			break;
		n_cancelled += !attempt_resume(call, &saved);
		rest = slice_skip(rest, 2 + n);
	}
	return n_cancelled;
}

void attempt_destroy(struct attempt *attempt)
{
	struct stray *stray;

	patience_end(attempt);
	while ((stray = SLIST_FIRST(&attempt->strays))) {
		SLIST_REMOVE_HEAD(&attempt->strays, next);
		dialog_fini(&stray->dialog);
		free(stray);
	}
	negotiation_leg_free(attempt->half);
	plan_drop(attempt->plan);
	free(attempt->facts);
	free(attempt);
}
