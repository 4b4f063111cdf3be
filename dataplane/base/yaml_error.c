// Each rule knows one message of libcyaml 1.3 by its beginning; messages without a rule stay as
// they are. At the time of a message libcyaml's place may be a field or entry too deep.
#include "yaml_error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void __attribute__((format(printf, 2, 3)))
say(struct yaml_error *error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error->message, sizeof(error->message), format, args);
	va_end(args);
}

// "a.b[2]" becomes "a.b", "a.b" becomes "a", "a" nothing.
static void go_up(struct yaml_error *error)
{
	char *dot = strrchr(error->where, '.'), *bracket = strrchr(error->where, '[');
	char *end = bracket > dot ? bracket : dot;

	*(end ? end : error->where) = '\0';
}

static void explain_unknown(struct yaml_error *error, const char *key, const cyaml_schema_value_t *)
{
	char name[64];
	size_t length = strlen(error->where);

	snprintf(name, sizeof(name), "%s", key);
	snprintf(error->where + length, sizeof(error->where) - length, "%s%s", length ? "." : "",
		name);
	say(error, "there is no such key here");
}

static void explain_missing(struct yaml_error *error, const char *key, const cyaml_schema_value_t *)
{
	char name[64];

	snprintf(name, sizeof(name), "%s", key);
	go_up(error);
	say(error, "%s is missing", name);
}

static void explain_twice(struct yaml_error *error, const char *, const cyaml_schema_value_t *)
{
	say(error, "this is there twice");
}

// "(6 max) in sequence."
static void explain_too_many(
	struct yaml_error *error, const char *limits, const cyaml_schema_value_t *)
{
	long most = strtol(limits + strcspn(limits, "0123456789"), NULL, 10);

	go_up(error);
	say(error, "expected at most %ld entries", most);
}

// "(0 of 1 min) in sequence."
static void explain_too_few(
	struct yaml_error *error, const char *limits, const cyaml_schema_value_t *)
{
	const char *of = strstr(limits, " of ");
	long least = of ? strtol(of + 4, NULL, 10) : 1;

	go_up(error);
	say(error, "expected at least %ld %s", least, least == 1 ? "entry" : "entries");
}

static void explain_kind(struct yaml_error *error, const char *kind, const cyaml_schema_value_t *)
{
	if (!strncmp(kind, "SEQUENCE", 8))
		say(error, "expected a list");
	else if (!strncmp(kind, "MAPPING", 7))
		say(error, "expected keys and values");
	else if (!strncmp(kind, "STRING", 6))
		say(error, "expected one text");
	else
		say(error, "expected one value");
}

static void explain_number(
	struct yaml_error *error, const char *value, const cyaml_schema_value_t *)
{
	char text[64];

	snprintf(text, sizeof(text), "%s", value);
	say(error, "expected a number, not %s", text);
}

static void explain_range(struct yaml_error *error, const char *value, const cyaml_schema_value_t *)
{
	char text[64];

	snprintf(text, sizeof(text), "%s", value);
	say(error, "expected a number from 0 that is not too large, not %s", text);
}

static void explain_short(struct yaml_error *error, const char *limit, const cyaml_schema_value_t *)
{
	long least = strtol(limit, NULL, 10);

	if (least == 1)
		say(error, "expected a text that is not empty");
	else
		say(error, "expected a text of at least %ld characters", least);
}

static void explain_long(struct yaml_error *error, const char *limit, const cyaml_schema_value_t *)
{
	say(error, "expected a text of at most %ld characters", strtol(limit, NULL, 10));
}

// The schema of a value in the file, NULL where the place is not in it.
static const cyaml_schema_value_t *schema_at(const cyaml_schema_value_t *schema, const char *where)
{
	while (schema && *where) {
		size_t length = strcspn(where, ".[");
		const cyaml_schema_field_t *field;

		if (*where == '[') {
			schema = schema->type == CYAML_SEQUENCE ? schema->sequence.entry : NULL;
			where += strcspn(where, "]");
			where += *where == ']';
		} else if (schema->type == CYAML_MAPPING) {
			field = schema->mapping.fields;
			while (field->key && (strlen(field->key) != length ||
						     strncmp(field->key, where, length)))
				field++;
			schema = field->key ? &field->value : NULL;
			where += length;
		} else {
			return NULL;
		}
		where += *where == '.';
	}
	return schema;
}

static void explain_choice(
	struct yaml_error *error, const char *value, const cyaml_schema_value_t *schema)
{
	const cyaml_schema_value_t *here = schema_at(schema, error->where);
	char choices[128] = "", text[64];
	size_t length = 0;

	if (!here || here->type != CYAML_ENUM)
		return;
	for (uint32_t i = 0; i < here->enumeration.count && length < sizeof(choices); i++)
		length += (size_t)snprintf(choices + length, sizeof(choices) - length, "%s%s",
			!i				  ? ""
			: i + 1 < here->enumeration.count ? ", "
							  : " or ",
			here->enumeration.strings[i].str);
	snprintf(text, sizeof(text), "%s", value);
	say(error, "expected %s, not '%s'", choices, text);
}

static const struct rule {
	const char *begins;
	void (*explain)(
		struct yaml_error *error, const char *rest, const cyaml_schema_value_t *schema);
} rules[] = {
	{"Unexpected key: ", explain_unknown},
	{"Missing required mapping field: ", explain_missing},
	{"Mapping field already seen: ", explain_twice},
	{"Excessive entries ", explain_too_many},
	{"Insufficient entries ", explain_too_few},
	{"Expecting ", explain_kind},
	{"Invalid INT value: ", explain_number},
	{"Invalid int64_t value: ", explain_number},
	{"Invalid uint64_t value: ", explain_number},
	{"Invalid UINT value: ", explain_range},
	{"Invalid FLOAT value: ", explain_number},
	{"Invalid ENUM value: ", explain_choice},
	{"STRING length < ", explain_short},
	{"STRING length > ", explain_long},
};

void yaml_error_explain(struct yaml_error *error, const cyaml_schema_value_t *schema)
{
	char message[sizeof(error->message)];

	memcpy(message, error->message, sizeof(message));
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		size_t length = strlen(rules[i].begins);

		if (strncmp(message, rules[i].begins, length))
			continue;
		rules[i].explain(error, message + length, schema);
		return;
	}
}
