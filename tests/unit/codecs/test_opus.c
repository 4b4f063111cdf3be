#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <opus.h>
#include <stdlib.h>

#include "codec.h"
#include "speech.h"

#define N_FRAMES 150

static const struct codec *opus;

struct stream {
	void *encoder, *decoder;
};

static struct stream stream_create(struct codec_params encode, uint32_t decode_hz)
{
	struct stream s = {malloc(opus->encoder_size()), malloc(opus->decoder_size())};
	struct codec_params decode = {.sample_hz = decode_hz, .channels = 1};

	assert_non_null(s.encoder);
	assert_non_null(s.decoder);
	assert_int_equal(opus->encoder_init(s.encoder, &encode), 0);
	assert_int_equal(opus->decoder_init(s.decoder, &decode), 0);
	return s;
}

static void stream_destroy(struct stream *s)
{
	free(s->encoder);
	free(s->decoder);
}

static int encode_frame(struct stream *s, const int16_t *pcm, uint16_t n, uint8_t *payload)
{
	struct codec_encode_job job = {
		.state = s->encoder, .pcm = pcm, .n_samples = n, .payload = payload};

	opus->encode(&job, 1);
	return job.n_bytes;
}

static int decode_frame(struct stream *s, const uint8_t *payload, int n_bytes, bool fec,
	int16_t *pcm, uint16_t room)
{
	struct codec_decode_job job = {.state = s->decoder,
		.payload = payload,
		.n_bytes = (uint16_t)n_bytes,
		.fec = fec,
		.pcm = pcm,
		.n_samples = room};

	opus->decode(&job, 1);
	return job.n_decoded;
}

static void speech_survives_at_every_rate_and_frame_length(void **)
{
	static const uint32_t rates[] = {8000, 12000, 16000, 24000, 48000};
	static const uint8_t frames_ms[] = {10, 20, 40, 60};

	for (size_t r = 0; r < 5; r++) {
		for (size_t f = 0; f < 4; f++) {
			struct stream s = stream_create((struct codec_params){.sample_hz = rates[r],
								.channels = 1,
								.frame_ms = frames_ms[f],
								.complexity = CODEC_DEFAULT},
				rates[r]);
			uint16_t frame = (uint16_t)(rates[r] / 1000 * frames_ms[f]);
			size_t n = (size_t)rates[r] * 2 / frame * frame;
			int16_t *in = calloc(n, 2), *out = calloc(n + 5760, 2);
			uint8_t payload[CODEC_FRAME_BYTES_MAX];

			speech_synthesise(in, n, rates[r], 3);
			for (size_t at = 0; at < n; at += frame) {
				int bytes = encode_frame(&s, in + at, frame, payload);

				assert_in_range(bytes, 1, CODEC_FRAME_BYTES_MAX);
				assert_int_equal(
					opus->payload_samples(payload, (size_t)bytes,
						&(struct codec_params){.sample_hz = rates[r]}),
					frame);
				assert_int_equal(
					decode_frame(&s, payload, bytes, false, out + at, 5760),
					frame);
			}
			assert_true(speech_snr_db(in, out, n, rates[r] / 100, NULL) > 6);
			free(in);
			free(out);
			stream_destroy(&s);
		}
	}
}

static void decoder_runs_at_the_other_sides_rate(void **)
{
	struct stream s = stream_create(
		(struct codec_params){
			.sample_hz = 48000, .channels = 1, .frame_ms = 20, .complexity = 5},
		8000);
	static int16_t in[960 * N_FRAMES];
	uint8_t payload[CODEC_FRAME_BYTES_MAX];
	int16_t out[960];

	speech_synthesise(in, 960 * N_FRAMES, 48000, 4);
	for (int k = 0; k < N_FRAMES; k++) {
		int bytes = encode_frame(&s, in + k * 960, 960, payload);

		assert_int_equal(opus->payload_samples(payload, (size_t)bytes,
					 &(struct codec_params){.sample_hz = 8000}),
			160);
		assert_int_equal(decode_frame(&s, payload, bytes, false, out, 960), 160);
	}
	stream_destroy(&s);
}

// Encode with FEC, lose every tenth frame, and get it back from the frame behind it or not.
static double snr_with_loss(bool use_fec)
{
	struct stream s = stream_create((struct codec_params){.sample_hz = 8000,
						.channels = 1,
						.frame_ms = 20,
						.complexity = 5,
						.fec = 1,
						.bitrate = 24000},
		8000);
	static int16_t in[160 * N_FRAMES], out[160 * N_FRAMES + 960];
	static uint8_t payloads[N_FRAMES][CODEC_FRAME_BYTES_MAX];
	int bytes[N_FRAMES];
	double snr;

	speech_synthesise(in, 160 * N_FRAMES, 8000, 5);
	for (int k = 0; k < N_FRAMES; k++)
		bytes[k] = encode_frame(&s, in + k * 160, 160, payloads[k]);
	for (int k = 0; k < N_FRAMES; k++) {
		bool lost = k % 10 == 5, fec = lost && use_fec;
		const uint8_t *payload = fec ? payloads[k + 1] : lost ? NULL : payloads[k];

		assert_int_equal(decode_frame(&s, payload, fec ? bytes[k + 1] : bytes[k], fec,
					 out + k * 160, lost ? 160 : 960),
			160);
	}
	snr = speech_snr_db(in, out, 160 * N_FRAMES, 80, NULL);
	stream_destroy(&s);
	return snr;
}

static void fec_recovers_more_than_concealment(void **)
{
	double fec = snr_with_loss(true), plc = snr_with_loss(false);

	print_message("10 %% loss: SNR %.1f dB with FEC, %.1f dB concealed\n", fec, plc);
	assert_true(fec > plc + 0.5);
}

#define LOUDEST 12000

static struct stream narrowband(struct codec_params params)
{
	params.sample_hz = 8000;
	params.channels = 1;
	params.frame_ms = 20;
	return stream_create(params, 8000);
}

// Three seconds of silence between one of speech and another: what is sent, by length.
static void silence_is_announced_once_and_then_left_out(void **)
{
	struct stream s =
		narrowband((struct codec_params){.complexity = 5, .options = {.dtx = true}});
	static int16_t in[160 * 250];
	uint8_t payload[CODEC_FRAME_BYTES_MAX];
	unsigned int n_sent = 0, n_noise = 0, n_left_out = 0, gap = 0, longest = 0;

	speech_synthesise(in, 160 * 50, 8000, 6);
	speech_synthesise(in + 160 * 200, 160 * 50, 8000, 6);
	for (int k = 0; k < 250; k++) {
		struct codec_encode_job job = {.state = s.encoder,
			.pcm = in + k * 160,
			.n_samples = 160,
			.payload = payload};

		opus->encode(&job, 1);
		assert_true(job.n_bytes >= 0);
		gap = job.n_bytes ? 0 : gap + 1;
		longest = gap > longest ? gap : longest;
		n_left_out += job.n_bytes == 0;
		n_sent += job.n_bytes > 2;
		if (job.n_bytes == 1 || job.n_bytes == 2) {
			assert_true(job.is_noise);
			n_noise++;
		}
		assert_true(k >= 50 || job.n_bytes > 2 || k < 2);
	}
	assert_in_range(n_sent, 95, 140); // speech is 100; silence begins late, and is renewed
	assert_true(n_left_out > 100);	  // of 150
	assert_in_range(n_noise, 1, n_left_out / 10);
	assert_in_range(longest, 10, 20); // every 400 ms there is one (RFC 6716 2.1.9)
	stream_destroy(&s);
}

// What is missing after the announcement is noise, not a loss.
static void announced_silence_is_known_as_such(void **)
{
	struct stream s = narrowband((struct codec_params){.complexity = 5});
	static const uint8_t silence[] = {0x08}; // SILK, narrow band, 20 ms, nothing in it
	static int16_t in[160];
	int16_t pcm[960];
	uint8_t payload[CODEC_FRAME_BYTES_MAX];
	struct codec_decode_job job = {
		.state = s.decoder, .payload = payload, .pcm = pcm, .n_samples = 960};

	speech_synthesise(in, 160, 8000, 6);
	job.n_bytes = (uint16_t)encode_frame(&s, in, 160, payload);
	opus->decode(&job, 1);
	assert_false(job.is_noise);
	job.payload = silence;
	job.n_bytes = 1;
	opus->decode(&job, 1);
	assert_true(job.is_noise);
	assert_int_equal(job.n_decoded, 160);
	stream_destroy(&s);
}

static double average_bitrate(struct codec_params params, int *shortest, int *longest)
{
	struct stream s = narrowband(params);
	static int16_t in[160 * N_FRAMES];
	uint8_t payload[CODEC_FRAME_BYTES_MAX];
	int total = 0;

	*shortest = CODEC_FRAME_BYTES_MAX;
	*longest = 0;
	speech_synthesise(in, 160 * N_FRAMES, 8000, 8);
	for (int k = 0; k < N_FRAMES; k++) {
		int n = encode_frame(&s, in + k * 160, 160, payload);

		*shortest = n < *shortest ? n : *shortest;
		*longest = n > *longest ? n : *longest;
		total += n;
	}
	stream_destroy(&s);
	return total * 8 * 50.0 / N_FRAMES;
}

static void bitrate_is_kept_and_constant_where_asked_for(void **)
{
	static const uint32_t bitrates[] = {12000, 16000, 24000, 32000};
	int shortest, longest;

	for (size_t i = 0; i < 4; i++) {
		struct codec_params params = {.complexity = 5, .bitrate = bitrates[i]};
		double average = average_bitrate(params, &shortest, &longest);

		print_message("%u bit/s asked for, %.0f on average\n", bitrates[i], average);
		assert_true(average < bitrates[i] * 1.1 && average > bitrates[i] * 0.4);
		assert_true(longest > shortest);
		params.options.cbr = true;
		average_bitrate(params, &shortest, &longest);
		assert_int_equal(shortest, longest);
		assert_int_equal(longest, bitrates[i] / 8 / 50);
	}
}

// Steps of quality are given up and come back within one stream, which stays one.
static void complexity_may_change_from_frame_to_frame(void **)
{
	struct stream s = narrowband((struct codec_params){.complexity = 5});
	struct stream same = narrowband((struct codec_params){.complexity = 5});
	struct stream least = narrowband((struct codec_params){.complexity = 0});
	static int16_t in[160 * N_FRAMES], out[160 * N_FRAMES + 960];
	uint8_t payload[CODEC_FRAME_BYTES_MAX], other[CODEC_FRAME_BYTES_MAX];
	unsigned int n_like_least = 0;

	speech_synthesise(in, 160 * N_FRAMES, 8000, 9);
	for (int k = 0; k < N_FRAMES; k++) {
		struct codec_encode_job job = {.state = s.encoder,
			.pcm = in + k * 160,
			.n_samples = 160,
			.lower = k < 20 ? 0 : (uint8_t)(k / 5 % 11),
			.payload = payload};
		int n;

		opus->encode(&job, 1);
		n = encode_frame(&same, in + k * 160, 160, other);
		if (k < 20) {
			assert_int_equal(n, job.n_bytes);
			assert_memory_equal(payload, other, (size_t)n);
		}
		assert_int_equal(
			decode_frame(&s, payload, job.n_bytes, false, out + k * 160, 960), 160);
	}
	assert_true(speech_snr_db(in, out, 160 * N_FRAMES, 80, NULL) > 6);
	// From the beginning as low as can be: as if it had been asked for.
	stream_destroy(&same);
	same = narrowband((struct codec_params){.complexity = 5});
	for (int k = 0; k < N_FRAMES; k++) {
		struct codec_encode_job job = {.state = same.encoder,
			.pcm = in + k * 160,
			.n_samples = 160,
			.lower = 9,
			.payload = payload};
		int n;

		opus->encode(&job, 1);
		n = encode_frame(&least, in + k * 160, 160, other);
		n_like_least += n == job.n_bytes && !memcmp(payload, other, (size_t)n);
	}
	assert_int_equal(n_like_least, N_FRAMES);
	stream_destroy(&s);
	stream_destroy(&same);
	stream_destroy(&least);
}

// RFC 7587 maxplaybackrate: what the far end makes no use of is not encoded.
static void no_more_band_is_sent_than_the_rate_has(void **)
{
	static const struct {
		uint32_t sample_hz;
		int bandwidth;
	} rows[] = {{8000, OPUS_BANDWIDTH_NARROWBAND}, {12000, OPUS_BANDWIDTH_MEDIUMBAND},
		{16000, OPUS_BANDWIDTH_WIDEBAND}, {24000, OPUS_BANDWIDTH_SUPERWIDEBAND},
		{48000, OPUS_BANDWIDTH_FULLBAND}};
	static int16_t in[960 * 50];
	uint8_t payload[CODEC_FRAME_BYTES_MAX];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint16_t frame = (uint16_t)(rows[i].sample_hz / 50);
		struct stream s =
			stream_create((struct codec_params){.sample_hz = rows[i].sample_hz,
					      .channels = 1,
					      .frame_ms = 20,
					      .complexity = 5,
					      .bitrate = 64000},
				rows[i].sample_hz);
		int widest = 0;

		srand(11);
		for (int k = 0; k < frame * 50; k++)
			in[k] = (int16_t)(rand() % 8001 - 4000);
		for (int k = 0; k < 50; k++) {
			int bandwidth;

			encode_frame(&s, in + k * frame, frame, payload);
			bandwidth = opus_packet_get_bandwidth(payload);
			widest = bandwidth > widest ? bandwidth : widest;
		}
		assert_int_equal(widest, rows[i].bandwidth);
		stream_destroy(&s);
	}
}

// A far end may send stereo whatever was said (RFC 7587 7.1): both channels are heard.
static void stereo_is_heard_as_mono(void **)
{
	struct stream s = narrowband((struct codec_params){.complexity = 5});
	int error;
	OpusEncoder *encoder = opus_encoder_create(48000, 2, OPUS_APPLICATION_AUDIO, &error);
	static int16_t in[960 * 2], mono[960];
	uint8_t payload[CODEC_FRAME_BYTES_MAX];
	int16_t pcm[960];

	assert_non_null(encoder);
	opus_encoder_ctl(encoder, OPUS_SET_FORCE_CHANNELS(2));
	opus_encoder_ctl(encoder, OPUS_SET_BITRATE(64000));
	for (int side = 0; side < 2; side++) {
		int loudest = 0;

		for (int k = 0; k < 20; k++) {
			int n;

			for (int i = 0; i < 960; i++) {
				mono[i] = i / 60 % 2 ? LOUDEST : -LOUDEST; // 400 Hz
				in[2 * i + side] = mono[i];
				in[2 * i + !side] = 0;
			}
			n = opus_encode(encoder, in, 960, payload, sizeof(payload));
			assert_true(payload[0] & 0x04); // RFC 6716 3.1: stereo
			assert_int_equal(decode_frame(&s, payload, n, false, pcm, 960), 160);
			for (int i = 0; i < 160; i++)
				loudest = pcm[i] > loudest ? pcm[i] : loudest;
		}
		assert_true(loudest > LOUDEST / 3);
	}
	opus_encoder_destroy(encoder);
	stream_destroy(&s);
}

static void bad_parameters_are_refused(void **)
{
	static const struct codec_params bad[] = {
		{.sample_hz = 44100, .channels = 1, .complexity = 5},
		{.sample_hz = 8000, .channels = 2, .complexity = 5},
		{.sample_hz = 8000, .channels = 1, .complexity = 11},
		{.sample_hz = 8000, .channels = 1, .complexity = 5, .bitrate = 5999},
		{.sample_hz = 8000, .channels = 1, .complexity = 5, .bitrate = 510001},
	};
	void *state = calloc(1, opus->encoder_size());

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(opus->encoder_init(state, &bad[i]), -EINVAL);
	assert_int_equal(opus->decoder_init(state, &bad[0]), -EINVAL);
	for (size_t i = 0; i < opus->encoder_size(); i++)
		assert_int_equal(((uint8_t *)state)[i], 0); // nothing changed
	free(state);
}

static void garbage_is_refused_and_harms_nothing(void **)
{
	struct stream s = stream_create(
		(struct codec_params){
			.sample_hz = 8000, .channels = 1, .frame_ms = 20, .complexity = 5},
		8000);
	int16_t pcm[960];
	uint8_t payload[200];

	srand(7);
	for (int k = 0; k < 3000; k++) {
		int n = rand() % (int)sizeof(payload), samples, decoded;

		for (int i = 0; i < n; i++)
			payload[i] = (uint8_t)rand();
		samples = opus->payload_samples(
			payload, (size_t)n, &(struct codec_params){.sample_hz = 8000});
		decoded = decode_frame(&s, payload, n, false, pcm, 960);
		assert_true(decoded == -EBADMSG || decoded == samples || n == 0);
	}
	assert_int_equal(
		opus->payload_samples(payload, 0, &(struct codec_params){.sample_hz = 8000}),
		-EBADMSG);
	stream_destroy(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(speech_survives_at_every_rate_and_frame_length),
		cmocka_unit_test(decoder_runs_at_the_other_sides_rate),
		cmocka_unit_test(fec_recovers_more_than_concealment),
		cmocka_unit_test(silence_is_announced_once_and_then_left_out),
		cmocka_unit_test(announced_silence_is_known_as_such),
		cmocka_unit_test(bitrate_is_kept_and_constant_where_asked_for),
		cmocka_unit_test(complexity_may_change_from_frame_to_frame),
		cmocka_unit_test(stereo_is_heard_as_mono),
		cmocka_unit_test(no_more_band_is_sent_than_the_rate_has),
		cmocka_unit_test(bad_parameters_are_refused),
		cmocka_unit_test(garbage_is_refused_and_harms_nothing),
	};

	opus = codec_find("OPUS", 48000, 2);
	return opus && codecs_init() == 0 ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
