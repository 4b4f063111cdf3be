// assert_slice(): compare a slice with text and show both.
#pragma once

#include "slice.h"

#define assert_slice(got, text) check_slice(#got, got, text)

static inline void check_slice(const char *what, struct slice got, const char *want)
{
	if (!slice_equal(got, slice_of(want)))
		fail_msg("%s is \"" SLICE_FMT "\", not \"%s\"", what, SLICE_ARG(got), want);
}
