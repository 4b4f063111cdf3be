// What every codec of the list must hold: the same test for all of them.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "codec_plugin.h"
#include "speech.h"

#define N_FRAMES  40
#define N_STREAMS 7
#define FRAME_MAX 960

// One stream through encoder and decoder, in blocks that can be moved.
struct stream {
	void *encoder, *decoder;
	uint8_t payload[CODEC_FRAME_BYTES_MAX];
	int n_bytes;
	int16_t pcm[CODEC_FRAME_SAMPLES_MAX];
	int n_decoded;
};

static void *block_create(size_t size)
{
	size = (size + 31) & ~(size_t)15;
	return memset(aligned_alloc(16, size), 0, size);
}

static void stream_init(struct stream *s, const struct codec *codec, uint32_t hz)
{
	struct codec_params params = {
		.sample_hz = hz, .channels = 1, .frame_ms = 20, .complexity = CODEC_DEFAULT};

	s->encoder = block_create(codec->encoder_size());
	s->decoder = block_create(codec->decoder_size());
	assert_int_equal(codec->encoder_init(s->encoder, &params), 0);
	assert_int_equal(codec->decoder_init(s->decoder, &params), 0);
}

static void stream_fini(struct stream *s, const struct codec *codec)
{
	if (codec->encoder_fini)
		codec->encoder_fini(s->encoder);
	if (codec->decoder_fini)
		codec->decoder_fini(s->decoder);
	free(s->encoder);
	free(s->decoder);
}

// A copy elsewhere; the old place is overwritten before it is freed.
static void *moved(void *block, size_t size)
{
	void *copy = block_create(size);

	memcpy(copy, block, size);
	memset(block, 0xa5, size);
	free(block);
	return copy;
}

static void run_batch(const struct codec *codec, struct stream *streams, size_t n,
	const int16_t *pcm, uint16_t frame, bool lose)
{
	struct codec_encode_job encode[N_STREAMS];
	struct codec_decode_job decode[N_STREAMS];

	for (size_t i = 0; i < n; i++)
		encode[i] = (struct codec_encode_job){.state = streams[i].encoder,
			.pcm = pcm + i * 100,
			.n_samples = frame,
			.payload = streams[i].payload};
	codec->encode(encode, n);
	for (size_t i = 0; i < n; i++) {
		streams[i].n_bytes = encode[i].n_bytes;
		decode[i] = (struct codec_decode_job){.state = streams[i].decoder,
			.payload = lose ? NULL : streams[i].payload,
			.n_bytes = (uint16_t)encode[i].n_bytes,
			.pcm = streams[i].pcm,
			.n_samples = lose ? frame : CODEC_FRAME_SAMPLES_MAX};
	}
	codec->decode(decode, n);
	for (size_t i = 0; i < n; i++)
		streams[i].n_decoded = decode[i].n_decoded;
}

static void assert_same(const struct stream *a, const struct stream *b, int frame)
{
	assert_true(a->n_bytes > 0);
	assert_int_equal(a->n_bytes, b->n_bytes);
	assert_memory_equal(a->payload, b->payload, (size_t)a->n_bytes);
	assert_int_equal(a->n_decoded, frame);
	assert_int_equal(b->n_decoded, frame);
	assert_memory_equal(a->pcm, b->pcm, (size_t)frame * 2);
}

static int16_t speech[FRAME_MAX * (N_FRAMES + 1) + N_STREAMS * 100];

// For each codec and each of its rates.
static void for_each_rate(void (*check)(const struct codec *, uint32_t, uint16_t))
{
	for (const struct codec *const *c = codecs; *c; c++) {
		for (const uint32_t *hz = (*c)->sample_rates; *hz; hz++) {
			speech_synthesise(speech, sizeof(speech) / 2, *hz, 6);
			check(*c, *hz, (uint16_t)(*hz / 1000 * codec_frame_ms(*c, 20)));
		}
	}
}

static void check_moved(const struct codec *codec, uint32_t hz, uint16_t frame)
{
	static struct stream still, moving;

	stream_init(&still, codec, hz);
	stream_init(&moving, codec, hz);
	for (int k = 0; k < N_FRAMES; k++) {
		moving.encoder = moved(moving.encoder, codec->encoder_size());
		moving.decoder = moved(moving.decoder, codec->decoder_size());
		run_batch(codec, &still, 1, speech + k * frame, frame, k % 9 == 4);
		run_batch(codec, &moving, 1, speech + k * frame, frame, k % 9 == 4);
		assert_same(&still, &moving, frame);
	}
	stream_fini(&still, codec);
	stream_fini(&moving, codec);
}

static void state_can_be_moved_between_frames(void **)
{
	for_each_rate(check_moved);
}

static void check_batch(const struct codec *codec, uint32_t hz, uint16_t frame)
{
	static struct stream single[N_STREAMS], batch[N_STREAMS];

	for (int i = 0; i < N_STREAMS; i++) {
		stream_init(&single[i], codec, hz);
		stream_init(&batch[i], codec, hz);
	}
	for (int k = 0; k < N_FRAMES; k++) {
		const int16_t *pcm = speech + k * frame;

		run_batch(codec, batch, N_STREAMS, pcm, frame, k % 9 == 4);
		for (int i = 0; i < N_STREAMS; i++) {
			run_batch(codec, &single[i], 1, pcm + i * 100, frame, k % 9 == 4);
			assert_same(&single[i], &batch[i], frame);
		}
	}
	for (int i = 0; i < N_STREAMS; i++) {
		stream_fini(&single[i], codec);
		stream_fini(&batch[i], codec);
	}
}

static void batch_equals_one_at_a_time(void **)
{
	for_each_rate(check_batch);
}

// The input lies in memory that cannot be written: a codec that does faults.
static void check_const_input(const struct codec *codec, uint32_t hz, uint16_t frame)
{
	static struct stream s;
	int16_t *sealed = mmap(
		NULL, sizeof(speech), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(sealed, MAP_FAILED);
	memcpy(sealed, speech, sizeof(speech));
	assert_int_equal(mprotect(sealed, sizeof(speech), PROT_READ), 0);
	stream_init(&s, codec, hz);
	for (int k = 0; k < N_FRAMES; k++) {
		run_batch(codec, &s, 1, sealed + k * frame, frame, false);
		assert_int_equal(s.n_decoded, frame);
	}
	stream_fini(&s, codec);
	munmap(sealed, sizeof(speech));
}

static void encoder_does_not_write_to_its_input(void **)
{
	for_each_rate(check_const_input);
}

static void check_restart(const struct codec *codec, uint32_t hz, uint16_t frame)
{
	static struct stream fresh, used;
	struct codec_params params = {
		.sample_hz = hz, .channels = 1, .frame_ms = 20, .complexity = CODEC_DEFAULT};

	stream_init(&fresh, codec, hz);
	stream_init(&used, codec, hz);
	for (int k = 0; k < 10; k++)
		run_batch(codec, &used, 1, speech + k * frame, frame, k % 3 == 2);
	codec->encoder_init(used.encoder, &params);
	codec->decoder_init(used.decoder, &params);
	for (int k = 0; k < 10; k++) {
		run_batch(codec, &fresh, 1, speech + k * frame, frame, false);
		run_batch(codec, &used, 1, speech + k * frame, frame, false);
		assert_same(&fresh, &used, frame);
	}
	stream_fini(&fresh, codec);
	stream_fini(&used, codec);
}

static void stream_that_begins_anew_forgets_everything(void **)
{
	for_each_rate(check_restart);
}

static void codecs_are_found_by_name_clock_and_channels(void **)
{
	assert_string_equal(codec_find("pcmu", 8000, 1)->name, "PCMU");
	assert_string_equal(codec_find("Opus", 48000, 2)->name, "opus");
	assert_null(codec_find("opus", 48000, 1));
	assert_null(codec_find("PCMU", 16000, 1));
	assert_null(codec_find("telephone-event", 8000, 1));
}

static void frame_length_is_the_longest_that_is_not_longer(void **)
{
	static const struct {
		const char *name;
		uint8_t ptime_ms, frame_ms;
	} cases[] = {{"opus", 0, 20}, {"opus", 5, 10}, {"opus", 20, 20}, {"opus", 30, 20},
		{"opus", 50, 40}, {"opus", 120, 60}, {"PCMU", 30, 30}, {"PCMU", 25, 20},
		{"PCMU", 200, 60}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct codec *codec = cases[i].name[0] == 'o' ? codec_find("opus", 48000, 2)
								    : codec_find("PCMU", 8000, 1);

		assert_int_equal(codec_frame_ms(codec, cases[i].ptime_ms), cases[i].frame_ms);
	}
}

static void common_rate_is_the_highest_that_both_have(void **)
{
	const struct codec *opus = codec_find("opus", 48000, 2),
			   *pcma = codec_find("PCMA", 8000, 1);

	assert_int_equal(codec_common_rate(opus, pcma, 0), 8000);
	assert_int_equal(codec_common_rate(pcma, opus, 48000), 8000);
	assert_int_equal(codec_common_rate(opus, opus, 0), 48000);
	assert_int_equal(codec_common_rate(opus, opus, 16000), 16000);
	assert_int_equal(codec_common_rate(opus, opus, 20000), 16000);
	assert_int_equal(codec_common_rate(opus, opus, 4000), 8000);
}

static void codecs_without_a_common_rate_are_joined_by_two(void **)
{
	const struct codec *opus = codec_find("opus", 48000, 2),
			   *pcmu = codec_find("PCMU", 8000, 1), *g722 = codec_find("G722", 8000, 1);
	const struct codec odd = {.sample_rates = {44100}}, wide = {.sample_rates = {16000}};
	struct codec_rates rates;

	assert_int_equal(codec_rates(pcmu, opus, 0, &rates), 0);
	assert_int_equal(rates.decode_hz, 8000);
	assert_int_equal(rates.encode_hz, 8000);
	assert_int_equal(codec_rates(opus, g722, 0, &rates), 0);
	assert_int_equal(rates.decode_hz, 16000);
	assert_int_equal(rates.encode_hz, 16000);
	assert_int_equal(codec_rates(pcmu, g722, 0, &rates), 0);
	assert_int_equal(rates.decode_hz, 8000);
	assert_int_equal(rates.encode_hz, 8000);
	assert_int_equal(codec_rates(pcmu, &wide, 0, &rates), 0);
	assert_int_equal(rates.decode_hz, 8000);
	assert_int_equal(rates.encode_hz, 16000);
	assert_int_equal(codec_rates(&wide, pcmu, 8000, &rates), 0);
	assert_int_equal(rates.decode_hz, 16000);
	assert_int_equal(rates.encode_hz, 8000);
	assert_int_equal(codec_rates(pcmu, &odd, 0, &rates), -EOPNOTSUPP);
}

int main(int argc, char **argv)
{
	char error[512];

	const struct CMUnitTest tests[] = {
		cmocka_unit_test(state_can_be_moved_between_frames),
		cmocka_unit_test(batch_equals_one_at_a_time),
		cmocka_unit_test(encoder_does_not_write_to_its_input),
		cmocka_unit_test(stream_that_begins_anew_forgets_everything),
		cmocka_unit_test(codecs_are_found_by_name_clock_and_channels),
		cmocka_unit_test(frame_length_is_the_longest_that_is_not_longer),
		cmocka_unit_test(common_rate_is_the_highest_that_both_have),
		cmocka_unit_test(codecs_without_a_common_rate_are_joined_by_two),
	};

	if (argc == 2 && !codec_plugin_load(argv[1], error, sizeof(error)))
		return 1;
	return codecs_init() == 0 ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
