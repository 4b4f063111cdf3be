// A speech-like signal without files: voiced and unvoiced syllables with a gliding pitch and three
// formants, and pauses. Deterministic.
#pragma once

#include <stddef.h>
#include <stdint.h>

void speech_synthesise(int16_t *pcm, size_t n, uint32_t sample_hz, uint32_t seed);

// Signal to noise ratio in dB of `got` against `want` at the best delay in 0..delay_max and the
// best gain; *delay (may be NULL) says which delay.
double speech_snr_db(
	const int16_t *want, const int16_t *got, size_t n, size_t delay_max, size_t *delay);
