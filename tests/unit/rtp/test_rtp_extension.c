// Header extensions byte by byte as RFC 8285 draws them.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "rtp_extension.h"

#define BYTES(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

struct packet {
	uint8_t bytes[1024];
	unsigned int length;
	struct rtp_view view;
};

// With `n_csrcs` sources and, where `profile`, an extension of these words.
static struct packet packet_of(
	unsigned int n_csrcs, uint16_t profile, const uint8_t *extension, size_t n_bytes)
{
	struct packet packet = {.bytes = {(uint8_t)(0x80 | n_csrcs | (profile ? 0x10 : 0)), 96}};
	uint8_t *at = packet.bytes + 12 + 4 * n_csrcs;

	assert_int_equal(n_bytes % 4, 0);
	memset(packet.bytes + 2, 0x11, 10);
	memset(packet.bytes + 12, 0x77, 4 * n_csrcs);
	if (profile) {
		put_be16(at, profile);
		put_be16(at + 2, (uint16_t)(n_bytes / 4));
		if (n_bytes)
			memcpy(at + 4, extension, n_bytes);
		at += 4 + n_bytes;
	}
	memcpy(at, "payload", 7);
	packet.length = (unsigned int)(at + 7 - packet.bytes);
	assert_int_equal(rtp_parse(packet.bytes, packet.length, &packet.view), 0);
	return packet;
}

static void an_element_is_found_in_both_forms(void **)
{
	const struct {
		const char *what;
		uint16_t profile;
		const uint8_t *bytes;
		size_t n_bytes;
		uint8_t id;
		const char *found; // NULL: none
	} rows[] = {
		{"one byte", 0xbede, BYTES(0x31, 'a', 'b', 0), 3, "ab"},
		{"behind another", 0xbede, BYTES(0x10, 0xff, 0x30, 'v'), 3, "v"},
		{"behind padding", 0xbede, BYTES(0, 0, 0x30, 'v'), 3, "v"},
		{"the first counts", 0xbede, BYTES(0x30, 'a', 0x30, 'b'), 3, "a"},
		{"another id", 0xbede, BYTES(0x40, 'v', 0, 0), 3, NULL},
		{"id as data of another", 0xbede, BYTES(0x41, 0x30, 'v', 0), 3, NULL},
		{"behind a stop", 0xbede, BYTES(0xf0, 0, 0x30, 'v'), 3, NULL},
		{"behind padding with a length", 0xbede, BYTES(0x01, 0, 0x30, 'v'), 3, NULL},
		{"longer than the list", 0xbede, BYTES(0x33, 'a', 'b', 'c'), 3, NULL},
		{"two bytes", 0x1000, BYTES(3, 2, 'a', 'b'), 3, "ab"},
		{"two bytes, application bits", 0x100f, BYTES(3, 2, 'a', 'b'), 3, "ab"},
		{"two bytes, empty one before", 0x1000, BYTES(1, 0, 3, 1, 'v', 0, 0, 0), 3, "v"},
		{"two bytes, of length 0", 0x1000, BYTES(3, 0, 0, 0), 3, ""},
		{"two bytes, longer than the list", 0x1000, BYTES(3, 3, 'a', 'b'), 3, NULL},
		{"two bytes, no room for a length", 0x1000, BYTES(0, 0, 0, 3), 3, NULL},
		{"another profile", 0xabac, BYTES(0x31, 'a', 'b', 0), 3, NULL},
		{"an empty list", 0xbede, NULL, 0, 3, NULL},
		{"no extension", 0, NULL, 0, 3, NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		for (unsigned int n_csrcs = 0; n_csrcs < 16; n_csrcs += 15) {
			struct packet packet =
				packet_of(n_csrcs, rows[i].profile, rows[i].bytes, rows[i].n_bytes);
			uint8_t n = 0;
			const uint8_t *data = rtp_extension_find(packet.bytes, rows[i].id, &n);

			if (!data != !rows[i].found)
				fail_msg("%s", rows[i].what);
			if (data && (n != strlen(rows[i].found) || memcmp(data, rows[i].found, n)))
				fail_msg("%s: other bytes", rows[i].what);
		}
}

static struct rtp_mid mid_of(uint8_t from_id, uint8_t id, const char *text)
{
	struct rtp_mid mid = {.from_id = from_id, .id = id, .n_bytes = (uint8_t)strlen(text)};

	memcpy(mid.bytes, text, mid.n_bytes);
	return mid;
}

static void a_mid_is_put_in_the_place_of_the_other_sides(void **)
{
	const struct {
		const char *what;
		uint8_t from_id, id;
		uint16_t profile;
		const uint8_t *bytes;
		size_t n_bytes;
		uint16_t out_profile;
		const uint8_t *out;
		size_t n_out;
	} rows[] = {
		{"inserted", 0, 4, 0, NULL, 0, 0xbede, BYTES(0x41, 'v', '0', 0)},
		{"replaced", 4, 4, 0xbede, BYTES(0x40, 'a', 0, 0), 0xbede,
			BYTES(0x41, 'v', '0', 0)},
		{"under another id", 1, 4, 0xbede, BYTES(0x10, 'a', 0, 0), 0xbede,
			BYTES(0x41, 'v', '0', 0)},
		{"the others stay", 1, 4, 0xbede, BYTES(0x20, 9, 0x10, 'a', 0x32, 1, 2, 3), 0xbede,
			BYTES(0x20, 9, 0x32, 1, 2, 3, 0x41, 'v', '0', 0, 0, 0)},
		{"a stranger with our id goes", 0, 4, 0xbede, BYTES(0x40, 9, 0x20, 8), 0xbede,
			BYTES(0x20, 8, 0x41, 'v', '0', 0, 0, 0)},
		{"two bytes stay two", 1, 4, 0x1005, BYTES(1, 1, 'a', 2, 1, 9, 0, 0), 0x1000,
			BYTES(2, 1, 9, 4, 2, 'v', '0', 0)},
		{"taken away", 1, 0, 0xbede, BYTES(0x10, 'a', 0x20, 9), 0xbede,
			BYTES(0x20, 9, 0, 0)},
		{"taken away, nothing left", 1, 0, 0xbede, BYTES(0x10, 'a', 0, 0), 0, NULL, 0},
		{"another profile goes", 0, 4, 0xabac, BYTES(1, 2, 3, 4), 0xbede,
			BYTES(0x41, 'v', '0', 0)},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		for (unsigned int n_csrcs = 0; n_csrcs < 16; n_csrcs += 15) {
			struct rtp_mid mid =
				mid_of(rows[i].from_id, rows[i].id, rows[i].id ? "v0" : "");
			struct packet in =
				packet_of(n_csrcs, rows[i].profile, rows[i].bytes, rows[i].n_bytes);
			struct packet expected =
				packet_of(n_csrcs, rows[i].out_profile, rows[i].out, rows[i].n_out);
			uint8_t out[RTP_HEADER_MAX];
			uint16_t n = rtp_mid_write(&mid, in.bytes, out);

			if (n != expected.view.payload_offset || memcmp(out, expected.bytes, n))
				fail_msg("%s, %u CSRCs", rows[i].what, n_csrcs);
		}
}

static void what_finds_no_room_is_left_out_but_never_our_mid(void **)
{
	uint8_t extension[800] = {};
	struct rtp_mid mid = mid_of(0, 4, "0123456789abcdef");
	uint8_t out[RTP_HEADER_MAX];
	struct rtp_view view;
	struct packet in;
	uint8_t n_found = 0;
	uint16_t n;

	for (size_t i = 0; i < sizeof(extension); i += 200) {
		extension[i] = 20;
		extension[i + 1] = 198;
	}
	in = packet_of(15, 0x1000, extension, sizeof(extension));
	n = rtp_mid_write(&mid, in.bytes, out);
	assert_int_equal(rtp_parse(out, n, &view), 0);
	assert_int_equal(view.payload_offset, n);
	assert_memory_equal(rtp_extension_find(out, 4, &n_found), mid.bytes, 16);
	assert_int_equal(n_found, 16);
	assert_non_null(rtp_extension_find(out, 20, &n_found));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_element_is_found_in_both_forms),
		cmocka_unit_test(a_mid_is_put_in_the_place_of_the_other_sides),
		cmocka_unit_test(what_finds_no_room_is_left_out_but_never_our_mid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
