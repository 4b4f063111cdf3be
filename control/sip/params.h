// Semicolon parameters of header values and URIs: ";name=value;flag". Values may be tokens, hosts
// or quoted strings; a quoted value is handed out without its quotes, escapes left as they are.
// Names compare without case.
#pragma once

#include "slice.h"

struct param {
	struct slice name;
	struct slice value; // absent for a flag, empty for "name="
};

// Take the next parameter off `rest`, which starts at ';' or is empty. Returns 1 and fills `param`,
// 0 at the end, -EBADMSG where the text is no parameter list.
int params_next(struct slice *rest, struct param *param);

// True where `name` is there; `value` may be NULL and is written only then. The first one counts.
bool params_find(struct slice params, struct slice name, struct slice *value);

// 0 where the whole text is a list of parameters (or empty), else -EBADMSG.
int params_check(struct slice params);
