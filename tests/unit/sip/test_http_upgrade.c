// Upgrades to WebSocket as a truth table: what is sent, and the status that it gets.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "http_upgrade.h"

#define HOST	 "Host: gw.example.com\r\n"
#define UPGRADE	 "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define KEY	 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" // RFC 6455 1.3
#define VERSION	 "Sec-WebSocket-Version: 13\r\n"
#define PROTOCOL "Sec-WebSocket-Protocol: sip\r\n"
#define FIELDS	 HOST UPGRADE KEY VERSION PROTOCOL
#define GET	 "GET / HTTP/1.1\r\n"

static const struct upgrade_rules anybody;

static unsigned int status_of(const char *text)
{
	return upgrade_read(slice_of(text), &anybody).status;
}

static void answer_is_that_of_the_rfc(void **)
{
	struct upgrade upgrade = upgrade_read(slice_of(GET FIELDS "\r\n"), &anybody);
	char out[UPGRADE_ANSWER_MAX];
	struct slice answer;

	assert_int_equal(upgrade.status, 101);
	assert_string_equal(upgrade.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
	answer = upgrade_answer(&upgrade, out);
	assert_true(slice_equal(
		answer, SLICE("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
			      "Connection: Upgrade\r\nSec-WebSocket-Protocol: sip\r\n"
			      "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")));
}

static void each_request_has_its_status(void **)
{
	static const struct {
		const char *text;
		unsigned int status;
	} table[] = {
		{GET FIELDS "\r\n", 101},
		{"GET /ws HTTP/1.1\r\n" FIELDS "\r\n", 101},
		{"GET /ws?token=1 HTTP/1.1\r\n" FIELDS "\r\n", 101},
		{"GET http://gw.example.com/ws HTTP/1.1\r\n" FIELDS "\r\n", 101},
		{"GET https://gw.example.com HTTP/1.1\r\n" FIELDS "\r\n", 101},
		{GET HOST "upgrade: WebSocket\r\nCONNECTION: keep-alive , upgrade\r\n" KEY VERSION
				PROTOCOL "\r\n",
			101},
		{GET HOST UPGRADE KEY VERSION "Sec-WebSocket-Protocol: chat, sip\r\n\r\n", 101},
		{GET HOST UPGRADE KEY VERSION "Sec-WebSocket-Protocol: chat\r\n" PROTOCOL "\r\n",
			101},
		{GET FIELDS "Content-Length: 0\r\n\r\n", 101},
		{GET FIELDS "Origin: https://evil.example\r\n\r\n", 101},
		{GET "Host: [2001:db8::1]:8080\r\n" UPGRADE KEY VERSION PROTOCOL "\r\n", 101},

		{"", 0},
		{"GET", 0},
		{GET FIELDS, 0},
		{GET FIELDS "\r", 0},

		{GET UPGRADE KEY VERSION PROTOCOL "\r\n", 400},
		{GET "Host:\r\n" UPGRADE KEY VERSION PROTOCOL "\r\n", 400},
		{GET "Host: a b\r\n" UPGRADE KEY VERSION PROTOCOL "\r\n", 400},
		{GET HOST FIELDS "\r\n", 400},
		{GET KEY FIELDS "\r\n", 400},
		{GET VERSION FIELDS "\r\n", 400},
		{GET "Origin: a\r\nOrigin: a\r\n" FIELDS "\r\n", 400},
		{GET HOST UPGRADE VERSION PROTOCOL "\r\n", 400},
		{GET HOST UPGRADE VERSION PROTOCOL "Sec-WebSocket-Key: short\r\n\r\n", 400},
		{GET HOST UPGRADE VERSION PROTOCOL
			"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR==\r\n\r\n",
			400}, // bits behind the sixteenth byte
		{GET HOST UPGRADE VERSION PROTOCOL
			"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j!Q==\r\n\r\n",
			400},
		{GET HOST UPGRADE KEY VERSION "\r\n", 400},
		{GET HOST UPGRADE KEY VERSION "Sec-WebSocket-Protocol: sipx, xsip\r\n\r\n", 400},
		{GET FIELDS " folded\r\n\r\n", 400},
		{GET FIELDS "No colon\r\n\r\n", 400},
		{GET FIELDS "Space : before\r\n\r\n", 400},
		{GET FIELDS ": no name\r\n\r\n", 400},
		{GET FIELDS "X: a\001b\r\n\r\n", 400},
		{GET FIELDS "X: a\rb\r\n\r\n", 400},
		{GET FIELDS "X: bare\n\r\n\r\n", 400},
		{GET FIELDS "Content-Length: 1\r\n\r\n", 400},
		{GET FIELDS "Content-Length: -1\r\n\r\n", 400},
		{GET FIELDS "Transfer-Encoding: chunked\r\n\r\n", 400},
		{GET FIELDS "\r\n\x81\x80", 400},
		{"GET  / HTTP/1.1\r\n" FIELDS "\r\n", 400},
		{"GET /\r\n" FIELDS "\r\n", 400},
		{"OPTIONS sip:us SIP/2.0\r\n" FIELDS "\r\n", 400},
		{"\r\n\r\n", 400},
		{"\x16\x03\x01", 400}, // a hello of TLS

		{"GET /other HTTP/1.1\r\n" FIELDS "\r\n", 404},
		{"GET * HTTP/1.1\r\n" FIELDS "\r\n", 404},
		{"POST / HTTP/1.1\r\n" FIELDS "\r\n", 405},
		{GET HOST "\r\n", 426},
		{GET HOST "Connection: Upgrade\r\n" KEY VERSION PROTOCOL "\r\n", 426},
		{GET HOST "Upgrade: websocket\r\n" KEY VERSION PROTOCOL "\r\n", 426},
		{GET HOST "Upgrade: h2c\r\nConnection: Upgrade\r\n" KEY VERSION PROTOCOL "\r\n",
			426},
		{GET HOST UPGRADE KEY PROTOCOL "\r\n", 426},
		{GET HOST UPGRADE KEY PROTOCOL "Sec-WebSocket-Version: 8\r\n\r\n", 426},
		{"GET / HTTP/1.0\r\n" FIELDS "\r\n", 505},
		{"GET / HTTP/2.0\r\n" FIELDS "\r\n", 505},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		unsigned int status = status_of(table[i].text);

		if (status != table[i].status)
			fail_msg(
				"%u instead of %u for\n%s", status, table[i].status, table[i].text);
	}
}

static void origins_are_a_list(void **)
{
	static const char *const list[] = {"https://phone.example.com", "http://localhost:8000"};
	const struct upgrade_rules rules = {list, 2};
	static const struct {
		const char *field;
		unsigned int status;
	} table[] = {
		{"Origin: https://phone.example.com\r\n", 101},
		{"Origin: http://localhost:8000\r\n", 101},
		{"Origin: http://phone.example.com\r\n", 403},
		{"Origin: https://phone.example.com.evil.example\r\n", 403},
		{"Origin: http://localhost\r\n", 403},
		{"Origin: null\r\n", 403},
		{"Origin:\r\n", 403},
		{"", 403},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		char text[512];

		snprintf(text, sizeof(text), GET FIELDS "%s\r\n", table[i].field);
		assert_int_equal(upgrade_read(slice_of(text), &rules).status, table[i].status);
	}
}

static void origins_in_the_configuration_are_checked(void **)
{
	assert_true(upgrade_origin_valid(SLICE("https://phone.example.com")));
	assert_true(upgrade_origin_valid(SLICE("http://[2001:db8::1]:8000")));
	assert_true(upgrade_origin_valid(SLICE("app://phone")));
	assert_false(upgrade_origin_valid(SLICE("https://phone.example.com/")));
	assert_false(upgrade_origin_valid(SLICE("https://Phone.example.com")));
	assert_false(upgrade_origin_valid(SLICE("phone.example.com")));
	assert_false(upgrade_origin_valid(SLICE("https://")));
	assert_false(upgrade_origin_valid(SLICE("://phone")));
	assert_false(upgrade_origin_valid(SLICE("*")));
	assert_false(upgrade_origin_valid(SLICE("")));
}

static void what_is_too_large_is_refused_before_its_end(void **)
{
	static char text[UPGRADE_HEADER_MAX + 64] = GET;
	struct slice data = {text, sizeof(text)};

	memset(text + strlen(GET), 'a', sizeof(text) - strlen(GET));
	assert_int_equal(upgrade_read(data, &anybody).status, 431);
	data.n = UPGRADE_HEADER_MAX;
	assert_int_equal(upgrade_read(data, &anybody).status, 0);
}

static void too_many_fields_are_refused(void **)
{
	char text[4096] = GET FIELDS;

	for (int i = 0; i < UPGRADE_FIELDS_MAX - 6; i++)
		strcat(text, "a: b\r\n");
	strcat(text, "\r\n");
	assert_int_equal(status_of(text), 101);
	strcpy(text + strlen(text) - 2, "a: b\r\n\r\n");
	assert_int_equal(status_of(text), 400);
}

static void refusals_say_what_would_be_right(void **)
{
	char out[UPGRADE_ANSWER_MAX];
	struct upgrade upgrade = {.status = 426};
	struct slice answer = upgrade_answer(&upgrade, out);

	assert_non_null(memmem(answer.p, answer.n, "\r\nSec-WebSocket-Version: 13\r\n", 29));
	assert_non_null(memmem(answer.p, answer.n, "\r\nUpgrade: websocket\r\n", 22));
	upgrade.status = 405;
	answer = upgrade_answer(&upgrade, out);
	assert_non_null(memmem(answer.p, answer.n, "\r\nAllow: GET\r\n", 14));
	assert_non_null(memmem(answer.p, answer.n, "\r\nConnection: close\r\n", 21));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answer_is_that_of_the_rfc),
		cmocka_unit_test(each_request_has_its_status),
		cmocka_unit_test(origins_are_a_list),
		cmocka_unit_test(origins_in_the_configuration_are_checked),
		cmocka_unit_test(what_is_too_large_is_refused_before_its_end),
		cmocka_unit_test(too_many_fields_are_refused),
		cmocka_unit_test(refusals_say_what_would_be_right),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
