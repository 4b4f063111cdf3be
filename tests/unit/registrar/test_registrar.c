// REGISTER, message by message: what is bound, what is answered, what is refused.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "harness.h"
#include "registrar.h"

static const struct registrar_rules rules = {.domain = "example.com",
	.expires_s = 600,
	.expires_min_s = 60,
	.expires_max_s = 3600,
	.contacts = 3,
	.keepalive_s = 1};

static struct registrar *registrar;
static unsigned int cseq;

static void take(struct harness *, struct transaction *transaction)
{
	registrar_take(registrar, &rules, transaction, SLICE("alice"));
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
	return registrar ? 0 : -1;
}

static int teardown(void **state)
{
	registrar_destroy(registrar);
	return harness_teardown(state);
}

// A REGISTER with these header lines; what answers it is in h->message.
static unsigned int send_as(struct harness *h, const char *user, const char *via, const char *lines)
{
	cseq++;
	peer_send(h,
		"REGISTER sip:example.com SIP/2.0\r\n"
		"Via: SIP/2.0/UDP %s;branch=z9hG4bK%u;rport\r\n"
		"From: <sip:alice@example.com>;tag=f\r\nTo: <sip:%s@example.com>\r\n"
		"Call-ID: c\r\nCSeq: %u REGISTER\r\n%sContent-Length: 0\r\n\r\n",
		via, cseq, user, cseq, lines);
	assert_true(peer_receive(h, 1000));
	return h->message.status;
}

static unsigned int reg(struct harness *h, const char *lines)
{
	return send_as(h, "alice", "10.0.0.1", lines);
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

static void bindings_are_answered_with_what_they_were_given(void **state)
{
	struct harness *h = *state;

	assert_int_equal(reg(h, "Contact: <sip:a@10.0.0.1>;q=0.25, sip:b@10.0.0.1;expires=100\r\n"
				"Expires: 9999\r\n"),
		200);
	assert_true(has(h, "Contact: <sip:b@10.0.0.1>;expires=100;q=1.000\r\n"));
	assert_true(has(h, "Contact: <sip:a@10.0.0.1>;expires=3600;q=0.250\r\n"));
	assert_int_equal(reg(h, ""), 200); // asks only
	assert_true(has(h, "<sip:b@10.0.0.1>"));
	assert_int_equal(reg(h, "Contact: <sip:a@10.0.0.1>;expires=0\r\n"), 200);
	assert_false(has(h, "<sip:a@10.0.0.1>"));
	assert_int_equal(reg(h, "Contact: <sip:c@10.0.0.1>\r\n"), 200);
	assert_true(has(h, "<sip:c@10.0.0.1>;expires=600;"));
	assert_int_equal(reg(h, "Contact: *\r\nExpires: 0\r\n"), 200);
	assert_false(has(h, "Contact:"));
	assert_int_equal(location_n_bindings(registrar_location(registrar)), 0);
}

static void what_cannot_be_is_refused(void **state)
{
	static const struct {
		const char *lines;
		unsigned int status;
	} cases[] = {
		{"Contact: *\r\n", 400},
		{"Contact: *\r\nExpires: 60\r\n", 400},
		{"Contact: *, <sip:a@h>\r\nExpires: 0\r\n", 400},
		{"Contact: *, *\r\nExpires: 0\r\n", 400},
		{"Contact: <sip:a@h>;expires=59\r\n", 423},
		{"Contact: <sip:a@h>\r\nExpires: 1\r\n", 423},
		{"Contact: <sip:a@h>;q=1.5\r\n", 400},
		{"Contact: <sip:a@h>;q=0.1234\r\n", 400},
		{"Contact: <sip:a@h>;q=x\r\n", 400},
		{"Contact: <mailto:a@h>\r\n", 400},
		{"Contact: <sip:a@h?To=x>\r\n", 400},
		{"Contact: <sip:a@h>, <sip:a@h>\r\n", 400},
		{"Contact: <sip:a@h>\r\nPath: nonsense\r\n", 400},
		{"Contact: <sip:a@h>;+sip.instance=\"urn\"\r\n", 400},
		{"Contact: <sip:1@h>, <sip:2@h>, <sip:3@h>, <sip:4@h>\r\n", 503},
		{"Supported: outbound\r\nContact: <sip:a@h>;reg-id=0;+sip.instance=\"<u:1>\"\r\n",
			400},
		{"Via: SIP/2.0/UDP 10.0.0.2;branch=z9hG4bKx\r\nSupported: outbound\r\n"
		 "Contact: <sip:a@h>;reg-id=1;+sip.instance=\"<u:1>\"\r\n",
			439},
	};
	struct harness *h = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (reg(h, cases[i].lines) != cases[i].status)
			fail_msg("\"%s\" gave %u", cases[i].lines, h->message.status);
	assert_int_equal(location_n_records(registrar_location(registrar)), 0);
	assert_int_equal(reg(h, "Contact: <sip:a@h>;expires=59\r\n"), 423);
	assert_true(has(h, "Min-Expires: 60\r\n"));
}

static void nobody_registers_for_others(void **state)
{
	struct harness *h = *state;

	assert_int_equal(send_as(h, "bob", "10.0.0.1", "Contact: <sip:a@h>\r\n"), 403);
	assert_int_equal(location_n_bindings(registrar_location(registrar)), 0);
}

static void order_counts_within_a_call_id(void **state)
{
	struct harness *h = *state;

	assert_int_equal(reg(h, "Contact: <sip:a@h>\r\n"), 200);
	cseq -= 2;
	assert_int_equal(reg(h, "Contact: <sip:a@h>\r\n"), 500);
	cseq += 2;
}

static void path_is_kept_and_told(void **state)
{
	struct harness *h = *state;

	assert_int_equal(reg(h, "Contact: <sip:a@h>\r\nSupported: path\r\n"
				"Path: <sip:p2.example.com;lr>, <sip:p1.example.com;lr>\r\n"),
		200);
	assert_true(has(h, "Path: <sip:p2.example.com;lr>, <sip:p1.example.com;lr>\r\n"));
	assert_true(slice_equal(first_binding()->values.strings[BINDING_PATH],
		SLICE("<sip:p2.example.com;lr>, <sip:p1.example.com;lr>")));
	assert_false(first_binding()->values.is_natted);
}

static void flows_of_outbound_are_named_by_their_instance(void **state)
{
	struct harness *h = *state;

	assert_int_equal(reg(h, "Supported: outbound, gruu\r\nContact: <sip:a@10.0.0.1:1>;reg-id=1;"
				"+sip.instance=\"<urn:uuid:1>\"\r\n"),
		200);
	assert_true(has(h, ";+sip.instance=\"<urn:uuid:1>\""
			   ";pub-gruu=\"sip:alice@example.com;gr=urn:uuid:1\";reg-id=1\r\n"));
	assert_true(has(h, "Require: outbound\r\n"));
	assert_true(has(h, "Flow-Timer: 120\r\n"));
	assert_int_equal(reg(h, "Supported: outbound\r\nContact: <sip:a@10.0.0.1:2>;reg-id=1;"
				"+sip.instance=\"<urn:uuid:1>\"\r\n"),
		200);
	assert_false(has(h, "pub-gruu"));
	assert_int_equal(location_n_bindings(registrar_location(registrar)), 1);
	// An edge proxy that keeps the flow.
	assert_int_equal(reg(h, "Via: SIP/2.0/UDP 10.0.0.2;branch=z9hG4bKx\r\n"
				"Path: <sip:10.0.0.3;lr;ob>\r\nSupported: outbound\r\n"
				"Contact: <sip:a@10.0.0.1:2>;reg-id=2;"
				"+sip.instance=\"<urn:uuid:1>\"\r\n"),
		200);
}

static void flow_behind_nat_is_kept_open(void **state)
{
	struct harness *h = *state;
	const struct binding_values *values;
	char text[16];

	assert_int_equal(reg(h, "Contact: <sip:a@10.0.0.1>\r\n"), 200);
	values = &first_binding()->values;
	assert_true(values->is_natted);
	assert_int_equal(
		sip_address_port(&values->flow.remote), sip_address_port(&h->to_peer.remote));
	harness_run(h, 10);
	registrar_keepalive_set(registrar, 1);
	for (int i = 0; i < 50 && !registrar_counters(registrar)->keepalives; i++)
		harness_run(h, 100);
	harness_run(h, 10);
	assert_int_equal(recv(h->peer, text, sizeof(text), MSG_DONTWAIT), 4);
	assert_memory_equal(text, "\r\n\r\n", 4);
}

static void one_that_is_where_it_says_is_not_behind_nat(void **state)
{
	struct harness *h = *state;
	char via[SIP_ADDRESS_TEXT_SIZE];

	sip_address_format(&h->to_peer.remote, via);
	assert_int_equal(send_as(h, "alice", via, "Contact: <sip:a@10.0.0.1>\r\n"), 200);
	assert_false(first_binding()->values.is_natted);
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(bindings_are_answered_with_what_they_were_given),
		test(what_cannot_be_is_refused),
		test(nobody_registers_for_others),
		test(order_counts_within_a_call_id),
		test(path_is_kept_and_told),
		test(flows_of_outbound_are_named_by_their_instance),
		test(flow_behind_nat_is_kept_open),
		test(one_that_is_where_it_says_is_not_behind_nat),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
