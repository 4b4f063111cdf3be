// What comes out of a transcode stream, for what goes in: timing, order, loss, quality.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <stdlib.h>
#include <unistd.h>

#include "plc.h"
#include "rig.h"
#include "speech.h"

#define SSRC 0x1234

static struct rig rig;

static void open_rig(const char *from, const char *to)
{
	rig_init(&rig, NULL);
	rig_open(&rig, rig_spec(from, to));
}

// A G.711 packet of `n` octets that all say `value`.
static void send_g711(uint16_t sequence, uint32_t timestamp, uint8_t value, size_t n)
{
	const struct rtp_view view = {.ssrc = SSRC, .sequence = sequence, .timestamp = timestamp};
	uint8_t payload[960];

	memset(payload, value, n);
	rig_send(&rig, rig.stream, &view, payload, n);
	rig.now_ns += n * RIG_MS / 8;
}

// Frame i of a stream of 20 ms frames; PCMU octets 0x80 | i survive to PCMA and back.
static void send_frame(unsigned int i)
{
	send_g711((uint16_t)(100 + i), 8000 + i * 160, (uint8_t)(0x90 | (i & 0x0f)), 160);
}

// Sequence, timestamps and marker of the outputs [first, n_out): one talk spurt after the other.
static void assert_continuous(unsigned int first, uint32_t ticks)
{
	for (unsigned int i = first + 1; i < rig.n_out; i++) {
		assert_int_equal(rig.out[i].view.ssrc, rig.out[first].view.ssrc);
		assert_int_equal(
			(uint16_t)(rig.out[i].view.sequence - rig.out[first].view.sequence),
			i - first);
		assert_int_equal(rig.out[i].view.timestamp - rig.out[i - 1].view.timestamp, ticks);
		assert_false(rig.out[i].view.marker);
	}
}

static void encode_pcmu(const int16_t *pcm, uint8_t *payload, uint16_t n)
{
	struct codec_encode_job job = {.pcm = pcm, .n_samples = n, .payload = payload};

	codec_find("PCMU", 8000, 1)->encode(&job, 1);
}

static void decode_pcmu(const uint8_t *payload, int16_t *pcm, uint16_t n)
{
	static struct plc plc;
	struct codec_decode_job job = {
		.state = &plc, .payload = payload, .n_bytes = n, .pcm = pcm, .n_samples = n};

	plc_init(&plc);
	codec_find("PCMU", 8000, 1)->decode(&job, 1);
}

#define N_FRAMES 200

// Speech through PCMU, Opus, PCMU. Every `lose_every`th Opus packet is lost; 0: none.
static double round_trip_snr(unsigned int lose_every, uint8_t fec)
{
	static int16_t in[N_FRAMES * 160], out[N_FRAMES * 160];
	struct transcode_spec spec = rig_spec("PCMU", "opus");
	struct transcode_stream *there, *back;
	unsigned int n_opus, n_back;
	uint8_t payload[160];
	double snr;

	rig_init(&rig, NULL);
	spec.fec = fec;
	there = rig_open(&rig, spec);
	back = rig_open(&rig, rig_spec("opus", "PCMU"));
	speech_synthesise(in, N_FRAMES * 160, 8000, 9);
	for (unsigned int i = 0; i < N_FRAMES; i++) {
		const struct rtp_view view = {
			.ssrc = SSRC, .sequence = (uint16_t)i, .timestamp = i * 160};

		encode_pcmu(in + i * 160, payload, 160);
		rig_send(&rig, there, &view, payload, 160);
	}
	n_opus = rig.n_out;
	assert_int_equal(n_opus, N_FRAMES);
	assert_continuous(0, 960);
	for (unsigned int i = 0; i < n_opus; i++) {
		if (!lose_every || i % lose_every != lose_every - 1)
			rig_send(&rig, back, &rig.out[i].view, rig.out[i].payload,
				rig.out[i].view.payload_bytes);
	}
	n_back = rig.n_out - n_opus;
	assert_in_range(n_back, N_FRAMES - 1, N_FRAMES); // the last one may be lost
	assert_continuous(n_opus, 160);
	for (unsigned int i = 0; i < n_back; i++)
		decode_pcmu(rig.out[n_opus + i].payload, out + i * 160, 160);
	snr = speech_snr_db(in, out, n_back * 160, 160, NULL);
	assert_int_equal(rig_stats(&rig).concealed, lose_every ? N_FRAMES / lose_every - 1 : 0);
	rig_fini(&rig);
	return snr;
}

static void round_trip_through_opus_keeps_the_audio(void **)
{
	double snr = round_trip_snr(0, 0);

	print_message("PCMU - Opus - PCMU: SNR %.1f dB\n", snr);
	assert_true(snr > 8);
}

static void lost_opus_packets_are_concealed_better_with_fec(void **)
{
	double plc = round_trip_snr(10, 0), fec = round_trip_snr(10, 1);

	print_message("10 %% loss: SNR %.1f dB concealed, %.1f dB with FEC\n", plc, fec);
	assert_true(plc > 6);
	assert_true(fec > plc + 0.25);
}

static void first_packet_begins_a_talk_spurt(void **)
{
	open_rig("PCMU", "opus");
	for (unsigned int i = 0; i < 10; i++)
		send_frame(i);
	assert_int_equal(rig.n_out, 10);
	assert_true(rig.out[0].view.marker);
	assert_int_equal(rig.out[0].view.pt, 111);
	assert_ptr_equal(rig.out[0].cookie, &rig);
	assert_continuous(0, 960);
	assert_int_equal(rig_stats(&rig).frames, 10);
	assert_true(rig_stats(&rig).busy_ns > 0);
	rig_fini(&rig);
}

static void reordered_packets_leave_in_order(void **)
{
	static const unsigned int order[] = {0, 2, 1, 3, 5, 4, 6, 7, 9, 8, 10};
	uint8_t want;

	open_rig("PCMU", "PCMA");
	for (unsigned int i = 0; i < 11; i++)
		send_frame(order[i]);
	assert_int_equal(rig.n_out, 11);
	assert_continuous(0, 160);
	for (unsigned int i = 0; i < 11; i++) {
		const struct codec_encode_job none = {0};
		int16_t sample;
		uint8_t in = (uint8_t)(0x90 | i);
		struct codec_encode_job job = none;

		decode_pcmu(&in, &sample, 1);
		job.pcm = &sample;
		job.n_samples = 1;
		job.payload = &want;
		codec_find("PCMA", 8000, 1)->encode(&job, 1);
		assert_int_equal(rig.out[i].payload[0], want);
		assert_int_equal(rig.out[i].payload[159], want);
	}
	assert_int_equal(rig_stats(&rig).concealed, 0);
	assert_int_equal(rig_stats(&rig).late, 0);
	rig_fini(&rig);
}

static void duplicates_are_dropped(void **)
{
	open_rig("PCMU", "opus");
	for (unsigned int i = 0; i < 10; i++) {
		send_frame(i);
		send_frame(i);
	}
	assert_int_equal(rig.n_out, 10);
	assert_int_equal(rig_stats(&rig).duplicates, 10);
	rig_fini(&rig);
}

static void lost_packet_is_concealed_and_its_straggler_counted(void **)
{
	open_rig("PCMU", "opus");
	for (unsigned int i = 0; i < 10; i++) {
		if (i != 4)
			send_frame(i);
	}
	send_frame(4);
	assert_int_equal(rig.n_out, 10);
	assert_continuous(0, 960);
	assert_int_equal(rig_stats(&rig).concealed, 1);
	assert_int_equal(rig_stats(&rig).late, 1);
	rig_fini(&rig);
}

static void packet_behind_a_gap_does_not_wait_for_ever(void **)
{
	open_rig("PCMU", "opus");
	send_frame(0);
	send_frame(2);
	assert_int_equal(rig.n_out, 1);
	usleep(60000);
	rig_pump(&rig);
	assert_int_equal(rig.n_out, 3);
	assert_continuous(0, 960);
	send_frame(3);
	assert_int_equal(rig.n_out, 4);
	rig_fini(&rig);
}

static void long_loss_is_concealed_in_part_and_left_out_in_part(void **)
{
	open_rig("PCMU", "opus");
	for (unsigned int i = 0; i < 40; i++) {
		if (i < 5 || i >= 25)
			send_frame(i);
	}
	assert_int_equal(rig.n_out, 25);
	assert_int_equal(rig_stats(&rig).concealed, 5);
	assert_int_equal(rig.out[10].view.timestamp - rig.out[9].view.timestamp, 16 * 960);
	assert_true(rig.out[10].view.marker);
	assert_int_equal((uint16_t)(rig.out[24].view.sequence - rig.out[0].view.sequence), 24);
	assert_int_equal(rig.out[24].view.timestamp - rig.out[0].view.timestamp, 39 * 960);
	rig_fini(&rig);
}

static void silence_of_the_source_stays_silence(void **)
{
	open_rig("PCMU", "opus");
	for (unsigned int i = 0; i < 5; i++)
		send_g711((uint16_t)(65533 + i), 0xfffffd00 + i * 160, 0x90, 160);
	rig.now_ns += 30000 * RIG_MS;
	for (unsigned int i = 0; i < 5; i++)
		send_g711((uint16_t)(65538 + i), 0xfffffd00 + i * 160 + 800 + 240000, 0x90, 160);
	assert_int_equal(rig.n_out, 10);
	assert_int_equal(rig.out[5].view.timestamp - rig.out[4].view.timestamp, 960 + 240000 * 6);
	assert_true(rig.out[5].view.marker);
	assert_int_equal((uint16_t)(rig.out[9].view.sequence - rig.out[0].view.sequence), 9);
	assert_int_equal(rig_stats(&rig).concealed, 0);
	rig_fini(&rig);
}

static void timestamps_that_jump_without_reason_are_smoothed(void **)
{
	open_rig("PCMU", "opus");
	for (unsigned int i = 0; i < 5; i++)
		send_g711((uint16_t)i, i * 160, 0x90, 160);
	for (unsigned int i = 5; i < 10; i++)
		send_g711((uint16_t)i, 1000000000 + i * 160, 0x90, 160);
	for (unsigned int i = 10; i < 15; i++)
		send_g711((uint16_t)i, 500 + i * 160, 0x90, 160);
	assert_int_equal(rig.n_out, 15);
	assert_int_equal(rig.out[14].view.timestamp - rig.out[0].view.timestamp, 14 * 960);
	rig_fini(&rig);
}

static void any_packet_length_becomes_the_wanted_one(void **)
{
	static const struct {
		unsigned int in_ms;
		uint8_t out_ms;
	} cases[] = {
		{10, 20}, {20, 20}, {30, 20}, {60, 20}, {10, 60}, {20, 10}, {40, 60}, {30, 40}};

	for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
		struct transcode_spec spec = rig_spec("PCMU", "opus");
		unsigned int n = 1200 / cases[c].in_ms, samples = cases[c].in_ms * 8;

		rig_init(&rig, NULL);
		spec.to_ptime_ms = cases[c].out_ms;
		rig_open(&rig, spec);
		for (unsigned int i = 0; i < n; i++)
			send_g711((uint16_t)i, i * samples, 0x90, samples);
		assert_int_equal(rig.n_out, 1200 / cases[c].out_ms);
		assert_continuous(0, cases[c].out_ms * 48u);
		rig_fini(&rig);
	}
}

static void frame_begun_is_filled_up_before_silence(void **)
{
	open_rig("PCMU", "opus");
	for (unsigned int i = 0; i < 3; i++)
		send_g711((uint16_t)i, i * 80, 0x90, 80); // 30 ms: half a frame waits
	send_g711(3, 3 * 80 + 8000, 0x90, 160);
	assert_int_equal(rig.n_out, 3);
	assert_int_equal(rig.out[1].view.timestamp - rig.out[0].view.timestamp, 960);
	assert_int_equal(rig.out[2].view.timestamp - rig.out[0].view.timestamp, (240 + 8000) * 6);
	rig_fini(&rig);
}

static void payload_in_odd_lengths_loses_no_sample(void **)
{
	unsigned int total = 0;

	open_rig("PCMU", "PCMA");
	for (unsigned int i = 0; i < 100; i++) {
		unsigned int n = 1 + (i * 37) % 480;

		send_g711((uint16_t)i, total, 0x90, n);
		total += n;
	}
	assert_int_equal(rig.n_out, total / 160);
	assert_continuous(0, 160);
	rig_fini(&rig);
}

static void sequence_and_timestamp_wrap(void **)
{
	open_rig("PCMU", "opus");
	for (unsigned int i = 0; i < 40; i++)
		send_g711((uint16_t)(65520 + i), 0xfffff000 + i * 160, 0x90, 160);
	assert_int_equal(rig.n_out, 40);
	assert_continuous(0, 960);
	rig_fini(&rig);
}

static void send_of(uint32_t ssrc, uint16_t sequence, uint32_t timestamp)
{
	const struct rtp_view view = {.ssrc = ssrc, .sequence = sequence, .timestamp = timestamp};
	uint8_t payload[160];

	memset(payload, 0x90, sizeof(payload));
	rig_send(&rig, rig.stream, &view, payload, sizeof(payload));
	rig.now_ns += 20 * RIG_MS;
}

static void new_source_goes_on_by_the_time_that_passed(void **)
{
	open_rig("PCMU", "opus");
	for (unsigned int i = 0; i < 5; i++)
		send_of(1, (uint16_t)i, i * 160);
	for (unsigned int i = 0; i < 5; i++)
		send_of(2, (uint16_t)(40000 + i), 77 + i * 160);
	assert_int_equal(rig.n_out, 10);
	assert_continuous(0, 960);
	send_of(1, 4, 640); // overtaken on its way
	assert_int_equal(rig.n_out, 10);
	assert_int_equal(rig_stats(&rig).late, 1);
	rig.now_ns += 980 * RIG_MS;
	send_of(3, 9, 0);
	assert_int_equal(
		rig.out[10].view.timestamp - rig.out[9].view.timestamp, 960 + 960 + 980 * 48);
	assert_true(rig.out[10].view.marker);
	rig_fini(&rig);
}

static void restarted_sequence_is_followed_at_the_second_packet(void **)
{
	open_rig("PCMU", "opus");
	for (unsigned int i = 0; i < 5; i++)
		send_frame(i);
	send_frame(20000);
	send_frame(5);
	for (unsigned int i = 20000; i < 20005; i++)
		send_frame(i);
	assert_int_equal(rig.n_out, 6 + 4);
	assert_int_equal(rig_stats(&rig).late, 2);
	for (unsigned int i = 1; i < rig.n_out; i++)
		assert_int_equal(
			rig.out[i].view.sequence, (uint16_t)(rig.out[0].view.sequence + i));
	rig_fini(&rig);
}

static void garbage_is_counted_and_its_place_concealed(void **)
{
	static const uint8_t garbage[] = {0xff, 0xff, 0xff};
	struct rtp_view view = {.ssrc = 7, .pt = 111};
	unsigned int n_opus;

	rig_init(&rig, NULL);
	rig_open(&rig, rig_spec("PCMU", "opus"));
	for (unsigned int i = 0; i < 5; i++)
		send_frame(i);
	n_opus = rig.n_out;
	rig_open(&rig, rig_spec("opus", "PCMU"));
	for (unsigned int i = 0; i < n_opus; i++) {
		view.sequence = (uint16_t)i;
		view.timestamp = i * 960;
		if (i == 2)
			rig_send(&rig, rig.stream, &view, garbage, sizeof(garbage));
		else
			rig_send(&rig, rig.stream, &view, rig.out[i].payload,
				rig.out[i].view.payload_bytes);
	}
	assert_int_equal(rig.n_out - n_opus, 5);
	assert_continuous(n_opus, 160);
	assert_int_equal(rig_stats(&rig).bad, 1);
	assert_int_equal(rig_stats(&rig).concealed, 1);
	rig_fini(&rig);
}

static void other_payload_types_and_empty_packets_change_nothing(void **)
{
	struct rtp_view view = {.ssrc = SSRC, .pt = 13, .sequence = 105, .timestamp = 8000 + 800};

	open_rig("PCMU", "opus");
	for (unsigned int i = 0; i < 5; i++)
		send_frame(i);
	rig_send(&rig, rig.stream, &view, "x", 1);
	view.sequence++;
	view.pt = 0;
	rig_send(&rig, rig.stream, &view, "", 0);
	for (unsigned int i = 5; i < 10; i++)
		send_g711((uint16_t)(102 + i), 8000 + i * 160, 0x90, 160);
	assert_int_equal(rig.n_out, 10);
	assert_continuous(0, 960);
	assert_int_equal(rig_stats(&rig).unknown_pt, 1);
	assert_int_equal(rig_stats(&rig).concealed, 0);
	rig_fini(&rig);
}

// One packet of a source that loses, doubles, reorders, restarts, pauses and sends rubbish.
static void send_wild(uint32_t *ssrc, uint16_t *sequence, uint32_t *timestamp)
{
	struct rtp_view view = {.pt = rand() % 10 ? 0 : rand() % 2 ? 101 : 13};
	uint8_t payload[700];
	size_t n = view.pt == 101 ? 4 : rand() % 20 ? 160 : (size_t)rand() % sizeof(payload);

	*ssrc += rand() % 200 == 0;
	*sequence = (uint16_t)(rand() % 200 ? *sequence + 1 : rand());
	*timestamp += rand() % 50 ? 160u : (uint32_t)rand() % 20000;
	view.ssrc = *ssrc - (rand() % 100 == 0);
	view.sequence = (uint16_t)(*sequence - (rand() % 10 ? 0 : rand() % 5));
	view.timestamp = rand() % 200 ? *timestamp : (uint32_t)rand();
	for (size_t i = 0; i < n; i++)
		payload[i] = (uint8_t)rand();
	if (rand() % 10)
		rig_send(&rig, rig.stream, &view, payload, n);
	rig.now_ns += (uint64_t)(rand() % 40) * RIG_MS;
}

static void wild_input_gives_an_orderly_output(void **)
{
	for (unsigned int seed = 0; seed < 20; seed++) {
		struct transcode_spec spec = rig_spec("PCMU", seed % 2 ? "opus" : "PCMA");
		uint32_t ssrc = 1, timestamp = (uint32_t)seed * 400000000;
		uint16_t sequence = 65000;

		srand(seed);
		rig_init(&rig, NULL);
		spec.to_ptime_ms = (uint8_t)(10 + seed % 3 * 10);
		rig_open(&rig, spec);
		for (unsigned int i = 0; i < 1000; i++)
			send_wild(&ssrc, &sequence, &timestamp);
		assert_true(rig.n_out > 300);
		for (unsigned int i = 1; i < rig.n_out; i++) {
			assert_int_equal(rig.out[i].view.ssrc, rig.out[0].view.ssrc);
			assert_int_equal(
				rig.out[i].view.sequence, (uint16_t)(rig.out[0].view.sequence + i));
		}
		rig_fini(&rig);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip_through_opus_keeps_the_audio),
		cmocka_unit_test(lost_opus_packets_are_concealed_better_with_fec),
		cmocka_unit_test(first_packet_begins_a_talk_spurt),
		cmocka_unit_test(reordered_packets_leave_in_order),
		cmocka_unit_test(duplicates_are_dropped),
		cmocka_unit_test(lost_packet_is_concealed_and_its_straggler_counted),
		cmocka_unit_test(packet_behind_a_gap_does_not_wait_for_ever),
		cmocka_unit_test(long_loss_is_concealed_in_part_and_left_out_in_part),
		cmocka_unit_test(silence_of_the_source_stays_silence),
		cmocka_unit_test(timestamps_that_jump_without_reason_are_smoothed),
		cmocka_unit_test(any_packet_length_becomes_the_wanted_one),
		cmocka_unit_test(frame_begun_is_filled_up_before_silence),
		cmocka_unit_test(payload_in_odd_lengths_loses_no_sample),
		cmocka_unit_test(sequence_and_timestamp_wrap),
		cmocka_unit_test(new_source_goes_on_by_the_time_that_passed),
		cmocka_unit_test(restarted_sequence_is_followed_at_the_second_packet),
		cmocka_unit_test(garbage_is_counted_and_its_place_concealed),
		cmocka_unit_test(other_payload_types_and_empty_packets_change_nothing),
		cmocka_unit_test(wild_input_gives_an_orderly_output),
	};

	return cmocka_run_group_tests(tests, rig_eal, NULL);
}
