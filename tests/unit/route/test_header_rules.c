// Rules of trunks over the headers that pass, and over the message that came.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "header_rules.h"

static struct header_fields fields;

static void pass(const char *name, const char *value)
{
	header_fields_add(&fields, slice_of(name), slice_of(value));
}

static int set_up(void **)
{
	header_fields_init(&fields);
	pass("Subject", "hello");
	pass("Diversion", "<sip:030123@a>;reason=x");
	pass("Diversion", "<sip:040@a>;reason=y");
	return 0;
}

static void apply_to(struct header_rule rule, const char *method)
{
	struct header_rule *list = malloc(sizeof(*list));
	struct header_rules rules = {list, 1};
	struct sip_header headers[MESSAGE_MAX_HEADERS];
	struct message_error error;
	struct sip_message message;
	static char texts[16][1024]; // what was copied points into its message
	static unsigned int n_texts;
	char *text = texts[n_texts++ % 16];
	int n = snprintf(text, sizeof(texts[0]),
		"%s sip:x SIP/2.0\r\nv: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKa\r\n"
		"f: <sip:1001@10.0.0.9>;tag=1\r\nTo: <sip:x>\r\nCall-ID: a\r\n"
		"CSeq: 1 %s\r\nX-Account: 17\r\nx-account: 18\r\nContent-Length: 0\r\n\r\n",
		method, method);

	assert_int_equal(message_parse(&message, headers, text, (size_t)n, &error), 0);
	*list = rule;
	header_rules_apply(&rules, &message, &fields);
	header_rules_free(&rules);
}

static void apply(struct header_rule rule)
{
	apply_to(rule, "INVITE");
}

static void assert_fields(const char *wanted)
{
	char text[16384] = "";
	size_t n = 0;

	for (unsigned int i = 0; i < fields.n; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, SLICE_FMT ": " SLICE_FMT "\n",
			SLICE_ARG(fields.list[i].name), SLICE_ARG(fields.list[i].value));
	assert_string_equal(text, wanted);
}

#define DIVERSIONS "Diversion: <sip:030123@a>;reason=x\nDiversion: <sip:040@a>;reason=y\n"

static void add_set_and_remove(void **)
{
	apply((struct header_rule){HEADER_RULE_ADD, "X-Gateway", "gw1"});
	assert_fields("Subject: hello\n" DIVERSIONS "X-Gateway: gw1\n");
	apply((struct header_rule){HEADER_RULE_SET, "diversion", "none"});
	assert_fields("Subject: hello\nX-Gateway: gw1\ndiversion: none\n");
	apply((struct header_rule){HEADER_RULE_REMOVE, "s"}); // the compact form is the same
	assert_fields("X-Gateway: gw1\ndiversion: none\n");
	apply((struct header_rule){HEADER_RULE_REMOVE, "Not-There"});
	assert_fields("X-Gateway: gw1\ndiversion: none\n");
}

static void copy_takes_all_of_the_message_that_came(void **)
{
	apply((struct header_rule){HEADER_RULE_COPY, "X-Account", NULL, "X-Customer"});
	assert_fields("Subject: hello\n" DIVERSIONS "X-Customer: 17\nX-Customer: 18\n");
	apply((struct header_rule){HEADER_RULE_COPY, "From", NULL, "X-From"});
	assert_fields("Subject: hello\n" DIVERSIONS
		      "X-Customer: 17\nX-Customer: 18\nX-From: <sip:1001@10.0.0.9>;tag=1\n");
	apply((struct header_rule){HEADER_RULE_COPY, "Subject", NULL, "X-Subject"}); // not in it
	assert_int_equal(fields.n, 6);
}

static void rewrite(const char *pattern, const char *value)
{
	struct header_rule rule = {HEADER_RULE_REWRITE, "Diversion", value};

	assert_int_equal(regcomp(&rule.pattern, pattern, REG_EXTENDED), 0);
	apply(rule);
}

static void rewrite_takes_every_match_in_every_value(void **)
{
	rewrite("sip:0([0-9]+)@a", "sip:+49\\1@\\0.\\9b\\x");
	assert_fields("Subject: hello\n"
		      "Diversion: <sip:+4930123@sip:030123@a.b\\x>;reason=x\n"
		      "Diversion: <sip:+4940@sip:040@a.b\\x>;reason=y\n");
	rewrite("[0-9]", "");
	assert_fields("Subject: hello\nDiversion: <sip:+@sip:@a.b\\x>;reason=x\n"
		      "Diversion: <sip:+@sip:@a.b\\x>;reason=y\n");
	rewrite("q*", "-");
	assert_fields("Subject: hello\n"
		      "Diversion: -<-s-i-p-:-+-@-s-i-p-:-@-a-.-b-\\-x->-;-r-e-a-s-o-n-=-x-\n"
		      "Diversion: -<-s-i-p-:-+-@-s-i-p-:-@-a-.-b-\\-x->-;-r-e-a-s-o-n-=-y-\n");
	rewrite("^.*$", "all");
	rewrite("nothing", "x");
	assert_fields("Subject: hello\nDiversion: all\nDiversion: all\n");
}

static void conditions_hold_or_not(void **)
{
	struct header_rule rule = {HEADER_RULE_ADD, "X", "1"};

	rule.when = (struct header_condition){.method = METHOD_BYE};
	apply(rule);
	assert_int_equal(fields.n, 3);
	apply_to(rule, "BYE");
	assert_int_equal(fields.n, 4);
	rule.when = (struct header_condition){.header = "X-Account"};
	apply(rule);
	assert_int_equal(fields.n, 5);
	rule.when.absent = true;
	apply(rule);
	assert_int_equal(fields.n, 5);
	rule.when = (struct header_condition){.header = "X-None", .absent = true};
	apply(rule);
	assert_int_equal(fields.n, 6);
	rule.when.absent = false;
	apply(rule);
	assert_int_equal(fields.n, 6);
}

static void conditions_look_at_values(void **)
{
	static const struct {
		const char *header, *pattern;
		bool absent, holds;
	} cases[] = {
		{"From", "^<sip:1001@", false, true},
		{"From", "^<sip:1002@", false, false},
		{"x-account", "^18$", false, true}, // any of them
		{"X-Account", "^19$", false, false},
		{"X-Account", "^19$", true, true},
		{"X-Account", "^18$", true, false},
		{"Diversion", "040", false, true}, // of what passes
		{"Diversion", "050", false, false},
		{"X-None", ".*", false, false},
		{"X-None", ".*", true, true},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct header_rule rule = {HEADER_RULE_ADD, "X", "1"};

		set_up(NULL);
		rule.when = (struct header_condition){
			.header = cases[i].header, .absent = cases[i].absent, .has_pattern = true};
		assert_int_equal(regcomp(&rule.when.pattern, cases[i].pattern, REG_EXTENDED), 0);
		apply(rule);
		assert_int_equal(fields.n, 3 + cases[i].holds);
	}
}

static void what_has_no_room_is_told(void **)
{
	static char long_value[3000];

	memset(long_value, 'x', sizeof(long_value) - 1);
	for (int i = 0; i < 70; i++)
		pass("X", "1");
	assert_int_equal(fields.n, HEADER_FIELDS_MAX);
	assert_true(fields.overflow);
	header_fields_init(&fields);
	pass("Diversion", long_value); // longer than what is matched: stays as it is
	rewrite("x", "y");
	assert_false(fields.overflow);
	assert_int_equal(fields.list[0].value.p[0], 'x');
	header_fields_init(&fields);
	for (int i = 0; i < 10; i++)
		header_fields_add_copy(&fields, SLICE("X"), slice_of(long_value));
	assert_int_equal(fields.n, 2);
	assert_true(fields.overflow);
	header_fields_init(&fields);
	pass("Diversion", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
	long_value[500] = '\0';
	rewrite("a", long_value);
	assert_true(fields.overflow);
	assert_fields("Diversion: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n");
}

static void our_own_headers_are_out_of_reach(void **)
{
	static const char *const ours[] = {"Via", "v", "from", "To", "Call-ID", "i", "CSeq",
		"Contact", "Route", "Content-Length", "l", "Content-Type", "Require", "Supported",
		"Session-Expires", "x", "Authorization", "Proxy-Authenticate", "Max-Forwards"};
	static const char *const theirs[] = {"Subject", "X-Thing", "P-Asserted-Identity", "Privacy",
		"Diversion", "User-Agent", "Server", "Allow-Events", "Reason", "Warning"};

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		assert_false(header_rules_may_touch(ours[i]));
	for (size_t i = 0; i < sizeof(theirs) / sizeof(theirs[0]); i++)
		assert_true(header_rules_may_touch(theirs[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(add_set_and_remove, set_up),
		cmocka_unit_test_setup(copy_takes_all_of_the_message_that_came, set_up),
		cmocka_unit_test_setup(rewrite_takes_every_match_in_every_value, set_up),
		cmocka_unit_test_setup(conditions_hold_or_not, set_up),
		cmocka_unit_test_setup(conditions_look_at_values, set_up),
		cmocka_unit_test_setup(what_has_no_room_is_told, set_up),
		cmocka_unit_test(our_own_headers_are_out_of_reach),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
