// Dialogs: what they take from messages, what they write, how they are found, saved and restored.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "dialog.h"
#include "harness.h"
#include "retransmit.h"

static struct sip_header headers[MESSAGE_MAX_HEADERS];
static struct sip_message message;
static char buffer[65536];

static const struct sip_message *parse(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

static const struct sip_message *parse(const char *format, ...)
{
	struct message_error error;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(buffer, sizeof(buffer), format, args);
	va_end(args);
	if (message_parse(&message, headers, buffer, (size_t)n, &error))
		fail_msg("%s", error.reason);
	return &message;
}

static const struct sip_message *invite(const char *extra)
{
	return parse("INVITE sip:us@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n"
		     "From: \"Ann \\\"A\\\"\" <sip:ann@example.com>;tag=theirs;x=\"1;2\"\r\n"
		     "To: sip:us@example.com\r\nCall-ID: id\r\nCSeq: 10 INVITE\r\n%s\r\n",
		extra);
}

static const struct sip_message *response(unsigned int status, const char *tag, const char *extra)
{
	return parse("SIP/2.0 %u X\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n"
		     "From: <sip:us@example.com>;tag=ours\r\nTo: <sip:bob@example.com>;tag=%s\r\n"
		     "Call-ID: id\r\nCSeq: 3 INVITE\r\n%s\r\n",
		status, tag, extra);
}

static const struct dialog_request sent = {.call_id = SLICE("id"),
	.local_tag = SLICE("ours"),
	.local_uri = SLICE("<sip:us@example.com>"),
	.remote_uri = SLICE("<sip:bob@example.com>"),
	.contact = SLICE("<sip:us@192.0.2.1>"),
	.cseq = 3};

#define CONTACT "Contact: <sip:peer@192.0.2.9:5070;transport=udp>;q=1\r\n"
#define ROUTES	"Record-Route: <sip:p1;lr>, <sip:p2;lr>\r\nRecord-Route: <sip:p3;lr>\r\n"

static void written(struct dialog *dialog, enum method method, struct sip_message *m)
{
	static struct sip_header written_headers[MESSAGE_MAX_HEADERS];
	static char text[8192];
	struct message_error error;
	struct builder b;

	builder_init(&b, text, sizeof(text));
	dialog_request_begin(dialog, method, &b);
	builder_header(&b, HEADER_VIA, SLICE("SIP/2.0/UDP h;branch=z9hG4bK1"));
	builder_body(&b, (struct slice){0}, (struct slice){0});
	if (message_parse(m, written_headers, text, builder_finish(&b).n, &error))
		fail_msg("%s in:\n" SLICE_FMT, error.reason, SLICE_ARG(builder_finish(&b)));
}

static void called_side_takes_its_values_from_the_invite(void **)
{
	struct sip_message bye;
	struct dialog d;

	assert_int_equal(dialog_init_uas(&d, invite(CONTACT ROUTES), SLICE("ours"),
				 SLICE("<sip:us@192.0.2.1>")),
		0);
	assert_int_equal(d.state, DIALOG_EARLY);
	assert_int_equal(d.remote_cseq, 10);
	assert_slice(d.strings[DIALOG_LOCAL_TAG], "ours");
	assert_slice(d.strings[DIALOG_REMOTE_TAG], "theirs");
	assert_slice(d.strings[DIALOG_LOCAL_URI], "<sip:us@example.com>");
	assert_slice(
		d.strings[DIALOG_REMOTE_URI], "\"Ann \\\"A\\\"\" <sip:ann@example.com>;x=\"1;2\"");
	assert_slice(d.strings[DIALOG_ROUTES], "<sip:p1;lr>, <sip:p2;lr>, <sip:p3;lr>");
	assert_int_equal(dialog_confirm(&d, NULL), 0);
	assert_int_equal(d.state, DIALOG_CONFIRMED);
	written(&d, METHOD_BYE, &bye);
	assert_slice(bye.uri, "sip:peer@192.0.2.9:5070;transport=udp");
	assert_slice(bye.from_tag, "ours");
	assert_slice(bye.to_tag, "theirs");
	assert_slice(message_value(&bye, HEADER_ROUTE), "<sip:p1;lr>, <sip:p2;lr>, <sip:p3;lr>");
	assert_null(message_header(&bye, HEADER_CONTACT));
	dialog_fini(&d);
}

static void calling_side_reverses_the_route(void **)
{
	struct sip_message m;
	struct dialog d;

	assert_int_equal(dialog_init_uac(&d, &sent, response(180, "t1", CONTACT ROUTES)), 0);
	assert_int_equal(d.state, DIALOG_EARLY);
	assert_slice(d.strings[DIALOG_ROUTES], "<sip:p3;lr>, <sip:p2;lr>, <sip:p1;lr>");
	written(&d, METHOD_UPDATE, &m);
	assert_int_equal(m.cseq, 4);
	assert_slice(message_value(&m, HEADER_CONTACT), "<sip:us@192.0.2.1>");
	written(&d, METHOD_ACK, &m);
	assert_int_equal(m.cseq, 3);
	written(&d, METHOD_INVITE, &m);
	assert_int_equal(m.cseq, 5);
	written(&d, METHOD_ACK, &m);
	assert_int_equal(m.cseq, 5);
	dialog_fini(&d);
}

static void answer_sets_the_route_and_target_again(void **)
{
	struct dialog d;

	assert_int_equal(dialog_init_uac(&d, &sent, response(180, "t1", CONTACT ROUTES)), 0);
	assert_int_equal(dialog_confirm(&d, response(200, "t1",
						    "Contact: <sip:new@192.0.2.8>\r\n"
						    "Record-Route: <sip:p9;lr>\r\n")),
		0);
	assert_int_equal(d.state, DIALOG_CONFIRMED);
	assert_slice(d.strings[DIALOG_ROUTES], "<sip:p9;lr>");
	assert_slice(d.strings[DIALOG_REMOTE_TARGET], "sip:new@192.0.2.8");
	assert_int_equal(dialog_confirm(&d, response(200, "t1", CONTACT)), 0);
	assert_slice(d.strings[DIALOG_ROUTES], "<sip:p9;lr>"); // fixed once confirmed
	dialog_fini(&d);
}

static void strict_router_gets_its_uri_first(void **)
{
	struct sip_message m;
	struct dialog d;

	assert_int_equal(
		dialog_init_uas(&d, invite(CONTACT "Record-Route: <sip:strict>, <sip:p2;lr>\r\n"),
			SLICE("ours"), (struct slice){0}),
		0);
	written(&d, METHOD_BYE, &m);
	assert_slice(m.uri, "sip:strict");
	assert_slice(message_value(&m, HEADER_ROUTE),
		"<sip:p2;lr>, <sip:peer@192.0.2.9:5070;transport=udp>");
	dialog_fini(&d);
	assert_int_equal(dialog_init_uas(&d, invite(CONTACT "Record-Route: <sip:strict>\r\n"),
				 SLICE("ours"), (struct slice){0}),
		0);
	written(&d, METHOD_BYE, &m);
	assert_slice(message_value(&m, HEADER_ROUTE), "<sip:peer@192.0.2.9:5070;transport=udp>");
	dialog_fini(&d);
}

static void next_hop_is_the_first_route_or_the_target(void **)
{
	struct dialog d;
	struct uri uri;

	dialog_init_uas(&d, invite(CONTACT ROUTES), SLICE("ours"), (struct slice){0});
	assert_int_equal(dialog_next_hop(&d, &uri), 0);
	assert_slice(uri.host, "p1");
	dialog_fini(&d);
	dialog_init_uas(&d, invite(CONTACT), SLICE("ours"), (struct slice){0});
	assert_int_equal(dialog_next_hop(&d, &uri), 0);
	assert_slice(uri.host, "192.0.2.9");
	dialog_fini(&d);
}

static void invite_without_contact_makes_no_dialog(void **)
{
	struct dialog d;

	assert_int_equal(
		dialog_init_uas(&d, invite(""), SLICE("ours"), (struct slice){0}), -EBADMSG);
	assert_int_equal(dialog_init_uas(&d, invite("Contact: <sip:a@b@c>\r\n"), SLICE("ours"),
				 (struct slice){0}),
		-EBADMSG);
}

static void ringing_without_contact_makes_one(void **)
{
	struct dialog d;

	assert_int_equal(dialog_init_uac(&d, &sent, response(180, "t", "")), 0);
	assert_slice(d.strings[DIALOG_REMOTE_TARGET], "sip:bob@example.com");
	dialog_fini(&d);
}

static void cseq_must_not_go_down(void **)
{
	static const struct {
		const char *request;
		unsigned int cseq;
		int result;
	} steps[] = {{"INVITE", 10, 0}, {"BYE", 9, -EPROTO}, {"ACK", 3, 0}, {"CANCEL", 3, 0},
		{"INFO", 12, 0}, {"INFO", 11, -EPROTO}, {"BYE", 100, 0}};
	struct dialog d;

	dialog_init_uas(&d, invite(CONTACT), SLICE("ours"), (struct slice){0});
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		assert_int_equal(
			dialog_request_received(
				&d, parse("%s sip:us SIP/2.0\r\nVia: SIP/2.0/UDP h\r\n"
					  "From: <sip:a>;tag=theirs\r\nTo: <sip:b>;tag=ours\r\n"
					  "Call-ID: id\r\nCSeq: %u %s\r\n\r\n",
					    steps[i].request, steps[i].cseq, steps[i].request)),
			steps[i].result);
	assert_int_equal(d.remote_cseq, 100);
	dialog_fini(&d);
}

static void target_is_refreshed_by_contact(void **)
{
	struct dialog d;

	dialog_init_uas(&d, invite(CONTACT ROUTES), SLICE("ours"), SLICE("<sip:us>"));
	assert_int_equal(dialog_refresh(&d, invite("Contact: <sip:moved@192.0.2.7>\r\n")), 0);
	assert_slice(d.strings[DIALOG_REMOTE_TARGET], "sip:moved@192.0.2.7");
	assert_slice(d.strings[DIALOG_ROUTES], "<sip:p1;lr>, <sip:p2;lr>, <sip:p3;lr>");
	assert_slice(d.strings[DIALOG_CONTACT], "<sip:us>");
	assert_int_equal(dialog_refresh(&d, invite("")), 0);
	assert_slice(d.strings[DIALOG_REMOTE_TARGET], "sip:moved@192.0.2.7");
	assert_int_equal(dialog_refresh(&d, invite("Contact: <sip:a@b@c>\r\n")), -EBADMSG);
	assert_int_equal(dialog_set(&d, DIALOG_CONTACT, d.strings[DIALOG_REMOTE_TARGET]), 0);
	assert_slice(d.strings[DIALOG_CONTACT], "sip:moved@192.0.2.7");
	dialog_fini(&d);
}

static void dialogs_are_found_by_id_and_both_tags(void **)
{
	struct dialog_table *table = dialog_table_create();
	struct dialog forks[2], twin;

	assert_int_equal(dialog_init_uac(&forks[0], &sent, response(180, "t1", CONTACT)), 0);
	assert_int_equal(dialog_init_uac(&forks[1], &sent, response(180, "t2", CONTACT)), 0);
	assert_int_equal(dialog_init_uac(&twin, &sent, response(180, "t2", CONTACT)), 0);
	assert_int_equal(dialog_table_add(table, &forks[0]), 0);
	assert_int_equal(dialog_table_add(table, &forks[1]), 0);
	assert_int_equal(dialog_table_add(table, &twin), -EEXIST);
	assert_ptr_equal(dialog_find(table, response(200, "t1", "")), &forks[0]);
	assert_ptr_equal(dialog_find(table, response(200, "t2", "")), &forks[1]);
	assert_null(dialog_find(table, response(200, "t3", "")));
	assert_ptr_equal(dialog_find(table, parse("BYE sip:us SIP/2.0\r\nVia: SIP/2.0/UDP h\r\n"
						  "From: <sip:b>;tag=t2\r\nTo: <sip:a>;tag=ours\r\n"
						  "Call-ID: id\r\nCSeq: 1 BYE\r\n\r\n")),
		&forks[1]);
	dialog_fini(&forks[1]);
	assert_null(dialog_find(table, response(200, "t2", "")));
	dialog_fini(&forks[0]);
	dialog_fini(&twin);
	dialog_table_destroy(table);
}

static void many_dialogs_are_all_found(void **)
{
	enum { N = 5000 };
	struct dialog_table *table = dialog_table_create();
	struct dialog *dialogs = calloc(N, sizeof(*dialogs));
	char tag[16];

	for (int i = 0; i < N; i++) {
		snprintf(tag, sizeof(tag), "t%d", i);
		assert_int_equal(
			dialog_init_uac(&dialogs[i], &sent, response(180, tag, CONTACT)), 0);
		assert_int_equal(dialog_table_add(table, &dialogs[i]), 0);
	}
	for (int i = 0; i < N; i++) {
		snprintf(tag, sizeof(tag), "t%d", i);
		assert_ptr_equal(dialog_find_ids(table, SLICE("id"), SLICE("ours"), slice_of(tag)),
			&dialogs[i]);
	}
	for (int i = 0; i < N; i++)
		dialog_fini(&dialogs[i]);
	assert_null(dialog_find_ids(table, SLICE("id"), SLICE("ours"), SLICE("t7")));
	dialog_table_destroy(table);
	free(dialogs);
}

static void saved_dialog_is_the_same_after_a_restart(void **state)
{
	struct harness *h = *state;
	struct dialog d, again;
	char record[1024];
	int n;

	dialog_init_uas(&d, invite(CONTACT ROUTES), SLICE("ours"), SLICE("<sip:us>"));
	dialog_confirm(&d, NULL);
	d.flow = h->to_peer;
	d.local_cseq = 77;
	n = dialog_save(&d, record, sizeof(record));
	assert_true(n > 0);
	assert_int_equal(dialog_save(&d, record, (size_t)n - 1), -ENOSPC);
	assert_int_equal(dialog_restore(&again, h->stack, record, sizeof(record)), n);
	assert_int_equal(again.state, DIALOG_CONFIRMED);
	assert_false(again.is_uac);
	assert_int_equal(again.local_cseq, 77);
	assert_int_equal(again.remote_cseq, 10);
	assert_ptr_equal(again.flow.listener, h->listener);
	assert_true(sip_address_equal(&again.flow.remote, &h->to_peer.remote));
	for (int i = 0; i < DIALOG_N_STRINGS; i++)
		assert_true(slice_equal(d.strings[i], again.strings[i]));
	dialog_fini(&again);
	for (int cut = 0; cut < n; cut++)
		assert_int_equal(dialog_restore(&again, h->stack, record, (size_t)cut), -EBADMSG);
	record[0]++;
	assert_int_equal(dialog_restore(&again, h->stack, record, (size_t)n), -EBADMSG);
	dialog_fini(&d);
}

static void ack_is_sent_and_sent_again(void **state)
{
	struct harness *h = *state;
	char first[2048];
	size_t size;
	struct dialog d;

	assert_int_equal(dialog_init_uac(&d, &sent, response(200, "t", CONTACT)), 0);
	assert_int_equal(d.state, DIALOG_CONFIRMED);
	d.flow = h->to_peer;
	assert_int_equal(dialog_ack_again(&d, h->stack, 3), -ENOENT);
	assert_int_equal(dialog_ack(&d, h->stack, SLICE("application/sdp"), SLICE("v=0\r\n")), 0);
	assert_true(peer_receive(h, 50));
	assert_string_equal(peer_line(h), "ACK sip:peer@192.0.2.9:5070;transport=udp SIP/2.0");
	assert_int_equal(h->message.cseq, 3);
	assert_slice(h->message.body, "v=0\r\n");
	memcpy(first, h->text, size = h->size);
	assert_int_equal(dialog_ack_again(&d, h->stack, 4), -ENOENT);
	assert_int_equal(dialog_ack_again(&d, h->stack, 3), 0);
	assert_true(peer_receive(h, 50));
	assert_int_equal(h->size, size);
	assert_memory_equal(h->text, first, size);
	dialog_fini(&d);
}

static void gave_up(void *arg)
{
	(*(unsigned int *)arg)++;
}

static void retransmission_stops_when_told(void **state)
{
	struct harness *h = *state;
	unsigned int n_gave_up = 0, n = 0;
	struct retransmit *r = retransmit_start(h->stack, &h->to_peer,
		SLICE("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h\r\nFrom: <sip:a>;tag=1\r\n"
		      "To: <sip:b>;tag=2\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n\r\n"),
		gave_up, &n_gave_up);

	assert_non_null(r);
	assert_true(peer_receive(h, 5 * T1_MS));
	assert_true(peer_receive(h, 5 * T1_MS));
	retransmit_stop(r);
	while (peer_receive(h, 10 * T1_MS))
		n++;
	assert_true(n <= 1);
	assert_int_equal(n_gave_up, 0);
	retransmit_stop(NULL);
}

static void retransmission_gives_up_after_64_t1(void **state)
{
	struct harness *h = *state;
	unsigned int n_gave_up = 0, n = 0;
	uint64_t begin = harness_now_ms();

	retransmit_start(h->stack, &h->to_peer,
		SLICE("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h\r\nFrom: <sip:a>;tag=1\r\n"
		      "To: <sip:b>;tag=2\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n\r\n"),
		gave_up, &n_gave_up);
	while (!n_gave_up && harness_now_ms() < begin + 10000)
		harness_run(h, 5);
	assert_int_equal(n_gave_up, 1);
	assert_true(harness_now_ms() >= begin + 63 * T1_MS);
	while (peer_receive(h, 1))
		n++;
	assert_in_range(n, 8, 11);
}

// RFC 3262 section 3: no bound but the end. At T1, 3, 7, 15 and 31 times T1.
static void unbounded_retransmission_doubles_to_the_end(void **state)
{
	struct harness *h = *state;
	unsigned int n_gave_up = 0, n = 0;
	uint64_t begin = harness_now_ms();
	struct retransmit *r = retransmit_start(h->stack, &h->to_peer,
		SLICE("SIP/2.0 180 Ringing\r\nVia: SIP/2.0/UDP h\r\nFrom: <sip:a>;tag=1\r\n"
		      "To: <sip:b>;tag=2\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n\r\n"),
		gave_up, &n_gave_up);

	retransmit_unbounded(r);
	while (!n_gave_up && harness_now_ms() < begin + 10000)
		harness_run(h, 5);
	assert_true(harness_now_ms() >= begin + 63 * T1_MS);
	while (peer_receive(h, 1))
		n++;
	assert_in_range(n, 4, 6); // 64 times T1 is the end and may come with the last
}

// One among others of the same hash bucket, too.
static void moved_dialog_is_found_where_it_is(void **)
{
	struct dialog_table *table = dialog_table_create();
	struct dialog from, to;

	assert_int_equal(dialog_init_uac(&from, &sent, response(180, "bob", "")), 0);
	assert_int_equal(dialog_table_add(table, &from), 0);
	dialog_move(&to, &from);
	assert_null(from.table);
	assert_ptr_equal(dialog_find_ids(table, SLICE("id"), SLICE("ours"), SLICE("bob")), &to);
	dialog_fini(&to);
	assert_null(dialog_find_ids(table, SLICE("id"), SLICE("ours"), SLICE("bob")));
	dialog_table_destroy(table);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, harness_setup, harness_teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(called_side_takes_its_values_from_the_invite),
		cmocka_unit_test(moved_dialog_is_found_where_it_is),
		cmocka_unit_test(calling_side_reverses_the_route),
		cmocka_unit_test(answer_sets_the_route_and_target_again),
		cmocka_unit_test(strict_router_gets_its_uri_first),
		cmocka_unit_test(next_hop_is_the_first_route_or_the_target),
		cmocka_unit_test(invite_without_contact_makes_no_dialog),
		cmocka_unit_test(ringing_without_contact_makes_one),
		cmocka_unit_test(cseq_must_not_go_down),
		cmocka_unit_test(target_is_refreshed_by_contact),
		cmocka_unit_test(dialogs_are_found_by_id_and_both_tags),
		cmocka_unit_test(many_dialogs_are_all_found),
		CASE(saved_dialog_is_the_same_after_a_restart),
		CASE(ack_is_sent_and_sent_again),
		CASE(retransmission_stops_when_told),
		CASE(retransmission_gives_up_after_64_t1),
		CASE(unbounded_retransmission_doubles_to_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
