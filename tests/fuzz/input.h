// The bytes of a fuzzer's input, one after the other; zeros behind its end.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct input {
	const uint8_t *data;
	size_t left;
};

static inline uint8_t take(struct input *input)
{
	if (!input->left)
		return 0;
	input->left--;
	return *input->data++;
}
