// The framer: where messages end, whatever pieces they come in, and what ends the stream.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "framer.h"
#include "message.h"

#define HEAD "OPTIONS sip:x SIP/2.0\r\n"

// Feed `text` in pieces of `step` and write what comes out: messages in brackets, pings as '.',
// a bad end as '!' and its reason. The bytes are in memory of their own, so that a sanitizer sees
// any look beyond them.
static void run(const char *text, size_t step, char *out, size_t size)
{
	struct framer framer = {0};
	size_t n = strlen(text), start = 0, end = 0, at = 0;
	enum framer_result result = FRAMER_MORE;
	struct frame frame;

	out[0] = '\0';
	while (result != FRAMER_BAD && (result != FRAMER_MORE || end < n)) {
		char *copy;

		if (result == FRAMER_MORE)
			end = end + step < n ? end + step : n;
		copy = malloc(end - start + 1);
		memcpy(copy, text + start, end - start);
		result = framer_next(&framer, copy, end - start, &frame);
		copy[end - start] = '\0';
		if (result == FRAMER_MESSAGE)
			at += (size_t)snprintf(
				out + at, size - at, "[%.*s]", (int)frame.size, copy + frame.skip);
		else if (result == FRAMER_PING)
			at += (size_t)snprintf(out + at, size - at, ".");
		else if (result == FRAMER_BAD)
			at += (size_t)snprintf(
				out + at, size - at, "!%s", frame.reason ? frame.reason : "");
		start += frame.skip + (result == FRAMER_MESSAGE ? frame.size : 0);
		free(copy);
	}
	if (result == FRAMER_MORE && !framer_is_idle(&framer))
		snprintf(out + at, size - at, "...");
}

static void stream_is_cut_the_same_in_pieces_of_any_size(void **)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{"", ""},
		{HEAD "Content-Length: 0\r\n\r\n", "[" HEAD "Content-Length: 0\r\n\r\n]"},
		{HEAD "l:3\r\n\r\nabc" HEAD "l:0\r\n\r\n",
			"[" HEAD "l:3\r\n\r\nabc][" HEAD "l:0\r\n\r\n]"},
		{HEAD "L : 2\r\n\r\n\r\n\r\n\r\n", "[" HEAD "L : 2\r\n\r\n\r\n]."},
		{"SIP/2.0 200 OK\r\nCONTENT-LENGTH:\r\n 1\r\n\r\nx",
			"[SIP/2.0 200 OK\r\nCONTENT-LENGTH:\r\n 1\r\n\r\nx]"},
		{HEAD "X: y\r\n Content-Length: 9\r\nl: 1\r\n\r\nx",
			"[" HEAD "X: y\r\n Content-Length: 9\r\nl: 1\r\n\r\nx]"},
		{HEAD "l: 5\r\n\r\nabc", "..."},
		{HEAD "l: 5\r\n", "..."},
		{"\r\n", ""},
		{"\r\n\r\n", "."},
		{"\r\n\r\n\r\n\r\n\r\n", ".."},
		{"\n\n\r\r\n\r\n", "."},
		{"\r\n" HEAD "l: 0\r\n\r\n\r\n", "[" HEAD "l: 0\r\n\r\n]"},
		{HEAD "X: y\r\n\r\n", "!Content-Length Missing"},
		{HEAD "X: y\r\n\r\n" HEAD "l: 0\r\n\r\n", "!Content-Length Missing"},
		{HEAD "l: 0\r\nContent-Length: 1\r\n\r\n", "!Content-Length Given Twice"},
		{HEAD "l: 0\r\nl: 0\r\n\r\n", "!Content-Length Given Twice"},
		{HEAD "l: -1\r\n\r\n", "!Bad Content-Length"},
		{HEAD "l: 1 2\r\n\r\n", "!Bad Content-Length"},
		{HEAD "l:\r\n\r\n", "!Bad Content-Length"},
		{HEAD "l: 4294967296\r\n\r\n", "!Bad Content-Length"},
		{HEAD "l: 65535\r\n\r\n", "!Message Too Large"},
		{"GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", "!"},
		{"\x16\x03\x01", "!"},
		{HEAD "l: 0\r\n\r\n{", "[" HEAD "l: 0\r\n\r\n]!"},
	};
	char out[1024];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (size_t step = 1; step < 100; step++) {
			run(cases[i].in, step, out, sizeof(out));
			if (strcmp(out, cases[i].out) != 0)
				fail_msg("case %zu in pieces of %zu: %s", i, step, out);
		}
}

static enum framer_result measure(const char *head, size_t fill, size_t length, struct frame *frame)
{
	struct framer framer = {0};
	char *text = malloc(200000), tail[64];
	size_t n = (size_t)sprintf(text, "%s", head), n_tail;
	enum framer_result result;

	n_tail = (size_t)snprintf(tail, sizeof(tail), "\r\nl: %zu\r\n\r\n", length);
	memset(text + n, 'x', fill - n - n_tail);
	memcpy(text + fill - n_tail, tail, n_tail);
	memset(text + fill, 'b', length);
	result = framer_next(&framer, text, fill + length, frame);
	free(text);
	return result;
}

static void sizes_have_limits(void **)
{
	static const char head[] = HEAD "X: ";
	struct frame frame;

	assert_int_equal(measure(head, FRAMER_HEADER_MAX, 0, &frame), FRAMER_MESSAGE);
	assert_int_equal(frame.size, FRAMER_HEADER_MAX);
	assert_int_equal(measure(head, FRAMER_HEADER_MAX + 1, 0, &frame), FRAMER_BAD);
	assert_string_equal(frame.reason, "Header Too Large");
	assert_int_equal(measure(head, 1000, MESSAGE_MAX_SIZE - 1000, &frame), FRAMER_MESSAGE);
	assert_int_equal(frame.size, MESSAGE_MAX_SIZE);
	assert_int_equal(measure(head, 1000, MESSAGE_MAX_SIZE - 999, &frame), FRAMER_BAD);
	assert_string_equal(frame.reason, "Message Too Large");
}

static void header_without_end_is_bad_at_the_limit(void **)
{
	char *text = malloc(FRAMER_HEADER_MAX + 1);
	struct framer framer = {0};
	struct frame frame;

	memset(text, 'x', FRAMER_HEADER_MAX + 1);
	memcpy(text, HEAD, sizeof(HEAD) - 1);
	assert_int_equal(framer_next(&framer, text, FRAMER_HEADER_MAX, &frame), FRAMER_MORE);
	assert_int_equal(framer_next(&framer, text, FRAMER_HEADER_MAX + 1, &frame), FRAMER_BAD);
	assert_string_equal(frame.reason, "Header Too Large");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stream_is_cut_the_same_in_pieces_of_any_size),
		cmocka_unit_test(sizes_have_limits),
		cmocka_unit_test(header_without_end_is_bad_at_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
