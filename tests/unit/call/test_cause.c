// Causes of Q.850: what a far end says, and what statuses are.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "cause.h"

// RFC 3398 8.2.6.1.
static void statuses_have_the_causes_of_the_table(void **)
{
	static const struct {
		unsigned int status, cause;
	} rows[] = {{200, 16}, {404, 1}, {408, 102}, {480, 18}, {484, 28}, {486, 17}, {487, 16},
		{503, 41}, {600, 17}, {603, 21}, {499, 127}, {513, 127}, {699, 127}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(cause_of(NULL, rows[i].status), rows[i].cause);
}

static void reason_of_the_network_goes_first(void **)
{
	static const struct {
		const char *headers;
		unsigned int cause;
	} rows[] = {{"Reason: Q.850;cause=31\r\n", 31},
		{"Reason: SIP;cause=486, q.850 ;cause=34;text=\"No circuit\"\r\n", 34},
		{"Reason: SIP;cause=200\r\nReason: Q.850;cause=3\r\n", 3},
		{"Reason: SIP;cause=503\r\n", 17}, {"Reason: Q.850;cause=0\r\n", 17},
		{"Reason: Q.850;cause=4000\r\n", 17}, {"Reason: Q.850\r\n", 17},
		{"Reason: \"\r\n", 17}, {"", 17}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sip_header headers[MESSAGE_MAX_HEADERS];
		struct message_error error;
		struct sip_message message;
		char text[512];
		int n = snprintf(text, sizeof(text),
			"SIP/2.0 486 Busy Here\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKa\r\n"
			"From: <sip:a@h>;tag=1\r\nTo: <sip:b@h>;tag=2\r\nCall-ID: c\r\n"
			"CSeq: 1 INVITE\r\n%s\r\n",
			rows[i].headers);

		assert_int_equal(message_parse(&message, headers, text, (size_t)n, &error), 0);
		assert_int_equal(cause_of(&message, 486), rows[i].cause);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(statuses_have_the_causes_of_the_table),
		cmocka_unit_test(reason_of_the_network_goes_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
