// Telephone events through a transcode stream: clock, place among the audio, loss and reordering.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dtmf.h"
#include "rig.h"

#define EVENT_PT 101

static struct rig rig;
static uint16_t sequence;

static void setup(const char *from, const char *to)
{
	rig_init(&rig, NULL);
	rig_open(&rig, rig_spec(from, to));
	sequence = 65530;
}

static void send_audio(uint32_t timestamp)
{
	const struct rtp_view view = {.ssrc = 1, .sequence = sequence++, .timestamp = timestamp};
	uint8_t payload[160];

	memset(payload, 0xff, sizeof(payload));
	rig_send(&rig, rig.stream, &view, payload, sizeof(payload));
	rig.now_ns += 20 * RIG_MS;
}

static void send_event_as(
	uint16_t as, uint32_t timestamp, uint8_t code, bool end, uint16_t duration)
{
	const struct rtp_view view = {
		.ssrc = 1, .sequence = as, .timestamp = timestamp, .pt = EVENT_PT};
	const struct dtmf_event event = {
		.code = code, .end = end, .volume = 10, .duration = duration};
	uint8_t payload[DTMF_BYTES];

	dtmf_build(payload, &event);
	rig_send(&rig, rig.stream, &view, payload, sizeof(payload));
	rig.now_ns += 20 * RIG_MS;
}

static void send_event(uint32_t timestamp, uint8_t code, bool end, uint16_t duration)
{
	send_event_as(sequence++, timestamp, code, end, duration);
}

// A digit of 100 ms as phones send it: five updates, three ends.
static void send_digit(uint32_t timestamp, uint8_t code)
{
	for (uint16_t i = 1; i <= 5; i++)
		send_event(timestamp, code, false, (uint16_t)(i * 160));
	for (int i = 0; i < 3; i++)
		send_event(timestamp, code, true, 800);
}

static struct dtmf_event event_of(const struct rig_packet *packet)
{
	struct dtmf_event event;

	assert_int_equal(packet->view.pt, 102);
	assert_int_equal(dtmf_parse(packet->payload, packet->view.payload_bytes, &event, 1), 1);
	return event;
}

static void digit_keeps_its_place_among_the_audio(void **)
{
	setup("PCMU", "opus");
	for (uint32_t i = 0; i < 5; i++)
		send_audio(i * 160);
	send_digit(800, 7); // instead of audio
	send_audio(800 + 8 * 160);
	assert_int_equal(rig.n_out, 5 + 8 + 1);
	for (unsigned int i = 0; i < rig.n_out; i++)
		assert_int_equal(
			rig.out[i].view.sequence, (uint16_t)(rig.out[0].view.sequence + i));
	for (unsigned int i = 5; i < 13; i++) {
		struct dtmf_event event = event_of(&rig.out[i]);

		assert_int_equal(rig.out[i].view.timestamp - rig.out[0].view.timestamp, 5 * 960);
		assert_int_equal(rig.out[i].view.marker, i == 5);
		assert_int_equal(event.code, 7);
		assert_int_equal(event.volume, 10);
		assert_int_equal(event.end, i >= 10);
		assert_int_equal(event.duration, (i < 10 ? i - 4 : 5) * 960);
	}
	assert_int_equal(rig.out[13].view.timestamp - rig.out[0].view.timestamp, 13 * 960);
	assert_true(rig.out[13].view.marker);
	assert_int_equal(rig_stats(&rig).events, 8);
	assert_int_equal(rig_stats(&rig).concealed, 0);
	rig_fini(&rig);
}

static void events_of_the_faster_clock_are_slowed_down(void **)
{
	struct rtp_view view = {.ssrc = 1, .pt = EVENT_PT, .timestamp = 9600};
	const struct dtmf_event event = {.code = 1, .end = true, .duration = 4800};
	uint8_t payload[DTMF_BYTES];

	setup("opus", "PCMU");
	dtmf_build(payload, &event);
	rig_send(&rig, rig.stream, &view, payload, sizeof(payload));
	view.sequence++;
	view.timestamp += 48000;
	rig_send(&rig, rig.stream, &view, payload, sizeof(payload));
	assert_int_equal(rig.n_out, 2);
	assert_int_equal(event_of(&rig.out[0]).duration, 800);
	assert_true(rig.out[1].view.marker); // another digit: another timestamp
	rig_fini(&rig);
}

static void audio_that_goes_on_beside_the_digit_stays_on_time(void **)
{
	setup("PCMU", "opus");
	for (uint32_t i = 0; i < 20; i++) {
		send_audio(i * 160);
		if (i >= 5 && i < 10)
			send_event(800, 3, i == 9, (uint16_t)((i - 4) * 160));
	}
	assert_int_equal(rig.n_out, 25);
	for (unsigned int i = 0, audio = 0; i < rig.n_out; i++) {
		uint32_t at = rig.out[i].view.timestamp - rig.out[0].view.timestamp;

		assert_int_equal(
			rig.out[i].view.sequence, (uint16_t)(rig.out[0].view.sequence + i));
		if (rig.out[i].view.pt == 111)
			assert_int_equal(at, audio++ * 960);
		else
			assert_int_equal(at, 5 * 960);
	}
	rig_fini(&rig);
}

// Each packet of the digit is lost in turn, and two in turn are swapped: one digit, not longer.
static void loss_and_reordering_leave_one_digit(void **)
{
	for (unsigned int lost = 0; lost < 8; lost++) {
		unsigned int markers = 0, ends = 0;

		setup("PCMU", "opus");
		send_audio(0);
		for (unsigned int i = 0; i < 8; i++) {
			unsigned int as = i;

			if (lost + 2 < 8 && (i == lost + 1 || i == lost + 2))
				as = 2 * lost + 3 - i; // the two are swapped

			if (i != lost)
				send_event_as((uint16_t)(sequence + as), 160, 9, as >= 5,
					(uint16_t)(as < 5 ? (as + 1) * 160 : 800));
		}
		sequence = (uint16_t)(sequence + 8);
		for (uint32_t i = 9; i < 14; i++)
			send_audio(i * 160);
		for (unsigned int i = 0; i < rig.n_out; i++) {
			if (rig.out[i].view.pt != 102)
				continue;
			markers += rig.out[i].view.marker;
			ends += event_of(&rig.out[i]).end;
			assert_int_equal(
				rig.out[i].view.timestamp - rig.out[0].view.timestamp, 960);
			assert_in_range(event_of(&rig.out[i]).duration, 960, 4800);
		}
		assert_int_equal(markers, 1);
		assert_in_range(ends, 2, 3);
		rig_fini(&rig);
	}
}

static void events_nobody_wants_are_dropped(void **)
{
	struct transcode_spec spec = rig_spec("PCMU", "opus");

	rig_init(&rig, NULL);
	spec.dtmf_to_pt = TRANSCODE_NO_PT;
	rig_open(&rig, spec);
	sequence = 0;
	send_audio(0);
	send_digit(160, 1);
	send_audio(160 + 8 * 160);
	assert_int_equal(rig.n_out, 2);
	assert_int_equal(rig_stats(&rig).unknown_pt, 0);
	rig_fini(&rig);
}

static void malformed_event_is_counted(void **)
{
	const struct rtp_view view = {.ssrc = 1, .pt = EVENT_PT};

	setup("PCMU", "opus");
	rig_send(&rig, rig.stream, &view, "abc", 3);
	assert_int_equal(rig.n_out, 0);
	assert_int_equal(rig_stats(&rig).bad, 1);
	rig_fini(&rig);
}

static void two_events_in_one_packet_follow_each_other(void **)
{
	const struct rtp_view view = {.ssrc = 1, .pt = EVENT_PT, .timestamp = 5000};
	static const uint8_t payload[] = {1, 0x80, 0x01, 0x40, 2, 0x80, 0x01, 0x40};

	setup("PCMU", "opus");
	rig_send(&rig, rig.stream, &view, payload, sizeof(payload));
	assert_int_equal(rig.n_out, 2);
	assert_int_equal(event_of(&rig.out[0]).code, 1);
	assert_int_equal(event_of(&rig.out[1]).code, 2);
	rig_fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digit_keeps_its_place_among_the_audio),
		cmocka_unit_test(events_of_the_faster_clock_are_slowed_down),
		cmocka_unit_test(audio_that_goes_on_beside_the_digit_stays_on_time),
		cmocka_unit_test(loss_and_reordering_leave_one_digit),
		cmocka_unit_test(events_nobody_wants_are_dropped),
		cmocka_unit_test(malformed_event_is_counted),
		cmocka_unit_test(two_events_in_one_packet_follow_each_other),
	};

	return cmocka_run_group_tests(tests, rig_eal, NULL);
}
