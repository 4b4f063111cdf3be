// Bindings: what matches what, the order of requests, limits, time.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <time.h>

#include "location.h"

enum { MAX = 10, RECORD_MAX = 4 };

struct fixture {
	struct event_base *base;
	struct location *location;
	unsigned int set, renewed, asked, expired, dropped;
};

static void on_set(void *arg, struct slice, const struct binding *, bool is_new)
{
	struct fixture *f = arg;

	f->set += is_new;
	f->renewed += !is_new;
}

static void on_removed(void *arg, struct slice, const struct binding *, enum location_why why)
{
	struct fixture *f = arg;

	f->asked += why == LOCATION_ASKED;
	f->expired += why == LOCATION_EXPIRED;
	f->dropped += why == LOCATION_DROPPED;
}

static const struct location_watcher watcher = {.set = on_set, .removed = on_removed};

static struct fixture setup(void)
{
	return (struct fixture){.base = event_base_new()};
}

static void begin(struct fixture *f)
{
	f->location = location_create(f->base, MAX, &watcher, f);
	assert_non_null(f->location);
}

static void end(struct fixture *f)
{
	location_destroy(f->location);
	event_base_free(f->base);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static struct binding_values wish(const char *contact, const char *call_id, uint32_t cseq)
{
	return (struct binding_values){.strings = {[BINDING_CONTACT] = slice_of(contact),
					       [BINDING_CALL_ID] = slice_of(call_id)},
		.cseq = cseq,
		.q = 1000,
		.expires_ms = now_ms() + 60000};
}

static int change(struct fixture *f, const struct binding_values *wishes, size_t n)
{
	return location_change(f->location, SLICE("a@x"), wishes, n, RECORD_MAX, now_ms());
}

static int set(struct fixture *f, struct binding_values values)
{
	return change(f, &values, 1);
}

static unsigned int count(struct fixture *f)
{
	const struct binding_list *list = location_find(f->location, SLICE("a@x"), now_ms());
	const struct binding *binding;
	unsigned int n = 0;

	if (list)
		TAILQ_FOREACH (binding, list, in_record)
			n++;
	return n;
}

static void same_contact_is_renewed(void **)
{
	struct fixture f = setup();

	begin(&f);
	assert_int_equal(set(&f, wish("sip:a@192.0.2.1:5060;transport=UDP", "c", 1)), 0);
	assert_int_equal(set(&f, wish("sip:a@192.0.2.1:5060;transport=udp", "c", 2)), 0);
	assert_int_equal(set(&f, wish("sip:a@192.0.2.1:5070", "c", 2)), 0);
	assert_int_equal(count(&f), 2);
	assert_int_equal(f.set, 2);
	assert_int_equal(f.renewed, 1);
	assert_int_equal(location_n_bindings(f.location), 2);
	assert_int_equal(location_n_records(f.location), 1);
	end(&f);
}

// RFC 3261 10.3, step 7.
static void older_requests_change_nothing(void **)
{
	static const struct {
		const char *call_id;
		uint32_t cseq;
		int result;
	} turns[] = {{"c", 5, 0}, {"c", 5, -EPROTO}, {"c", 4, -EPROTO}, {"c", 6, 0}, {"d", 1, 0},
		{"c", 1, 0}};
	struct fixture f = setup();

	begin(&f);
	for (size_t i = 0; i < sizeof(turns) / sizeof(turns[0]); i++)
		assert_int_equal(
			set(&f, wish("sip:a@h", turns[i].call_id, turns[i].cseq)), turns[i].result);
	end(&f);
}

static void all_of_a_request_or_nothing(void **)
{
	struct binding_values wishes[3];
	struct fixture f = setup();

	begin(&f);
	set(&f, wish("sip:old@h", "c", 9));
	wishes[0] = wish("sip:new@h", "c", 8);
	wishes[1] = wish("sip:old@h", "c", 8);
	wishes[2] = wish("sip:other@h", "c", 8);
	assert_int_equal(change(&f, wishes, 3), -EPROTO);
	assert_int_equal(count(&f), 1);
	wishes[1].cseq = 10;
	wishes[1].expires_ms = 0;
	assert_int_equal(change(&f, wishes, 3), 0);
	assert_int_equal(count(&f), 2);
	assert_int_equal(f.asked, 1);
	end(&f);
}

// RFC 5626 6: a rebooted phone has another contact and is the same instance.
static void flows_are_known_by_instance_and_number(void **)
{
	struct binding_values first = wish("sip:a@192.0.2.1:1000", "c", 1),
			      second = wish("sip:a@192.0.2.1:2000", "d", 1),
			      third = wish("sip:a@192.0.2.1:1000", "e", 1);
	struct fixture f = setup();
	const struct binding_list *list;

	begin(&f);
	first.reg_id = second.reg_id = 1;
	third.reg_id = 2;
	first.strings[BINDING_INSTANCE] = second.strings[BINDING_INSTANCE] =
		third.strings[BINDING_INSTANCE] = SLICE("<urn:uuid:1>");
	set(&f, first);
	set(&f, second);
	assert_int_equal(count(&f), 1);
	list = location_find(f.location, SLICE("a@x"), now_ms());
	assert_true(slice_equal(
		TAILQ_FIRST(list)->values.strings[BINDING_CONTACT], SLICE("sip:a@192.0.2.1:2000")));
	set(&f, third);
	assert_int_equal(count(&f), 2);
	end(&f);
}

static void bindings_are_in_the_order_of_q(void **)
{
	static const uint16_t qs[] = {500, 1000, 0, 700}, order[] = {1000, 700, 500, 0};
	struct fixture f = setup();
	const struct binding *binding;
	char contact[32];
	size_t i = 0;

	begin(&f);
	for (; i < 4; i++) {
		struct binding_values values;

		snprintf(contact, sizeof(contact), "sip:%zu@h", i);
		values = wish(contact, "c", 1);
		values.q = qs[i];
		set(&f, values);
	}
	i = 0;
	TAILQ_FOREACH (binding, location_find(f.location, SLICE("a@x"), now_ms()), in_record)
		assert_int_equal(binding->values.q, order[i++]);
	assert_int_equal(i, 4);
	end(&f);
}

static void memory_is_bounded(void **)
{
	struct fixture f = setup();
	struct binding_values values;
	char text[32];

	begin(&f);
	for (unsigned int i = 0; i < RECORD_MAX + 1; i++) {
		snprintf(text, sizeof(text), "sip:%u@h", i);
		assert_int_equal(set(&f, wish(text, "c", 1)), i < RECORD_MAX ? 0 : -ENOSPC);
	}
	assert_int_equal(set(&f, wish("sip:0@h", "c", 2)), 0); // renewals need no room
	values = wish("sip:u@h", "c", 1);
	for (unsigned int i = RECORD_MAX; i < MAX + 1; i++) {
		snprintf(text, sizeof(text), "%u@x", i);
		assert_int_equal(location_change(f.location, slice_of(text), &values, 1, RECORD_MAX,
					 now_ms()),
			i < MAX ? 0 : -ENOSPC);
	}
	assert_int_equal(location_n_bindings(f.location), MAX);
	assert_int_equal(location_n_records(f.location), MAX - RECORD_MAX + 1);
	end(&f);
}

static void clearing_keeps_the_order_too(void **)
{
	struct fixture f = setup();

	begin(&f);
	set(&f, wish("sip:1@h", "c", 5));
	set(&f, wish("sip:2@h", "d", 5));
	assert_int_equal(
		location_clear(f.location, SLICE("a@x"), SLICE("c"), 4, now_ms()), -EPROTO);
	assert_int_equal(count(&f), 2);
	assert_int_equal(location_clear(f.location, SLICE("a@x"), SLICE("c"), 6, now_ms()), 0);
	assert_int_equal(count(&f), 0);
	assert_int_equal(location_n_records(f.location), 0);
	assert_int_equal(location_clear(f.location, SLICE("a@x"), SLICE("c"), 7, now_ms()), 0);
	end(&f);
}

static void time_removes_without_being_asked(void **)
{
	static const struct timeval while_ = {.tv_usec = 300000};
	struct fixture f = setup();
	struct binding_values values = wish("sip:1@h", "c", 1);

	begin(&f);
	values.expires_ms = now_ms() + 100;
	set(&f, values);
	set(&f, wish("sip:2@h", "c", 1));
	event_base_loopexit(f.base, &while_);
	event_base_dispatch(f.base);
	assert_int_equal(f.expired, 1);
	assert_int_equal(count(&f), 1);
	// The clock that counts is the caller's.
	assert_null(location_find(f.location, SLICE("a@x"), now_ms() + 61000));
	assert_int_equal(f.expired, 2);
	assert_int_equal(location_n_bindings(f.location), 0);
	end(&f);
}

static void failed_flow_is_dropped(void **)
{
	struct fixture f = setup();

	begin(&f);
	set(&f, wish("sip:1@h", "c", 1));
	set(&f, wish("sip:2@h", "c", 1));
	location_drop(f.location, TAILQ_FIRST(location_find(f.location, SLICE("a@x"), now_ms())));
	assert_int_equal(count(&f), 1);
	assert_int_equal(f.dropped, 1);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_contact_is_renewed),
		cmocka_unit_test(older_requests_change_nothing),
		cmocka_unit_test(all_of_a_request_or_nothing),
		cmocka_unit_test(flows_are_known_by_instance_and_number),
		cmocka_unit_test(bindings_are_in_the_order_of_q),
		cmocka_unit_test(memory_is_bounded),
		cmocka_unit_test(clearing_keeps_the_order_too),
		cmocka_unit_test(time_removes_without_being_asked),
		cmocka_unit_test(failed_flow_is_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
