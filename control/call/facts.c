// What a CDR says of a leg and is known when its INVITE comes or goes: kept as the text of JSON
// members, in the call and in its record, and put into the line at the end.
#include <stdlib.h>

#include "call_private.h"
#include "facts.h"
#include "json_text.h"

enum { FACTS_SIZE = 2048, VALUE_SIZE = 256 };

// As far as there is any; what is long is cut.
static void text_write(struct json_text *json, const char *key, struct slice value)
{
	char text[VALUE_SIZE];
	size_t n = value.n < sizeof(text) ? value.n : sizeof(text) - 1;

	if (!value.n)
		return;
	memcpy(text, value.p, n);
	text[n] = '\0';
	json_text_string(json, key, text);
}

// Who is meant: the user part, or the number of a tel URI.
static struct slice user_of(struct slice uri_text)
{
	struct uri uri;

	return uri_parse(uri_text, &uri) ? (struct slice){} : uri.user;
}

static struct slice first_of(const struct sip_message *message, enum header_id id)
{
	struct message_values it = message_values(message, id);
	struct slice value;

	return message_values_next(&it, &value) > 0 ? value : (struct slice){};
}

static void flow_write(struct json_text *json, const struct flow *flow)
{
	char address[SIP_ADDRESS_TEXT_SIZE];

	text_write(json, "peer", sip_address_format(&flow->remote, address));
	text_write(json, "transport", listener_via_name(flow->listener));
}

static char *finished(const struct json_text *json)
{
	return json->overflow ? NULL : strndup(json->p, json->n);
}

char *facts_of_invite(const struct sip_message *invite)
{
	char text[FACTS_SIZE];
	struct json_text json;

	json_text_init(&json, text, sizeof(text));
	flow_write(&json, &invite->flow);
	text_write(&json, "call_id", invite->call_id);
	text_write(&json, "number", user_of(invite->uri));
	text_write(&json, "caller", user_of(invite->from.uri));
	text_write(&json, "asserted", first_of(invite, HEADER_P_ASSERTED_IDENTITY));
	text_write(&json, "diversion", first_of(invite, HEADER_DIVERSION));
	text_write(&json, "session_id", message_value_named(invite, SLICE("Session-ID")));
	return finished(&json);
}

// The value of a header in a message that we have written; absent without.
static struct slice written_value(struct slice message, struct slice name)
{
	const char *found = memmem(message.p, message.n, name.p, name.n), *end;
	size_t left;

	if (!found)
		return (struct slice){};
	found += name.n;
	left = message.n - (size_t)(found - message.p);
	end = memchr(found, '\r', left);
	return (struct slice){found, end ? (size_t)(end - found) : left};
}

char *facts_of_sent(const struct flow *flow, struct slice host,
	const struct dialog_request *request, struct slice uri, struct slice message)
{
	char text[FACTS_SIZE];
	struct json_text json;
	struct nameaddr caller;

	json_text_init(&json, text, sizeof(text));
	flow_write(&json, flow);
	text_write(&json, "host", host);
	text_write(&json, "call_id", request->call_id);
	text_write(&json, "number", user_of(uri));
	if (!nameaddr_parse(request->local_uri, &caller))
		text_write(&json, "caller", user_of(caller.uri));
	text_write(&json, "asserted", written_value(message, SLICE("\r\nP-Asserted-Identity: ")));
	return finished(&json);
}
