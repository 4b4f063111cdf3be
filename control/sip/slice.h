// A run of bytes inside somebody else's memory: what the parser hands out instead of copies.
// A slice owns nothing and is valid as long as the buffer it points into; it has no NUL at its
// end. An absent value is {NULL, 0}, an empty one has p != NULL.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
	const char *p;
	size_t n;
};

#define SLICE(literal)	  ((struct slice){"" literal, sizeof(literal) - 1})
#define SLICE_FMT	  "%.*s"
#define SLICE_ARG(slice_) (int)(slice_).n, (slice_).p ? (slice_).p : ""

static inline struct slice slice_of(const char *text)
{
	return (struct slice){text, text ? strlen(text) : 0};
}

static inline bool slice_equal(struct slice a, struct slice b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

// ASCII letters compare without case, as SIP tokens do (7.3.1); whatever the locale.
static inline bool slice_equal_nocase(struct slice a, struct slice b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++) {
		unsigned char differs = (unsigned char)(a.p[i] ^ b.p[i]), letter = a.p[i] | 0x20;

		if (differs && (differs != 0x20 || letter < 'a' || letter > 'z'))
			return false;
	}
	return true;
}

static inline bool slice_starts_nocase(struct slice slice, struct slice prefix)
{
	return slice.n >= prefix.n && slice_equal_nocase((struct slice){slice.p, prefix.n}, prefix);
}

// Free text that was malloced, and wipe it first: descriptions carry keys of media.
void slice_free(struct slice text);

// Without white space at both ends. Folded lines are unfolded by the message parser, so that is
// space and tab; CR and LF count too for text that comes from elsewhere.
struct slice slice_trim(struct slice slice);

// The part before the first `separator`, which is removed from `rest` together with it. Without a
// separator everything, and `rest` becomes absent.
struct slice slice_cut(struct slice *rest, char separator);

// Decimal digits only, at most `max`. Returns 0, -EINVAL (no digits) or -ERANGE; leading zeros
// are allowed.
int slice_to_u32(struct slice slice, uint32_t max, uint32_t *out);
