// What a trunk does with header fields: trust, redirections, and its rules.
#include <stdlib.h>
#include <string.h>

#include "chars.h"
#include "config_check.h"
#include "config_file.h"
#include "config_private.h"

static const struct config_words redirection_words = {
	{[TRUNK_REDIRECTION_AS_RECEIVED] = "as_received",
		[TRUNK_REDIRECTION_DIVERSION] = "diversion",
		[TRUNK_REDIRECTION_HISTORY_INFO] = "history_info",
		[TRUNK_REDIRECTION_NONE] = "none"},
	"as_received, diversion, history_info or none"};

// Where an error of a rule is, and in what.
struct place {
	const struct check *check;
	char where[CHECK_WHERE_SIZE];
};

static int check_header_name(const struct place *place, const char *name)
{
	struct slice text = slice_of(name);

	for (size_t i = 0; i < text.n; i++)
		if (!char_is(text.p[i], CHAR_TOKEN))
			return check_failed(place->check, place->where,
				"expected the name of a header, not '%s'", name);
	return 0;
}

static int check_target(const struct place *place, const char *name)
{
	if (!header_rules_may_touch(name))
		return check_failed(place->check, place->where,
			"'%s' belongs to dialog, transaction, body or authentication: no rule "
			"changes it",
			name);
	return check_header_name(place, name);
}

static int read_pattern(const struct place *place, const char *text, regex_t *pattern)
{
	int rc = regcomp(pattern, text, REG_EXTENDED);
	char why[128];

	if (!rc)
		return 0;
	regerror(rc, pattern, why, sizeof(why));
	return check_failed(place->check, place->where,
		"expected a POSIX extended regular expression, not '%s': %s", text, why);
}

static int check_value(const struct place *place, const char *value)
{
	for (; value && *value; value++)
		if ((unsigned char)*value < ' ' && *value != '\t')
			return check_failed(
				place->check, place->where, "a value cannot have line ends");
	return 0;
}

// Which of the five is said; all others must not be.
static int read_action(
	const struct place *place, const struct file_header_rule *from, struct header_rule *rule)
{
	const struct {
		const char *header;
		enum header_action action;
	} actions[] = {
		{from->add, HEADER_RULE_ADD},
		{from->set, HEADER_RULE_SET},
		{from->remove, HEADER_RULE_REMOVE},
		{from->copy, HEADER_RULE_COPY},
		{from->rewrite, HEADER_RULE_REWRITE},
	};
	unsigned int n = 0;

	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		if (!actions[i].header)
			continue;
		rule->action = actions[i].action;
		rule->header = actions[i].header;
		n++;
	}
	if (n != 1)
		return check_failed(place->check, place->where,
			"expected one of add, set, remove, copy and rewrite");
	return 0;
}

// What the action needs is there, and nothing else.
static int check_parts(
	const struct place *place, const struct file_header_rule *from, enum header_action action)
{
	bool takes_value = action == HEADER_RULE_ADD || action == HEADER_RULE_SET ||
			   action == HEADER_RULE_REWRITE;

	if (takes_value != (from->value != NULL))
		return check_failed(place->check, place->where,
			takes_value ? "expected a value" : "a value is of no use here");
	if ((action == HEADER_RULE_COPY) != (from->to != NULL))
		return check_failed(place->check, place->where,
			from->to ? "'to' is of no use here" : "expected 'to', a name");
	if ((action == HEADER_RULE_REWRITE) != (from->pattern != NULL))
		return check_failed(place->check, place->where,
			from->pattern ? "a pattern is of no use here" : "expected a pattern");
	return 0;
}

static int read_condition(const struct place *place, const struct file_header_condition *from,
	struct header_condition *when)
{
	int rc = 0;

	if (from->method)
		when->method = method_from(slice_of(from->method));
	if (from->method && when->method == METHOD_OTHER)
		return check_failed(place->check, place->where,
			"expected a method, as INVITE or BYE, not '%s'", from->method);
	if (!from->header && (from->matches || from->absent))
		return check_failed(place->check, place->where, "expected when.header");
	when->header = from->header;
	when->absent = from->absent;
	if (from->header)
		rc = check_header_name(place, from->header);
	if (!rc && from->matches) {
		rc = read_pattern(place, from->matches, &when->pattern);
		when->has_pattern = !rc;
	}
	return rc;
}

// On an error the rule holds nothing that must be freed.
static int read_rule(
	const struct place *place, const struct file_header_rule *from, struct header_rule *rule)
{
	int rc = read_action(place, from, rule);

	if (!rc)
		rc = check_parts(place, from, rule->action);
	if (!rc)
		rc = rule->action == HEADER_RULE_COPY ? check_header_name(place, rule->header)
						      : check_target(place, rule->header);
	if (!rc && from->to)
		rc = check_target(place, from->to);
	if (!rc)
		rc = check_value(place, from->value);
	if (!rc && from->when)
		rc = read_condition(place, from->when, &rule->when);
	rule->value = from->value;
	rule->to = from->to;
	if (!rc && rule->action == HEADER_RULE_REWRITE)
		rc = read_pattern(place, from->pattern, &rule->pattern);
	if (rc && rule->when.has_pattern)
		regfree(&rule->when.pattern);
	return rc;
}

static int read_rules(const struct check *check, const char *where,
	const struct file_header_rule *from, uint32_t n, struct header_rules *rules)
{
	struct place place = {.check = check};
	int rc = 0;

	if (!n)
		return 0;
	rules->list = calloc(n, sizeof(*rules->list));
	if (!rules->list)
		return check_memory(check);
	for (uint32_t i = 0; !rc && i < n; i++) {
		check_where(place.where, "%.80s[%u]", where, i + 1);
		rc = read_rule(&place, &from[i], &rules->list[i]);
		rules->n += !rc;
	}
	return rc;
}

int config_read_trunk_headers(const struct check *check, const struct file_trunk *from,
	unsigned int number, struct trunk *trunk)
{
	char where[CHECK_WHERE_SIZE];
	uint8_t redirection = 0;
	int rc;

	trunk->is_trusted = from->trusted;
	rc = config_read_choice(check, check_where(where, "trunks[%u].redirection", number),
		from->redirection, &redirection_words, &redirection);
	trunk->redirection = (enum trunk_redirection)redirection;
	if (!rc)
		rc = read_rules(check, check_where(where, "trunks[%u].headers_in", number),
			from->headers_in, from->headers_in_count, &trunk->headers_in);
	if (!rc)
		rc = read_rules(check, check_where(where, "trunks[%u].headers_out", number),
			from->headers_out, from->headers_out_count, &trunk->headers_out);
	return rc;
}
