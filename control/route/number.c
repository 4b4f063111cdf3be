// Reading and writing of telephone numbers. Whatever is no telephone number passes as it is.
#include "number.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { SUBSCRIBER_DIGITS_MIN = 5 }; // shorter ones are services, as 110 or 115

static bool starts_with(const char *text, const char *prefix)
{
	return prefix[0] && !strncmp(text, prefix, strlen(prefix));
}

bool number_is_telephone(const char *digits)
{
	const char *first = digits + (digits[0] == '+');

	return first[0] && !first[strspn(first, "0123456789")];
}

static int copy(struct slice text, char *out, size_t size)
{
	if (text.n >= size)
		return -ENAMETOOLONG;
	if (text.n)
		memcpy(out, text.p, text.n);
	out[text.n] = '\0';
	return 0;
}

// RFC 3966 5.1.1: visual separators do not count. Not in names.
static void separators_remove(char *digits)
{
	char *out = digits;

	if (digits[strspn(digits, "+0123456789-.()*#")])
		return;
	for (const char *at = digits; *at; at++)
		if (!strchr("-.()", *at))
			*out++ = *at;
	*out = '\0';
}

static int replace(char *digits, size_t size, size_t strip, const char *prepend)
{
	size_t length = strlen(digits), added = strlen(prepend);

	strip = strip < length ? strip : length;
	if (length - strip + added >= size)
		return -ENAMETOOLONG;
	memmove(digits + added, digits + strip, length - strip + 1);
	memcpy(digits, prepend, added);
	return 0;
}

static int rules_follow(const struct number_rules *rules, char *digits, size_t size)
{
	for (size_t i = 0; i < rules->n; i++) {
		const struct number_rule *rule = &rules->list[i];

		if (!strncmp(digits, rule->prefix, strlen(rule->prefix)))
			return replace(digits, size, rule->strip, rule->prepend);
	}
	return 0;
}

// As somebody dials it here: international before national, as "00" begins with "0".
static int normalise(const struct number_plan *plan, char *digits, size_t size)
{
	char prefix[2 * NUMBER_CARRIER_SIZE] = "+";

	if (digits[0] == '+' || !number_is_telephone(digits))
		return 0;
	if (starts_with(digits, plan->international))
		return replace(digits, size, strlen(plan->international), "+");
	snprintf(prefix, sizeof(prefix), "+%.8s", plan->country);
	if (!plan->country[0])
		return 0;
	if (starts_with(digits, plan->national))
		return replace(digits, size, strlen(plan->national), prefix);
	if (!plan->area[0] || strlen(digits) < SUBSCRIBER_DIGITS_MIN)
		return 0;
	snprintf(prefix, sizeof(prefix), "+%.8s%.8s", plan->country, plan->area);
	return replace(digits, size, 0, prefix);
}

static int digits_read(const struct number_plan *plan, char *digits, size_t size)
{
	int err;

	separators_remove(digits);
	err = rules_follow(&plan->in, digits, size);
	return err || !plan->normalises ? err : normalise(plan, digits, size);
}

// A global prefix makes a local number a global one (RFC 3966 5.1.5).
static int context_apply(struct slice context, char *digits, size_t size)
{
	char prefix[16];

	if (digits[0] == '+' || !context.n || context.p[0] != '+' ||
		copy(context, prefix, sizeof(prefix)))
		return 0;
	return replace(digits, size, 0, prefix);
}

static bool param_is(struct slice name, const char *wanted)
{
	return slice_equal_nocase(name, slice_of(wanted));
}

int number_read(const struct number_plan *plan, struct slice text, struct number *out)
{
	struct slice rest = text, digits = slice_cut(&rest, ';'), context = {};
	int err = copy(digits, out->digits, sizeof(out->digits));

	out->ported[0] = out->carrier[0] = '\0';
	out->dipped = false;
	while (!err && rest.n) {
		struct slice value = slice_cut(&rest, ';'), name = slice_cut(&value, '=');

		if (param_is(name, "phone-context"))
			context = value;
		else if (!plan->keeps_ported_in)
			continue;
		else if (param_is(name, "npdi"))
			out->dipped = true;
		else if (param_is(name, "rn"))
			err = copy(value, out->ported, sizeof(out->ported));
		else if (param_is(name, "cic"))
			err = copy(value, out->carrier, sizeof(out->carrier));
	}
	if (!err)
		err = context_apply(context, out->digits, sizeof(out->digits));
	if (!err)
		err = digits_read(plan, out->digits, sizeof(out->digits));
	if (!err && out->ported[0])
		err = digits_read(plan, out->ported, sizeof(out->ported));
	return err;
}

static int format(const struct number_plan *plan, char *digits, size_t size)
{
	size_t country = plan->country ? strlen(plan->country) : 0;
	bool here = country && !strncmp(digits + 1, plan->country, country);

	switch (plan->format) {
	case NUMBER_BARE:
		return replace(digits, size, 1, "");
	case NUMBER_INTERNATIONAL:
		return replace(digits, size, 1, plan->international);
	case NUMBER_NATIONAL:
		return here ? replace(digits, size, 1 + country, plan->national)
			    : replace(digits, size, 1, plan->international);
	default:
		return 0;
	}
}

int number_write(const struct number_plan *plan, const char *digits, char *out, size_t size)
{
	int err = copy(slice_of(digits), out, size);

	if (!err && digits[0] == '+' && number_is_telephone(digits))
		err = format(plan, out, size);
	return err ? err : rules_follow(&plan->out, out, size);
}

const char *number_params(
	const struct number_plan *plan, const struct number *number, char *out, size_t size)
{
	out[0] = '\0';
	if (plan->keeps_ported_out)
		snprintf(out, size, "%s%s%s%s%s", number->dipped ? ";npdi" : "",
			number->ported[0] ? ";rn=" : "", number->ported,
			number->carrier[0] ? ";cic=" : "", number->carrier);
	return out;
}
