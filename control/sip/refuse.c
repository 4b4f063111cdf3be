// What every UAS must refuse (8.2), in the order of the RFC.
#include "chars.h"
#include "transaction.h"

static bool list_has(struct slice list, struct slice token)
{
	struct slice value;

	while (list_next(&list, &value) > 0)
		if (slice_equal_nocase(value, token))
			return true;
	return false;
}

static unsigned int refuse_with(
	struct transaction *t, unsigned int status, enum header_id id, struct slice value)
{
	char text[2048];
	struct builder b;

	builder_init(&b, text, sizeof(text));
	builder_header(&b, id, value);
	transaction_reply_with(t, status, (struct slice){0}, builder_finish(&b));
	return status;
}

static unsigned int refuse(struct transaction *t, unsigned int status)
{
	transaction_reply(t, status);
	return status;
}

// Method names are case-sensitive, unlike the other tokens here.
static bool is_allowed(struct slice allowed, struct slice method)
{
	struct slice value;

	while (list_next(&allowed, &value) > 0)
		if (slice_equal(value, method))
			return true;
	return false;
}

// The extensions that are required and not supported, as a list.
static struct slice unsupported(
	const struct sip_message *m, struct slice supported, struct builder *b)
{
	struct message_values it = message_values(m, HEADER_REQUIRE);
	struct slice token;

	while (message_values_next(&it, &token) > 0) {
		if (list_has(supported, token))
			continue;
		if (b->n)
			builder_slice(b, SLICE(", "));
		builder_slice(b, token);
	}
	return builder_finish(b);
}

static unsigned int refuse_extensions(struct transaction *t, struct slice supported)
{
	char text[1024];
	struct builder b;
	struct slice list;

	builder_init(&b, text, sizeof(text));
	list = unsupported(transaction_request(t), supported, &b);
	if (b.overflow) // more tokens than any honest peer requires
		return refuse(t, 420);
	return list.n ? refuse_with(t, 420, HEADER_UNSUPPORTED, list) : 0;
}

// "type/subtype" without parameters and white space.
static struct slice media_type(const struct content_type *type, char *out, size_t size)
{
	struct builder b;

	builder_init(&b, out, size);
	builder_slice(&b, type->type);
	builder_char(&b, '/');
	builder_slice(&b, type->subtype);
	return builder_finish(&b);
}

// A body that its sender marks as optional is simply not read (20.11).
static bool is_optional(const struct sip_message *m)
{
	struct slice disposition = message_value(m, HEADER_CONTENT_DISPOSITION), params, handling;

	params = disposition;
	slice_cut(&params, ';');
	if (!params.p)
		return false;
	params = (struct slice){params.p - 1, params.n + 1};
	return params_find(params, SLICE("handling"), &handling) &&
	       slice_equal_nocase(handling, SLICE("optional"));
}

static unsigned int refuse_body(struct transaction *t, struct slice accepted)
{
	const struct sip_message *m = transaction_request(t);
	struct slice encoding = message_value(m, HEADER_CONTENT_ENCODING);
	struct content_type type;
	char text[256];

	if (!m->body.n || is_optional(m))
		return 0;
	if (encoding.n && !slice_equal_nocase(encoding, SLICE("identity")))
		return refuse_with(t, 415, HEADER_ACCEPT_ENCODING, SLICE("identity"));
	if (content_type_parse(message_value(m, HEADER_CONTENT_TYPE), &type))
		return refuse(t, 400);
	if (list_has(accepted, media_type(&type, text, sizeof(text))))
		return 0;
	return refuse_with(t, 415, HEADER_ACCEPT, accepted);
}

unsigned int transaction_refuse(struct transaction *t, const struct request_rules *rules)
{
	const struct sip_message *m = transaction_request(t);
	unsigned int status = 0;

	if (rules->allowed.p && !is_allowed(rules->allowed, m->method_name))
		return refuse_with(
			t, m->method == METHOD_OTHER ? 501 : 405, HEADER_ALLOW, rules->allowed);
	if (m->request_uri.scheme == URI_OTHER)
		return refuse(t, 416);
	if (rules->forwards && m->max_forwards == 0)
		return refuse(t, 483);
	if (rules->supported.p)
		status = refuse_extensions(t, rules->supported);
	if (!status && rules->max_body && m->body.n > rules->max_body)
		return refuse(t, 413);
	if (!status && rules->accepted.p)
		status = refuse_body(t, rules->accepted);
	return status;
}
