#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "json_text.h"

static void members_and_elements_are_separated(void **)
{
	char buffer[256];
	struct json_text json;

	json_text_init(&json, buffer, sizeof(buffer));
	json_text_open(&json, NULL, '{');
	json_text_string(&json, "a", "x");
	json_text_open(&json, "list", '[');
	json_text_open(&json, NULL, '{');
	json_text_close(&json, '}');
	json_text_number(&json, NULL, 0);
	json_text_number(&json, NULL, UINT64_MAX);
	json_text_close(&json, ']');
	json_text_bool(&json, "yes", true);
	json_text_string(&json, "none", NULL);
	json_text_close(&json, '}');
	assert_false(json.overflow);
	buffer[json.n] = '\0';
	assert_string_equal(buffer,
		"{\"a\":\"x\",\"list\":[{},0,18446744073709551615],\"yes\":true,\"none\":null}");
}

static void decimals_have_their_point_and_zeros(void **)
{
	char buffer[256];
	struct json_text json;

	json_text_init(&json, buffer, sizeof(buffer));
	json_text_open(&json, NULL, '[');
	json_text_decimal(&json, NULL, 441, 2);
	json_text_decimal(&json, NULL, 932, 1);
	json_text_decimal(&json, NULL, 0, 1);
	json_text_decimal(&json, NULL, 7, 2);
	json_text_decimal(&json, NULL, 10, 1);
	json_text_decimal(&json, NULL, UINT32_MAX, 3);
	json_text_close(&json, ']');
	buffer[json.n] = '\0';
	assert_string_equal(buffer, "[4.41,93.2,0.0,0.07,1.0,4294967.295]");
}

// jansson is the judge of what is JSON.
static void any_bytes_become_a_valid_string(void **)
{
	static const char *const texts[] = {"", "\"\\/", "\x01\x1f\x7f", "\xc3\xa4", "\xe2\x82\xac",
		"\xf0\x9f\x98\x80", "\xff", "\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
		"\xe2\x82", "\xf0\x9f\x98", "a\xc3\"", "\xe0\x80\x80", "\xf0\x80\x80\x80"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char buffer[128];
		struct json_text json;
		json_t *read;

		json_text_init(&json, buffer, sizeof(buffer));
		json_text_open(&json, NULL, '[');
		json_text_string(&json, NULL, texts[i]);
		json_text_close(&json, ']');
		read = json_loadb(buffer, json.n, 0, NULL);
		assert_non_null(read);
		json_decref(read);
	}
}

static void utf8_is_kept_and_other_bytes_are_latin1(void **)
{
	char buffer[64];
	struct json_text json;

	json_text_init(&json, buffer, sizeof(buffer));
	json_text_string(&json, NULL, "\xc3\xa4\xe4");
	assert_int_equal(json.n, 10);
	assert_memory_equal(buffer, "\"\xc3\xa4\\u00e4\"", 10);
}

static void lack_of_room_is_remembered(void **)
{
	char buffer[16];

	for (size_t size = 0; size <= sizeof("{\"key\":\"va\"}") - 1; size++) {
		struct json_text json;

		json_text_init(&json, buffer, size);
		json_text_open(&json, NULL, '{');
		json_text_string(&json, "key", "va");
		json_text_close(&json, '}');
		assert_int_equal(json.overflow, size < sizeof("{\"key\":\"va\"}") - 1);
		assert_true(json.n <= size);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_and_elements_are_separated),
		cmocka_unit_test(decimals_have_their_point_and_zeros),
		cmocka_unit_test(any_bytes_become_a_valid_string),
		cmocka_unit_test(utf8_is_kept_and_other_bytes_are_latin1),
		cmocka_unit_test(lack_of_room_is_remembered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
