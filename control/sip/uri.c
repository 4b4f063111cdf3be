// URIs: cut at the few separators that the grammar reserves, then check the characters of each
// part.
#include "uri.h"

#include <arpa/inet.h>
#include <errno.h>

#include "chars.h"
#include "params.h"

bool uri_host_valid(struct slice host, bool ipv6)
{
	struct in6_addr address;
	char text[INET6_ADDRSTRLEN];

	if (!ipv6)
		return host.n <= 255 && chars_are(host, CHAR_HOST) && host.p[0] != '.' &&
		       host.p[0] != '-';
	if (!host.n || host.n >= sizeof(text))
		return false;
	memcpy(text, host.p, host.n);
	text[host.n] = '\0';
	return strlen(text) == host.n && inet_pton(AF_INET6, text, &address) == 1;
}

static int port_parse(struct slice text, uint16_t *port)
{
	uint32_t value;

	if (slice_to_u32(text, UINT16_MAX, &value) || value == 0)
		return -EBADMSG;
	*port = (uint16_t)value;
	return 0;
}

// Via allows white space around the colon; a URI has had its white space refused before.
int uri_hostport_parse(struct slice text, struct slice *host, uint16_t *port, bool *ipv6)
{
	struct slice rest = slice_trim(text), name;
	bool reference = rest.n && rest.p[0] == '[';
	uint16_t number = 0;

	if (reference) {
		rest = slice_skip(rest, 1);
		name = slice_cut(&rest, ']');
		if (!rest.p)
			return -EBADMSG;
		rest = slice_skip_space(rest);
		if (rest.n && rest.p[0] != ':')
			return -EBADMSG;
		rest = rest.n ? slice_skip(rest, 1) : (struct slice){0};
	} else {
		name = slice_trim(slice_cut(&rest, ':'));
	}
	if (rest.p && port_parse(slice_trim(rest), &number))
		return -EBADMSG;
	if (!uri_host_valid(name, reference))
		return -EBADMSG;
	*host = name;
	*port = number;
	*ipv6 = reference;
	return 0;
}

static int userinfo_parse(struct slice text, struct uri *uri)
{
	struct slice rest = text;

	uri->user = slice_cut(&rest, ':');
	uri->password = rest;
	if (!chars_are(uri->user, CHAR_USER))
		return -EBADMSG;
	if (uri->password.n && !chars_are(uri->password, CHAR_USER))
		return -EBADMSG;
	return 0;
}

// Cut "core;params?headers" at the separators.
static struct slice tail_cut(struct slice text, struct uri *uri)
{
	struct slice headers = text, params = slice_cut(&headers, '?');
	struct slice core = slice_cut(&params, ';');

	uri->headers = headers;
	if (params.p) // with their ';'
		uri->params = (struct slice){params.p - 1, params.n + 1};
	return core;
}

// '@' has to be escaped everywhere but behind the user, so the first one is it; the user may hold
// ';' and '?' (RFC 4475 3.1.1.9).
static int sip_parse(struct slice text, struct uri *uri)
{
	struct slice rest = text, user = slice_cut(&rest, '@');

	if (!rest.p)
		rest = user;
	else if (userinfo_parse(user, uri))
		return -EBADMSG;
	rest = tail_cut(rest, uri);
	if (uri->headers.p && !chars_are(uri->headers, CHAR_VALUE | CHAR_USER))
		return -EBADMSG;
	if (params_check(uri->params))
		return -EBADMSG;
	return uri_hostport_parse(rest, &uri->host, &uri->port, &uri->host_is_ipv6);
}

static int tel_parse(struct slice text, struct uri *uri)
{
	uri->user = tail_cut(text, uri);
	if (uri->headers.p || !chars_are(uri->user, CHAR_USER) || params_check(uri->params))
		return -EBADMSG;
	return 0;
}

static enum uri_scheme scheme_from(struct slice name)
{
	if (slice_equal_nocase(name, SLICE("sip")))
		return URI_SIP;
	if (slice_equal_nocase(name, SLICE("sips")))
		return URI_SIPS;
	if (slice_equal_nocase(name, SLICE("tel")))
		return URI_TEL;
	return URI_OTHER;
}

int uri_parse(struct slice text, struct uri *out)
{
	struct slice rest = text, scheme = slice_cut(&rest, ':');
	struct uri uri = {.text = text, .scheme = scheme_from(scheme)};
	int error = 0;

	if (!rest.p || !chars_are(scheme, CHAR_SCHEME) || char_is(scheme.p[0], CHAR_DIGIT) ||
		!chars_are(rest, CHAR_VALUE | CHAR_USER))
		return -EBADMSG;
	if (uri.scheme == URI_SIP || uri.scheme == URI_SIPS)
		error = sip_parse(rest, &uri);
	else if (uri.scheme == URI_TEL)
		error = tel_parse(rest, &uri);
	if (error)
		return error;
	*out = uri;
	return 0;
}

bool uri_is_sips(struct slice text)
{
	return slice_starts_nocase(text, SLICE("sips:"));
}

bool uri_is_loose(const struct uri *uri)
{
	return params_find(uri->params, SLICE("lr"), NULL);
}

// The character at the start of `text`, an escape undone; `text` moves on.
static char take_unescaped(struct slice *text)
{
	char c = text->p[0];
	size_t n = 1;

	if (c == '%' && text->n >= 3 && char_is(text->p[1], CHAR_HEX) &&
		char_is(text->p[2], CHAR_HEX)) {
		c = (char)(char_hex_value(text->p[1]) << 4 | char_hex_value(text->p[2]));
		n = 3;
	}
	*text = slice_skip(*text, n);
	return c;
}

int uri_unescape(struct slice text, char *out, size_t size)
{
	size_t n = 0;

	while (text.n) {
		if (n == size)
			return -ENOSPC;
		out[n++] = take_unescaped(&text);
	}
	return (int)n;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool equal_unescaped(struct slice a, struct slice b, bool nocase)
{
	while (a.n && b.n) {
		char x = take_unescaped(&a), y = take_unescaped(&b);

		if (nocase ? lower(x) != lower(y) : x != y)
			return false;
	}
	return a.n == b.n;
}

// A parameter in only one of two URIs makes them differ only where 19.1.4 lists it.
static bool param_must_be_in_both(struct slice name)
{
	static const struct slice names[] = {
		SLICE("user"), SLICE("ttl"), SLICE("method"), SLICE("maddr"), SLICE("transport")};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (slice_equal_nocase(name, names[i]))
			return true;
	return false;
}

static bool params_agree(struct slice a, struct slice b)
{
	struct param param;
	struct slice value;

	while (params_next(&a, &param) > 0) {
		if (params_find(b, param.name, &value)) {
			if (!equal_unescaped(param.value, value, true))
				return false;
		} else if (param_must_be_in_both(param.name)) {
			return false;
		}
	}
	return true;
}

// Every "name=value" of `a` is in `b`, whatever the order.
static bool headers_within(struct slice a, struct slice b)
{
	while (a.n) {
		struct slice wanted = slice_cut(&a, '&'), rest = b;
		bool found = false;

		while (rest.n && !found)
			found = equal_unescaped(wanted, slice_cut(&rest, '&'), true);
		if (!found)
			return false;
	}
	return true;
}

bool uri_equal(const struct uri *a, const struct uri *b)
{
	if (a->scheme != b->scheme)
		return false;
	if (a->scheme == URI_OTHER)
		return slice_equal(a->text, b->text);
	return (!a->user.p) == (!b->user.p) && equal_unescaped(a->user, b->user, false) &&
	       equal_unescaped(a->password, b->password, false) &&
	       slice_equal_nocase(a->host, b->host) && a->port == b->port &&
	       params_agree(a->params, b->params) && params_agree(b->params, a->params) &&
	       headers_within(a->headers, b->headers) && headers_within(b->headers, a->headers);
}
