#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "number.h"

static const struct number_rule in_rules[] = {{"99", 2, ""}, {"0900", 0, "x"}},
				out_rules[] = {{"0049", 4, "T"}, {"0", 0, "9"}};
static const struct number_plan german = {.country = "49",
	.area = "30",
	.national = "0",
	.international = "00",
	.normalises = true,
	.in = {in_rules, 2},
	.keeps_ported_in = true,
	.keeps_ported_out = true};
static const struct number_plan plain = {
	.country = "", .area = "", .national = "", .international = ""};

static void what_comes_is_normalised(void **)
{
	static const char *const cases[][2] = {
		{"+4930123456", "+4930123456"},
		{"004930123456", "+4930123456"},
		{"0012025550123", "+12025550123"},
		{"040123456", "+4940123456"},
		{"123456", "+4930123456"},
		{"110", "110"},
		{"1155", "1155"},
		{"+49-30-(123)456", "+4930123456"},
		{"(030) 1", "(030) 1"}, // a blank is no separator
		{"alice", "alice"},
		{"bob-smith.jr", "bob-smith.jr"},
		{"*21#", "*21#"},
		{"", ""},
		{"99040123456", "+4940123456"}, // a rule, then as dialled
		{"0900123", "x0900123"},
		{"123456;phone-context=+4940", "+4940123456"},
		{"123456;phone-context=example.com", "+4930123456"},
		{"+1202;ext=5;isub=7", "+1202"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct number number;

		assert_int_equal(number_read(&german, slice_of(cases[i][0]), &number), 0);
		assert_string_equal(number.digits, cases[i][1]);
	}
}

static void without_a_plan_it_stays_as_it_is(void **)
{
	struct number number;

	assert_int_equal(number_read(&plain, slice_of("0049301;npdi;rn=+1"), &number), 0);
	assert_string_equal(number.digits, "0049301");
	assert_false(number.dipped);
	assert_string_equal(number.ported, "");
}

static void ported_numbers_are_read_and_written(void **)
{
	struct number_plan deaf = german;
	struct number number;
	char params[128];

	assert_int_equal(
		number_read(&german, slice_of("+12025550123;NPDI;rn=+1-202-555-9999;cic=+16789"),
			&number),
		0);
	assert_string_equal(number.digits, "+12025550123");
	assert_string_equal(number.ported, "+12025559999");
	assert_string_equal(number.carrier, "+16789");
	assert_true(number.dipped);
	assert_string_equal(number_params(&german, &number, params, sizeof(params)),
		";npdi;rn=+12025559999;cic=+16789");
	deaf.keeps_ported_out = false;
	assert_string_equal(number_params(&deaf, &number, params, sizeof(params)), "");
	assert_int_equal(number_read(&german, slice_of("+1;npdi"), &number), 0);
	assert_string_equal(number_params(&german, &number, params, sizeof(params)), ";npdi");
}

static void what_goes_is_formatted(void **)
{
	static const struct {
		enum number_format format;
		const char *number, *written;
	} cases[] = {
		{NUMBER_AS_IS, "+4930123", "+4930123"},
		{NUMBER_PLUS, "+4930123", "+4930123"},
		{NUMBER_BARE, "+4930123", "4930123"},
		{NUMBER_INTERNATIONAL, "+4930123", "004930123"},
		{NUMBER_NATIONAL, "+4930123", "030123"},
		{NUMBER_NATIONAL, "+12025550123", "0012025550123"},
		{NUMBER_NATIONAL, "110", "110"},
		{NUMBER_BARE, "alice", "alice"},
		{NUMBER_BARE, "+alice", "+alice"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct number_plan plan = german;
		char out[64];

		plan.format = cases[i].format;
		assert_int_equal(number_write(&plan, cases[i].number, out, sizeof(out)), 0);
		assert_string_equal(out, cases[i].written);
	}
}

static void rules_follow_the_format(void **)
{
	struct number_plan plan = german;
	char out[64];

	plan.out = (struct number_rules){out_rules, 2};
	plan.format = NUMBER_INTERNATIONAL;
	number_write(&plan, "+4930123", out, sizeof(out));
	assert_string_equal(out, "T30123");
	number_write(&plan, "+1202", out, sizeof(out));
	assert_string_equal(out, "9001202");
}

static void too_long_is_refused(void **)
{
	char text[NUMBER_SIZE + 1], out[8];
	struct number number;

	memset(text, '1', sizeof(text));
	assert_int_equal(number_read(&plain, (struct slice){text, NUMBER_SIZE - 1}, &number), 0);
	assert_int_equal(
		number_read(&plain, (struct slice){text, NUMBER_SIZE}, &number), -ENAMETOOLONG);
	assert_int_equal(number_read(&german, (struct slice){text, NUMBER_SIZE - 1}, &number),
		-ENAMETOOLONG); // with country and area
	assert_int_equal(number_write(&plain, "12345678", out, sizeof(out)), -ENAMETOOLONG);
	memcpy(text, "1;rn=", 5);
	assert_int_equal(
		number_read(&german, (struct slice){text, NUMBER_SIZE}, &number), -ENAMETOOLONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_comes_is_normalised),
		cmocka_unit_test(without_a_plan_it_stays_as_it_is),
		cmocka_unit_test(ported_numbers_are_read_and_written),
		cmocka_unit_test(what_goes_is_formatted),
		cmocka_unit_test(rules_follow_the_format),
		cmocka_unit_test(too_long_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
