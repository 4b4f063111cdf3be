// RFC 4867 payloads against a second writing of them, as text of zeros and ones, which is slow and
// plain: every frame type, both bands, both layouts, any number of frames.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>

#include "amr_payload.h"

#define TEXT_MAX 4096

// Speech bits by frame type, written down once more from 3GPP TS 26.101 and 26.201.
static const struct {
	enum amr_band band;
	uint8_t type;
	unsigned int n_bits;
} types[] = {
	{AMR_NARROW, 0, 95},
	{AMR_NARROW, 1, 103},
	{AMR_NARROW, 2, 118},
	{AMR_NARROW, 3, 134},
	{AMR_NARROW, 4, 148},
	{AMR_NARROW, 5, 159},
	{AMR_NARROW, 6, 204},
	{AMR_NARROW, 7, 244},
	{AMR_NARROW, 8, 39},
	{AMR_NARROW, 15, 0},
	{AMR_WIDE, 0, 132},
	{AMR_WIDE, 1, 177},
	{AMR_WIDE, 2, 253},
	{AMR_WIDE, 3, 285},
	{AMR_WIDE, 4, 317},
	{AMR_WIDE, 5, 365},
	{AMR_WIDE, 6, 397},
	{AMR_WIDE, 7, 461},
	{AMR_WIDE, 8, 477},
	{AMR_WIDE, 9, 40},
	{AMR_WIDE, 14, 0},
	{AMR_WIDE, 15, 0},
};
#define N_TYPES (sizeof(types) / sizeof(types[0]))

static struct amr_frame random_frame(size_t t, bool is_good)
{
	struct amr_frame frame = {{(uint8_t)(types[t].type << 3 | is_good << 2)}};

	for (unsigned int i = 0; i < types[t].n_bits; i++)
		frame.bytes[1 + i / 8] |= (uint8_t)((rand() >> 8 & 1) << (7 - i % 8));
	return frame;
}

static void put_bits(char *text, unsigned int value, unsigned int n)
{
	char *at = text + strlen(text);

	for (unsigned int i = n; i-- > 0;)
		*at++ = value >> i & 1 ? '1' : '0';
	*at = '\0';
}

static void pad(char *text)
{
	while (strlen(text) % 8)
		strcat(text, "0");
}

// The payload as text; `t` are indices into types[].
static void write_text(
	const struct amr_payload *payload, const size_t *t, bool octet_align, char *text)
{
	*text = '\0';
	put_bits(text, payload->request, 4);
	if (octet_align)
		pad(text);
	for (int i = 0; i < payload->n_frames; i++) {
		put_bits(text, i + 1 < payload->n_frames, 1);
		put_bits(text, types[t[i]].type, 4);
		put_bits(text, payload->frames[i].bytes[0] >> 2 & 1, 1);
		if (octet_align)
			pad(text);
	}
	for (int i = 0; i < payload->n_frames; i++) {
		for (unsigned int k = 0; k < types[t[i]].n_bits; k++)
			put_bits(text, payload->frames[i].bytes[1 + k / 8] >> (7 - k % 8) & 1, 1);
		if (octet_align)
			pad(text);
	}
	pad(text);
}

static size_t text_to_bytes(const char *text, uint8_t *bytes)
{
	size_t n = strlen(text) / 8;

	memset(bytes, 0, n);
	for (size_t i = 0; text[i]; i++)
		bytes[i / 8] |= (uint8_t)((text[i] - '0') << (7 - i % 8));
	return n;
}

static void check(const size_t *t, uint8_t n_frames, bool octet_align)
{
	struct amr_layout layout = {types[t[0]].band, octet_align};
	struct amr_payload payload = {.request = (uint8_t)(rand() % 16), .n_frames = n_frames};
	static struct amr_payload parsed;
	uint8_t want[TEXT_MAX / 8], got[TEXT_MAX / 8];
	char text[TEXT_MAX];
	size_t n;

	for (int i = 0; i < n_frames; i++)
		payload.frames[i] = random_frame(t[i], rand() & 1);
	write_text(&payload, t, octet_align, text);
	n = text_to_bytes(text, want);
	assert_int_equal(amr_payload_build(&layout, &payload, got), n);
	assert_memory_equal(got, want, n);

	memset(&parsed, 0, sizeof(parsed));
	assert_int_equal(amr_payload_parse(&layout, want, n, &parsed), 0);
	assert_memory_equal(&parsed, &payload, sizeof(parsed));

	memset(&parsed, 0xa5, sizeof(parsed)); // nothing is written where it is malformed
	assert_int_equal(amr_payload_parse(&layout, want, n - 1, &parsed), -EBADMSG);
	want[n] = 0;
	assert_int_equal(amr_payload_parse(&layout, want, n + 1, &parsed), -EBADMSG);
	assert_int_equal(parsed.n_frames, 0xa5);
}

static void every_frame_type_is_read_and_written_in_both_layouts(void **)
{
	for (size_t t = 0; t < N_TYPES; t++) {
		check(&t, 1, false);
		check(&t, 1, true);
		assert_int_equal(amr_frame_bytes(types[t].band, types[t].type),
			1 + (types[t].n_bits + 7) / 8);
	}
}

static void frames_of_any_types_go_together(void **)
{
	for (int round = 0; round < 2000; round++) {
		uint8_t n = (uint8_t)(1 + rand() % AMR_FRAMES_MAX);
		size_t t[AMR_FRAMES_MAX];

		for (int i = 0; i < n; i++) // ten narrow, twelve wide
			t[i] = (size_t)(round % 2 ? rand() % 10 : 10 + rand() % 12);
		check(t, n, round % 4 < 2);
	}
}

static void reserved_frame_types_and_too_many_frames_are_refused(void **)
{
	static const struct {
		enum amr_band band;
		uint8_t type;
	} reserved[] = {{AMR_NARROW, 12}, {AMR_NARROW, 13}, {AMR_NARROW, 14}, {AMR_WIDE, 10},
		{AMR_WIDE, 11}, {AMR_WIDE, 12}, {AMR_WIDE, 13}};
	uint8_t bytes[80] = {0xf0};
	struct amr_payload parsed;

	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
		struct amr_layout layout = {reserved[i].band, true};

		bytes[1] = (uint8_t)(reserved[i].type << 3 | 4);
		for (size_t n = 0; n < sizeof(bytes); n++)
			assert_int_equal(amr_payload_parse(&layout, bytes, n, &parsed), -EBADMSG);
		assert_int_equal(amr_frame_bytes(reserved[i].band, reserved[i].type), 0);
	}
	assert_int_equal(amr_frame_bytes(AMR_NARROW, 16), 0);
	memset(bytes + 1, 0xfc, AMR_FRAMES_MAX); // NO_DATA, and more to come
	bytes[1 + AMR_FRAMES_MAX] = 0x7c;
	assert_int_equal(amr_payload_parse(&(struct amr_layout){AMR_NARROW, true}, bytes,
				 2 + AMR_FRAMES_MAX, &parsed),
		-EBADMSG);
	bytes[AMR_FRAMES_MAX] = 0x7c;
	assert_int_equal(amr_payload_parse(&(struct amr_layout){AMR_NARROW, true}, bytes,
				 1 + AMR_FRAMES_MAX, &parsed),
		0);
	assert_int_equal(parsed.n_frames, AMR_FRAMES_MAX);
}

// The silence of GSM-EFR and its like has a known length and can be passed over.
static void silence_of_other_codecs_is_passed_over(void **)
{
	uint8_t bytes[32] = {0xf0, 0x80 | 9 << 3 | 4, 15 << 3 | 4};
	struct amr_payload parsed;

	assert_int_equal(
		amr_payload_parse(&(struct amr_layout){AMR_NARROW, true}, bytes, 3 + 6, &parsed),
		0);
	assert_int_equal(parsed.n_frames, 2);
	assert_int_equal(amr_frame_type(&parsed.frames[1]), AMR_NO_DATA);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_frame_type_is_read_and_written_in_both_layouts),
		cmocka_unit_test(frames_of_any_types_go_together),
		cmocka_unit_test(reserved_frame_types_and_too_many_frames_are_refused),
		cmocka_unit_test(silence_of_other_codecs_is_passed_over),
	};

	srand(4867);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
