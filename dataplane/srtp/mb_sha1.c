// HMAC-SHA1 (RFC 2104, FIPS 180-4) of 16 messages at a time, one in each lane of 512-bit vectors,
// for CPUs with AVX-512. It is here since the library's own spends as long on finding out which
// lane is done as on hashing: here the lengths of a burst are known before it begins.
//
// What is subtle: lanes of unequal length run as many blocks as the longest, and those that are
// done keep their state by a mask. So messages are taken in order of their blocks.
#include <immintrin.h>
#include <string.h>

#include "mb.h"

#define LANES	      MB_LANES
#define BLOCK	      MB_SHA1_BLOCK
#define PADDING_LEAST 9 // a byte 0x80 and the length in bits
#define OUTER_BITS    ((BLOCK + MB_SHA1_BYTES) * 8)
#define INLINE	      static inline __attribute__((always_inline, target("avx512f,avx512bw")))
#define CHOOSE	      0xca // truth tables of FIPS 180-4 4.1.1 ...
#define PARITY	      0x96
#define MAJORITY      0xe8
#define K_0	      0x5a827999 // ... and its constants, 4.2.1
#define K_20	      0x6ed9eba1
#define K_40	      0x8f1bbcdc
#define K_60	      0xca62c1d6
#define PADS_MASK     0x03ff // words of ipad and opad, which are side by side
#define N_STATE	      5

struct lanes {
	const uint8_t *source[LANES];
	unsigned int n_whole[LANES];  // blocks that are read from the message itself
	unsigned int n_blocks[LANES]; // with those in `tails`
	uint8_t (*tails)[2 * BLOCK];
};

// 16 rows of 16 words become 16 columns.
INLINE void transpose(__m512i rows[16])
{
	__m512i pairs[16];

	for (unsigned int i = 0; i < 16; i += 2) {
		pairs[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
		pairs[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
	}
	for (unsigned int i = 0; i < 16; i += 4) {
		rows[i] = _mm512_unpacklo_epi64(pairs[i], pairs[i + 2]);
		rows[i + 1] = _mm512_unpackhi_epi64(pairs[i], pairs[i + 2]);
		rows[i + 2] = _mm512_unpacklo_epi64(pairs[i + 1], pairs[i + 3]);
		rows[i + 3] = _mm512_unpackhi_epi64(pairs[i + 1], pairs[i + 3]);
	}
	for (unsigned int i = 0; i < 4; i++) {
		pairs[i] = _mm512_shuffle_i32x4(rows[i], rows[i + 4], 0x88);
		pairs[i + 4] = _mm512_shuffle_i32x4(rows[i], rows[i + 4], 0xdd);
		pairs[i + 8] = _mm512_shuffle_i32x4(rows[i + 8], rows[i + 12], 0x88);
		pairs[i + 12] = _mm512_shuffle_i32x4(rows[i + 8], rows[i + 12], 0xdd);
	}
	for (unsigned int i = 0; i < 8; i++) {
		rows[i] = _mm512_shuffle_i32x4(pairs[i], pairs[i + 8], 0x88);
		rows[i + 8] = _mm512_shuffle_i32x4(pairs[i], pairs[i + 8], 0xdd);
	}
}

INLINE __m512i swap_bytes(__m512i words)
{
	return _mm512_shuffle_epi8(words,
		_mm512_broadcast_i32x4(_mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203)));
}

#define ADD(x, y) _mm512_add_epi32(x, y)
#define SCHEDULE(t)                                                               \
	(w[(t)&15] = _mm512_rol_epi32(                                            \
		 _mm512_ternarylogic_epi32(                                       \
			 _mm512_xor_si512(w[((t) + 13) & 15], w[((t) + 8) & 15]), \
			 w[((t) + 2) & 15], w[(t)&15], PARITY),                   \
		 1))
// `a` is the last to be known, so it is added last; the empty instruction keeps compilers from
// adding in another order.
#define STEP(a, b, c, d, e, table, k, t)                                                  \
	do {                                                                              \
		__m512i word = (t) < 16 ? w[(t)&15] : SCHEDULE(t);                        \
                                                                                          \
		e = ADD(ADD(e, ADD(word, k)), _mm512_ternarylogic_epi32(b, c, d, table)); \
		__asm__("" : "+v"(e));                                                    \
		e = ADD(e, _mm512_rol_epi32(a, 5));                                       \
		b = _mm512_rol_epi32(b, 30);                                              \
	} while (0)
#define STEPS_5(table, k, t)                    \
	STEP(a, b, c, d, e, table, k, t);       \
	STEP(e, a, b, c, d, table, k, (t) + 1); \
	STEP(d, e, a, b, c, table, k, (t) + 2); \
	STEP(c, d, e, a, b, table, k, (t) + 3); \
	STEP(b, c, d, e, a, table, k, (t) + 4)
#define STEPS_20(table, constant, t)                                  \
	do {                                                          \
		const __m512i k = _mm512_set1_epi32((int)(constant)); \
                                                                      \
		STEPS_5(table, k, t);                                 \
		STEPS_5(table, k, (t) + 5);                           \
		STEPS_5(table, k, (t) + 10);                          \
		STEPS_5(table, k, (t) + 15);                          \
	} while (0)

// One block of every lane (FIPS 180-4 6.1.2), which counts where `active` says. `w` is used up.
INLINE void compress(__m512i state[N_STATE], __m512i w[16], __mmask16 active)
{
	__m512i a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];

	STEPS_20(CHOOSE, K_0, 0);
	STEPS_20(PARITY, K_20, 20);
	STEPS_20(MAJORITY, K_40, 40);
	STEPS_20(PARITY, K_60, 60);
	state[0] = _mm512_mask_add_epi32(state[0], active, state[0], a);
	state[1] = _mm512_mask_add_epi32(state[1], active, state[1], b);
	state[2] = _mm512_mask_add_epi32(state[2], active, state[2], c);
	state[3] = _mm512_mask_add_epi32(state[3], active, state[3], d);
	state[4] = _mm512_mask_add_epi32(state[4], active, state[4], e);
}

// What is left of a message behind its whole blocks, padded (FIPS 180-4 5.1.1).
INLINE void lane_set(struct lanes *lanes, unsigned int lane, const struct mb_hash *hash)
{
	unsigned int rest = hash->bytes % BLOCK;
	unsigned int n_tail = rest + PADDING_LEAST <= BLOCK ? 1 : 2;
	uint64_t bits = __builtin_bswap64((uint64_t)(BLOCK + hash->bytes) * 8);
	const uint8_t *end = hash->message + hash->bytes - rest;
	uint8_t *tail = lanes->tails[lane];

	lanes->source[lane] = hash->message;
	lanes->n_whole[lane] = hash->bytes / BLOCK;
	lanes->n_blocks[lane] = hash->bytes / BLOCK + n_tail;
	_mm512_storeu_si512(tail, _mm512_maskz_loadu_epi8((UINT64_C(1) << rest) - 1, end));
	_mm512_storeu_si512(tail + BLOCK, _mm512_setzero_si512());
	tail[rest] = 0x80;
	memcpy(tail + n_tail * BLOCK - sizeof(bits), &bits, sizeof(bits));
}

// Block `n` of each lane as words of 16 lanes. Returns which lanes have one.
INLINE __mmask16 load_blocks(const struct lanes *lanes, unsigned int n, __m512i w[16])
{
	__mmask16 active = 0;

	for (unsigned int i = 0; i < LANES; i++) {
		unsigned int in_tail = n - lanes->n_whole[i];
		const uint8_t *at = lanes->tails[i] + (in_tail & 1) * BLOCK;

		if (n < lanes->n_whole[i])
			at = lanes->source[i] + (size_t)n * BLOCK;
		active |= (__mmask16)((n < lanes->n_blocks[i]) << i);
		w[i] = swap_bytes(_mm512_loadu_si512(at));
	}
	transpose(w);
	return active;
}

INLINE void outer_block(__m512i w[16], const __m512i inner[N_STATE])
{
	for (unsigned int i = 0; i < N_STATE; i++)
		w[i] = inner[i];
	w[N_STATE] = _mm512_set1_epi32((int)0x80000000);
	for (unsigned int i = N_STATE + 1; i < 15; i++)
		w[i] = _mm512_setzero_si512();
	w[15] = _mm512_set1_epi32(OUTER_BITS);
}

// Up to 16 messages, the last of which has the most blocks.
__attribute__((target("avx512f,avx512bw"))) static void hash_16(
	const struct mb_hash *const hashes[LANES], unsigned int n, uint8_t (*tails)[2 * BLOCK])
{
	uint32_t tags[MB_TAG_BYTES / 4][LANES] __attribute__((aligned(BLOCK)));
	__m512i pads[16], w[16];
	struct lanes lanes = {.tails = tails};

	for (unsigned int i = 0; i < LANES; i++) {
		const struct mb_hash *hash = hashes[i < n ? i : n - 1];

		lane_set(&lanes, i, hash);
		pads[i] = _mm512_maskz_loadu_epi32(PADS_MASK, hash->part->ipad);
	}
	transpose(pads);
	for (unsigned int i = 0; i < lanes.n_blocks[LANES - 1]; i++) {
		__mmask16 active = load_blocks(&lanes, i, w);

		compress(pads, w, active);
	}
	outer_block(w, pads);
	compress(pads + N_STATE, w, 0xffff);
	for (unsigned int i = 0; i < MB_TAG_BYTES / 4; i++)
		_mm512_store_si512(tags[i], swap_bytes(pads[N_STATE + i]));
	for (unsigned int i = 0; i < n; i++)
		for (unsigned int j = 0; j < MB_TAG_BYTES / 4; j++)
			memcpy(hashes[i]->tag + j * 4, &tags[j][i], 4);
}

static unsigned int blocks_of(const struct mb_hash *hash)
{
	return (hash->bytes + PADDING_LEAST + BLOCK - 1) / BLOCK;
}

void mb_hash_avx512(struct mb_state *state, unsigned int n)
{
	const struct mb_hash *sorted[SRTP_CHUNK];

	// By insertion: mostly all are of one length, or nearly so.
	for (unsigned int i = 0; i < n; i++) {
		const struct mb_hash *hash = &state->hashes[i];
		unsigned int at = i;

		for (; at > 0 && blocks_of(sorted[at - 1]) > blocks_of(hash); at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = hash;
	}
	for (unsigned int i = 0; i < n; i += LANES)
		hash_16(sorted + i, n - i < LANES ? n - i : LANES, state->tails);
}
