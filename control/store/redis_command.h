// A request as the command that Redis gets.
#pragma once

#include "store_private.h"

enum { REDIS_ARGUMENTS_MAX = 16 + 2 * BATCH_MAX };

// A command while it is put together.
struct redis_builder {
	const char *argv[REDIS_ARGUMENTS_MAX];
	size_t lengths[REDIS_ARGUMENTS_MAX], n;
	char numbers[4][24];
	size_t n_numbers;
	char keys[2][256];
};

// The hash tag of its keys, by which they are in one slot of a cluster.
void redis_tag(char *tag, size_t size, const struct store_request *request);
// Arguments point into `builder` and `request`: both must stay until it is sent.
void redis_build(
	struct redis_builder *builder, const char *prefix, const struct store_request *request);
