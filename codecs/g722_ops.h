// What g722_lanes.c calculates with: 16-bit values of as many streams as a vector has lanes, in the
// ITU-T's basic operations (they saturate, and products keep their upper half). -DG722_WIDTH=1 is a
// stream on its own in plain C, which says what all the others do.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define INLINE static inline __attribute__((always_inline))

#if G722_WIDTH == 1
typedef int32_t lane;
typedef int16_t narrow;
#define MASK(condition) (-(lane)(condition)) // all bits where it holds
#define NARROW(x)	((narrow)(x))
#define WIDEN(x)	((lane)(x))
#else
#include <immintrin.h>
typedef int16_t lane __attribute__((vector_size(2 * G722_WIDTH)));
typedef lane narrow;
#define MASK(condition) ((lane)(condition))
#define NARROW(x)	(x)
#define WIDEN(x)	(x)
#endif

#if G722_WIDTH == 8
typedef __m128i vector;
#define OP(name, type) _mm_##name##_##type
#elif G722_WIDTH == 16
typedef __m256i vector;
#define OP(name, type) _mm256_##name##_##type
#elif G722_WIDTH == 32
typedef __m512i vector;
#define OP(name, type) _mm512_##name##_##type
#endif

INLINE lane all(int16_t x)
{
	return (lane){0} + x;
}

#if G722_WIDTH == 1
INLINE lane pick(lane mask, lane yes, lane no)
{
	return mask ? yes : no;
}

INLINE lane clamp(lane x, lane least, lane most)
{
	x = x > most ? most : x;
	return x < least ? least : x;
}

INLINE lane add(lane a, lane b)
{
	return clamp(a + b, INT16_MIN, INT16_MAX);
}

INLINE lane sub(lane a, lane b)
{
	return clamp(a - b, INT16_MIN, INT16_MAX);
}

// Half of it would be the upper half of the product: not both may be INT16_MIN.
INLINE lane mult(lane a, lane b)
{
	return a * b >> 15;
}

// The upper half of the product: of signed, and of unsigned values.
INLINE lane mult_high(lane a, lane b)
{
	return a * b >> 16;
}

INLINE lane mult_unsigned(lane a, lane b)
{
	return (lane)((uint32_t)(uint16_t)a * (uint16_t)b >> 16);
}

// x * 255 / 256, rounded down.
INLINE lane leak(lane x)
{
	return x * 255 >> 8;
}

INLINE lane shift_right(lane x, lane n)
{
	return x >> n;
}

INLINE lane look_up(const int16_t *table, size_t, lane index)
{
	return table[index];
}
#else
INLINE lane pick(lane mask, lane yes, lane no)
{
	return (mask & yes) | (~mask & no);
}

INLINE lane clamp(lane x, lane least, lane most)
{
	return (lane)OP(max, epi16)((vector)least, OP(min, epi16)((vector)most, (vector)x));
}

INLINE lane add(lane a, lane b)
{
	return (lane)OP(adds, epi16)((vector)a, (vector)b);
}

INLINE lane sub(lane a, lane b)
{
	return (lane)OP(subs, epi16)((vector)a, (vector)b);
}

INLINE lane mult_high(lane a, lane b)
{
	return (lane)OP(mulhi, epi16)((vector)a, (vector)b);
}

INLINE lane mult_unsigned(lane a, lane b)
{
	return (lane)OP(mulhi, epu16)((vector)a, (vector)b);
}

INLINE lane mult(lane a, lane b)
{
	vector high = OP(mulhi, epi16)((vector)a, (vector)b);
	vector low = OP(mullo, epi16)((vector)a, (vector)b);

#if G722_WIDTH == 32
	return (lane)_mm512_shldi_epi16(high, low, 1);
#else
	return (lane)OP(add, epi16)(OP(add, epi16)(high, high), OP(srli, epi16)(low, 15));
#endif
}

// x less x / 256 rounded up.
INLINE lane leak(lane x)
{
	return x - (x >> 8) + MASK((x & 255) != 0);
}

// An element of a table of 16, 32 or 64.
#if G722_WIDTH == 32
INLINE lane look_up(const int16_t *table, size_t n, lane index)
{
	vector at = (vector)index;

	if (n == 16)
		return (lane)_mm512_permutexvar_epi16(
			at, _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)table)));
	if (n == 32)
		return (lane)_mm512_permutexvar_epi16(at, _mm512_loadu_si512(table));
	return (lane)_mm512_permutex2var_epi16(
		_mm512_loadu_si512(table), at, _mm512_loadu_si512(table + 32));
}
#elif G722_WIDTH == 16
// Both bytes of 16 elements, by an index that is twice in a lane.
INLINE lane look_up_16(const int16_t *table, vector at)
{
	__m128i first = _mm_loadu_si128((const __m128i *)table), low, high;
	__m128i second = _mm_loadu_si128((const __m128i *)(table + 8));
	lane lows, highs;

	low = _mm_packus_epi16(_mm_and_si128(first, _mm_set1_epi16(255)),
		_mm_and_si128(second, _mm_set1_epi16(255)));
	high = _mm_packus_epi16(_mm_srli_epi16(first, 8), _mm_srli_epi16(second, 8));
	lows = (lane)_mm256_shuffle_epi8(_mm256_broadcastsi128_si256(low), at);
	highs = (lane)_mm256_shuffle_epi8(_mm256_broadcastsi128_si256(high), at);
	return (lows & 255) | (highs & -256);
}

INLINE lane look_up(const int16_t *table, size_t n, lane index)
{
	lane within = index & 15;
	vector at = (vector)(within | within << 8);
	lane found = look_up_16(table, at);

	for (size_t i = 16; i < n; i += 16)
		found = pick(MASK(index >= all((int16_t)i)), look_up_16(table + i, at), found);
	return found;
}
#else
INLINE lane look_up(const int16_t *table, size_t, lane index)
{
	lane found = index;

	for (int i = 0; i < G722_WIDTH; i++)
		found[i] = table[index[i]];
	return found;
}
#endif

// x is not negative, and less than 2^13; n at most 13.
INLINE lane shift_right(lane x, lane n)
{
#if G722_WIDTH == 32
	return (lane)_mm512_srlv_epi16((vector)x, (vector)n);
#else
	static const int16_t powers[16] = {INT16_MIN, 1 << 14, 1 << 13, 1 << 12, 1 << 11, 1 << 10,
		1 << 9, 1 << 8, 1 << 7, 1 << 6, 1 << 5, 1 << 4, 1 << 3, 1 << 2};

	return mult_unsigned(x << 1, look_up(powers, 16, n));
#endif
}
#endif
