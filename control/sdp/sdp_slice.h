// Cutting the text of session descriptions into words and numbers. Private to control/sdp.
#pragma once

#include "sdp.h"

// Without blanks at both ends.
struct sdp_slice sdp_slice_trim(struct sdp_slice slice);

// Cut the text up to `separator` (a space: any blanks) off the front of *rest; all of it where
// there is none.
struct sdp_slice sdp_slice_take(struct sdp_slice *rest, char separator);
struct sdp_slice sdp_slice_take_word(struct sdp_slice *rest);

// The digits at the front of `slice`, which end at its end or at `end`. False: none, or above
// `max`.
bool sdp_slice_number(struct sdp_slice slice, char end, uint64_t max, uint64_t *out);
