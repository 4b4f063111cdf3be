// Sub-band ADPCM of G.722 (ITU-T G.722), for several streams at once: each variable is a
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

// An element of a table of 16, 32 or 64.
INLINE lane look_up(const int32_t *table, [[maybe_unused]] size_t n, lane index)
{
#if G722_WIDTH == 1
	return table[index];
#elif G722_WIDTH == 16
	__m512i at = (__m512i)index, found = _mm512_loadu_si512(table);

	if (n == 16)
		return (lane)_mm512_permutexvar_epi32(at, found);
	found = _mm512_permutex2var_epi32(found, at, _mm512_loadu_si512(table + 16));
	if (n == 64) {
		__m512i upper = _mm512_permutex2var_epi32(
			_mm512_loadu_si512(table + 32), at, _mm512_loadu_si512(table + 48));

		found = _mm512_mask_mov_epi32(
			found, _mm512_cmpgt_epi32_mask(at, _mm512_set1_epi32(31)), upper);
	}
	return (lane)found;
#elif G722_WIDTH == 8
	return (lane)_mm256_i32gather_epi32(table, (__m256i)index, 4);
#else
	lane found;

	for (int i = 0; i < G722_WIDTH; i++)
		found[i] = table[index[i]];
	return found;
#endif
}

// Decision levels of the lower band's quantiser, without the 0 that comes first.
static const int16_t q6[] = {35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650,
	714, 786, 858, 940, 1023, 1121, 1219, 1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919};
#define Q2 564 // and of the upper one's

#define TWICE(x) (x), (x)
#define FOUR(x)	 TWICE(x), TWICE(x)

// Output levels by the octet's six bits of the lower band, in each mode.
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
// band: the change of the scale's logarithm, and the level. A vector has room for 16.
static const int32_t low_levels[16] = {0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456,
	12896, 8968, 6288, 4240, 2584, 1200, 0};
static const int32_t low_steps[16] = {
	-60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60};
static const int32_t high_steps[16] = {798, -214, 798, -214};
static const int32_t high_levels[16] = {-7408, -1616, 7408, 1616};

// 2048 * 2^(i/32)
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
	lane exponential = look_up(exponentials, 32, (nb >> 6) & 31);

	band->nb = nb;
	band->det = ((exponential << 1) >> (shift + 1 - (nb >> 11))) << 2;
}

INLINE void adapt_low(struct band *band, lane code)
{
	lane upper_bits = code >> 2;
	lane level = look_up(low_levels, 16, upper_bits);
	lane d0 = (band->det * level) >> 15;

	adapt_scale(band, look_up(low_steps, 16, upper_bits), 18432, 8);
	adapt(band, d0);
}

// Returns the quantised difference.
INLINE lane adapt_high(struct band *band, lane code)
{
	lane d0 = (band->det * look_up(high_levels, 16, code)) >> 15;

	adapt_scale(band, look_up(high_steps, 16, code), 22528, 10);
	adapt(band, d0);
	return d0;
}

// QUANTL: the count of levels that the difference reaches is the code, but for sign and order.
INLINE lane encode_low(struct band *band, lane x)
{
	lane e = saturate(x - band->s), sign = e >> 31, reach = (e ^ sign) << 12 | 4095, m = all(1),
	     code;

	for (size_t i = 0; i < sizeof(q6) / sizeof(q6[0]); i++)
		m -= MASK(q6[i] * band->det <= reach);
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
	lane y = limit_band(saturate(band->s + ((band->det * look_up(table, 64, code)) >> 15)));

	adapt_low(band, code);
	return y;
}

INLINE lane decode_high(struct band *band, lane code)
{
	lane s = band->s;

	return limit_band(saturate(s + adapt_high(band, code)));
}

#if G722_WIDTH == 1
typedef int16_t narrow;
#define LANE(x, i) (x)
#define NARROW(x)  ((narrow)(x))
#define WIDEN(x)   ((lane)(x))
#else
typedef int16_t narrow __attribute__((vector_size(2 * G722_WIDTH)));
#define LANE(x, i) ((x)[i])
#define NARROW(x)  __builtin_convertvector(x, narrow)
#define WIDEN(x)   __builtin_convertvector(x, lane)
#endif

// A value of each stream, as it is in memory.
union row {
	narrow lanes;
	int16_t values[G722_WIDTH];
};

INLINE void load_band(struct band *band, const int16_t *const *words)
{
	lane *lanes = (lane *)band;
	union row rows[G722_BAND_WORDS];

	for (int i = 0; i < G722_WIDTH; i++) {
		for (size_t w = 0; w < G722_BAND_WORDS; w++)
			rows[w].values[i] = words[i][w];
	}
	for (size_t w = 0; w < G722_BAND_WORDS; w++)
		lanes[w] = WIDEN(rows[w].lanes);
}

INLINE void store_band(const struct band *band, int16_t *const *words)
{
	const lane *lanes = (const lane *)band;
	union row rows[G722_BAND_WORDS];

	for (size_t w = 0; w < G722_BAND_WORDS; w++)
		rows[w].lanes = NARROW(lanes[w]);
	for (int i = 0; i < G722_WIDTH; i++) {
		for (size_t w = 0; w < G722_BAND_WORDS; w++)
			words[i][w] = rows[w].values[i];
	}
}

struct bands {
	struct band low, high;
};

INLINE void load_low(struct band *low, struct g722_adpcm *const *states)
{
	const int16_t *words[G722_WIDTH];

	for (int i = 0; i < G722_WIDTH; i++)
		words[i] = (const int16_t *)&states[i]->low;
	load_band(low, words);
}

INLINE void load_high(struct band *high, struct g722_adpcm *const *states)
{
	const int16_t *words[G722_WIDTH];

	for (int i = 0; i < G722_WIDTH; i++)
		words[i] = (const int16_t *)&states[i]->high;
	load_band(high, words);
}

INLINE void store_low(const struct band *low, struct g722_adpcm *const *states)
{
	int16_t *words[G722_WIDTH];

	for (int i = 0; i < G722_WIDTH; i++)
		words[i] = (int16_t *)&states[i]->low;
	store_band(low, words);
}

INLINE void store_high(const struct band *high, struct g722_adpcm *const *states)
{
	int16_t *words[G722_WIDTH];

	for (int i = 0; i < G722_WIDTH; i++)
		words[i] = (int16_t *)&states[i]->high;
	store_band(high, words);
}

static void load(struct bands *bands, struct g722_adpcm *const *states)
{
	load_low(&bands->low, states);
	load_high(&bands->high, states);
}

static void store(const struct bands *bands, struct g722_adpcm *const *states)
{
	store_low(&bands->low, states);
	store_high(&bands->high, states);
}

// Turn n values of each stream into rows, and back.
INLINE void to_rows(union row *rows, const int16_t *const *streams, size_t at, size_t n)
{
	for (int i = 0; i < G722_WIDTH; i++) {
		for (size_t k = 0; k < n; k++)
			rows[k].values[i] = streams[i][at + k];
	}
}

INLINE void from_rows(const union row *rows, int16_t *const *streams, size_t at, size_t n)
{
	for (int i = 0; i < G722_WIDTH; i++) {
		for (size_t k = 0; k < n; k++)
			streams[i][at + k] = rows[k].values[i];
	}
}

// Octets go to and fro as they are.
INLINE void codes_to_rows(union row *rows, const uint8_t *const *codes, size_t at, size_t n)
{
	for (int i = 0; i < G722_WIDTH; i++) {
		for (size_t k = 0; k < n; k++)
			rows[k].values[i] = codes[i][at + k];
	}
}

INLINE void codes_from_rows(const union row *rows, uint8_t *const *codes, size_t at, size_t n)
{
	for (int i = 0; i < G722_WIDTH; i++) {
		for (size_t k = 0; k < n; k++)
			codes[i][at + k] = (uint8_t)rows[k].values[i];
	}
}

#define ROWS 40 // turned at a time

static void encode(struct g722_adpcm *const *states, const int16_t *const *low,
	const int16_t *const *high, uint8_t *const *codes, size_t n)
{
	union row low_rows[ROWS], high_rows[ROWS];
	struct bands bands;

	load(&bands, states);
	for (size_t at = 0; at < n; at += ROWS) {
		size_t n_rows = n - at < ROWS ? n - at : ROWS;

		to_rows(low_rows, low, at, n_rows);
		to_rows(high_rows, high, at, n_rows);
		for (size_t k = 0; k < n_rows; k++) {
			lane code = encode_low(&bands.low, WIDEN(low_rows[k].lanes));

			code |= encode_high(&bands.high, WIDEN(high_rows[k].lanes)) << 6;
			low_rows[k].lanes = NARROW(code);
		}
		codes_from_rows(low_rows, codes, at, n_rows);
	}
	store(&bands, states);
}

static void decode(struct g722_adpcm *const *states, const uint8_t *const *codes,
	int16_t *const *low, int16_t *const *high, size_t n, unsigned int mode)
{
	const int32_t *table = levels[mode - 1];
	union row low_rows[ROWS], high_rows[ROWS];
	struct bands bands;

	load(&bands, states);
	for (size_t at = 0; at < n; at += ROWS) {
		size_t n_rows = n - at < ROWS ? n - at : ROWS;

		codes_to_rows(low_rows, codes, at, n_rows);
		for (size_t k = 0; k < n_rows; k++) {
			lane code = WIDEN(low_rows[k].lanes);

			low_rows[k].lanes = NARROW(decode_low(&bands.low, code & 63, table));
			high_rows[k].lanes = NARROW(decode_high(&bands.high, code >> 6));
		}
		from_rows(low_rows, low, at, n_rows);
		from_rows(high_rows, high, at, n_rows);
	}
	store(&bands, states);
}

#define HIGH_IDLE 0xc0 // what QUANTH makes of silence, for as long as it lasts

static void encode_narrow(struct g722_adpcm *const *states, const int16_t *const *pcm,
	uint8_t *const *codes, size_t n)
{
	union row rows[ROWS];
	struct band low;

	load_low(&low, states);
	for (size_t at = 0; at < n; at += ROWS) {
		size_t n_rows = n - at < ROWS ? n - at : ROWS;

		to_rows(rows, pcm, at, n_rows);
		for (size_t k = 0; k < n_rows; k++) {
			lane code = encode_low(&low, WIDEN(rows[k].lanes) >> 1);

			rows[k].lanes = NARROW(code | HIGH_IDLE);
		}
		codes_from_rows(rows, codes, at, n_rows);
	}
	store_low(&low, states);
}

static void decode_narrow(struct g722_adpcm *const *states, const uint8_t *const *codes,
	int16_t *const *pcm, size_t n, unsigned int mode)
{
	const int32_t *table = levels[mode - 1];
	union row rows[ROWS];
	struct band low;

	load_low(&low, states);
	for (size_t at = 0; at < n; at += ROWS) {
		size_t n_rows = n - at < ROWS ? n - at : ROWS;

		codes_to_rows(rows, codes, at, n_rows);
		for (size_t k = 0; k < n_rows; k++) {
			lane code = WIDEN(rows[k].lanes) & 63;

			rows[k].lanes = NARROW(decode_low(&low, code, table) * 2);
		}
		from_rows(rows, pcm, at, n_rows);
	}
	store_low(&low, states);
}

#define NAME(width)    NAME_OF(width)
#define NAME_OF(width) g722_lanes_##width

const struct g722_lanes NAME(G722_WIDTH) = {
	.width = G722_WIDTH,
	.encode = encode,
	.decode = decode,
	.encode_narrow = encode_narrow,
	.decode_narrow = decode_narrow,
};
