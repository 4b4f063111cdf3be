// RFC 4028 as truth tables.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>

#include "check.h"
#include "session_expires.h"

static struct sip_header headers[MESSAGE_MAX_HEADERS];
static struct sip_message message;
static char buffer[4096];

static const struct sip_message *request(const char *extra)
{
	struct message_error error;
	int n = snprintf(buffer, sizeof(buffer),
		"INVITE sip:us@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n"
		"From: <sip:a@b>;tag=1\r\nTo: <sip:us@b>\r\nCall-ID: id\r\n"
		"CSeq: 1 INVITE\r\n%s\r\n",
		extra);

	if (message_parse(&message, headers, buffer, (size_t)n, &error))
		fail_msg("%s", error.reason);
	return &message;
}

static void values_are_cut(void **)
{
	static const struct {
		const char *text;
		int result;
		uint32_t interval_s;
		uint8_t refresher;
	} rows[] = {
		{"1800", 0, 1800, SESSION_REFRESHER_ANY},
		{"90;refresher=uac", 0, 90, SESSION_REFRESHER_UAC},
		{"90 ; Refresher=UAS;x=y", 0, 90, SESSION_REFRESHER_UAS},
		{"90;refresher=me", 0, 90, SESSION_REFRESHER_ANY},
		{"0", 0, 0, SESSION_REFRESHER_ANY},
		{"", -EBADMSG, 0, 0},
		{"-1", -EBADMSG, 0, 0},
		{"4294967296", -EBADMSG, 0, 0},
		{"90;;", -EBADMSG, 0, 0},
		{"ninety", -EBADMSG, 0, 0},
	};
	struct session_expires out;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(
			session_expires_parse(slice_of(rows[i].text), &out), rows[i].result);
		if (rows[i].result)
			continue;
		assert_int_equal(out.interval_s, rows[i].interval_s);
		assert_int_equal(out.refresher, rows[i].refresher);
	}
	assert_int_equal(message_session_expires(request("")).interval_s, 0);
	assert_int_equal(message_session_expires(request("x: 9\r\n")).interval_s, 0);
	assert_int_equal(message_session_expires(request("x: 99999999\r\n")).interval_s, 86400);
	assert_int_equal(message_min_se(request("Min-SE: 120\r\n")), 120);
	assert_int_equal(message_min_se(request("Min-SE: 5\r\n")), 90);
	assert_int_equal(message_min_se(request("")), 90);
}

#define UAC SESSION_REFRESHER_UAC
#define UAS SESSION_REFRESHER_UAS

static void answers_follow_the_table_of_section_9(void **)
{
	static const struct session_timer_wishes usual = {1800, 90, UAC}, us = {1800, 90, UAS},
						 none = {0, 90, UAC}, strict = {1800, 600, UAC};
	static const struct {
		const struct session_timer_wishes *wishes;
		const char *request;
		unsigned int status;
		uint32_t interval_s;
		uint8_t refresher;
	} rows[] = {
		// Who does not know timers leaves the refreshing to us.
		{&usual, "", 0, 1800, UAS},
		{&usual, "Supported: timer\r\n", 0, 1800, UAC},
		{&us, "Supported: timer\r\n", 0, 1800, UAS},
		{&none, "Supported: timer\r\n", 0, 0, UAC},
		// Its choice holds, however it is.
		{&us, "k: timer\r\nx: 900;refresher=uac\r\n", 0, 900, UAC},
		{&usual, "k: timer\r\nx: 900;refresher=uas\r\n", 0, 900, UAS},
		{&none, "k: timer\r\nx: 900\r\n", 0, 900, UAC},
		// Lowered to ours, but not below what it allows.
		{&usual, "k: timer\r\nx: 7200\r\n", 0, 1800, UAC},
		{&usual, "k: timer\r\nx: 7200\r\nMin-SE: 3600\r\n", 0, 3600, UAC},
		{&none, "k: timer\r\nx: 7200\r\n", 0, 7200, UAC},
		// Too little, of somebody who can be told; a proxy's wish is not refused.
		{&strict, "k: timer\r\nx: 599\r\n", 422, 0, 0},
		{&strict, "k: timer\r\nx: 600\r\n", 0, 600, UAC},
		{&strict, "x: 300;refresher=uac\r\n", 0, 300, UAS},
		{&usual, "k: timer\r\nx: 0\r\n", 422, 0, 0},
		{&usual, "k: timer\r\nx: soon\r\n", 422, 0, 0},
		{&usual, "Require: timer\r\nx: 90\r\n", 0, 90, UAC},
	};
	struct session_expires out;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned int status =
			session_expires_answer(rows[i].wishes, request(rows[i].request), &out);

		if (status != rows[i].status)
			fail_msg("row %zu: %u", i, status);
		if (status)
			continue;
		assert_int_equal(out.interval_s, rows[i].interval_s);
		if (out.refresher != rows[i].refresher)
			fail_msg("row %zu: refresher", i);
	}
}

static void header_is_written(void **)
{
	struct session_expires expires = {1800, UAS};
	char text[80];
	struct builder b;

	builder_init(&b, text, sizeof(text));
	session_expires_write(&b, &expires);
	assert_slice(builder_finish(&b), "Session-Expires: 1800;refresher=uas\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_cut),
		cmocka_unit_test(answers_follow_the_table_of_section_9),
		cmocka_unit_test(header_is_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
