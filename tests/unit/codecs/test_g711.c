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
#include "g711.h"
#include "plc.h"

#define SWEEP 65536

static const struct codec *pcmu, *pcma;

static uint8_t encode_sample(const struct codec *codec, int16_t sample)
{
	uint8_t code;
	struct codec_encode_job job = {.pcm = &sample, .n_samples = 1, .payload = &code};

	codec->encode(&job, 1);
	assert_int_equal(job.n_bytes, 1);
	return code;
}

static int16_t decode_code(const struct codec *codec, uint8_t code)
{
	struct plc plc;
	int16_t sample;
	struct codec_decode_job job = {
		.state = &plc, .payload = &code, .n_bytes = 1, .pcm = &sample, .n_samples = 1};

	plc_init(&plc);
	codec->decode(&job, 1);
	assert_int_equal(job.n_decoded, 1);
	return sample;
}

// Values worked out by hand from the tables of G.711: edges of segments, extremes, the zeros.
static void known_answers(void **)
{
	static const struct {
		int16_t sample;
		uint8_t ulaw, alaw;
	} encoded[] = {
		{0, 0xff, 0xd5},
		{-1, 0x7f, 0x55},
		{4, 0xfe, 0xd5},
		{-8, 0x7e, 0x55},
		{16, 0xfd, 0xd4},
		{-17, 0x7d, 0x54},
		{1000, 0xce, 0xfa},
		{-1000, 0x4e, 0x7a},
		{32767, 0x80, 0xaa},
		{-32768, 0x00, 0x2a},
		{32635, 0x80, 0xaa},
		{511, 0xdb, 0xca},
		{512, 0xdb, 0xf5},
	};
	static const struct {
		uint8_t code;
		int16_t ulaw, alaw;
	} decoded[] = {
		{0x00, -32124, -5504},
		{0x80, 32124, 5504},
		{0xff, 0, 848},
		{0x7f, 0, -848},
		{0xd5, 716, 8},
		{0x55, -716, -8},
		{0x2a, -5372, -32256},
		{0xaa, 5372, 32256},
	};

	for (size_t i = 0; i < sizeof(encoded) / sizeof(encoded[0]); i++) {
		assert_int_equal(encode_sample(pcmu, encoded[i].sample), encoded[i].ulaw);
		assert_int_equal(encode_sample(pcma, encoded[i].sample), encoded[i].alaw);
	}
	for (size_t i = 0; i < sizeof(decoded) / sizeof(decoded[0]); i++) {
		assert_int_equal(decode_code(pcmu, decoded[i].code), decoded[i].ulaw);
		assert_int_equal(decode_code(pcma, decoded[i].code), decoded[i].alaw);
	}
}

static int16_t *sweep_read(const char *name)
{
	char path[128];
	int16_t *words = malloc(SWEEP * sizeof(*words));
	FILE *file;
	size_t n;

	snprintf(path, sizeof(path), "../shared/vectors/g711/%s", name);
	file = fopen(path, "rb");
	assert_non_null(words);
	if (!file) {
		print_message("%s is not there: skipped\n", path);
		free(words);
		skip();
	}
	n = fread(words, sizeof(*words), SWEEP, file); // little-endian, as we are
	fclose(file);
	assert_int_equal(n, SWEEP);
	return words;
}

static void check_sweep(const struct codec *codec, const char *codes_name, const char *decoded_name)
{
	int16_t *source = sweep_read("sweep.src"), *codes = sweep_read(codes_name);
	int16_t *decoded = sweep_read(decoded_name);

	for (int i = 0; i < SWEEP; i++) {
		assert_int_equal(encode_sample(codec, source[i]), codes[i]);
		assert_int_equal(decode_code(codec, (uint8_t)codes[i]), decoded[i]);
	}
	free(source);
	free(codes);
	free(decoded);
}

static void itu_sweep_of_mu_law_is_exact(void **)
{
	check_sweep(pcmu, "sweep-r.u", "sweep-r.u-u");
	check_sweep(pcmu, "sweep-r.u", "sweep-r.reu");
}

static void itu_sweep_of_a_law_is_exact(void **)
{
	check_sweep(pcma, "sweep-r.a", "sweep-r.a-a");
	check_sweep(pcma, "sweep-r.a", "sweep-r.rea");
}

static void every_code_survives_decoding_and_encoding(void **)
{
	for (int code = 0; code < 256; code++) {
		int16_t sample = decode_code(pcmu, (uint8_t)code);

		// The negative zero of mu-law decodes to the one zero there is.
		assert_int_equal(encode_sample(pcmu, sample), code == 0x7f ? 0xff : code);
		assert_int_equal(encode_sample(pcma, decode_code(pcma, (uint8_t)code)), code);
	}
}

static void direct_conversion_equals_the_linear_way(void **)
{
	for (int code = 0; code < 256; code++) {
		uint8_t in = (uint8_t)code, alaw, ulaw;

		g711_ulaw_to_alaw(&alaw, &in, 1);
		g711_alaw_to_ulaw(&ulaw, &in, 1);
		assert_int_equal(alaw, encode_sample(pcma, decode_code(pcmu, in)));
		assert_int_equal(ulaw, encode_sample(pcmu, decode_code(pcma, in)));
	}
}

static void direct_conversion_works_in_place_at_any_length(void **)
{
	uint8_t bytes[300], apart[300];

	for (size_t n = 0; n <= 257; n++) {
		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)(i * 7 + n);
		memcpy(apart, bytes, sizeof(apart));
		g711_ulaw_to_alaw(apart, bytes, n);
		g711_ulaw_to_alaw(bytes, bytes, n);
		assert_memory_equal(apart, bytes, sizeof(bytes));
		g711_alaw_to_ulaw(apart, bytes, n);
		g711_alaw_to_ulaw(bytes, bytes, n);
		assert_memory_equal(apart, bytes, sizeof(bytes));
	}
}

static void lengths_that_do_not_fit_are_refused(void **)
{
	uint8_t payload[961];
	int16_t pcm[960];
	struct plc plc;
	struct codec_decode_job job = {
		.state = &plc, .payload = payload, .pcm = pcm, .n_samples = 160};

	memset(payload, 0xff, sizeof(payload));
	plc_init(&plc);
	job.n_bytes = 161;
	pcmu->decode(&job, 1);
	assert_int_equal(job.n_decoded, -EBADMSG);
	job.n_bytes = 0;
	pcmu->decode(&job, 1);
	assert_int_equal(job.n_decoded, -EBADMSG);
	assert_int_equal(
		pcmu->payload_samples(payload, 961, &(struct codec_params){.sample_hz = 8000}),
		-EBADMSG);
	assert_int_equal(
		pcmu->payload_samples(payload, 960, &(struct codec_params){.sample_hz = 8000}),
		960);
	assert_int_equal(
		pcmu->payload_samples(payload, 0, &(struct codec_params){.sample_hz = 8000}),
		-EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_answers),
		cmocka_unit_test(itu_sweep_of_mu_law_is_exact),
		cmocka_unit_test(itu_sweep_of_a_law_is_exact),
		cmocka_unit_test(every_code_survives_decoding_and_encoding),
		cmocka_unit_test(direct_conversion_equals_the_linear_way),
		cmocka_unit_test(direct_conversion_works_in_place_at_any_length),
		cmocka_unit_test(lengths_that_do_not_fit_are_refused),
	};

	pcmu = codec_find("PCMU", 8000, 1);
	pcma = codec_find("PCMA", 8000, 1);
	return pcmu && pcma ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
