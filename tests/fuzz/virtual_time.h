// Time that passes only when it is told to, for all of a program but libFuzzer: its own clock is
// the C++ library's, which asks for CLOCK_REALTIME, and nobody else does so behind our back. Link
// with -Wl,--wrap=clock_gettime.
#pragma once

#include <stdint.h>

void virtual_time_pass(uint64_t ms);
