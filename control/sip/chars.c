// The table behind chars.h, written as the grammar lists the characters.
#include "chars.h"

#define ALNUM	(CHAR_TOKEN | CHAR_VALUE | CHAR_USER | CHAR_HOST | CHAR_SCHEME | CHAR_VISIBLE)
#define MARK	(CHAR_VALUE | CHAR_USER | CHAR_VISIBLE) // unreserved but not token
#define VISIBLE CHAR_VISIBLE

const uint8_t char_classes[256] = {
	['0' ... '9'] = ALNUM | CHAR_DIGIT | CHAR_HEX,
	['A' ... 'F'] = ALNUM | CHAR_HEX,
	['G' ... 'Z'] = ALNUM,
	['a' ... 'f'] = ALNUM | CHAR_HEX,
	['g' ... 'z'] = ALNUM,
	['-'] = CHAR_TOKEN | MARK | CHAR_HOST | CHAR_SCHEME,
	['.'] = CHAR_TOKEN | MARK | CHAR_HOST | CHAR_SCHEME,
	['_'] = CHAR_TOKEN | MARK | CHAR_HOST,
	['+'] = CHAR_TOKEN | MARK | CHAR_SCHEME,
	['!'] = CHAR_TOKEN | MARK,
	['%'] = CHAR_TOKEN | MARK,
	['*'] = CHAR_TOKEN | MARK,
	['\''] = CHAR_TOKEN | MARK,
	['~'] = CHAR_TOKEN | MARK,
	['`'] = CHAR_TOKEN | CHAR_VALUE | VISIBLE,
	['('] = MARK,
	[')'] = MARK,
	['&'] = MARK,
	['$'] = MARK,
	['/'] = MARK,
	['='] = MARK, // in values: base64 that should have been quoted
	[','] = CHAR_USER | VISIBLE,
	[';'] = CHAR_USER | VISIBLE,
	['?'] = CHAR_USER | VISIBLE,
	['#'] = CHAR_USER | CHAR_VALUE | VISIBLE,
	['['] = CHAR_VALUE | VISIBLE,
	[']'] = CHAR_VALUE | VISIBLE,
	[':'] = CHAR_VALUE | VISIBLE,
	['@'] = CHAR_VALUE | VISIBLE,
	['|'] = CHAR_VALUE | VISIBLE,
	['^'] = CHAR_VALUE | VISIBLE,
	['{'] = CHAR_VALUE | VISIBLE,
	['}'] = CHAR_VALUE | VISIBLE,
	['"'] = VISIBLE,
	['<'] = VISIBLE,
	['>'] = VISIBLE,
	['\\'] = VISIBLE,
};

size_t chars_quoted(struct slice text)
{
	for (size_t i = 1; i < text.n; i++) {
		if (text.p[i] == '"')
			return i + 1;
		if (text.p[i] == '\\')
			i++;
	}
	return 0;
}

void chars_hex(const void *bytes, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *from = bytes;

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digits[from[i] >> 4];
		out[2 * i + 1] = digits[from[i] & 15];
	}
}
