// How a trunk writes numbers.
#include <stdlib.h>
#include <string.h>

#include "config_check.h"
#include "config_file.h"
#include "config_private.h"

#define CODE_DIGITS_MAX 8

static int check_digits(const struct check *check, unsigned int number, const char *key,
	const char *text, const char **out)
{
	char where[CHECK_WHERE_SIZE];

	*out = text ? text : "";
	if (text && (text[strspn(text, "0123456789")] || strlen(text) > CODE_DIGITS_MAX))
		return check_failed(check, check_where(where, "trunks[%u].numbers.%s", number, key),
			"expected at most %d digits, not '%s'", CODE_DIGITS_MAX, text);
	return 0;
}

static int read_rules(const struct check *check, unsigned int number, const char *direction,
	const struct file_number_rule *from, uint32_t n, struct number_rules *out)
{
	struct number_rule *rules = calloc(n ? n : 1, sizeof(*rules));
	char where[CHECK_WHERE_SIZE];
	int rc = 0;

	if (!rules)
		return check_memory(check);
	*out = (struct number_rules){rules, n};
	for (uint32_t i = 0; !rc && i < n; i++) {
		rules[i] = (struct number_rule){from[i].prefix ? from[i].prefix : "", from[i].strip,
			from[i].prepend ? from[i].prepend : ""};
		check_where(where, "trunks[%u].numbers.%s.rules[%u]", number, direction, i + 1);
		rc = check_number(check, where, rules[i].prefix);
		if (!rc)
			rc = check_number(check, where, rules[i].prepend);
		if (!rc)
			rc = check_range(check, where, from[i].strip, 0, NUMBER_SIZE);
	}
	return rc;
}

static int read_format(
	const struct check *check, unsigned int number, const char *text, enum number_format *out)
{
	static const char *const words[] = {[NUMBER_AS_IS] = "as_is",
		[NUMBER_PLUS] = "plus",
		[NUMBER_BARE] = "bare",
		[NUMBER_INTERNATIONAL] = "international",
		[NUMBER_NATIONAL] = "national"};
	char where[CHECK_WHERE_SIZE];

	for (unsigned int i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!strcmp(text, words[i])) {
			*out = (enum number_format)i;
			return 0;
		}
	}
	return check_failed(check, check_where(where, "trunks[%u].numbers.out.format", number),
		"expected plus, bare, international, national or as_is, not '%s'", text);
}

static int read_codes(const struct check *check, const struct file_numbers *from,
	unsigned int number, struct number_plan *plan)
{
	int rc = check_digits(check, number, "country_code", from->country_code, &plan->country);

	if (!rc)
		rc = check_digits(check, number, "area_code", from->area_code, &plan->area);
	if (!rc)
		rc = check_digits(
			check, number, "national_prefix", from->national_prefix, &plan->national);
	if (!rc)
		rc = check_digits(check, number, "international_prefix", from->international_prefix,
			&plan->international);
	return rc;
}

int config_read_numbers(const struct check *check, const struct file_numbers *from,
	unsigned int number, struct number_plan *plan)
{
	int rc;

	*plan = (struct number_plan){
		.country = "", .area = "", .national = "", .international = ""};
	if (!from)
		return 0;
	rc = read_codes(check, from, number, plan);
	if (!rc && from->in) {
		plan->normalises = from->in->normalise && *from->in->normalise;
		plan->keeps_ported_in = from->in->portability && *from->in->portability;
		rc = read_rules(
			check, number, "in", from->in->rules, from->in->rules_count, &plan->in);
	}
	if (!rc && from->out) {
		plan->keeps_ported_out = from->out->portability && *from->out->portability;
		plan->phone_user = from->out->user_phone && *from->out->user_phone;
		plan->tel = from->out->tel && *from->out->tel;
		rc = read_rules(
			check, number, "out", from->out->rules, from->out->rules_count, &plan->out);
		if (!rc)
			rc = read_format(check, number, from->out->format, &plan->format);
	}
	return rc;
}

void config_free_numbers(struct number_plan *plan)
{
	free((struct number_rule *)plan->in.list);
	free((struct number_rule *)plan->out.list);
}
