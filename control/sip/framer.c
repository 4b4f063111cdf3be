// Message framing on streams. The header is scanned once, however small the pieces are that it
// comes in; its fields are only searched for Content-Length, the parser looks at the rest.
#include "framer.h"

#include "chars.h"
#include "message.h"

// CR and LF between messages (7.5). Returns how many were skipped; stops behind a ping.
static size_t skip_blank(struct framer *framer, struct slice data, bool *ping)
{
	static const char ping_text[] = "\r\n\r\n";
	size_t at = 0;

	while (!*ping && at < data.n && (data.p[at] == '\r' || data.p[at] == '\n')) {
		if (data.p[at] == ping_text[framer->n_blank])
			framer->n_blank++;
		else
			framer->n_blank = data.p[at] == '\r';
		*ping = framer->n_blank == sizeof(ping_text) - 1;
		if (*ping)
			framer->n_blank = 0;
		at++;
	}
	return at;
}

// The length of the header with its empty line, 0 where that has not come yet.
static size_t header_size(struct framer *framer, struct slice data)
{
	size_t from = framer->scanned > 3 ? framer->scanned - 3 : 0;
	const char *end = memmem(data.p + from, data.n - from, "\r\n\r\n", 4);

	framer->scanned = data.n;
	return end ? (size_t)(end + 4 - data.p) : 0;
}

// Both kinds of start line name the protocol; what does not is some other protocol.
static bool is_sip(struct slice header)
{
	struct slice line = slice_cut(&header, '\n');

	return slice_starts_nocase(line, SLICE("SIP/")) || memmem(line.p, line.n, " SIP/", 5);
}

// The next line with those that continue it. False at the empty one.
static bool next_field(struct slice *rest, struct slice *field)
{
	*field = slice_cut(rest, '\n');
	while (rest->n && char_is_space(rest->p[0])) {
		slice_cut(rest, '\n');
		field->n = (size_t)((rest->p ? rest->p : field->p) - field->p);
	}
	return slice_trim(*field).n > 0;
}

static bool is_content_length(struct slice name)
{
	name = slice_trim(name);
	return slice_equal_nocase(name, SLICE("Content-Length")) ||
	       slice_equal_nocase(name, SLICE("l"));
}

// Two that differ are two messages in the eyes of two readers, so two are one too many.
static const char *content_length(struct slice header, uint32_t *length)
{
	struct slice rest = header, value;
	unsigned int n_found = 0;

	slice_cut(&rest, '\n');
	while (next_field(&rest, &value)) {
		if (!is_content_length(slice_cut(&value, ':')))
			continue;
		if (slice_to_u32(slice_trim(value), UINT32_MAX, length))
			return "Bad Content-Length";
		n_found++;
	}
	if (n_found > 1)
		return "Content-Length Given Twice";
	return n_found ? NULL : "Content-Length Missing";
}

static enum framer_result bad(struct frame *frame, size_t size, const char *reason)
{
	frame->size = size;
	frame->reason = reason;
	return FRAMER_BAD;
}

// The header of a message is looked at as soon as it is whole.
static enum framer_result measure(struct framer *framer, struct slice data, struct frame *frame)
{
	size_t header = header_size(framer, data);
	const char *wrong;
	uint32_t length = 0;

	if (!header && data.n <= FRAMER_HEADER_MAX)
		return FRAMER_MORE;
	if (!is_sip(data))
		return bad(frame, data.n, NULL);
	if (!header || header > FRAMER_HEADER_MAX)
		return bad(frame, header ? header : data.n, "Header Too Large");
	wrong = content_length((struct slice){data.p, header}, &length);
	if (!wrong && length > MESSAGE_MAX_SIZE - header)
		wrong = "Message Too Large";
	if (wrong)
		return bad(frame, header, wrong);
	framer->size = header + length;
	return FRAMER_MESSAGE;
}

enum framer_result framer_next(
	struct framer *framer, const char *data, size_t n, struct frame *frame)
{
	bool ping = false;
	struct slice message;

	*frame = (struct frame){0};
	if (framer_is_idle(framer))
		frame->skip = skip_blank(framer, (struct slice){data, n}, &ping);
	if (ping)
		return FRAMER_PING;
	message = (struct slice){data + frame->skip, n - frame->skip};
	if (!message.n)
		return FRAMER_MORE;
	if (framer_is_idle(framer) && !char_is(message.p[0], CHAR_TOKEN))
		return bad(frame, message.n, NULL);
	if (!framer->size) {
		enum framer_result result = measure(framer, message, frame);

		if (result != FRAMER_MESSAGE)
			return result;
	}
	if (message.n < framer->size)
		return FRAMER_MORE;
	frame->size = framer->size;
	*framer = (struct framer){0};
	return FRAMER_MESSAGE;
}
