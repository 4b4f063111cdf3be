// Tones that become events and events that become tones, under loss, duplication and reordering;
// digits that are reported.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

#include "dtmf.h"
#include "dtmf_tone.h"
#include "g711.h"
#include "rig.h"

#define EVENT_PT   101
#define OUT_PT	   102
#define FRAME	   160
#define DIGITS_MAX 64

static struct rig rig;
static struct transcode_feedback *feedback;
static uint16_t sequence;
static uint32_t timestamp;
static uint32_t random_state;

static uint32_t random_below(uint32_t n)
{
	random_state = random_state * 1664525u + 1013904223u;
	return (random_state >> 8) % n;
}

static void open_stream(bool detect, bool generate, const char *from, const char *to)
{
	struct transcode_spec spec = rig_spec(from, to);

	spec.detect_tones = detect;
	spec.generate_tones = generate;
	spec.report_digits = true;
	spec.from_feedback = feedback = transcode_feedback_create();
	if (detect)
		spec.dtmf_from_pt = TRANSCODE_NO_PT;
	if (generate)
		spec.dtmf_to_pt = TRANSCODE_NO_PT;
	rig_init(&rig, NULL);
	rig_open(&rig, spec);
	sequence = 65500;
	timestamp = 4294960000u;
}

static void close_stream(void)
{
	rig_fini(&rig);
	transcode_feedback_release(feedback);
}

// The digits that were reported, as text; their lengths in `ms`.
static const char *reported(uint16_t *ms)
{
	static char text[DIGITS_MAX + 1];
	struct transcode_digit digit;
	size_t n = 0;

	while (n < DIGITS_MAX && transcode_feedback_digit(feedback, &digit)) {
		if (ms)
			ms[n] = digit.duration_ms;
		text[n++] = "0123456789*#ABCD"[digit.code];
	}
	text[n] = '\0';
	return text;
}

static void send_view(const struct rtp_view *view, const uint8_t *payload, size_t n)
{
	rig_send(&rig, rig.stream, view, payload, n);
}

// 20 ms of PCM as PCMU.
static void send_pcm(const int16_t *pcm)
{
	const struct codec *pcmu = codec_find("PCMU", 8000, 1);
	const struct rtp_view view = {.ssrc = 1, .sequence = sequence++, .timestamp = timestamp};
	uint8_t payload[FRAME];
	struct codec_encode_job job = {.pcm = pcm, .n_samples = FRAME, .payload = payload};

	pcmu->encode(&job, 1);
	send_view(&view, payload, FRAME);
	timestamp += FRAME;
	rig.now_ns += 20 * RIG_MS;
}

static void send_silence(unsigned int n)
{
	static const int16_t silence[FRAME];

	while (n--)
		send_pcm(silence);
}

// Tone frames of a digit, with its ramps, then silence.
static void send_tone(uint8_t digit, unsigned int n_frames)
{
	struct dtmf_tone tone;

	dtmf_tone_start(&tone, digit, 10, 8000);
	for (unsigned int i = 0; i <= n_frames; i++) {
		int16_t pcm[FRAME] = {0};

		dtmf_tone_add(&tone, i < n_frames, pcm, FRAME);
		send_pcm(pcm);
	}
}

static struct dtmf_event event_of(const struct rig_packet *packet)
{
	struct dtmf_event event;

	assert_int_equal(dtmf_parse(packet->payload, packet->view.payload_bytes, &event, 1), 1);
	return event;
}

// What a receiver of the events makes of them: a digit for each timestamp.
static const char *received(uint32_t *durations)
{
	static char text[DIGITS_MAX + 1];
	size_t n = 0;
	uint32_t last = 0;

	for (unsigned int i = 0; i < rig.n_out; i++) {
		struct dtmf_event event;

		if (rig.out[i].view.pt != OUT_PT)
			continue;
		event = event_of(&rig.out[i]);
		if (n == 0 || rig.out[i].view.timestamp != last) {
			assert_true(n < DIGITS_MAX);
			last = rig.out[i].view.timestamp;
			text[n++] = "0123456789*#ABCD"[event.code];
		}
		if (durations)
			durations[n - 1] = event.duration;
	}
	text[n] = '\0';
	return text;
}

static void a_tone_becomes_an_event(void **)
{
	static const char *const outs[] = {"PCMU", "opus"};

	for (int o = 0; o < 2; o++) {
		uint32_t durations[DIGITS_MAX], hz = o ? 48000 : 8000;
		uint16_t ms[DIGITS_MAX];
		unsigned int n_ends = 0, n_events = 0;

		open_stream(true, false, "PCMU", outs[o]);
		send_silence(5);
		send_tone(7, 5);
		send_silence(10);
		assert_string_equal(received(durations), "7");
		assert_in_range(durations[0] * 1000 / hz, 75, 110);
		assert_string_equal(reported(ms), "7");
		assert_in_range(ms[0], 75, 110);
		for (unsigned int i = 0; i < rig.n_out; i++) {
			if (rig.out[i].view.pt != OUT_PT)
				continue;
			assert_int_equal(rig.out[i].view.marker, n_events == 0);
			n_events++;
			n_ends += event_of(&rig.out[i]).end;
			assert_in_range(event_of(&rig.out[i]).volume, 9, 11);
			// It began 100 ms into the audio, seen within a block.
			assert_in_range(rig.out[i].view.timestamp - rig.out[0].view.timestamp,
				hz / 1000 * 87, hz / 1000 * 115);
		}
		assert_int_equal(n_ends, 3);
		close_stream();
	}
}

// What is left of a tone in the audio must not be a digit to whoever listens to both.
static void the_tone_is_taken_out_of_the_audio(void **)
{
	struct dtmf_detector detector;
	unsigned int loud = 0;

	open_stream(true, false, "PCMU", "PCMA");
	send_silence(5);
	for (uint8_t digit = 0; digit < 16; digit++) {
		send_tone(digit, 4);
		send_silence(4);
	}
	assert_string_equal(received(NULL), "0123456789*#ABCD");
	assert_string_equal(reported(NULL), "0123456789*#ABCD");
	dtmf_detector_init(&detector, 8000);
	for (unsigned int i = 0; i < rig.n_out; i++) {
		int16_t pcm[FRAME];
		struct codec_decode_job job = {.payload = rig.out[i].payload,
			.n_bytes = FRAME,
			.pcm = pcm,
			.n_samples = FRAME};
		static uint8_t state[8192] __attribute__((aligned(16)));

		if (rig.out[i].view.pt == OUT_PT)
			continue;
		job.state = state;
		codec_find("PCMA", 8000, 1)->decode(&job, 1);
		for (size_t at = 0; at < FRAME;) {
			enum dtmf_found found;

			at += dtmf_detector_run(&detector, pcm + at, FRAME - at, &found);
			assert_int_not_equal(found, DTMF_BEGUN);
		}
		for (int k = 0; k < FRAME; k++)
			loud += abs(pcm[k]) > 500;
	}
	print_message("of 16 tones, %u ms are left in the audio\n", loud / 8);
	assert_true(loud / 8 < 16 * 25);
	close_stream();
}

static void speech_frames_pass_as_they_are(void **)
{
	open_stream(true, false, "PCMU", "PCMA");
	send_silence(50);
	assert_int_equal(rig.n_out, 50);
	assert_string_equal(received(NULL), "");
	close_stream();
}

static void send_event(uint32_t start, uint8_t code, bool end, uint32_t duration)
{
	const struct rtp_view view = {.ssrc = 1,
		.sequence = sequence++,
		.timestamp = start,
		.pt = EVENT_PT,
		.marker = duration == FRAME};
	const struct dtmf_event event = {code, 10, end, (uint16_t)duration};
	uint8_t payload[DTMF_BYTES];

	dtmf_build(payload, &event);
	send_view(&view, payload, sizeof(payload));
}

// The digits in the audio that came out, and how long each was, in ms of full level.
static const char *heard(const char *name, unsigned int *ms)
{
	static uint8_t state[8192] __attribute__((aligned(16)));
	static char text[DIGITS_MAX + 1];
	const struct codec *codec = codec_find(name, 8000, 1);
	const struct codec_params params = {.sample_hz = 8000, .channels = 1};
	struct dtmf_detector detector;
	size_t n = 0;
	bool on = false;

	memset(state, 0, sizeof(state));
	codec->decoder_init(state, &params);
	dtmf_detector_init(&detector, 8000);
	for (unsigned int i = 0; i < rig.n_out; i++) {
		int16_t pcm[FRAME];
		struct codec_decode_job job = {.state = state,
			.payload = rig.out[i].payload,
			.n_bytes = rig.out[i].view.payload_bytes,
			.pcm = pcm,
			.n_samples = FRAME};

		codec->decode(&job, 1);
		assert_int_equal(job.n_decoded, FRAME);
		for (size_t at = 0; at < FRAME;) {
			enum dtmf_found found;

			at += dtmf_detector_run(&detector, pcm + at, FRAME - at, &found);
			on = found == DTMF_BEGUN || (on && found != DTMF_ENDED);
			if (found == DTMF_BEGUN) {
				assert_true(n < DIGITS_MAX);
				ms[n] = 0;
				text[n++] = "0123456789*#ABCD"[detector.digit];
			}
		}
		for (int k = 0; k < FRAME && on; k++)
			ms[n - 1] += abs(pcm[k]) > 100;
	}
	for (size_t k = 0; k < n; k++)
		ms[k] /= 8;
	text[n] = '\0';
	return text;
}

// A digit of n * 20 ms in place of audio.
static void send_digit(uint8_t code, unsigned int n)
{
	uint32_t start = timestamp;

	for (unsigned int i = 1; i <= n; i++) {
		send_event(start, code, false, i * FRAME);
		rig.now_ns += 20 * RIG_MS;
	}
	for (int i = 0; i < 3; i++)
		send_event(start, code, true, n * FRAME);
	timestamp += n * FRAME;
}

static void an_event_becomes_a_tone_in_its_place(void **)
{
	unsigned int ms[DIGITS_MAX];

	open_stream(false, true, "PCMU", "PCMA");
	send_silence(5);
	send_digit(9, 5);
	send_silence(5);
	send_digit(11, 3);
	send_silence(5);
	assert_int_equal(rig.n_out, 5 + 5 + 5 + 3 + 5);
	for (unsigned int i = 1; i < rig.n_out; i++) {
		assert_int_equal(rig.out[i].view.timestamp - rig.out[i - 1].view.timestamp, FRAME);
		assert_int_equal(
			(uint16_t)(rig.out[i].view.sequence - rig.out[i - 1].view.sequence), 1);
	}
	assert_string_equal(heard("PCMA", ms), "9#");
	assert_string_equal(reported(NULL), "9#");
	close_stream();
}

// Senders that go on with audio beside their events: the tone takes its place.
static void audio_beside_events_does_not_stretch_the_tone(void **)
{
	static const int16_t silence[FRAME];
	unsigned int ms[DIGITS_MAX];
	uint32_t start;

	open_stream(false, true, "PCMU", "PCMA");
	send_silence(5);
	start = timestamp;
	for (unsigned int i = 1; i <= 5; i++) {
		send_event(start, 4, i == 5, i * FRAME);
		send_pcm(silence);
	}
	send_silence(5);
	assert_string_equal(heard("PCMA", ms), "4");
	assert_in_range(rig.n_out, 14, 16);
	close_stream();
}

// All ends are lost: the event ends 100 ms behind, once, with what was heard of it.
static void lost_ends_are_made_up(void **)
{
	uint32_t start;
	uint16_t ms[DIGITS_MAX];
	unsigned int n_ends = 0;

	open_stream(false, false, "PCMU", "opus");
	send_silence(5);
	start = timestamp;
	for (unsigned int i = 1; i <= 5; i++)
		send_event(start, 3, false, i * FRAME);
	sequence += 3;
	timestamp += 5 * FRAME;
	send_silence(3);
	assert_string_equal(reported(ms), "");
	send_silence(10);
	assert_string_equal(reported(ms), "3");
	assert_int_equal(ms[0], 100);
	for (unsigned int i = 0; i < rig.n_out; i++)
		n_ends += rig.out[i].view.pt == OUT_PT && event_of(&rig.out[i]).end;
	assert_int_equal(n_ends, 3);
	close_stream();
}

static void another_event_ends_the_one_before(void **)
{
	uint32_t durations[DIGITS_MAX];

	open_stream(false, false, "PCMU", "opus");
	send_silence(2);
	send_event(timestamp, 1, false, FRAME);
	send_event(timestamp, 1, false, 2 * FRAME);
	timestamp += 800;
	send_event(timestamp, 2, false, FRAME);
	send_event(timestamp, 2, true, 2 * FRAME);
	assert_string_equal(reported(NULL), "12");
	assert_string_equal(received(durations), "12");
	assert_int_equal(durations[0], 2 * FRAME * 6);
	close_stream();
}

struct sent {
	struct rtp_view view;
	uint8_t payload[FRAME];
	size_t n;
};

// Any loss that leaves something of each event, any duplication and reordering within the window:
// each digit once, in order, never longer than it was.
static void digits_survive_loss_duplication_and_reordering(void **)
{
	static struct sent packets[4096];

	for (int kind = 0; kind < 2; kind++)
		for (uint32_t seed = 1; seed <= 40; seed++) {
			char want[DIGITS_MAX] = "";
			uint32_t durations[DIGITS_MAX], lengths[DIGITS_MAX], n_digits = 0, at = 0;
			uint16_t ms[DIGITS_MAX], seq = (uint16_t)(seed * 3000);
			unsigned int tone_ms[DIGITS_MAX];
			size_t n = 0, order[4096];

			random_state = seed;
			open_stream(false, kind == 1, "PCMU", kind ? "PCMA" : "opus");
			for (int d = 0; d < 12; d++) {
				uint8_t code = (uint8_t)random_below(16);
				uint32_t frames = 4 + random_below(8);

				for (int a = 0; a < 6; a++, at += FRAME) {
					packets[n] = (struct sent){.n = FRAME,
						.view = {.ssrc = 1,
							.sequence = seq++,
							.timestamp = at}};
					memset(packets[n++].payload, 0xff, FRAME);
				}
				for (uint32_t i = 1; i <= frames + 2; i++) {
					bool end = i >= frames;
					const struct dtmf_event event = {code, 10, end,
						(uint16_t)((end ? frames : i) * FRAME)};

					packets[n] = (struct sent){.n = DTMF_BYTES,
						.view = {.ssrc = 1,
							.sequence = seq++,
							.timestamp = at,
							.pt = EVENT_PT}};
					dtmf_build(packets[n].payload, &event);
					// Lose some, but never the middle one.
					if (i == frames / 2 || random_below(10) >= 3)
						n++;
				}
				want[n_digits] = "0123456789*#ABCD"[code];
				lengths[n_digits++] = frames * FRAME;
				at += frames * FRAME;
			}
			want[n_digits] = '\0';
			for (int a = 0; a < 20; a++, at += FRAME) {
				packets[n] = (struct sent){.n = FRAME,
					.view = {.ssrc = 1, .sequence = seq++, .timestamp = at}};
				memset(packets[n++].payload, 0xff, FRAME);
			}
			for (size_t i = 0; i < n; i++)
				order[i] = i;
			for (size_t i = 1; i < n; i++)
				if (random_below(10) == 0) {
					order[i] = i - 1;
					order[i - 1] = i;
					i++;
				}
			for (size_t i = 0; i < n; i++) {
				const struct sent *p = &packets[order[i]];

				send_view(&p->view, p->payload, p->n);
				if (random_below(5) == 0)
					send_view(&p->view, p->payload, p->n);
				rig.now_ns += 20 * RIG_MS;
			}
			assert_string_equal(reported(ms), want);
			for (uint32_t d = 0; d < n_digits; d++)
				assert_true(ms[d] <= lengths[d] / 8);
			if (kind == 0) {
				assert_string_equal(received(durations), want);
				for (uint32_t d = 0; d < n_digits; d++)
					assert_true(durations[d] <= lengths[d] * 6);
			} else {
				assert_string_equal(heard("PCMA", tone_ms), want);
			}
			close_stream();
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tone_becomes_an_event),
		cmocka_unit_test(the_tone_is_taken_out_of_the_audio),
		cmocka_unit_test(speech_frames_pass_as_they_are),
		cmocka_unit_test(an_event_becomes_a_tone_in_its_place),
		cmocka_unit_test(audio_beside_events_does_not_stretch_the_tone),
		cmocka_unit_test(lost_ends_are_made_up),
		cmocka_unit_test(another_event_ends_the_one_before),
		cmocka_unit_test(digits_survive_loss_duplication_and_reordering),
	};

	return cmocka_run_group_tests(tests, rig_eal, NULL);
}
