// REGISTERs for a registrar elsewhere: what goes there, what of its answers comes back, and what is
// answered for it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "forward.h"
#include "harness.h"

enum { UPSTREAM_S = 600, NAT_S = 100 };

static struct registrar_upstream upstream;
static const struct registrar_rules rules = {.domain = "example.com",
	.expires_s = 3600,
	.expires_min_s = 60,
	.expires_max_s = 7200,
	.contacts = 3,
	.upstream = &upstream};
static struct registrar *registrar;
static struct transaction *waiting; // for the registrar
static char sent[4096];
static unsigned int cseq;

static void take(struct harness *, struct transaction *transaction)
{
	const struct forward_from from = {SLICE("192.0.2.1:5060"), ";transport=tcp"};
	struct builder b;
	struct slice text;

	if (!forward_needed(registrar, &rules, transaction))
		return;
	waiting = transaction;
	builder_init(&b, sent, sizeof(sent) - 1);
	text = forward_write(&rules, transaction, &from, &b);
	assert_non_null(text.p);
	sent[text.n] = '\0';
}

static int setup(void **state)
{
	struct registrar_settings settings = {.bindings_max = 100};
	struct harness *h;
	int rc = harness_setup(state);

	if (rc)
		return rc;
	h = *state;
	h->on_request = take;
	settings.base = h->base;
	settings.stack = h->stack;
	registrar = registrar_create(&settings);
	upstream = (struct registrar_upstream){
		.expires_s = UPSTREAM_S, .nat_expires_s = NAT_S, .key = SLICE("k")};
	return registrar ? 0 : -1;
}

static int teardown(void **state)
{
	registrar_destroy(registrar);
	return harness_teardown(state);
}

static void reg(struct harness *h, const char *uri, const char *lines)
{
	cseq++;
	peer_send(h,
		"REGISTER %s SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK%u;rport\r\n"
		"From: <sip:alice@198.51.100.7>;tag=f\r\nTo: <sip:alice@198.51.100.7>\r\n"
		"Call-ID: secret-of-the-phone\r\nCSeq: %u REGISTER\r\n%sContent-Length: 0\r\n\r\n",
		uri, cseq, cseq, lines);
}

// To the registrar, whose answer has these lines. Returns the phone's status.
static unsigned int exchange(
	struct harness *h, const char *lines, unsigned int status, const char *answer)
{
	struct sip_header headers[MESSAGE_MAX_HEADERS];
	struct message_error error;
	struct sip_message response;
	unsigned int n = harness_count(h, "request REGISTER");
	char text[2048];
	int size;

	reg(h, "sip:example.com", lines);
	harness_until(h, "request REGISTER", n + 1);
	size = snprintf(text, sizeof(text),
		"SIP/2.0 %u Because\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\n"
		"From: <sip:a@b>;tag=f\r\nTo: <sip:a@b>;tag=t\r\nCall-ID: c\r\nCSeq: 1 REGISTER\r\n"
		"%sContent-Length: 0\r\n\r\n",
		status, answer);
	assert_int_equal(message_parse(&response, headers, text, (size_t)size, &error), 0);
	forward_answered(registrar, &rules, waiting, &response);
	assert_true(peer_receive(h, 1000));
	return h->message.status;
}

static bool has(const struct harness *h, const char *text)
{
	return memmem(h->text, h->size, text, strlen(text)) != NULL;
}

static const struct binding *first_binding(void)
{
	const struct binding_list *list =
		location_find(registrar_location(registrar), SLICE("alice@example.com"), 0);

	return list ? TAILQ_FIRST(list) : NULL;
}

static void only_proofs_and_the_agent_go_there_unchanged(void **state)
{
	struct harness *h = *state;

	reg(h, "sip:198.51.100.7",
		"Authorization: Digest username=\"alice\", uri=\"sip:198.51.100.7\"\r\n"
		"Proxy-Authorization: Digest username=\"a\"\r\nUser-Agent: Phone 1\r\n"
		"X-Secret: 1\r\nContact: <sip:alice@10.0.0.1>;audio\r\nExpires: 90\r\n");
	harness_until(h, "request REGISTER", 1);
	assert_non_null(strstr(sent, "REGISTER sip:example.com SIP/2.0\r\n"));
	assert_non_null(strstr(sent, "To: <sip:alice@example.com>\r\n"));
	assert_non_null(strstr(sent,
		"\r\nAuthorization: Digest username=\"alice\", uri=\"sip:198.51.100.7\"\r\n"));
	assert_non_null(strstr(sent, "\r\nProxy-Authorization: Digest username=\"a\"\r\n"));
	assert_non_null(strstr(sent, "User-Agent: Phone 1\r\n"));
	assert_non_null(strstr(sent, "@192.0.2.1:5060;transport=tcp>;expires=600\r\n"));
	assert_null(strstr(sent, "10.0.0.1"));
	assert_null(strstr(sent, "secret-of-the-phone"));
	assert_null(strstr(sent, "X-Secret"));
	transaction_reply(waiting, 403);
}

static void names_depend_on_what_they_are_for(void **state)
{
	struct harness *h = *state;
	char first[sizeof(sent)], *contact;

	reg(h, "sip:example.com", "Contact: <sip:alice@10.0.0.1>\r\n");
	harness_until(h, "request REGISTER", 1);
	transaction_reply(waiting, 403);
	contact = strstr(sent, "Contact: ");
	memcpy(first, contact, 40);
	reg(h, "sip:example.com", "Contact: <sip:alice@10.0.0.1>\r\n");
	harness_until(h, "request REGISTER", 2);
	transaction_reply(waiting, 403);
	assert_memory_equal(first, strstr(sent, "Contact: "), 40);
	upstream.key = SLICE("l");
	reg(h, "sip:example.com", "Contact: <sip:alice@10.0.0.1>\r\n");
	harness_until(h, "request REGISTER", 3);
	transaction_reply(waiting, 403);
	assert_memory_not_equal(first, strstr(sent, "Contact: "), 40);
}

static void statuses_of_the_registrar(void **state)
{
	static const struct {
		unsigned int status, told;
	} rows[] = {{401, 401}, {407, 407}, {403, 403}, {404, 404}, {423, 423}, {429, 429},
		{600, 600}, {302, 500}, {400, 500}, {405, 500}, {420, 500}, {482, 500}, {494, 500}};
	struct harness *h = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(exchange(h, "Contact: <sip:alice@10.0.0.1>\r\n", rows[i].status,
					 "WWW-Authenticate: Digest realm=\"r\"\r\n"
					 "Server: Secret 1.0\r\nRetry-After: 7\r\n"),
			rows[i].told);
	assert_true(has(h, "WWW-Authenticate: Digest realm=\"r\"\r\n"));
	assert_true(has(h, "Retry-After: 7\r\n"));
	assert_false(has(h, "Secret"));
	assert_null(first_binding());
}

static void what_it_grants_bounds_what_the_phone_gets(void **state)
{
	static const struct {
		const char *answer;
		unsigned int expires_s;
	} rows[] = {{"", NAT_S}, {"Expires: 70\r\n", 70},
		{"Contact: <sip:other@192.0.2.9>;expires=5\r\n", NAT_S}};
	struct harness *h = *state;
	char wanted[64];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char contact[64];

		snprintf(contact, sizeof(contact), "Contact: <sip:%zu@10.0.0.1>\r\n", i);
		snprintf(wanted, sizeof(wanted), "<sip:%zu@10.0.0.1>;expires=%u;", i,
			rows[i].expires_s);
		assert_int_equal(exchange(h, contact, 200, rows[i].answer), 200);
		assert_true(has(h, wanted));
	}
	// There is too little time for an answer from here, and it wants the contact off at once.
	assert_int_equal(exchange(h, "Contact: <sip:1@10.0.0.1>\r\n", 200, "Expires: 0\r\n"), 200);
	assert_false(has(h, "<sip:1@"));
}

static void binding_is_found_by_its_name(void **state)
{
	struct harness *h = *state;
	const struct binding *binding;
	struct slice token;

	exchange(h, "Contact: <sip:alice@10.0.0.1>\r\n", 200,
		"Service-Route: <sip:one;lr>\r\nService-Route: <sip:two;lr>\r\n");
	binding = first_binding();
	token = binding->values.strings[BINDING_TOKEN];
	assert_true(forward_is_token(token));
	assert_true(slice_equal(binding->values.strings[BINDING_SERVICE_ROUTE],
		SLICE("<sip:one;lr>, <sip:two;lr>")));
	assert_ptr_equal(
		location_find_token(registrar_location(registrar), token, (struct slice){}, 0),
		binding);
	assert_true(slice_equal(binding_aor(binding), SLICE("alice@example.com")));
	assert_null(location_find_token(
		registrar_location(registrar), SLICE("aaaaaaaaaaaaaaaa"), (struct slice){}, 0));
	assert_ptr_equal(forward_binding_of_flow(
				 registrar, SLICE("alice@example.com"), &binding->values.flow),
		binding);
	exchange(h, "Contact: *\r\nExpires: 0\r\n", 200, "");
	assert_null(location_find_token(
		registrar_location(registrar), SLICE("aaaaaaaaaaaaaaaa"), (struct slice){}, 0));
	assert_null(first_binding());
}

// Whatever else it asks for goes to the registrar.
static void renewals_that_are_answered_here(void **state)
{
	static const struct {
		const char *lines;
		bool here;
	} rows[] = {{"Contact: <sip:alice@10.0.0.1>\r\n", true},
		{"Contact: <sip:alice@10.0.0.1>;q=0.5\r\n", false},
		{"Contact: <sip:alice@10.0.0.1>;expires=0\r\n", false},
		{"Contact: <sip:alice@10.0.0.1>\r\nPath: <sip:p;lr>\r\n", false},
		{"Contact: <sip:alice@10.0.0.1>, <sip:bob@10.0.0.1>\r\n", false},
		{"Contact: *\r\nExpires: 0\r\n", false}, {"", false}};
	struct harness *h = *state;

	exchange(h, "Contact: <sip:alice@10.0.0.1>\r\n", 200, "");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		waiting = NULL;
		reg(h, "sip:example.com", rows[i].lines);
		harness_until(h, "request REGISTER", (unsigned int)i + 2);
		assert_int_equal(!waiting, rows[i].here);
		if (waiting)
			transaction_reply(waiting, 403);
		assert_true(peer_receive(h, 1000));
		assert_int_equal(h->message.status, rows[i].here ? 200 : 403);
	}
}

static void user_parts_that_look_like_names(void **)
{
	assert_true(forward_is_token(SLICE("abcdefghijklmn27")));
	assert_false(forward_is_token(SLICE("abcdefghijklmn2")));
	assert_false(forward_is_token(SLICE("abcdefghijklmn28")));
	assert_false(forward_is_token((struct slice){}));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			only_proofs_and_the_agent_go_there_unchanged, setup, teardown),
		cmocka_unit_test_setup_teardown(names_depend_on_what_they_are_for, setup, teardown),
		cmocka_unit_test_setup_teardown(statuses_of_the_registrar, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_it_grants_bounds_what_the_phone_gets, setup, teardown),
		cmocka_unit_test_setup_teardown(binding_is_found_by_its_name, setup, teardown),
		cmocka_unit_test_setup_teardown(renewals_that_are_answered_here, setup, teardown),
		cmocka_unit_test(user_parts_that_look_like_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
