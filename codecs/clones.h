// CLONES before a function: it is compiled for AVX2 too, and which one runs is chosen when the
// program is loaded.
#pragma once

#if defined(__x86_64__) && defined(__gnu_linux__)
#define CLONES __attribute__((target_clones("avx2", "default")))
#else
#define CLONES
#endif
