// The scripts that run inside Redis: everything about a shard that must not be interrupted.
#pragma once

#include "store_private.h"

struct redis_script {
	const char *text;
	char sha[41]; // computed once
};

// Of a request; NULL for those that are plain commands.
struct redis_script *redis_script_of(enum request_type type);
