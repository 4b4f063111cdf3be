// CLONES before a function: it is compiled for AVX2 too, and which one runs is chosen when the
// program is loaded. Not in fuzz targets: what chooses is instrumented there, and calls libFuzzer
// before a shared library can.
#pragma once

#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(SLUICE_FUZZ)
#define CLONES __attribute__((target_clones("avx2", "default")))
#else
#define CLONES
#endif
