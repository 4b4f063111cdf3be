// ULIDs: 48 bits of time in ms and 80 random bits, written as 26 characters of Crockford's base 32,
// so that ids sort by age as text. A call's id, and in binary form its session's.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define ULID_TEXT_SIZE 27 // with the NUL

struct ulid {
	uint8_t bytes[16];
};

// A new one. Random bits are unpredictable: ids end up in Call-IDs.
struct ulid ulid_create(uint64_t now_ms);
void ulid_format(const struct ulid *ulid, char text[ULID_TEXT_SIZE]);
// Parse 26 characters, either case. Returns 0 or -EINVAL.
int ulid_parse(const char *text, size_t length, struct ulid *ulid);
