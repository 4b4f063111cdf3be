// The messages of a call, as the trace has kept them.
#include <stdlib.h>
#include <string.h>

#include "admin_private.h"
#include "call.h"
#include "trace.h"
#include "ulid.h"

#define MESSAGES_MAX 2000 // shown of one call

// Text from the network as JSON: UTF-8 stays, of anything else what is not ASCII becomes '?'.
static json_t *text_json(struct slice text)
{
	json_t *json = memchr(text.p, '\0', text.n) ? NULL : json_stringn(text.p, text.n);
	char *copy;

	if (json)
		return json;
	copy = malloc(text.n);
	if (!copy)
		return NULL;
	for (size_t i = 0; i < text.n; i++)
		copy[i] = text.p[i] > 0 ? text.p[i] : '?';
	json = json_stringn(copy, text.n);
	free(copy);
	return json;
}

static void add_message(void *arg, const struct trace_message *message)
{
	static const char *const protocols[] = {[TRANSPORT_UDP] = "udp",
		[TRANSPORT_TCP] = "tcp",
		[TRANSPORT_TLS] = "tls",
		[TRANSPORT_WS] = "ws",
		[TRANSPORT_WSS] = "wss"};
	char local[SIP_ADDRESS_TEXT_SIZE], remote[SIP_ADDRESS_TEXT_SIZE];
	json_t *list = arg;

	if (json_array_size(list) >= MESSAGES_MAX)
		return;
	json_array_append_new(list,
		json_pack("{s:I, s:s, s:s, s:s, s:s, s:I, s:o}", "at_us",
			(json_int_t)message->at_us, "direction", message->outgoing ? "out" : "in",
			"transport", protocols[message->protocol], "local",
			sip_address_format(&message->local, local).p, "remote",
			sip_address_format(&message->remote, remote).p, "bytes",
			(json_int_t)message->n_whole, "text", text_json(message->text)));
}

// {"id"}: of a call, which may be over, or a Call-ID.
void show_trace(struct admin_connection *connection, const json_t *request)
{
	const struct trace *trace = calls_trace(connection->admin->settings.calls);
	const char *id = json_string_value(json_object_get(request, "id"));
	json_t *list;
	struct ulid ulid;

	if (!trace) {
		admin_refuse(connection, "nothing is kept: trace.megabytes is 0");
		return;
	}
	if (!id)
		id = "";
	list = json_array();
	if (!ulid_parse(id, strlen(id), &ulid))
		trace_find(trace, ulid.bytes, add_message, list);
	else
		trace_find_call_id(trace, slice_of(id), add_message, list);
	if (json_array_size(list)) {
		admin_answer(connection, list);
		return;
	}
	json_decref(list);
	admin_refuse(connection, "no messages of %s are kept, or not any more", id);
}
