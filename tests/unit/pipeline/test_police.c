// Rates of packets and bytes, and who may use them up. All packets of a test come in one turn,
// which has one time, so what passes is what the burst allows and not a matter of speed.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "call.h"
#include "clock.h"

#define N	     30
#define PACKET_BYTES 172

static void push(const char *from, uint16_t from_port, unsigned int n)
{
	static uint16_t sequence;

	for (unsigned int i = 0; i < n; i++)
		push_silence(from, from_port, LOCAL0, ++sequence);
}

static unsigned int arrived(void)
{
	struct frame frame;
	unsigned int n = 0;

	worker_turn(path.workers->workers[0]);
	while (frame_pop(1, &frame))
		n++;
	return n;
}

// A burst is a tenth of a second's worth, and the packet that goes beyond it.
static void packets_beyond_a_tenth_of_a_second_are_dropped(void **)
{
	static const struct {
		uint32_t packets_per_second;
		unsigned int pass;
	} rows[] = {{10, 2}, {1, 2}, {20, 3}, {100, 11}, {280, 29}, {300, N}, {0, N}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t dropped = drops(DROP_leg_rate);

		wanted.legs[0].packets_per_second = rows[i].packets_per_second;
		path_set(&wanted);
		path_pass(5000);
		push(FAR0, 4000, N);
		assert_int_equal(arrived(), rows[i].pass);
		assert_int_equal(drops(DROP_leg_rate) - dropped, N - rows[i].pass);
	}
	assert_int_equal(report_now().stats[0].dropped_rate, drops(DROP_leg_rate));
	assert_int_equal(report_now().stats[0].dropped_other, 0);
}

static void bytes_are_counted_as_packets_are(void **)
{
	wanted.legs[0].bytes_per_second = 100 * PACKET_BYTES;
	path_set(&wanted);
	push(FAR0, 4000, N);
	assert_int_equal(arrived(), 11);
	assert_int_equal(report_now().stats[0].dropped_rate, N - 11);
}

// Time pays the debt off, and a silence saves nothing up.
static void time_gives_the_rate_back_and_no_more(void **)
{
	wanted.legs[0].packets_per_second = 20;
	path_set(&wanted);
	for (unsigned int pause_ms = 1000; pause_ms < 8000000; pause_ms *= 3) {
		push(FAR0, 4000, N);
		assert_int_equal(arrived(), 3);
		path_pass(pause_ms);
	}
}

// 128 ns times 2^32 are nine minutes: the clock of the debts wraps.
static void the_clock_of_the_rates_may_wrap_in_a_silence(void **)
{
	wanted.legs[0].packets_per_second = 20;
	path_set(&wanted);
	for (unsigned int pause_ms = 100000; pause_ms < 1200000; pause_ms += 50000) {
		push(FAR0, 4000, 1);
		assert_int_equal(arrived(), 1);
		path_pass(pause_ms);
	}
}

static void other_legs_are_not_disturbed(void **)
{
	struct sl_session other = rig_session(2);

	other.legs[0].local.port = LOCAL0 + 2;
	other.legs[1].local.port = LOCAL1 + 2;
	wanted.legs[0].packets_per_second = 10;
	path_set(&wanted);
	path_set(&other);
	push(FAR0, 4000, 20);
	for (uint16_t i = 0; i < 10; i++)
		push_silence(FAR0, 4000, LOCAL0 + 2, i);
	assert_int_equal(arrived(), 2 + 10);
	assert_int_equal(drops(DROP_leg_rate), 18);
}

static void a_wrong_source_does_not_use_up_the_rate(void **)
{
	wanted.legs[0].packets_per_second = 20;
	path_set(&wanted);
	push(STRANGER, 4000, 25);
	push(FAR0, 4000, 3);
	assert_int_equal(arrived(), 3);
	assert_int_equal(drops(DROP_wrong_source), 25);
	assert_int_equal(drops(DROP_leg_rate), 0);
	assert_int_equal(report_now().stats[0].dropped_source, 25);
}

static void rtcp_counts_and_what_is_no_rtp_does_too(void **)
{
	static const uint8_t report[] = {0x80, 201, 0, 1, 0, 0, 0, 1};
	static const uint8_t text[] = "hello";

	wanted.legs[0].packets_per_second = 20;
	path_set(&wanted);
	push_datagram(FAR0, 4001, LOCAL0 + 1, report, sizeof(report));
	push_datagram(FAR0, 4000, LOCAL0, text, sizeof(text));
	push(FAR0, 4000, 2);
	assert_int_equal(arrived(), 1 + 1); // and the report
	assert_int_equal(drops(DROP_leg_rate), 1);
}

static void a_worker_may_have_a_rate_for_all_its_legs(void **)
{
	path.workers->packet_cost_ns = 1000000000 / 100;
	path_set(&wanted);
	push(STRANGER, 4000, 2); // not counted
	push(FAR0, 4000, N - 2);
	assert_int_equal(arrived(), 11);
	assert_int_equal(drops(DROP_worker_rate), N - 2 - 11);
	assert_int_equal(report_now().stats[0].dropped_rate, 0);
	path_pass(1000);
	push(FAR0, 4000, 11);
	assert_int_equal(arrived(), 11);
}

static void rates_become_costs(void **)
{
	static const struct {
		uint32_t packets, bytes;
		struct leg_rates rates;
		uint32_t byte_far;
	} rows[] = {
		{0, 0, {0, 0}, 781250},
		{10, 1000, {781250, 2000000}, 781250 + 511992187},
		{1, 1, {781250, 2000000}, 781250 + 511992187},
		{5000, 6250000, {1562, 320}, 781250 + 81918},
		{4000000000, 4000000000, {0, 0}, 781250},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct leg_rates rates = leg_rates_of(rows[i].packets, rows[i].bytes);

		assert_memory_equal(&rates, &rows[i].rates, sizeof(rates));
		assert_int_equal(leg_byte_far(&rates), rows[i].byte_far);
		assert_in_range(LEG_PACKET_FAR, LEG_RATE_BURST + rates.packet_cost, UINT32_MAX);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CALL_TEST(packets_beyond_a_tenth_of_a_second_are_dropped),
		CALL_TEST(bytes_are_counted_as_packets_are),
		CALL_TEST(time_gives_the_rate_back_and_no_more),
		CALL_TEST(the_clock_of_the_rates_may_wrap_in_a_silence),
		CALL_TEST(other_legs_are_not_disturbed),
		CALL_TEST(a_wrong_source_does_not_use_up_the_rate),
		CALL_TEST(rtcp_counts_and_what_is_no_rtp_does_too),
		CALL_TEST(a_worker_may_have_a_rate_for_all_its_legs),
		cmocka_unit_test(rates_become_costs),
	};

	path_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
