// Who calls, across the border of a trust domain (RFC 3323, RFC 3325). An identity that a trusted
// trunk has asserted reaches another trusted one, with our host in place of theirs; nothing is
// asserted for others, and nothing reaches who is not trusted.
#include "pass.h"

#include <string.h>

#include "call_private.h"
#include "hunt.h"

#define IDENTITIES_MAX	   2	// one SIP, one tel (RFC 3325 9.1)
#define PRIVACY_VALUES_MAX 8	// six are defined
#define TEXT_MAX	   1024 // of a value

// The values of Privacy: apart by ';' (RFC 3323 4.2), or, as some write it, by commas. Returns how
// many.
static unsigned int privacy_values(
	const struct sip_message *message, struct slice values[PRIVACY_VALUES_MAX])
{
	const struct sip_header *header = message_header(message, HEADER_PRIVACY);
	unsigned int n = 0;

	for (; header; header = message_header_next(message, header)) {
		char separator = memchr(header->value.p, ';', header->value.n) ? ';' : ',';
		struct slice rest = header->value;

		while (rest.n && n < PRIVACY_VALUES_MAX) {
			values[n] = slice_trim(slice_cut(&rest, separator));
			n += values[n].n > 0;
		}
	}
	return n;
}

static bool is_among(struct slice value, const struct slice *list, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		if (slice_equal_nocase(value, list[i]))
			return true;
	return false;
}

bool privacy_has(const struct sip_message *message, struct slice value)
{
	struct slice values[PRIVACY_VALUES_MAX];

	return is_among(value, values, privacy_values(message, values));
}

bool identity_is_private(const struct passage *passage)
{
	const struct sip_message *message = passage->message;

	if (privacy_has(message, SLICE("none")))
		return false;
	return privacy_has(message, SLICE("user")) || privacy_has(message, SLICE("header")) ||
	       (!passage->to->is_trusted && privacy_has(message, SLICE("id")));
}

void identity_from_write(
	struct builder *b, const struct passage *passage, const struct nameaddr *from)
{
	if (passage->user.n)
		identity_proved_write(b, passage);
	else if (!identity_write(b, from, passage, true))
		identity_write(b, &(struct nameaddr){.uri = SLICE("sip:unknown")}, passage, true);
}

bool identity_write(struct builder *b, const struct nameaddr *nameaddr,
	const struct passage *passage, bool as_sip)
{
	char user[NUMBER_SIZE] = "";
	struct uri uri;

	if (uri_parse(nameaddr->uri, &uri) || uri.scheme == URI_OTHER)
		return false;
	if (nameaddr->display.n) {
		builder_char(b, '"');
		builder_slice(b, nameaddr->display);
		builder_text(b, "\" ");
	}
	builder_char(b, '<');
	if (uri.scheme == URI_TEL && !as_sip) {
		builder_slice(b, uri.text);
	} else {
		number_pass(passage->from, passage->to, uri.user, user, sizeof(user)); // or nobody
		number_uri_write(b, passage->to, false, user, NULL, passage->host);
		if (uri.scheme == URI_TEL && !passage->to->numbers.phone_user)
			builder_text(b, ";user=phone");
	}
	builder_char(b, '>');
	return true;
}

static void asserted_pass(struct header_fields *fields, const struct passage *passage)
{
	struct message_values it = message_values(passage->message, HEADER_P_ASSERTED_IDENTITY);
	unsigned int n = 0;
	struct slice value;

	while (n < IDENTITIES_MAX && message_values_next(&it, &value) > 0) {
		struct nameaddr identity;
		char text[TEXT_MAX];
		struct builder b;

		builder_init(&b, text, sizeof(text));
		if (nameaddr_parse(value, &identity) ||
			!identity_write(&b, &identity, passage, false) || b.overflow)
			continue;
		header_fields_add_copy(
			fields, header_name(HEADER_P_ASSERTED_IDENTITY), builder_finish(&b));
		n++;
	}
}

void identity_proved_write(struct builder *b, const struct passage *passage)
{
	builder_text(b, "<sip:");
	builder_slice(b, passage->user);
	builder_char(b, '@');
	builder_slice(b, passage->host);
	builder_char(b, '>');
}

static void proved_pass(struct header_fields *fields, const struct passage *passage)
{
	char text[TEXT_MAX];
	struct builder b;

	builder_init(&b, text, sizeof(text));
	identity_proved_write(&b, passage);
	if (!b.overflow)
		header_fields_add_copy(
			fields, header_name(HEADER_P_ASSERTED_IDENTITY), builder_finish(&b));
}

// What we have done ourselves is asked of nobody behind us: user, header and session (RFC 3323 5.1
// to 5.3; every call has our addresses only). What is left goes to who is trusted to keep it, which
// for all values is the purpose of sending it.
static void privacy_pass(struct header_fields *fields, const struct sip_message *message)
{
	static const struct slice done[] = {SLICE("user"), SLICE("header"), SLICE("session")};
	struct slice values[PRIVACY_VALUES_MAX];
	unsigned int n = privacy_values(message, values);
	char text[TEXT_MAX];
	struct builder b;

	builder_init(&b, text, sizeof(text));
	for (unsigned int i = 0; i < n; i++) {
		if (is_among(values[i], done, sizeof(done) / sizeof(done[0])))
			continue;
		builder_text(&b, b.n ? ";" : "");
		builder_slice(&b, values[i]);
	}
	if (b.n && !b.overflow)
		header_fields_add_copy(fields, header_name(HEADER_PRIVACY), builder_finish(&b));
}

void identity_pass(struct header_fields *fields, const struct passage *passage)
{
	if (passage->user.n && passage->to->is_trusted)
		proved_pass(fields, passage);
	else if (!passage->user.n && passage->from->is_trusted && passage->to->is_trusted)
		asserted_pass(fields, passage);
	privacy_pass(fields, passage->message);
}

void referred_by_write(struct builder *b, const struct passage *passage)
{
	struct nameaddr who;
	char text[TEXT_MAX];
	struct builder v;

	if (nameaddr_parse(message_value(passage->message, HEADER_REFERRED_BY), &who))
		who = passage->message->from;
	who.display = (struct slice){};
	builder_init(&v, text, sizeof(text));
	if (identity_write(&v, &who, passage, true) && !v.overflow)
		builder_header(b, HEADER_REFERRED_BY, builder_finish(&v));
}
