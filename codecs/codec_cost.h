// What a frame of each codec costs on this machine, measured once.
#pragma once

#include <stdint.h>

#include "codec.h"

#define CODEC_COST_COMPLEXITY 5 // that encode_ns is about, where encoders have such a thing

struct codec_cost { // CPU time of 20 ms at the codec's lowest rate
	uint32_t encode_ns;
	uint32_t decode_ns;
	uint32_t encode_least_ns; // at complexity 0; encode_ns where there is no such thing
};

// Measure all of codecs[], at most about `budget_us` each. At start, before any other thread uses
// codecs. What cannot be measured keeps the codec's own figures.
void codecs_measure(uint32_t budget_us);

// Measured, or the codec's own figures. `codec` is one of codecs[].
struct codec_cost codec_cost(const struct codec *codec);
