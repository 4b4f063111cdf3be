// Sub-band ADPCM of G.722 (ITU-T G.722, section 3), for several streams at once: each variable is a
// vector with one stream per lane. Built once per width: -DG722_WIDTH=1 is plain C for a stream on
// its own; the compiler options of the others say what the vectors may be made of.
//
// Names and order of the steps are the recommendation's (SUBTRA, QUANTL, LOGSCL, UPZERO ...). It
// calculates in 16 bits and saturates; lanes have 32, and saturate where 16 bits could overflow.
// All branches are masks, so the lanes do the same whatever their signals are.
#include <string.h>

#include "g722.h"

#if G722_WIDTH == 1
typedef int32_t lane;
#define MASK(condition) (-(lane)(condition)) // all bits where it holds
#else
typedef int32_t lane __attribute__((vector_size(4 * G722_WIDTH)));
#define MASK(condition) ((lane)(condition))
#endif

#if G722_WIDTH == 8 || G722_WIDTH == 16
#include <immintrin.h>
#endif

#define INLINE static inline __attribute__((always_inline))

struct band {
	lane s, sz, r1, r2, p1, p2, a1, a2, nb, det, d[6], b[6];
};

_Static_assert(sizeof(struct band) / sizeof(lane) == G722_BAND_WORDS, "the same words");

INLINE lane all(int32_t x)
{
	return (lane){0} + x;
}

INLINE lane pick(lane mask, lane yes, lane no)
{
#if G722_WIDTH == 1
	return mask ? yes : no;
#else
	return (mask & yes) | (~mask & no);
#endif
}

INLINE lane clamp(lane x, lane least, lane most)
{
#if G722_WIDTH == 16
	return (lane)_mm512_max_epi32((__m512i)least, _mm512_min_epi32((__m512i)most, (__m512i)x));
#elif G722_WIDTH == 8
	return (lane)_mm256_max_epi32((__m256i)least, _mm256_min_epi32((__m256i)most, (__m256i)x));
#else
	x = pick(MASK(x > most), most, x);
	return pick(MASK(x < least), least, x);
#endif
}

INLINE lane saturate(lane x)
{
	return clamp(x, all(INT16_MIN), all(INT16_MAX));
}

INLINE lane look_up(const int32_t *table, lane index)
{
#if G722_WIDTH == 1
	return table[index];
#elif G722_WIDTH == 16
	return (lane)_mm512_i32gather_epi32((__m512i)index, table, 4);
#elif G722_WIDTH == 8
	return (lane)_mm256_i32gather_epi32(table, (__m256i)index, 4);
#else
	lane found;

	for (int i = 0; i < G722_WIDTH; i++)
		found[i] = table[index[i]];
	return found;
#endif
}

// Decision levels of the lower band's quantiser (table 7), the first being 0 and the last unused.
static const int16_t q6[] = {35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650,
	714, 786, 858, 940, 1023, 1121, 1219, 1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919};
#define Q2 564 // and of the upper one's

#define TWICE(x) (x), (x)
#define FOUR(x)	 TWICE(x), TWICE(x)

// Output levels by the octet's six bits of the lower band, in each mode (tables 9, 10 and 11).
static const int32_t levels[3][64] = {
	{FOUR(-136), -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232, -9360,
		-8576, -7856, -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776,
		-2400, -2032, -1688, -1360, -1040, -728, 24808, 21904, 19008, 16704, 14984, 13512,
		12280, 11192, 10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456, 4944, 4464, 4008,
		3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432, -136},
	{FOUR(-280), TWICE(-23352), TWICE(-17560), TWICE(-14120), TWICE(-11664), TWICE(-9752),
		TWICE(-8184), TWICE(-6864), TWICE(-5712), TWICE(-4696), TWICE(-3784), TWICE(-2960),
		TWICE(-2208), TWICE(-1520), TWICE(-880), TWICE(23352), TWICE(17560), TWICE(14120),
		TWICE(11664), TWICE(9752), TWICE(8184), TWICE(6864), TWICE(5712), TWICE(4696),
		TWICE(3784), TWICE(2960), TWICE(2208), TWICE(1520), TWICE(880), TWICE(280),
		TWICE(-280)},
	{FOUR(0), FOUR(-20456), FOUR(-12896), FOUR(-8968), FOUR(-6288), FOUR(-4240), FOUR(-2584),
		FOUR(-1200), FOUR(20456), FOUR(12896), FOUR(8968), FOUR(6288), FOUR(4240),
		FOUR(2584), FOUR(1200), FOUR(0)},
};

// By the upper four of these bits, which alone adapt the predictor, and by the two of the upper
// band: the change of the scale's logarithm (tables 12 and 13), and the level.
static const int32_t low_steps[16] = {
	-60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60};
static const int32_t high_steps[4] = {798, -214, 798, -214};
static const int32_t high_levels[4] = {-7408, -1616, 7408, 1616};

// 2048 * 2^(i/32) (table 14)
static const int32_t exponentials[32] = {2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489,
	2543, 2599, 2656, 2714, 2774, 2834, 2896, 2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444,
	3520, 3597, 3676, 3756, 3838, 3922, 4008};

// All bits where the signs of a and b are the same.
INLINE lane same_sign(lane a, lane b)
{
	return ~((a ^ b) >> 31);
}

// x where the mask is set, -x elsewhere.
INLINE lane plus_minus(lane mask, lane x)
{
	return (x ^ ~mask) - ~mask;
}

// UPZERO, and the delay of the differences; FILTEZ adds from the oldest on. d is so small that
// twice d and the products need no limit.
INLINE void adapt_zeros(struct band *band, lane d0)
{
	lane step = MASK(d0 != 0) & 128, sz = all(0);

	for (int i = 5; i >= 0; i--) {
		lane signed_step = plus_minus(same_sign(d0, band->d[i]), step);

		band->b[i] = saturate(signed_step + ((band->b[i] * 32640) >> 15));
		band->d[i] = i ? band->d[i - 1] : d0;
		sz = saturate(sz + ((band->b[i] * (2 * band->d[i])) >> 15));
	}
	band->sz = sz;
}

// UPPOL2, UPPOL1 and FILTEP; returns the poles' part of the prediction.
INLINE lane adapt_poles(struct band *band, lane p0, lane r0)
{
	lane same1 = same_sign(p0, band->p1), same2 = same_sign(p0, band->p2);
	lane a1 = saturate(band->a1 * 4), limit;

	a1 = clamp(plus_minus(~same1, a1), all(INT16_MIN), all(INT16_MAX)) >> 7;
	band->a2 = clamp(a1 + plus_minus(same2, all(128)) + ((band->a2 * 32512) >> 15), all(-12288),
		all(12288));
	limit = 15360 - band->a2;
	band->a1 = clamp(plus_minus(same1, all(192)) + ((band->a1 * 32640) >> 15), -limit, limit);
	band->p2 = band->p1;
	band->p1 = p0;
	band->r2 = band->r1;
	band->r1 = r0;
	return saturate(((band->a1 * saturate(2 * band->r1)) >> 15) +
			((band->a2 * saturate(2 * band->r2)) >> 15));
}

// What encoder and decoder do alike with a quantised difference: RECONS, PARREC and the next
// prediction.
INLINE void adapt(struct band *band, lane d0)
{
	lane p0 = saturate(d0 + band->sz), r0 = saturate(d0 + band->s);

	adapt_zeros(band, d0);
	band->s = saturate(adapt_poles(band, p0, r0) + band->sz);
}

// LOGSCL and SCALEL, or LOGSCH and SCALEH.
INLINE void adapt_scale(struct band *band, lane step, int32_t nb_max, int32_t shift)
{
	lane nb = clamp(((band->nb * 127) >> 7) + step, all(0), all(nb_max));
	lane exponential = look_up(exponentials, (nb >> 6) & 31);

	band->nb = nb;
	band->det = ((exponential << 1) >> (shift + 1 - (nb >> 11))) << 2;
}

INLINE void adapt_low(struct band *band, lane code)
{
	lane upper_bits = code >> 2;
	lane level = look_up(levels[2], code);
	lane d0 = (band->det * level) >> 15;

	adapt_scale(band, look_up(low_steps, upper_bits), 18432, 8);
	adapt(band, d0);
}

// Returns the quantised difference.
INLINE lane adapt_high(struct band *band, lane code)
{
	lane d0 = (band->det * look_up(high_levels, code)) >> 15;

	adapt_scale(band, look_up(high_steps, code), 22528, 10);
	adapt(band, d0);
	return d0;
}

// QUANTL: the count of levels that the difference reaches is the code, but for sign and order.
INLINE lane encode_low(struct band *band, lane x)
{
	lane e = saturate(x - band->s), sign = e >> 31, magnitude = e ^ sign, m = all(1), code;

	for (size_t i = 0; i < sizeof(q6) / sizeof(q6[0]); i++)
		m -= MASK(magnitude >= ((q6[i] * band->det) >> 12));
	code = pick(sign, pick(MASK(m < 3), 64 - m, 34 - m), 62 - m);
	adapt_low(band, code);
	return code;
}

// QUANTH
INLINE lane encode_high(struct band *band, lane x)
{
	lane e = saturate(x - band->s), sign = e >> 31, magnitude = e ^ sign;
	lane is_large = MASK(magnitude >= ((Q2 * band->det) >> 12));
	lane code = pick(sign, all(1), all(3)) + is_large;

	adapt_high(band, code);
	return code;
}

INLINE lane limit_band(lane x)
{
	return clamp(x, all(-16384), all(16383));
}

INLINE lane decode_low(struct band *band, lane code, const int32_t *table)
{
	lane y = limit_band(saturate(band->s + ((band->det * look_up(table, code)) >> 15)));

	adapt_low(band, code);
	return y;
}

INLINE lane decode_high(struct band *band, lane code)
{
	lane s = band->s;

	return limit_band(saturate(s + adapt_high(band, code)));
}

#if G722_WIDTH == 1
#define LANE(x, i) (x)
#else
#define LANE(x, i) ((x)[i])
#endif

INLINE void load_band(struct band *band, const int16_t *const *words)
{
	lane *lanes = (lane *)band;

	for (size_t w = 0; w < G722_BAND_WORDS; w++) {
		for (int i = 0; i < G722_WIDTH; i++)
			LANE(lanes[w], i) = words[i][w];
	}
}

INLINE void store_band(const struct band *band, int16_t *const *words)
{
	const lane *lanes = (const lane *)band;

	for (size_t w = 0; w < G722_BAND_WORDS; w++) {
		for (int i = 0; i < G722_WIDTH; i++)
			words[i][w] = (int16_t)LANE(lanes[w], i);
	}
}

struct bands {
	struct band low, high;
};

static void load(struct bands *bands, struct g722_adpcm *const *states)
{
	const int16_t *low[G722_WIDTH], *high[G722_WIDTH];

	for (int i = 0; i < G722_WIDTH; i++) {
		low[i] = (const int16_t *)&states[i]->low;
		high[i] = (const int16_t *)&states[i]->high;
	}
	load_band(&bands->low, low);
	load_band(&bands->high, high);
}

static void store(const struct bands *bands, struct g722_adpcm *const *states)
{
	int16_t *low[G722_WIDTH], *high[G722_WIDTH];

	for (int i = 0; i < G722_WIDTH; i++) {
		low[i] = (int16_t *)&states[i]->low;
		high[i] = (int16_t *)&states[i]->high;
	}
	store_band(&bands->low, low);
	store_band(&bands->high, high);
}

static void encode(struct g722_adpcm *const *states, const int16_t *const *low,
	const int16_t *const *high, uint8_t *const *codes, size_t n)
{
	struct bands bands;

	load(&bands, states);
	for (size_t k = 0; k < n; k++) {
		lane x_low, x_high, code;

		for (int i = 0; i < G722_WIDTH; i++) {
			LANE(x_low, i) = low[i][k];
			LANE(x_high, i) = high[i][k];
		}
		code = encode_low(&bands.low, x_low);
		code |= encode_high(&bands.high, x_high) << 6;
		for (int i = 0; i < G722_WIDTH; i++)
			codes[i][k] = (uint8_t)LANE(code, i);
	}
	store(&bands, states);
}

static void decode(struct g722_adpcm *const *states, const uint8_t *const *codes,
	int16_t *const *low, int16_t *const *high, size_t n, unsigned int mode)
{
	const int32_t *table = levels[mode - 1];
	struct bands bands;

	load(&bands, states);
	for (size_t k = 0; k < n; k++) {
		lane code, y_low, y_high;

		for (int i = 0; i < G722_WIDTH; i++)
			LANE(code, i) = codes[i][k];
		y_low = decode_low(&bands.low, code & 63, table);
		y_high = decode_high(&bands.high, code >> 6);
		for (int i = 0; i < G722_WIDTH; i++) {
			low[i][k] = (int16_t)LANE(y_low, i);
			high[i][k] = (int16_t)LANE(y_high, i);
		}
	}
	store(&bands, states);
}

#define NAME(width)    NAME_OF(width)
#define NAME_OF(width) g722_lanes_##width

const struct g722_lanes NAME(G722_WIDTH) = {
	.width = G722_WIDTH, .encode = encode, .decode = decode};
