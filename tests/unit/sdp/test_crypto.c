// What golden cases do not show of keys: that texts come back as the keys they were made of, that
// memory is wiped, and that both directions of base64 agree with a plain one.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sdp_crypto.h"

static unsigned int n_bytes;

// Over all inputs every value of six bits comes at every place.
static void counting_bytes(void *out, size_t length)
{
	uint8_t *bytes = out;

	for (size_t i = 0; i < length; i++, n_bytes++)
		bytes[i] = (uint8_t)(n_bytes * 37 + n_bytes / 256);
}

static bool parse(const char *text, struct sdp_crypto *out)
{
	return sdp_crypto_parse((struct sdp_slice){text, (uint32_t)strlen(text)}, out);
}

static void keys_of_all_suites_survive_their_text(void **)
{
	char text[SDP_CRYPTO_TEXT_MAX];
	struct sdp_crypto key, again;

	for (int suite = 1; suite < SDP_SUITES_END; suite++)
		for (unsigned int i = 0; i < 300; i++) {
			sdp_crypto_make(&key, (enum sdp_suite)suite, counting_bytes);
			key.tag = i * 3333333 % 1000000000;
			assert_true(parse(sdp_crypto_text(&key, text), &again));
			assert_memory_equal(&key, &again, sizeof(key));
		}
}

static void base64_is_that_of_rfc_4648(void **)
{
	static const char *const text = "1 AES_CM_128_HMAC_SHA1_80 "
					"inline:ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmn";
	static const char *const rest = "2 AES_CM_128_HMAC_SHA1_80 "
					"inline:opqrstuvwxyz0123456789+/opqrstuvwxyz0123";
	static const uint8_t first[] = {0x00, 0x10, 0x83, 0x10, 0x51, 0x87, 0x20, 0x92, 0x8b, 0x30,
		0xd3, 0x8f, 0x41, 0x14, 0x93, 0x51};
	static const uint8_t second[] = {0xa2, 0x9a, 0xab, 0xb2, 0xdb, 0xaf, 0xc3, 0x1c, 0xb3, 0xd3,
		0x5d, 0xb7, 0xe3, 0x9e, 0xbb, 0xf3};
	char again[SDP_CRYPTO_TEXT_MAX];
	struct sdp_crypto key;

	assert_true(parse(text, &key));
	assert_memory_equal(key.key, first, sizeof(first));
	assert_string_equal(sdp_crypto_text(&key, again), text);
	assert_true(parse(rest, &key));
	assert_memory_equal(key.key, second, sizeof(second));
	assert_string_equal(sdp_crypto_text(&key, again), rest);
}

static void each_character_that_is_no_letter_of_base64_is_refused(void **)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char text[] = "1 AES_CM_128_HMAC_SHA1_80 inline:ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmn";
	struct sdp_crypto key, none = {};

	for (int c = 1; c < 256; c++) {
		bool good = strchr(letters, c) != NULL;

		text[sizeof(text) - 2] = (char)c;
		assert_int_equal(parse(text, &key), good);
		if (!good)
			assert_memory_equal(&key, &none, sizeof(key));
	}
}

static void two_keys_are_the_same_by_their_master_key(void **)
{
	struct sdp_crypto a, b, none = {};

	sdp_crypto_make(&a, SDP_SUITE_AEAD_AES_128_GCM, counting_bytes);
	b = a;
	b.tag = 7;
	b.salt[0] ^= 1;
	assert_true(sdp_crypto_same_key(&a, &b));
	b.key[15] ^= 0x80;
	assert_false(sdp_crypto_same_key(&a, &b));
	assert_false(sdp_crypto_same_key(&none, &none));
}

static void a_refused_line_leaves_no_key_behind(void **)
{
	static const char *const lines[] = {
		"1 AES_CM_128_HMAC_SHA1_80 inline:ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmn KDR=1",
		"1 AES_CM_128_HMAC_SHA1_80 inline:ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmn|1:0",
	};
	struct sdp_crypto key, none = {};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		memset(&key, 0xff, sizeof(key));
		assert_false(parse(lines[i], &key));
		assert_memory_equal(&key, &none, sizeof(key));
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_of_all_suites_survive_their_text),
		cmocka_unit_test(base64_is_that_of_rfc_4648),
		cmocka_unit_test(each_character_that_is_no_letter_of_base64_is_refused),
		cmocka_unit_test(two_keys_are_the_same_by_their_master_key),
		cmocka_unit_test(a_refused_line_leaves_no_key_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
