// The writer. Every append goes through reserve(), the one place that knows the bounds.
#include "builder.h"

#include "message.h"
#include "status.h"

static char *reserve(struct builder *b, size_t n)
{
	char *at = b->p + b->n;

	if (b->overflow || n > b->size - b->n) {
		b->overflow = true;
		return NULL;
	}
	b->n += n;
	return at;
}

void builder_slice(struct builder *b, struct slice text)
{
	char *at = reserve(b, text.n);

	if (at && text.n)
		memcpy(at, text.p, text.n);
}

void builder_text(struct builder *b, const char *text)
{
	builder_slice(b, slice_of(text));
}

void builder_char(struct builder *b, char c)
{
	builder_slice(b, (struct slice){&c, 1});
}

void builder_unsigned(struct builder *b, uint64_t number)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	builder_slice(b, (struct slice){digits + at, sizeof(digits) - at});
}

static void line_end(struct builder *b)
{
	builder_slice(b, SLICE("\r\n"));
}

// Text that would end the line early is an error of the caller, and an attack if it came from
// outside: the message is spoilt rather than sent.
static void field_text(struct builder *b, struct slice text)
{
	if (text.n && (memchr(text.p, '\r', text.n) || memchr(text.p, '\n', text.n)))
		b->overflow = true;
	builder_slice(b, text);
}

void builder_q(struct builder *b, unsigned int thousandths)
{
	builder_text(b, thousandths >= 1000 ? "1." : "0.");
	thousandths %= 1000;
	builder_char(b, (char)('0' + thousandths / 100));
	builder_char(b, (char)('0' + thousandths / 10 % 10));
	builder_char(b, (char)('0' + thousandths % 10));
}

void builder_request_line(struct builder *b, struct slice method, struct slice uri)
{
	field_text(b, method);
	builder_char(b, ' ');
	field_text(b, uri);
	builder_slice(b, SLICE(" SIP/2.0\r\n"));
}

void builder_status_line(struct builder *b, unsigned int status, struct slice reason)
{
	builder_slice(b, SLICE("SIP/2.0 "));
	builder_unsigned(b, status);
	builder_char(b, ' ');
	field_text(b, reason.p ? reason : status_reason(status));
	line_end(b);
}

void builder_header_named(struct builder *b, struct slice name, struct slice value)
{
	field_text(b, name);
	builder_slice(b, SLICE(": "));
	field_text(b, value);
	line_end(b);
}

void builder_header(struct builder *b, enum header_id id, struct slice value)
{
	builder_header_named(b, header_name(id), value);
}

void builder_header_unsigned(struct builder *b, enum header_id id, uint64_t value)
{
	builder_slice(b, header_name(id));
	builder_slice(b, SLICE(": "));
	builder_unsigned(b, value);
	line_end(b);
}

void builder_cseq(struct builder *b, uint32_t number, struct slice method)
{
	builder_slice(b, SLICE("CSeq: "));
	builder_unsigned(b, number);
	builder_char(b, ' ');
	field_text(b, method);
	line_end(b);
}

void builder_copy(struct builder *b, const struct sip_message *from, enum header_id id)
{
	const struct sip_header *header = message_header(from, id);

	for (; header; header = message_header_next(from, header))
		builder_header(b, id, header->value);
}

void builder_quoted(struct builder *b, struct slice text)
{
	builder_char(b, '"');
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '"' || text.p[i] == '\\')
			builder_char(b, '\\');
		field_text(b, (struct slice){text.p + i, 1});
	}
	builder_char(b, '"');
}

void builder_body(struct builder *b, struct slice content_type, struct slice body)
{
	if (body.n)
		builder_header(b, HEADER_CONTENT_TYPE, content_type);
	builder_header_unsigned(b, HEADER_CONTENT_LENGTH, body.n);
	line_end(b);
	builder_slice(b, body);
}

struct slice builder_finish(const struct builder *b)
{
	return b->overflow ? (struct slice){0} : (struct slice){b->p, b->n};
}
