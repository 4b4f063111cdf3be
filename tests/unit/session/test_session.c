#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <rte_malloc.h>
#include <rte_rcu_qsbr.h>
#include <stdio.h>

#include "clock.h"
#include "session_rig.h"
#include "session_state.h"

#define WORKERS	  2
#define UDP_PORTS 16 // an address: 8 pairs, 4 a worker

static struct rig rig;

static int setup(void **)
{
	rig_open(&rig, WORKERS, UDP_PORTS, 100, NULL);
	return 0;
}

static int teardown(void **)
{
	rig_close(&rig);
	return 0;
}

static int set_result(const struct sl_session *wanted, struct sl_session *session)
{
	const char *why = NULL;
	int rc;

	memset(session, 0, sizeof(*session));
	rc = session_set(rig.sessions, wanted, "record", session, &why);
	if (rc && !why)
		fail_msg("no reason given for %d", rc);
	return rc;
}

static struct sl_session set(const struct sl_session *wanted)
{
	struct sl_session session;

	assert_int_equal(set_result(wanted, &session), 0);
	return session;
}

static struct leg *leg_at(unsigned int address, uint16_t udp_port)
{
	const struct leg_table *table = sessions_table(rig.sessions);

	return *table_slot(&table->addresses[address], udp_port);
}

static uint32_t count_sessions(void)
{
	struct sessions_counts counts;

	sessions_count(rig.sessions, &counts);
	return counts.sessions;
}

static struct sessions_counts counts_now(void)
{
	struct sessions_counts counts;

	sessions_count(rig.sessions, &counts);
	return counts;
}

static void ports_and_ssrcs_are_chosen_and_linked(void **)
{
	struct sl_session wanted = rig_session(1);
	struct sl_session session = set(&wanted);

	for (unsigned int i = 0; i < 2; i++) {
		uint16_t port = session.legs[i].local.port;

		assert_true(port >= 20000 && port < 20000 + UDP_PORTS && port % 2 == 0);
		assert_int_not_equal(session.legs[i].ssrc, 0);
		assert_non_null(leg_at(i, port));
		assert_ptr_equal(leg_at(i, port), leg_at(i, (uint16_t)(port + 1)));
		session.legs[i].local.port = 0;
		session.legs[i].ssrc = 0;
	}
	assert_memory_equal(&session, &wanted, sizeof(wanted)); // nothing else was changed
}

static void legs_of_a_session_share_a_worker_and_sessions_share_them_out(void **)
{
	unsigned int of_worker[WORKERS] = {};

	for (unsigned int i = 0; i < 8; i++) {
		struct sl_session wanted = rig_session(i);
		struct sl_session session = set(&wanted);
		unsigned int worker = session.legs[0].local.port >= 20008;

		assert_int_equal(session.legs[1].local.port >= 20008, worker);
		assert_int_equal(leg_at(0, session.legs[0].local.port)->worker, worker);
		assert_int_equal(leg_at(1, session.legs[1].local.port)->worker, worker);
		of_worker[worker]++;
	}
	assert_int_equal(of_worker[0], 4);
	assert_int_equal(of_worker[1], 4);
}

static void exhausted_ports_are_enospc_and_leave_no_trace(void **)
{
	struct sl_session wanted, session;
	struct sessions_counts before, after;

	for (unsigned int i = 0; i < 8; i++) {
		wanted = rig_session(i);
		set(&wanted);
	}
	before = counts_now();
	assert_int_equal(before.ports_free, 0);
	wanted = rig_session(99);
	assert_int_equal(set_result(&wanted, &session), -ENOSPC);
	after = counts_now();
	assert_memory_equal(&before, &after, sizeof(before));
	assert_null(session_find(rig.sessions, &wanted.id));
}

static void sessions_max_is_enospc(void **)
{
	struct sl_session wanted = rig_session(1);
	struct sl_session session;

	rig_close(&rig);
	rig_open(&rig, 1, UDP_PORTS, 1, NULL);
	set(&wanted);
	wanted = rig_session(2);
	assert_int_equal(set_result(&wanted, &session), -ENOSPC);
	assert_int_equal(count_sessions(), 1);
}

static void exact_ports_are_exact_or_refused(void **)
{
	struct sl_session wanted = rig_session(1);
	struct sl_session session;

	wanted.legs[0].local.port = 20010;
	session = set(&wanted);
	assert_int_equal(session.legs[0].local.port, 20010);
	assert_true(session.legs[1].local.port >= 20008); // the same worker's slice
	wanted = rig_session(2);
	wanted.legs[0].local.port = 20010;
	assert_int_equal(set_result(&wanted, &session), -EADDRINUSE);
	wanted.legs[0].local.port = 20016;
	assert_int_equal(set_result(&wanted, &session), -EADDRNOTAVAIL);
	wanted.legs[0].local = rig_address("192.0.2.77", 0);
	assert_int_equal(set_result(&wanted, &session), -EADDRNOTAVAIL);
	wanted.legs[0].local = rig_address("2001:db8::77", 0);
	wanted.legs[0].remote = rig_address("2001:db8::1", 4000);
	assert_int_equal(set_result(&wanted, &session), -EADDRNOTAVAIL);
	assert_int_equal(count_sessions(), 1);
}

static void exact_ports_of_two_slices_are_taken(void **)
{
	struct sl_session wanted = rig_session(1);
	struct sl_session session;

	wanted.legs[0].local.port = 20002;
	wanted.legs[1].local.port = 20012;
	session = set(&wanted);
	assert_int_equal(leg_at(0, 20002)->worker, 0);
	assert_int_equal(leg_at(1, 20012)->worker, 0); // one session, one worker
	assert_int_equal(session.legs[1].local.port, 20012);
}

// What is set a second time stays as it is, leg by leg.
static void the_same_set_again_changes_nothing(void **)
{
	struct sl_session wanted = rig_session(1);
	struct sl_session first = set(&wanted);
	struct leg *leg = leg_at(0, first.legs[0].local.port);
	struct feed *feed = leg->config->feeds[0];
	struct sl_session again;

	leg->rx.packets = 7;
	again = set(&wanted);
	assert_memory_equal(&first, &again, sizeof(first));
	assert_ptr_equal(leg_at(0, again.legs[0].local.port), leg);
	assert_ptr_equal(leg->config->feeds[0], feed);
	assert_int_equal(leg->rx.packets, 7);
	again = set(&first); // now with the ports as "exactly these"
	assert_memory_equal(&first, &again, sizeof(first));
	assert_int_equal(count_sessions(), 1);
	assert_int_equal(counts_now().ports_used, 2);
}

static void a_refused_replace_leaves_the_session_as_it_was(void **)
{
	struct sl_session wanted = rig_session(1);
	struct sl_session first = set(&wanted);
	struct leg_config *config = leg_at(0, first.legs[0].local.port)->config;
	struct sessions_counts before = counts_now(), after;
	struct sl_session session;

	strcpy(wanted.legs[1].formats[0].name, "unknown");
	assert_int_equal(set_result(&wanted, &session), -EOPNOTSUPP);
	wanted = rig_session(1);
	wanted.n_legs = 3;
	wanted.legs[2] = wanted.legs[1];
	wanted.legs[2].local = rig_address("192.0.2.99", 0);
	assert_int_equal(set_result(&wanted, &session), -EADDRNOTAVAIL);
	after = counts_now();
	assert_memory_equal(&before, &after, sizeof(before));
	assert_ptr_equal(leg_at(0, first.legs[0].local.port)->config, config);
}

static void a_changed_remote_begins_a_new_epoch_and_nothing_else_does(void **)
{
	struct sl_session wanted = rig_session(1);
	struct sl_session session = set(&wanted);
	struct leg *leg = leg_at(0, session.legs[0].local.port);
	uint16_t epoch = leg->config->epoch;

	wanted.legs[0].flags = SL_LEG_HELD;
	wanted.legs[1].remote.port++;
	set(&wanted);
	assert_int_equal(leg->config->epoch, epoch);
	wanted.legs[0].remote.port++;
	set(&wanted);
	assert_int_not_equal(leg->config->epoch, epoch);
}

static void a_replace_may_move_a_port_and_drop_a_leg(void **)
{
	struct sl_session wanted = rig_session(1);
	struct sl_session session;
	struct leg *leg;

	wanted.legs[0].local.port = 20000;
	wanted.legs[1].local.port = 20000;
	set(&wanted);
	leg = leg_at(0, 20000);
	wanted.legs[0].local.port = 20004;
	wanted.legs[0].source = SL_NO_LEG;
	wanted.n_legs = 1;
	session = set(&wanted);
	assert_int_equal(session.legs[0].local.port, 20004);
	assert_ptr_equal(leg_at(0, 20004), leg);
	assert_null(leg_at(0, 20000));
	assert_null(leg_at(0, 20001));
	assert_null(leg_at(1, 20000));
	assert_int_equal(leg->config->n_feeds, 0);
	assert_int_equal(counts_now().ports_used, 1);
	assert_int_equal(counts_now().legs, 1);
}

static void ports_are_reused_as_late_as_possible(void **)
{
	uint16_t last = 0;

	rig_close(&rig);
	rig_open(&rig, 1, UDP_PORTS, 100, NULL);
	for (unsigned int i = 0; i < 24; i++) {
		struct sl_session wanted = rig_session(1);
		struct sl_session session = set(&wanted);

		assert_int_equal(session.legs[0].local.port, last ? last : 20000);
		last = session.legs[0].local.port == 20014
			       ? 20000
			       : (uint16_t)(session.legs[0].local.port + 2);
		session_delete(rig.sessions, session_find(rig.sessions, &wanted.id));
	}
}

static void a_leg_is_freed_only_after_every_worker_has_passed(void **)
{
	struct sl_session wanted = rig_session(1);
	struct sl_session session = set(&wanted);
	uint16_t port = session.legs[0].local.port;

	for (unsigned int i = 0; i < WORKERS; i++) {
		rte_rcu_qsbr_thread_register(rig.rcu, i);
		rte_rcu_qsbr_thread_online(rig.rcu, i);
	}
	session_delete(rig.sessions, session_find(rig.sessions, &wanted.id));
	assert_null(leg_at(0, port)); // unlinked at once
	assert_int_equal(counts_now().ports_used, 0);
	sessions_tick(rig.sessions, clock_now_ns());
	assert_int_equal(counts_now().deferred, 4); // two legs, two feeds
	rte_rcu_qsbr_quiescent(rig.rcu, 0);
	sessions_tick(rig.sessions, clock_now_ns());
	assert_int_equal(counts_now().deferred, 4);
	rte_rcu_qsbr_quiescent(rig.rcu, 1);
	sessions_tick(rig.sessions, clock_now_ns());
	assert_int_equal(counts_now().deferred, 0);
	for (unsigned int i = 0; i < WORKERS; i++) {
		rte_rcu_qsbr_thread_offline(rig.rcu, i);
		rte_rcu_qsbr_thread_unregister(rig.rcu, i);
	}
}

// A hint about a leg may still be in the ring when the leg goes.
static void a_notice_of_a_deleted_leg_is_harmless(void **)
{
	struct sl_session wanted = rig_session(1);
	struct sl_session session = set(&wanted);
	struct leg *leg = leg_at(0, session.legs[0].local.port);

	leg->rx.packets = 1;
	session_notice(rig.sessions, leg->worker, leg);
	session_delete(rig.sessions, session_find(rig.sessions, &wanted.id));
	sessions_tick(rig.sessions, clock_now_ns());
	assert_int_equal(rig.n_events, 0);
	assert_int_equal(counts_now().deferred, 0);
}

static void the_walk_meets_every_session_once(void **)
{
	uint32_t cursor = 0;
	unsigned int seen = 0;
	const struct session *session;

	for (unsigned int i = 0; i < 6; i++) {
		struct sl_session wanted = rig_session(i);

		set(&wanted);
	}
	session_delete(rig.sessions, session_find(rig.sessions, &(struct sl_id){{2}}));
	while ((session = sessions_next(rig.sessions, &cursor))) {
		struct sl_session_report report;

		session_report(session, &report);
		seen |= 1u << report.session.id.bytes[0];
	}
	assert_int_equal(seen, 0x3b);
}

static void the_record_comes_back_and_is_replaced(void **)
{
	struct sl_session wanted = rig_session(1);
	struct sl_session_report report;
	const void *record;

	wanted.record_length = 6;
	set(&wanted);
	record = session_report(session_find(rig.sessions, &wanted.id), &report);
	assert_int_equal(report.session.record_length, 6);
	assert_memory_equal(record, "record", 6);
	wanted.record_length = 3;
	set(&wanted);
	record = session_report(session_find(rig.sessions, &wanted.id), &report);
	assert_int_equal(report.session.record_length, 3);
	assert_memory_equal(record, "rec", 3);
}

// A leg with nothing wrong but what the row changes is refused with -EINVAL.
static void a_state_that_contradicts_itself_is_refused(void **)
{
	struct sl_session session;
	struct sl_session bad;
	unsigned int row = 0;

#define REFUSED(change)                                                      \
	do {                                                                 \
		bad = rig_session(1);                                        \
		change;                                                      \
		row++;                                                       \
		if (set_result(&bad, &session) != -EINVAL)                   \
			fail_msg("row %u: %s is not refused", row, #change); \
	} while (0)

	REFUSED(bad.n_legs = SL_LEGS_MAX + 1);
	REFUSED(bad.reserved[4] = 1);
	REFUSED(bad.legs[0].local.port = 20001);
	REFUSED(bad.legs[0].local.family = SL_UNSPEC);
	REFUSED(bad.legs[0].remote.port = 0);
	REFUSED(bad.legs[0].remote = rig_address("224.0.0.1", 4000));
	REFUSED(bad.legs[0].remote = rig_address("0.0.0.0", 4000));
	REFUSED(bad.legs[0].remote.family = SL_IPV6);
	REFUSED(bad.legs[0].remote.bytes[5] = 1);
	REFUSED(bad.legs[0].remote_rtcp = rig_address("255.255.255.255", 4001));
	REFUSED(bad.legs[0].flags = 0x8000);
	REFUSED(bad.legs[0].source = 2);
	REFUSED(bad.legs[0].source_rule = 2);
	REFUSED(bad.legs[0].dscp = 64);
	REFUSED(bad.legs[0].jitter_buffer = 3);
	REFUSED(bad.legs[0].jitter_ms = 60);
	REFUSED(bad.legs[0].jitter_max_ms = 60);
	REFUSED(bad.legs[0].jitter_reserved[2] = 1);
	REFUSED(bad.legs[0].jitter_buffer = SL_JITTER_FIXED);
	REFUSED(bad.legs[0].jitter_buffer = SL_JITTER_FIXED; bad.legs[0].jitter_ms = 501);
	REFUSED(bad.legs[0].jitter_buffer = SL_JITTER_FIXED; bad.legs[0].jitter_ms = 60;
		bad.legs[0].jitter_max_ms = 60);
	REFUSED(bad.legs[0].jitter_buffer = SL_JITTER_ADAPTIVE; bad.legs[0].jitter_ms = 60;
		bad.legs[0].jitter_max_ms = 59);
	REFUSED(bad.legs[0].jitter_buffer = SL_JITTER_ADAPTIVE; bad.legs[0].jitter_ms = 60;
		bad.legs[0].jitter_max_ms = 501);
	REFUSED(bad.legs[0].n_formats = SL_FORMATS_MAX + 1);
	REFUSED(bad.legs[0].n_formats = 0);
	REFUSED(memset(bad.legs[0].formats[0].name, 'x', 16));
	REFUSED(bad.legs[0].formats[0].name[0] = '\0');
	REFUSED(bad.legs[0].formats[0].pt = 128);
	REFUSED(bad.legs[0].formats[0].pt = 72);
	REFUSED(bad.legs[0].formats[0].receive_pt = 72);
	REFUSED(bad.legs[0].formats[0].clock_hz = 0);
	REFUSED(bad.legs[0].formats[0].channels = 0);
	REFUSED(bad.legs[0].formats[0].fec = 2);
	REFUSED(bad.legs[0].formats[0].reserved = 1);
	REFUSED(bad.legs[0].formats[0].flags = 1 << 5);
	REFUSED(bad.legs[0].formats[0].mode_set = 1 << 9);
	REFUSED(bad.legs[0].n_formats = 2; bad.legs[0].formats[1] = bad.legs[0].formats[0]);
	REFUSED(bad.legs[1].local = bad.legs[0].local; bad.legs[0].local.port = 20000;
		bad.legs[1].local.port = 20000);
#undef REFUSED
	bad = rig_session(1);
	assert_int_equal(set_result(&bad, &session), 0);
}

// Seven legs are sent what the first one says: more than every configuration has room for.
static void a_leg_may_feed_all_others(void **)
{
	struct sl_session wanted = rig_session(1), session;
	struct leg *leg;
	uint32_t ssrc;

	wanted.n_legs = SL_LEGS_MAX;
	for (unsigned int i = 2; i < SL_LEGS_MAX; i++)
		wanted.legs[i] = wanted.legs[1];
	for (unsigned int i = 0; i < SL_LEGS_MAX; i++)
		wanted.legs[i].local = rig_address(i % 2 ? "192.0.2.1" : "203.0.113.1", 0);
	for (unsigned int i = 0; i < SL_LEGS_MAX; i++)
		wanted.legs[i].remote.family = SL_UNSPEC, wanted.legs[i].remote.port = 0;
	session = set(&wanted);
	leg = leg_at(1, session.legs[0].local.port);
	ssrc = leg->config->ssrc;
	assert_int_equal(leg_change_ssrc(rig.sessions, leg), 0);
	assert_int_not_equal(leg->config->ssrc, ssrc);
	assert_int_equal(leg->config->n_feeds, SL_LEGS_MAX - 1);
	for (unsigned int i = 0; i < SL_LEGS_MAX - 1u; i++)
		assert_ptr_equal(leg_config_feed(leg->config, i)->to,
			leg_at((i + 1) % 2 ? 0 : 1, session.legs[i + 1].local.port));
}

static void legs_of_the_same_formats_share_them(void **)
{
	struct sl_session first = rig_session(1), second = rig_session(2), third = rig_session(3);
	const struct leg_formats *formats[3];

	third.legs[0].formats[0].receive_pt = 1;
	first = set(&first);
	second = set(&second);
	third = set(&third);
	formats[0] = leg_at(0, first.legs[0].local.port)->config->formats;
	formats[1] = leg_at(0, second.legs[0].local.port)->config->formats;
	formats[2] = leg_at(0, third.legs[0].local.port)->config->formats;
	assert_int_equal(formats[2]->format_of[1], 0);
	assert_int_equal(formats[0]->format_of[1], LEG_NO_FORMAT);
	// Each worker has its own: the second session is on another than the others.
	assert_int_equal(formats[0]->n_configs, 2 + 1);
	assert_int_equal(formats[1]->n_configs, 2);
	assert_int_equal(formats[2]->n_configs, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			ports_and_ssrcs_are_chosen_and_linked, setup, teardown),
		cmocka_unit_test_setup_teardown(
			legs_of_a_session_share_a_worker_and_sessions_share_them_out, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			exhausted_ports_are_enospc_and_leave_no_trace, setup, teardown),
		cmocka_unit_test_setup_teardown(sessions_max_is_enospc, setup, teardown),
		cmocka_unit_test_setup_teardown(a_leg_may_feed_all_others, setup, teardown),
		cmocka_unit_test_setup_teardown(
			legs_of_the_same_formats_share_them, setup, teardown),
		cmocka_unit_test_setup_teardown(exact_ports_are_exact_or_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(
			exact_ports_of_two_slices_are_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(
			the_same_set_again_changes_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_refused_replace_leaves_the_session_as_it_was, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_changed_remote_begins_a_new_epoch_and_nothing_else_does, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_replace_may_move_a_port_and_drop_a_leg, setup, teardown),
		cmocka_unit_test_setup_teardown(
			ports_are_reused_as_late_as_possible, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_leg_is_freed_only_after_every_worker_has_passed, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_notice_of_a_deleted_leg_is_harmless, setup, teardown),
		cmocka_unit_test_setup_teardown(the_walk_meets_every_session_once, setup, teardown),
		cmocka_unit_test_setup_teardown(
			the_record_comes_back_and_is_replaced, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_state_that_contradicts_itself_is_refused, setup, teardown),
	};

	rig_eal();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
