// Dialogs: the values of RFC 3261 12 taken from messages.
#include <errno.h>
#include <stdlib.h>

#include "chars.h"
#include "dialog_internal.h"
#include "token.h"

enum { SCRATCH = 8192 }; // for a route set and two names: more is nothing we would send on

// Replace the block by one that holds `strings`, which may point into the old one.
int dialog_strings_set(struct dialog *dialog, const struct slice strings[DIALOG_N_STRINGS])
{
	size_t size = 0, at = 0;
	char *block;

	for (int i = 0; i < DIALOG_N_STRINGS; i++)
		size += strings[i].n;
	block = malloc(size + 1);
	if (!block)
		return -ENOMEM;
	for (int i = 0; i < DIALOG_N_STRINGS; i++) {
		struct slice copy = {block + at, strings[i].n};

		if (copy.n)
			memcpy(block + at, strings[i].p, copy.n);
		at += copy.n;
		dialog->strings[i] = copy;
	}
	free(dialog->block);
	dialog->block = block;
	return 0;
}

int dialog_set(struct dialog *dialog, enum dialog_string which, struct slice value)
{
	struct slice strings[DIALOG_N_STRINGS];

	memcpy(strings, dialog->strings, sizeof(strings));
	strings[which] = value;
	return dialog_strings_set(dialog, strings);
}

// From or To without its tag, always with angle brackets.
static struct slice name_without_tag(struct builder *b, const struct nameaddr *name)
{
	struct slice rest = name->params;
	struct param param;
	size_t from = b->n;

	if (name->display.p) {
		// from the value itself, so that quotes and escapes stay
		const char *angle = name->uri.p - 1;

		while (*angle != '<')
			angle--;
		builder_slice(b,
			slice_trim((struct slice){name->value.p, (size_t)(angle - name->value.p)}));
		builder_char(b, ' ');
	}
	builder_char(b, '<');
	builder_slice(b, name->uri);
	builder_char(b, '>');
	while (params_next(&rest, &param) > 0) {
		bool quoted = param.value.n && param.value.p[-1] == '"';

		if (slice_equal_nocase(param.name, SLICE("tag")))
			continue;
		builder_char(b, ';');
		builder_slice(b, param.name);
		if (!param.value.p)
			continue;
		builder_char(b, '=');
		builder_slice(b, quoted ? (struct slice){param.value.p - 1, param.value.n + 2}
					: param.value);
	}
	return (struct slice){b->p + from, b->n - from};
}

// The Record-Route values in their order, as a Route wants them; `reversed` for a UAC (12.1.2).
static int routes_write(
	struct builder *b, const struct sip_message *m, bool reversed, struct slice *out)
{
	enum { MAX_ROUTES = 64 };
	struct message_values it = message_values(m, HEADER_RECORD_ROUTE);
	struct slice routes[MAX_ROUTES], value;
	struct nameaddr route;
	unsigned int n = 0;
	size_t from = b->n;
	int more;

	while ((more = message_values_next(&it, &value)) > 0) {
		if (n == MAX_ROUTES || nameaddr_parse(value, &route))
			return -EBADMSG;
		routes[n++] = value;
	}
	if (more)
		return -EBADMSG;
	for (unsigned int i = 0; i < n; i++) {
		if (i)
			builder_slice(b, SLICE(", "));
		builder_slice(b, routes[reversed ? n - 1 - i : i]);
	}
	*out = (struct slice){b->p + from, b->n - from};
	return b->overflow ? -EMSGSIZE : 0;
}

static int target_of(const struct sip_message *m, struct slice *out)
{
	struct nameaddr contact;
	struct uri uri;
	int error = message_contact(m, &contact);

	if (error)
		return error;
	if (uri_parse(contact.uri, &uri))
		return -EBADMSG;
	*out = contact.uri;
	return 0;
}

int dialog_init_uas(struct dialog *dialog, const struct sip_message *request, struct slice to_tag,
	struct slice contact)
{
	struct dialog d = {.state = DIALOG_EARLY,
		.is_secure = uri_is_sips(request->uri),
		.has_remote_cseq = true,
		.remote_cseq = request->cseq,
		.flow = request->flow};
	struct slice strings[DIALOG_N_STRINGS] = {[DIALOG_CALL_ID] = request->call_id,
		[DIALOG_LOCAL_TAG] = request->to_tag.p ? request->to_tag : to_tag,
		[DIALOG_REMOTE_TAG] = request->from_tag,
		[DIALOG_CONTACT] = contact};
	char scratch[SCRATCH];
	struct builder b;
	uint16_t start;
	int error;

	builder_init(&b, scratch, sizeof(scratch));
	strings[DIALOG_LOCAL_URI] = name_without_tag(&b, &request->to);
	strings[DIALOG_REMOTE_URI] = name_without_tag(&b, &request->from);
	if (target_of(request, &strings[DIALOG_REMOTE_TARGET]))
		return -EBADMSG;
	error = routes_write(&b, request, false, &strings[DIALOG_ROUTES]);
	if (error)
		return error;
	token_random(&start, sizeof(start));
	d.local_cseq = start;
	error = dialog_strings_set(&d, strings);
	if (!error)
		*dialog = d;
	return error;
}

static int target_or_remote_uri(
	const struct sip_message *response, struct slice remote_uri, struct slice *out)
{
	struct nameaddr name;
	int error = target_of(response, out);

	if (error != -ENOENT)
		return error;
	if (nameaddr_parse(remote_uri, &name))
		return -EBADMSG;
	*out = name.uri;
	return 0;
}

// That of the request that the response is to: it may have been repeated with credentials.
static uint32_t cseq_of(const struct dialog_request *request, const struct sip_message *response)
{
	enum { REPETITIONS_MAX = 16 };

	return response->cseq - request->cseq <= REPETITIONS_MAX ? response->cseq : request->cseq;
}

int dialog_init_uac(struct dialog *dialog, const struct dialog_request *request,
	const struct sip_message *response)
{
	struct dialog d = {.state = response->status >= 200 ? DIALOG_CONFIRMED : DIALOG_EARLY,
		.is_uac = true,
		.is_secure = request->secure,
		.local_cseq = cseq_of(request, response),
		.invite_cseq = cseq_of(request, response),
		.flow = response->flow};
	struct slice strings[DIALOG_N_STRINGS] = {[DIALOG_CALL_ID] = request->call_id,
		[DIALOG_LOCAL_TAG] = request->local_tag,
		[DIALOG_REMOTE_TAG] = response->to_tag,
		[DIALOG_LOCAL_URI] = request->local_uri,
		[DIALOG_REMOTE_URI] = request->remote_uri,
		[DIALOG_CONTACT] = request->contact};
	char scratch[SCRATCH];
	struct builder b;
	int error;

	builder_init(&b, scratch, sizeof(scratch));
	error = target_or_remote_uri(response, request->remote_uri, &strings[DIALOG_REMOTE_TARGET]);
	if (!error)
		error = routes_write(&b, response, true, &strings[DIALOG_ROUTES]);
	if (!error)
		error = dialog_strings_set(&d, strings);
	if (!error)
		*dialog = d;
	return error;
}

void dialog_fini(struct dialog *dialog)
{
	dialog_table_remove(dialog);
	free(dialog->block);
	free((char *)dialog->ack.p);
	free((char *)dialog->credentials.p);
	*dialog = (struct dialog){.state = DIALOG_TERMINATED};
}

int dialog_confirm(struct dialog *dialog, const struct sip_message *response)
{
	struct slice strings[DIALOG_N_STRINGS];
	char scratch[SCRATCH];
	struct builder b;
	int error;

	if (dialog->state != DIALOG_EARLY)
		return 0;
	dialog->state = DIALOG_CONFIRMED;
	if (!dialog->is_uac || !response)
		return 0;
	memcpy(strings, dialog->strings, sizeof(strings));
	error = target_of(response, &strings[DIALOG_REMOTE_TARGET]);
	if (error && error != -ENOENT)
		return error;
	builder_init(&b, scratch, sizeof(scratch));
	error = routes_write(&b, response, true, &strings[DIALOG_ROUTES]);
	return error ? error : dialog_strings_set(dialog, strings);
}

static void connection_follow(struct dialog *dialog, const struct flow *flow)
{
	struct listener *listener = dialog->flow.listener;

	if (listener && listener == flow->listener && listener_is_reliable(listener) &&
		sip_address_equal_host(&flow->remote, &dialog->flow.remote))
		dialog->flow.remote = flow->remote;
}

int dialog_request_received(struct dialog *dialog, const struct sip_message *request)
{
	if (request->method == METHOD_ACK || request->method == METHOD_CANCEL)
		return 0;
	if (dialog->has_remote_cseq && request->cseq < dialog->remote_cseq)
		return -EPROTO;
	dialog->has_remote_cseq = true;
	dialog->remote_cseq = request->cseq;
	connection_follow(dialog, &request->flow);
	return 0;
}

int dialog_refresh(struct dialog *dialog, const struct sip_message *message)
{
	struct slice target;
	int error = target_of(message, &target);

	if (error)
		return error == -ENOENT ? 0 : error;
	if (slice_equal(target, dialog->strings[DIALOG_REMOTE_TARGET]))
		return 0;
	return dialog_set(dialog, DIALOG_REMOTE_TARGET, target);
}
