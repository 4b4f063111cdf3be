// See header_rules.h.
#include "header_rules.h"

#include <stdlib.h>
#include <string.h>

#define GROUPS_MAX   10	  // the whole match and \1 to \9
#define VALUE_MAX    2048 // of a value that is matched or written
#define REPLACED_MAX 32	  // matches in one value

void header_fields_add(struct header_fields *fields, struct slice name, struct slice value)
{
	if (fields->n == HEADER_FIELDS_MAX) {
		fields->overflow = true;
		return;
	}
	fields->list[fields->n++] = (struct header_field){name, value};
}

void header_fields_add_copy(struct header_fields *fields, struct slice name, struct slice value)
{
	char *at = fields->text + fields->n_text;

	if (value.n > sizeof(fields->text) - fields->n_text) {
		fields->overflow = true;
		return;
	}
	memcpy(at, value.p, value.n);
	fields->n_text += value.n;
	header_fields_add(fields, name, (struct slice){at, value.n});
}

// Names are equal in their long and compact forms.
static bool is_named(struct slice name, struct slice wanted)
{
	enum header_id id = header_from(name);

	return id != HEADER_OTHER ? id == header_from(wanted) : slice_equal_nocase(name, wanted);
}

void header_fields_remove(struct header_fields *fields, struct slice name)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < fields->n; i++)
		if (!is_named(fields->list[i].name, name))
			fields->list[n++] = fields->list[i];
	fields->n = n;
}

bool header_rules_may_touch(const char *name)
{
	static const enum header_id ours[] = {HEADER_AUTHENTICATION_INFO, HEADER_AUTHORIZATION,
		HEADER_CALL_ID, HEADER_CONTACT, HEADER_CONTENT_DISPOSITION, HEADER_CONTENT_ENCODING,
		HEADER_CONTENT_LENGTH, HEADER_CONTENT_TYPE, HEADER_CSEQ, HEADER_FROM,
		HEADER_MAX_FORWARDS, HEADER_MIME_VERSION, HEADER_MIN_SE, HEADER_PATH,
		HEADER_PROXY_AUTHENTICATE, HEADER_PROXY_AUTHORIZATION, HEADER_PROXY_REQUIRE,
		HEADER_RACK, HEADER_RECORD_ROUTE, HEADER_REPLACES, HEADER_REQUIRE, HEADER_ROUTE,
		HEADER_RSEQ, HEADER_SERVICE_ROUTE, HEADER_SESSION_EXPIRES, HEADER_SUPPORTED,
		HEADER_TO, HEADER_UNSUPPORTED, HEADER_VIA, HEADER_WWW_AUTHENTICATE};
	enum header_id id = header_from(slice_of(name));

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (id == ours[i])
			return false;
	return true;
}

static bool matches(const regex_t *pattern, struct slice value)
{
	char text[VALUE_MAX];

	if (value.n >= sizeof(text))
		return false;
	memcpy(text, value.p, value.n);
	text[value.n] = '\0';
	return regexec(pattern, text, 0, NULL, 0) == 0;
}

static bool value_is_so(const struct header_condition *when, struct slice value)
{
	return !when->has_pattern || matches(&when->pattern, value);
}

static bool header_is_so(const struct header_condition *when, const struct sip_message *message,
	const struct header_fields *fields)
{
	struct slice wanted = slice_of(when->header);
	bool passes = false, is_so = false;

	for (unsigned int i = 0; i < fields->n; i++)
		if (is_named(fields->list[i].name, wanted)) {
			passes = true;
			is_so |= value_is_so(when, fields->list[i].value);
		}
	for (unsigned int i = 0; !passes && i < message->n_headers; i++)
		if (is_named(message->headers[i].name, wanted))
			is_so |= value_is_so(when, message->headers[i].value);
	return is_so != when->absent;
}

static bool holds(const struct header_condition *when, const struct sip_message *message,
	const struct header_fields *fields)
{
	if (when->method != METHOD_OTHER && when->method != message->method)
		return false;
	return !when->header || header_is_so(when, message, fields);
}

static void copy(const struct header_rule *rule, const struct sip_message *message,
	struct header_fields *fields)
{
	for (unsigned int i = 0; i < message->n_headers; i++)
		if (is_named(message->headers[i].name, slice_of(rule->header)))
			header_fields_add(fields, slice_of(rule->to), message->headers[i].value);
}

struct text {
	char bytes[VALUE_MAX];
	size_t n;
	bool overflow;
};

static void put(struct text *text, const char *bytes, size_t n)
{
	if (n > sizeof(text->bytes) - text->n) {
		text->overflow = true;
		return;
	}
	memcpy(text->bytes + text->n, bytes, n);
	text->n += n;
}

// `value` of the rule with the groups of a match put in.
static void put_replacement(
	struct text *out, const char *value, const char *subject, const regmatch_t *groups)
{
	for (; *value; value++) {
		const regmatch_t *group;

		if (value[0] != '\\' || value[1] < '0' || value[1] > '9') {
			put(out, value, 1);
			continue;
		}
		group = &groups[*++value - '0'];
		if (group->rm_so >= 0)
			put(out, subject + group->rm_so, (size_t)(group->rm_eo - group->rm_so));
	}
}

static void rewrite_value(
	const struct header_rule *rule, struct header_fields *fields, struct header_field *field)
{
	char subject[VALUE_MAX], *at = subject;
	regmatch_t groups[GROUPS_MAX];
	struct text out = {.n = 0};

	if (field->value.n >= sizeof(subject))
		return;
	memcpy(subject, field->value.p, field->value.n);
	subject[field->value.n] = '\0';
	for (int i = 0; i < REPLACED_MAX &&
			!regexec(&rule->pattern, at, GROUPS_MAX, groups, i ? REG_NOTBOL : 0);
		i++) {
		put(&out, at, (size_t)groups[0].rm_so);
		put_replacement(&out, rule->value, at, groups);
		at += groups[0].rm_eo;
		if (groups[0].rm_eo == groups[0].rm_so) {
			if (!*at)
				break;
			put(&out, at++, 1); // an empty match: go on behind the next character
		}
	}
	if (at == subject)
		return;
	put(&out, at, strlen(at));
	if (out.overflow || out.n > sizeof(fields->text) - fields->n_text) {
		fields->overflow = true;
		return;
	}
	field->value = (struct slice){fields->text + fields->n_text, out.n};
	memcpy(fields->text + fields->n_text, out.bytes, out.n);
	fields->n_text += out.n;
}

static void apply(const struct header_rule *rule, const struct sip_message *message,
	struct header_fields *fields)
{
	struct slice name = slice_of(rule->header);

	switch (rule->action) {
	case HEADER_RULE_SET:
		header_fields_remove(fields, name);
		[[fallthrough]];
	case HEADER_RULE_ADD:
		header_fields_add(fields, name, slice_of(rule->value));
		break;
	case HEADER_RULE_REMOVE:
		header_fields_remove(fields, name);
		break;
	case HEADER_RULE_COPY:
		copy(rule, message, fields);
		break;
	case HEADER_RULE_REWRITE:
		for (unsigned int i = 0; i < fields->n; i++)
			if (is_named(fields->list[i].name, name))
				rewrite_value(rule, fields, &fields->list[i]);
		break;
	}
}

void header_rules_apply(const struct header_rules *rules, const struct sip_message *message,
	struct header_fields *fields)
{
	for (size_t i = 0; i < rules->n; i++)
		if (holds(&rules->list[i].when, message, fields))
			apply(&rules->list[i], message, fields);
}

void header_rules_free(struct header_rules *rules)
{
	for (size_t i = 0; i < rules->n; i++) {
		if (rules->list[i].action == HEADER_RULE_REWRITE)
			regfree(&rules->list[i].pattern);
		if (rules->list[i].when.has_pattern)
			regfree(&rules->list[i].when.pattern);
	}
	free(rules->list);
	*rules = (struct header_rules){};
}
