// Two workers, as where a device has a queue for each but does not know our slices: what is
// received by the wrong one goes to the owner by its ring.
//
//      port 0 ──► worker 0 ◄─┐ inboxes
//      port 1 ──► worker 1 ◄─┘
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "call.h"

#define INBOX	    1023 // packets that a worker's ring holds
#define SLICE_1	    20032
#define MANY	    200
#define ROUND_ROBIN 4 // packets of a session in a row

static uint16_t ports[2][2]; // by session and leg

// Session i belongs to worker i.
static int setup(void **state)
{
	struct worker **workers;

	call_setup_two_workers(state);
	workers = path.workers->workers;
	workers[1]->queues[0] = workers[0]->queues[1];
	workers[0]->n_queues = workers[1]->n_queues = 1;
	for (unsigned int i = 0; i < 2; i++) {
		struct sl_session session = rig_session(i + 1);

		session = path_set(&session);
		ports[i][0] = session.legs[0].local.port;
		ports[i][1] = session.legs[1].local.port;
	}
	return 0;
}

static void push(unsigned int session, unsigned int leg, uint16_t sequence)
{
	uint8_t rtp[256];

	if (leg == 0)
		push_silence(FAR0, 4000, ports[session][0], sequence);
	else
		push_datagram1(FAR1, 5000, ports[session][1], rtp, build_silence(rtp, sequence));
}

static void legs_of_a_session_are_of_the_slice_of_its_worker(void **)
{
	for (unsigned int i = 0; i < 2; i++) {
		assert_in_range(ports[0][i], 20000, SLICE_1 - 1);
		assert_in_range(ports[1][i], SLICE_1, SLICE_1 + 31);
	}
}

// What comes out of a port, split by session: all of it, each in order.
static void assert_in_order(unsigned int port, unsigned int n)
{
	unsigned int next[2] = {};
	struct frame frame;

	while (frame_pop(port, &frame)) {
		uint16_t from = half_at(&frame, 34);
		unsigned int session = from >= SLICE_1;

		assert_int_equal(from, ports[session][port]);
		assert_int_equal(sequence_of(&frame), next[session]++);
	}
	assert_int_equal(next[0], n);
	assert_int_equal(next[1], n);
}

static void packets_for_each_other_change_workers_in_order(void **)
{
	for (uint16_t i = 0; i < MANY; i++) {
		for (unsigned int session = 0; session < 2; session++)
			for (unsigned int leg = 0; leg < 2; leg++)
				push(session, leg, i);
		if (i % ROUND_ROBIN == ROUND_ROBIN - 1)
			path_turn();
	}
	assert_in_order(0, MANY);
	assert_in_order(1, MANY);
	assert_int_equal(worker_counter("worker.0.handed_over"), MANY); // of session 1, at port 0
	assert_int_equal(worker_counter("worker.1.handed_over"), MANY); // of session 0, at port 1
	assert_int_equal(worker_counter("worker.0.taken_over"), MANY);
	assert_int_equal(worker_counter("worker.1.taken_over"), MANY);
	assert_int_equal(worker_counter("worker.0.tx_packets"), 2 * MANY);
	assert_int_equal(worker_counter("worker.1.tx_packets"), 2 * MANY);
	assert_int_equal(all_drops(), 0);
}

static void packets_for_oneself_are_not_handed_over(void **)
{
	for (uint16_t i = 0; i < MANY; i++) {
		push(0, 0, i);
		push(1, 1, i);
		path_turn();
	}
	discard_output();
	assert_int_equal(worker_counter("worker.0.handed_over"), 0);
	assert_int_equal(worker_counter("worker.1.handed_over"), 0);
	assert_int_equal(worker_counter("worker.0.tx_packets"), MANY);
	assert_int_equal(worker_counter("worker.1.tx_packets"), MANY);
}

// Worker 1 stands still meanwhile.
static void a_full_ring_is_a_counted_drop_and_the_rest_passes_in_order(void **)
{
	struct frame frame;

	for (uint16_t i = 0; i < INBOX + 7; i++) {
		push(1, 0, i);
		worker_turn(path.workers->workers[0]);
	}
	assert_int_equal(worker_counter("worker.0.handed_over"), INBOX);
	assert_int_equal(drops(DROP_handover_full), 7);
	assert_int_equal(all_drops(), 7);
	path_turn();
	for (uint16_t i = 0; i < INBOX; i++) {
		assert_true(frame_pop(1, &frame));
		assert_int_equal(sequence_of(&frame), i);
	}
	push(1, 0, INBOX + 7); // there is room again
	path_turn();
	assert_true(frame_pop(1, &frame));
	assert_int_equal(all_drops(), 7);
}

static void a_turn_that_begins_late_is_counted(void **)
{
	uint64_t before;

	worker_turn(path.workers->workers[0]);
	before = worker_counter("worker.0.late_turns");
	for (unsigned int i = 1; i <= 10; i++) {
		path_pass(1);
		worker_turn(path.workers->workers[0]);
		assert_true(worker_counter("worker.0.late_turns") >= before + i);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, call_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(legs_of_a_session_are_of_the_slice_of_its_worker),
		TEST(packets_for_each_other_change_workers_in_order),
		TEST(packets_for_oneself_are_not_handed_over),
		TEST(a_turn_that_begins_late_is_counted),
		TEST(a_full_ring_is_a_counted_drop_and_the_rest_passes_in_order),
	};

	path_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
