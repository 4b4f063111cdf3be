// JSON written front to back into a buffer of the caller: for detail records, of which there is one
// for each call. (Through a tree of objects a record cost a quarter of a whole call's CPU.) Running
// out of room is remembered, not reported at each step.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_text {
	char *p;
	size_t n, size;
	bool overflow;
	bool comma; // the next member or element has one before it
};

static inline void json_text_init(struct json_text *json, char *buffer, size_t size)
{
	*json = (struct json_text){.p = buffer, .size = size};
}

// `key` NULL: an element of an array, or the outermost value.
void json_text_open(struct json_text *json, const char *key, char bracket); // '{' or '['
void json_text_close(struct json_text *json, char bracket);		    // '}' or ']'
// Any bytes; those that are no UTF-8 are taken for Latin-1. NULL writes null.
void json_text_string(struct json_text *json, const char *key, const char *value);
void json_text_number(struct json_text *json, const char *key, uint64_t value);
void json_text_decimal( // value / 10^n_decimals, n_decimals at least 1
	struct json_text *json, const char *key, uint32_t value, unsigned int n_decimals);
// Members that have been written before, without braces. NULL or "": none.
void json_text_members(struct json_text *json, const char *members);
void json_text_bool(struct json_text *json, const char *key, bool value);
