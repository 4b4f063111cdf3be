// AMR with frames that were sent before in front of each packet's own (RFC 4867 3.7.1): each is
// played once, and one that was lost is played out of the packet that repeats it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "amr_payload.h"
#include "rig.h"
#include "speech.h"
#include "stream.h"

#define N_FRAMES 60
#define MS_EACH	 20

static struct rig rig;
static struct amr_frame frames[N_FRAMES];
static const struct amr_layout layout = {.octet_align = true};

// Once; the reference is what comes of the frames one by one.
static struct rig_packet reference[N_FRAMES];

static void frames_make(void)
{
	static int16_t pcm[N_FRAMES * 160];
	static uint8_t state[64] __attribute__((aligned(16)));
	const struct codec *amr = codec_find("AMR", 8000, 1);
	const struct codec_params params = {.sample_hz = 8000,
		.channels = 1,
		.frame_ms = 20,
		.complexity = CODEC_DEFAULT,
		.options.octet_align = true};

	speech_synthesise(pcm, N_FRAMES * 160, 8000, 2);
	assert_true(amr->encoder_size() <= sizeof(state));
	assert_int_equal(amr->encoder_init(state, &params), 0);
	for (int i = 0; i < N_FRAMES; i++) {
		uint8_t bytes[CODEC_FRAME_BYTES_MAX];
		struct codec_encode_job job = {
			.state = state, .pcm = pcm + i * 160, .n_samples = 160, .payload = bytes};
		struct amr_payload payload;

		amr->encode(&job, 1);
		assert_int_equal(
			amr_payload_parse(&layout, bytes, (size_t)job.n_bytes, &payload), 0);
		assert_int_equal(payload.n_frames, 1);
		frames[i] = payload.frames[0];
	}
	amr->encoder_fini(state);
}

static void setup(uint16_t jitter_ms)
{
	struct transcode_spec spec;

	rig_init(&rig, NULL);
	spec = rig_spec("AMR", "PCMA");
	spec.from_options.octet_align = true;
	spec.jitter = jitter_ms ? TRANSCODE_JITTER_FIXED : TRANSCODE_JITTER_NONE;
	spec.jitter_ms = jitter_ms;
	rig.virtual_time = true;
	rig_open(&rig, spec);
}

// A packet whose last frame is `frame`, with up to `n_again` before it.
static void send(uint16_t sequence, int frame, int n_again)
{
	struct amr_payload payload = {.request = AMR_NO_REQUEST};
	uint8_t bytes[CODEC_FRAME_BYTES_MAX];
	int first = frame > n_again ? frame - n_again : 0;
	const struct rtp_view view = {.ssrc = 1,
		.sequence = sequence,
		.timestamp = (uint32_t)(1000 + first * 160),
		.pt = rig_spec("AMR", "PCMA").from_pt};

	for (int i = first; i <= frame; i++)
		payload.frames[payload.n_frames++] = frames[i];
	rig_send(&rig, rig.stream, &view, bytes, amr_payload_build(&layout, &payload, bytes));
}

static void pass(unsigned int ms)
{
	for (; ms; ms--) {
		rig.now_ns += RIG_MS;
		rig_pump(&rig);
	}
}

// Frames that are lost: bit i of `lost`.
static void play(int n_again, uint64_t lost)
{
	for (int i = 0; i < N_FRAMES; i++) {
		if (!(lost >> i & 1))
			send((uint16_t)i, i, n_again);
		pass(MS_EACH);
	}
	pass(200);
}

static void check_is_reference(unsigned int n_behind)
{
	assert_int_equal(rig.n_out, N_FRAMES + n_behind);
	for (unsigned int i = 0; i < N_FRAMES; i++) {
		assert_int_equal(rig.out[i].view.timestamp - rig.out[0].view.timestamp, i * 160);
		assert_memory_equal(rig.out[i].payload, reference[i].payload, 160);
	}
}

static int make_reference(void **state)
{
	if (rig_eal(state))
		return -1;
	setup(0);
	frames_make();
	play(0, 0);
	assert_int_equal(rig.n_out, N_FRAMES);
	memcpy(reference, rig.out, sizeof(reference));
	rig_fini(&rig);
	return 0;
}

static void repeated_frames_are_played_once(void **)
{
	for (int n_again = 1; n_again <= 3; n_again++) {
		setup(0);
		play(n_again, 0);
		check_is_reference(0);
		assert_int_equal(rig_stats(&rig).concealed, 0);
		rig_fini(&rig);
	}
}

// Bit by bit what would have come without loss.
static void lost_frames_are_played_out_of_the_next_packet(void **)
{
	setup(0);
	play(1, 1ull << 5 | 1ull << 20 | 1ull << 41);
	check_is_reference(0);
	rig_fini(&rig);
	setup(0);
	play(2, 3ull << 7 | 1ull << 30);
	check_is_reference(0);
	assert_int_equal(rig_stats(&rig).concealed, 0);
	rig_fini(&rig);
}

// What is made up there is behind the last packet alone.
static void so_they_are_behind_a_jitter_buffer(void **)
{
	for (int lossy = 0; lossy < 2; lossy++) {
		setup(60);
		play(1, lossy ? 1ull << 9 | 1ull << 33 : 0);
		check_is_reference((unsigned int)rig_stats(&rig).concealed);
		assert_int_equal(rig_stats(&rig).concealed, STREAM_CONCEAL_MAX);
		assert_int_equal(rig_stats(&rig).late, 0);
		rig_fini(&rig);
	}
}

// What is lost beyond the redundancy is made up, and time goes on as it was.
static void more_loss_than_redundancy_is_concealed(void **)
{
	setup(0);
	play(1, 7ull << 20);
	assert_int_equal(rig.n_out, N_FRAMES);
	for (unsigned int i = 1; i < N_FRAMES; i++)
		assert_int_equal(rig.out[i].view.timestamp - rig.out[i - 1].view.timestamp, 160);
	assert_int_equal(rig_stats(&rig).concealed, 2);
	rig_fini(&rig);
}

// The same frames under a new sequence number say nothing new.
static void a_packet_of_old_frames_is_passed_over(void **)
{
	setup(0);
	for (uint16_t i = 0; i < 20; i++) {
		send(i, i / 2, 0);
		pass(MS_EACH / 2);
	}
	pass(100);
	assert_int_equal(rig.n_out, 10);
	for (unsigned int i = 0; i < 10; i++)
		assert_memory_equal(rig.out[i].payload, reference[i].payload, 160);
	assert_int_equal(rig_stats(&rig).duplicates, 10);
	rig_fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(repeated_frames_are_played_once),
		cmocka_unit_test(lost_frames_are_played_out_of_the_next_packet),
		cmocka_unit_test(so_they_are_behind_a_jitter_buffer),
		cmocka_unit_test(more_loss_than_redundancy_is_concealed),
		cmocka_unit_test(a_packet_of_old_frames_is_passed_over),
	};

	return cmocka_run_group_tests(tests, make_reference, NULL);
}
