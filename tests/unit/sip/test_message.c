// The message parser on messages of our own, one for each class of RFC 4475, so that these tests
// stand without the public vectors.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "check.h"
#include "message.h"

static struct sip_header headers[MESSAGE_MAX_HEADERS];
static struct sip_message message;
static struct message_error error;
static char *buffer;

// Parse an exact heap copy. Returns 0, the status of the answer, or -1 for a drop.
static int parse_bytes(const char *text, size_t size)
{
	free(buffer);
	buffer = malloc(size);
	memcpy(buffer, text, size);
	if (message_parse(&message, headers, buffer, size, &error) == 0)
		return 0;
	return error.status ? (int)error.status : -1;
}

static int parse(const char *text)
{
	return parse_bytes(text, strlen(text));
}

static int teardown(void **)
{
	free(buffer);
	buffer = NULL;
	return 0;
}

#define VIA  "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\n"
#define FROM "From: <sip:a@example.com>;tag=1\r\n"
#define TO   "To: <sip:b@example.com>\r\n"
#define ID   "Call-ID: x@192.0.2.1\r\n"
#define CSEQ "CSeq: 1 INVITE\r\n"
#define LINE "INVITE sip:b@example.com SIP/2.0\r\n"
#define CORE VIA FROM TO ID CSEQ

static void request_is_cut_into_its_parts(void **)
{
	assert_int_equal(
		parse(LINE CORE "Max-Forwards: 69\r\nX-Own:  v \r\n"
				"Content-Type: application/sdp\r\nContent-Length: 3\r\n\r\nabc"),
		0);
	assert_true(message_is_request(&message));
	assert_int_equal(message.method, METHOD_INVITE);
	assert_slice(message.uri, "sip:b@example.com");
	assert_slice(message.request_uri.host, "example.com");
	assert_slice(message.via.branch, "z9hG4bKx");
	assert_slice(message.from.uri, "sip:a@example.com");
	assert_slice(message.from_tag, "1");
	assert_null(message.to_tag.p);
	assert_slice(message.call_id, "x@192.0.2.1");
	assert_int_equal(message.cseq, 1);
	assert_int_equal(message.max_forwards, 69);
	assert_slice(message.body, "abc");
	assert_slice(message_value_named(&message, SLICE("x-own")), "v");
	assert_true(message_body_is(&message, SLICE("APPLICATION"), SLICE("sdp")));
	assert_false(message_body_is(&message, SLICE("application"), SLICE("isup")));
}

static void response_takes_its_method_from_cseq(void **)
{
	assert_int_equal(parse("SIP/2.0 180 Ringing now\r\n" CORE "\r\n"), 0);
	assert_false(message_is_request(&message));
	assert_int_equal(message.status, 180);
	assert_slice(message.reason, "Ringing now");
	assert_int_equal(message.method, METHOD_INVITE);
	assert_int_equal(message.max_forwards, -1);
	assert_null(message.body.p);
}

static void compact_names_and_odd_spacing_are_understood(void **)
{
	assert_int_equal(parse(LINE "v:SIP / 2.0 /UDP   192.0.2.1 : 5070 ; branch = z9hG4bKx\r\n"
				    "f : \"A \\\" <x>\" <sip:a@example.com> ; tag = 1\r\n"
				    "t\t: sip:b@example.com\r\n"
				    "i: x\r\ncSEQ: 0009  INVITE\r\n"
				    "m: <sip:a@192.0.2.1>\r\nl: 0\r\nk: timer, 100rel\r\n\r\n"),
		0);
	assert_int_equal(message.via.port, 5070);
	assert_slice(message.from.display, "A \\\" <x>");
	assert_slice(message.from_tag, "1");
	assert_slice(message.to.uri, "sip:b@example.com");
	assert_int_equal(message.cseq, 9);
	assert_true(message_has_token(&message, HEADER_SUPPORTED, SLICE("100REL")));
	assert_false(message_has_token(&message, HEADER_SUPPORTED, SLICE("100")));
}

static void folded_lines_are_joined(void **)
{
	assert_int_equal(parse(LINE CORE "Subject: one\r\n two\r\n\tthree  \r\n"
					 "Supported: a,\r\n b\r\n\r\n"),
		0);
	assert_slice(message_value(&message, HEADER_SUBJECT), "one   two  \tthree");
	assert_true(message_has_token(&message, HEADER_SUPPORTED, SLICE("b")));
}

static void values_are_listed_across_fields_and_commas(void **)
{
	static const char *const want[] = {"<sip:1;lr>", "<sip:2,x;lr>", "\"a,b\" <sip:3>"};
	struct message_values it;
	struct slice value;
	int n = 0;

	assert_int_equal(parse(LINE CORE "Record-Route: <sip:1;lr> , <sip:2,x;lr>\r\n"
					 "Max-Forwards: 1\r\n"
					 "Record-Route: \"a,b\" <sip:3>\r\n\r\n"),
		0);
	it = message_values(&message, HEADER_RECORD_ROUTE);
	while (message_values_next(&it, &value) > 0)
		assert_true(slice_equal(value, slice_of(want[n++])));
	assert_int_equal(n, 3);
	it = message_values(&message, HEADER_ROUTE);
	assert_int_equal(message_values_next(&it, &value), 0);
}

struct verdict {
	const char *text;
	int status;
};

static void judge(const struct verdict *verdicts, size_t n)
{
	size_t n_wrong = 0;

	for (size_t i = 0; i < n; i++) {
		int got = parse(verdicts[i].text);

		if (got == verdicts[i].status)
			continue;
		print_error("%d (%s), not %d:\n%s\n", got, error.reason ? error.reason : "",
			verdicts[i].status, verdicts[i].text);
		n_wrong++;
	}
	assert_int_equal(n_wrong, 0);
}

#define JUDGE(verdicts) judge(verdicts, sizeof(verdicts) / sizeof((verdicts)[0]))

static void start_lines_get_their_verdict(void **)
{
	static const struct verdict verdicts[] = {
		{LINE CORE "\r\n", 0},
		{"INVITE sip:b@example.com sip/2.0\r\n" CORE "\r\n", 0},
		{"INVITE sip:b@example.com SIP/2.0 \r\n" CORE "\r\n", 0},
		{"INVITE  sip:b@example.com SIP/2.0\r\n" CORE "\r\n", 400},
		{"INVITE sip:b@example.com  SIP/2.0\r\n" CORE "\r\n", 400},
		{"INVITE sip:b@example.com; lr SIP/2.0\r\n" CORE "\r\n", 400},
		{"INVITE <sip:b@example.com> SIP/2.0\r\n" CORE "\r\n", 400},
		{"INVITE sip:b@[::1 SIP/2.0\r\n" CORE "\r\n", 400},
		{"INVITE sip:2001:db8::10 SIP/2.0\r\n" CORE "\r\n", 400},
		{"INVITE sip:b@[2001:db8::10]:5070 SIP/2.0\r\n" CORE "\r\n", 0},
		{"INVITE nobody:knows SIP/2.0\r\n" CORE "\r\n", 0}, // 416 is the TU's
		{"INVITE sip:b@example.com SIP/7.0\r\n" CORE "\r\n", 505},
		{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", -1},
		{"INVITE\r\n" CORE "\r\n", -1},
		{"\r\n", -1},
		{"SIP/2.0 200\r\n" CORE "\r\n", 0},
		{"SIP/2.0 200 \r\n" CORE "\r\n", 0},
		{"SIP/2.0 99 Low\r\n" CORE "\r\n", -1},
		{"SIP/2.0 099 Low\r\n" CORE "\r\n", -1},
		{"SIP/2.0 700 High\r\n" CORE "\r\n", -1},
		{"SIP/2.0 4294967301 Wraps\r\n" CORE "\r\n", -1},
		{"SIP/3.0 200 OK\r\n" CORE "\r\n", -1},
	};

	JUDGE(verdicts);
}

static void mandatory_header_fields_get_their_verdict(void **)
{
	static const struct verdict verdicts[] = {
		{LINE FROM TO ID CSEQ "\r\n", -1}, // no Via: nowhere to send an answer
		{LINE VIA TO ID CSEQ "\r\n", 400},
		{LINE VIA FROM ID CSEQ "\r\n", 400},
		{LINE VIA FROM TO CSEQ "\r\n", 400},
		{LINE VIA FROM TO ID "\r\n", 400},
		{LINE CORE TO "\r\n", 400},
		{LINE CORE FROM "\r\n", 400},
		{LINE CORE ID "\r\n", 400},
		{LINE CORE CSEQ "\r\n", 400},
		{LINE CORE VIA "\r\n", 0},
		{LINE CORE "Max-Forwards: 1\r\nMax-Forwards: 1\r\n\r\n", 400},
		{LINE CORE "Max-Forwards: 255\r\n\r\n", 0},
		{LINE CORE "Max-Forwards: 256\r\n\r\n", 400},
		{LINE CORE "Max-Forwards: -1\r\n\r\n", 400},
		{LINE VIA FROM TO ID "CSeq: 2147483647 INVITE\r\n\r\n", 0},
		{LINE VIA FROM TO ID "CSeq: 2147483648 INVITE\r\n\r\n", 400},
		{LINE VIA FROM TO ID "CSeq: 36893488147419103232 INVITE\r\n\r\n", 400},
		{LINE VIA FROM TO ID "CSeq: 1 OPTIONS\r\n\r\n", 400},
		{LINE VIA FROM TO ID "CSeq: 1 invite\r\n\r\n", 400},
		{LINE VIA FROM TO ID "CSeq: INVITE\r\n\r\n", 400},
		{LINE VIA FROM TO ID "CSeq: 1\r\n\r\n", 400},
		{LINE VIA FROM TO "Call-ID: a b\r\n" CSEQ "\r\n", 400},
		{LINE VIA FROM TO "Call-ID:\r\n" CSEQ "\r\n", 400},
		{LINE VIA FROM "To: \"open <sip:b@example.com>\r\n" ID CSEQ "\r\n", 400},
		{LINE VIA FROM "To: <sip:b@example.com\r\n" ID CSEQ "\r\n", 400},
		{LINE VIA FROM "To: <>\r\n" ID CSEQ "\r\n", 400},
		{LINE VIA FROM "To: < sip:b@example.com >\r\n" ID CSEQ "\r\n", 0},
		{LINE VIA "From: <sip:a@b>;;tag=1\r\n" TO ID CSEQ "\r\n", 400},
		{LINE VIA "From: <sip:a@b>;tag=\r\n" TO ID CSEQ "\r\n", 400},
		{LINE VIA "From: Bell, A <sip:a@b>;tag=1\r\n" TO ID CSEQ "\r\n", 0},
		{LINE "Via: SIP/2.0/UDP 192.0.2.15;;,;,,\r\n" FROM TO ID CSEQ "\r\n", 400},
		{LINE "Via: SIP/3.0/UDP 192.0.2.15\r\n" FROM TO ID CSEQ "\r\n", 400},
		{LINE "Via: SIP/2.0/UDP\r\n" FROM TO ID CSEQ "\r\n", 400},
		{LINE CORE "Contact: sip:a@b?Route=%3Csip:c%3E\r\n\r\n", 400},
		{LINE CORE "Contact: <sip:a@b?Route=%3Csip:c%3E>\r\n\r\n", 0},
		{LINE CORE "Contact: \"\"\" <sip:a@b>\r\n\r\n", 400},
		{LINE CORE "Contact: *\r\n\r\n", 0},
		{"ACK sip:b@example.com SIP/2.0\r\n" VIA FROM TO ID CSEQ "\r\n",
			-1}, // never answered
		{"SIP/2.0 200 OK\r\n" VIA FROM TO ID "CSeq: 9999999999 INVITE\r\n\r\n", -1},
	};

	JUDGE(verdicts);
}

static void line_ends_and_lengths_get_their_verdict(void **)
{
	static const struct verdict verdicts[] = {
		{LINE CORE, 400},
		{LINE CORE "Subject: a\nb\r\n\r\n", 400},
		{LINE CORE "Subject: a\rb\r\n\r\n", 400},
		{LINE CORE "NoColon\r\n\r\n", 400},
		{LINE CORE ": no name\r\n\r\n", 400},
		{LINE CORE "Two Words: x\r\n\r\n", 400},
		{LINE CORE "X:\r\n\r\n", 0},
		{LINE CORE "Content-Length: 3\r\n\r\nabc", 0},
		{LINE CORE "Content-Length: 4\r\n\r\nabc", 400},
		{LINE CORE "Content-Length: -3\r\n\r\nabc", 400},
		{LINE CORE "Content-Length: 3x\r\n\r\nabc", 400},
		{LINE CORE "Content-Length: 99999999999\r\n\r\nabc", 400},
		{LINE CORE "Content-Length: 3\r\nl: 3\r\n\r\nabc", 400},
	};

	JUDGE(verdicts);
}

static void bytes_behind_content_length_are_ignored(void **)
{
	assert_int_equal(
		parse(LINE CORE "Content-Length: 1\r\n\r\naINVITE sip:evil SIP/2.0\r\n"), 0);
	assert_slice(message.body, "a");
	assert_int_equal(message.text.p[message.text.n - 1], 'a');
}

static void without_content_length_the_datagram_is_the_body(void **)
{
	assert_int_equal(parse(LINE CORE "\r\nall of it"), 0);
	assert_slice(message.body, "all of it");
}

static void too_many_header_fields_are_513(void **)
{
	char text[65536], *at = text + sprintf(text, LINE CORE);

	for (int i = 0; i < MESSAGE_MAX_HEADERS; i++)
		at += sprintf(at, "X-%d: y\r\n", i);
	strcpy(at, "\r\n");
	assert_int_equal(parse(text), 513);
	assert_slice(message.call_id, "x@192.0.2.1");
}

static void nul_in_a_quoted_name_is_kept(void **)
{
	static const char text[] =
		LINE VIA FROM "To: \"a\\\0b\" <sip:b@example.com>\r\n" ID CSEQ "\r\n";

	assert_int_equal(parse_bytes(text, sizeof(text) - 1), 0);
	assert_int_equal(message.to.display.n, 4);
}

static void tag_keeps_its_quotes(void **)
{
	assert_int_equal(parse(LINE VIA "From: <sip:a@b>;tag=\"x;y\";z\r\n" TO ID CSEQ "\r\n"), 0);
	assert_slice(message.from_tag, "\"x;y\"");
}

static void clone_outlives_the_buffer(void **)
{
	struct sip_message *clone;

	assert_int_equal(
		parse(LINE CORE "Contact: <sip:a@192.0.2.9>\r\nContent-Length: 3\r\n\r\nabc"), 0);
	clone = message_clone(&message);
	assert_non_null(clone);
	memset(buffer, 'X', message.text.n);
	assert_slice(clone->uri, "sip:b@example.com");
	assert_slice(clone->request_uri.host, "example.com");
	assert_slice(clone->via.branch, "z9hG4bKx");
	assert_slice(clone->from_tag, "1");
	assert_slice(clone->call_id, "x@192.0.2.1");
	assert_slice(clone->body, "abc");
	assert_slice(message_value(clone, HEADER_CONTACT), "<sip:a@192.0.2.9>");
	message_destroy(clone);
}

static void every_slice_of_a_clone_is_its_own(void **)
{
	const struct slice *slices;
	struct sip_message *clone;
	size_t n_inside = 0;

	assert_int_equal(
		parse("INVITE sip:u:p@h:1;x?y SIP/2.0\r\n"
		      "Via: SIP/2.0/UDP h;branch=z9hG4bKx;received=1.2.3.4;maddr=m\r\n"
		      "From: \"d\" <sip:a@b>;tag=1\r\nTo: \"d\" <sip:a@b>;tag=2\r\n" ID CSEQ
		      "\r\nbody"),
		0);
	clone = message_clone(&message);
	// struct sip_message is slices and small numbers: no word of the copy may point into the
	// buffer
	slices = (const struct slice *)clone;
	for (size_t i = 0; i < sizeof(*clone) / sizeof(void *); i++) {
		const char *word = ((const char *const *)slices)[i];

		n_inside += word >= buffer && word <= buffer + message.text.n;
	}
	assert_int_equal(n_inside, 0);
	message_destroy(clone);
}

static void header_names_are_found_in_any_case(void **)
{
	for (enum header_id id = HEADER_OTHER + 1; id < HEADER_N; id++) {
		char upper[64];
		struct slice name = header_name(id);

		for (size_t i = 0; i < name.n; i++)
			upper[i] =
				name.p[i] >= 'a' && name.p[i] <= 'z' ? name.p[i] - 32 : name.p[i];
		assert_int_equal(header_from(name), id);
		assert_int_equal(header_from((struct slice){upper, name.n}), id);
	}
	assert_int_equal(header_from(SLICE("V")), HEADER_VIA);
	assert_int_equal(header_from(SLICE("x")), HEADER_SESSION_EXPIRES);
	assert_int_equal(header_from(SLICE("q")), HEADER_OTHER);
	assert_int_equal(header_from(SLICE("@")), HEADER_OTHER);
	assert_int_equal(header_from(SLICE("X-Via")), HEADER_OTHER);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_teardown(f, teardown)
	const struct CMUnitTest tests[] = {
		CASE(request_is_cut_into_its_parts),
		CASE(response_takes_its_method_from_cseq),
		CASE(compact_names_and_odd_spacing_are_understood),
		CASE(folded_lines_are_joined),
		CASE(values_are_listed_across_fields_and_commas),
		CASE(start_lines_get_their_verdict),
		CASE(mandatory_header_fields_get_their_verdict),
		CASE(line_ends_and_lengths_get_their_verdict),
		CASE(bytes_behind_content_length_are_ignored),
		CASE(without_content_length_the_datagram_is_the_body),
		CASE(too_many_header_fields_are_513),
		CASE(nul_in_a_quoted_name_is_kept),
		CASE(tag_keeps_its_quotes),
		CASE(clone_outlives_the_buffer),
		CASE(every_slice_of_a_clone_is_its_own),
		CASE(header_names_are_found_in_any_case),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
