// Hosts in bodies of events, and what messages say of a subscription, as tables.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event_body.h"
#include "subscription.h"

static void assert_hidden(const char *body, const char *wanted)
{
	struct slice hidden = event_body_hide(slice_of(body), SLICE("gw:5062"));

	if (!slice_equal(hidden, slice_of(wanted)))
		fail_msg("%s became " SLICE_FMT, body, SLICE_ARG(hidden));
	free((char *)hidden.p);
}

static void hosts_of_uris_are_ours(void **)
{
	static const char *const rows[][2] = {
		{"", ""},
		{"no URI at all: x@10.0.0.1", "no URI at all: x@10.0.0.1"},
		{"sip:a@10.0.0.1", "sip:a@gw:5062"},
		{"<sip:a@10.0.0.1:5070;transport=tcp?Subject=x>", "<sip:a@gw:5062>"},
		{"SIPS:A@[2001:db8::1]:5061", "SIPS:A@gw:5062"},
		{"sip:10.0.0.1", "sip:gw:5062"},
		{"entity='pres:a@b.example' im:c@d", "entity='pres:a@gw:5062' im:c@gw:5062"},
		{"Message-Account: sip:a@vm.example\r\nVoice-Message: 2/8\r\n",
			"Message-Account: sip:a@gw:5062\r\nVoice-Message: 2/8\r\n"},
		{"gossip:a@10.0.0.1", "gossip:a@10.0.0.1"},
		{"sip:", "sip:"},
		{"sip: a", "sip: a"},
		{"sip:a@b@10.0.0.1", "sip:a@b@gw:5062"},
		{"<t>sip:a@b</t>,sip:c@d", "<t>sip:a@gw:5062</t>,sip:c@gw:5062"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_hidden(rows[i][0], rows[i][1]);
}

static void names_of_dialogs_are_left_out(void **)
{
	static const char *const rows[][2] = {
		{"<dialog id=\"1\" call-id=\"a@10.0.0.1\" local-tag='x' remote-tag = \"y\" "
		 "direction=\"initiator\">",
			"<dialog id=\"1\" direction=\"initiator\">"},
		{"<d\r\n\tcall-id=\"a\"/>", "<d\r\n/>"},
		{"the call-id is secret", "the call-id is secret"},
		{"<d xcall-id=\"a\"/>", "<d xcall-id=\"a\"/>"},
		{"<d call-id=\"never ends", "<d"},
		{"<d call-id=", "<d call-id="},
		{" call-id", " call-id"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_hidden(rows[i][0], rows[i][1]);
}

// A NOTIFY with these lines.
static const struct sip_message *notify_with(const char *lines)
{
	static struct sip_header headers[MESSAGE_MAX_HEADERS];
	static struct sip_message message;
	static char text[4096];
	struct message_error error;
	int n = snprintf(text, sizeof(text),
		"NOTIFY sip:1@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKa\r\n"
		"From: <sip:1@10.0.0.9>;tag=1\r\nTo: <sip:1@192.0.2.1>;tag=2\r\nCall-ID: a\r\n"
		"CSeq: 1 NOTIFY\r\n%sContent-Length: 0\r\n\r\n",
		lines);

	assert_int_equal(message_parse(&message, headers, text, (size_t)n, &error), 0);
	return &message;
}

static void state_passes_without_what_we_do_not_know(void **)
{
	static const struct {
		const char *came, *leaves;
		bool terminated;
	} rows[] = {
		{"", "active", false},
		{"Subscription-State: pending\r\n", "pending", false},
		{"Subscription-State: active;expires=60\r\n", "active;expires=60", false},
		{"Subscription-State: active;expires=7200;host=10.0.0.9\r\n", "active;expires=3600",
			false},
		{"Subscription-State: Terminated ; reason=probation;retry-after=9\r\n",
			"Terminated;reason=probation;retry-after=9", true},
		{"Subscription-State: active;expires=soon;reason=\"a b\"\r\n", "active", false},
		{"Subscription-State: not one;reason=x\r\n", "active;reason=x", false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char out[512], wanted[512];
		struct builder b;

		builder_init(&b, out, sizeof(out));
		assert_int_equal(subscription_state_write(&b, notify_with(rows[i].came), 3600),
			rows[i].terminated);
		snprintf(wanted, sizeof(wanted), "Subscription-State: %s\r\n", rows[i].leaves);
		assert_true(slice_equal(builder_finish(&b), slice_of(wanted)));
	}
}

static void one_package_is_named_or_none(void **)
{
	static const char *const rows[][2] = {
		{"Event: dialog\r\n", "dialog"},
		{"o: presence.winfo;id=7\r\n", "presence.winfo"},
		{"Event:  x ; id=1\r\n", "x"},
		{"", ""},
		{"Event: a b\r\n", ""},
		{"Event: ;id=1\r\n", ""},
	};
	static const char *const events[] = {"dialog", "presence"};
	const struct trunk any = {},
			   some = {.signalling.subscriptions = {.events = events, .n_events = 2}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_true(
			slice_equal(event_package(notify_with(rows[i][0])), slice_of(rows[i][1])));
	assert_true(event_is_allowed(&any, SLICE("moon")));
	assert_true(event_is_allowed(&some, SLICE("presence")));
	assert_false(event_is_allowed(&some, SLICE("Presence")));
	assert_false(event_is_allowed(&some, SLICE("moon")));
}

static void expiry_is_bounded(void **)
{
	static const struct {
		const char *came;
		uint32_t seconds;
	} rows[] = {{"", 100}, {"Expires: 0\r\n", 0}, {"Expires: 60\r\n", 60},
		{"Expires: 99999999999\r\n", 3600}, {"Expires: never\r\n", 100},
		{"Expires: 7200\r\n", 3600}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(
			expires_read(notify_with(rows[i].came), 100, 3600), rows[i].seconds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hosts_of_uris_are_ours),
		cmocka_unit_test(names_of_dialogs_are_left_out),
		cmocka_unit_test(state_passes_without_what_we_do_not_know),
		cmocka_unit_test(one_package_is_named_or_none),
		cmocka_unit_test(expiry_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
