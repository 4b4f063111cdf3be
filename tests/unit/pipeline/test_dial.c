// Digits that control sends as telephone events, in streams that are relayed and that are not.
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "call.h"
#include "dial.h"
#include "srtp_call.h"

#define EVENT_PT 101
#define SENT_MAX 600

struct sent {
	uint8_t pt;
	bool marker;
	uint16_t sequence;
	uint32_t timestamp;
	uint32_t ssrc;
	uint8_t code;
	bool end;
	uint16_t duration;
};

static struct sent sent[SENT_MAX];
static unsigned int n_sent;
static uint16_t next_audio;

static const struct sl_format events_8000 = {.name = "telephone-event",
	.clock_hz = 8000,
	.channels = 1,
	.pt = EVENT_PT,
	.receive_pt = EVENT_PT};

static int setup(void **state)
{
	call_setup(state);
	wanted.legs[1].formats[1] = events_8000;
	wanted.legs[1].n_formats = 2;
	n_sent = 0;
	next_audio = 100;
	return 0;
}

static int dtmf(uint8_t leg, char digit, uint16_t duration_ms)
{
	const struct sl_dtmf message = {
		.id = wanted.id, .leg = leg, .digit = digit, .duration_ms = duration_ms};

	return session_dtmf(path.sessions, session_find(path.sessions, &wanted.id), &message);
}

static void note(const struct frame *frame)
{
	struct sent *s = &sent[n_sent++];

	assert_in_range(n_sent, 1, SENT_MAX - 1);
	*s = (struct sent){.pt = frame->bytes[UDP_DATA + 1] & 0x7f,
		.marker = frame->bytes[UDP_DATA + 1] >> 7,
		.sequence = sequence_of(frame),
		.timestamp = word_at(frame, UDP_DATA + 4),
		.ssrc = word_at(frame, UDP_DATA + 8)};
	if (s->pt != EVENT_PT)
		return;
	assert_int_equal(frame->length, UDP_DATA + 16);
	s->code = frame->bytes[UDP_DATA + 12];
	s->end = frame->bytes[UDP_DATA + 13] >> 7;
	s->duration = half_at(frame, UDP_DATA + 14);
}

static void take_output(void)
{
	struct frame frame;

	path_turn();
	while (frame_pop(1, &frame))
		note(&frame);
	while (frame_pop(0, &frame))
		;
}

// Time passes, in steps of 5 ms; far end 0 sends a packet every 20 ms where it is to.
static void run(unsigned int ms, bool audio)
{
	for (unsigned int at = 0; at < ms; at += 5) {
		if (audio && at % 20 == 0)
			push_silence(FAR0, 4000, LOCAL0, next_audio++);
		take_output();
		path_pass(5);
	}
}

static bool is_event(const struct sent *s)
{
	return s->pt == EVENT_PT;
}

// All that was sent is one stream without a gap. Returns how many events (digits) there were, each
// as RFC 4733 wants it.
static unsigned int check_stream(void)
{
	unsigned int n_events = 0, n_ends = 0;

	for (unsigned int i = 1; i < n_sent; i++) {
		assert_int_equal(sent[i].ssrc, sent[0].ssrc);
		assert_int_equal((uint16_t)(sent[i].sequence - sent[i - 1].sequence), 1);
	}
	for (unsigned int i = 0; i < n_sent; i++) {
		const struct sent *s = &sent[i];
		bool is_first = is_event(s) && s->marker;

		if (!is_event(s))
			continue;
		n_events += is_first;
		if (is_first) {
			assert_false(s->end);
			n_ends = 0;
			continue;
		}
		assert_true(i && is_event(s - 1)); // no audio within an event
		assert_int_equal(s->timestamp, s[-1].timestamp);
		assert_int_equal(s->code, s[-1].code);
		assert_true(s->duration >= s[-1].duration);
		n_ends = s->end ? n_ends + 1 : 0;
		if (s->end && (i + 1 == n_sent || !is_event(s + 1) || s[1].marker))
			assert_int_equal(n_ends, 3);
	}
	return n_events;
}

static void a_digit_takes_the_place_of_audio(void **)
{
	unsigned int first = 0, last;

	path_set(&wanted);
	run(200, true);
	assert_int_equal(dtmf(1, '5', 100), 0);
	run(400, true);
	assert_int_equal(check_stream(), 1);
	while (!is_event(&sent[first]))
		first++;
	for (last = first; is_event(&sent[last + 1]); last++)
		;
	assert_in_range(first, 9, 11);
	// 100 ms: updates that say 20, 40, 60, 80, and three ends.
	assert_int_equal(last - first + 1, 7);
	for (unsigned int i = 0; i < 7; i++) {
		assert_int_equal(sent[first + i].code, 5);
		assert_in_range(sent[first + i].duration, i < 4 ? 160 * (i + 1) : 800,
			i < 4 ? 160 * (i + 1) + 40 : 800);
		assert_int_equal(sent[first + i].end, i >= 4);
	}
	// It begins where audio would have, and audio goes on where it is.
	assert_in_range(sent[first].timestamp - sent[first - 1].timestamp, 1, 200);
	assert_true(sent[last + 1].marker);
	assert_false(sent[last + 2].marker);
	assert_int_equal(sent[last + 1].timestamp % 160, 0);
	assert_in_range(sent[last + 1].timestamp - sent[first].timestamp, 140 * 8, 180 * 8);
	assert_int_equal(sent[n_sent - 1].timestamp, (next_audio - 1) * 160);
	assert_in_range(drops(DROP_digit), 6, 8);
	assert_int_equal(worker_counter("worker.0.digits"), 7);
}

static void digits_wait_for_one_another(void **)
{
	static const char digits[] = "0123456789*#ABCD";
	unsigned int n = 0;

	path_set(&wanted);
	run(100, true);
	for (unsigned int i = 0; i < SL_DTMF_QUEUE_MAX; i++)
		assert_int_equal(dtmf(1, digits[i], 60), 0);
	assert_int_equal(dtmf(1, '1', 60), -ENOBUFS);
	run(20, true);
	assert_int_equal(dtmf(1, '1', 60), -ENOBUFS); // the one that is being sent counts
	run(3000, true);
	assert_int_equal(check_stream(), SL_DTMF_QUEUE_MAX);
	for (unsigned int i = 0, before = 0; i < n_sent; i++) {
		if (!is_event(&sent[i]) || !sent[i].marker)
			continue;
		assert_int_equal(sent[i].code, n);
		if (n++)
			assert_true(sent[i].timestamp - sent[before].timestamp >= (60 + 60) * 8);
		before = i;
	}
	assert_int_equal(dtmf(1, '1', 60), 0);
	run(200, true);
	assert_int_equal(check_stream(), SL_DTMF_QUEUE_MAX + 1);
}

static void packets_lost_and_late_around_a_digit_keep_their_place(void **)
{
	uint16_t late;

	path_set(&wanted);
	run(100, true);
	late = next_audio++;
	assert_int_equal(dtmf(1, '9', 60), 0);
	run(40, true);
	next_audio += 2; // lost within the event: nobody will miss them
	run(200, true);
	push_silence(FAR0, 4000, LOCAL0, late);
	take_output();
	assert_int_equal(check_stream(), 1);
	assert_int_equal(sent[n_sent - 1].timestamp, (next_audio - 1) * 160);
	next_audio += 3; // what is lost later is missed
	run(20, true);
	assert_int_equal((uint16_t)(sent[n_sent - 1].sequence - sent[n_sent - 2].sequence), 4);
}

static void a_digit_needs_no_audio(void **)
{
	path_set(&wanted);
	assert_int_equal(dtmf(1, '#', 40), 0);
	run(300, false);
	assert_int_equal(check_stream(), 1);
	assert_int_equal(n_sent, 4);
	assert_int_equal(sent[0].code, 11);
	run(100, true);
	assert_int_equal(n_sent, 9);
	check_stream();
	assert_in_range(sent[4].timestamp - sent[0].timestamp, 300 * 8 - 160, 300 * 8 + 160);
}

static void a_new_source_goes_on_behind_a_digit(void **)
{
	uint8_t bytes[FRAME_MAX];
	struct rtp_packet rtp = {
		.sequence = 30000, .timestamp = 777, .ssrc = 99, .payload_bytes = 80};
	static const uint8_t payload[80];

	rtp.payload = payload;
	path_set(&wanted);
	run(100, true);
	assert_int_equal(dtmf(1, '1', 60), 0);
	run(40, true);
	for (unsigned int i = 0; i < 20; i++, rtp.sequence++, rtp.timestamp += 80) {
		push_datagram(FAR0, 4000, LOCAL0, bytes, rtp_build(bytes, &rtp));
		take_output();
		path_pass(10);
	}
	assert_int_equal(check_stream(), 1);
	assert_false(is_event(&sent[n_sent - 1]));
}

// 48,000 Hz: a segment is 1.4 s.
static void a_long_digit_into_opus_has_segments(void **)
{
	unsigned int n_full = 0;
	uint32_t begun = 0;

	wanted.legs[1].formats[0] = (struct sl_format){
		.name = "opus", .clock_hz = 48000, .channels = 2, .pt = 96, .receive_pt = 96};
	wanted.legs[1].formats[1].clock_hz = 48000;
	path_set(&wanted);
	run(200, true);
	assert_int_equal(dtmf(1, 'D', 2000), 0);
	run(2300, true);
	for (unsigned int i = 1; i < n_sent; i++) {
		assert_int_equal((uint16_t)(sent[i].sequence - sent[i - 1].sequence), 1);
		if (is_event(&sent[i]) && sent[i].marker)
			begun = sent[i].timestamp;
		n_full += is_event(&sent[i]) && sent[i].duration == 65535;
		if (is_event(&sent[i]) && sent[i].end) {
			assert_int_equal(sent[i].timestamp, begun + 65535);
			assert_int_equal(65535 + sent[i].duration, 2000 * 48);
		}
	}
	assert_true(n_full >= 1);
	assert_false(is_event(&sent[n_sent - 1]));
}

static void a_digit_is_encrypted_where_audio_is(void **)
{
	unsigned int n_events = 0;
	struct frame frame;

	path_set(&wanted);
	assert_true(next_passes(1));
	assert_int_equal(dtmf(1, '3', 40), 0);
	for (unsigned int ms = 0; ms < 200; ms += 5) {
		path_turn();
		path_pass(5);
		while (frame_pop(1, &frame)) {
			assert_int_equal(peer_unprotect(receiver, frame.bytes + UDP_DATA,
						 frame.length - UDP_DATA),
				16);
			assert_int_equal(frame.bytes[UDP_DATA + 12], 3);
			n_events++;
		}
	}
	assert_int_equal(n_events, 4);
	assert_true(next_passes(2));
}

static int setup_srtp(void **state)
{
	srtp_call_setup(state);
	wanted.legs[1].formats[1] = events_8000;
	wanted.legs[1].n_formats = 2;
	return 0;
}

static void what_cannot_be_sent_digits_is_told_apart(void **)
{
	path_set(&wanted);
	assert_int_equal(dtmf(0, '5', 100), -EOPNOTSUPP); // no events, and no codec
	assert_int_equal(dtmf(2, '5', 100), -EINVAL);
	assert_int_equal(dtmf(1, 'a', 100), -EINVAL);
	assert_int_equal(dtmf(1, '\0', 100), -EINVAL);
	assert_int_equal(dtmf(1, '5', 39), -EINVAL);
	assert_int_equal(dtmf(1, '5', 5001), -EINVAL);
	wanted.legs[1].flags &= (uint16_t)~SL_LEG_SEND;
	path_set(&wanted);
	assert_int_equal(dtmf(1, '5', 100), -EOPNOTSUPP);
	wanted.legs[1].flags |= SL_LEG_SEND | SL_LEG_TRANSPARENT_SSRC;
	path_set(&wanted);
	assert_int_equal(dtmf(1, '5', 100), -EOPNOTSUPP);
}

static void a_hold_forgets_what_waits(void **)
{
	unsigned int before;

	path_set(&wanted);
	run(100, true);
	assert_int_equal(dtmf(1, '1', 100), 0);
	assert_int_equal(dtmf(1, '2', 100), 0);
	run(40, true);
	wanted.legs[1].flags &= (uint16_t)~SL_LEG_SEND;
	path_set(&wanted);
	run(500, true);
	wanted.legs[1].flags |= SL_LEG_SEND;
	path_set(&wanted);
	before = n_sent;
	run(500, true);
	assert_true(n_sent - before >= 24);
	for (unsigned int i = before; i < n_sent; i++)
		assert_false(is_event(&sent[i]));
}

// A replace may give the events another number, or take them away.
static void a_replace_is_heeded_in_the_middle(void **)
{
	path_set(&wanted);
	run(100, true);
	assert_int_equal(dtmf(1, '1', 1000), 0);
	run(40, true);
	wanted.legs[1].n_formats = 1;
	path_set(&wanted);
	run(100, true);
	assert_false(is_event(&sent[n_sent - 1]));
	wanted.legs[1].n_formats = 2;
	path_set(&wanted);
	run(500, true);
	assert_false(is_event(&sent[n_sent - 1]));
	assert_int_equal(dtmf(1, '2', 40), 0);
	run(40, true);
	assert_true(is_event(&sent[n_sent - 1]));
	assert_int_equal(sent[n_sent - 1].code, 2);
	run(500, true);
	assert_false(is_event(&sent[n_sent - 1]));
}

// However many legs come and go with a digit under way, places are taken back.
static void legs_that_go_leave_their_place(void **)
{
	for (unsigned int i = 0; i < DIALS_MAX + 10; i++) {
		path_set(&wanted);
		assert_int_equal(dtmf(1, '1', 1000), 0);
		if (i % 2)
			run(5, true);
		session_delete(path.sessions, session_find(path.sessions, &wanted.id));
		sessions_tick(path.sessions, 0);
		take_output();
		path.rig.n_events = 0;
	}
	assert_in_range(path.workers->workers[0]->dials->n_used, 1, 4);
}

static void a_place_is_free_again_when_its_digits_are_over(void **)
{
	path_set(&wanted);
	assert_int_equal(dtmf(1, '1', 40), 0);
	run(1000, true);
	assert_null(path.workers->workers[0]->dials->dials[0].leg);
	assert_int_equal(path.workers->workers[0]->n_dialling, 0);
}

// Share of a packet's energy at a frequency: half of it each, where there are two tones.
static double share_at(const struct frame *frame, double hz)
{
	static uint8_t state[8192] __attribute__((aligned(16)));
	double energy = 1, re = 0, im = 0;
	int16_t pcm[160];
	struct codec_decode_job job = {.state = state,
		.payload = frame->bytes + UDP_DATA + 12,
		.n_bytes = 160,
		.pcm = pcm,
		.n_samples = 160};

	codec_find("PCMU", 8000, 1)->decode(&job, 1);
	for (int i = 0; i < 160; i++) {
		energy += (double)pcm[i] * pcm[i];
		re += pcm[i] * cos(2 * M_PI * hz * i / 8000);
		im += pcm[i] * sin(2 * M_PI * hz * i / 8000);
	}
	return 2 * (re * re + im * im) / 160 / energy;
}

// Two digits to who has no events: 2 and D. Returns how many packets had each of the tones.
static void check_tones(bool audio)
{
	unsigned int n_two = 0, n_d = 0, n = 0;
	uint16_t last_sequence = 0;
	uint32_t last_timestamp = 0;
	struct frame frame;

	wanted.legs[1].n_formats = 1;
	wanted.legs[1].flags |= SL_LEG_DTMF_SEND;
	path_set(&wanted);
	run(100, true);
	discard_output();
	assert_int_equal(dtmf(1, '2', 100), 0);
	assert_int_equal(dtmf(1, 'D', 200), 0);
	for (unsigned int at = 0; at < 700; at += 5) {
		if (audio && at % 20 == 0)
			push_silence(FAR0, 4000, LOCAL0, next_audio++);
		path_turn();
		path_pass(5);
		usleep(5000); // the transcoder goes by the cycle counter
		while (frame_pop(1, &frame)) {
			assert_int_equal(frame.length, UDP_DATA + 172);
			if (n++) {
				assert_int_equal(
					(uint16_t)(sequence_of(&frame) - last_sequence), 1);
				assert_int_equal(
					word_at(&frame, UDP_DATA + 4) - last_timestamp, 160);
			}
			last_sequence = sequence_of(&frame);
			last_timestamp = word_at(&frame, UDP_DATA + 4);
			n_two += share_at(&frame, 697) > 0.25 && share_at(&frame, 1336) > 0.4;
			n_d += share_at(&frame, 941) > 0.25 && share_at(&frame, 1633) > 0.4;
		}
		while (frame_pop(0, &frame))
			;
	}
	assert_in_range(n_two, 4, 6);
	assert_in_range(n_d, 9, 11);
}

static void a_digit_is_a_tone_where_there_are_no_events(void **)
{
	check_tones(true);
}

static void a_tone_needs_no_audio(void **)
{
	check_tones(false);
}

static void tones_wait_for_one_another(void **)
{
	wanted.legs[1].n_formats = 1;
	path_set(&wanted);
	assert_int_equal(dtmf(1, '2', 100), -EOPNOTSUPP); // nothing passes a codec
	wanted.legs[1].flags |= SL_LEG_DTMF_SEND;
	path_set(&wanted);
	for (unsigned int i = 0; i < SL_DTMF_QUEUE_MAX; i++)
		assert_int_equal(dtmf(1, '2', 5000), 0);
	assert_int_equal(dtmf(1, '2', 100), -ENOBUFS);
	run(20, true);
	session_delete(path.sessions, session_find(path.sessions, &wanted.id));
	run(20, false);
}

#define DIAL_TEST(name) cmocka_unit_test_setup_teardown(name, setup, call_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		DIAL_TEST(a_digit_takes_the_place_of_audio),
		DIAL_TEST(digits_wait_for_one_another),
		DIAL_TEST(packets_lost_and_late_around_a_digit_keep_their_place),
		DIAL_TEST(a_digit_needs_no_audio),
		DIAL_TEST(a_new_source_goes_on_behind_a_digit),
		DIAL_TEST(a_long_digit_into_opus_has_segments),
		cmocka_unit_test_setup_teardown(
			a_digit_is_encrypted_where_audio_is, setup_srtp, srtp_call_teardown),
		DIAL_TEST(what_cannot_be_sent_digits_is_told_apart),
		DIAL_TEST(a_hold_forgets_what_waits),
		DIAL_TEST(a_replace_is_heeded_in_the_middle),
		DIAL_TEST(legs_that_go_leave_their_place),
		DIAL_TEST(a_digit_is_a_tone_where_there_are_no_events),
		DIAL_TEST(a_tone_needs_no_audio),
		DIAL_TEST(tones_wait_for_one_another),
		DIAL_TEST(a_place_is_free_again_when_its_digits_are_over),
	};

	path_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
