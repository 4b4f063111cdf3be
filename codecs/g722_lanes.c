// Sub-band ADPCM of G.722 (ITU-T G.722), for several streams at once: each variable is a
// vector with one stream per lane. Built once per width: -DG722_WIDTH=1 is plain C for a stream on
// its own; the compiler options of the others say what the vectors may be made of.
//
// Names and order of the steps are the recommendation's (SUBTRA, QUANTL, LOGSCL, UPZERO ...). It
// calculates in 16 bits and saturates (g722_ops.h); where plain operators stand nothing can
// overflow. All branches are masks, so the lanes do the same whatever their signals are.
#include <string.h>

#include "g722.h"
#include "g722_ops.h"

struct band {
	lane s, sz, r1, r2, p1, p2, a1, a2, nb, det, d[6], b[6];
};

_Static_assert(sizeof(struct band) / sizeof(lane) == G722_BAND_WORDS, "the same words");

// Decision levels of the lower band's quantiser, without the 0 that comes first.
static const int16_t q6[32] = {35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650,
	714, 786, 858, 940, 1023, 1121, 1219, 1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919};
#define N_LEVELS 29
#define Q2	 564 // and of the upper one's

#define TWICE(x) (x), (x)
#define FOUR(x)	 TWICE(x), TWICE(x)

// Output levels by the octet's six bits of the lower band, in each mode.
static const int16_t levels[3][64] = {
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
static const int16_t low_levels[16] = {0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456,
	12896, 8968, 6288, 4240, 2584, 1200, 0};
static const int16_t low_steps[16] = {
	-60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60};
static const int16_t high_steps[16] = {798, -214, 798, -214};
static const int16_t high_levels[16] = {-7408, -1616, 7408, 1616};

// 2048 * 2^(i/32)
static const int16_t exponentials[32] = {2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489,
	2543, 2599, 2656, 2714, 2774, 2834, 2896, 2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444,
	3520, 3597, 3676, 3756, 3838, 3922, 4008};

// x where a and b have the same sign, -x elsewhere, for x that is 128 or 192.
INLINE lane signed_by(lane a, lane b, int16_t x)
{
	return (((a ^ b) >> 15) & (int16_t)(-2 * x)) + x;
}

// UPZERO, and the delay of the differences; FILTEZ adds from the oldest on. d is so small that
// twice d needs no limit.
INLINE void adapt_zeros(struct band *band, lane d0)
{
	lane moves = MASK(d0 != 0), sz = all(0);

	for (int i = 5; i >= 0; i--) {
		lane step = signed_by(d0, band->d[i], 128) & moves;

		band->b[i] = add(leak(band->b[i]), step);
		band->d[i] = i ? band->d[i - 1] : d0;
		sz = add(sz, mult(band->b[i], 2 * band->d[i]));
	}
	band->sz = sz;
}

// UPPOL2, UPPOL1 and FILTEP; returns the poles' part of the prediction. a2 is so small that twice
// a2 needs no limit.
INLINE lane adapt_poles(struct band *band, lane p0, lane r0)
{
	lane same = ~((p0 ^ band->p1) >> 15), a1 = add(band->a1, band->a1), limit;

	a1 = add(a1, a1);
	a1 = pick(same, sub(all(0), a1), a1) >> 7;
	band->a2 = clamp(a1 + signed_by(p0, band->p2, 128) + mult_high(2 * band->a2, all(32512)),
		all(-12288), all(12288));
	limit = 15360 - band->a2;
	band->a1 = clamp(signed_by(p0, band->p1, 192) + leak(band->a1), -limit, limit);
	band->p2 = band->p1;
	band->p1 = p0;
	band->r2 = band->r1;
	band->r1 = r0;
	return add(mult(band->a1, add(band->r1, band->r1)),
		mult_high(2 * band->a2, add(band->r2, band->r2)));
}

// What encoder and decoder do alike with a quantised difference: RECONS, PARREC and the next
// prediction.
INLINE void adapt(struct band *band, lane d0)
{
	lane p0 = add(d0, band->sz), r0 = add(d0, band->s);

	adapt_zeros(band, d0);
	band->s = add(adapt_poles(band, p0, r0), band->sz);
}

// LOGSCL and SCALEL, or LOGSCH and SCALEH. The logarithm's leak is a 128th.
INLINE void adapt_scale(struct band *band, lane step, int16_t nb_max, int16_t shift)
{
	lane nb = clamp(mult_unsigned(band->nb, all((int16_t)65024)) + step, all(0), all(nb_max));
	lane exponential = look_up(exponentials, 32, (nb >> 6) & 31);

	band->nb = nb;
	band->det = shift_right(exponential << 1, (int16_t)(shift + 1) - (nb >> 11)) << 2;
}

INLINE void adapt_low(struct band *band, lane code)
{
	lane upper_bits = code >> 2;
	lane d0 = mult(band->det, look_up(low_levels, 16, upper_bits));

	adapt_scale(band, look_up(low_steps, 16, upper_bits), 18432, 8);
	adapt(band, d0);
}

// Returns the quantised difference.
INLINE lane adapt_high(struct band *band, lane code)
{
	lane d0 = mult(band->det, look_up(high_levels, 16, code));

	adapt_scale(band, look_up(high_steps, 16, code), 22528, 10);
	adapt(band, d0);
	return d0;
}

// Whether a difference of some magnitude reaches a level of the quantiser.
INLINE lane reaches(const struct band *band, lane magnitude, lane level)
{
	return MASK(mult_unsigned(level << 4, band->det) <= magnitude);
}

// QUANTL: the count of levels that the difference reaches, and one.
INLINE lane count_levels(const struct band *band, lane magnitude)
{
	lane m = all(1);

#if G722_WIDTH == 32
	lane group = all(0); // of six levels, of which the last is looked at first

	for (int i = 5; i < N_LEVELS; i += 6)
		group -= reaches(band, magnitude, all(q6[i]));
	group *= 6;
	m += group;
	for (int16_t i = 0; i < 5; i++)
		m -= reaches(band, magnitude, look_up(q6, 32, group + i));
#else
	for (int i = 0; i < N_LEVELS; i++)
		m -= reaches(band, magnitude, all(q6[i]));
#endif
	return m;
}

// The count is the code, but for sign and order.
INLINE lane encode_low(struct band *band, lane x)
{
	lane e = sub(x, band->s), sign = e >> 15, m = count_levels(band, e ^ sign);
	lane code = pick(sign, pick(MASK(m < 3), 64 - m, 34 - m), 62 - m);

	adapt_low(band, code);
	return code;
}

// QUANTH
INLINE lane encode_high(struct band *band, lane x)
{
	lane e = sub(x, band->s), sign = e >> 15;
	lane code = pick(sign, all(1), all(3)) + reaches(band, e ^ sign, all(Q2));

	adapt_high(band, code);
	return code;
}

INLINE lane limit_band(lane x)
{
	return clamp(x, all(-16384), all(16383));
}

INLINE lane decode_low(struct band *band, lane code, const int16_t *table)
{
	lane y = limit_band(add(band->s, mult(band->det, look_up(table, 64, code))));

	adapt_low(band, code);
	return y;
}

INLINE lane decode_high(struct band *band, lane code)
{
	lane s = band->s;

	return limit_band(add(s, adapt_high(band, code)));
}

#include "g722_rows.h"

INLINE void load_band(struct band *band, const int16_t *const *words)
{
	lane *lanes = (lane *)band;
	union row rows[G722_BAND_WORDS];

	to_rows(rows, words, 0, G722_BAND_WORDS);
	for (size_t w = 0; w < G722_BAND_WORDS; w++)
		lanes[w] = WIDEN(rows[w].lanes);
}

INLINE void store_band(const struct band *band, int16_t *const *words)
{
	const lane *lanes = (const lane *)band;
	union row rows[G722_BAND_WORDS];

	for (size_t w = 0; w < G722_BAND_WORDS; w++)
		rows[w].lanes = NARROW(lanes[w]);
	from_rows(rows, words, 0, G722_BAND_WORDS);
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
	const int16_t *table = levels[mode - 1];
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
	const int16_t *table = levels[mode - 1];
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
