// DTMF in the audio (ITU-T Q.23, Q.24): making tones and finding them, at any PCM rate of a codec.
//
// Digits are event codes of RFC 4733: 0 to 9, 10 *, 11 #, 12 to 15 A to D.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DTMF_TONE_DIGITS 16
#define DTMF_RAMP_MS	 5 // in which a tone rises and falls, so that it does not click

// A pair of oscillators.
struct dtmf_tone {
	double factor[2]; // 2 cos(w)
	double now[2], before[2];
	float gain; // 0 to 1
	float step; // of it, per sample
};

// Begin a digit. `volume`: -dBm0 of both tones together, 0 to 63; the high tone is 2 dB above the
// low one.
void dtmf_tone_start(struct dtmf_tone *tone, uint8_t digit, uint8_t volume, uint32_t sample_hz);

// Add it to n samples: rising to, or staying at, its level where `on`; else falling to silence.
void dtmf_tone_add(struct dtmf_tone *tone, bool on, int16_t *pcm, size_t n);

static inline bool dtmf_tone_sounds(const struct dtmf_tone *tone)
{
	return tone->gain > 0;
}

#define DTMF_BLOCK_US 12750 // what the detector looks at at a time

// A digit is one that two blocks in a row show, and over when three in a row do not, or two show
// another: tones of 40 ms are found wherever they begin, none of 20 ms, pauses of 40 ms are seen,
// and drop-outs of 10 ms are not (Q.24). Both tones must be above -33 dBm0, the low one at most 8
// dB above the high one and the high one at most 4 dB above the low one, each 8 dB above the others
// of its group, and 80 % of all that is heard.
struct dtmf_detector {
	float factor[8]; // 2 cos(w) of the four low and the four high tones
	float s1[8], s2[8];
	float energy;
	uint32_t block;	  // samples
	uint32_t fill;	  // of the block that is under way
	int8_t digit;	  // -1: none
	int8_t last;	  // what the last block showed, -1: none
	uint8_t n_missed; // blocks in a row that did not show it
	int8_t level;	  // of `last`, dBm0 of both tones together
};

enum dtmf_found {
	DTMF_NOTHING_NEW,
	DTMF_SUSPECTED, // the block showed a digit; the next one decides
	DTMF_BEGUN,	// detector->digit, which began two blocks before
	DTMF_GOES_ON,
	DTMF_ENDED, // detector->digit is -1 from here on
};

void dtmf_detector_init(struct dtmf_detector *detector, uint32_t sample_hz);

// Look at n samples, or as many as complete a block. Returns how many; *found says what is known
// since.
size_t dtmf_detector_run(
	struct dtmf_detector *detector, const int16_t *pcm, size_t n, enum dtmf_found *found);
