// Another implementation's opinion: ffmpeg's own decoders of AMR, AMR-WB and G.729 (libavcodec has
// them from other sources than the libraries that we use).
#pragma once

#include <stddef.h>
#include <stdint.h>

// Decode `n_bytes` of a file of this `format` (ffmpeg's demuxer: "amr", "g729"), at most `room`
// samples. Returns how many, or -1 with the reason on standard error.
int oracle_decode(
	const char *format, const uint8_t *bytes, size_t n_bytes, int16_t *pcm, size_t room);

// Mean over the frames of 20 ms that are not silent of the signal to noise ratio in dB, each within
// -10 and 35, at this delay and the gain that fits best over all.
double segmental_snr_db(const int16_t *want, const int16_t *got, size_t n, size_t frame);

// Level in dB of `got` over `want`.
double level_db(const int16_t *want, const int16_t *got, size_t n);
