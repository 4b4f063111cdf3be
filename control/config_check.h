// What the configuration's checks share: how to say what is wrong, and checks of single values. All
// return 0, or a negative errno with the error written. Private to config.c.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "sdp.h"

#define CHECK_WHERE_SIZE 96

// The text that is being checked, and where an error goes.
struct check {
	const char *name, *text;
	size_t length;
	char *error;
	size_t error_size;
};

// "FILE:LINE: WHERE: what was expected". Returns -EINVAL.
int check_failed(const struct check *check, const char *where, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
// Returns -ENOMEM.
int check_memory(const struct check *check);
// Write a place in the file, as "trunks[2].peers[1]". Returns `out`.
const char *check_where(char out[CHECK_WHERE_SIZE], const char *format, ...)
	__attribute__((format(printf, 2, 3)));

int check_range(const struct check *check, const char *where, uint32_t value, uint32_t least,
	uint32_t most);
int check_name(const struct check *check, const char *where, const char *name);
int check_path(const struct check *check, const char *where, const char *path);
int check_number(const struct check *check, const char *where, const char *number);
int check_ip(
	const struct check *check, const char *where, const char *text, struct sdp_address *out);
