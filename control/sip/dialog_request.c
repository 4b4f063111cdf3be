// Requests inside a dialog (12.2.1.1) and the ACK of a 2xx.
#include <errno.h>
#include <stdlib.h>

#include "dialog.h"
#include "stack.h"
#include "transaction.h"

// The first route as its URI, and the routes behind it. Returns false without a route set.
static bool route_first(const struct dialog *dialog, struct uri *uri, struct slice *others)
{
	struct slice rest = dialog->strings[DIALOG_ROUTES], value;
	struct nameaddr route;

	if (list_next(&rest, &value) <= 0 || nameaddr_parse(value, &route) ||
		uri_parse(route.uri, uri))
		return false;
	*others = rest;
	return true;
}

// A loose router finds itself in Route; a strict one wants to be the Request-URI, and the target
// last in Route.
static void line_and_routes(const struct dialog *dialog, struct slice method, struct builder *b)
{
	struct slice target = dialog->strings[DIALOG_REMOTE_TARGET], others;
	struct uri first;
	bool routed = route_first(dialog, &first, &others);
	bool strict = routed && !uri_is_loose(&first);

	builder_request_line(b, method, strict ? first.text : target);
	builder_header_unsigned(b, HEADER_MAX_FORWARDS, 70);
	if (routed && !strict)
		builder_header(b, HEADER_ROUTE, dialog->strings[DIALOG_ROUTES]);
	if (!strict)
		return;
	builder_slice(b, SLICE("Route: "));
	builder_slice(b, slice_trim(others));
	builder_slice(b, others.n ? SLICE(", <") : SLICE("<"));
	builder_slice(b, target);
	builder_slice(b, SLICE(">\r\n"));
}

static void party(struct builder *b, enum header_id id, struct slice name, struct slice tag)
{
	builder_slice(b, header_name(id));
	builder_slice(b, SLICE(": "));
	builder_slice(b, name);
	if (tag.n) {
		builder_slice(b, SLICE(";tag="));
		builder_slice(b, tag);
	}
	builder_slice(b, SLICE("\r\n"));
}

static bool carries_contact(enum method method)
{
	switch (method) {
	case METHOD_INVITE:
	case METHOD_NOTIFY:
	case METHOD_OPTIONS:
	case METHOD_REFER:
	case METHOD_SUBSCRIBE:
	case METHOD_UPDATE:
		return true;
	default:
		return false;
	}
}

static uint32_t cseq_take(struct dialog *dialog, enum method method)
{
	if (method == METHOD_ACK)
		return dialog->invite_cseq;
	dialog->local_cseq++;
	if (method == METHOD_INVITE)
		dialog->invite_cseq = dialog->local_cseq;
	return dialog->local_cseq;
}

static void begin(struct dialog *dialog, enum method method, struct slice name, struct builder *b)
{
	const struct slice *strings = dialog->strings;

	line_and_routes(dialog, name, b);
	party(b, HEADER_FROM, strings[DIALOG_LOCAL_URI], strings[DIALOG_LOCAL_TAG]);
	party(b, HEADER_TO, strings[DIALOG_REMOTE_URI], strings[DIALOG_REMOTE_TAG]);
	builder_header(b, HEADER_CALL_ID, strings[DIALOG_CALL_ID]);
	builder_cseq(b, cseq_take(dialog, method), name);
	if (carries_contact(method) && strings[DIALOG_CONTACT].n)
		builder_header(b, HEADER_CONTACT, strings[DIALOG_CONTACT]);
}

void dialog_request_begin(struct dialog *dialog, enum method method, struct builder *b)
{
	begin(dialog, method, method_name(method), b);
}

void dialog_request_begin_named(struct dialog *dialog, struct slice method, struct builder *b)
{
	begin(dialog, method_from(method), method, b);
}

int dialog_next_hop(const struct dialog *dialog, struct uri *out)
{
	struct slice others;

	if (route_first(dialog, out, &others))
		return 0;
	return uri_parse(dialog->strings[DIALOG_REMOTE_TARGET], out);
}

int dialog_credentials_take(struct dialog *dialog, const struct transaction *invite)
{
	char text[8192];
	struct builder b;
	char *copy;

	free((char *)dialog->credentials.p);
	dialog->credentials = (struct slice){0};
	builder_init(&b, text, sizeof(text));
	transaction_credentials(invite, &b);
	if (!builder_finish(&b).n)
		return 0;
	copy = malloc(b.n);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, text, b.n);
	dialog->credentials = (struct slice){copy, b.n};
	return 0;
}

int dialog_ack(struct dialog *dialog, struct sip_stack *stack, struct slice content_type,
	struct slice body)
{
	char text[16384];
	struct slice sent;
	struct builder b;
	int error;

	builder_init(&b, text, sizeof(text));
	dialog_request_begin(dialog, METHOD_ACK, &b);
	builder_slice(&b, dialog->credentials);
	builder_body(&b, content_type, body);
	if (!builder_finish(&b).n)
		return -EMSGSIZE;
	error = stack_send_request(stack, &dialog->flow, builder_finish(&b), &sent);
	if (error)
		return error;
	free((char *)dialog->ack.p);
	dialog->ack = sent;
	dialog->ack_cseq = dialog->invite_cseq;
	return 0;
}

int dialog_ack_again(struct dialog *dialog, struct sip_stack *stack, uint32_t cseq)
{
	if (!dialog->ack.n || dialog->ack_cseq != cseq)
		return -ENOENT;
	return stack_send(stack, &dialog->flow, dialog->ack);
}
