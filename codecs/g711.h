// G.711 between its two laws without the linear step, for a relay that changes nothing else.
// One octet in, one out: the code that encoding the decoded value would give.
#pragma once

#include <stddef.h>
#include <stdint.h>

// Convert n octets. `dst` may be `src`; they must not overlap otherwise.
void g711_ulaw_to_alaw(uint8_t *dst, const uint8_t *src, size_t n);
void g711_alaw_to_ulaw(uint8_t *dst, const uint8_t *src, size_t n);
