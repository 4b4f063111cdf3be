// Between streams and lanes: a row has one value of each stream. What is turned are blocks of eight
// values of eight streams, by interleaving their vectors three times; what is left over, and widths
// below eight, value by value. Part of g722_lanes.c.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define BLOCK 8

#if G722_WIDTH >= BLOCK
#define HAS_BLOCKS 1

typedef int16_t block_row __attribute__((vector_size(2 * BLOCK)));
typedef uint8_t block_octets __attribute__((vector_size(BLOCK)));

static inline __attribute__((always_inline)) void interleave(
	block_row out[8], const block_row in[8])
{
	for (int i = 0; i < 4; i++) {
		out[2 * i] = __builtin_shufflevector(in[i], in[i + 4], 0, 8, 1, 9, 2, 10, 3, 11);
		out[2 * i + 1] =
			__builtin_shufflevector(in[i], in[i + 4], 4, 12, 5, 13, 6, 14, 7, 15);
	}
}

static inline __attribute__((always_inline)) void transpose(block_row rows[8])
{
	block_row a[8], b[8];

	interleave(a, rows);
	interleave(b, a);
	interleave(rows, b);
}
#else
#define HAS_BLOCKS 0
#endif

// A value of each stream, as it is in memory.
union row {
	narrow lanes;
	int16_t values[G722_WIDTH];
};

#define ROWS_INLINE static inline __attribute__((always_inline))

// Turn n values of each stream into rows, and back.
ROWS_INLINE void to_rows(union row *rows, const int16_t *const *streams, size_t at, size_t n)
{
	for (int i = 0; i < G722_WIDTH; i += HAS_BLOCKS ? BLOCK : 1) {
		size_t k = 0;

#if HAS_BLOCKS
		for (; k + BLOCK <= n; k += BLOCK) {
			block_row block[BLOCK];

			for (int j = 0; j < BLOCK; j++)
				memcpy(&block[j], &streams[i + j][at + k], sizeof(block[j]));
			transpose(block);
			for (int j = 0; j < BLOCK; j++)
				memcpy(&rows[k + (size_t)j].values[i], &block[j], sizeof(block[j]));
		}
#endif
		for (; k < n; k++)
			for (int j = i; j < i + (HAS_BLOCKS ? BLOCK : 1); j++)
				rows[k].values[j] = streams[j][at + k];
	}
}

ROWS_INLINE void from_rows(const union row *rows, int16_t *const *streams, size_t at, size_t n)
{
	for (int i = 0; i < G722_WIDTH; i += HAS_BLOCKS ? BLOCK : 1) {
		size_t k = 0;

#if HAS_BLOCKS
		for (; k + BLOCK <= n; k += BLOCK) {
			block_row block[BLOCK];

			for (int j = 0; j < BLOCK; j++)
				memcpy(&block[j], &rows[k + (size_t)j].values[i], sizeof(block[j]));
			transpose(block);
			for (int j = 0; j < BLOCK; j++)
				memcpy(&streams[i + j][at + k], &block[j], sizeof(block[j]));
		}
#endif
		for (; k < n; k++)
			for (int j = i; j < i + (HAS_BLOCKS ? BLOCK : 1); j++)
				streams[j][at + k] = rows[k].values[j];
	}
}

// Octets go to and fro as they are.
ROWS_INLINE void codes_to_rows(union row *rows, const uint8_t *const *codes, size_t at, size_t n)
{
	for (int i = 0; i < G722_WIDTH; i += HAS_BLOCKS ? BLOCK : 1) {
		size_t k = 0;

#if HAS_BLOCKS
		for (; k + BLOCK <= n; k += BLOCK) {
			block_row block[BLOCK];
			block_octets octets;

			for (int j = 0; j < BLOCK; j++) {
				memcpy(&octets, &codes[i + j][at + k], sizeof(octets));
				block[j] = __builtin_convertvector(octets, block_row);
			}
			transpose(block);
			for (int j = 0; j < BLOCK; j++)
				memcpy(&rows[k + (size_t)j].values[i], &block[j], sizeof(block[j]));
		}
#endif
		for (; k < n; k++)
			for (int j = i; j < i + (HAS_BLOCKS ? BLOCK : 1); j++)
				rows[k].values[j] = codes[j][at + k];
	}
}

ROWS_INLINE void codes_from_rows(const union row *rows, uint8_t *const *codes, size_t at, size_t n)
{
	for (int i = 0; i < G722_WIDTH; i += HAS_BLOCKS ? BLOCK : 1) {
		size_t k = 0;

#if HAS_BLOCKS
		for (; k + BLOCK <= n; k += BLOCK) {
			block_row block[BLOCK];
			block_octets octets;

			for (int j = 0; j < BLOCK; j++)
				memcpy(&block[j], &rows[k + (size_t)j].values[i], sizeof(block[j]));
			transpose(block);
			for (int j = 0; j < BLOCK; j++) {
				octets = __builtin_convertvector(block[j], block_octets);
				memcpy(&codes[i + j][at + k], &octets, sizeof(octets));
			}
		}
#endif
		for (; k < n; k++)
			for (int j = i; j < i + (HAS_BLOCKS ? BLOCK : 1); j++)
				codes[j][at + k] = (uint8_t)rows[k].values[j];
	}
}
