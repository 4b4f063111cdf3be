// Header fields that pass from one side of a call to the other, and what a trunk changes in them.
//
// What passes is gathered into struct header_fields: by default what call/pass.c lists, then the
// rules of the trunk that the message came from, then those of the trunk that it goes to. Fields
// that belong to a dialog or a transaction, to a body or to authentication are ours and no rule
// reaches them (header_rules_may_touch()).
#pragma once

#include <regex.h>
#include <stdbool.h>

#include "message.h"

enum {
	HEADER_FIELDS_MAX = 64,	       // of one message
	HEADER_FIELDS_TEXT_MAX = 8192, // of values that rules wrote
};

struct header_field {
	struct slice name, value;
};

struct header_fields {
	unsigned int n;
	struct header_field list[HEADER_FIELDS_MAX];
	size_t n_text;
	bool overflow; // something was left out
	char text[HEADER_FIELDS_TEXT_MAX];
};

static inline void header_fields_init(struct header_fields *fields)
{
	fields->n = 0;
	fields->n_text = 0;
	fields->overflow = false;
}

// The slices must outlive `fields`.
void header_fields_add(struct header_fields *fields, struct slice name, struct slice value);
// The same with a copy of the value.
void header_fields_add_copy(struct header_fields *fields, struct slice name, struct slice value);
void header_fields_remove(struct header_fields *fields, struct slice name);

enum header_action {
	HEADER_RULE_ADD,    // one more, with `value`
	HEADER_RULE_SET,    // one with `value` instead of all there are
	HEADER_RULE_REMOVE, // all
	HEADER_RULE_COPY, // of the message that came, as `to`; in addition to what passes by itself
	HEADER_RULE_REWRITE, // in each value, what matches `pattern` becomes `value`; \1 to \9: its
			     // groups
};

// Holds where all that it names is so.
struct header_condition {
	enum method method; // METHOD_OTHER: any
	const char
		*header; // of what passes, else of the message that came; NULL: none is looked at
	bool absent;	 // none must be so
	bool has_pattern;
	regex_t pattern; // POSIX extended; one of its values must match
};

struct header_rule {
	enum header_action action;
	const char *header;
	const char *value, *to; // NULL where the action has none
	regex_t pattern;	// of HEADER_RULE_REWRITE
	struct header_condition when;
};

struct header_rules {
	struct header_rule *list;
	size_t n;
};

// Whether rules may name it as what they change.
bool header_rules_may_touch(const char *name);

// In order. `message`: what came.
void header_rules_apply(const struct header_rules *rules, const struct sip_message *message,
	struct header_fields *fields);
void header_rules_free(struct header_rules *rules);
