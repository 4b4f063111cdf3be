// G.722's inner parts: what its files share, and what tests look at beyond the codec's interface.
#pragma once

#include <stddef.h>
#include <stdint.h>

// One band's predictor and quantiser, in the words of the recommendation; all int16_t, so that it
// can be taken as an array.
struct g722_band {
	int16_t s, sz;	// the prediction, and the part of it that the zeros make
	int16_t r1, r2; // reconstructed signal, newest first
	int16_t p1, p2; // the part of it that the poles do not make
	int16_t a1, a2; // coefficients of the poles
	int16_t nb;	// logarithm of the quantiser's scale
	int16_t det;	// and the scale
	int16_t d[6];	// quantised difference, newest first
	int16_t b[6];	// coefficients of the zeros
};

#define G722_BAND_WORDS (sizeof(struct g722_band) / sizeof(int16_t))

struct g722_adpcm {
	struct g722_band low, high;
};

// ADPCM of `width` streams at once, each in a lane: n pairs of sub-band samples to n octets, and
// back. Modes 1 to 3 are which bits of the octets are of the lower band.
struct g722_lanes {
	unsigned int width;
	void (*encode)(struct g722_adpcm *const *states, const int16_t *const *low,
		const int16_t *const *high, uint8_t *const *codes, size_t n);
	void (*decode)(struct g722_adpcm *const *states, const uint8_t *const *codes,
		int16_t *const *low, int16_t *const *high, size_t n, unsigned int mode);
	// The lower band alone, as 8,000 Hz samples; the upper one is silent, or not looked at.
	void (*encode_narrow)(struct g722_adpcm *const *states, const int16_t *const *pcm,
		uint8_t *const *codes, size_t n);
	void (*decode_narrow)(struct g722_adpcm *const *states, const uint8_t *const *codes,
		int16_t *const *pcm, size_t n, unsigned int mode);
};

extern const struct g722_lanes g722_lanes_1;
#ifdef __x86_64__
extern const struct g722_lanes g722_lanes_8, g722_lanes_16, g722_lanes_32;
#endif

// The widest of at most this width, which is not 0, that the machine runs: 16 is AVX2, 32 AVX-512
// (BW and VBMI2).
const struct g722_lanes *g722_lanes_choose(unsigned int width_max);

// The decoder begins in mode 1 (64 kbit/s). Modes 2 (56) and 3 (48) ignore the lowest one and two
// bits of an octet, where a far end may have put data of its own.
void g722_decoder_set_mode(void *state, unsigned int mode);
