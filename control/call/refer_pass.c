// REFER passed on (`refer: pass`): the other far end does what is asked for, and its NOTIFYs go
// back to who asked. Refer-To gets a host that the other side can reach: ours, so that the call
// comes by the dial plan, or that of the peer itself. A Replaces in it names a call of who asked
// through us; it becomes that call as its other far end knows it.
//
// Subtle: subscriptions are told apart by the CSeq of their REFER (RFC 3515 2.4.6), which is
// another one on each side. A NOTIFY may come before the answer to the REFER.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "bodies.h"
#include "chars.h"
#include "hunt.h"
#include "offer.h"
#include "plan.h"
#include "status.h"
#include "subscription.h"
#include "transfer.h"

struct refer_relay {
	struct relay relay;
	struct sl_id session; // of the call
	uint8_t asker;	      // leg
	uint32_t cseq;	      // theirs
	bool silent;
};

// What is passed on at present.

static struct refer_pair *pair_take(struct leg *asker, uint32_t theirs)
{
	for (size_t i = 0; i < REFERS_PASSED_MAX; i++)
		if (!asker->passed[i].theirs) {
			asker->passed[i] = (struct refer_pair){.theirs = theirs};
			return &asker->passed[i];
		}
	return NULL;
}

// `ours` 0: whichever there is.
static struct refer_pair *pair_find(struct leg *asker, uint32_t ours)
{
	for (size_t i = 0; i < REFERS_PASSED_MAX; i++)
		if (asker->passed[i].theirs && (!ours || asker->passed[i].ours == ours))
			return &asker->passed[i];
	return NULL;
}

static void pair_drop(struct leg *asker, uint32_t theirs)
{
	for (size_t i = 0; i < REFERS_PASSED_MAX; i++)
		if (asker->passed[i].theirs == theirs)
			asker->passed[i] = (struct refer_pair){};
}

// The REFER as it goes on.

static void escaped_put(struct builder *b, struct slice text)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			     (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';

		if (!plain)
			builder_char(b, '%');
		builder_char(b, plain ? (char)c : hex[c >> 4]);
		if (!plain)
			builder_char(b, hex[c & 15]);
	}
}

// The dialog that the other far end of the named call has with us, in its words.
static void replaces_put(struct builder *b, const struct leg *far, bool early_only)
{
	const struct slice *names = far->dialog.strings;

	builder_text(b, "?Replaces=");
	escaped_put(b, names[DIALOG_CALL_ID]);
	builder_text(b, "%3Bto-tag%3D");
	escaped_put(b, names[DIALOG_REMOTE_TAG]);
	builder_text(b, "%3Bfrom-tag%3D");
	escaped_put(b, names[DIALOG_LOCAL_TAG]);
	if (early_only)
		builder_text(b, "%3Bearly-only");
}

static void refer_to_put(
	struct builder *b, const struct refer *refer, struct leg *asker, const struct leg *far)
{
	const struct leg *to = leg_other(asker);
	bool ours = to->trunk->signalling.refer_to == TRUNK_REFER_TO_US;
	char address[SIP_ADDRESS_TEXT_SIZE], number[NUMBER_SIZE] = "";
	struct slice host = ours ? listener_sent_by(to->dialog.flow.listener)
				 : sip_address_format(&to->dialog.flow.remote, address);
	struct slice user = refer->uri.user;

	if (number_pass(asker->trunk, to->trunk, slice_cut(&user, ';'), number, sizeof(number)))
		b->overflow = true;
	builder_text(b, "Refer-To: <");
	number_uri_write(b, to->trunk, to->dialog.is_secure, number, NULL, host);
	if (far)
		replaces_put(b, far, refer->early_only);
	builder_text(b, ">\r\n");
}

static int refer_send(
	struct relay *relay, struct leg *asker, const struct refer *refer, const struct leg *far)
{
	const struct sip_message *request = transaction_request(relay->theirs);
	struct leg *to = leg_other(asker);
	const struct passage passage = {.message = request,
		.from = asker->trunk,
		.to = to->trunk,
		.host = listener_sent_by(to->dialog.flow.listener)};
	struct refer_pair *pair = pair_take(asker, request->cseq);
	char buffer[REQUEST_HEAD_SIZE + BODIES_ROOM];
	struct builder b;

	if (!pair)
		return -EBUSY;
	builder_init(&b, buffer, sizeof(buffer));
	dialog_request_begin(&to->dialog, METHOD_REFER, &b);
	pair->ours = to->dialog.local_cseq;
	refer_to_put(&b, refer, asker, far);
	referred_by_write(&b, &passage);
	if (refer->silent)
		builder_header_named(&b, SLICE("Refer-Sub"), SLICE("false"));
	if (message_has_token(request, HEADER_SUPPORTED, SLICE("norefersub")))
		builder_header(&b, HEADER_SUPPORTED, SLICE("norefersub"));
	pass_headers(&b, &passage);
	bodies_write(&b, "", &passage);
	return relay_send(relay, &to->dialog.flow, builder_finish(&b));
}

// Its answer.

static struct leg *asker_of(const struct refer_relay *refer)
{
	struct media_session *session =
		media_session_find(refer->relay.calls->media, &refer->session);
	struct call *call = session ? call_of_session(session) : NULL;

	return call && call->state != CALL_OVER ? &call->legs[refer->asker] : NULL;
}

static void refer_answered(
	struct relay *relay, const struct sip_message *response, unsigned int status)
{
	struct refer_relay *refer = (struct refer_relay *)relay;
	struct leg *asker = asker_of(refer);
	bool accepted = response && status < 300;
	bool silent =
		refer->silent &&
		(!response || slice_equal_nocase(message_value_named(response, SLICE("Refer-Sub")),
				      SLICE("false")));
	char extra[512];
	struct builder b;

	builder_init(&b, extra, sizeof(extra));
	if (accepted && asker)
		builder_header(&b, HEADER_CONTACT, asker->dialog.strings[DIALOG_CONTACT]);
	if (accepted && silent)
		builder_header_named(&b, SLICE("Refer-Sub"), SLICE("false"));
	if (asker && (!accepted || silent))
		pair_drop(asker, refer->cseq);
	if (response)
		relay_answer(relay, response, builder_finish(&b));
	else
		relay_refuse(relay, status);
	relay_end(relay);
}

static void relay_gone(struct relay *relay)
{
	free(relay);
}

static const struct relay_ops refer_ops = {.answered = refer_answered, .gone = relay_gone};

static void plans_hold(struct relay *relay, struct leg *from)
{
	struct call *call = from->call;

	relay->from = from->trunk;
	relay->to = leg_other(from)->trunk;
	relay->plans[0] = plan_hold(call_plan_of(call, relay->from));
	relay->plans[1] = plan_hold(call_plan_of(call, relay->to));
}

static unsigned int refer_check(struct leg *asker, const struct sip_message *request,
	struct refer *refer, const struct leg **far)
{
	const struct leg *other = leg_other(asker);
	struct leg *named;
	unsigned int status = refer_read(request, refer);

	if (status)
		return status;
	if (asker->state != LEG_CONFIRMED || other->state != LEG_CONFIRMED)
		return 480;
	if (!refer->replaces.n)
		return 0;
	named = transfer_other(asker, refer);
	*far = named ? leg_other(named) : NULL;
	return *far ? 0 : 404; // 481 would be of the dialog that this came in
}

void refer_pass(struct leg *asker, struct transaction *transaction)
{
	const struct sip_message *request = transaction_request(transaction);
	struct call *call = asker->call;
	struct refer_relay *relay;
	const struct leg *far = NULL;
	struct refer refer;
	unsigned int status = refer_check(asker, request, &refer, &far);
	int err;

	if (status) {
		transaction_reply(transaction, status);
		return;
	}
	relay = calloc(1, sizeof(*relay));
	if (!relay) {
		transaction_reply(transaction, 500);
		return;
	}
	relay->session = call->session.id;
	relay->asker = asker->index;
	relay->cseq = request->cseq;
	relay->silent = refer.silent;
	relay_begin(&relay->relay, call->calls, &refer_ops, transaction);
	plans_hold(&relay->relay, asker);
	asker->n_refers++;
	err = refer_send(&relay->relay, asker, &refer, far);
	if (err) {
		if (err != -EBUSY)
			pair_drop(asker, request->cseq);
		relay_refuse(&relay->relay, err == -EBUSY ? 491 : 500);
		relay_end(&relay->relay);
		return;
	}
	call->calls->counters.requests_relayed++;
	log_info(&log_call, "refer_passed", "call=%s leg=%s replaces=%d", call->id_text,
		leg_name(asker), far != NULL);
}

// NOTIFY: how it goes.

static void notify_answered(
	struct relay *relay, const struct sip_message *response, unsigned int status)
{
	if (response && status != 481)
		relay_answer(relay, response, (struct slice){});
	else
		relay_refuse(relay, response ? 481 : status);
	relay_end(relay);
}

static const struct relay_ops notify_ops = {.answered = notify_answered, .gone = relay_gone};

// Of a fragment (RFC 3420) only its status is told, in our words.
static void fragment_put(struct builder *b, const struct sip_message *notify)
{
	static const struct slice version = SLICE("SIP/2.0 ");
	struct slice reason;
	uint32_t status;
	char text[128];
	int n;

	if (!message_body_is(notify, SLICE("message"), SLICE("sipfrag")) ||
		!slice_starts_nocase(notify->body, version) || notify->body.n < version.n + 3 ||
		slice_to_u32((struct slice){notify->body.p + version.n, 3}, 699, &status) ||
		status < 100) {
		builder_body(b, (struct slice){}, (struct slice){});
		return;
	}
	reason = status_reason(status);
	n = snprintf(text, sizeof(text), "SIP/2.0 %u " SLICE_FMT "\r\n", status, SLICE_ARG(reason));
	builder_body(b, SLICE("message/sipfrag;version=2.0"), (struct slice){text, (size_t)n});
}

static int notify_send(struct relay *relay, struct leg *asker, struct refer_pair *pair)
{
	const struct sip_message *notify = transaction_request(relay->theirs);
	char buffer[REQUEST_HEAD_SIZE];
	struct builder b;

	builder_init(&b, buffer, sizeof(buffer));
	dialog_request_begin(&asker->dialog, METHOD_NOTIFY, &b);
	builder_text(&b, "Event: refer");
	if (asker->n_refers > 1) {
		builder_text(&b, ";id=");
		builder_unsigned(&b, pair->theirs);
	}
	builder_text(&b, "\r\n");
	if (subscription_state_write(&b, notify, UINT32_MAX))
		*pair = (struct refer_pair){};
	fragment_put(&b, notify);
	return relay_send(relay, &asker->dialog.flow, builder_finish(&b));
}

static struct refer_pair *pair_of(struct leg *asker, const struct sip_message *notify)
{
	struct slice params = message_value(notify, HEADER_EVENT), id;
	uint32_t cseq = 0;

	if (!slice_equal(event_package(notify), SLICE("refer")))
		return NULL;
	slice_cut(&params, ';');
	if (params.p)
		params = (struct slice){params.p - 1, params.n + 1};
	if (params_find(params, SLICE("id"), &id) && slice_to_u32(id, UINT32_MAX, &cseq))
		return NULL;
	return pair_find(asker, cseq);
}

void refer_notified(struct leg *leg, struct transaction *transaction)
{
	struct leg *asker = leg_other(leg);
	struct refer_pair *pair = pair_of(asker, transaction_request(transaction));
	struct relay *relay;

	if (!pair || asker->state != LEG_CONFIRMED) {
		transaction_reply(transaction, 481);
		return;
	}
	relay = calloc(1, sizeof(*relay));
	if (!relay) {
		transaction_reply(transaction, 500);
		return;
	}
	relay_begin(relay, leg->call->calls, &notify_ops, transaction);
	plans_hold(relay, leg);
	if (notify_send(relay, asker, pair)) {
		relay_refuse(relay, 500);
		relay_end(relay);
	}
}
