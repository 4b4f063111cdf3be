// Media that passes a codec, and media that arrives at the wrong worker.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <rte_rcu_qsbr.h>

#include "call.h"
#include "clock.h"

static void describe(void)
{
	wanted.legs[1].n_formats = 2;
	wanted.legs[1].formats[0] = (struct sl_format){
		.name = "opus", .clock_hz = 48000, .channels = 2, .pt = 96, .receive_pt = 96};
	wanted.legs[1].formats[1] = (struct sl_format){.name = "telephone-event",
		.clock_hz = 48000,
		.channels = 1,
		.pt = 101,
		.receive_pt = 101};
	wanted.legs[0].n_formats = 2;
	wanted.legs[0].formats[1] = (struct sl_format){.name = "telephone-event",
		.clock_hz = 8000,
		.channels = 1,
		.pt = 100,
		.receive_pt = 100};
}

static int setup(void **state)
{
	call_setup(state);
	describe();
	return 0;
}

static int setup_two_workers(void **state)
{
	call_setup_two_workers(state);
	describe();
	return 0;
}

static void feed(uint16_t from, uint16_t to)
{
	for (uint16_t i = from; i < to; i++) {
		push_silence(FAR0, 4000, LOCAL0, i);
		path_turn();
	}
}

// Every packet that came out: one stream, 20 ms of 48 kHz apart. Returns how many.
static unsigned int check_stream(uint32_t ssrc, uint8_t pt, struct frame *last)
{
	unsigned int n = 0;
	struct frame frame;

	while (frame_pop(1, &frame)) {
		uint32_t sum = 0;

		assert_int_equal(frame.bytes[43] & 0x7f, pt);
		assert_int_equal(word_at(&frame, 50), ssrc);
		if (last->length) {
			assert_int_equal((uint16_t)(sequence_of(&frame) - sequence_of(last)), 1);
			assert_int_equal(word_at(&frame, 46) - word_at(last, 46), 960);
		}
		for (unsigned int i = 14; i < 34; i += 2)
			sum += (uint32_t)frame.bytes[i] << 8 | frame.bytes[i + 1];
		assert_int_equal((sum & 0xffff) + (sum >> 16), 0xffff);
		*last = frame;
		n++;
	}
	return n;
}

static void a_jitter_buffer_lets_media_out_when_it_is_time(void **)
{
	uint64_t begun_ns = clock_now_ns(), out_ns = 0;
	struct frame last = {};
	struct sl_session session;
	unsigned int n = 0;

	wanted.legs[0].jitter_buffer = SL_JITTER_FIXED;
	wanted.legs[0].jitter_ms = 40;
	session = path_set(&wanted);
	feed(0, 3);
	while (n < 2 && clock_now_ns() - begun_ns < 20000000000ULL) {
		path_turn();
		n += check_stream(session.legs[1].ssrc, 96, &last);
		if (n && !out_ns)
			out_ns = clock_now_ns();
	}
	assert_true(n >= 2);
	assert_true(out_ns - begun_ns >= 39000000);
	assert_int_equal(report_now().stats[0].jitter_target_ms, 40);
	assert_int_equal(report_now().stats[1].jitter_target_ms, 0);
}

static void a_codec_makes_one_continuous_stream(void **)
{
	struct sl_session session = path_set(&wanted);
	struct sl_session_report report;
	struct frame last = {};

	feed(0, 20);
	assert_in_range(check_stream(session.legs[1].ssrc, 96, &last), 18, 20);
	session_report(session_find(path.sessions, &wanted.id), &report);
	assert_int_equal(report.stats[0].rx_packets, 20);
	assert_in_range(report.stats[0].transcoded, 18, 20);
	assert_true(report.stats[0].transcode_ns > 0);
	assert_int_equal(report.stats[1].transcoded, 0);
}

// Formats stay, so the codec does: a replace does not even cost a frame.
static void a_replace_does_not_disturb_the_codec(void **)
{
	struct sl_session session = path_set(&wanted);
	struct frame last = {};
	unsigned int n;

	feed(0, 10);
	wanted.legs[1].dscp = 46;
	wanted.legs[0].media_timeout_ms = 5000;
	path_set(&wanted);
	feed(10, 20);
	n = check_stream(session.legs[1].ssrc, 96, &last);
	assert_in_range(n, 18, 20);
}

// From Opus to PCMU in mid-call: SSRC and sequence go on, the transcoder's state is given back.
static void transcoding_stops_without_a_seam(void **)
{
	struct sl_session session = path_set(&wanted);
	struct frame last = {}, next;
	struct sl_session_report report;

	feed(0, 10);
	assert_true(check_stream(session.legs[1].ssrc, 96, &last) > 0);
	wanted.legs[1].formats[0] = wanted.legs[0].formats[0];
	path_set(&wanted);
	sessions_tick(path.sessions, clock_now_ns());
	feed(10, 11);
	assert_true(frame_pop(1, &next));
	assert_int_equal(next.bytes[43], 0x80); // marker, PCMU
	assert_int_equal(word_at(&next, 50), session.legs[1].ssrc);
	assert_int_equal((uint16_t)(sequence_of(&next) - sequence_of(&last)), 1);
	session_report(session_find(path.sessions, &wanted.id), &report);
	assert_in_range(report.stats[0].transcoded, 8, 10); // still counted
}

static void check_event_passes(uint8_t pt)
{
	struct sl_session session = path_set(&wanted);
	static const uint8_t event[] = {5, 10, 0, 160};
	struct rtp_packet rtp = {.pt = pt,
		.marker = true,
		.sequence = 6,
		.timestamp = 5 * 160,
		.ssrc = 0x11223344,
		.payload = event,
		.payload_bytes = sizeof(event)};
	uint8_t bytes[FRAME_MAX];
	struct frame frame;
	bool seen = false;

	feed(0, 6);
	push_datagram(FAR0, 4000, LOCAL0, bytes, rtp_build(bytes, &rtp));
	path_turn();
	while (frame_pop(1, &frame)) {
		if ((frame.bytes[43] & 0x7f) != 101)
			continue;
		seen = true;
		assert_int_equal(word_at(&frame, 50), session.legs[1].ssrc);
		assert_memory_equal(frame.bytes + 54, "\x05\x0a\x03\xc0", 4); // 960 of 48 kHz
	}
	assert_true(seen);
}

static void a_telephone_event_passes_the_transcoder(void **)
{
	check_event_passes(100);
}

static void an_event_under_a_second_number_passes_too(void **)
{
	wanted.legs[0].n_formats = 3;
	wanted.legs[0].formats[2] = wanted.legs[0].formats[1];
	wanted.legs[0].formats[2].receive_pt = 99;
	check_event_passes(99);
}

static void a_deleted_session_leaves_nothing_in_the_transcoder(void **)
{
	struct frame frame;

	path_set(&wanted);
	for (uint16_t i = 0; i < 8; i++)
		push_silence(FAR0, 4000, LOCAL0, i);
	worker_turn(path.workers->workers[0]); // some packets are with the transcoder now
	session_delete(path.sessions, session_find(path.sessions, &wanted.id));
	sessions_tick(path.sessions, clock_now_ns());
	path_turn();
	sessions_tick(path.sessions, clock_now_ns());
	assert_int_equal(mbufs_in_use(), 0);
	assert_false(frame_pop(1, &frame));
}

// One queue, two workers: worker 0 receives everything and hands over what is worker 1's.
static void a_packet_for_another_worker_is_handed_over(void **)
{
	struct sl_session session;
	struct frame frame;
	uint16_t port;

	wanted.legs[0].local.port = wanted.legs[1].local.port = 0;
	path_set(&wanted); // worker 0 has one session more, so the next is worker 1's
	wanted = rig_session(2);
	session = path_set(&wanted);
	port = session.legs[0].local.port;
	assert_true(port >= 20032);
	for (uint16_t i = 0; i < 10; i++) {
		push_silence(FAR0, 4000, port, i);
		path_turn();
		assert_true(frame_pop(1, &frame));
		assert_int_equal(sequence_of(&frame), i);
	}
	assert_int_equal(worker_counter("worker.0.handed_over"), 10);
	assert_int_equal(worker_counter("worker.1.taken_over"), 10);
	assert_int_equal(worker_counter("worker.1.tx_packets"), 10);
	assert_int_equal(all_drops(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_jitter_buffer_lets_media_out_when_it_is_time, setup, call_teardown),
		cmocka_unit_test_setup_teardown(
			a_codec_makes_one_continuous_stream, setup, call_teardown),
		cmocka_unit_test_setup_teardown(
			a_replace_does_not_disturb_the_codec, setup, call_teardown),
		cmocka_unit_test_setup_teardown(
			transcoding_stops_without_a_seam, setup, call_teardown),
		cmocka_unit_test_setup_teardown(
			a_telephone_event_passes_the_transcoder, setup, call_teardown),
		cmocka_unit_test_setup_teardown(
			an_event_under_a_second_number_passes_too, setup, call_teardown),
		cmocka_unit_test_setup_teardown(
			a_deleted_session_leaves_nothing_in_the_transcoder, setup, call_teardown),
		cmocka_unit_test_setup_teardown(a_packet_for_another_worker_is_handed_over,
			setup_two_workers, call_teardown),
	};

	path_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
