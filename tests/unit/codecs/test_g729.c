// G.729 as a plug-in (its path is the argument): what it sounds like, to its own library and to
// ffmpeg's decoder, in packets of any length, with silence and with losses.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "codec_plugin.h"
#include "oracle.h"
#include "speech.h"

#define SECONDS 4
#define SAMPLES (SECONDS * 8000)
#define PACKET	160

static const struct codec *g729;
static int16_t speech[SAMPLES], own[SAMPLES + 960], theirs[SAMPLES + 8000];

struct stream {
	void *encoder, *decoder;
};

static struct stream stream_create(bool dtx)
{
	struct codec_params params = {.sample_hz = 8000, .channels = 1, .options.dtx = dtx};
	struct stream s = {calloc(1, g729->encoder_size()), calloc(1, g729->decoder_size())};

	assert_int_equal(g729->encoder_init(s.encoder, &params), 0);
	assert_int_equal(g729->decoder_init(s.decoder, &params), 0);
	return s;
}

static void stream_destroy(struct stream *s)
{
	g729->encoder_fini(s->encoder);
	g729->decoder_fini(s->decoder);
	free(s->encoder);
	free(s->decoder);
}

static struct codec_encode_job encode(
	struct stream *s, const int16_t *pcm, uint16_t n, uint8_t *payload)
{
	struct codec_encode_job job = {
		.state = s->encoder, .pcm = pcm, .n_samples = n, .payload = payload};

	g729->encode(&job, 1);
	return job;
}

static struct codec_decode_job decode(
	struct stream *s, const uint8_t *payload, int n_bytes, int16_t *pcm, uint16_t n)
{
	struct codec_decode_job job = {.state = s->decoder,
		.payload = payload,
		.n_bytes = (uint16_t)n_bytes,
		.pcm = pcm,
		.n_samples = n};

	g729->decode(&job, 1);
	return job;
}

static void speech_survives_and_another_decoder_hears_the_same(void **)
{
	static uint8_t file[SAMPLES / 8];
	struct stream s = stream_create(false);
	size_t delay = 0;
	double best = -100, agreement;

	speech_synthesise(speech, SAMPLES, 8000, 11);
	for (size_t at = 0; at < SAMPLES; at += PACKET) {
		uint8_t *payload = file + at / 8;

		assert_int_equal(encode(&s, speech + at, PACKET, payload).n_bytes, 20);
		assert_int_equal(decode(&s, payload, 20, own + at, PACKET).n_decoded, PACKET);
	}
	for (size_t d = 20; d < 120; d++) {
		double snr = segmental_snr_db(speech, own + d, SAMPLES - d, 160);

		if (snr > best) {
			best = snr;
			delay = d;
		}
	}
	assert_int_equal(
		oracle_decode("g729", file, sizeof(file), theirs, SAMPLES + 8000), SAMPLES);
	agreement = segmental_snr_db(own, theirs, SAMPLES, 160);
	print_message(
		"G729: %.1f dB, level %+.1f dB, delay %zu samples, ffmpeg agrees within %.1f dB\n",
		best, level_db(speech, own + delay, SAMPLES - delay), delay, agreement);
	assert_true(best > 2);
	assert_true(fabs(level_db(speech, own + delay, SAMPLES - delay)) < 1.5);
	assert_int_equal(delay, 40); // its look-ahead of 5 ms
	assert_true(agreement > 15);
	stream_destroy(&s);
}

static void packets_of_any_length_are_the_same_frames(void **)
{
	for (uint16_t n_frames = 1; n_frames <= 12; n_frames++) {
		struct stream one = stream_create(false), many = stream_create(false);
		uint8_t single[12][10], packet[120];

		speech_synthesise(speech, 960u * 5, 8000, 3);
		for (int k = 0; k < 5; k++) {
			const int16_t *pcm = speech + k * n_frames * 80;

			for (int f = 0; f < n_frames; f++) {
				encode(&one, pcm + f * 80, 80, single[f]);
				decode(&one, single[f], 10, theirs + f * 80, 80);
			}
			assert_int_equal(
				encode(&many, pcm, (uint16_t)(n_frames * 80), packet).n_bytes,
				n_frames * 10);
			assert_memory_equal(packet, single, n_frames * 10u);
			assert_int_equal(decode(&many, packet, n_frames * 10, own, 960).n_decoded,
				n_frames * 80);
			assert_memory_equal(own, theirs, n_frames * 160u);
		}
		stream_destroy(&one);
		stream_destroy(&many);
	}
}

static void lengths_of_payloads_are_told_and_checked(void **)
{
	static const struct {
		uint16_t n_bytes;
		int n_samples;
	} cases[] = {{0, -EBADMSG}, {1, -EBADMSG}, {2, 80}, {3, -EBADMSG}, {9, -EBADMSG}, {10, 80},
		{11, -EBADMSG}, {12, 160}, {20, 160}, {112, 960}, {120, 960}, {122, -EBADMSG},
		{130, -EBADMSG}};
	struct stream s = stream_create(false);
	uint8_t payload[130] = {};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(
			g729->payload_samples(payload, cases[i].n_bytes, NULL), cases[i].n_samples);
		assert_int_equal(decode(&s, payload, cases[i].n_bytes, own, 960).n_decoded,
			cases[i].n_samples);
	}
	assert_int_equal(decode(&s, payload, 20, own, 159).n_decoded, -EBADMSG);
	assert_int_equal(encode(&s, speech, 79, payload).n_bytes, -EINVAL);
	assert_int_equal(encode(&s, speech, 1040, payload).n_bytes, -EINVAL);
	stream_destroy(&s);
}

static double rms(const int16_t *pcm, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (double)pcm[i] * pcm[i];
	return sqrt(sum / (double)n);
}

// Speech, then a second of noise that grows and falls, so that it has to be described again.
static void silence_is_described_and_heard_as_noise(void **)
{
	struct stream s = stream_create(true);
	int n_sids = 0, n_nothing = 0, n_late = 0;
	uint8_t payload[20];

	speech_synthesise(speech, SAMPLES, 8000, 11);
	srand(1);
	for (int i = SAMPLES / 2; i < SAMPLES; i++)
		speech[i] = (int16_t)((rand() % 61 - 30) * (i / 4000 % 2 ? 1 : 3) / 2);
	for (size_t at = 0; at < SAMPLES; at += PACKET) {
		struct codec_encode_job job = encode(&s, speech + at, PACKET, payload);
		struct codec_decode_job heard =
			decode(&s, job.n_bytes ? payload : NULL, job.n_bytes, own + at, PACKET);

		assert_true(job.n_skipped == 0 || job.n_skipped == 80);
		assert_int_equal(job.is_noise, job.n_bytes <= 2);
		n_late += job.n_skipped && job.n_bytes;
		if (heard.n_decoded == 80 && job.n_bytes) // the rest of it is up to the engine
			decode(&s, NULL, 0, own + at + 80, 80);
		if (at < 3 * SAMPLES / 4)
			continue;
		assert_true(job.n_bytes <= 2);
		n_sids += job.n_bytes == 2;
		n_nothing += job.n_bytes == 0;
	}
	print_message(
		"G729 silence: %d descriptions, %d times nothing in a second; level %.1f, heard "
		"%.1f\n",
		n_sids, n_nothing, rms(speech + 3 * SAMPLES / 4, SAMPLES / 4),
		rms(own + 3 * SAMPLES / 4, SAMPLES / 4));
	assert_true(n_sids >= 2 && n_nothing > 20);
	assert_true(n_late > 0); // some began in the middle of a packet
	assert_true(rms(own + 3 * SAMPLES / 4, SAMPLES / 4) > 5);
	assert_true(rms(own + 3 * SAMPLES / 4, SAMPLES / 4) < 60);
	stream_destroy(&s);
}

static void losses_fade_without_a_click(void **)
{
	struct stream s = stream_create(false);
	double before = 0, loudest = 0;
	uint8_t payload[20];

	speech_synthesise(speech, SAMPLES, 8000, 11);
	for (int k = 0; k < SAMPLES / PACKET; k++) {
		bool is_lost = k % 50 >= 25 && k % 50 < 37;

		encode(&s, speech + k * PACKET, PACKET, payload);
		decode(&s, is_lost ? NULL : payload, 20, own, PACKET);
		if (!is_lost)
			before = rms(own, PACKET);
		else
			loudest = fmax(loudest, rms(own, PACKET) / (before + 50));
		if (k % 50 == 36)
			assert_true(rms(own, PACKET) < 0.3 * before + 50);
	}
	print_message("G729 loss: at most %.2f times the frame before\n", loudest);
	assert_true(loudest < 1.5 && loudest > 0.1);
	stream_destroy(&s);
}

static void losses_of_any_length_are_filled(void **)
{
	static const uint16_t lengths[] = {1, 79, 80, 81, 160, 960};
	struct stream s = stream_create(false);

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		own[lengths[i]] = 12345;
		assert_int_equal(decode(&s, NULL, 0, own, lengths[i]).n_decoded, lengths[i]);
		assert_int_equal(own[lengths[i]], 12345);
	}
	stream_destroy(&s);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(speech_survives_and_another_decoder_hears_the_same),
		cmocka_unit_test(packets_of_any_length_are_the_same_frames),
		cmocka_unit_test(lengths_of_payloads_are_told_and_checked),
		cmocka_unit_test(silence_is_described_and_heard_as_noise),
		cmocka_unit_test(losses_fade_without_a_click),
		cmocka_unit_test(losses_of_any_length_are_filled),
	};
	char error[512];

	if (argc != 2 || !codec_plugin_load(argv[1], error, sizeof(error)) || codecs_init()) {
		fprintf(stderr, "%s\n", argc == 2 ? error : "usage: test_g729 PLUGIN");
		return 1;
	}
	g729 = codec_find("G729", 8000, 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
