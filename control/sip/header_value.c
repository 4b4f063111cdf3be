// Values of header fields, one parser each, as lenient as RFC 4475 allows where no two readings are
// possible, and strict elsewhere.
#include <errno.h>

#include "chars.h"
#include "header.h"

int list_next(struct slice *rest, struct slice *value)
{
	struct slice r = slice_skip_space(*rest), found;
	bool in_angle = false;
	size_t n;

	if (!r.n)
		return 0;
	for (n = 0; n < r.n && (in_angle || r.p[n] != ','); n++) {
		if (r.p[n] == '"' && !in_angle) {
			size_t quoted = chars_quoted(slice_skip(r, n));

			if (!quoted)
				return -EBADMSG;
			n += quoted - 1;
		} else if (r.p[n] == '<') {
			in_angle = true;
		} else if (r.p[n] == '>') {
			in_angle = false;
		}
	}
	found = slice_trim((struct slice){r.p, n});
	if (!found.n || in_angle)
		return -EBADMSG;
	if (n < r.n && !slice_skip_space(slice_skip(r, n + 1)).n)
		return -EBADMSG; // a comma at the end
	*rest = n < r.n ? slice_skip(r, n + 1) : (struct slice){0};
	*value = found;
	return 1;
}

// Display name and what follows it; the name may be a quoted string or words.
static int display_cut(struct slice *rest, struct slice *display)
{
	const char *angle;

	if (rest->p[0] == '"') {
		size_t n = chars_quoted(*rest);

		if (!n)
			return -EBADMSG;
		*display = (struct slice){rest->p + 1, n - 2};
		*rest = slice_skip_space(slice_skip(*rest, n));
		return rest->n && rest->p[0] == '<' ? 0 : -EBADMSG;
	}
	angle = memchr(rest->p, '<', rest->n);
	if (!angle)
		return 0;
	if (angle > rest->p) {
		*display = slice_trim((struct slice){rest->p, (size_t)(angle - rest->p)});
		if (memchr(display->p, '"', display->n))
			return -EBADMSG;
	}
	*rest = slice_skip(*rest, (size_t)(angle - rest->p));
	return 0;
}

// In angle brackets, or bare: then it ends at the first ';' and can hold no ',' or '?' (20.10).
static int uri_cut(struct slice *rest, struct slice *uri)
{
	size_t n = 0;

	if (rest->p[0] == '<') {
		*rest = slice_skip(*rest, 1);
		*uri = slice_trim(slice_cut(rest, '>'));
		return rest->p && uri->n ? 0 : -EBADMSG;
	}
	while (n < rest->n && rest->p[n] != ';' && !char_is_space(rest->p[n]))
		n++;
	*uri = (struct slice){rest->p, n};
	*rest = slice_skip(*rest, n);
	return n && !memchr(uri->p, '?', n) && !memchr(uri->p, ',', n) ? 0 : -EBADMSG;
}

int nameaddr_parse(struct slice value, struct nameaddr *out)
{
	struct nameaddr found = {.value = value};
	struct slice rest = slice_trim(value);

	if (!rest.n || display_cut(&rest, &found.display) || uri_cut(&rest, &found.uri))
		return -EBADMSG;
	if (!chars_are(found.uri, CHAR_VISIBLE))
		return -EBADMSG;
	rest = slice_skip_space(rest);
	if (params_check(rest))
		return -EBADMSG;
	if (rest.n)
		found.params = rest;
	*out = found;
	return 0;
}

// "SIP / 2.0 / UDP", white space around the slashes allowed.
static int sent_protocol_cut(struct slice *rest, struct slice *transport)
{
	struct slice name = slice_trim(slice_cut(rest, '/'));
	struct slice version = slice_trim(slice_cut(rest, '/'));
	size_t n = 0;

	if (!rest->p || !slice_equal_nocase(name, SLICE("SIP")) ||
		!slice_equal(version, SLICE("2.0")))
		return -EBADMSG;
	*rest = slice_skip_space(*rest);
	while (n < rest->n && char_is(rest->p[n], CHAR_TOKEN))
		n++;
	*transport = (struct slice){rest->p, n};
	*rest = slice_skip(*rest, n);
	return n && rest->n && char_is_space(rest->p[0]) ? 0 : -EBADMSG;
}

static int via_param(struct via *via, const struct param *param)
{
	uint32_t number;

	if (slice_equal_nocase(param->name, SLICE("branch"))) {
		via->branch = param->value;
	} else if (slice_equal_nocase(param->name, SLICE("received"))) {
		via->received = param->value;
	} else if (slice_equal_nocase(param->name, SLICE("maddr"))) {
		via->maddr = param->value;
	} else if (slice_equal_nocase(param->name, SLICE("rport"))) {
		via->has_rport = true;
		if (param->value.n) {
			if (slice_to_u32(param->value, UINT16_MAX, &number))
				return -EBADMSG;
			via->rport = (uint16_t)number;
		}
	} else if (slice_equal_nocase(param->name, SLICE("ttl"))) {
		if (slice_to_u32(param->value, UINT8_MAX, &number))
			return -EBADMSG;
		via->ttl = (uint8_t)number;
	}
	return 0;
}

int via_parse(struct slice value, struct via *out)
{
	struct via via = {.value = value};
	struct slice rest = slice_trim(value), params, sent_by;
	struct param param;
	const char *semicolon;
	int more;

	if (sent_protocol_cut(&rest, &via.transport))
		return -EBADMSG;
	semicolon = memchr(rest.p, ';', rest.n);
	sent_by = rest;
	if (semicolon) {
		sent_by.n = (size_t)(semicolon - rest.p);
		via.params = slice_skip(rest, sent_by.n);
	}
	if (uri_hostport_parse(sent_by, &via.host, &via.port, &via.host_is_ipv6))
		return -EBADMSG;
	params = via.params;
	while ((more = params_next(&params, &param)) > 0)
		if (via_param(&via, &param))
			return -EBADMSG;
	if (more)
		return -EBADMSG;
	*out = via;
	return 0;
}

// The next word up to white space; what follows starts at the word after.
static struct slice take_word(struct slice *rest)
{
	struct slice word = {rest->p, 0};

	while (word.n < rest->n && !char_is_space(rest->p[word.n]))
		word.n++;
	*rest = slice_skip_space(slice_skip(*rest, word.n));
	return word;
}

int cseq_parse(struct slice value, uint32_t *number, struct slice *method)
{
	struct slice rest = value, digits = take_word(&rest);
	uint32_t found;

	if (slice_to_u32(digits, INT32_MAX, &found) || !chars_are(rest, CHAR_TOKEN))
		return -EBADMSG;
	*number = found;
	*method = rest;
	return 0;
}

int content_type_parse(struct slice value, struct content_type *out)
{
	struct slice rest = value;
	const char *semicolon = value.n ? memchr(value.p, ';', value.n) : NULL;
	struct content_type found = {0};

	if (semicolon) {
		rest.n = (size_t)(semicolon - value.p);
		found.params = slice_skip(value, rest.n);
	}
	found.type = slice_trim(slice_cut(&rest, '/'));
	found.subtype = slice_trim(rest);
	if (!chars_are(found.type, CHAR_TOKEN) || !chars_are(found.subtype, CHAR_TOKEN) ||
		params_check(found.params))
		return -EBADMSG;
	*out = found;
	return 0;
}

int reason_parse(struct slice value, struct reason *out)
{
	const char *semicolon = value.n ? memchr(value.p, ';', value.n) : NULL;
	struct reason found = {.protocol = value};
	struct slice params = {0}, cause;

	if (semicolon) {
		found.protocol.n = (size_t)(semicolon - value.p);
		params = slice_skip(value, found.protocol.n);
	}
	found.protocol = slice_trim(found.protocol);
	if (!chars_are(found.protocol, CHAR_TOKEN) || params_check(params))
		return -EBADMSG;
	if (params_find(params, SLICE("cause"), &cause) && slice_to_u32(cause, 999, &found.cause))
		return -EBADMSG;
	params_find(params, SLICE("text"), &found.text);
	*out = found;
	return 0;
}

int rack_parse(struct slice value, uint32_t *rseq, uint32_t *cseq, struct slice *method)
{
	struct slice rest = value, digits = take_word(&rest), name;
	uint32_t response_number, request_number;

	if (slice_to_u32(digits, UINT32_MAX, &response_number) ||
		cseq_parse(rest, &request_number, &name))
		return -EBADMSG;
	*rseq = response_number;
	*cseq = request_number;
	*method = name;
	return 0;
}
