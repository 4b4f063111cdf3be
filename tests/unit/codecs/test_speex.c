// Speex: payload layout (RFC 5574), lengths, losses, and the opinion of another decoder (ffmpeg's
// own).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>

#include "codec.h"
#include "oracle.h"
#include "speech.h"

#define STATE_MAX 64
#define N_FRAMES  150
#define FRAME_MAX 640

static uint8_t encoder[STATE_MAX] __attribute__((aligned(16)));
static uint8_t decoder[STATE_MAX] __attribute__((aligned(16)));

static const struct codec *open_codec(uint32_t hz, struct codec_params params)
{
	const struct codec *speex = codec_find("speex", hz, 1);

	if (!params.sample_hz)
		params.sample_hz = hz;
	params.channels = 1;
	params.frame_ms = 20;
	params.complexity = CODEC_DEFAULT;
	assert_true(speex->encoder_size() <= STATE_MAX && speex->decoder_size() <= STATE_MAX);
	assert_int_equal(speex->encoder_init(encoder, &params), 0);
	assert_int_equal(speex->decoder_init(decoder, &params), 0);
	return speex;
}

static void close_codec(const struct codec *speex)
{
	speex->encoder_fini(encoder);
	speex->decoder_fini(decoder);
}

static int encode(const struct codec *speex, const int16_t *pcm, unsigned int n, uint8_t *payload)
{
	struct codec_encode_job job = {
		.state = encoder, .pcm = pcm, .n_samples = (uint16_t)n, .payload = payload};

	speex->encode(&job, 1);
	return job.n_bytes;
}

static int decode(const struct codec *speex, const uint8_t *payload, size_t n, int16_t *pcm)
{
	struct codec_decode_job job = {.state = decoder,
		.payload = payload,
		.n_bytes = (uint16_t)n,
		.pcm = pcm,
		.n_samples = payload ? CODEC_FRAME_SAMPLES_MAX : (uint16_t)n};

	speex->decode(&job, 1);
	return job.n_decoded;
}

// Ogg pages of Speex, one packet a page.
struct ogg {
	uint8_t *bytes;
	size_t n;
	uint32_t n_pages;
};

static void put_le(uint8_t *at, uint64_t value, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		at[i] = (uint8_t)(value >> 8 * i);
}

static void ogg_add(struct ogg *ogg, const uint8_t *packet, size_t n, uint64_t granule)
{
	uint8_t *page = ogg->bytes + ogg->n;
	uint32_t crc = 0;

	assert_in_range(n, 1, 254);
	memset(page, 0, 28);
	memcpy(page, "OggS", 4);
	page[5] = ogg->n_pages ? 0 : 2;
	put_le(page + 6, granule, 8);
	put_le(page + 14, 1, 4);
	put_le(page + 18, ogg->n_pages++, 4);
	page[26] = 1;
	page[27] = (uint8_t)n;
	memcpy(page + 28, packet, n);
	for (size_t i = 0; i < 28 + n; i++) {
		crc ^= (uint32_t)page[i] << 24;
		for (int bit = 0; bit < 8; bit++)
			crc = crc << 1 ^ (crc >> 31 ? 0x04c11db7 : 0);
	}
	put_le(page + 22, crc, 4);
	ogg->n += 28 + n;
}

static void ogg_begin(struct ogg *ogg, uint32_t hz)
{
	static const uint8_t tags[8];
	uint8_t head[80] = "Speex   1.2";
	uint32_t mode = hz == 8000 ? 0 : hz == 16000 ? 1 : 2;
	uint32_t fields[13] = {1, 80, hz, mode, 4, 1, UINT32_MAX, hz / 50, 0, 1};

	*ogg = (struct ogg){.bytes = malloc(N_FRAMES * 300)};
	for (int i = 0; i < 13; i++)
		put_le(head + 28 + 4 * i, fields[i], 4);
	ogg_add(ogg, head, sizeof(head), 0);
	ogg_add(ogg, tags, sizeof(tags), 0);
}

// What we encode another decoder understands, and what we decode sounds as it does there.
static void speech_is_the_same_to_another_decoder(void **)
{
	static const struct {
		uint32_t hz, bitrate;
		double snr_db;
		size_t delay;
	} cases[] = {{8000, 15000, 2.5, 80}, {8000, 24600, 2.5, 80}, {8000, 5950, 1.5, 79},
		{16000, 27800, 8, 223}, {16000, 16800, 7.5, 223}, {32000, 0, 8, 508}};
	static int16_t pcm[N_FRAMES * FRAME_MAX], ours[N_FRAMES * FRAME_MAX];
	static int16_t theirs[N_FRAMES * FRAME_MAX];

	for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
		uint32_t hz = cases[c].hz, frame = hz / 50;
		const struct codec *speex =
			open_codec(hz, (struct codec_params){.bitrate = cases[c].bitrate});
		double agree, best = -10;
		size_t delay = 0, total = N_FRAMES * frame;
		struct ogg ogg;
		int n_theirs;

		speech_synthesise(pcm, total, hz, 3);
		ogg_begin(&ogg, hz);
		for (size_t k = 0; k < N_FRAMES; k++) {
			uint8_t payload[CODEC_FRAME_BYTES_MAX];
			int n = encode(speex, pcm + k * frame, frame, payload);

			assert_in_range(n, 1, 200);
			assert_int_equal(speex->payload_samples(payload, (size_t)n,
						 &(struct codec_params){.sample_hz = hz}),
				frame);
			assert_int_equal(
				decode(speex, payload, (size_t)n, ours + k * frame), frame);
			ogg_add(&ogg, payload, (size_t)n, (k + 1) * frame);
		}
		for (size_t d = 0; d < 2 * frame; d++) {
			double snr = segmental_snr_db(pcm, ours + d, total - d, frame);

			delay = snr > best ? d : delay;
			best = snr > best ? snr : best;
		}
		n_theirs = oracle_decode("ogg", ogg.bytes, ogg.n, theirs, total);
		free(ogg.bytes);
		close_codec(speex);
		agree = n_theirs > 0 ? segmental_snr_db(ours, theirs, (size_t)n_theirs, frame)
				     : -10;
		print_message("speex/%u %u bit/s: SNR %.1f dB, delay %zu samples; against ffmpeg's "
			      "decoder %.1f dB\n",
			hz, cases[c].bitrate, best, delay, agree);
		assert_true(best >= cases[c].snr_db);
		assert_true(n_theirs >= (int)(total - 4 * frame));
		assert_true(agree >= 15);
		assert_in_range(delay, cases[c].delay - 1, cases[c].delay + 1);
	}
}

// Frames of a wider band are understood at lower rates, and the reverse.
static void all_rates_understand_each_other(void **)
{
	static const uint32_t rates[] = {8000, 16000, 32000};
	static int16_t pcm[FRAME_MAX * 20], out[CODEC_FRAME_SAMPLES_MAX];
	const struct codec *speex = codec_find("speex", 32000, 1);

	for (size_t e = 0; e < 3; e++) {
		for (size_t d = 0; d < 3; d++) {
			struct codec_params to = {.sample_hz = rates[d], .channels = 1};
			uint32_t frame = rates[e] / 50;
			uint64_t sum = 0;

			open_codec(32000, (struct codec_params){.sample_hz = rates[e]});
			speex->decoder_init(decoder, &to);
			speech_synthesise(pcm, 20 * frame, rates[e], 4);
			for (int k = 0; k < 20; k++) {
				uint8_t payload[CODEC_FRAME_BYTES_MAX];
				int n = encode(speex, pcm + k * (int)frame, frame, payload);

				assert_int_equal(
					decode(speex, payload, (size_t)n, out), rates[d] / 50);
				for (uint32_t i = 0; i < rates[d] / 50; i++)
					sum += (uint64_t)abs(out[i]);
			}
			assert_true(sum / (20 * rates[d] / 50) > 200);
			close_codec(speex);
		}
	}
}

static void payloads_have_one_or_more_frames(void **)
{
	static int16_t pcm[960], out[CODEC_FRAME_SAMPLES_MAX];
	const struct codec *speex = open_codec(8000, (struct codec_params){});
	uint8_t payload[CODEC_FRAME_BYTES_MAX];

	speech_synthesise(pcm, 960, 8000, 1);
	for (unsigned int n = 1; n <= 3; n++) {
		int bytes = encode(speex, pcm, 160 * n, payload);

		assert_int_equal(bytes, (300 * n + 7) / 8); // mode 5 is 300 bits
		if (300 * n % 8)			    // a 0 and ones
			assert_int_equal(payload[bytes - 1] & 15, 7);
		assert_int_equal(decode(speex, payload, (size_t)bytes, out), 160 * n);
	}
	assert_int_equal(encode(speex, pcm, 80, payload), -EINVAL);
	assert_int_equal(decode(speex, NULL, 160, out), 160);
	assert_int_equal(decode(speex, NULL, 100, out), 100);
	close_codec(speex);
}

static void malformed_payloads_are_refused(void **)
{
	static const uint8_t reserved[] = {9 << 3, 0, 0, 0, 0, 0}, end[] = {15 << 3};
	static int16_t out[CODEC_FRAME_SAMPLES_MAX];
	const struct codec *speex = open_codec(8000, (struct codec_params){});
	uint8_t payload[CODEC_FRAME_BYTES_MAX] = {5 << 3};

	assert_int_equal(decode(speex, payload, 0, out), -EBADMSG);
	assert_int_equal(decode(speex, payload, 20, out), -EBADMSG); // cut off
	assert_int_equal(decode(speex, reserved, sizeof(reserved), out), -EBADMSG);
	assert_int_equal(decode(speex, end, sizeof(end), out), -EBADMSG);
	memset(payload, 0, sizeof(payload)); // 255 frames of 5 bits
	assert_int_equal(decode(speex, payload, 160, out), -EBADMSG);
	close_codec(speex);
}

static void silence_is_next_to_nothing_with_dtx(void **)
{
	static int16_t silence[160];
	struct codec_params params = {.options.dtx = true};
	const struct codec *speex = open_codec(8000, params);
	uint8_t payload[CODEC_FRAME_BYTES_MAX];
	unsigned int n_sent = 0;

	for (int k = 0; k < 100; k++)
		n_sent += encode(speex, silence, 160, payload) > 0;
	assert_in_range(n_sent, 1, 60);
	close_codec(speex);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(speech_is_the_same_to_another_decoder),
		cmocka_unit_test(all_rates_understand_each_other),
		cmocka_unit_test(payloads_have_one_or_more_frames),
		cmocka_unit_test(malformed_payloads_are_refused),
		cmocka_unit_test(silence_is_next_to_nothing_with_dtx),
	};

	return codecs_init() == 0 ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
