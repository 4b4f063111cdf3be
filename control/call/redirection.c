// Who forwarded a call: Diversion (RFC 5806), latest first, and History-Info (RFC 7044), oldest
// first, into one list and out of it in the form that the trunk wants (RFC 7544). Hosts become
// ours, and who wants to stay unknown is, to those who are not trusted.
#include "pass.h"

#include <string.h>

#include "call_private.h"

#define REDIRECTIONS_MAX 16
#define TEXT_MAX	 1024 // of a value
#define INDEX_MAX	 64   // "1.1.1"

// One time that the call was sent on: by whom, and why.
struct redirection {
	struct nameaddr by;
	unsigned int cause; // RFC 4458
	uint32_t counter;   // times that this entry stands for
	bool is_private;
};

struct redirections {
	unsigned int n;
	struct redirection list[REDIRECTIONS_MAX]; // oldest first
};

// RFC 7544 6.2 and 7.1. A cause that several reasons have is written as the first.
static const struct {
	unsigned int cause;
	struct slice reason;
} reasons[] = {
	{302, SLICE("unconditional")},
	{486, SLICE("user-busy")},
	{408, SLICE("no-answer")},
	{480, SLICE("deflection")},
	{487, SLICE("deflection")},
	{503, SLICE("unavailable")},
	{503, SLICE("out-of-service")},
	{404, SLICE("unknown")},
	{404, SLICE("time-of-day")},
	{404, SLICE("do-not-disturb")},
	{404, SLICE("follow-me")},
	{404, SLICE("away")},
};

#define N_REASONS     (sizeof(reasons) / sizeof(reasons[0]))
#define CAUSE_UNKNOWN 404

static unsigned int cause_of(struct slice reason)
{
	for (size_t i = 0; i < N_REASONS; i++)
		if (slice_equal_nocase(reasons[i].reason, reason))
			return reasons[i].cause;
	return CAUSE_UNKNOWN;
}

static struct slice reason_of(unsigned int cause)
{
	for (size_t i = 0; i < N_REASONS; i++)
		if (reasons[i].cause == cause)
			return reasons[i].reason;
	return SLICE("unknown");
}

static void take_diversions(struct redirections *redirections, const struct sip_message *message)
{
	struct message_values it = message_values(message, HEADER_DIVERSION);
	struct redirection latest_first[REDIRECTIONS_MAX];
	struct slice value, text;
	unsigned int n = 0;

	while (n < REDIRECTIONS_MAX && message_values_next(&it, &value) > 0) {
		struct redirection *one = &latest_first[n];

		*one = (struct redirection){.cause = CAUSE_UNKNOWN, .counter = 1};
		if (nameaddr_parse(value, &one->by))
			continue;
		if (params_find(one->by.params, SLICE("reason"), &text))
			one->cause = cause_of(text);
		if (params_find(one->by.params, SLICE("counter"), &text) &&
			slice_to_u32(text, 1000, &one->counter))
			one->counter = 1;
		one->is_private = params_find(one->by.params, SLICE("privacy"), &text) &&
				  !slice_equal_nocase(text, SLICE("off"));
		n++;
	}
	while (n > 0)
		redirections->list[redirections->n++] = latest_first[--n];
}

// "Privacy=history" among the headers of a URI, or in the message for all.
static bool history_is_private(const struct sip_message *message, const struct uri *uri)
{
	for (size_t i = 0; i < uri->headers.n; i++)
		if (slice_starts_nocase((struct slice){uri->headers.p + i, uri->headers.n - i},
			    SLICE("privacy=history")))
			return true;
	return privacy_has(message, SLICE("history"));
}

static unsigned int cause_of_entry(const struct uri *uri)
{
	struct slice text;
	uint32_t cause;

	if (!params_find(uri->params, SLICE("cause"), &text) || slice_to_u32(text, 699, &cause))
		return 0;
	return cause;
}

// An entry with a cause was sent on by the one before it.
static void take_history(struct redirections *redirections, const struct sip_message *message)
{
	struct message_values it = message_values(message, HEADER_HISTORY_INFO);
	struct redirection before = {.counter = 1};
	bool has_before = false;
	struct slice value;

	while (redirections->n < REDIRECTIONS_MAX && message_values_next(&it, &value) > 0) {
		struct nameaddr entry;
		struct uri uri;

		if (nameaddr_parse(value, &entry) || uri_parse(entry.uri, &uri))
			continue;
		before.cause = cause_of_entry(&uri);
		if (has_before && before.cause)
			redirections->list[redirections->n++] = before;
		before.by = entry;
		before.is_private = history_is_private(message, &uri);
		has_before = true;
	}
}

// The user alone, at our host; "anonymous" where it wants to be and they are not trusted.
static bool who_write(struct builder *b, const struct nameaddr *who, bool is_private,
	const struct passage *passage, unsigned int cause)
{
	char text[TEXT_MAX];
	struct builder v;

	builder_init(&v, text, sizeof(text));
	if (is_private && !passage->to->is_trusted)
		builder_text(&v, "<sip:anonymous@anonymous.invalid>");
	else if (!identity_write(&v, who, passage, false))
		return false;
	if (v.overflow)
		return false;
	v.n--; // the cause goes before '>'
	builder_slice(b, builder_finish(&v));
	if (cause) {
		builder_text(b, ";cause=");
		builder_unsigned(b, cause);
	}
	return true;
}

static void diversions_write(struct header_fields *fields, const struct redirections *redirections,
	const struct passage *passage)
{
	for (unsigned int i = redirections->n; i-- > 0;) {
		const struct redirection *one = &redirections->list[i];
		char text[TEXT_MAX];
		struct builder b;

		builder_init(&b, text, sizeof(text));
		if (!who_write(&b, &one->by, one->is_private, passage, 0))
			continue;
		builder_text(&b, ">;reason=");
		builder_slice(&b, reason_of(one->cause));
		builder_text(&b, ";counter=");
		builder_unsigned(&b, one->counter);
		builder_text(&b, one->is_private ? ";privacy=full" : "");
		if (!b.overflow)
			header_fields_add_copy(
				fields, header_name(HEADER_DIVERSION), builder_finish(&b));
	}
}

static void entry_end(
	struct header_fields *fields, struct builder *b, bool is_private, const char *index)
{
	builder_text(b, is_private ? "?Privacy=history>;index=" : ">;index=");
	builder_text(b, index);
	if (strlen(index) > 1) { // sent on by the one before (RFC 7044 5.1)
		builder_text(b, ";mp=");
		builder_slice(b, (struct slice){index, strlen(index) - 2});
	}
	if (!b->overflow)
		header_fields_add_copy(fields, header_name(HEADER_HISTORY_INFO), builder_finish(b));
}

// One entry for each who sent it on, and one for whom it goes to now.
static void history_write(struct header_fields *fields, const struct redirections *redirections,
	const struct passage *passage)
{
	char index[INDEX_MAX] = "1", text[TEXT_MAX];
	unsigned int cause = 0;
	struct builder b;

	for (unsigned int i = 0; i < redirections->n; i++) {
		const struct redirection *one = &redirections->list[i];

		builder_init(&b, text, sizeof(text));
		if (!who_write(&b, &one->by, one->is_private, passage, cause))
			continue;
		entry_end(fields, &b, one->is_private, index);
		cause = one->cause;
		strcat(index, ".1");
	}
	if (!cause)
		return; // nobody who could be named
	builder_init(&b, text, sizeof(text));
	builder_text(&b, "<sip:");
	builder_slice(&b, passage->target);
	builder_char(&b, '@');
	builder_slice(&b, passage->host);
	builder_text(&b, ";cause=");
	builder_unsigned(&b, cause);
	entry_end(fields, &b, false, index);
}

// Those that RFC 7044 5.1 defines.
static void entry_params_write(struct builder *b, struct slice params)
{
	static const struct slice known[] = {SLICE("index"), SLICE("rc"), SLICE("mp"), SLICE("np")};
	struct slice value;

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (params_find(params, known[i], &value)) {
			builder_char(b, ';');
			builder_slice(b, known[i]);
			builder_char(b, '=');
			builder_slice(b, value);
		}
}

// Entries as they are, with our host: also those that tell of no redirection.
static void history_copy(struct header_fields *fields, const struct passage *passage)
{
	struct message_values it = message_values(passage->message, HEADER_HISTORY_INFO);
	struct slice value;

	while (message_values_next(&it, &value) > 0) {
		char text[TEXT_MAX];
		struct nameaddr entry;
		bool is_private;
		struct builder b;
		struct uri uri;

		if (nameaddr_parse(value, &entry) || uri_parse(entry.uri, &uri))
			continue;
		is_private = history_is_private(passage->message, &uri);
		builder_init(&b, text, sizeof(text));
		if (!who_write(&b, &entry, is_private, passage, cause_of_entry(&uri)))
			continue;
		builder_text(&b, is_private ? "?Privacy=history>" : ">");
		entry_params_write(&b, entry.params);
		if (!b.overflow)
			header_fields_add_copy(
				fields, header_name(HEADER_HISTORY_INFO), builder_finish(&b));
	}
}

void redirection_pass(struct header_fields *fields, const struct passage *passage)
{
	enum trunk_redirection as = passage->to->redirection;
	struct redirections redirections = {};
	bool has_history = message_header(passage->message, HEADER_HISTORY_INFO);

	if (as == TRUNK_REDIRECTION_NONE || passage->from->redirection == TRUNK_REDIRECTION_NONE)
		return;
	if (message_header(passage->message, HEADER_DIVERSION))
		take_diversions(&redirections, passage->message);
	else
		take_history(&redirections, passage->message);
	if (as == TRUNK_REDIRECTION_DIVERSION ||
		(as == TRUNK_REDIRECTION_AS_RECEIVED &&
			message_header(passage->message, HEADER_DIVERSION)))
		diversions_write(fields, &redirections, passage);
	if (has_history && as != TRUNK_REDIRECTION_DIVERSION)
		history_copy(fields, passage);
	else if (as == TRUNK_REDIRECTION_HISTORY_INFO && redirections.n)
		history_write(fields, &redirections, passage);
}
