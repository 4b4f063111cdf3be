// See bodies.h.
#include "bodies.h"

#include <stdlib.h>

#include "call_private.h"
#include "multipart.h"
#include "token.h"

static bool is_sdp(const struct body_part *part)
{
	return body_part_is(part, SLICE("application"), SLICE("sdp")) && body_part_is_plain(part);
}

struct slice message_sdp(const struct sip_message *message)
{
	struct body_parts parts;
	struct body_part part;

	if (!message->body.n || body_parts_begin(&parts, message))
		return (struct slice){};
	while (body_parts_next(&parts, &part) > 0)
		if (is_sdp(&part))
			return part.body;
	return (struct slice){};
}

// A trunk of nobody (NULL) lists nothing.
static bool is_listed(const struct trunk *trunk, const struct body_part *part)
{
	for (size_t i = 0; trunk && i < trunk->signalling.n_bodies; i++) {
		struct slice subtype = slice_of(trunk->signalling.bodies[i]);
		struct slice type = slice_cut(&subtype, '/');

		if (body_part_is(part, type, subtype))
			return true;
	}
	return false;
}

static bool passes(const struct body_part *part, const struct trunk *from, const struct trunk *to)
{
	return is_listed(from, part) && (!to || is_listed(to, part));
}

unsigned int bodies_check(
	const struct sip_message *request, const struct trunk *from, const struct trunk *to)
{
	bool refused = false, has_sdp = false;
	struct body_parts parts;
	struct body_part part;
	size_t n = 0;
	int more;

	if (!request->body.n)
		return 0;
	if (body_parts_begin(&parts, request))
		return 400;
	while ((more = body_parts_next(&parts, &part)) > 0) {
		if (is_sdp(&part))
			has_sdp = true;
		else if (passes(&part, from, to))
			n += part.body.n;
		else
			refused = refused || body_part_is_required(&part);
	}
	if (more)
		return 400;
	if (refused && !(parts.is_alternative && has_sdp))
		return 415;
	return n > BODIES_MAX ? 413 : 0;
}

bool bodies_are_kept_back(
	const struct sip_message *request, const struct trunk *from, const struct trunk *to)
{
	struct body_parts parts;
	struct body_part part;
	bool kept = false;

	if (!request->body.n || !to || body_parts_begin(&parts, request))
		return false;
	while (!kept && body_parts_next(&parts, &part) > 0)
		kept = (body_part_is(&part, SLICE("application"), SLICE("isup")) ||
			       body_part_is(&part, SLICE("application"), SLICE("qsig"))) &&
		       !passes(&part, from, to);
	return kept;
}

struct slice accept_write(const struct trunk *trunk, char out[ACCEPT_SIZE])
{
	struct builder b;

	builder_init(&b, out, ACCEPT_SIZE);
	builder_text(&b, "application/sdp, multipart/mixed");
	for (size_t i = 0; trunk && i < trunk->signalling.n_bodies; i++) {
		builder_text(&b, ", ");
		builder_text(&b, trunk->signalling.bodies[i]);
	}
	return builder_finish(&b);
}

// Those that pass and for which there is room. Returns how many.
static unsigned int parts_find(const struct passage *passage, struct body_part list[BODY_PARTS_MAX])
{
	const struct sip_message *message = passage->message;
	unsigned int n = 0;
	struct body_parts parts;
	struct body_part part;
	size_t size = 0;

	if (!message || !message->body.n || body_parts_begin(&parts, message))
		return 0;
	while (body_parts_next(&parts, &part) > 0) {
		if (is_sdp(&part) || !passes(&part, passage->from, passage->to))
			continue;
		if (size + part.body.n > BODIES_MAX) {
			log_warn(&log_call, "body_left_out", "from=%s to=%s bytes=%zu",
				passage->from->name, passage->to->name, part.body.n);
			continue;
		}
		size += part.body.n;
		list[n++] = part;
	}
	return n;
}

bool bodies_pass(const struct passage *passage)
{
	struct body_part list[BODY_PARTS_MAX];

	return parts_find(passage, list) > 0;
}

// A value that may be folded over lines.
static void field_put(struct builder *b, const char *name, struct slice value)
{
	if (!value.n)
		return;
	builder_text(b, name);
	builder_text(b, ": ");
	for (size_t i = 0; i < value.n; i++)
		builder_char(b, value.p[i] == '\r' || value.p[i] == '\n' ? ' ' : value.p[i]);
	builder_text(b, "\r\n");
}

static void part_fields_put(struct builder *b, const struct body_part *part)
{
	field_put(b, "Content-Disposition", part->disposition);
	field_put(b, "Content-ID", part->id);
	field_put(b, "Content-Language", part->language);
	field_put(b, "Content-Encoding", part->coding);
}

static void delimiter_put(struct builder *b, struct slice boundary, const char *end)
{
	builder_text(b, "--");
	builder_slice(b, boundary);
	builder_text(b, end);
}

static void multipart_put(
	struct builder *b, const char *description, const struct body_part *list, unsigned int n)
{
	size_t size = BODIES_ROOM + NEGOTIATION_TEXT_MAX;
	char *buffer = malloc(size), type[TOKEN_SIZE + 64], token[TOKEN_SIZE];
	struct slice boundary = {token, TOKEN_SIZE};
	struct builder body, value;

	token_make(token);
	builder_init(&body, buffer, buffer ? size : 0);
	if (description[0]) {
		delimiter_put(&body, boundary, "\r\nContent-Type: application/sdp\r\n\r\n");
		builder_text(&body, description);
		builder_text(&body, "\r\n");
	}
	for (unsigned int i = 0; i < n; i++) {
		delimiter_put(&body, boundary, "\r\n");
		field_put(&body, "Content-Type", list[i].type_value);
		part_fields_put(&body, &list[i]);
		field_put(&body, "Content-Transfer-Encoding", list[i].encoding);
		builder_text(&body, "\r\n");
		builder_slice(&body, list[i].body);
		builder_text(&body, "\r\n");
	}
	delimiter_put(&body, boundary, "--\r\n");
	builder_init(&value, type, sizeof(type));
	builder_text(&value, "multipart/mixed;boundary=");
	builder_slice(&value, boundary);
	builder_text(b, "MIME-Version: 1.0\r\n");
	builder_body(b, builder_finish(&value), builder_finish(&body));
	b->overflow = b->overflow || body.overflow;
	slice_free((struct slice){buffer, body.n});
}

void bodies_write(struct builder *b, const char *description, const struct passage *passage)
{
	struct body_part list[BODY_PARTS_MAX];
	unsigned int n = parts_find(passage, list);

	if (!n) {
		builder_body(b, SLICE("application/sdp"), slice_of(description));
	} else if (n == 1 && !description[0] && body_part_is_plain(&list[0])) {
		part_fields_put(b, &list[0]);
		builder_body(b, list[0].type_value, list[0].body);
	} else {
		multipart_put(b, description, list, n);
	}
}
