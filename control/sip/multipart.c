// See multipart.h.
#include "multipart.h"

#include <errno.h>

#include "chars.h"

enum { BOUNDARY_MAX = 70 }; // RFC 2046 5.1.1

static bool type_is(const struct content_type *type, const char *name, const char *subtype)
{
	return slice_equal_nocase(type->type, slice_of(name)) &&
	       slice_equal_nocase(type->subtype, slice_of(subtype));
}

static struct slice from_to(const char *from, const char *to)
{
	return (struct slice){from, (size_t)(to - from)};
}

// The next line that is a delimiter: what is before it, without the line end that belongs to it,
// what is behind it, and whether it is the last. Returns false where there is none.
static bool delimiter_find(struct slice text, struct slice boundary, struct slice *before,
	struct slice *after, bool *last)
{
	const char *line = text.p, *end = text.p + text.n;

	while (line < end) {
		const char *feed = memchr(line, '\n', (size_t)(end - line));
		const char *next = feed ? feed + 1 : end;
		struct slice rest = from_to(line, feed ? feed : end);

		if (rest.n >= 2 + boundary.n && rest.p[0] == '-' && rest.p[1] == '-' &&
			slice_equal((struct slice){rest.p + 2, boundary.n}, boundary)) {
			rest = slice_skip(rest, 2 + boundary.n);
			*last = rest.n >= 2 && rest.p[0] == '-' && rest.p[1] == '-';
			rest = slice_trim(*last ? slice_skip(rest, 2) : rest);
			if (!rest.n) {
				const char *stop = line;

				stop -= stop > text.p && stop[-1] == '\n';
				stop -= stop < line && stop > text.p && stop[-1] == '\r';
				*before = from_to(text.p, stop);
				*after = from_to(next, end);
				return true;
			}
		}
		line = next;
	}
	return false;
}

static struct slice boundary_of(const struct content_type *type)
{
	struct slice boundary;

	if (!params_find(type->params, SLICE("boundary"), &boundary) || !boundary.n ||
		boundary.n > BOUNDARY_MAX)
		return (struct slice){};
	return boundary;
}

int body_parts_begin(struct body_parts *parts, const struct sip_message *message)
{
	struct content_type type;
	struct slice preamble;
	bool last;

	*parts = (struct body_parts){.message = message, .rest = message->body};
	if (!message->body.n)
		return 0;
	if (content_type_parse(message_value(message, HEADER_CONTENT_TYPE), &type))
		return -EBADMSG;
	if (!slice_equal_nocase(type.type, SLICE("multipart")))
		return 0;
	parts->is_multipart = true;
	parts->is_alternative = type_is(&type, "multipart", "alternative");
	parts->boundary = boundary_of(&type);
	if (!parts->boundary.n ||
		!delimiter_find(message->body, parts->boundary, &preamble, &parts->rest, &last) ||
		last)
		return -EBADMSG;
	return 0;
}

// One header field off the front, as far as its value, folds included. Returns 1, 0 at the blank
// line or the end, -EBADMSG.
static int field_next(struct slice *rest, struct slice *name, struct slice *value)
{
	const char *end = rest->p + rest->n, *at = rest->p, *feed;
	struct slice line;

	if (!rest->n)
		return 0; // a part without a body
	do {
		feed = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
		at = feed ? feed + 1 : end;
	} while (feed && at < end && char_is_space(*at) && feed > rest->p + 1);
	if (!feed)
		return -EBADMSG;
	line = from_to(rest->p, feed);
	line.n -= line.n && line.p[line.n - 1] == '\r';
	*rest = from_to(at, end);
	if (!line.n)
		return 0;
	*name = slice_trim(slice_cut(&line, ':'));
	*value = slice_trim(line);
	return line.p && chars_are(*name, CHAR_TOKEN) ? 1 : -EBADMSG;
}

static void field_take(struct body_part *part, struct slice name, struct slice value)
{
	const struct {
		struct slice name;
		struct slice *to;
	} fields[] = {{SLICE("Content-Type"), &part->type_value}, {SLICE("c"), &part->type_value},
		{SLICE("Content-Disposition"), &part->disposition},
		{SLICE("Content-ID"), &part->id}, {SLICE("Content-Language"), &part->language},
		{SLICE("Content-Transfer-Encoding"), &part->encoding},
		{SLICE("Content-Encoding"), &part->coding}, {SLICE("e"), &part->coding}};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (slice_equal_nocase(name, fields[i].name))
			*fields[i].to = value;
}

// Its parameters are for who takes the part, and may be folded over lines.
static int type_take(struct body_part *part)
{
	struct slice rest;

	if (!part->type_value.p) // RFC 2046 5.1
		part->type_value = SLICE("text/plain");
	rest = part->type_value;
	return content_type_parse(slice_trim(slice_cut(&rest, ';')), &part->type);
}

static int part_read(struct slice text, struct body_part *part)
{
	struct slice name, value;
	int more;

	*part = (struct body_part){};
	while ((more = field_next(&text, &name, &value)) > 0)
		field_take(part, name, value);
	part->body = text;
	return more ? more : type_take(part);
}

static int whole_read(struct body_parts *parts, struct body_part *part)
{
	const struct sip_message *message = parts->message;

	if (parts->n++ || !message->body.n)
		return 0;
	*part = (struct body_part){
		.type_value = message_value(message, HEADER_CONTENT_TYPE),
		.disposition = message_value(message, HEADER_CONTENT_DISPOSITION),
		.language = message_value(message, HEADER_CONTENT_LANGUAGE),
		.coding = message_value(message, HEADER_CONTENT_ENCODING),
		.id = message_value_named(message, SLICE("Content-ID")),
		.body = message->body,
	};
	return type_take(part) ? -EBADMSG : 1;
}

int body_parts_next(struct body_parts *parts, struct body_part *part)
{
	struct slice text, after;
	bool last;

	if (!parts->is_multipart)
		return whole_read(parts, part);
	if (!parts->rest.p)
		return 0;
	if (parts->n++ == BODY_PARTS_MAX ||
		!delimiter_find(parts->rest, parts->boundary, &text, &after, &last))
		return -EBADMSG;
	parts->rest = last ? (struct slice){} : after;
	return part_read(text, part) ? -EBADMSG : 1;
}

bool body_part_is(const struct body_part *part, struct slice type, struct slice subtype)
{
	return slice_equal_nocase(part->type.type, type) &&
	       slice_equal_nocase(part->type.subtype, subtype);
}

bool body_part_is_required(const struct body_part *part)
{
	struct slice params = part->disposition, handling;

	slice_cut(&params, ';');
	if (!params.p)
		return true;
	params = (struct slice){params.p - 1, params.n + 1};
	return !params_find(params, SLICE("handling"), &handling) ||
	       !slice_equal_nocase(handling, SLICE("optional"));
}

bool body_part_is_plain(const struct body_part *part)
{
	static const struct slice plain[] = {SLICE("binary"), SLICE("8bit"), SLICE("7bit")};
	bool is_plain = !part->encoding.n;

	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		is_plain = is_plain || slice_equal_nocase(part->encoding, plain[i]);
	return is_plain && (!part->coding.n || slice_equal_nocase(part->coding, SLICE("identity")));
}
