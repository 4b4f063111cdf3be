// What passes from one side of a call to the other, as tables: headers that come, headers that
// leave.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pass.h"

#define HOST "198.51.100.1"

static struct trunk trusted = {.name = "trusted", .is_trusted = true};
static struct trunk stranger = {.name = "stranger"};
static struct trunk diverted = {.name = "diverted", .redirection = TRUNK_REDIRECTION_DIVERSION};
static struct trunk historic = {
	.name = "historic", .is_trusted = true, .redirection = TRUNK_REDIRECTION_HISTORY_INFO};
static struct trunk silent = {.name = "silent", .redirection = TRUNK_REDIRECTION_NONE};

// A message, and what holds its parts.
struct received {
	struct sip_header headers[MESSAGE_MAX_HEADERS];
	struct sip_message message;
	char text[8192];
};

static void receive(struct received *received, const char *start_line, const char *method,
	const char *to, const char *came)
{
	struct message_error error;
	int n = snprintf(received->text, sizeof(received->text),
		"%s\r\nVia: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKa\r\n"
		"From: \"Alice\" <sip:1001@10.0.0.9>;tag=1\r\nTo: %s\r\n"
		"Call-ID: secret@10.0.0.9\r\nCSeq: 1 %s\r\nContact: <sip:1001@10.0.0.9>\r\n"
		"User-Agent: Secret/1.0\r\nServer: Secret/2.0\r\nX-Unknown: 10.0.0.9\r\n"
		"%sContent-Length: 0\r\n\r\n",
		start_line, to, method, came);

	assert_int_equal(message_parse(&received->message, received->headers, received->text,
				 (size_t)n, &error),
		0);
}

static void receive_invite(struct received *received, const char *came)
{
	receive(received, "INVITE sip:2001@192.0.2.1 SIP/2.0", "INVITE", "<sip:2001@192.0.2.1>",
		came);
}

static struct passage passage_of(
	const struct received *received, const struct trunk *from, const struct trunk *to)
{
	return (struct passage){&received->message, from, to, SLICE(HOST), SLICE("4930123")};
}

// What leaves for it; valid until the next.
static const char *leaving(
	const struct received *received, const struct trunk *from, const struct trunk *to)
{
	const struct passage passage = passage_of(received, from, to);
	static char out[8192];
	struct builder b;

	builder_init(&b, out, sizeof(out) - 1);
	pass_headers(&b, &passage);
	assert_false(b.overflow);
	out[b.n] = '\0';
	return out;
}

static void assert_passes_as(const char *start_line, const char *method, const char *to,
	const char *came, const struct trunk *from_trunk, const struct trunk *to_trunk,
	const char *leaves)
{
	static struct received received;

	receive(&received, start_line, method, to, came);
	assert_string_equal(leaving(&received, from_trunk, to_trunk), leaves);
}

static void assert_invite(
	const char *came, const struct trunk *from, const struct trunk *to, const char *leaves)
{
	assert_passes_as("INVITE sip:2001@192.0.2.1 SIP/2.0", "INVITE", "<sip:2001@192.0.2.1>",
		came, from, to, leaves);
}

static void only_what_is_named_passes(void **)
{
	assert_invite("", &stranger, &stranger, "");
	assert_invite("", &trusted, &trusted, "");
	assert_invite("Subject: hello\r\nPriority: urgent\r\nX-More: x\r\n", &stranger, &stranger,
		"Subject: hello\r\nPriority: urgent\r\n");
	assert_invite("s: compact\r\n", &stranger, &stranger, "Subject: compact\r\n");
	assert_invite("User-to-User: 56a3;encoding=hex\r\nSession-ID: ab30;remote=0\r\n"
		      "Identity: sig;info=<https://cert.example/c>\r\n"
		      "Date: Fri, 20 Nov 2026 10:00:00 GMT\r\n",
		&stranger, &stranger,
		"User-to-User: 56a3;encoding=hex\r\nSession-ID: ab30;remote=0\r\n"
		"Identity: sig;info=<https://cert.example/c>\r\n"
		"Date: Fri, 20 Nov 2026 10:00:00 GMT\r\n");
	assert_invite(
		"Alert-Info: <http://10.0.0.9/ring.wav>, <urn:alert:service:call-waiting>\r\n",
		&trusted, &trusted, "Alert-Info: <urn:alert:service:call-waiting>\r\n");
}

static void some_pass_between_trusted_sides_only(void **)
{
	static const char came[] = "Resource-Priority: esnet.1\r\nGeolocation: <cid:x@y>\r\n"
				   "P-Charging-Vector: icid-value=1\r\n";

	assert_invite(came, &trusted, &trusted, came);
	assert_invite(came, &trusted, &stranger, "");
	assert_invite(came, &stranger, &trusted, "");
}

static void kinds_of_messages_are_told_apart(void **)
{
	static const char came[] = "Reason: Q.850;cause=16\r\nUser-to-User: 01\r\nSubject: x\r\n";

	assert_invite(came, &stranger, &stranger, "Subject: x\r\nUser-to-User: 01\r\n");
	assert_passes_as("BYE sip:x SIP/2.0", "BYE", "<sip:x>;tag=2", came, &stranger, &stranger,
		"User-to-User: 01\r\nReason: Q.850;cause=16\r\n");
	assert_passes_as("SIP/2.0 486 Busy Here", "INVITE", "<sip:x>;tag=2", came, &stranger,
		&stranger, "User-to-User: 01\r\nReason: Q.850;cause=16\r\n");
	assert_passes_as("INVITE sip:x SIP/2.0", "INVITE", "<sip:x>;tag=2",
		"Diversion: <sip:3001@10.0.0.8>;reason=user-busy\r\nUser-to-User: 01\r\n",
		&stranger, &stranger, "User-to-User: 01\r\n");
}

static void asserted_identity_stays_among_the_trusted(void **)
{
	static const char came[] = "P-Asserted-Identity: \"Al\" <sip:+4930@10.0.0.9:5070;x=y>, "
				   "<tel:+4930;phone-context=x>, <sip:third@10.0.0.9>\r\n"
				   "P-Preferred-Identity: <sip:other@10.0.0.9>\r\n";

	assert_invite(came, &trusted, &trusted,
		"P-Asserted-Identity: \"Al\" <sip:+4930@" HOST ">\r\n"
		"P-Asserted-Identity: <tel:+4930;phone-context=x>\r\n");
	assert_invite(came, &stranger, &trusted, "");
	assert_invite(came, &trusted, &stranger, "");
	assert_passes_as("SIP/2.0 200 OK", "INVITE", "<sip:x>;tag=2", came, &trusted, &trusted,
		"P-Asserted-Identity: \"Al\" <sip:+4930@" HOST ">\r\n"
		"P-Asserted-Identity: <tel:+4930;phone-context=x>\r\n");
	assert_invite("P-Asserted-Identity: <http://10.0.0.9>, <mailto:a@10.0.0.9>\r\n", &trusted,
		&trusted, "");
}

static void privacy_that_we_provide_is_not_asked_for_again(void **)
{
	assert_invite("Privacy: id\r\n", &trusted, &trusted, "Privacy: id\r\n");
	assert_invite("Privacy: user;header; session ;id;critical\r\n", &trusted, &trusted,
		"Privacy: id;critical\r\n");
	assert_invite("Privacy: user, id\r\n", &trusted, &trusted, "Privacy: id\r\n");
	assert_invite("Privacy: user\r\n", &trusted, &trusted, "");
}

static void assert_private(const char *privacy, const struct trunk *to, bool wanted)
{
	static struct received received;
	struct passage passage;

	receive_invite(&received, privacy);
	passage = passage_of(&received, &trusted, to);
	assert_int_equal(identity_is_private(&passage), wanted);
}

static void callers_stay_unknown_where_they_ask_for_it(void **)
{
	assert_private("", &stranger, false);
	assert_private("Privacy: none\r\n", &stranger, false);
	assert_private("Privacy: id\r\n", &stranger, true);
	assert_private("Privacy: id\r\n", &trusted, false);
	assert_private("Privacy: user\r\n", &trusted, true);
	assert_private("Privacy: header;critical\r\n", &trusted, true);
	assert_private("Privacy: critical\r\nPrivacy: USER\r\n", &trusted, true);
	assert_private("Privacy: users\r\n", &trusted, false);
}

#define DIVERSIONS                                                                   \
	"Diversion: <sip:3002@10.0.0.8>;reason=no-answer;counter=2;privacy=full\r\n" \
	"Diversion: \"Desk\" <tel:+493001>;reason=unconditional;screen=yes\r\n"
#define HISTORY                                                          \
	"History-Info: <sip:3001@10.0.0.8>;index=1,"                     \
	" <sip:3002@10.0.0.8;cause=302?Privacy=history>;index=1.1;mp=1," \
	" <sip:2001@10.0.0.8;cause=408>;index=1.1.1;mp=1.1;evil=10.0.0.8\r\n"

static void redirections_pass_as_they_come_with_our_host(void **)
{
	assert_invite(DIVERSIONS, &trusted, &trusted,
		"Diversion: <sip:3002@" HOST ">;reason=no-answer;counter=2;privacy=full\r\n"
		"Diversion: \"Desk\" <tel:+493001>;reason=unconditional;counter=1\r\n");
	assert_invite(HISTORY, &trusted, &trusted,
		"History-Info: <sip:3001@" HOST ">;index=1\r\n"
		"History-Info: <sip:3002@" HOST ";cause=302?Privacy=history>;index=1.1;mp=1\r\n"
		"History-Info: <sip:2001@" HOST ";cause=408>;index=1.1.1;mp=1.1\r\n");
	assert_invite(DIVERSIONS, &trusted, &silent, "");
	assert_invite(DIVERSIONS, &silent, &trusted, "");
	assert_invite(HISTORY, &silent, &trusted, "");
}

static void redirections_become_what_the_trunk_wants(void **)
{
	// RFC 7544: Diversion has the latest first, History-Info the oldest.
	assert_invite(DIVERSIONS, &trusted, &historic,
		"History-Info: \"Desk\" <tel:+493001>;index=1\r\n"
		"History-Info: <sip:3002@" HOST ";cause=302?Privacy=history>;index=1.1;mp=1\r\n"
		"History-Info: <sip:4930123@" HOST ";cause=408>;index=1.1.1;mp=1.1\r\n");
	assert_invite(HISTORY, &trusted, &diverted,
		"Diversion: <sip:anonymous@anonymous.invalid>;reason=no-answer;counter=1;"
		"privacy=full\r\n"
		"Diversion: <sip:3001@" HOST ">;reason=unconditional;counter=1\r\n");
	assert_invite("History-Info: <sip:2001@10.0.0.8>;index=1\r\n", &trusted, &diverted, "");
}

static void private_redirections_are_nobodys_business(void **)
{
	assert_invite(DIVERSIONS, &trusted, &stranger,
		"Diversion: <sip:anonymous@anonymous.invalid>;reason=no-answer;counter=2;"
		"privacy=full\r\n"
		"Diversion: \"Desk\" <tel:+493001>;reason=unconditional;counter=1\r\n");
	assert_invite("Privacy: history\r\nHistory-Info: <sip:3001@10.0.0.8>;index=1\r\n", &trusted,
		&stranger,
		"Privacy: history\r\nHistory-Info: "
		"<sip:anonymous@anonymous.invalid?Privacy=history>;index=1\r\n");
}

static void odd_redirections_do_no_harm(void **)
{
	static struct received received;
	char came[4000];
	const char *out;
	size_t n = 0;

	assert_invite("Diversion: <http://10.0.0.8>;reason=x\r\n", &trusted, &historic, "");
	assert_invite("Diversion: <sip:a@b>;reason=;counter=99999999999\r\n", &trusted, &trusted,
		"Diversion: <sip:a@" HOST ">;reason=unknown;counter=1\r\n");
	assert_invite("Diversion: ,\r\nDiversion: \"\r\n", &trusted, &trusted, "");
	assert_invite("History-Info: <sip:a@b;cause=99999>;index=1, <sip:c>\r\n", &trusted,
		&diverted, "");
	for (int i = 0; i < 40; i++)
		n += (size_t)sprintf(came + n, "Diversion: <sip:%d@10.0.0.8>;reason=away\r\n", i);
	receive_invite(&received, came);
	out = leaving(&received, &trusted, &historic);
	assert_non_null(strstr(out, "<sip:15@" HOST ">;index=1\r\n"));
	assert_non_null(strstr(out, "<sip:4930123@" HOST ";cause=404>;index=1"));
	assert_null(strstr(out, "10.0.0.8"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_is_named_passes),
		cmocka_unit_test(some_pass_between_trusted_sides_only),
		cmocka_unit_test(kinds_of_messages_are_told_apart),
		cmocka_unit_test(asserted_identity_stays_among_the_trusted),
		cmocka_unit_test(privacy_that_we_provide_is_not_asked_for_again),
		cmocka_unit_test(callers_stay_unknown_where_they_ask_for_it),
		cmocka_unit_test(redirections_pass_as_they_come_with_our_host),
		cmocka_unit_test(redirections_become_what_the_trunk_wants),
		cmocka_unit_test(private_redirections_are_nobodys_business),
		cmocka_unit_test(odd_redirections_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
