// Sample rate conversion between 8, 16, 24 and 48 kHz.
//
// The response, the same for all twelve pairs, in terms of the lower of the two rates, f:
//   passband     0 to 0.425 f (3,400 Hz at 8 kHz, 6,800 Hz at 16 kHz), ripple below 0.01 dB
//   half of f    -6 dB
//   stopband     from 0.575 f on (images of upward, aliases of downward): below -64 dB
//   delay        16 periods of the lower rate: 2 ms at 8 kHz, 1 ms at 16 kHz; linear phase
// DC passes with a gain of exactly one. Where the higher rate is a multiple of the lower, going up
// keeps the samples that were there as they are.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define RESAMPLER_DELAY 16 // periods of the lower rate

// Most samples that n samples become.
#define RESAMPLER_OUTPUT_MAX(n) (6 * (size_t)(n))

// Compute the filters. Once, before any other thread uses them; again does nothing.
void resamplers_init(void);

// Bytes of state (66 to 386), aligned to 2; 0: no such pair of rates, or the same rate twice.
size_t resampler_size(uint32_t in_hz, uint32_t out_hz);

// Begin a stream, or begin it anew. 0 or -EINVAL. The state is relocatable.
int resampler_init(void *state, uint32_t in_hz, uint32_t out_hz);

// Convert n samples, any number. Returns the samples written: of all those in since the beginning,
// times out_hz / in_hz, rounded up, less what was written before. The two must not overlap.
size_t resampler_run(void *state, const int16_t *in, size_t n, int16_t *out);
