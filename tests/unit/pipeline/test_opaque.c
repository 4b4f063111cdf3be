// Opaque legs (UDPTL): datagrams pass as they are, under the rules that hold for RTP.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "call.h"
#include "clock.h"

#define BYTES_MAX 1472 // what fits in a frame of 1,500

static void become_opaque(void)
{
	for (unsigned int i = 0; i < 2; i++) {
		wanted.legs[i].flags |= SL_LEG_OPAQUE;
		wanted.legs[i].n_formats = 0;
	}
}

static void become_rtp(void)
{
	for (unsigned int i = 0; i < 2; i++) {
		wanted.legs[i].flags &= (uint16_t)~SL_LEG_OPAQUE;
		wanted.legs[i].n_formats = 1;
	}
}

// Whether exactly these bytes came out at `port`.
static bool passed(unsigned int port, const uint8_t *bytes, unsigned int n)
{
	struct frame frame;

	if (!frame_pop(port, &frame))
		return false;
	assert_int_equal(frame.length, UDP_DATA + n);
	assert_memory_equal(frame.bytes + UDP_DATA, bytes, n);
	return true;
}

static bool passes(const char *from, uint16_t from_port, const void *bytes, unsigned int n)
{
	push_datagram(from, from_port, LOCAL0, bytes, n);
	path_turn();
	return passed(1, bytes, n);
}

static void whatever_it_is_passes_as_it_is_both_ways(void **)
{
	static const uint8_t firsts[] = {0, 1, 20, 64, 128, 0x80, 191, 255};
	static const unsigned int lengths[] = {0, 1, 2, 11, 12, 100, BYTES_MAX};
	uint8_t bytes[BYTES_MAX];
	struct sl_session_report report;
	uint64_t n = 0, n_bytes = 0;

	become_opaque();
	path_set(&wanted);
	for (unsigned int i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7 + 1);
	for (size_t i = 0; i < RTE_DIM(firsts); i++)
		for (size_t j = 0; j < RTE_DIM(lengths); j++) {
			bytes[0] = firsts[i];
			assert_true(passes(FAR0, 4000, bytes, lengths[j]));
			push_datagram1(FAR1, 5000, LOCAL1, bytes, lengths[j]);
			path_turn();
			assert_true(passed(0, bytes, lengths[j]));
			n++;
			n_bytes += lengths[j];
		}
	assert_int_equal(all_drops(), 0);
	report = report_now();
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(report.stats[i].rx_packets, n);
		assert_int_equal(report.stats[i].rx_bytes, n_bytes);
		assert_int_equal(report.stats[i].tx_packets, n);
		assert_int_equal(report.stats[i].tx_bytes, n_bytes);
		assert_int_equal(report.stats[i].lost, 0);
		assert_int_equal(report.stats[i].rx_pt, SL_NO_PT);
		assert_int_equal(report.stats[i].tx_rtcp, 0);
	}
}

static void strict_source_receive_send_and_the_rtcp_port_are_obeyed(void **)
{
	become_opaque();
	path_set(&wanted);
	assert_false(passes(STRANGER, 4000, "fax", 3));
	assert_int_equal(drops(DROP_wrong_source), 1);
	push_datagram(FAR0, 4001, LOCAL0 + 1, (const uint8_t *)"fax", 3);
	path_turn();
	assert_int_equal(drops(DROP_rtcp_port), 1);
	wanted.legs[1].flags &= (uint16_t)~SL_LEG_SEND;
	path_set(&wanted);
	assert_false(passes(FAR0, 4000, "fax", 3));
	assert_int_equal(drops(DROP_not_sending), 1);
	wanted.legs[1].flags |= SL_LEG_SEND;
	wanted.legs[0].flags &= (uint16_t)~SL_LEG_RECEIVE;
	path_set(&wanted);
	assert_false(passes(FAR0, 4000, "fax", 3));
	assert_int_equal(drops(DROP_not_receiving), 1);
	wanted.legs[0].flags |= SL_LEG_RECEIVE;
	path_set(&wanted);
	assert_true(passes(FAR0, 4000, "fax", 3));
	assert_int_equal(all_drops(), 4);
}

static void it_latches_once(void **)
{
	become_opaque();
	wanted.legs[0].source_rule = SL_SOURCE_LATCH;
	path_set(&wanted);
	assert_true(passes(NAT, 6000, "fax", 3));
	assert_false(passes(STRANGER, 6000, "fax", 3));
	assert_true(passes(NAT, 6000, "fax", 3));
	assert_int_equal(report_now().stats[0].latched, 1);
}

static void silence_is_a_time_out(void **)
{
	uint64_t now_ns = clock_now_ns();

	become_opaque();
	wanted.legs[0].media_timeout_ms = 1000;
	path_set(&wanted);
	assert_true(passes(FAR0, 4000, "fax", 3));
	sessions_tick(path.sessions, now_ns);
	assert_int_equal(path.rig.events[0].type, SL_EVENT_FIRST_PACKET);
	sessions_tick(path.sessions, now_ns + 100000000000);
	assert_int_equal(path.rig.events[path.rig.n_events - 1].type, SL_EVENT_TIMEOUT);
}

static void one_leg_feeds_two(void **)
{
	become_opaque();
	wanted.legs[2] = wanted.legs[1];
	wanted.legs[2].local.port = LOCAL1 + 2;
	wanted.legs[2].remote.port = 5002;
	wanted.n_legs = 3;
	path_set(&wanted);
	assert_true(passes(FAR0, 4000, "fax", 3));
	assert_true(passed(1, (const uint8_t *)"fax", 3));
	assert_int_equal(worker_counter("worker.0.copied"), 1);
}

// A re-INVITE to T.38 and back, on the same ports.
static void rtp_turns_opaque_and_back_in_a_replace(void **)
{
	struct frame before, after;

	path_set(&wanted);
	push_silence(FAR0, 4000, LOCAL0, 1);
	path_turn();
	assert_true(frame_pop(1, &before));
	become_opaque();
	path_set(&wanted);
	assert_true(passes(FAR0, 4000, "\0\1fax", 5));
	become_rtp();
	path_set(&wanted);
	push_silence(FAR0, 4000, LOCAL0, 2);
	push_datagram(FAR0, 4000, LOCAL0, (const uint8_t *)"\0\1fax", 5);
	path_turn();
	assert_true(frame_pop(1, &after));
	assert_int_equal(sequence_of(&after), sequence_of(&before) + 1);
	assert_int_equal(drops(DROP_stun), 1);
	assert_int_equal(all_drops(), 1);
	assert_int_equal(report_now().stats[0].rx_packets, 3);
	assert_int_equal(report_now().stats[0].lost, 0);
}

static struct leg *leg_at(uint16_t port)
{
	struct leg_table *table = sessions_table(path.sessions);

	return *table_slot(&table->addresses[2], port);
}

// A commit publishes the legs' configurations one after the other. A packet between two of them is
// what its own leg said it was.
static void between_two_publications_packets_stay_what_they_are(void **)
{
	struct sl_session other = wanted;
	struct leg *to, *opaque_to;
	struct leg_config *config;
	struct frame frame;

	path_set(&wanted);
	other.id = rig_id(2);
	other.legs[0].local.port = LOCAL0 + 2;
	other.legs[1].local.port = LOCAL1 + 2;
	for (unsigned int i = 0; i < 2; i++) {
		other.legs[i].flags |= SL_LEG_OPAQUE;
		other.legs[i].n_formats = 0;
	}
	path_set(&other);
	to = leg_at(LOCAL1);
	opaque_to = leg_at(LOCAL1 + 2);

	config = to->config;
	to->config = opaque_to->config;
	opaque_to->config = config;
	push_silence(FAR0, 4000, LOCAL0, 1);
	push_datagram(FAR0, 4000, LOCAL0 + 2, (const uint8_t *)"\0\1fax", 5);
	path_turn();
	opaque_to->config = to->config;
	to->config = config;

	assert_true(frame_pop(1, &frame));
	assert_int_equal(frame.length, UDP_DATA + 172);
	assert_int_equal(frame.bytes[UDP_DATA], 0x80);
	assert_true(passed(1, (const uint8_t *)"\0\1fax", 5));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CALL_TEST(whatever_it_is_passes_as_it_is_both_ways),
		CALL_TEST(strict_source_receive_send_and_the_rtcp_port_are_obeyed),
		CALL_TEST(it_latches_once),
		CALL_TEST(silence_is_a_time_out),
		CALL_TEST(one_leg_feeds_two),
		CALL_TEST(rtp_turns_opaque_and_back_in_a_replace),
		CALL_TEST(between_two_publications_packets_stay_what_they_are),
	};

	path_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
