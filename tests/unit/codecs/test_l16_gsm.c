// L16 and GSM: payload layout, lengths, losses.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>

#include "codec.h"
#include "speech.h"

#define STATE_MAX 8192

static uint8_t state[STATE_MAX] __attribute__((aligned(16)));

static int decode(const struct codec *codec, const uint8_t *payload, size_t n, int16_t *pcm)
{
	struct codec_decode_job job = {.state = state,
		.payload = payload,
		.n_bytes = (uint16_t)n,
		.pcm = pcm,
		.n_samples = payload ? CODEC_FRAME_SAMPLES_MAX : (uint16_t)n};

	codec->decode(&job, 1);
	return job.n_decoded;
}

static void l16_is_samples_in_network_order(void **)
{
	static const int16_t pcm[] = {0, 1, -1, INT16_MAX, INT16_MIN, 0x1234};
	static const uint8_t want[] = {0, 0, 0, 1, 0xff, 0xff, 0x7f, 0xff, 0x80, 0, 0x12, 0x34};
	static const uint32_t rates[] = {8000, 16000, 24000, 48000};
	int16_t back[CODEC_FRAME_SAMPLES_MAX];
	uint8_t payload[CODEC_FRAME_BYTES_MAX];

	for (size_t i = 0; i < 4; i++) {
		const struct codec *codec = codec_find("L16", rates[i], 1);
		const struct codec_params params = {.sample_hz = rates[i], .channels = 1};
		struct codec_encode_job job = {.pcm = pcm, .n_samples = 6, .payload = payload};

		assert_int_equal(codec->encoder_init(NULL, &params), 0);
		codec->encode(&job, 1);
		assert_int_equal(job.n_bytes, sizeof(want));
		assert_memory_equal(payload, want, sizeof(want));
		assert_int_equal(codec->decoder_init(state, &params), 0);
		assert_int_equal(decode(codec, payload, sizeof(want), back), 6);
		assert_memory_equal(back, pcm, sizeof(pcm));
	}
}

static void l16_frames_fit_into_a_packet(void **)
{
	for (const struct codec **c = codecs; *c; c++)
		for (const uint8_t *ms = (*c)->frames_ms; *ms && !strcmp((*c)->name, "L16"); ms++)
			assert_true((*c)->clock_hz / 1000 * *ms * 2 <= CODEC_FRAME_BYTES_MAX);
}

static void l16_refuses_half_a_sample_and_too_many(void **)
{
	static uint8_t payload[2000];
	const struct codec *codec = codec_find("L16", 8000, 1);
	const struct codec_params params = {.sample_hz = 8000, .channels = 1};
	int16_t pcm[CODEC_FRAME_SAMPLES_MAX];

	codec->decoder_init(state, &params);
	assert_int_equal(decode(codec, payload, 0, pcm), -EBADMSG);
	assert_int_equal(decode(codec, payload, 3, pcm), -EBADMSG);
	assert_int_equal(decode(codec, payload, 960, pcm), 480);
	assert_int_equal(decode(codec, payload, 962, pcm), -EBADMSG);
	assert_int_equal(codec->payload_samples(payload, 962, &params), -EBADMSG);
}

// A tone is made up without a step, fades out, and comes back at once.
static void l16_losses_fade(void **)
{
	static const uint32_t rates[] = {8000, 16000, 24000, 48000};

	for (size_t i = 0; i < 4; i++) {
		const struct codec *codec = codec_find("L16", rates[i], 1);
		const struct codec_params params = {.sample_hz = rates[i], .channels = 1};
		unsigned int n = rates[i] / 100, period = rates[i] / 200;
		int16_t pcm[480], last = 0;
		uint8_t payload[960];

		codec->decoder_init(state, &params);
		for (unsigned int k = 0; k < n; k++) { // a triangle of 200 Hz
			int at = (int)(k % period), half = (int)period / 2;

			pcm[k] = (int16_t)((at < half ? at : 2 * half - at) * 8000 / half - 4000);
		}
		codec->encode(
			&(struct codec_encode_job){
				.pcm = pcm, .n_samples = (uint16_t)n, .payload = payload},
			1);
		for (int k = 0; k < 10; k++)
			assert_int_equal(decode(codec, payload, 2 * n, pcm), n);
		last = pcm[n - 1];
		for (int k = 0; k < 8; k++) {
			int peak = 0;

			assert_int_equal(decode(codec, NULL, n, pcm), n);
			for (unsigned int s = 0; s < n; s++) {
				assert_in_range(abs(pcm[s] - last), 0, 1200);
				last = pcm[s];
				peak = abs(pcm[s]) > peak ? abs(pcm[s]) : peak;
			}
			assert_true(k > 0 || peak > 3000);
			assert_true(k < 7 || peak == 0);
		}
		assert_int_equal(decode(codec, payload, 2 * n, pcm), n);
	}
}

static void gsm_packets_have_one_or_more_frames(void **)
{
	static int16_t pcm[480], back[CODEC_FRAME_SAMPLES_MAX];
	static uint8_t payload[CODEC_FRAME_BYTES_MAX], encoder[STATE_MAX];
	const struct codec *gsm = codec_find("GSM", 8000, 1);
	const struct codec_params params = {.sample_hz = 8000, .channels = 1};
	struct codec_encode_job job = {.state = encoder, .pcm = pcm, .payload = payload};

	assert_true(gsm->encoder_size() <= STATE_MAX && gsm->decoder_size() <= STATE_MAX);
	assert_int_equal(gsm->static_pt, 3);
	gsm->encoder_init(encoder, &params);
	gsm->decoder_init(state, &params);
	for (uint16_t n = 1; n <= 3; n++) {
		job.n_samples = 160 * n;
		gsm->encode(&job, 1);
		assert_int_equal(job.n_bytes, 33 * n);
		assert_int_equal(payload[0] >> 4, 0xd);
		assert_int_equal(decode(gsm, payload, 33u * n, back), 160 * n);
		assert_int_equal(gsm->payload_samples(payload, 33u * n, &params), 160 * n);
	}
	assert_int_equal(decode(gsm, payload, 32, back), -EBADMSG);
	assert_int_equal(decode(gsm, payload, 34, back), -EBADMSG);
	assert_int_equal(decode(gsm, payload, 0, back), -EBADMSG);
	payload[33] = 0xe0; // no signature on the second frame
	assert_int_equal(decode(gsm, payload, 66, back), -EBADMSG);
	job.n_samples = 80;
	gsm->encode(&job, 1);
	assert_int_equal(job.n_bytes, -EINVAL);
}

static void gsm_keeps_speech(void **)
{
	enum { N = 200 };
	static int16_t pcm[N * 160], back[N * 160];
	static uint8_t encoder[STATE_MAX];
	const struct codec *gsm = codec_find("GSM", 8000, 1);
	const struct codec_params params = {.sample_hz = 8000, .channels = 1};
	uint8_t payload[33];
	double snr;

	speech_synthesise(pcm, N * 160, 8000, 3);
	gsm->encoder_init(encoder, &params);
	gsm->decoder_init(state, &params);
	for (int k = 0; k < N; k++) {
		struct codec_encode_job job = {.state = encoder,
			.pcm = pcm + k * 160,
			.n_samples = 160,
			.payload = payload};

		gsm->encode(&job, 1);
		assert_int_equal(decode(gsm, payload, 33, back + k * 160), 160);
	}
	snr = speech_snr_db(pcm, back, N * 160, 20, NULL);
	print_message("GSM: SNR %.1f dB\n", snr);
	assert_true(snr > 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(l16_is_samples_in_network_order),
		cmocka_unit_test(l16_frames_fit_into_a_packet),
		cmocka_unit_test(l16_refuses_half_a_sample_and_too_many),
		cmocka_unit_test(l16_losses_fade),
		cmocka_unit_test(gsm_packets_have_one_or_more_frames),
		cmocka_unit_test(gsm_keeps_speech),
	};

	return codecs_init() == 0 ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
