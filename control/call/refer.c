// REFER (RFC 3515) as a message: who asks for what, and the NOTIFYs that say how it goes. What is
// done about it is transfer.c's.
#include <stdio.h>

#include "call_private.h"
#include "status.h"
#include "transfer.h"

#define MESSAGE_SIZE  4096
#define LIFETIME_S    "180" // of the subscription that a REFER makes
#define REPLACES_SIZE 512

// "callid;to-tag=x;from-tag=y" as it stands in the headers of a URI, escaped (RFC 3891
// section 6.1). The to-tag is ours: the far end names its own dialog with us.
static int replaces_read(struct slice headers, struct refer *out)
{
	while (headers.n) {
		struct slice value = slice_cut(&headers, '&'), name = slice_cut(&value, '=');
		struct slice rest, params;
		int n;

		if (!slice_equal_nocase(name, SLICE("Replaces")))
			continue;
		n = uri_unescape(value, out->text, sizeof(out->text));
		if (n <= 0)
			return -1;
		rest = (struct slice){out->text, (size_t)n};
		out->replaces = slice_trim(slice_cut(&rest, ';'));
		if (!rest.p)
			return -1;
		params = (struct slice){rest.p - 1, rest.n + 1};
		out->early_only = params_find(params, SLICE("early-only"), NULL);
		if (!params_find(params, SLICE("to-tag"), &out->to_tag) ||
			!params_find(params, SLICE("from-tag"), &out->from_tag))
			return -1;
	}
	return 0;
}

unsigned int refer_read(const struct sip_message *request, struct refer *out)
{
	const struct sip_header *header = message_header(request, HEADER_REFER_TO);
	struct slice method;

	*out = (struct refer){};
	// One Refer-To, no more, no less (RFC 3515 section 2.4.2).
	if (!header || message_header_next(request, header) ||
		nameaddr_parse(header->value, &out->to) || uri_parse(out->to.uri, &out->uri))
		return 400;
	if (out->uri.scheme == URI_OTHER)
		return 416;
	if (params_find(out->uri.params, SLICE("method"), &method) &&
		!slice_equal(method, SLICE("INVITE")))
		return 501; // of all that may be asked for, we only call
	if (!out->uri.user.n || replaces_read(out->uri.headers, out))
		return 400;
	out->silent = slice_equal_nocase(
		message_value_named(request, SLICE("Refer-Sub")), SLICE("false"));
	return 0;
}

void refer_accept(struct leg *leg, struct transaction *transaction, const struct refer *refer)
{
	struct call *call = leg->call;
	char extra[512];
	struct builder b;

	builder_init(&b, extra, sizeof(extra));
	builder_header(&b, HEADER_CONTACT, leg->dialog.strings[DIALOG_CONTACT]);
	if (refer->silent) // RFC 4488
		builder_header_named(&b, SLICE("Refer-Sub"), SLICE("false"));
	leg->n_refers++;
	call->subscribed = !refer->silent;
	call->refer_cseq = transaction_request(transaction)->cseq;
	transaction_reply_with(
		transaction, refer->silent ? 200 : 202, (struct slice){}, builder_finish(&b));
	refer_notify(call, 100, false);
}

void refer_notify(struct call *call, unsigned int status, bool final)
{
	struct leg *leg = &call->legs[call->transferor];
	char buffer[MESSAGE_SIZE], fragment[128];
	struct slice reason = status_reason(status);
	struct builder b;
	int n;

	if (!call->subscribed || leg->state != LEG_CONFIRMED)
		return;
	builder_init(&b, buffer, sizeof(buffer));
	dialog_request_begin(&leg->dialog, METHOD_NOTIFY, &b);
	builder_slice(&b, SLICE("Event: refer"));
	if (leg->n_refers > 1) { // RFC 3515 section 2.4.6
		builder_slice(&b, SLICE(";id="));
		builder_unsigned(&b, call->refer_cseq);
	}
	builder_slice(&b, SLICE("\r\n"));
	builder_header(&b, HEADER_SUBSCRIPTION_STATE,
		final ? SLICE("terminated;reason=noresource")
		      : SLICE("active;expires=" LIFETIME_S));
	n = snprintf(fragment, sizeof(fragment), "SIP/2.0 %u " SLICE_FMT "\r\n", status,
		SLICE_ARG(reason));
	builder_body(&b, SLICE("message/sipfrag;version=2.0"),
		(struct slice){fragment, (size_t)n < sizeof(fragment) ? (size_t)n : 0});
	if (!transaction_start(call->calls->stack, &leg->dialog.flow, builder_finish(&b), NULL))
		log_warn(&log_call, "notify_failed", "call=%s", call->id_text);
	call->subscribed = !final;
}
