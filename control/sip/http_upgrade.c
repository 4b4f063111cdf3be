// The parser takes what RFC 9112 lets a sender write and nothing else: no folded lines, no bare LF,
// no space before a colon, no body. Who needs more is no WebSocket client.
//
// Subtle: a client waits for our answer before it sends frames (RFC 6455 4.1), so bytes behind the
// request are an error and never reach the framing.
#include "http_upgrade.h"

#include <openssl/evp.h>

#include "builder.h"
#include "chars.h"
#include "uri.h"

enum {
	KEY_SIZE = 24, // 16 bytes in base64
};

enum field {
	FIELD_HOST,
	FIELD_UPGRADE,
	FIELD_CONNECTION,
	FIELD_KEY,
	FIELD_VERSION,
	FIELD_PROTOCOL,
	FIELD_ORIGIN,
	FIELD_LENGTH,
	FIELD_CODING,
	N_FIELDS
};

// Those that are lists may be given in several lines; of the others one is all.
static const struct {
	struct slice name;
	struct slice token; // a list: what must be in it
} fields[N_FIELDS] = {
	[FIELD_HOST] = {SLICE("Host"), {0}},
	[FIELD_UPGRADE] = {SLICE("Upgrade"), SLICE("websocket")},
	[FIELD_CONNECTION] = {SLICE("Connection"), SLICE("Upgrade")},
	[FIELD_KEY] = {SLICE("Sec-WebSocket-Key"), {0}},
	[FIELD_VERSION] = {SLICE("Sec-WebSocket-Version"), {0}},
	[FIELD_PROTOCOL] = {SLICE("Sec-WebSocket-Protocol"), SLICE("sip")},
	[FIELD_ORIGIN] = {SLICE("Origin"), {0}},
	[FIELD_LENGTH] = {SLICE("Content-Length"), {0}},
	[FIELD_CODING] = {SLICE("Transfer-Encoding"), {0}},
};

struct request {
	struct slice values[N_FIELDS]; // of a list: absent unless its token was found
	unsigned int n_lines;
};

static struct upgrade refused(unsigned int status, const char *reason)
{
	return (struct upgrade){.status = status, .reason = reason};
}

static bool list_has(struct slice list, struct slice token)
{
	while (list.p)
		if (slice_equal_nocase(slice_trim(slice_cut(&list, ',')), token))
			return true;
	return false;
}

// ---- lines

// Up to CR LF, which are removed; false where there is a CR or LF of another kind.
static bool line_cut(struct slice *rest, struct slice *line)
{
	*line = slice_cut(rest, '\n');
	if (!line->n || line->p[line->n - 1] != '\r')
		return false;
	line->n--;
	return !line->n || !memchr(line->p, '\r', line->n);
}

static bool is_text(struct slice value)
{
	for (size_t i = 0; i < value.n; i++)
		if (((unsigned char)value.p[i] < ' ' && value.p[i] != '\t') || value.p[i] == 0x7f)
			return false;
	return true;
}

// 9112 3.2: a path, or the whole URI of it. What follows '?' is the client's own affair.
static struct slice path_of(struct slice target)
{
	bool is_whole = slice_starts_nocase(target, SLICE("http://")) ||
			slice_starts_nocase(target, SLICE("https://"));

	if (is_whole) {
		target = slice_skip(
			target, (size_t)((char *)memchr(target.p, ':', target.n) - target.p) + 3);
		slice_cut(&target, '/');
		if (!target.p)
			return SLICE("/");
		target = (struct slice){target.p - 1, target.n + 1};
	}
	return slice_cut(&target, '?');
}

static struct upgrade read_start(struct slice line)
{
	struct slice method = slice_cut(&line, ' '), target = slice_cut(&line, ' ');
	struct slice path;

	if (!chars_are(method, CHAR_TOKEN) || !chars_are(target, CHAR_VISIBLE))
		return refused(400, "no request line");
	if (!slice_equal(line, SLICE("HTTP/1.1")))
		return slice_starts_nocase(line, SLICE("HTTP/")) ? refused(505, "not HTTP/1.1")
								 : refused(400, "no request line");
	if (!slice_equal(method, SLICE("GET")))
		return refused(405, "method is not GET");
	path = path_of(target);
	if (!slice_equal(path, SLICE("/")) && !slice_equal(path, SLICE("/ws")))
		return refused(404, "no such path");
	return (struct upgrade){0};
}

static const char *read_field(struct request *request, struct slice line)
{
	struct slice value = line, name = slice_cut(&value, ':');

	if (!value.p || !chars_are(name, CHAR_TOKEN) || !is_text(value))
		return "bad header field";
	if (++request->n_lines > UPGRADE_FIELDS_MAX)
		return "too many header fields";
	value = slice_trim(value);
	for (unsigned int i = 0; i < N_FIELDS; i++) {
		if (!slice_equal_nocase(name, fields[i].name))
			continue;
		if (fields[i].token.n) {
			if (list_has(value, fields[i].token))
				request->values[i] = value;
			return NULL;
		}
		if (request->values[i].p)
			return "header field given twice";
		request->values[i] = value;
	}
	return NULL;
}

// ---- what they say

// Sixteen bytes in base64: the last character before the padding has four bits to spare.
static bool is_key(struct slice key)
{
	if (key.n != KEY_SIZE || key.p[22] != '=' || key.p[23] != '=')
		return false;
	for (size_t i = 0; i < 22; i++)
		if (!char_is(key.p[i], CHAR_DIGIT) && key.p[i] != '+' && key.p[i] != '/' &&
			!((key.p[i] | 0x20) >= 'a' && (key.p[i] | 0x20) <= 'z'))
			return false;
	return memchr("AQgw", key.p[21], 4);
}

static bool host_valid(struct slice text)
{
	struct slice host;
	uint16_t port;
	bool ipv6;

	return !uri_hostport_parse(text, &host, &port, &ipv6);
}

bool upgrade_origin_valid(struct slice origin)
{
	const char *mark = memmem(origin.p, origin.n, "://", 3);
	struct slice scheme = {origin.p, mark ? (size_t)(mark - origin.p) : 0};

	for (size_t i = 0; i < origin.n; i++)
		if (origin.p[i] >= 'A' && origin.p[i] <= 'Z')
			return false;
	return mark && chars_are(scheme, CHAR_SCHEME) &&
	       host_valid(slice_skip(origin, scheme.n + 3));
}

// Browsers write it in lower case, so the bytes are compared.
static bool origin_allowed(struct slice origin, const struct upgrade_rules *rules)
{
	for (size_t i = 0; i < rules->n_origins; i++)
		if (slice_equal(origin, slice_of(rules->origins[i])))
			return true;
	return !rules->n_origins;
}

static struct upgrade judge(const struct request *request, const struct upgrade_rules *rules)
{
	const struct slice *value = request->values;
	uint32_t length = 0;

	if (!host_valid(value[FIELD_HOST]))
		return refused(400, "no usable Host");
	if (value[FIELD_CODING].p ||
		(value[FIELD_LENGTH].p && (slice_to_u32(value[FIELD_LENGTH], 0, &length))))
		return refused(400, "a body");
	if (!value[FIELD_UPGRADE].p || !value[FIELD_CONNECTION].p)
		return refused(426, "no upgrade to websocket");
	if (!slice_equal(value[FIELD_VERSION], SLICE("13")))
		return refused(426, "version of WebSocket is not 13");
	if (!is_key(value[FIELD_KEY]))
		return refused(400, "no usable Sec-WebSocket-Key");
	if (!origin_allowed(value[FIELD_ORIGIN], rules))
		return refused(403, "origin is not allowed");
	if (!value[FIELD_PROTOCOL].p) // RFC 7118 4.1
		return refused(400, "subprotocol sip is not offered");
	return (struct upgrade){.status = 101};
}

// RFC 6455 4.2.2, 5.4.
static bool accept_make(struct slice key, char out[UPGRADE_ACCEPT_SIZE])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	char text[KEY_SIZE + sizeof(guid) - 1];
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned int n;

	memcpy(text, key.p, KEY_SIZE);
	memcpy(text + KEY_SIZE, guid, sizeof(guid) - 1);
	if (!EVP_Digest(text, sizeof(text), hash, &n, EVP_sha1(), NULL))
		return false;
	EVP_EncodeBlock((unsigned char *)out, hash, (int)n);
	return true;
}

struct upgrade upgrade_read(struct slice data, const struct upgrade_rules *rules)
{
	const char *end = data.n ? memmem(data.p, data.n, "\r\n\r\n", 4) : NULL;
	struct slice rest = {data.p, end ? (size_t)(end + 2 - data.p) : 0}, line;
	struct request request = {0};
	struct upgrade upgrade;

	if (!end && data.n > UPGRADE_HEADER_MAX)
		return refused(431, "header is too large");
	// Something else than HTTP is told so at once, and not kept waiting for more of it.
	if (!end && data.n && !char_is(data.p[0], CHAR_TOKEN))
		return refused(400, "no request line");
	if (!end)
		return (struct upgrade){0};
	if (rest.n > UPGRADE_HEADER_MAX)
		return refused(431, "header is too large");
	if (!line_cut(&rest, &line))
		return refused(400, "no request line");
	upgrade = read_start(line);
	while (!upgrade.status && rest.n) {
		const char *wrong =
			line_cut(&rest, &line) ? read_field(&request, line) : "bad end of line";

		if (wrong)
			return refused(400, wrong);
	}
	if (!upgrade.status)
		upgrade = judge(&request, rules);
	if (upgrade.status != 101)
		return upgrade;
	if (end + 4 != data.p + data.n)
		return refused(400, "bytes behind the request");
	if (!accept_make(request.values[FIELD_KEY], upgrade.accept))
		return refused(500, "no SHA-1");
	return upgrade;
}

// ---- the answer

static const char *phrase(unsigned int status)
{
	switch (status) {
	case 400:
		return "400 Bad Request";
	case 403:
		return "403 Forbidden";
	case 404:
		return "404 Not Found";
	case 405:
		return "405 Method Not Allowed\r\nAllow: GET";
	case 426: // 9110 15.5.22, RFC 6455 4.4
		return "426 Upgrade Required\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13";
	case 431:
		return "431 Request Header Fields Too Large";
	case 505:
		return "505 HTTP Version Not Supported";
	default:
		return "500 Internal Server Error";
	}
}

struct slice upgrade_answer(const struct upgrade *upgrade, char *out)
{
	struct builder b;

	builder_init(&b, out, UPGRADE_ANSWER_MAX);
	builder_slice(&b, SLICE("HTTP/1.1 "));
	if (upgrade->status == 101) {
		builder_slice(&b, SLICE("101 Switching Protocols\r\nUpgrade: websocket\r\n"
					"Connection: Upgrade\r\nSec-WebSocket-Protocol: sip\r\n"
					"Sec-WebSocket-Accept: "));
		builder_text(&b, upgrade->accept);
		builder_slice(&b, SLICE("\r\n\r\n"));
	} else {
		builder_text(&b, phrase(upgrade->status));
		builder_slice(&b, upgrade->status == 426 ? SLICE("\r\nConnection: Upgrade, close")
							 : SLICE("\r\nConnection: close"));
		builder_slice(&b, SLICE("\r\nContent-Length: 0\r\n\r\n"));
	}
	return builder_finish(&b);
}
