// Transcoding that starts, stops and changes in mid-call: no click, no gap above one frame, one
// stream. Each pair of codecs is gone through there and back, with a tone that is loud all the
// time; what comes out is decoded with a decoder of its own for each codec, as a phone would.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

#include "call.h"
#include "clock.h"
#include "codec.h"

#define FRAMES	  15 // of a phase
#define AMPLITUDE 8000
#define TONE_HZ	  400
#define BLOCK	  80 // 10 ms at 8 kHz

static const struct sl_format formats[] = {
	{.name = "PCMU", .clock_hz = 8000, .channels = 1, .pt = 0, .receive_pt = 0},
	{.name = "PCMA", .clock_hz = 8000, .channels = 1, .pt = 8, .receive_pt = 8},
	{.name = "G722", .clock_hz = 8000, .channels = 1, .pt = 9, .receive_pt = 9},
	{.name = "GSM", .clock_hz = 8000, .channels = 1, .pt = 3, .receive_pt = 3},
	{.name = "L16", .clock_hz = 16000, .channels = 1, .pt = 97, .receive_pt = 97},
	{.name = "opus", .clock_hz = 48000, .channels = 2, .pt = 96, .receive_pt = 96},
};
#define N_FORMATS RTE_DIM(formats)

// The far end's phone: what it has heard.
static struct {
	const struct codec *codec;
	const struct codec_params params;
	void *decoder;
	int16_t pcm[160 * FRAMES * 4];
	unsigned int n_samples;
	unsigned int n_packets;
} phone = {.params = {.sample_hz = 8000, .channels = 1}};
static uint32_t hz; // its decoder's

static struct frame last;
static uint16_t n_fed;

// 20 ms of the tone in PCMU, of far end 0. The codec is not what is tested.
static void push_tone(void)
{
	const struct codec *pcmu = codec_find("PCMU", 8000, 1);
	uint8_t payload[160], bytes[FRAME_MAX];
	int16_t pcm[160];
	struct codec_encode_job job = {.pcm = pcm, .n_samples = 160, .payload = payload};
	struct rtp_packet rtp = {.sequence = n_fed,
		.timestamp = n_fed * 160u,
		.ssrc = SSRC0,
		.payload = payload,
		.payload_bytes = sizeof(payload)};

	for (unsigned int i = 0; i < 160; i++)
		pcm[i] = (int16_t)lrint(
			AMPLITUDE * sin(2 * M_PI * TONE_HZ * (n_fed * 160u + i) / 8000));
	pcmu->encode(&job, 1);
	push_datagram(FAR0, 4000, LOCAL0, bytes, rtp_build(bytes, &rtp));
	n_fed++;
}

static void phone_takes(const struct sl_format *format)
{
	struct codec_params params;

	phone.codec = codec_find(format->name, format->clock_hz, format->channels);
	assert_non_null(phone.codec);
	free(phone.decoder);
	hz = phone.codec->sample_rates[0];
	params = (struct codec_params){.sample_hz = hz, .channels = 1};
	phone.decoder = aligned_alloc(64, (phone.codec->decoder_size() + 127) / 64 * 64);
	memset(phone.decoder, 0, (phone.codec->decoder_size() + 127) / 64 * 64);
	assert_int_equal(phone.codec->decoder_init(phone.decoder, &params), 0);
}

// Every other sample, where its decoder does not run at 8 kHz: a tone of 400 Hz does not mind.
static void phone_hears(const struct frame *frame)
{
	int16_t pcm[CODEC_FRAME_SAMPLES_MAX];
	struct codec_decode_job job = {.state = phone.decoder,
		.payload = frame->bytes + UDP_DATA + 12,
		.n_bytes = (uint16_t)(frame->length - UDP_DATA - 12),
		.pcm = pcm,
		.n_samples = CODEC_FRAME_SAMPLES_MAX};

	phone.codec->decode(&job, 1);
	assert_int_equal(job.n_decoded, (int)(hz / 50));
	for (int i = 0; i < job.n_decoded; i += (int)(hz / 8000))
		phone.pcm[phone.n_samples++] = pcm[i];
	phone.n_packets++;
}

// What came out belongs to one stream, and its time goes on: by a frame between two packets, and by
// two at most where the codec has just changed.
static void take_output(const struct sl_format *format, uint32_t ssrc, bool changed)
{
	uint32_t step = format->clock_hz / 50;
	struct frame frame;

	while (frame_pop(1, &frame)) {
		uint32_t passed = word_at(&frame, 46) - word_at(&last, 46);

		if ((frame.bytes[43] & 0x7f) != format->pt) // still on its way
			continue;
		assert_int_equal(word_at(&frame, 50), ssrc);
		if (last.length) {
			assert_int_equal((uint16_t)(sequence_of(&frame) - sequence_of(&last)), 1);
			if (!changed)
				assert_int_equal(passed, step);
			else if (passed == 0 || passed > 2 * 960)
				fail_msg("the time of the stream leapt by %u", passed);
		}
		changed = false;
		last = frame;
		phone_hears(&frame);
	}
}

static void run_phase(const struct sl_format *format, uint32_t ssrc, bool changed)
{
	unsigned int before = phone.n_packets;

	phone_takes(format);
	for (unsigned int i = 0; i < FRAMES; i++) {
		push_tone();
		path_turn();
		take_output(format, ssrc, changed && phone.n_packets == before);
	}
	if (phone.n_packets - before < FRAMES - 1)
		fail_msg("%s: %u of %u frames", format->name, phone.n_packets - before, FRAMES);
}

// The tone is there all the time but for one frame, and nothing is louder than it.
static void check_sound(const char *names)
{
	unsigned int longest = 0, run = 0;

	for (unsigned int at = BLOCK * 2; at + BLOCK <= phone.n_samples; at += BLOCK) {
		double energy = 0;

		for (unsigned int i = 0; i < BLOCK; i++) {
			double sample = phone.pcm[at + i];

			if (fabs(sample) > AMPLITUDE * 1.5)
				fail_msg("%s: a click of %.0f at %u", names, sample, at + i);
			energy += sample * sample;
		}
		run = sqrt(energy / BLOCK) < AMPLITUDE / 1.42 / 2 ? run + 1 : 0;
		longest = run > longest ? run : longest;
	}
	if (longest > 2)
		fail_msg("%s: silent for %u ms", names, longest * 10);
}

static void change_there_and_back(const struct sl_format *first, const struct sl_format *second)
{
	const struct sl_format *phases[] = {first, second, first};
	char names[64];
	uint32_t ssrc = 0;

	last.length = 0;
	n_fed = 0;
	phone.n_samples = phone.n_packets = 0;
	snprintf(names, sizeof(names), "%s, %s, %s", first->name, second->name, first->name);
	for (unsigned int i = 0; i < RTE_DIM(phases); i++) {
		struct sl_session session;

		wanted.legs[1].n_formats = 1;
		wanted.legs[1].formats[0] = *phases[i];
		wanted.legs[1].formats[0].complexity = 0xff;
		session = path_set(&wanted);
		sessions_tick(path.sessions, clock_now_ns());
		assert_true(ssrc == 0 || ssrc == session.legs[1].ssrc);
		ssrc = session.legs[1].ssrc;
		run_phase(phases[i], ssrc, i > 0);
	}
	check_sound(names);
	free(phone.decoder);
	phone.decoder = NULL;
}

static void codecs_change_without_a_click_or_a_gap(void **state)
{
	for (unsigned int i = 0; i < N_FORMATS; i++)
		for (unsigned int j = 0; j < N_FORMATS; j++) {
			if (i == j)
				continue;
			call_setup(state);
			change_there_and_back(&formats[i], &formats[j]);
			call_teardown(state);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(codecs_change_without_a_click_or_a_gap),
	};

	path_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
