// See event_body.h. The body is copied piece by piece; what is recognised is written otherwise.
#include "event_body.h"

#include <stdbool.h>
#include <stdlib.h>

#include "chars.h"

struct writer {
	struct slice host;
	char *p; // NULL: only counts
	size_t n;
};

static void put(struct writer *writer, struct slice text)
{
	if (writer->p && text.n)
		memcpy(writer->p + writer->n, text.p, text.n);
	writer->n += text.n;
}

static bool is_word(char c)
{
	return char_is(c, CHAR_TOKEN) && c != '\'' && c != '`';
}

// Where a URI in running text or an attribute ends.
static bool ends_uri(char c)
{
	return (unsigned char)c <= ' ' || c == '"' || c == '\'' || c == '<' || c == '>' ||
	       c == '&' || c == ',' || c == ')';
}

static size_t scheme_length(struct slice rest)
{
	static const struct slice schemes[] = {
		SLICE("sip:"), SLICE("sips:"), SLICE("pres:"), SLICE("im:")};

	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (slice_starts_nocase(rest, schemes[i]))
			return schemes[i].n;
	return 0;
}

// A URI at the front of `rest`. Returns its length, 0 where there is none.
static size_t uri_put(struct writer *writer, struct slice rest)
{
	size_t scheme = scheme_length(rest), end = scheme, at = 0;

	if (!scheme)
		return 0;
	for (; end < rest.n && !ends_uri(rest.p[end]); end++)
		if (rest.p[end] == '@')
			at = end;
	if (end == scheme)
		return 0; // a scheme and nothing else
	put(writer, (struct slice){rest.p, at ? at + 1 : scheme});
	put(writer, writer->host);
	return end;
}

// ` call-id="..."` and its like at the front of `rest`, which begins with white space. Returns the
// length, 0 where there is none.
static size_t attribute_length(struct slice rest)
{
	static const struct slice names[] = {
		SLICE("call-id"), SLICE("local-tag"), SLICE("remote-tag")};
	size_t n = 1;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct slice tail = slice_skip(rest, 1);
		const char *end;

		if (!slice_starts_nocase(tail, names[i]))
			continue;
		n += names[i].n;
		while (n < rest.n && (unsigned char)rest.p[n] <= ' ')
			n++;
		if (n >= rest.n || rest.p[n] != '=')
			return 0;
		for (n++; n < rest.n && (unsigned char)rest.p[n] <= ' ';)
			n++;
		if (n >= rest.n || (rest.p[n] != '"' && rest.p[n] != '\''))
			return 0;
		end = memchr(rest.p + n + 1, rest.p[n], rest.n - n - 1);
		return end ? (size_t)(end + 1 - rest.p) : rest.n;
	}
	return 0;
}

static void body_put(struct writer *writer, struct slice body)
{
	size_t i = 0;

	while (i < body.n) {
		struct slice rest = slice_skip(body, i);
		bool in_word = i && is_word(body.p[i - 1]);
		size_t taken = 0;

		if ((unsigned char)body.p[i] <= ' ')
			taken = attribute_length(rest);
		else if (!in_word)
			taken = uri_put(writer, rest);
		if (!taken) {
			put(writer, (struct slice){rest.p, 1});
			taken = 1;
		}
		i += taken;
	}
}

struct slice event_body_hide(struct slice body, struct slice host)
{
	struct writer writer = {.host = host};
	char *copy;

	body_put(&writer, body);
	copy = malloc(writer.n + 1);
	if (!copy)
		return (struct slice){};
	writer = (struct writer){.host = host, .p = copy};
	body_put(&writer, body);
	return (struct slice){copy, writer.n};
}
