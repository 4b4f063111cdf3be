// Character classes of the SIP grammar (RFC 3261 25.1) as one table of flags.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "slice.h"

enum {
	CHAR_TOKEN = 1 << 0, // token
	CHAR_VALUE = 1 << 1, // unquoted parameter value or name: token, host, paramchar
	CHAR_USER = 1 << 2, // userinfo: unreserved, user-unreserved, '%', and '#' as phones send it
	CHAR_HOST = 1 << 3, // hostname, with '_' as many hosts have it
	CHAR_DIGIT = 1 << 4,
	CHAR_HEX = 1 << 5,
	CHAR_SCHEME = 1 << 6,  // URI scheme after its first letter
	CHAR_VISIBLE = 1 << 7, // 0x21 to 0x7e
};

extern const uint8_t char_classes[256];

static inline bool char_is(char c, unsigned int classes)
{
	return char_classes[(unsigned char)c] & classes;
}

static inline bool char_is_space(char c)
{
	return c == ' ' || c == '\t';
}

// True where all characters of a non-empty slice are of one of the classes.
static inline bool chars_are(struct slice text, unsigned int classes)
{
	for (size_t i = 0; i < text.n; i++)
		if (!char_is(text.p[i], classes))
			return false;
	return text.n > 0;
}

static inline struct slice slice_skip(struct slice text, size_t n)
{
	return n ? (struct slice){text.p + n, text.n - n} : text;
}

static inline struct slice slice_skip_space(struct slice text)
{
	while (text.n && char_is_space(text.p[0]))
		text = slice_skip(text, 1);
	return text;
}

// Of a digit of CHAR_HEX.
static inline unsigned int char_hex_value(char c)
{
	return char_is(c, CHAR_DIGIT) ? (unsigned int)(c - '0')
				      : (unsigned int)((c | 0x20) - 'a' + 10);
}

// Two hexadecimal digits, in lower case, for each byte.
void chars_hex(const void *bytes, size_t n, char *out);

// Length of the quoted string at the start of `text` with both quotes, 0 where it has no end.
size_t chars_quoted(struct slice text);
