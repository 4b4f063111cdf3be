// What the requests that are relayed have beside what a dialog gives them. See relay.h.
#include "relay.h"
#include "token.h"

#define TAGGED_SIZE 4096

void request_parties_write(
	struct builder *b, const struct dialog_request *request, struct slice method)
{
	char text[TAGGED_SIZE];
	struct builder v;

	builder_init(&v, text, sizeof(text));
	builder_slice(&v, request->local_uri);
	builder_text(&v, ";tag=");
	builder_slice(&v, request->local_tag);
	builder_header(b, HEADER_FROM, builder_finish(&v));
	builder_header(b, HEADER_TO, request->remote_uri);
	builder_header(b, HEADER_CALL_ID, request->call_id);
	builder_cseq(b, request->cseq, method);
}

// Methods as bits.
#define OF(method) (1u << METHOD_##method)

// What is asked for, in what form: between the two far ends, and of no host by its definition.
static const struct {
	enum header_id id;
	struct slice name; // of HEADER_OTHER
	unsigned int methods;
} copied[] = {
	{HEADER_EVENT, {}, OF(SUBSCRIBE) | OF(NOTIFY) | OF(PUBLISH)},
	{HEADER_ACCEPT, {}, OF(SUBSCRIBE)}, {HEADER_ACCEPT_ENCODING, {}, OF(SUBSCRIBE)},
	{HEADER_ACCEPT_LANGUAGE, {}, OF(SUBSCRIBE) | OF(MESSAGE)},
	{HEADER_ALLOW_EVENTS, {}, OF(SUBSCRIBE) | OF(NOTIFY)},
	{HEADER_EXPIRES, {}, OF(MESSAGE) | OF(PUBLISH)},
	{HEADER_OTHER, SLICE("SIP-If-Match"), OF(PUBLISH)},	   // RFC 3903 11.3.2
	{HEADER_OTHER, SLICE("Suppress-If-Match"), OF(SUBSCRIBE)}, // RFC 5839
	{HEADER_OTHER, SLICE("SIP-ETag"), OF(NOTIFY)},		   // RFC 5839
};

void request_headers_copy(struct builder *b, const struct sip_message *from)
{
	for (size_t i = 0; i < sizeof(copied) / sizeof(copied[0]); i++) {
		struct slice value;

		if (!(copied[i].methods & 1u << from->method))
			continue;
		if (copied[i].id != HEADER_OTHER) {
			builder_copy(b, from, copied[i].id);
			continue;
		}
		value = message_value_named(from, copied[i].name);
		if (value.p)
			builder_header_named(b, copied[i].name, value);
	}
}

void body_headers_copy(struct builder *b, const struct sip_message *from)
{
	static const enum header_id ids[] = {HEADER_CONTENT_DISPOSITION, HEADER_CONTENT_ENCODING,
		HEADER_CONTENT_LANGUAGE, HEADER_MIME_VERSION};
	static const struct slice names[] = {
		SLICE("Info-Package"), SLICE("Content-ID"), SLICE("Recv-Info")};

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
		builder_copy(b, from, ids[i]);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct slice value = message_value_named(from, names[i]);

		if (value.p)
			builder_header_named(b, names[i], value);
	}
}

void body_copy(struct builder *b, const struct sip_message *from)
{
	body_headers_copy(b, from);
	builder_body(b, message_value(from, HEADER_CONTENT_TYPE), from->body);
}
