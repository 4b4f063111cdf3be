// Comfort noise through a stream: payloads that become noise for as long as the silence lasts, and
// silence that becomes payloads.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>
#include <unistd.h>

#include "g711.h"
#include "noise.h"
#include "rig.h"

#define FRAME	160
#define CN_PT	13
#define WAIT_MS 20000 // longest, on a busy machine

static struct rig rig;
static uint16_t sequence;
static uint32_t timestamp;

static void open_stream(bool hears, bool sends)
{
	struct transcode_spec spec = rig_spec("PCMU", "PCMA");

	spec.hears_noise = hears;
	spec.sends_noise = sends;
	spec.cn_from_pt = spec.cn_to_pt = CN_PT;
	rig_init(&rig, NULL);
	rig_open(&rig, spec);
	sequence = 65530;
	timestamp = 4294960000u;
}

static void send(uint8_t pt, const uint8_t *payload, size_t n)
{
	const struct rtp_view view = {
		.ssrc = 1, .sequence = sequence++, .timestamp = timestamp, .pt = pt};

	rig_send(&rig, rig.stream, &view, payload, n);
	rig.now_ns += 20 * RIG_MS;
}

static void send_pcm(const int16_t *pcm)
{
	uint8_t payload[FRAME];
	struct codec_encode_job job = {.pcm = pcm, .n_samples = FRAME, .payload = payload};

	codec_find("PCMU", 8000, 1)->encode(&job, 1);
	send(0, payload, FRAME);
	timestamp += FRAME;
}

static void send_tone(unsigned int n)
{
	int16_t pcm[FRAME];

	for (int i = 0; i < FRAME; i++)
		pcm[i] = (int16_t)(8000 * sin(2 * M_PI * i / 20));
	while (n--)
		send_pcm(pcm);
}

static double level_db(const struct rig_packet *packet)
{
	static uint8_t state[8192] __attribute__((aligned(16)));
	const struct codec *pcma = codec_find("PCMA", 8000, 1);
	int16_t pcm[FRAME];
	double sum = 1e-6;
	struct codec_decode_job job = {.state = state,
		.payload = packet->payload,
		.n_bytes = FRAME,
		.pcm = pcm,
		.n_samples = FRAME};

	pcma->decode(&job, 1);
	assert_int_equal(job.n_decoded, FRAME);
	for (int i = 0; i < FRAME; i++)
		sum += (double)pcm[i] * pcm[i];
	return 10 * log10(sum / FRAME / (32768.0 * 32768.0));
}

static void wait_for(unsigned int n_out)
{
	for (int ms = 0; ms < WAIT_MS && rig.n_out < n_out; ms++) {
		usleep(1000);
		rig_pump(&rig);
	}
	assert_true(rig.n_out >= n_out);
}

static void assert_continuous(void)
{
	for (unsigned int i = 1; i < rig.n_out; i++) {
		assert_int_equal(
			(uint16_t)(rig.out[i].view.sequence - rig.out[i - 1].view.sequence), 1);
		assert_int_equal(rig.out[i].view.timestamp - rig.out[i - 1].view.timestamp, FRAME);
	}
}

static void a_payload_becomes_noise_until_audio_comes(void **)
{
	static const uint8_t quiet[] = {45, 80, 140}, quieter[] = {60};
	unsigned int n_paced, n_all;

	open_stream(true, false);
	send_tone(5);
	send(CN_PT, quiet, sizeof(quiet));
	assert_int_equal(rig.n_out, 5);
	wait_for(5 + 20); // without any packet
	n_paced = rig.n_out;
	for (unsigned int i = 12; i < n_paced; i++)
		assert_true(fabs(level_db(&rig.out[i]) + 45) < 4);
	// Another level, ten frames behind what is there, and audio ten frames behind that.
	timestamp += (n_paced - 5 + 10) * FRAME;
	send(CN_PT, quieter, sizeof(quieter));
	n_all = rig.n_out;
	assert_in_range(n_all, n_paced + 10, n_paced + 11);
	timestamp += 30 * FRAME;
	send_tone(5);
	assert_int_equal(rig.n_out, n_paced + 10 + 30 + 5);
	for (unsigned int i = n_paced + 10 + 15; i < n_paced + 10 + 30; i++)
		assert_true(fabs(level_db(&rig.out[i]) + 60) < 4);
	for (unsigned int i = n_paced + 10 + 31; i < rig.n_out; i++)
		assert_true(level_db(&rig.out[i]) > -20);
	assert_continuous();
	n_all = rig.n_out;
	for (int i = 0; i < 100; i++) { // and none goes on
		usleep(1000);
		rig_pump(&rig);
	}
	assert_int_equal(rig.n_out, n_all);
	rig_fini(&rig);
}

static void a_payload_that_makes_no_sense_is_counted(void **)
{
	static const uint8_t bad[] = {0xff, 1, 2};

	open_stream(true, false);
	send_tone(2);
	send(CN_PT, bad, sizeof(bad));
	send(CN_PT, bad, 0);
	assert_int_equal(rig_stats(&rig).bad, 2);
	send_tone(2);
	assert_int_equal(rig.n_out, 4);
	rig_fini(&rig);
}

static void a_stream_that_makes_noise_can_be_removed(void **)
{
	static const uint8_t quiet[] = {45};

	open_stream(true, false);
	send_tone(2);
	send(CN_PT, quiet, 1);
	wait_for(4);
	rig_fini(&rig); // fails where something is left
}

static void silence_becomes_payloads(void **)
{
	const struct noise_shape shape = {.level = 60, .n = 1, .k = {-0.6f}};
	struct noise_maker maker;
	struct noise_shape told;
	unsigned int n_noise = 0, n_audio = 0, at = 0;
	int16_t pcm[8000];

	open_stream(false, true);
	noise_maker_init(&maker, 3);
	noise_make(&maker, &shape, pcm, 8000); // to its level
	send_tone(20);
	for (int i = 0; i < 100; i++) {
		noise_make(&maker, &shape, pcm, FRAME);
		send_pcm(pcm);
	}
	send_tone(10);
	for (unsigned int i = 0; i < rig.n_out; i++) {
		n_noise += rig.out[i].view.pt == CN_PT;
		n_audio += rig.out[i].view.pt != CN_PT;
		at = rig.out[i].view.pt == CN_PT && n_noise == 1 ? i : at;
		assert_int_equal(
			(uint16_t)(rig.out[i].view.sequence - rig.out[0].view.sequence), i);
	}
	assert_in_range(n_noise, 1, 3);
	assert_in_range(n_audio, 20 + 9 + 10, 20 + 13 + 10);
	assert_int_equal(rig.out[at].view.timestamp - rig.out[0].view.timestamp, at * FRAME);
	assert_int_equal(
		noise_parse(rig.out[at].payload, rig.out[at].view.payload_bytes, &told), 0);
	assert_in_range(told.level, 57, 63);
	assert_true(fabsf(told.k[0] + 0.6f) < 0.2f);
	assert_true(rig.out[rig.n_out - 10].view.marker); // the talk spurt
	assert_int_equal(
		rig.out[rig.n_out - 10].view.timestamp - rig.out[0].view.timestamp, 120 * FRAME);
	rig_fini(&rig);
}

#define MARK(i) ((uint8_t)(0x80 + 2 * (i))) // PCMU octets that tell packets apart

static void send_mark(unsigned int i)
{
	uint8_t payload[FRAME];

	memset(payload, MARK(i), sizeof(payload));
	send(0, payload, FRAME);
	timestamp += FRAME;
}

static void pass_ms(unsigned int ms)
{
	for (; ms; ms--) {
		rig.now_ns += RIG_MS;
		rig_pump(&rig);
	}
}

// By how much the output's time is ahead of the input's, for the packet with this mark; -1 where it
// has not come out.
static int64_t shift_of(unsigned int mark, uint32_t sent_at)
{
	uint8_t law[2];
	const uint8_t octet = MARK(mark);

	g711_ulaw_to_alaw(law, &octet, 1);
	for (unsigned int i = 0; i < rig.n_out; i++)
		if (rig.out[i].payload[0] == law[0] && rig.out[i].payload[FRAME - 1] == law[0])
			return (uint32_t)(rig.out[i].view.timestamp - sent_at);
	return -1;
}

// However late the first packet behind a silence is, the output's time stays the input's: what
// noise was made in the place of is left out, and nothing is delayed for good.
static void the_output_stays_where_the_input_is_after_silence(void **)
{
	static const unsigned int lateness_ms[] = {0, 30, 60, 100, 160};
	static const uint8_t quiet[] = {45};
	uint32_t first = 0, last = 0;

	open_stream(true, false);
	rig.virtual_time = true;
	for (size_t k = 0; k < sizeof(lateness_ms) / sizeof(lateness_ms[0]); k++) {
		uint32_t silence_ms = 400, talk = timestamp;

		send_mark(2 * (unsigned int)k);
		pass_ms(1);
		first = k ? first : (uint32_t)shift_of(0, talk);
		send(CN_PT, quiet, sizeof(quiet));
		pass_ms(silence_ms - 40);
		timestamp += silence_ms * 8 - FRAME;
		pass_ms(lateness_ms[k]);
		for (int i = 0; i < 9; i++) // as they come then: at once
			send_mark(20);
		last = timestamp;
		send_mark(2 * (unsigned int)k + 1);
		pass_ms(40);
		assert_int_equal(shift_of(2 * (unsigned int)k + 1, last), first);
	}
	assert_continuous();
	rig_fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_output_stays_where_the_input_is_after_silence),
		cmocka_unit_test(a_payload_becomes_noise_until_audio_comes),
		cmocka_unit_test(a_payload_that_makes_no_sense_is_counted),
		cmocka_unit_test(a_stream_that_makes_noise_can_be_removed),
		cmocka_unit_test(silence_becomes_payloads),
	};

	return cmocka_run_group_tests(tests, rig_eal, NULL);
}
