// Which parts of bodies pass between trunks, and what is refused, as tables.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bodies.h"

static const char *const isup_type[] = {"application/isup"};
static const char *const both_types[] = {"Application/ISUP", "application/pidf+xml"};
static const struct trunk isup = {
	.name = "isup", .signalling = {.bodies = isup_type, .n_bodies = 1}};
static const struct trunk both = {
	.name = "both", .signalling = {.bodies = both_types, .n_bodies = 2}};
static const struct trunk none = {.name = "none"};

static struct sip_header headers[MESSAGE_MAX_HEADERS];
static struct sip_message message;

static void receive(const char *type, const char *body)
{
	static char text[65536];
	struct message_error error;
	int n = snprintf(text, sizeof(text),
		"INVITE sip:b@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\n"
		"From: <sip:a@example.com>;tag=1\r\nTo: <sip:b@example.com>\r\nCall-ID: x\r\n"
		"CSeq: 1 INVITE\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n%s",
		type, strlen(body), body);

	assert_int_equal(message_parse(&message, headers, text, (size_t)n, &error), 0);
}

#define MIXED	 "multipart/mixed;boundary=b"
#define SDP	 "--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n"
#define ISUP(h)	 "--b\r\nContent-Type: application/ISUP;version=itu\r\n" h "\r\n\1\20\r\n"
#define PIDF	 "--b\r\nContent-Type: application/pidf+xml\r\nContent-ID: <p@x>\r\n\r\n<p/>\r\n"
#define END	 "--b--\r\n"
#define OPTIONAL "Content-Disposition: signal;handling=optional\r\n"

static void what_must_be_understood_passes_or_is_refused(void **)
{
	static const struct {
		const char *type, *body;
		const struct trunk *from, *to;
		unsigned int status;
	} rows[] = {
		{"application/sdp", "v=0\r\n", &none, &none, 0},
		{"text/plain", "x", &none, NULL, 415},
		{MIXED, SDP END, &none, &none, 0},
		{MIXED, SDP ISUP("") END, &isup, &both, 0},
		{MIXED, SDP ISUP("") END, &isup, NULL, 0},
		{MIXED, SDP ISUP("") END, NULL, NULL, 415},
		{MIXED, SDP ISUP("") END, &isup, &none, 415},
		{MIXED, SDP ISUP("") END, &none, &isup, 415},
		{MIXED, SDP ISUP(OPTIONAL) END, &isup, &none, 0},
		{MIXED, SDP ISUP("") PIDF END, &isup, &isup, 415},
		{MIXED, SDP ISUP("") PIDF END, &both, &both, 0},
		{MIXED, SDP ISUP(""), &isup, &isup, 400},
		{MIXED, "x", &isup, &isup, 400},
		{"multipart/alternative;boundary=b", PIDF SDP END, &none, &none, 0},
		{"multipart/alternative;boundary=b", PIDF END, &none, &none, 415},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		receive(rows[i].type, rows[i].body);
		assert_int_equal(bodies_check(&message, rows[i].from, rows[i].to), rows[i].status);
	}
}

static void description_is_found_among_parts(void **)
{
	static const char *const rows[][3] = {
		{"application/sdp", "v=0\r\n", "v=0\r\n"},
		{"Application/SDP;x=y", "v=0\r\n", "v=0\r\n"},
		{MIXED, ISUP("") SDP END, "v=0"},
		{MIXED, ISUP("") END, ""},
		{MIXED,
			"--b\r\nContent-Type: application/sdp\r\nContent-Transfer-Encoding: "
			"base64\r\n\r\ndj0w\r\n" END,
			""},
		{"text/plain", "v=0", ""},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		receive(rows[i][0], rows[i][1]);
		assert_true(slice_equal(message_sdp(&message), slice_of(rows[i][2])));
	}
}

// What is written for it, the boundary as "BOUNDARY".
static const char *written(
	const char *description, const struct trunk *from, const struct trunk *to)
{
	const struct passage passage = {.message = &message, .from = from, .to = to};
	static char out[32768];
	char *boundary, token[17] = "";
	struct builder b;

	builder_init(&b, out, sizeof(out) - 1);
	bodies_write(&b, description, &passage);
	assert_false(b.overflow);
	out[b.n] = '\0';
	boundary = strstr(out, "boundary=");
	if (boundary) {
		memcpy(token, boundary + 9, 16);
		while ((boundary = strstr(out, token)))
			memcpy(boundary, "BOUNDARY-16-CHAR", 16);
	}
	return out;
}

static void parts_that_pass_stand_beside_our_description(void **)
{
	receive(MIXED, SDP ISUP(OPTIONAL) PIDF END);
	assert_string_equal(written("v=1\r\n", &isup, &both),
		"MIME-Version: 1.0\r\nContent-Type: multipart/mixed;boundary=BOUNDARY-16-CHAR\r\n"
		"Content-Length: 199\r\n\r\n"
		"--BOUNDARY-16-CHAR\r\nContent-Type: application/sdp\r\n\r\nv=1\r\n\r\n"
		"--BOUNDARY-16-CHAR\r\nContent-Type: application/ISUP;version=itu\r\n" OPTIONAL
		"\r\n\1\20\r\n--BOUNDARY-16-CHAR--\r\n");
	assert_string_equal(written("v=1\r\n", &isup, &none),
		"Content-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=1\r\n");
	assert_string_equal(written("", &isup, &isup), OPTIONAL
		"Content-Type: application/ISUP;version=itu\r\nContent-Length: 2\r\n\r\n\1\20");
	assert_string_equal(written("", &none, &isup), "Content-Length: 0\r\n\r\n");
	assert_non_null(strstr(written("", &both, &both), "Content-ID: <p@x>"));
}

static void too_much_is_refused_or_left_out(void **)
{
	char *body = malloc(BODIES_MAX + 256);
	int n = sprintf(body, "--b\r\nContent-Type: application/isup\r\n\r\n");

	memset(body + n, 'x', BODIES_MAX + 1);
	strcpy(body + n + BODIES_MAX + 1, "\r\n" ISUP("") END);
	receive(MIXED, body);
	assert_int_equal(bodies_check(&message, &isup, &isup), 413);
	assert_string_equal(written("", &isup, &isup),
		"Content-Type: application/ISUP;version=itu\r\nContent-Length: 2\r\n\r\n\1\20");
	free(body);
}

static void signalling_of_isup_is_kept_back_where_it_does_not_pass(void **)
{
	receive("application/isup", "x");
	assert_true(bodies_are_kept_back(&message, &isup, &none));
	assert_false(bodies_are_kept_back(&message, &isup, &both));
	receive(MIXED, PIDF ISUP(OPTIONAL) END);
	assert_true(bodies_are_kept_back(&message, &none, &isup));
	receive("text/plain", "x");
	assert_false(bodies_are_kept_back(&message, &none, &none));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_must_be_understood_passes_or_is_refused),
		cmocka_unit_test(description_is_found_among_parts),
		cmocka_unit_test(parts_that_pass_stand_beside_our_description),
		cmocka_unit_test(too_much_is_refused_or_left_out),
		cmocka_unit_test(signalling_of_isup_is_kept_back_where_it_does_not_pass),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
