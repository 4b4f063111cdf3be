// G.722 against the vectors of the ITU-T software tools, and its lanes against each other.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "codec.h"
#include "g722.h"
#include "resample.h"
#include "speech.h"

#define N_OCTETS  48768 // of the vectors
#define FRAME	  160	// octets in 20 ms
#define STATE_MAX 4096
#define N_BATCH	  45

static const struct codec *g722;

struct state {
	uint8_t bytes[STATE_MAX] __attribute__((aligned(16)));
};

static const struct codec_params params = {.sample_hz = 16000, .channels = 1, .frame_ms = 20};

static void encode_frame(struct state *state, const int16_t *pcm, uint8_t *codes, size_t n)
{
	struct codec_encode_job job = {
		.state = state, .pcm = pcm, .n_samples = (uint16_t)(2 * n), .payload = codes};

	g722->encode(&job, 1);
	assert_int_equal(job.n_bytes, n);
}

static void decode_frame(struct state *state, const uint8_t *codes, int16_t *pcm, size_t n)
{
	struct codec_decode_job job = {.state = state,
		.payload = codes,
		.n_bytes = (uint16_t)n,
		.pcm = pcm,
		.n_samples = (uint16_t)(2 * n)};

	g722->decode(&job, 1);
	assert_int_equal(job.n_decoded, 2 * n);
}

// In frames of 20 ms, the last one shorter.
static void encode_all(const int16_t *pcm, uint8_t *codes, size_t n_octets)
{
	struct state state;

	assert_int_equal(g722->encoder_init(&state, &params), 0);
	for (size_t at = 0, n; at < n_octets; at += n) {
		n = n_octets - at < FRAME ? n_octets - at : FRAME;
		encode_frame(&state, pcm + 2 * at, codes + at, n);
	}
}

static void decode_all(const uint8_t *codes, int16_t *pcm, size_t n_octets, unsigned int mode)
{
	struct state state;

	assert_int_equal(g722->decoder_init(&state, &params), 0);
	g722_decoder_set_mode(&state, mode);
	for (size_t at = 0, n; at < n_octets; at += n) {
		n = n_octets - at < FRAME ? n_octets - at : FRAME;
		decode_frame(&state, codes + at, pcm + 2 * at, n);
	}
}

static int16_t *vector_read(const char *name, size_t n)
{
	char path[128];
	int16_t *words = malloc(n * sizeof(*words));
	FILE *file;

	snprintf(path, sizeof(path), "../shared/vectors/g722/%s", name);
	file = fopen(path, "rb");
	assert_non_null(words);
	if (!file) {
		print_message("%s is not there: skipped\n", path);
		free(words);
		skip();
	}
	assert_int_equal(fread(words, sizeof(*words), n, file), n); // little-endian, as we are
	fclose(file);
	return words;
}

// The octets of the vectors are in the low byte of words.
static uint8_t *vector_codes(void)
{
	int16_t *words = vector_read("codspw.cod", N_OCTETS);
	uint8_t *codes = malloc(N_OCTETS);

	assert_non_null(codes);
	for (size_t i = 0; i < N_OCTETS; i++)
		codes[i] = (uint8_t)words[i];
	free(words);
	return codes;
}

static void itu_speech_is_encoded_exactly(void **)
{
	int16_t *pcm = vector_read("inpsp.bin", 2 * N_OCTETS);
	uint8_t *want = vector_codes(), *codes = malloc(N_OCTETS);

	encode_all(pcm, codes, N_OCTETS);
	assert_memory_equal(codes, want, N_OCTETS);
	free(pcm);
	free(want);
	free(codes);
}

static void itu_speech_is_decoded_exactly_in_all_modes(void **)
{
	static const char *const names[] = {"outsp1.bin", "outsp2.bin", "outsp3.bin"};
	static int16_t pcm[2 * N_OCTETS];

	for (unsigned int mode = 1; mode <= 3; mode++) {
		int16_t *want = vector_read(names[mode - 1], 2 * N_OCTETS);
		uint8_t *codes = vector_codes();

		decode_all(codes, pcm, N_OCTETS, mode);
		assert_memory_equal(pcm, want, sizeof(pcm));
		free(want);
		free(codes);
	}
}

static uint32_t hash(const void *data, size_t n) // FNV-1a
{
	const uint8_t *bytes = data;
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < n; i++)
		h = (h ^ bytes[i]) * 16777619u;
	return h;
}

static uint32_t random_next(uint32_t *random)
{
	*random = *random * 1664525u + 1013904223u;
	return *random >> 16;
}

// Noise whose level climbs from nothing to beyond the limits, with full-scale squares between.
static void make_signal(int16_t *pcm, size_t n, uint32_t seed)
{
	for (size_t i = 0; i < n; i++) {
		int32_t noise = (int32_t)random_next(&seed) - 32768;

		if (i / 2000 % 4 == 3)
			pcm[i] = i / (1 + i / 500) % 2 ? INT16_MAX : INT16_MIN;
		else
			pcm[i] = (int16_t)(noise >> (15 - i * 16 / n));
	}
}

#define N_OWN 8000

// Values of a build that passes the vectors: for where these are not.
static void own_signal_gives_known_answers(void **)
{
	static const uint32_t want[] = {0x6005a99d, 0x401f9cfb, 0xe4916d1d};
	static int16_t pcm[2 * N_OWN], out[2 * N_OWN];
	static uint8_t codes[N_OWN];

	make_signal(pcm, 2 * N_OWN, 1);
	encode_all(pcm, codes, N_OWN);
	assert_int_equal(hash(codes, sizeof(codes)), 0x2b3f0b67);
	for (unsigned int mode = 1; mode <= 3; mode++) {
		decode_all(codes, out, N_OWN, mode);
		assert_int_equal(hash(out, sizeof(out)), want[mode - 1]);
	}
}

static void speech_survives(void **)
{
	static int16_t pcm[32000], out[32000];
	static uint8_t codes[16000];
	size_t delay;
	double snr;

	speech_synthesise(pcm, 32000, 16000, 5);
	encode_all(pcm, codes, 16000);
	decode_all(codes, out, 16000, 1);
	snr = speech_snr_db(pcm, out, 32000, 40, &delay);
	print_message("G.722: SNR %.1f dB, delay %zu samples\n", snr, delay);
	assert_true(snr > 20);
	assert_int_equal(delay, 22);
}

#define N_LANES 32 // of the widest

// n streams of random sub-bands by lanes of some width and by one after the other.
static void check_width(const struct g722_lanes *lanes, unsigned int shift)
{
	static int16_t low[N_LANES][400], high[N_LANES][400], y[4][N_LANES][400];
	static uint8_t codes[2][N_LANES][400];
	struct g722_adpcm encoders[2][N_LANES], decoders[2][N_LANES];
	uint32_t random = shift;

	memset(encoders, 0, sizeof(encoders));
	for (int i = 0; i < N_LANES; i++) {
		encoders[0][i].low.det = 32;
		encoders[0][i].high.det = 8;
		for (int k = 0; k < 400; k++) {
			low[i][k] = (int16_t)((int16_t)random_next(&random) >>
					      ((unsigned)i + shift) % 15);
			high[i][k] = (int16_t)((int16_t)random_next(&random) >> shift);
		}
	}
	memcpy(encoders[1], encoders[0], sizeof(encoders[0]));
	memcpy(decoders[0], encoders[0], sizeof(encoders[0]));
	memcpy(decoders[1], encoders[0], sizeof(encoders[0]));
	for (int variant = 0; variant < 2; variant++) {
		const struct g722_lanes *l = variant ? lanes : &g722_lanes_1;

		for (unsigned int at = 0; at < N_LANES; at += l->width) {
			struct g722_adpcm *es[N_LANES], *ds[N_LANES];
			const int16_t *ls[N_LANES], *hs[N_LANES];
			int16_t *yl[N_LANES], *yh[N_LANES];
			uint8_t *cs[N_LANES];

			for (unsigned int i = 0; i < l->width; i++) {
				es[i] = &encoders[variant][at + i];
				ds[i] = &decoders[variant][at + i];
				ls[i] = low[at + i];
				hs[i] = high[at + i];
				cs[i] = codes[variant][at + i];
				yl[i] = y[2 * variant][at + i];
				yh[i] = y[2 * variant + 1][at + i];
			}
			l->encode(es, ls, hs, cs, 400);
			l->decode(ds, (const uint8_t *const *)cs, yl, yh, 400, 1 + shift % 3);
		}
	}
	assert_memory_equal(codes[0], codes[1], sizeof(codes[0]));
	assert_memory_equal(encoders[0], encoders[1], sizeof(encoders[0]));
	assert_memory_equal(decoders[0], decoders[1], sizeof(decoders[0]));
	assert_memory_equal(y[0], y[2], sizeof(y[0]));
	assert_memory_equal(y[1], y[3], sizeof(y[1]));
}

// At 8,000 Hz the octets are those of the lower band with a silent upper one, and the samples are
// the decoded lower band's.
static void check_narrow(const struct g722_lanes *lanes, unsigned int shift)
{
	static int16_t pcm[N_LANES][400], low[N_LANES][400], high[N_LANES][400], y[N_LANES][400],
		unused[N_LANES][400];
	static uint8_t codes[2][N_LANES][400];
	struct g722_adpcm encoders[2][N_LANES], decoders[2][N_LANES];
	uint32_t random = shift;

	memset(encoders, 0, sizeof(encoders));
	for (int i = 0; i < N_LANES; i++) {
		encoders[0][i].low.det = 32;
		encoders[0][i].high.det = 8;
		for (int k = 0; k < 400; k++) {
			pcm[i][k] = (int16_t)((int16_t)random_next(&random) >>
					      ((unsigned)i + shift) % 15);
			low[i][k] = pcm[i][k] >> 1;
		}
	}
	memcpy(encoders[1], encoders[0], sizeof(encoders[0]));
	memcpy(decoders, encoders, sizeof(encoders));
	for (unsigned int at = 0; at < N_LANES; at += lanes->width) {
		struct g722_adpcm *es[N_LANES], *ds[N_LANES];
		const int16_t *xs[N_LANES];
		int16_t *ys[N_LANES];
		uint8_t *cs[N_LANES];

		for (unsigned int i = 0; i < lanes->width; i++) {
			es[i] = &encoders[0][at + i];
			ds[i] = &decoders[0][at + i];
			xs[i] = pcm[at + i];
			cs[i] = codes[0][at + i];
			ys[i] = y[at + i];
		}
		lanes->encode_narrow(es, xs, cs, 400);
		lanes->decode_narrow(ds, (const uint8_t *const *)cs, ys, 400, 1 + shift % 3);
	}
	for (int i = 0; i < N_LANES; i++) {
		struct g722_adpcm *e = &encoders[1][i], *d = &decoders[1][i];
		const int16_t *l = low[i], *h = high[i];
		int16_t *yl = low[i], *yh = unused[i];
		uint8_t *c = codes[1][i];

		g722_lanes_1.encode(&e, &l, &h, &c, 400);
		g722_lanes_1.decode(&d, (const uint8_t *const *)&c, &yl, &yh, 400, 1 + shift % 3);
		for (int k = 0; k < 400; k++)
			assert_int_equal(y[i][k], 2 * low[i][k]);
	}
	assert_memory_equal(codes[0], codes[1], sizeof(codes[0]));
	for (int i = 0; i < N_LANES; i++)
		assert_memory_equal(
			&encoders[0][i].low, &encoders[1][i].low, sizeof(encoders[0][i].low));
}

static void narrow_band_is_the_lower_band_of_the_whole(void **)
{
	for (unsigned int width = 1; width <= N_LANES; width *= 2)
		for (unsigned int shift = 0; shift < 15; shift++)
			check_narrow(g722_lanes_choose(width), shift);
}

#define N_QUALITY 200 // frames

// The speech of G.711 (16,000 Hz band-limited to 3,400) through an encoder and a decoder, each at
// 8,000 Hz or at 16,000 Hz between resamplers. SNR in dB.
static double quality(const int16_t *speech, uint32_t encoder_hz, uint32_t decoder_hz)
{
	static int16_t wide[320], out[N_QUALITY * FRAME];
	static uint8_t codes[FRAME];
	struct codec_params p = {.sample_hz = encoder_hz, .channels = 1};
	struct state encoder, decoder, up, down;

	g722->encoder_init(&encoder, &p);
	p.sample_hz = decoder_hz;
	g722->decoder_init(&decoder, &p);
	resampler_init(&up, 8000, 16000);
	resampler_init(&down, 16000, 8000);
	for (int k = 0; k < N_QUALITY; k++) {
		struct codec_encode_job e = {.state = &encoder,
			.pcm = encoder_hz == 8000 ? speech + k * FRAME : wide,
			.n_samples = encoder_hz == 8000 ? FRAME : 2 * FRAME,
			.payload = codes};
		struct codec_decode_job d = {.state = &decoder,
			.payload = codes,
			.n_bytes = FRAME,
			.pcm = decoder_hz == 8000 ? out + k * FRAME : wide,
			.n_samples = 2 * FRAME};

		resampler_run(&up, speech + k * FRAME, FRAME, wide);
		g722->encode(&e, 1);
		g722->decode(&d, 1);
		if (decoder_hz != 8000)
			resampler_run(&down, wide, 2 * FRAME, out + k * FRAME);
	}
	return speech_snr_db(speech, out, N_QUALITY * FRAME, 60, NULL);
}

// Without filters and resampling nothing is lost, and ends of both kinds understand each other (the
// filter's half sample of delay alone costs wave form, but not sound).
static void narrow_band_sounds_as_well_as_resampled(void **)
{
	static int16_t wide[N_QUALITY * 2 * FRAME], speech[N_QUALITY * FRAME];
	struct state down;
	double narrow, resampled, to_wide, to_narrow;

	speech_synthesise(wide, N_QUALITY * 2 * FRAME, 16000, 9);
	resampler_init(&down, 16000, 8000);
	resampler_run(&down, wide, N_QUALITY * 2 * FRAME, speech);
	narrow = quality(speech, 8000, 8000);
	resampled = quality(speech, 16000, 16000);
	to_wide = quality(speech, 8000, 16000);
	to_narrow = quality(speech, 16000, 8000);
	print_message("G.722 at 8 kHz: SNR %.1f dB, resampled %.1f dB, 8 to 16 kHz %.1f dB, "
		      "16 to 8 kHz %.1f dB\n",
		narrow, resampled, to_wide, to_narrow);
	assert_true(narrow > 20 && narrow > resampled);
	assert_true(to_wide > 16 && to_narrow > 16);
}

// The vectors once more, with so many streams in a batch that each kind of lanes is used.
static void vectors_hold_in_every_lane(void **)
{
	static const unsigned int sizes[] = {1, 2, 8, 9, 16, 17, 32, 33};
	int16_t *pcm = vector_read("inpsp.bin", 2 * N_OCTETS);
	int16_t *want_codes = vector_read("codspw.cod", N_OCTETS);
	int16_t *want = vector_read("outsp1.bin", 2 * N_OCTETS);

	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		static struct state encoders[N_LANES + 1], decoders[N_LANES + 1];
		static uint8_t codes[N_LANES + 1][FRAME];
		static int16_t out[N_LANES + 1][2 * FRAME];

		for (unsigned int i = 0; i < sizes[s]; i++) {
			assert_int_equal(g722->encoder_init(&encoders[i], &params), 0);
			assert_int_equal(g722->decoder_init(&decoders[i], &params), 0);
		}
		for (size_t at = 0; at + FRAME <= N_OCTETS; at += FRAME) {
			struct codec_encode_job encode[N_LANES + 1];
			struct codec_decode_job decode[N_LANES + 1];

			for (unsigned int i = 0; i < sizes[s]; i++) {
				encode[i] = (struct codec_encode_job){.state = &encoders[i],
					.pcm = pcm + 2 * at,
					.n_samples = 2 * FRAME,
					.payload = codes[i]};
				decode[i] = (struct codec_decode_job){.state = &decoders[i],
					.payload = codes[i],
					.n_bytes = FRAME,
					.pcm = out[i],
					.n_samples = 2 * FRAME};
			}
			g722->encode(encode, sizes[s]);
			g722->decode(decode, sizes[s]);
			for (unsigned int i = 0; i < sizes[s]; i++) {
				for (size_t k = 0; k < FRAME; k++)
					assert_int_equal(codes[i][k], want_codes[at + k] & 0xff);
				assert_memory_equal(out[i], want + 2 * at, sizeof(out[i]));
			}
		}
	}
	free(pcm);
	free(want_codes);
	free(want);
}

static void lanes_of_any_width_do_the_same(void **)
{
	for (unsigned int width = 8; width <= N_LANES; width *= 2) {
		const struct g722_lanes *lanes = g722_lanes_choose(width);

		if (lanes->width < width)
			print_message("%u lanes: not on this machine\n", width);
		for (unsigned int shift = 0; shift < 15; shift++)
			check_width(lanes, shift);
	}
}

// Streams of three frame lengths, some with losses and other modes, in one batch and alone.
static void streams_do_not_depend_on_their_batch(void **)
{
	static struct state encoders[2][N_BATCH], decoders[2][N_BATCH];
	static uint8_t codes[2][N_BATCH][480];
	static int16_t pcm[N_BATCH][960], out[2][N_BATCH][960];

	for (int i = 0; i < N_BATCH; i++) {
		make_signal(pcm[i], 960, (uint32_t)i);
		for (int v = 0; v < 2; v++) {
			g722->encoder_init(&encoders[v][i], &params);
			g722->decoder_init(&decoders[v][i], &params);
			g722_decoder_set_mode(&decoders[v][i], i / 9 == 2 ? 2 : 1);
		}
	}
	for (int k = 0; k < 10; k++) {
		for (int v = 0; v < 2; v++) {
			struct codec_encode_job encode[N_BATCH];
			struct codec_decode_job decode[N_BATCH];

			for (int i = 0; i < N_BATCH; i++) {
				uint16_t n = (uint16_t)(i < 30 ? 320 : i % 7 ? 960 : 166);
				bool lost = (i + k) % 11 == 3;

				encode[i] = (struct codec_encode_job){.state = &encoders[v][i],
					.pcm = pcm[i],
					.n_samples = n,
					.payload = codes[v][i]};
				decode[i] = (struct codec_decode_job){.state = &decoders[v][i],
					.payload = lost ? NULL : codes[v][i],
					.n_bytes = n / 2,
					.pcm = out[v][i],
					.n_samples = n};
			}
			for (int i = 0; i < N_BATCH; i += v ? 1 : N_BATCH)
				g722->encode(encode + i, v ? 1 : N_BATCH);
			for (int i = 0; i < N_BATCH; i += v ? 1 : N_BATCH)
				g722->decode(decode + i, v ? 1 : N_BATCH);
		}
		assert_memory_equal(codes[0], codes[1], sizeof(codes[0]));
		assert_memory_equal(out[0], out[1], sizeof(out[0]));
	}
}

// A steady tone goes on over a lost frame, fades when more are lost, and is back soon after.
static void lost_frames_are_concealed(void **)
{
	static int16_t pcm[64 * 320], out[64 * 320];
	static uint8_t codes[64 * FRAME];
	struct state state;
	double snr;

	for (int i = 0; i < 64 * 320; i++)
		pcm[i] = (int16_t)(i % 80 < 40 ? 200 * (i % 80) - 4000 : 12000 - 200 * (i % 80));
	encode_all(pcm, codes, 64 * FRAME);
	g722->decoder_init(&state, &params);
	for (int k = 0; k < 64; k++) {
		bool lost = k == 20 || (k >= 40 && k < 45);
		struct codec_decode_job job = {.state = &state,
			.payload = lost ? NULL : codes + k * FRAME,
			.n_bytes = FRAME,
			.pcm = out + k * 320,
			.n_samples = 320};

		g722->decode(&job, 1);
		assert_int_equal(job.n_decoded, 320);
	}
	snr = speech_snr_db(pcm + 20 * 320, out + 20 * 320, 342, 40, NULL);
	print_message("a lost frame of a tone: SNR %.1f dB\n", snr);
	assert_true(snr > 10);
	for (int i = 44 * 320 + 40; i < 45 * 320; i++)
		assert_in_range(out[i] + 40, 0, 80);
	assert_true(speech_snr_db(pcm + 50 * 320, out + 50 * 320, 10 * 320, 40, NULL) > 20);
}

static void lengths_that_do_not_fit_are_refused(void **)
{
	static int16_t pcm[2000];
	static uint8_t codes[1000];
	struct state state;
	struct codec_decode_job job = {
		.state = &state, .payload = codes, .pcm = pcm, .n_samples = 320};

	g722->decoder_init(&state, &params);
	job.n_bytes = 161;
	g722->decode(&job, 1);
	assert_int_equal(job.n_decoded, -EBADMSG);
	job.n_bytes = 0;
	g722->decode(&job, 1);
	assert_int_equal(job.n_decoded, -EBADMSG);
	assert_int_equal(
		g722->payload_samples(codes, 160, &(struct codec_params){.sample_hz = 16000}), 320);
	assert_int_equal(
		g722->payload_samples(codes, 0, &(struct codec_params){.sample_hz = 16000}),
		-EBADMSG);
	assert_int_equal(
		g722->payload_samples(codes, 961, &(struct codec_params){.sample_hz = 16000}),
		-EBADMSG);
}

static void clock_says_nothing_of_the_sample_rate(void **)
{
	struct codec_params odd = {.sample_hz = 24000, .channels = 1},
			    narrow = {.sample_hz = 8000, .channels = 1};
	struct state state;

	assert_int_equal(g722->static_pt, 9);
	assert_int_equal(g722->clock_hz, 8000);
	assert_int_equal(g722->payload_samples((const uint8_t *)"", 160, &narrow), 160);
	assert_int_equal(g722->payload_samples((const uint8_t *)"", 160, &params), 320);
	assert_int_equal(g722->encoder_init(&state, &odd), -EINVAL);
	assert_int_equal(g722->decoder_init(&state, &odd), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(itu_speech_is_encoded_exactly),
		cmocka_unit_test(itu_speech_is_decoded_exactly_in_all_modes),
		cmocka_unit_test(own_signal_gives_known_answers),
		cmocka_unit_test(speech_survives),
		cmocka_unit_test(vectors_hold_in_every_lane),
		cmocka_unit_test(lanes_of_any_width_do_the_same),
		cmocka_unit_test(narrow_band_is_the_lower_band_of_the_whole),
		cmocka_unit_test(narrow_band_sounds_as_well_as_resampled),
		cmocka_unit_test(streams_do_not_depend_on_their_batch),
		cmocka_unit_test(lost_frames_are_concealed),
		cmocka_unit_test(lengths_that_do_not_fit_are_refused),
		cmocka_unit_test(clock_says_nothing_of_the_sample_rate),
	};

	g722 = codec_find("G722", 8000, 1);
	if (codecs_init() || !g722 || g722->decoder_size() > STATE_MAX)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
