// What relayed requests are made of: who may send which, and the header fields beside those that
// test_pass.c knows.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "relay.h"

static void allow_is_what_the_trunk_may(void **)
{
	static const struct {
		uint8_t requests;
		const char *more;
	} rows[] = {
		{0, ""},
		{TRUNK_REQUESTS_MESSAGE, ", MESSAGE"},
		{TRUNK_REQUESTS_PUBLISH | TRUNK_REQUESTS_NOTIFY, ", PUBLISH"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct trunk trunk = {.signalling.requests = rows[i].requests};
		char out[ALLOW_SIZE], wanted[ALLOW_SIZE];
		struct slice allow = allow_write(&trunk, out);

		snprintf(wanted, sizeof(wanted), LEG_ALLOW "%s", rows[i].more);
		assert_true(slice_equal(allow, slice_of(wanted)));
	}
	char out[ALLOW_SIZE];

	assert_true(slice_equal(allow_write(NULL, out), SLICE(LEG_ALLOW)));
}

static void no_trunk_and_no_other_method_may_pass(void **)
{
	const struct trunk all = {.signalling.requests = UINT8_MAX};

	assert_false(request_may_pass(NULL, METHOD_MESSAGE));
	for (enum method m = METHOD_OTHER; m < METHOD_N; m++)
		assert_int_equal(request_may_pass(&all, m),
			m == METHOD_MESSAGE || m == METHOD_PUBLISH || m == METHOD_NOTIFY ||
				m == METHOD_SUBSCRIBE);
}

// The fields that are copied from a request with all of them.
static const char *copied(const char *method)
{
	static char out[4096];
	struct sip_header headers[MESSAGE_MAX_HEADERS];
	struct sip_message message;
	struct message_error error;
	struct builder b;
	char text[4096];
	int n = snprintf(text, sizeof(text),
		"%s sip:1@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKa\r\n"
		"From: <sip:1@10.0.0.9>;tag=1\r\nTo: <sip:1@192.0.2.1>\r\nCall-ID: a\r\n"
		"CSeq: 1 %s\r\nContact: <sip:1@10.0.0.9>\r\nEvent: presence;id=1\r\nAccept: a/b\r\n"
		"Expires: 60\r\nSIP-If-Match: e1\r\nSIP-ETag: e2\r\nSuppress-If-Match: e3\r\n"
		"Allow-Events: presence\r\nIn-Reply-To: x@10.0.0.9\r\nContent-Length: 0\r\n\r\n",
		method, method);

	assert_int_equal(message_parse(&message, headers, text, (size_t)n, &error), 0);
	builder_init(&b, out, sizeof(out) - 1);
	request_headers_copy(&b, &message);
	out[b.n] = '\0';
	return out;
}

static void each_method_has_its_header_fields(void **)
{
	assert_string_equal(copied("MESSAGE"), "Expires: 60\r\n");
	assert_string_equal(
		copied("PUBLISH"), "Event: presence;id=1\r\nExpires: 60\r\nSIP-If-Match: e1\r\n");
	assert_string_equal(copied("NOTIFY"),
		"Event: presence;id=1\r\nAllow-Events: presence\r\nSIP-ETag: e2\r\n");
	assert_string_equal(copied("INFO"), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(allow_is_what_the_trunk_may),
		cmocka_unit_test(no_trunk_and_no_other_method_may_pass),
		cmocka_unit_test(each_method_has_its_header_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
