// See pass.h.
#include "pass.h"

#include "call_private.h"

// Kinds of messages, as bits.
enum {
	INITIAL = 1 << 0,  // INVITE that asks for a call, and what else goes by the dial plan
	REQUEST = 1 << 1,  // any other
	RESPONSE = 1 << 2, // to an INVITE
	ALL = INITIAL | REQUEST | RESPONSE,
};

#define KNOWN(id)    \
	HEADER_##id, \
	{            \
	}
#define OTHER(name) HEADER_OTHER, SLICE(name)

// What passes unchanged. None of it names a host of the sender's by its definition, but for what
// only trusted sides exchange.
static const struct {
	enum header_id id;
	struct slice name; // of HEADER_OTHER
	int kinds;
	bool between_trusted; // only where both sides are
} passing[] = {
	{KNOWN(SUBJECT), INITIAL, false}, {KNOWN(PRIORITY), INITIAL, false},
	{KNOWN(ORGANIZATION), INITIAL | RESPONSE, true},
	{OTHER("Accept-Contact"), INITIAL, false},	// RFC 3841
	{OTHER("Reject-Contact"), INITIAL, false},	// RFC 3841
	{OTHER("Request-Disposition"), INITIAL, false}, // RFC 3841
	{OTHER("User-to-User"), ALL, false},		// RFC 7433
	{OTHER("Session-ID"), ALL, false},		// RFC 7989 7: a B2BUA between two dialogs
	{OTHER("Identity"), INITIAL, false},		// RFC 8224: signs numbers and Date
	{KNOWN(DATE), INITIAL, false},			// as it is signed
	{KNOWN(REASON), REQUEST | RESPONSE, false},	// RFC 3326, 6432
	{OTHER("Resource-Priority"), INITIAL, true},	// RFC 4412
	{OTHER("Accept-Resource-Priority"), RESPONSE, true},
	{OTHER("Geolocation"), INITIAL, true}, // RFC 6442: may be a URI to fetch it from
	{OTHER("Geolocation-Routing"), INITIAL, true}, {OTHER("Geolocation-Error"), RESPONSE, true},
	{OTHER("P-Charging-Vector"), INITIAL | RESPONSE, true},	    // RFC 7315
	{OTHER("P-Access-Network-Info"), INITIAL | RESPONSE, true}, // RFC 7315
	{OTHER("P-Charge-Info"), INITIAL, true},		    // RFC 8496
	{OTHER("P-Asserted-Service"), INITIAL, true},		    // RFC 6050
};

static bool begins(enum method method)
{
	switch (method) {
	case METHOD_INVITE:
	case METHOD_MESSAGE:
	case METHOD_NOTIFY:
	case METHOD_PUBLISH:
	case METHOD_SUBSCRIBE:
		return true;
	default:
		return false;
	}
}

static int kind_of(const struct sip_message *message)
{
	if (!message_is_request(message))
		return RESPONSE;
	return begins(message->method) && !message->to_tag.p ? INITIAL : REQUEST;
}

// RFC 7462: names of ring tones pass; a URI to fetch one from would tell a host.
static void alert_info_pass(struct header_fields *fields, const struct passage *passage)
{
	static const struct slice urn = SLICE("urn:alert:");
	struct message_values it = message_values(passage->message, HEADER_ALERT_INFO);
	struct nameaddr info;
	struct slice value;

	while (message_values_next(&it, &value) > 0)
		if (!nameaddr_parse(value, &info) && slice_starts_nocase(info.uri, urn))
			header_fields_add(fields, header_name(HEADER_ALERT_INFO), value);
}

static void known_pass(
	struct header_fields *fields, const struct sip_message *message, enum header_id id)
{
	const struct sip_header *header = message_header(message, id);

	for (; header; header = message_header_next(message, header))
		header_fields_add(fields, header_name(id), header->value);
}

static void other_pass(
	struct header_fields *fields, const struct sip_message *message, struct slice name)
{
	for (unsigned int i = 0; i < message->n_headers; i++)
		if (message->headers[i].id == HEADER_OTHER &&
			slice_equal_nocase(message->headers[i].name, name))
			header_fields_add(fields, name, message->headers[i].value);
}

static void passing_pass(struct header_fields *fields, const struct passage *passage, int kind)
{
	bool both_trusted = passage->from->is_trusted && passage->to->is_trusted;

	for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++) {
		if (!(passing[i].kinds & kind) || (passing[i].between_trusted && !both_trusted))
			continue;
		if (passing[i].id != HEADER_OTHER)
			known_pass(fields, passage->message, passing[i].id);
		else
			other_pass(fields, passage->message, passing[i].name);
	}
}

// Between a user and its registrar's side, who have a secret of their own.
static void proofs_pass(struct header_fields *fields, const struct passage *passage, int kind)
{
	static const struct {
		enum header_id id;
		int kind;
	} proofs[] = {{HEADER_AUTHORIZATION, INITIAL}, {HEADER_PROXY_AUTHORIZATION, INITIAL},
		{HEADER_WWW_AUTHENTICATE, RESPONSE}, {HEADER_PROXY_AUTHENTICATE, RESPONSE}};
	const struct trunk *users = kind == INITIAL ? passage->from : passage->to,
			   *far = kind == INITIAL ? passage->to : passage->from;

	for (size_t i = 0; i < sizeof(proofs) / sizeof(proofs[0]); i++) {
		const struct sip_header *header = message_header(passage->message, proofs[i].id);

		if (proofs[i].kind != kind || !trunk_forwards_to(users, far))
			continue;
		for (; header; header = message_header_next(passage->message, header))
			header_fields_add(fields, header_name(proofs[i].id), header->value);
	}
}

void pass_headers(struct builder *b, const struct passage *passage)
{
	struct header_fields fields;
	int kind = kind_of(passage->message);

	header_fields_init(&fields);
	passing_pass(&fields, passage, kind);
	identity_pass(&fields, passage);
	proofs_pass(&fields, passage, kind);
	if (kind == INITIAL) {
		alert_info_pass(&fields, passage);
		redirection_pass(&fields, passage);
	}
	header_rules_apply(&passage->from->headers_in, passage->message, &fields);
	header_rules_apply(&passage->to->headers_out, passage->message, &fields);
	for (unsigned int i = 0; i < fields.n; i++)
		builder_header_named(b, fields.list[i].name, fields.list[i].value);
	if (fields.overflow)
		log_warn(&log_call, "headers_left_out", "from=%s to=%s method=" SLICE_FMT,
			passage->from->name, passage->to->name,
			SLICE_ARG(method_name(passage->message->method)));
}
