// The message parser: one pass over the header fields that cuts, numbers and chains them, then the
// typed values that every message must have.
#include "message.h"

#include <errno.h>
#include <stdlib.h>

#include "chars.h"

struct parse {
	struct sip_message *message;
	struct message_error *error;
	char *p, *end; // what is left
};

// The first complaint stands.
static int bad(struct parse *parse, unsigned int status, const char *reason)
{
	if (!parse->error->reason)
		*parse->error = (struct message_error){status, reason};
	return -EBADMSG;
}

// Take a line that ends in CRLF. A CR or LF of its own is no line end and has no place in a line:
// other parsers on the way might see other headers there.
static int take_line(struct parse *parse, struct slice *line)
{
	char *lf = memchr(parse->p, '\n', (size_t)(parse->end - parse->p));

	if (!lf || lf == parse->p || lf[-1] != '\r')
		return -EBADMSG;
	*line = (struct slice){parse->p, (size_t)(lf - 1 - parse->p)};
	if (memchr(line->p, '\r', line->n))
		return -EBADMSG;
	parse->p = lf + 1;
	return 0;
}

// The same with the lines that continue it (25.1 LWS); their line ends become spaces.
static int take_folded_line(struct parse *parse, struct slice *line)
{
	struct slice more;

	*line = (struct slice){parse->p, 1}; // not empty: on an error no end of the header
	if (take_line(parse, line))
		return -EBADMSG;
	while (line->n && parse->p < parse->end && char_is_space(*parse->p)) {
		parse->p[-1] = ' ';
		parse->p[-2] = ' ';
		if (take_line(parse, &more))
			return -EBADMSG;
		line->n = (size_t)(more.p + more.n - line->p);
	}
	return 0;
}

static int version_check(struct parse *parse, struct slice version)
{
	if (!slice_starts_nocase(version, SLICE("SIP/")))
		return bad(parse, 0, "Not SIP");
	if (!slice_equal(slice_skip(version, 4), SLICE("2.0")))
		return bad(parse, 505, "Version Not Supported");
	return 0;
}

// SIP/2.0 SP 3DIGIT SP reason
static int status_line(struct parse *parse, struct slice line)
{
	struct sip_message *m = parse->message;
	struct slice rest = line, code;
	uint32_t status;

	slice_cut(&rest, ' ');
	code = slice_cut(&rest, ' ');
	if (!slice_starts_nocase(line, SLICE("SIP/2.0 ")) || code.n != 3 ||
		slice_to_u32(code, 699, &status) || status < 100)
		return bad(parse, 0, "Bad Status-Line");
	m->status = status;
	m->reason = rest;
	return 0;
}

// Method SP Request-URI SP SIP/2.0. Only the method and the version can be trusted to hold no
// space.
static int request_line(struct parse *parse, struct slice line)
{
	struct sip_message *m = parse->message;
	struct slice rest = slice_trim(line);
	const char *last = rest.n ? memrchr(rest.p, ' ', rest.n) : NULL;
	struct slice version;

	if (!last)
		return bad(parse, 0, "Not SIP");
	version = slice_skip(rest, (size_t)(last + 1 - rest.p));
	rest.n = (size_t)(last - rest.p);
	m->method_name = slice_cut(&rest, ' ');
	m->method = method_from(m->method_name);
	m->uri = rest;
	if (version_check(parse, version))
		return -EBADMSG;
	if (!chars_are(m->method_name, CHAR_TOKEN))
		return bad(parse, 400, "Bad Method");
	if (!rest.n || uri_parse(m->uri, &m->request_uri))
		return bad(parse, 400, "Bad Request-URI");
	return 0;
}

static int start_line(struct parse *parse)
{
	struct slice line;

	if (take_line(parse, &line))
		return bad(parse, 0, "Not SIP");
	if (slice_starts_nocase(line, SLICE("SIP/")))
		return status_line(parse, line);
	return request_line(parse, line);
}

static void header_field(struct parse *parse, struct slice line)
{
	struct sip_message *m = parse->message;
	struct slice value = line, name = slice_cut(&value, ':');

	while (name.n && char_is_space(name.p[name.n - 1]))
		name.n--;
	if (!value.p || !chars_are(name, CHAR_TOKEN))
		bad(parse, 400, "Bad Header Field");
	else if (m->n_headers == MESSAGE_MAX_HEADERS)
		bad(parse, 513, "Too Many Header Fields");
	else
		m->headers[m->n_headers++] =
			(struct sip_header){name, slice_trim(value), (uint8_t)header_from(name), 0};
}

// Chain the fields of each id, back to front, so that the first is found at once.
static void chain(struct sip_message *m)
{
	for (unsigned int i = m->n_headers; i-- > 0;) {
		struct sip_header *header = &m->headers[i];

		if (header->id == HEADER_OTHER)
			continue;
		header->next = m->first[header->id];
		m->first[header->id] = (uint8_t)(i + 1);
	}
}

static void header_fields(struct parse *parse)
{
	struct slice line;

	while (!take_folded_line(parse, &line) && line.n)
		header_field(parse, line);
	if (line.n)
		bad(parse, 400, "Bad Line End");
	chain(parse->message);
}

static void body(struct parse *parse)
{
	struct sip_message *m = parse->message;
	size_t left = (size_t)(parse->end - parse->p);
	uint32_t length = (uint32_t)left;

	if (m->first[HEADER_CONTENT_LENGTH] &&
		slice_to_u32(message_value(m, HEADER_CONTENT_LENGTH), UINT32_MAX, &length))
		bad(parse, 400, "Bad Content-Length");
	if (length > left) {
		bad(parse, 400, "Content-Length Larger Than Message");
		length = (uint32_t)left;
	}
	if (length)
		m->body = (struct slice){parse->p, length};
	m->text.n = (size_t)(parse->p + length - m->text.p);
}

// A tag keeps its quotes, should it have any, so that it is given back as it came.
static int tagged(struct parse *parse, enum header_id id, struct nameaddr *out, struct slice *tag)
{
	struct slice rest;
	struct param param;

	if (nameaddr_parse(message_value(parse->message, id), out))
		return -EBADMSG;
	rest = out->params;
	while (params_next(&rest, &param) > 0) {
		if (!slice_equal_nocase(param.name, SLICE("tag")))
			continue;
		*tag = param.value;
		if (tag->n && tag->p[-1] == '"')
			*tag = (struct slice){tag->p - 1, tag->n + 2};
		return tag->n ? 0 : -EBADMSG;
	}
	return 0;
}

static int via_top(struct parse *parse)
{
	struct slice rest = message_value(parse->message, HEADER_VIA), value;

	if (list_next(&rest, &value) <= 0)
		return -EBADMSG;
	return via_parse(value, &parse->message->via);
}

static int cseq(struct parse *parse)
{
	struct sip_message *m = parse->message;
	struct slice method;

	if (cseq_parse(message_value(m, HEADER_CSEQ), &m->cseq, &method))
		return -EBADMSG;
	if (message_is_request(m))
		return slice_equal(method, m->method_name) ? 0 : -EBADMSG;
	m->method_name = method;
	m->method = method_from(method);
	return 0;
}

static int max_forwards(struct parse *parse)
{
	uint32_t hops;

	if (!parse->message->first[HEADER_MAX_FORWARDS])
		return 0;
	if (slice_to_u32(message_value(parse->message, HEADER_MAX_FORWARDS), UINT8_MAX, &hops))
		return -EBADMSG;
	parse->message->max_forwards = (int)hops;
	return 0;
}

static int contacts(struct parse *parse)
{
	struct message_values it = message_values(parse->message, HEADER_CONTACT);
	struct nameaddr contact;
	struct slice value;
	int more;

	while ((more = message_values_next(&it, &value)) > 0)
		if (nameaddr_parse(value, &contact))
			return -EBADMSG;
	return more;
}

static int single_valued(struct parse *parse)
{
	static const uint8_t ids[] = {HEADER_CALL_ID, HEADER_CONTENT_LENGTH, HEADER_CONTENT_TYPE,
		HEADER_CSEQ, HEADER_FROM, HEADER_MAX_FORWARDS, HEADER_TO};
	const struct sip_message *m = parse->message;

	for (size_t i = 0; i < sizeof(ids); i++)
		if (m->first[ids[i]] && m->headers[m->first[ids[i]] - 1].next)
			return -EBADMSG;
	return 0;
}

// All of them are looked at even after one fails: the answer needs what is right.
static void mandatory(struct parse *parse)
{
	struct sip_message *m = parse->message;

	m->call_id = message_value(m, HEADER_CALL_ID);
	if (via_top(parse))
		bad(parse, 400, "Bad Via");
	if (single_valued(parse))
		bad(parse, 400, "Header Field Given Twice");
	if (!chars_are(m->call_id, CHAR_VISIBLE))
		bad(parse, 400, "Bad Call-ID");
	if (tagged(parse, HEADER_FROM, &m->from, &m->from_tag))
		bad(parse, 400, "Bad From");
	if (tagged(parse, HEADER_TO, &m->to, &m->to_tag))
		bad(parse, 400, "Bad To");
	if (cseq(parse))
		bad(parse, 400, "Bad CSeq");
	if (max_forwards(parse))
		bad(parse, 400, "Bad Max-Forwards");
	if (contacts(parse))
		bad(parse, 400, "Bad Contact");
}

// Silence for what cannot or must not be answered: responses, ACKs, and requests without a Via.
static void error_settle(const struct sip_message *m, struct message_error *error)
{
	if (!message_is_request(m) || m->method == METHOD_ACK || !m->first[HEADER_VIA])
		error->status = 0;
}

int message_parse(struct sip_message *m, struct sip_header *headers, char *text, size_t size,
	struct message_error *error)
{
	struct parse parse = {m, error, text, text + size};
	int result;

	*m = (struct sip_message){.text = {text, size}, .headers = headers, .max_forwards = -1};
	*error = (struct message_error){0};
	result = start_line(&parse);
	if (result && error->status == 0)
		return result;
	header_fields(&parse);
	mandatory(&parse);
	body(&parse);
	if (!error->reason)
		return 0;
	error_settle(m, error);
	return -EBADMSG;
}

const struct sip_header *message_header(const struct sip_message *m, enum header_id id)
{
	return m->first[id] ? &m->headers[m->first[id] - 1] : NULL;
}

const struct sip_header *message_header_next(
	const struct sip_message *m, const struct sip_header *header)
{
	return header->next ? &m->headers[header->next - 1] : NULL;
}

struct slice message_value(const struct sip_message *m, enum header_id id)
{
	return m->first[id] ? m->headers[m->first[id] - 1].value : (struct slice){0};
}

struct slice message_value_named(const struct sip_message *m, struct slice name)
{
	for (unsigned int i = 0; i < m->n_headers; i++)
		if (slice_equal_nocase(m->headers[i].name, name))
			return m->headers[i].value;
	return (struct slice){0};
}

struct message_values message_values(const struct sip_message *m, enum header_id id)
{
	return (struct message_values){m, message_header(m, id), message_value(m, id)};
}

int message_values_next(struct message_values *it, struct slice *value)
{
	int more;

	while ((more = list_next(&it->rest, value)) == 0 && it->header) {
		it->header = message_header_next(it->message, it->header);
		if (it->header)
			it->rest = it->header->value;
	}
	return more;
}

bool message_has_token(const struct sip_message *m, enum header_id id, struct slice token)
{
	struct message_values it = message_values(m, id);
	struct slice value;

	while (message_values_next(&it, &value) > 0)
		if (slice_equal_nocase(value, token))
			return true;
	return false;
}

int message_contact(const struct sip_message *m, struct nameaddr *out)
{
	struct message_values it = message_values(m, HEADER_CONTACT);
	struct slice value;
	int more = message_values_next(&it, &value);

	if (more <= 0)
		return more ? more : -ENOENT;
	return nameaddr_parse(value, out);
}

bool message_body_is(const struct sip_message *m, struct slice type, struct slice subtype)
{
	struct content_type found;

	return m->body.n && !content_type_parse(message_value(m, HEADER_CONTENT_TYPE), &found) &&
	       slice_equal_nocase(found.type, type) && slice_equal_nocase(found.subtype, subtype);
}
