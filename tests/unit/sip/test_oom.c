// Every allocation of a call's way through the stack fails once: nothing may crash, leak or hang,
// and the stack must work again afterwards. The linker puts the wrappers below in front of the
// allocator (--wrap).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "dialog.h"
#include "retransmit.h"
#include "tcp_harness.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);

static unsigned int n_until_failure; // 0: none fails

static bool fails(void)
{
	return n_until_failure && --n_until_failure == 0;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

static void never(void *)
{
}

static void answer(struct harness *h, struct transaction *t)
{
	struct dialog_table *table = dialog_table_create();
	struct dialog dialog;

	transaction_reply(t, 180);
	retransmit_stop(retransmit_start(h->stack, &h->to_peer, SLICE("x"), never, NULL));
	if (!dialog_init_uas(
		    &dialog, transaction_request(t), transaction_to_tag(t), SLICE("<sip:us>"))) {
		if (table)
			dialog_table_add(table, &dialog);
		dialog_ack(&dialog, h->stack, (struct slice){0}, (struct slice){0});
		dialog_set(&dialog, DIALOG_CONTACT, SLICE("<sip:them>"));
		dialog_fini(&dialog);
	}
	dialog_table_destroy(table);
	transaction_reply(t, 200);
}

static void scenario(struct harness *h)
{
	static const char options[] = "OPTIONS sip:b SIP/2.0\r\nFrom: <sip:a>;tag=1\r\n"
				      "To: <sip:b>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n\r\n";
	static const char invite[] = "INVITE sip:b SIP/2.0\r\nFrom: <sip:a>;tag=1\r\n"
				     "To: <sip:b>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\r\n";
	struct transaction *t;

	transaction_start(h->stack, &h->to_peer, slice_of(options), NULL);
	t = transaction_start(h->stack, &h->to_peer, slice_of(invite), NULL);
	if (t)
		transaction_cancel(t, SLICE("Reason: SIP;cause=200\r\n"));
	transport_flush(stack_transport(h->stack));
	harness_run(h, 1);
}

static bool round_trip(struct harness *h, unsigned int nth)
{
	char branch[32];
	bool reached;

	snprintf(branch, sizeof(branch), "z9hG4bKoom%u", nth);
	peer_request(h, "INVITE", branch, "tag", "");
	n_until_failure = nth;
	scenario(h);
	reached = n_until_failure == 0 && nth;
	n_until_failure = 0;
	return reached;
}

static void each_allocation_may_fail(void **state)
{
	struct harness *h = *state;
	unsigned int nth = 1, n_ok;

	h->on_request = answer;
	while (nth < 100 && round_trip(h, nth)) {
		while (peer_receive(h, 1)) // drains, and checks that what was sent is whole
			;
		h->n_seen = 0;
		nth++;
	}
	assert_in_range(nth, 8, 99); // the scenario does allocate, and ends
	h->n_seen = 0;
	n_ok = harness_count(h, "request INVITE");
	round_trip(h, 0);
	assert_int_equal(harness_count(h, "request INVITE"), n_ok + 1);
}

// What is lost is told or times out; what is whole goes on, over the same connection or another.
static void each_allocation_of_tcp_may_fail(void **state)
{
	struct harness *h = *state;
	int listening = peer_listen(h);
	unsigned int nth = 0;
	bool reached = true;

	h->on_request = answer_ok;
	while (nth < 100 && reached) {
		int theirs = peer_connect(h), ours;

		say(theirs, request("OPTIONS", 5060, (char[]){(char)('a' + nth), '\0'}));
		n_until_failure = ++nth;
		transaction_start(h->stack, &h->to_peer, slice_of(options_text), NULL);
		harness_run(h, 3);
		reached = n_until_failure == 0;
		n_until_failure = 0;
		ours = accept(listening, NULL, NULL);
		close(ours);
		close(theirs);
		harness_run(h, 3);
		assert_int_equal(counters(h)->connections, 0);
		h->n_seen = 0;
	}
	assert_in_range(nth, 8, 26);
}

static void stack_that_cannot_be_made_is_an_error(void **state)
{
	struct harness *h = *state;
	struct stack_config config = {.base = h->base, .user = &(struct stack_user){0}};
	unsigned int nth = 0;
	struct sip_stack *stack;

	do {
		n_until_failure = ++nth;
		stack = stack_create(&config);
	} while (!stack && nth < 50);
	assert_in_range(nth, 5, 49);
	n_until_failure = 0;
	stack_destroy(stack);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, harness_setup, harness_teardown)
	const struct CMUnitTest tests[] = {
		CASE(each_allocation_may_fail),
		cmocka_unit_test_setup_teardown(
			each_allocation_of_tcp_may_fail, tcp_setup, harness_teardown),
		CASE(stack_that_cannot_be_made_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
