// Streams of the speech codecs: AMR, AMR-WB and, as a plug-in (the argument), G.729. What is theirs
// alone: modes that the far end asks for, silence that is described, packets of several frames.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "codec_plugin.h"
#include "rig.h"
#include "speech.h"

#define N_FRAMES    200 // of 20 ms
#define SAMPLES_MAX (N_FRAMES * 320)

static struct rig rig;
static bool has_g729;

// A far end of one codec.
struct end {
	const struct codec *codec;
	uint32_t hz;
	uint16_t frame; // samples of 20 ms
	void *encoder, *decoder;
};

static struct end end_create(const struct codec *codec, struct codec_options options)
{
	struct end end = {.codec = codec, .hz = codec->sample_rates[0]};
	struct codec_params params = {
		.channels = 1, .frame_ms = 20, .complexity = CODEC_DEFAULT, .options = options};

	params.sample_hz = end.hz;
	end.frame = (uint16_t)(end.hz / 50);
	end.encoder = calloc(1, codec->encoder_size() + 16);
	end.decoder = calloc(1, codec->decoder_size() + 16);
	assert_int_equal(codec->encoder_init(end.encoder, &params), 0);
	assert_int_equal(codec->decoder_init(end.decoder, &params), 0);
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
}

// Encode `n` samples from `at` on and send them, unless there is nothing to send. Returns octets.
static int end_send(struct end *end, struct transcode_stream *stream, size_t at, uint16_t n,
	const int16_t *pcm, uint8_t pt)
{
	static uint16_t sequence;
	uint8_t payload[CODEC_FRAME_BYTES_MAX];
	struct codec_encode_job job = {
		.state = end->encoder, .pcm = pcm + at, .n_samples = n, .payload = payload};
	const uint32_t ticks = end->codec->clock_hz / (end->hz / 50) / 50 * (uint32_t)at;
	struct rtp_view view = {.ssrc = 77, .timestamp = ticks, .pt = pt};

	end->codec->encode(&job, 1);
	assert_true(job.n_bytes >= 0);
	if (job.n_bytes == 0)
		return 0;
	view.sequence = sequence++;
	view.timestamp += job.n_skipped * (end->codec->clock_hz / 1000) / (end->hz / 1000);
	rig_send(&rig, stream, &view, payload, (size_t)job.n_bytes);
	return job.n_bytes;
}

static void end_receive(struct end *end, const struct rig_packet *packet, int16_t *pcm, uint16_t n)
{
	struct codec_decode_job job = {.state = end->decoder,
		.payload = packet->payload,
		.n_bytes = packet->view.payload_bytes,
		.pcm = pcm,
		.n_samples = n};

	end->codec->decode(&job, 1);
	assert_int_equal(job.n_decoded, n);
}

static void assert_continuous(uint32_t ticks)
{
	for (unsigned int i = 1; i < rig.n_out; i++) {
		assert_int_equal(
			(uint16_t)(rig.out[i].view.sequence - rig.out[0].view.sequence), i);
		assert_int_equal(rig.out[i].view.timestamp - rig.out[i - 1].view.timestamp, ticks);
		assert_false(rig.out[i].view.marker);
	}
}

static double rms(const int16_t *pcm, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (double)pcm[i] * pcm[i];
	return sqrt(sum / (double)n);
}

// What of the envelope (level of each 20 ms) survives: the correlation of both, at the best shift
// of up to three frames.
static double envelope_correlation(
	const int16_t *a, size_t a_frame, const int16_t *b, size_t b_frame)
{
	double best = -1;

	for (int shift = 0; shift <= 3; shift++) {
		double sa = 0, sb = 0, saa = 0, sbb = 0, sab = 0, n = N_FRAMES - 3;

		for (int i = 0; i < N_FRAMES - 3; i++) {
			double x = log(20 + rms(a + (size_t)i * a_frame, a_frame));
			double y = log(20 + rms(b + (size_t)(i + shift) * b_frame, b_frame));

			sa += x;
			sb += y;
			saa += x * x;
			sbb += y * y;
			sab += x * y;
		}
		best = fmax(best,
			(n * sab - sa * sb) / sqrt((n * saa - sa * sa) * (n * sbb - sb * sb)));
	}
	return best;
}

// From a far end of one codec to one of another, each with its own length of packets.
static void check_pair(
	const char *from, uint8_t from_ms, const char *to, uint8_t to_ms, bool octet_align)
{
	static int16_t in[SAMPLES_MAX], out[SAMPLES_MAX + 960];
	struct transcode_spec spec = rig_spec(from, to);
	struct end a, b;
	uint16_t step, room;
	double level, correlation;

	spec.to_ptime_ms = to_ms;
	spec.from_options.octet_align = spec.to_options.octet_align = octet_align;
	a = end_create(spec.from, spec.from_options);
	b = end_create(spec.to, spec.to_options);
	rig_init(&rig, NULL);
	rig_open(&rig, spec);
	speech_synthesise(in, (size_t)a.frame * N_FRAMES, a.hz, 9);
	step = (uint16_t)(a.hz / 1000 * from_ms);
	room = (uint16_t)(b.hz / 1000 * to_ms);
	for (size_t at = 0; at + step <= (size_t)a.frame * N_FRAMES; at += step)
		end_send(&a, rig.stream, at, step, in, spec.from_pt);
	assert_in_range(rig.n_out, N_FRAMES * 20 / to_ms - 2, N_FRAMES * 20 / to_ms);
	assert_continuous(spec.to->clock_hz / 1000 * to_ms);
	assert_int_equal(rig_stats(&rig).bad, 0);
	memset(out, 0, sizeof(out));
	for (unsigned int i = 0; i < rig.n_out; i++)
		end_receive(&b, &rig.out[i], out + (size_t)i * room, room);
	level = 20 *
		log10(rms(out, (size_t)b.frame * N_FRAMES) / rms(in, (size_t)a.frame * N_FRAMES));
	correlation = envelope_correlation(in, a.frame, out, b.frame);
	print_message("%-6s %u ms -> %-6s %u ms%s: level %+.1f dB, envelope %.3f\n", from, from_ms,
		to, to_ms, octet_align ? " octet-aligned" : "", level, correlation);
	assert_true(fabs(level) < 2);
	assert_true(correlation > 0.95);
	end_destroy(&a);
	end_destroy(&b);
	rig_fini(&rig);
}

static void speech_gets_across_in_packets_of_any_length(void **)
{
	static const char *const codecs_of[] = {"AMR", "AMR-WB", "G729"};
	static const uint8_t lengths_ms[] = {20, 40, 60};

	for (int c = 0; c < 2 + has_g729; c++) {
		for (int i = 0; i < 3; i++) {
			check_pair("PCMU", 20, codecs_of[c], lengths_ms[i], i % 2);
			check_pair(codecs_of[c], lengths_ms[i], "PCMU", 20, i % 2);
		}
		check_pair("PCMA", 10, codecs_of[c], 20, false);
		check_pair(codecs_of[c], 20, "PCMA", 30, true);
		check_pair("opus", 20, codecs_of[c], 20, false);
		check_pair(codecs_of[c], 60, "opus", 40, true);
		check_pair(codecs_of[c], 20, "G722", 20, false);
	}
	check_pair("AMR", 20, "AMR-WB", 20, true);
	check_pair("AMR-WB", 40, "AMR", 20, false);
}

// What a far end of AMR asks for in the packets that it sends changes what it is sent.
static void mode_that_the_far_end_asks_for_is_what_it_gets(void **)
{
	struct transcode_feedback *feedback = transcode_feedback_create();
	struct transcode_spec to_pcmu = rig_spec("AMR", "PCMU"), to_amr = rig_spec("PCMU", "AMR");
	struct transcode_stream *in, *out;
	uint8_t request[2] = {2 << 4, 0x7c}, none[2] = {0xf0, 0x7c}, pcmu[160];
	struct rtp_view amr_view = {.ssrc = 1, .pt = to_pcmu.from_pt}, pcmu_view = {.ssrc = 2};

	memset(pcmu, 0xff, sizeof(pcmu));
	to_pcmu.from_options.octet_align = to_amr.to_options.octet_align = true;
	to_amr.to_options.mode_set = 0x95;
	to_pcmu.from_feedback = to_amr.to_feedback = feedback;
	rig_init(&rig, NULL);
	in = rig_open(&rig, to_pcmu);
	out = rig_open(&rig, to_amr);
	rig_send(&rig, out, &pcmu_view, pcmu, sizeof(pcmu));
	assert_int_equal(rig.out[0].payload[1] >> 3, 7);
	rig_send(&rig, in, &amr_view, none, 2);
	pcmu_view = (struct rtp_view){.ssrc = 2, .sequence = 1, .timestamp = 160};
	rig_send(&rig, out, &pcmu_view, pcmu, sizeof(pcmu));
	assert_int_equal(rig.out[2].payload[1] >> 3, 7);
	amr_view = (struct rtp_view){
		.ssrc = 1, .pt = to_pcmu.from_pt, .sequence = 1, .timestamp = 160};
	rig_send(&rig, in, &amr_view, request, 2);
	pcmu_view = (struct rtp_view){.ssrc = 2, .sequence = 2, .timestamp = 320};
	rig_send(&rig, out, &pcmu_view, pcmu, sizeof(pcmu));
	assert_int_equal(rig.out[4].payload[1] >> 3, 2);
	transcode_feedback_release(feedback);
	rig_fini(&rig);
}

static void wait_ms(unsigned int ms)
{
	nanosleep(&(struct timespec){.tv_nsec = ms * 1000000L}, NULL);
	rig_pump(&rig);
	rig.now_ns += ms * RIG_MS;
}

// Speech, a second of silence with next to no packets, speech: what comes out has no gap, no
// marker, and noise where there was silence. Time is real here, since it drives the output in
// silence, and it may be slow: what it has not driven yet, the next packet does.
static void check_silence(const char *from, const char *to)
{
	static int16_t in[SAMPLES_MAX], out[SAMPLES_MAX * 2];
	struct transcode_spec spec = rig_spec(from, to);
	struct end a, b;
	unsigned int n_sent = 0, first = 60, last = 140;
	double noise;

	spec.from_options.dtx = true;
	a = end_create(spec.from, spec.from_options);
	b = end_create(spec.to, (struct codec_options){});
	rig_init(&rig, NULL);
	rig_open(&rig, spec);
	speech_synthesise(in, (size_t)a.frame * N_FRAMES, a.hz, 9);
	srand(3);
	for (size_t i = (size_t)a.frame * first; i < (size_t)a.frame * last; i++)
		in[i] = (int16_t)(rand() % 61 - 30);
	for (unsigned int i = 0; i < N_FRAMES; i++) {
		bool is_sent = end_send(&a, rig.stream, (size_t)i * a.frame, a.frame, in,
				       spec.from_pt) > 0;

		n_sent += is_sent;
		if (i >= first && i < last)
			wait_ms(20);
		else
			rig.now_ns += 20 * RIG_MS;
	}
	assert_true(n_sent < N_FRAMES - 20);
	assert_in_range(rig.n_out, N_FRAMES - 1, N_FRAMES + 4);
	assert_continuous(spec.to->clock_hz / 50);
	assert_int_equal(rig_stats(&rig).concealed, 0);
	for (unsigned int i = 0; i < rig.n_out; i++)
		end_receive(&b, &rig.out[i], out + (size_t)i * b.frame, b.frame);
	noise = rms(out + (size_t)(first + 30) * b.frame, (last - first - 35) * (size_t)b.frame);
	print_message("%s -> %s: %u packets for %u frames; noise of 17.6 is heard as %.1f\n", from,
		to, n_sent, N_FRAMES, noise);
	assert_true(noise > 4 && noise < 60);
	end_destroy(&a);
	end_destroy(&b);
	rig_fini(&rig);
}

static void silence_that_is_not_sent_is_heard_without_a_gap(void **)
{
	check_silence("AMR", "PCMU");
	check_silence("AMR-WB", "PCMU");
	check_silence("opus", "PCMU");
	if (has_g729)
		check_silence("G729", "PCMU");
}

// The output goes on while nothing comes in, and not for ever.
static void silence_is_driven_by_time(void **)
{
	const uint8_t sid[] = {0xf0, 8 << 3 | 4, 0x12, 0x34, 0x56, 0x78, 0x1e};
	struct transcode_spec spec = rig_spec("AMR", "PCMU");
	struct rtp_view view = {.ssrc = 5, .pt = spec.from_pt};

	spec.from_options.octet_align = true;
	rig_init(&rig, NULL);
	rig_open(&rig, spec);
	rig_send(&rig, rig.stream, &view, sid, sizeof(sid));
	assert_int_equal(rig.n_out, 1);
	wait_ms(30);
	assert_int_equal(rig.n_out, 1); // the next packet is not late yet
	for (int i = 0; i < 500 && rig.n_out < 10; i++)
		wait_ms(10);
	assert_true(rig.n_out >= 10);
	assert_continuous(160);
	transcode_stream_destroy(rig.engine, rig.stream); // in the middle of it
	wait_ms(30);
	assert_int_equal(transcode_reap(rig.engine), 1);
	rig_fini(&rig);
}

// Towards a far end that takes it, silence is not sent, and the talk spurt after it is marked.
static void check_dtx(const char *to)
{
	static int16_t in[SAMPLES_MAX];
	struct transcode_spec spec = rig_spec("PCMU", to);
	struct end a = end_create(spec.from, (struct codec_options){});
	unsigned int n_markers = 0, silent = 0;

	spec.to_options.dtx = true;
	spec.to_options.octet_align = true;
	rig_init(&rig, NULL);
	rig_open(&rig, spec);
	speech_synthesise(in, (size_t)a.frame * N_FRAMES, a.hz, 9);
	for (size_t i = 160 * 60; i < 160 * 140; i++)
		in[i] = (int16_t)(i * 7919 % 21 - 10);
	for (unsigned int i = 0; i < N_FRAMES; i++)
		end_send(&a, rig.stream, (size_t)i * 160, 160, in, 0);
	assert_true(rig.n_out < N_FRAMES - 30);
	for (unsigned int i = 1; i < rig.n_out; i++) {
		const struct rtp_view *view = &rig.out[i].view;
		bool is_sid = view->payload_bytes <= 8;

		assert_int_equal((uint16_t)(view->sequence - rig.out[i - 1].view.sequence), 1);
		n_markers += view->marker;
		silent += is_sid || view->payload_bytes == 12; // G.729: speech, then silence
		assert_false(view->marker && is_sid);
		if (view->marker) // something was left out before it, or described
			assert_true(rig.out[i - 1].view.payload_bytes <= 8 ||
				    view->timestamp - rig.out[i - 1].view.timestamp >
					    spec.to->clock_hz / 50);
	}
	print_message(
		"PCMU -> %s with DTX: %u packets for %u frames, %u descriptions, %u talk spurts "
		"after the first\n",
		to, rig.n_out, N_FRAMES, silent, n_markers);
	assert_true(n_markers >= 1 && silent >= 1);
	end_destroy(&a);
	rig_fini(&rig);
}

static void silence_is_not_sent_where_it_need_not_be(void **)
{
	check_dtx("AMR");
	check_dtx("AMR-WB");
	check_dtx("opus");
	if (has_g729)
		check_dtx("G729");
}

static void codec_states_are_ended_with_their_streams(void **)
{
	rig_init(&rig, NULL);
	for (int i = 0; i < 200; i++) {
		struct transcode_stream *stream = rig_open(&rig, rig_spec("AMR", "AMR-WB"));

		transcode_stream_destroy(rig.engine, stream);
		rig_pump(&rig);
	}
	rig_open(&rig, rig_spec("AMR-WB", "AMR")); // and with the engine; the sanitizer looks
	rig_fini(&rig);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(speech_gets_across_in_packets_of_any_length),
		cmocka_unit_test(mode_that_the_far_end_asks_for_is_what_it_gets),
		cmocka_unit_test(silence_that_is_not_sent_is_heard_without_a_gap),
		cmocka_unit_test(silence_is_driven_by_time),
		cmocka_unit_test(silence_is_not_sent_where_it_need_not_be),
		cmocka_unit_test(codec_states_are_ended_with_their_streams),
	};
	char error[512];

	if (argc == 2) {
		has_g729 = codec_plugin_load(argv[1], error, sizeof(error));
		if (!has_g729) {
			fprintf(stderr, "%s\n", error);
			return 1;
		}
	}
	return cmocka_run_group_tests(tests, rig_eal, NULL);
}
