// Slices: the few operations that are more than a line.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "chars.h"

struct slice slice_trim(struct slice s)
{
	while (s.n && (char_is_space(s.p[0]) || s.p[0] == '\r' || s.p[0] == '\n'))
		s = slice_skip(s, 1);
	while (s.n && (char_is_space(s.p[s.n - 1]) || s.p[s.n - 1] == '\r' || s.p[s.n - 1] == '\n'))
		s.n--;
	return s;
}

struct slice slice_cut(struct slice *rest, char separator)
{
	const char *end = rest->n ? memchr(rest->p, separator, rest->n) : NULL;
	struct slice first = *rest;

	if (!end) {
		*rest = (struct slice){0};
		return first;
	}
	first.n = (size_t)(end - rest->p);
	*rest = slice_skip(*rest, first.n + 1);
	return first;
}

int slice_to_u32(struct slice s, uint32_t max, uint32_t *out)
{
	uint64_t value = 0;

	if (!chars_are(s, CHAR_DIGIT))
		return -EINVAL;
	for (size_t i = 0; i < s.n; i++) {
		value = value * 10 + (uint64_t)(s.p[i] - '0');
		if (value > max)
			return -ERANGE;
	}
	*out = (uint32_t)value;
	return 0;
}

void slice_free(struct slice text)
{
	if (text.p)
		explicit_bzero((char *)text.p, text.n);
	free((char *)text.p);
}
