// Every codec to every other through a stream: a table of what is left of speech, and of the delay
// in samples of 8,000 Hz. What a pair costs is what its two codecs cost alone, one after the other,
// and a resampler's delay where their rates differ; the stream itself adds no sample.
//
// G.729 is there where its plug-in is the argument.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

#include "codec_plugin.h"
#include "oracle.h"
#include "resample.h"
#include "rig.h"
#include "speech.h"

#define N_FRAMES   75
#define N	   (N_FRAMES * 160) // samples at 8,000 Hz
#define FRAME_MAX  960
#define DELAY_MAX  400
#define LEVEL_MAX  2.0 // dB
#define NOISE_MORE 5.0 // dB above what the two codecs' noise adds up to

// Two codecs in a row that keep the sound of speech, but not its wave form, have no sharp delay.
#define WAVE_LEAST   1.5 // dB of their noise together
#define SLACK_SPEECH 40	 // samples

static const struct {
	const char *name;
	uint32_t clock_hz;
	uint8_t channels;
} listed[] = {{"PCMU", 8000, 1}, {"PCMA", 8000, 1}, {"L16", 16000, 1}, {"G722", 8000, 1},
	{"G726-32", 8000, 1}, {"GSM", 8000, 1}, {"AMR", 8000, 1}, {"AMR-WB", 16000, 1},
	{"speex", 8000, 1}, {"speex", 16000, 1}, {"opus", 48000, 2}, {"G729", 8000, 1}};
#define N_LISTED (sizeof(listed) / sizeof(listed[0]))

static int16_t source[N], heard[N + 2 * FRAME_MAX];
static struct rig rig;

// A far end: speech at 8,000 Hz in and out, the codec at a rate of its own.
struct end {
	const struct codec *codec;
	uint32_t hz;
	void *encoder, *decoder, *up, *down;
};

static void *block(size_t bytes)
{
	return calloc(1, bytes + 64);
}

static struct end end_create(const struct codec *codec, uint32_t hz)
{
	const struct codec_params params = {.sample_hz = hz,
		.channels = 1,
		.frame_ms = 20,
		.complexity = CODEC_DEFAULT,
		.options.octet_align = true};
	struct end end = {codec, hz, block(codec->encoder_size()), block(codec->decoder_size()),
		block(4096), block(4096)};

	assert_int_equal(codec->encoder_init(end.encoder, &params), 0);
	assert_int_equal(codec->decoder_init(end.decoder, &params), 0);
	if (hz != 8000) {
		assert_int_equal(resampler_init(end.up, 8000, hz), 0);
		assert_int_equal(resampler_init(end.down, hz, 8000), 0);
	}
	return end;
}

static void end_destroy(struct end *end)
{
	if (end->codec->encoder_fini)
		end->codec->encoder_fini(end->encoder);
	if (end->codec->decoder_fini)
		end->codec->decoder_fini(end->decoder);
	free(end->encoder);
	free(end->decoder);
	free(end->up);
	free(end->down);
}

static int end_say(struct end *end, const int16_t *pcm, uint8_t *payload)
{
	int16_t at_rate[FRAME_MAX];
	struct codec_encode_job job = {.state = end->encoder,
		.pcm = pcm,
		.n_samples = (uint16_t)(end->hz / 50),
		.payload = payload};

	if (end->hz != 8000) {
		resampler_run(end->up, pcm, 160, at_rate);
		job.pcm = at_rate;
	}
	end->codec->encode(&job, 1);
	assert_true(job.n_bytes > 0);
	return job.n_bytes;
}

static void end_hear(struct end *end, const uint8_t *payload, size_t n, int16_t *pcm)
{
	int16_t at_rate[CODEC_FRAME_SAMPLES_MAX];
	struct codec_decode_job job = {.state = end->decoder,
		.payload = payload,
		.n_bytes = (uint16_t)n,
		.pcm = at_rate,
		.n_samples = CODEC_FRAME_SAMPLES_MAX};

	end->codec->decode(&job, 1);
	assert_int_equal(job.n_decoded, end->hz / 50);
	if (end->hz != 8000)
		resampler_run(end->down, at_rate, end->hz / 50, pcm);
	else
		memcpy(pcm, at_rate, 160 * sizeof(*pcm));
}

struct result {
	double snr_db, level_db;
	size_t delay; // without the resamplers of the ends
};

static struct result judge(uint32_t from_hz, uint32_t to_hz)
{
	size_t ends =
		(from_hz != 8000 ? RESAMPLER_DELAY : 0u) + (to_hz != 8000 ? RESAMPLER_DELAY : 0u);
	struct result result = {.snr_db = -10};
	double best = -1e30;

	for (size_t d = 0; d < DELAY_MAX; d++) {
		double sum = 0;

		for (size_t i = 0; i + DELAY_MAX < N; i++)
			sum += (double)source[i] * heard[i + d];
		if (sum <= best)
			continue;
		best = sum;
		result.delay = d;
	}
	result.snr_db = segmental_snr_db(source, heard + result.delay, N - DELAY_MAX, 160);
	result.level_db = level_db(source, heard + result.delay, N - DELAY_MAX);
	result.delay = result.delay > ends ? result.delay - ends : 0;
	return result;
}

// One codec, without any stream.
static struct result alone(const struct codec *codec, uint32_t hz)
{
	struct end end = end_create(codec, hz);
	uint8_t payload[CODEC_FRAME_BYTES_MAX];

	for (size_t k = 0; k < N_FRAMES; k++) {
		int n = end_say(&end, source + k * 160, payload);

		end_hear(&end, payload, (size_t)n, heard + k * 160);
	}
	end_destroy(&end);
	return judge(hz, hz);
}

static struct result through_a_stream(
	const struct codec *from, const struct codec *to, const struct codec_rates *rates)
{
	struct end a = end_create(from, rates->decode_hz), b = end_create(to, rates->encode_hz);
	struct transcode_spec spec = {.from = from,
		.to = to,
		.from_pt = 96,
		.to_pt = 97,
		.to_ptime_ms = 20,
		.dtmf_from_pt = TRANSCODE_NO_PT,
		.dtmf_to_pt = TRANSCODE_NO_PT,
		.complexity = CODEC_DEFAULT,
		.from_options.octet_align = true,
		.to_options.octet_align = true};
	uint8_t payload[CODEC_FRAME_BYTES_MAX];

	rig_init(&rig, NULL);
	rig_open(&rig, spec);
	for (uint16_t k = 0; k < N_FRAMES; k++) {
		const struct rtp_view view = {
			.ssrc = 1, .sequence = k, .timestamp = k * (from->clock_hz / 50), .pt = 96};
		int n = end_say(&a, source + k * 160, payload);

		rig_send(&rig, rig.stream, &view, payload, (size_t)n);
		rig.now_ns += 20 * RIG_MS;
	}
	assert_int_equal(rig.n_out, N_FRAMES); // no frame is held back
	for (size_t k = 0; k < N_FRAMES; k++) {
		assert_int_equal(rig.out[k].view.timestamp - rig.out[0].view.timestamp,
			k * (to->clock_hz / 50));
		end_hear(&b, rig.out[k].payload, rig.out[k].view.payload_bytes, heard + k * 160);
	}
	rig_fini(&rig);
	end_destroy(&a);
	end_destroy(&b);
	return judge(rates->decode_hz, rates->encode_hz);
}

static void check_pair(const struct codec *from, const struct codec *to)
{
	struct codec_rates rates;
	struct result a, b, pair;
	double noise_db;
	size_t delay, slack;
	bool wave;

	assert_int_equal(codec_rates(from, to, 0, &rates), 0);
	a = alone(from, rates.decode_hz);
	b = alone(to, rates.encode_hz);
	pair = through_a_stream(from, to, &rates);
	noise_db = -10 * log10(pow(10, -a.snr_db / 10) + pow(10, -b.snr_db / 10));
	delay = a.delay + b.delay + (rates.decode_hz != rates.encode_hz ? RESAMPLER_DELAY : 0);
	print_message("%-8s %5u  %-8s %5u  %6.1f dB (%5.1f)  %+5.1f dB  %4zu samples (%zu)\n",
		from->name, from->clock_hz, to->name, to->clock_hz, pair.snr_db, noise_db,
		pair.level_db, pair.delay, delay);
	wave = noise_db >= WAVE_LEAST;
	slack = wave ? 2 : SLACK_SPEECH;
	assert_true(!wave || pair.snr_db >= noise_db - NOISE_MORE);
	assert_true(fabs(pair.level_db - a.level_db - b.level_db) < LEVEL_MAX);
	assert_in_range(pair.delay + slack, delay, delay + 2 * slack);
}

static void a_pair_costs_what_its_codecs_cost(void **)
{
	const struct codec *all[N_LISTED];
	size_t n = 0;

	for (size_t i = 0; i < N_LISTED; i++) {
		all[n] = codec_find(listed[i].name, listed[i].clock_hz, listed[i].channels);
		n += all[n] != NULL;
	}
	assert_true(n >= N_LISTED - 1);
	speech_synthesise(source, N, 8000, 11);
	print_message("FROM            TO              SEGMENTAL SNR       LEVEL   DELAY\n");
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < n; j++)
			if (i != j)
				check_pair(all[i], all[j]);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(a_pair_costs_what_its_codecs_cost)};
	char error[256];

	if (argc == 2 && !codec_plugin_load(argv[1], error, sizeof(error)))
		return 1;
	return cmocka_run_group_tests(tests, rig_eal, NULL);
}
