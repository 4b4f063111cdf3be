// AMR and AMR-WB as codecs: what they sound like, to our library's decoder and to another one, and
// what they do with silence, losses, damage and requests.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "amr_payload.h"
#include "codec.h"
#include "oracle.h"
#include "speech.h"

#define SECONDS	    4
#define N_FRAMES    (SECONDS * 50)
#define SAMPLES_MAX (SECONDS * 16000)
#define PAYLOAD_MAX (1 + AMR_FRAMES_MAX * AMR_FRAME_BYTES_MAX)

static const struct codec *amr, *amr_wb;

static int16_t speech[SAMPLES_MAX], own[SAMPLES_MAX], theirs[SAMPLES_MAX + 16000];

struct stream {
	const struct codec *codec;
	struct codec_params params;
	struct amr_layout layout;
	uint16_t frame; // samples of 20 ms
	void *encoder, *decoder;
};

static struct stream stream_create(const struct codec *codec, struct codec_options options)
{
	struct stream s = {
		.codec = codec,
		.params = {.sample_hz = codec->sample_rates[0],
			.channels = 1,
			.frame_ms = 20,
			.complexity = CODEC_DEFAULT,
			.options = options},
		.layout = {codec == amr_wb ? AMR_WIDE : AMR_NARROW, options.octet_align},
		.frame = (uint16_t)(codec->sample_rates[0] / 50),
		.encoder = calloc(1, codec->encoder_size()),
		.decoder = calloc(1, codec->decoder_size()),
	};

	assert_int_equal(codec->encoder_init(s.encoder, &s.params), 0);
	assert_int_equal(codec->decoder_init(s.decoder, &s.params), 0);
	return s;
}

static void stream_destroy(struct stream *s)
{
	s->codec->encoder_fini(s->encoder);
	s->codec->decoder_fini(s->decoder);
	free(s->encoder);
	free(s->decoder);
}

static struct codec_encode_job encode(
	struct stream *s, const int16_t *pcm, uint16_t n, uint8_t request, uint8_t *payload)
{
	struct codec_encode_job job = {.state = s->encoder,
		.pcm = pcm,
		.n_samples = n,
		.request = request,
		.payload = payload};

	s->codec->encode(&job, 1);
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

	s->codec->decode(&job, 1);
	return job;
}

static struct amr_payload parse(const struct stream *s, const uint8_t *payload, int n_bytes)
{
	struct amr_payload parsed = {};

	assert_int_equal(amr_payload_parse(&s->layout, payload, (size_t)n_bytes, &parsed), 0);
	return parsed;
}

// The frames of a payload behind those of a file (RFC 4867 5).
static size_t store(
	const struct stream *s, const struct amr_payload *payload, uint8_t *file, size_t at)
{
	for (int i = 0; i < payload->n_frames; i++) {
		size_t n = amr_frame_bytes(s->layout.band, amr_frame_type(&payload->frames[i]));

		memcpy(file + at, payload->frames[i].bytes, n);
		at += n;
	}
	return at;
}

static size_t file_begin(const struct stream *s, uint8_t *file)
{
	const char *magic = s->layout.band == AMR_WIDE ? "#!AMR-WB\n" : "#!AMR\n";

	memcpy(file, magic, strlen(magic));
	return strlen(magic);
}

// The delay at which the two are most alike, segment by segment.
static size_t find_delay(const int16_t *want, const int16_t *got, size_t n, size_t frame)
{
	double best_snr = -100;
	size_t best = 0;

	for (size_t delay = 20; delay < 120; delay++) {
		double snr = segmental_snr_db(want, got + delay, n - delay, frame);

		if (snr > best_snr) {
			best_snr = snr;
			best = delay;
		}
	}
	return best;
}

// One mode, one layout: to our decoder and to ffmpeg's. The row of the table is printed. (An SNR
// says little of a codec that models speech; it is there to see that nothing is broken. What the
// two decoders make of the same bits is another matter.)
static void check_mode(const struct codec *codec, unsigned int mode, double snr_min, size_t delay)
{
	struct stream s = stream_create(codec, (struct codec_options){
						       .mode_set = (uint16_t)(1 << mode),
						       .octet_align = mode % 2 == 1,
					       });
	size_t n = (size_t)s.frame * N_FRAMES, at, found;
	static uint8_t file[N_FRAMES * AMR_FRAME_BYTES_MAX + 16];
	uint8_t payload[PAYLOAD_MAX];
	double snr, level, agreement;

	speech_synthesise(speech, n, s.params.sample_hz, 11);
	at = file_begin(&s, file);
	for (int k = 0; k < N_FRAMES; k++) {
		struct codec_encode_job job = encode(&s, speech + k * s.frame, s.frame, 0, payload);
		struct amr_payload parsed = parse(&s, payload, job.n_bytes);

		assert_int_equal(amr_frame_type(&parsed.frames[0]), mode);
		assert_int_equal(parsed.request, AMR_NO_REQUEST);
		assert_false(job.is_noise);
		at = store(&s, &parsed, file, at);
		assert_int_equal(
			decode(&s, payload, job.n_bytes, own + k * s.frame, s.frame).n_decoded,
			s.frame);
	}
	assert_int_equal(oracle_decode("amr", file, at, theirs, SAMPLES_MAX + 16000), n);

	found = find_delay(speech, own, n, s.frame);
	snr = segmental_snr_db(speech, own + found, n - found, s.frame);
	level = level_db(speech, own + found, n - found);
	agreement = segmental_snr_db(own, theirs, n, s.frame);
	print_message("%-7s mode %u  %-20s%5.1f dB %+5.1f dB %4zu samples %5.1f dB\n", codec->name,
		mode, s.layout.octet_align ? "octet-aligned" : "bandwidth-efficient", snr, level,
		found, agreement);
	assert_true(snr > snr_min);
	assert_true(fabs(level) < 1.5);
	assert_int_equal(found, delay);
	assert_true(agreement > 25);
	stream_destroy(&s);
}

static void speech_survives_and_another_decoder_hears_the_same(void **)
{
	print_message("codec                                   SNR    level        delay  ffmpeg "
		      "agrees within\n");
	for (unsigned int mode = 0; mode < 8; mode++)
		check_mode(amr, mode, 2.8, 40);
	for (unsigned int mode = 0; mode < 9; mode++)
		check_mode(amr_wb, mode, 6, 95);
}

static void packets_of_several_frames_are_the_same_frames(void **)
{
	for (int i = 0; i < 4; i++) {
		const struct codec *codec = i / 2 ? amr_wb : amr;
		struct codec_options options = {.octet_align = i % 2};
		struct stream one = stream_create(codec, options),
			      three = stream_create(codec, options);
		uint8_t single[PAYLOAD_MAX], triple[PAYLOAD_MAX];
		struct codec_decode_job job;
		uint16_t n = (uint16_t)(3 * one.frame);

		speech_synthesise(speech, 3u * one.frame * 20, one.params.sample_hz, 3);
		for (int k = 0; k < 20; k++) {
			int n_bytes = encode(&three, speech + k * n, n, 0, triple).n_bytes;
			struct amr_payload parsed = parse(&three, triple, n_bytes);

			assert_int_equal(parsed.n_frames, 3);
			assert_int_equal(
				codec->payload_samples(triple, (size_t)n_bytes, &three.params), n);
			job = decode(&three, triple, n_bytes, own, n);
			assert_int_equal(job.n_decoded, n);
			for (int f = 0; f < 3; f++) {
				int bytes = encode(
					&one, speech + k * n + f * one.frame, one.frame, 0, single)
						    .n_bytes;
				struct amr_payload alone = parse(&one, single, bytes);

				assert_memory_equal(&alone.frames[0], &parsed.frames[f],
					amr_frame_bytes(
						one.layout.band, amr_frame_type(&alone.frames[0])));
				decode(&one, single, bytes, theirs, one.frame);
				assert_memory_equal(theirs, own + f * one.frame, one.frame * 2u);
			}
		}
		assert_int_equal(decode(&three, triple, 0, own, n).n_decoded, -EBADMSG);
		stream_destroy(&one);
		stream_destroy(&three);
	}
}

static void payload_without_room_for_its_samples_is_refused(void **)
{
	struct stream s = stream_create(amr, (struct codec_options){});
	uint8_t payload[PAYLOAD_MAX];
	int n_bytes;

	memset(speech, 0, 320 * 2);
	n_bytes = encode(&s, speech, 320, 0, payload).n_bytes;
	assert_int_equal(decode(&s, payload, n_bytes, own, 319).n_decoded, -EBADMSG);
	assert_int_equal(decode(&s, payload, n_bytes, own, 320).n_decoded, 320);
	stream_destroy(&s);
}

static double rms(const int16_t *pcm, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (double)pcm[i] * pcm[i];
	return sqrt(sum / (double)n);
}

// Two seconds of speech, then faint noise: next to nothing is sent, and what is heard is noise of
// that level all the time.
static void check_dtx(const struct codec *codec)
{
	struct stream s = stream_create(codec, (struct codec_options){.dtx = true});
	size_t n = (size_t)s.frame * N_FRAMES;
	int n_sids = 0, n_nothing = 0;
	uint8_t payload[PAYLOAD_MAX];
	double want, got;

	speech_synthesise(speech, n / 2, s.params.sample_hz, 11);
	srand(1);
	for (size_t i = n / 2; i < n; i++)
		speech[i] = (int16_t)(rand() % 61 - 30);
	for (int k = 0; k < N_FRAMES; k++) {
		struct codec_encode_job job = encode(&s, speech + k * s.frame, s.frame, 0, payload);
		struct codec_decode_job heard = decode(
			&s, job.n_bytes ? payload : NULL, job.n_bytes, own + k * s.frame, s.frame);

		assert_int_equal(heard.n_decoded, s.frame);
		if (k < 3 * N_FRAMES / 4) // the encoder hangs over before it is sure
			continue;
		n_nothing += job.n_bytes == 0;
		n_sids += job.n_bytes > 0;
		assert_true(job.is_noise);
		assert_true(job.n_bytes <= 7);
		assert_int_equal(heard.is_noise, job.n_bytes > 0);
	}
	want = rms(speech + 3 * n / 4, n / 4);
	got = rms(own + 3 * n / 4, n / 4);
	print_message("%-7s silence: %d descriptions and %d times nothing in a second; level "
		      "%.1f, heard %.1f\n",
		codec->name, n_sids, n_nothing, want, got);
	assert_in_range(n_sids, 5, 8);
	assert_int_equal(n_sids + n_nothing, N_FRAMES / 4);
	assert_true(got > want / 3 && got < want * 3);
	for (int k = 3 * N_FRAMES / 4; k < N_FRAMES; k++)
		assert_true(rms(own + k * s.frame, s.frame) > want / 6);
	stream_destroy(&s);
}

static void silence_costs_next_to_nothing_and_is_heard_as_noise(void **)
{
	check_dtx(amr);
	check_dtx(amr_wb);
}

static void without_dtx_silence_is_sent_as_speech(void **)
{
	const struct codec *both[] = {amr, amr_wb};

	for (int i = 0; i < 2; i++) {
		struct stream s = stream_create(both[i], (struct codec_options){});
		uint8_t payload[PAYLOAD_MAX];

		memset(speech, 0, sizeof(speech));
		for (int k = 0; k < N_FRAMES; k++)
			assert_true(encode(&s, speech, s.frame, 0, payload).n_bytes > 10);
		stream_destroy(&s);
	}
}

// Lost frames fade, without a jump in level.
static void check_loss(const struct codec *codec)
{
	struct stream s = stream_create(codec, (struct codec_options){});
	uint8_t payload[PAYLOAD_MAX];
	double before = 0, loudest = 0, last = 0;

	speech_synthesise(speech, (size_t)s.frame * N_FRAMES, s.params.sample_hz, 11);
	for (int k = 0; k < N_FRAMES; k++) {
		int n_bytes = encode(&s, speech + k * s.frame, s.frame, 0, payload).n_bytes;
		bool is_lost = k % 50 >= 25 && k % 50 < 37;

		decode(&s, is_lost ? NULL : payload, n_bytes, own, s.frame);
		if (!is_lost) {
			before = rms(own, s.frame);
			continue;
		}
		last = rms(own, s.frame);
		loudest = fmax(loudest, last / (before + 50));
		if (k % 50 == 36) // 240 ms are long
			assert_true(last < 0.3 * before + 50);
	}
	print_message("%-7s loss: at most %.2f times the frame before\n", codec->name, loudest);
	assert_true(loudest < 1.5);
	assert_true(loudest > 0.1); // but the first is not silence
	stream_destroy(&s);
}

static void losses_fade_without_a_click(void **)
{
	check_loss(amr);
	check_loss(amr_wb);
}

static void damaged_frame_is_concealed_like_a_lost_one(void **)
{
	struct stream a = stream_create(amr, (struct codec_options){.octet_align = true}),
		      b = stream_create(amr, (struct codec_options){.octet_align = true});
	uint8_t payload[PAYLOAD_MAX];

	speech_synthesise(speech, 160 * N_FRAMES, 8000, 11);
	for (int k = 0; k < N_FRAMES; k++) {
		int n_bytes = encode(&a, speech + k * 160, 160, 0, payload).n_bytes;
		bool is_lost = k % 5 == 4;

		decode(&a, is_lost ? NULL : payload, n_bytes, own, 160);
		if (is_lost)
			payload[1] &= (uint8_t)~4; // the quality bit
		decode(&b, payload, n_bytes, theirs, 160);
		assert_memory_equal(own, theirs, 320);
	}
	stream_destroy(&a);
	stream_destroy(&b);
}

static void losses_of_any_length_are_filled(void **)
{
	static const uint16_t lengths[] = {1, 80, 159, 160, 161, 320, 960};
	struct stream s = stream_create(amr, (struct codec_options){});

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		own[lengths[i]] = 12345;
		assert_int_equal(decode(&s, NULL, 0, own, lengths[i]).n_decoded, lengths[i]);
		assert_int_equal(own[lengths[i]], 12345);
	}
	stream_destroy(&s);
}

static void request_of_the_far_end_changes_the_mode(void **)
{
	struct stream s = stream_create(amr, (struct codec_options){.mode_set = 0x95});
	uint8_t payload[PAYLOAD_MAX];
	struct amr_payload parsed;

	memset(speech, 0, sizeof(speech));
	parsed = parse(&s, payload, encode(&s, speech, 160, 0, payload).n_bytes);
	assert_int_equal(amr_frame_type(&parsed.frames[0]), 7);
	parsed = parse(&s, payload, encode(&s, speech, 160, 2 + 1, payload).n_bytes);
	assert_int_equal(amr_frame_type(&parsed.frames[0]), 2);
	parsed = parse(&s, payload, encode(&s, speech, 160, 3 + 1, payload).n_bytes);
	assert_int_equal(amr_frame_type(&parsed.frames[0]), 2); // 3 is not in the set
	stream_destroy(&s);
}

static void request_in_a_payload_is_passed_on(void **)
{
	static const struct {
		bool wide;
		uint8_t request, passed;
	} cases[] = {{false, 0, 1}, {false, 7, 8}, {false, 8, 0}, {false, 15, 0}, {true, 8, 9},
		{true, 9, 0}, {true, 15, 0}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct stream s = stream_create(
			cases[i].wide ? amr_wb : amr, (struct codec_options){.octet_align = true});
		uint8_t payload[2] = {(uint8_t)(cases[i].request << 4), 0x7c}; // NO_DATA

		assert_int_equal(decode(&s, payload, 2, own, s.frame).request, cases[i].passed);
		stream_destroy(&s);
	}
}

static void bad_parameters_are_refused(void **)
{
	static const struct codec_params bad[] = {
		{.sample_hz = 16000, .channels = 1},
		{.sample_hz = 8000, .channels = 2},
		{.sample_hz = 8000, .channels = 1, .options.mode_set = 1 << 8},
	};
	uint64_t encoder[16] = {}, decoder[16] = {};
	const uint64_t zero[16] = {};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(amr->encoder_init(encoder, &bad[i]), -EINVAL);
	assert_int_equal(amr->decoder_init(decoder, &bad[0]), -EINVAL);
	assert_int_equal(amr_wb->decoder_init(decoder, &bad[1]), -EINVAL);
	assert_memory_equal(encoder, zero, sizeof(zero));
	assert_memory_equal(decoder, zero, sizeof(zero));
	amr->encoder_fini(encoder); // of a block that never began
	amr->decoder_fini(decoder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(speech_survives_and_another_decoder_hears_the_same),
		cmocka_unit_test(packets_of_several_frames_are_the_same_frames),
		cmocka_unit_test(payload_without_room_for_its_samples_is_refused),
		cmocka_unit_test(silence_costs_next_to_nothing_and_is_heard_as_noise),
		cmocka_unit_test(without_dtx_silence_is_sent_as_speech),
		cmocka_unit_test(losses_fade_without_a_click),
		cmocka_unit_test(damaged_frame_is_concealed_like_a_lost_one),
		cmocka_unit_test(losses_of_any_length_are_filled),
		cmocka_unit_test(request_of_the_far_end_changes_the_mode),
		cmocka_unit_test(request_in_a_payload_is_passed_on),
		cmocka_unit_test(bad_parameters_are_refused),
	};

	if (codecs_init())
		return 1;
	amr = codec_find("AMR", 8000, 1);
	amr_wb = codec_find("AMR-WB", 16000, 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
