#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "ulid.h"

static void known_value_is_written_as_the_specification_says(void **)
{
	// 01ARZ3NDEKTSV4RRFFQ69G5FAV of the ULID specification.
	static const struct ulid known = {{0x01, 0x56, 0x3e, 0x3a, 0xb5, 0xd3, 0xd6, 0x76, 0x4c,
		0x61, 0xef, 0xb9, 0x93, 0x02, 0xbd, 0x5b}};
	char text[ULID_TEXT_SIZE];

	ulid_format(&known, text);
	assert_string_equal(text, "01ARZ3NDEKTSV4RRFFQ69G5FAV");
}

static void text_is_read_back_in_either_case(void **)
{
	struct ulid made, read;
	char text[ULID_TEXT_SIZE];

	for (int i = 0; i < 1000; i++) {
		made = ulid_create(1763600000000 + (uint64_t)i);
		ulid_format(&made, text);
		assert_int_equal(ulid_parse(text, strlen(text), &read), 0);
		assert_memory_equal(&made, &read, sizeof(made));
		for (char *c = text; *c; c++)
			*c |= *c >= 'A' ? 0x20 : 0;
		assert_int_equal(ulid_parse(text, strlen(text), &read), 0);
		assert_memory_equal(&made, &read, sizeof(made));
	}
}

static void later_ids_sort_behind_earlier_ones(void **)
{
	struct ulid early = ulid_create(1763600000000), late = ulid_create(1763600000001);
	char a[ULID_TEXT_SIZE], b[ULID_TEXT_SIZE];

	ulid_format(&early, a);
	ulid_format(&late, b);
	assert_true(strcmp(a, b) < 0);
}

static void ids_of_one_millisecond_differ(void **)
{
	struct ulid a = ulid_create(1), b = ulid_create(1);

	assert_memory_not_equal(&a, &b, sizeof(a));
}

static void what_is_no_ulid_is_refused(void **)
{
	static const char *const texts[] = {
		"",
		"01ARZ3NDEKTSV4RRFFQ69G5FA",   // short
		"01ARZ3NDEKTSV4RRFFQ69G5FAVX", // long
		"81ARZ3NDEKTSV4RRFFQ69G5FAV",  // above 128 bits
		"01ARZ3NDEKTSV4RRFFQ69G5FAU",  // U is no digit
		"01ARZ3NDEKTSV4RRFFQ69G5FA\xff",
	};
	struct ulid ulid;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(ulid_parse(texts[i], strlen(texts[i]), &ulid), -EINVAL);
	assert_int_equal(ulid_parse("01ARZ3NDEKTSV4RRFFQ69G5F\0V", 26, &ulid), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_value_is_written_as_the_specification_says),
		cmocka_unit_test(text_is_read_back_in_either_case),
		cmocka_unit_test(later_ids_sort_behind_earlier_ones),
		cmocka_unit_test(ids_of_one_millisecond_differ),
		cmocka_unit_test(what_is_no_ulid_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
