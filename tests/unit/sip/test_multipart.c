// Parts of bodies: what is one, what is in it, and what is none.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "check.h"
#include "multipart.h"

static struct sip_header headers[MESSAGE_MAX_HEADERS];
static struct sip_message message;

// A message with that body, its text an exact heap copy so that reading behind it is noticed.
static void receive(const char *type, const char *body)
{
	static char *buffer;
	struct message_error error;
	char text[8192];
	int n = snprintf(text, sizeof(text),
		"INVITE sip:b@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\n"
		"From: <sip:a@example.com>;tag=1\r\nTo: <sip:b@example.com>\r\nCall-ID: x\r\n"
		"CSeq: 1 INVITE\r\n%sContent-Length: %zu\r\n\r\n%s",
		type, strlen(body), body);

	free(buffer);
	buffer = malloc((size_t)n);
	memcpy(buffer, text, (size_t)n);
	assert_int_equal(message_parse(&message, headers, buffer, (size_t)n, &error), 0);
}

#define MIXED(boundary) "Content-Type: multipart/mixed;boundary=" boundary "\r\n"

// "type/subtype=body|..." of all parts, "!" where it ends in an error.
static const char *parts_of(const char *type, const char *body)
{
	static char out[4096];
	struct body_parts parts;
	struct body_part part;
	size_t n = 0;
	int more;

	out[0] = '\0';
	receive(type, body);
	if (body_parts_begin(&parts, &message))
		return "!!";
	while ((more = body_parts_next(&parts, &part)) > 0)
		n += (size_t)snprintf(out + n, sizeof(out) - n,
			"%s" SLICE_FMT "/" SLICE_FMT "=" SLICE_FMT, n ? "|" : "",
			SLICE_ARG(part.type.type), SLICE_ARG(part.type.subtype),
			SLICE_ARG(part.body));
	snprintf(out + n, sizeof(out) - n, "%s", more ? "!" : "");
	return out;
}

static void bodies_are_cut_into_parts(void **)
{
	static const struct {
		const char *type, *body, *parts;
	} rows[] = {
		{"", "", ""},
		{"", "x", "!!"},
		{"Content-Type: application/sdp\r\n", "v=0\r\n", "application/sdp=v=0\r\n"},
		{MIXED("b"), "--b\r\nContent-Type: a/b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\n",
			"a/b=one|text/plain=two"},
		{MIXED("\"a b\""), "before\r\n--a b\r\nc:a/b\r\n\r\n1\r\n--a b--after", "!"},
		{MIXED("\"a b\""), "before\r\n--a b \t\r\nc:a/b\r\n\r\n1\r\n--a b-- \r\nafter",
			"a/b=1"},
		{MIXED("b"), "--b\nContent-Type: a/b\n\nline\nfeeds\n--b--", "a/b=line\nfeeds"},
		{MIXED("b"), "--b\r\nc: a/b\r\n\r\n--bb\r\n-- b\r\n\r\n--b--",
			"a/b=--bb\r\n-- b\r\n"},
		{MIXED("b"), "--b\r\nc: a/b\r\n\r\n\r\n--b--", "a/b="},
		{MIXED("b"), "--b\r\nc: a/b\r\n\r\n--b--", "a/b="},
		{MIXED("b"), "--b\r\nContent-Type: multipart/x;\r\n boundary=c\r\n\r\n1\r\n--b--",
			"multipart/x=1"},
		{MIXED("b"), "--b\r\nc: a/b\r\n\r\nnever ends", "!"},
		{MIXED("b"), "--b\r\nc: a/b\r\n--b--", "!"},
		{MIXED("b"), "--b\r\nno field\r\n\r\n1\r\n--b--", "!"},
		{MIXED("b"), "--b\r\nc: no-type\r\n\r\n1\r\n--b--", "!"},
		{MIXED("b"), "--b--\r\n", "!!"},
		{MIXED("b"), "nothing\r\n", "!!"},
		{MIXED("b"), "--b", "!"},
		{MIXED("b"), "--b\r\n", "!"},
		{"Content-Type: multipart/mixed\r\n", "--\r\nc: a/b\r\n\r\n1\r\n----", "!!"},
		{MIXED("\"\""), "--\r\nc: a/b\r\n\r\n1\r\n----", "!!"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_string_equal(parts_of(rows[i].type, rows[i].body), rows[i].parts);
}

static void parts_are_not_without_number(void **)
{
	char body[4096] = "";
	struct body_parts parts;
	struct body_part part;
	unsigned int n = 0;
	int more;

	for (unsigned int i = 0; i < BODY_PARTS_MAX + 1; i++)
		strcat(body, "--b\r\n\r\nx\r\n");
	strcat(body, "--b--");
	receive(MIXED("b"), body);
	assert_int_equal(body_parts_begin(&parts, &message), 0);
	while ((more = body_parts_next(&parts, &part)) > 0)
		n++;
	assert_int_equal(n, BODY_PARTS_MAX);
	assert_int_equal(more, -EBADMSG);
}

static void fields_say_how_to_take_a_part(void **)
{
	static const struct {
		const char *fields;
		bool required, plain;
	} rows[] = {
		{"", true, true},
		{"Content-Disposition: signal\r\n", true, true},
		{"Content-Disposition: signal;handling=optional\r\n", false, true},
		{"content-disposition: signal ; Handling = Optional\r\n", false, true},
		{"Content-Disposition: signal;handling=required\r\n", true, true},
		{"Content-Disposition: signal;handling=perhaps\r\n", true, true},
		{"Content-Disposition: signal;\r\n", true, true},
		{"Content-Transfer-Encoding: Binary\r\n", true, true},
		{"Content-Transfer-Encoding: base64\r\n", true, false},
		{"Content-Encoding: gzip\r\n", true, false},
		{"e: identity\r\n", true, true},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct body_parts parts;
		struct body_part part;
		char body[256];

		snprintf(body, sizeof(body), "--b\r\n%sContent-ID: <i@d>\r\n\r\nx\r\n--b--",
			rows[i].fields);
		receive(MIXED("b"), body);
		assert_int_equal(body_parts_begin(&parts, &message), 0);
		assert_int_equal(body_parts_next(&parts, &part), 1);
		assert_int_equal(body_part_is_required(&part), rows[i].required);
		assert_int_equal(body_part_is_plain(&part), rows[i].plain);
		assert_slice(part.id, "<i@d>");
		assert_int_equal(body_parts_next(&parts, &part), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bodies_are_cut_into_parts),
		cmocka_unit_test(parts_are_not_without_number),
		cmocka_unit_test(fields_say_how_to_take_a_part),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
