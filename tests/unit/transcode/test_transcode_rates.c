// Streams whose two codecs run at different rates, and G.722's clock of half its sample rate.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <stdlib.h>

#include "rig.h"
#include "speech.h"

#define N_FRAMES    200
#define SAMPLES_MAX (N_FRAMES * 320)
#define BITRATE	    64000 // of Opus: enough that it follows the wave form

static struct rig rig;

// A far end of one codec.
struct end {
	const struct codec *codec;
	uint32_t hz;
	void *encoder, *decoder;
};

static void end_init(struct end *end, const struct codec *codec)
{
	struct codec_params params = {
		.channels = 1, .frame_ms = 20, .complexity = CODEC_DEFAULT, .bitrate = BITRATE};

	*end = (struct end){.codec = codec, .hz = codec->sample_rates[0]};
	for (const uint32_t *hz = codec->sample_rates; *hz && *hz <= 16000; hz++)
		end->hz = *hz;
	params.sample_hz = end->hz;
	end->encoder = calloc(1, codec->encoder_size() + 16);
	end->decoder = calloc(1, codec->decoder_size() + 16);
	assert_int_equal(codec->encoder_init(end->encoder, &params), 0);
	assert_int_equal(codec->decoder_init(end->decoder, &params), 0);
}

static void end_fini(struct end *end)
{
	free(end->encoder);
	free(end->decoder);
}

// Send frame `i` of `pcm` to the stream; the payload is left in `payload`. Returns its length.
static uint16_t end_send(struct end *end, struct transcode_stream *stream, unsigned int i,
	const int16_t *pcm, uint8_t pt, uint8_t *payload)
{
	uint16_t n = (uint16_t)(end->hz / 50);
	struct codec_encode_job job = {
		.state = end->encoder, .pcm = pcm + i * n, .n_samples = n, .payload = payload};
	const struct rtp_view view = {.ssrc = 77,
		.sequence = (uint16_t)i,
		.timestamp = i * (end->codec->clock_hz / 50),
		.pt = pt};

	end->codec->encode(&job, 1);
	assert_true(job.n_bytes > 0);
	rig_send(&rig, stream, &view, payload, (size_t)job.n_bytes);
	return (uint16_t)job.n_bytes;
}

static void end_receive(struct end *end, const struct rig_packet *packet, int16_t *pcm)
{
	struct codec_decode_job job = {.state = end->decoder,
		.payload = packet->payload,
		.n_bytes = packet->view.payload_bytes,
		.pcm = pcm,
		.n_samples = (uint16_t)(end->hz / 50)};

	end->codec->decode(&job, 1);
	assert_int_equal(job.n_decoded, end->hz / 50);
}

static void assert_continuous(unsigned int first, unsigned int n, uint32_t ticks)
{
	for (unsigned int i = first + 1; i < first + n; i++) {
		assert_int_equal(
			(uint16_t)(rig.out[i].view.sequence - rig.out[first].view.sequence),
			i - first);
		assert_int_equal(rig.out[i].view.timestamp - rig.out[i - 1].view.timestamp, ticks);
		assert_false(rig.out[i].view.marker);
	}
}

// Speech from a far end of codec a, through b, back to a; the SNR of what it decodes.
static double round_trip_snr(const char *a, const char *b, size_t *delay)
{
	static int16_t in[SAMPLES_MAX], out[SAMPLES_MAX];
	struct transcode_spec there = rig_spec(a, b), back = rig_spec(b, a);
	struct transcode_stream *streams[2];
	uint8_t payload[CODEC_FRAME_BYTES_MAX];
	struct end end;
	size_t n;
	double snr;

	there.bitrate = back.bitrate = BITRATE;
	rig_init(&rig, NULL);
	streams[0] = rig_open(&rig, there);
	streams[1] = rig_open(&rig, back);
	end_init(&end, there.from);
	n = end.hz / 50;
	speech_synthesise(in, N_FRAMES * n, end.hz, 9);
	for (unsigned int i = 0; i < N_FRAMES; i++)
		end_send(&end, streams[0], i, in, there.from_pt, payload);
	assert_int_equal(rig.n_out, N_FRAMES);
	assert_continuous(0, N_FRAMES, there.to->clock_hz / 50);
	for (unsigned int i = 0; i < N_FRAMES; i++)
		rig_send(&rig, streams[1], &rig.out[i].view, rig.out[i].payload,
			rig.out[i].view.payload_bytes);
	assert_int_equal(rig.n_out, 2 * N_FRAMES);
	assert_continuous(N_FRAMES, N_FRAMES, there.from->clock_hz / 50);
	for (unsigned int i = 0; i < N_FRAMES; i++)
		end_receive(&end, &rig.out[N_FRAMES + i], out + i * n);
	snr = speech_snr_db(in, out, N_FRAMES * n, 2 * n, delay);
	end_fini(&end);
	rig_fini(&rig);
	return snr;
}

static void round_trips_keep_the_audio(void **)
{
	static const struct {
		const char *a, *b;
		double snr_db; // at least
		size_t delay;  // samples at a's rate
	} cases[] = {
		{"PCMU", "G722", 16, 0}, {"PCMA", "G722", 16, 0}, {"G722", "PCMU", 16, 22},
		{"G722", "opus", 9, 147}, // Opus' high-pass counts as noise
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t delay;
		double snr = round_trip_snr(cases[i].a, cases[i].b, &delay);

		print_message("%s - %s - %s: SNR %.1f dB, delay %zu samples\n", cases[i].a,
			cases[i].b, cases[i].a, snr, delay);
		assert_true(snr > cases[i].snr_db);
		assert_int_equal(delay, cases[i].delay);
	}
}

// What a far end of G.722 hears of one of Opus, against what Opus says: no noise but G.722's own.
static void opus_at_its_16000_hz_becomes_g722(void **)
{
	static int16_t in[SAMPLES_MAX], want[SAMPLES_MAX], out[SAMPLES_MAX];
	struct transcode_spec spec = rig_spec("opus", "G722");
	struct end opus, g722;
	size_t delay;
	double snr;

	rig_init(&rig, NULL);
	rig_open(&rig, spec);
	end_init(&opus, spec.from);
	end_init(&g722, spec.to);
	speech_synthesise(in, SAMPLES_MAX, 16000, 9);
	for (unsigned int i = 0; i < N_FRAMES; i++) {
		struct rig_packet sent = {0};

		sent.view.payload_bytes =
			end_send(&opus, rig.stream, i, in, spec.from_pt, sent.payload);
		end_receive(&opus, &sent, want + i * 320);
		assert_int_equal(rig.n_out, i + 1);
		end_receive(&g722, &rig.out[i], out + i * 320);
	}
	snr = speech_snr_db(want, out, SAMPLES_MAX, 320, &delay);
	print_message("opus - G722: SNR %.1f dB, delay %zu samples\n", snr, delay);
	assert_true(snr > 22);
	assert_int_equal(delay, 22);
	end_fini(&opus);
	end_fini(&g722);
	rig_fini(&rig);
}

static void packets_have_the_length_of_the_other_clock(void **)
{
	struct transcode_spec spec = rig_spec("PCMU", "G722");
	struct rtp_view view = {.ssrc = 5};
	uint8_t payload[240];

	memset(payload, 0xff, sizeof(payload));
	rig_init(&rig, NULL);
	rig_open(&rig, spec);
	for (unsigned int i = 0; i < 40; i++) { // 30 ms each
		view.sequence = (uint16_t)i;
		view.timestamp = i * 240;
		rig_send(&rig, rig.stream, &view, payload, sizeof(payload));
	}
	assert_int_equal(rig.n_out, 60);
	assert_continuous(0, 60, 160);
	for (unsigned int i = 0; i < 60; i++) {
		assert_int_equal(rig.out[i].view.payload_bytes, 160);
		assert_int_equal(rig.out[i].view.pt, 9);
	}
	rig_fini(&rig);
}

// Every tenth packet and then a second are lost: the output goes on in time.
static void losses_leave_the_time_right(void **)
{
	static const char *const pairs[][2] = {
		{"PCMU", "G722"}, {"G722", "PCMU"}, {"G722", "opus"}};

	for (size_t p = 0; p < 3; p++) {
		struct transcode_spec spec = rig_spec(pairs[p][0], pairs[p][1]);
		uint32_t ticks = spec.to->clock_hz / 50;
		struct rtp_view view = {.ssrc = 5, .pt = spec.from_pt};
		uint8_t payload[160];

		memset(payload, 0x5a, sizeof(payload));
		rig_init(&rig, NULL);
		rig_open(&rig, spec);
		for (unsigned int i = 0; i < 200; i++) {
			view.sequence = (uint16_t)i;
			view.timestamp = i * 160;
			if (i % 10 != 4 && (i < 100 || i >= 150))
				rig_send(&rig, rig.stream, &view, payload, sizeof(payload));
			rig.now_ns += 20 * RIG_MS;
		}
		for (unsigned int k = 0; k < 100; k++)
			assert_int_equal(
				rig.out[k].view.timestamp - rig.out[0].view.timestamp, k * ticks);
		assert_int_equal(rig.out[rig.n_out - 1].view.timestamp - rig.out[0].view.timestamp,
			199 * ticks);
		assert_int_equal(rig_stats(&rig).concealed, 10 + 5 + 5);
		rig_fini(&rig);
	}
}

// Streams of different codecs whose frames share batches do not disturb each other.
static void streams_side_by_side_say_what_they_say_alone(void **)
{
	enum { N_STREAMS = 20 };
	static uint8_t alone[20][160], payload[160];
	struct transcode_stream *streams[N_STREAMS];
	struct rtp_view view = {.ssrc = 5};

	for (unsigned int i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(i * 37);
	rig_init(&rig, NULL);
	rig_open(&rig, rig_spec("PCMU", "G722"));
	for (unsigned int k = 0; k < 20; k++) {
		view.sequence = (uint16_t)k;
		view.timestamp = k * 160;
		rig_send(&rig, rig.stream, &view, payload, sizeof(payload));
		memcpy(alone[k], rig.out[k].payload, sizeof(alone[k]));
	}
	rig_fini(&rig);
	rig_init(&rig, NULL);
	for (int i = 0; i < N_STREAMS; i++)
		streams[i] = rig_open(&rig, rig_spec("PCMU", "G722"));
	for (unsigned int k = 0; k < 20; k++) {
		view.sequence = (uint16_t)k;
		view.timestamp = k * 160;
		for (int i = 0; i < N_STREAMS; i++)
			assert_true(transcode_submit(rig.engine, 0, streams[i],
				rig_mbuf(&rig, &view, payload, sizeof(payload)), rig.now_ns));
		rig_pump(&rig);
		assert_int_equal(rig.n_out, (k + 1) * N_STREAMS);
		for (unsigned int i = k * N_STREAMS; i < rig.n_out; i++)
			assert_memory_equal(rig.out[i].payload, alone[k], sizeof(alone[k]));
	}
	rig_fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trips_keep_the_audio),
		cmocka_unit_test(opus_at_its_16000_hz_becomes_g722),
		cmocka_unit_test(packets_have_the_length_of_the_other_clock),
		cmocka_unit_test(losses_leave_the_time_right),
		cmocka_unit_test(streams_side_by_side_say_what_they_say_alone),
	};

	return cmocka_run_group_tests(tests, rig_eal, NULL);
}
