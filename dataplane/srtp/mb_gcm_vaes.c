// AES-GCM (NIST SP 800-38D, RFC 7714) for CPUs with AVX-512, VAES and VPCLMULQDQ: four blocks a
// vector, one pass. It is here since the library's keys hold 48 powers of the hash key, and a
// packet of speech needs 12: with 16 a context is half as large, and less of it goes through the
// cache.
//
// What is subtle: blocks are hashed byte-reversed and with powers of H times x, which spares a
// shift of each product (Gueron and Kounavis, "Intel carry-less multiplication instruction and its
// usage for computing the GCM mode", 2010). Products are summed first and reduced once. The mask of
// the tag, the cipher of counter 1, is made in a lane that the last blocks of the payload leave
// free.
#include <assert.h>
#include <immintrin.h>
#include <string.h>

#include "mb.h"

#define TARGET		 target("avx512f,avx512bw,avx512dq,avx512vl,aes,pclmul,vaes,vpclmulqdq")
#define INLINE		 static inline __attribute__((always_inline, TARGET))
#define BLOCK		 16
#define GROUP		 4 // blocks of a vector
#define POWERS		 16
#define CHUNK_GROUPS	 3 // of payload, hashed at once
#define AAD_BLOCKS	 3 // at once
#define TAG_COUNTER	 1
#define RTCP_CLEAR_BYTES 8
#define ALL_BYTES	 (~(__mmask64)0)

static_assert(AAD_BLOCKS + CHUNK_GROUPS * GROUP + 1 == POWERS, "no block is without its power");

// What each packet needs. Powers of the hash key stand in falling order, so that what is left to
// hash says where to begin; a vector read at the last of them has something else in the lanes of
// blocks that are not there. A packet of speech needs neither the first line nor SRTCP's.
struct gcm_key {
	uint8_t powers[POWERS * BLOCK];
	uint8_t salt[BLOCK]; // 12 bytes
	uint8_t rounds[MB_ROUNDS_MAX * MB_ROUND_BYTES];
};

// The key of SRTP begins a cache line and is cut short behind its rounds, where SRTCP's salt is.
struct keys {
	uint8_t rtcp_key[SRTP_KEY_MAX];
	uint8_t reserved[MB_FRONT_BYTES - SRTP_KEY_MAX];
	struct gcm_key rtp;
};

// One message. `iv` has four zero bytes behind its 12.
struct message {
	const struct gcm_key *key;
	__m128i iv;
	const uint8_t *aad;
	uint8_t *body;
	unsigned int aad_bytes;
	unsigned int body_bytes;
	bool decrypt;
};

// A product that is not reduced yet: low, middle and high part.
struct product {
	__m512i low, middle, high;
};

static unsigned int blocks_of(unsigned int bytes)
{
	return (bytes + BLOCK - 1) / BLOCK;
}

static __mmask64 mask_of(unsigned int bytes)
{
	return bytes >= GROUP * BLOCK ? ALL_BYTES : ((__mmask64)1 << bytes) - 1;
}

INLINE __m512i four(__m128i block)
{
	return _mm512_broadcast_i32x4(block);
}

INLINE __m512i reversed(__m512i blocks)
{
	return _mm512_shuffle_epi8(
		blocks, four(_mm_set_epi64x(0x0001020304050607, 0x08090a0b0c0d0e0f)));
}

// The powers for blocks of which the first has `n_left` to hash, itself and all behind it.
INLINE __m512i powers_from(const struct gcm_key *key, unsigned int n_left)
{
	return _mm512_loadu_si512(key->powers + (POWERS - n_left) * BLOCK);
}

INLINE void multiply_add(struct product *sum, __m512i a, __m512i b)
{
	sum->low = _mm512_xor_si512(sum->low, _mm512_clmulepi64_epi128(a, b, 0x00));
	sum->high = _mm512_xor_si512(sum->high, _mm512_clmulepi64_epi128(a, b, 0x11));
	sum->middle = _mm512_ternarylogic_epi64(sum->middle, _mm512_clmulepi64_epi128(a, b, 0x01),
		_mm512_clmulepi64_epi128(a, b, 0x10), 0x96);
}

// Modulo x^128 + x^7 + x^2 + x + 1, reflected, in two steps of 64 bits; lanes are added up.
INLINE __m128i reduce(const struct product *sum)
{
	const __m512i polynomial = four(_mm_set_epi64x((long long)0xc200000000000000, 1));
	__m512i step = _mm512_clmulepi64_epi128(sum->low, polynomial, 0x10);
	__m512i middle = _mm512_ternarylogic_epi64(
		sum->middle, _mm512_shuffle_epi32(sum->low, _MM_PERM_BADC), step, 0x96);
	__m512i all;
	__m256i half;

	step = _mm512_clmulepi64_epi128(middle, polynomial, 0x10);
	all = _mm512_ternarylogic_epi64(
		sum->high, _mm512_shuffle_epi32(middle, _MM_PERM_BADC), step, 0x96);
	half = _mm256_xor_si256(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64(all, 1));
	return _mm_xor_si128(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

INLINE __m512i cipher(const uint8_t *rounds, bool is_256, __m512i blocks)
{
	const unsigned int n = is_256 ? 14 : 10;

#define ROUND(i) four(_mm_loadu_si128((const __m128i *)(rounds + (i)*BLOCK)))
	blocks = _mm512_xor_si512(blocks, ROUND(0));
#pragma GCC unroll 14
	for (unsigned int i = 1; i < n; i++)
		blocks = _mm512_aesenc_epi128(blocks, ROUND(i));
	return _mm512_aesenclast_epi128(blocks, ROUND(n));
#undef ROUND
}

// Counters as numbers in the last word of each block: into the order of the network, behind the IV.
INLINE __m512i counter_blocks(__m512i iv, __m512i counters)
{
	const __m512i swap = four(_mm_set_epi64x(0x0c0d0e0fffffffff, -1));

	return _mm512_or_si512(iv, _mm512_shuffle_epi8(counters, swap));
}

// Masked stores are slow on some CPUs.
INLINE void store(uint8_t *to, __m512i blocks, unsigned int bytes)
{
	uint8_t buffer[GROUP * BLOCK] __attribute__((aligned(64)));

	if (bytes >= sizeof(buffer)) {
		_mm512_storeu_si512(to, blocks);
		return;
	}
	if (bytes == sizeof(buffer) / 2) {
		_mm256_storeu_si256((__m256i *)to, _mm512_castsi512_si256(blocks));
		return;
	}
	_mm512_store_si512(buffer, blocks);
	memcpy(to, buffer, bytes);
}

// All additional data but AAD_BLOCKS or fewer, which are hashed with the payload.
INLINE __m128i hash_long_aad(struct message *m)
{
	__m128i hash = _mm_setzero_si128();

	while (m->aad_bytes > AAD_BLOCKS * BLOCK) {
		__m512i blocks =
			reversed(_mm512_maskz_loadu_epi8(mask_of(AAD_BLOCKS * BLOCK), m->aad));
		struct product sum = {};

		blocks = _mm512_xor_si512(blocks, _mm512_zextsi128_si512(hash));
		multiply_add(&sum, blocks, powers_from(m->key, AAD_BLOCKS));
		hash = reduce(&sum);
		m->aad += AAD_BLOCKS * BLOCK;
		m->aad_bytes -= AAD_BLOCKS * BLOCK;
	}
	return hash;
}

// Encrypt or decrypt in place; the tag.
INLINE __m128i run(struct message *m, bool is_256)
{
	const __m512i step = _mm512_maskz_set1_epi32(0x8888, GROUP);
	const __m512i iv = four(m->iv);
	const __m128i lengths =
		_mm_set_epi64x((long long)m->aad_bytes * 8, (long long)m->body_bytes * 8);
	__m512i counters = _mm512_set_epi32(5, 0, 0, 0, 4, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0);
	__m512i front, keystream = _mm512_setzero_si512();
	unsigned int bytes = m->body_bytes, n_blocks = blocks_of(bytes), n_left;
	bool has_free_lane = n_blocks % GROUP, is_last;
	struct product sum = {};
	uint8_t *body = m->body;
	__m128i hash;

	front = _mm512_zextsi128_si512(hash_long_aad(m));
	n_left = blocks_of(m->aad_bytes);
	is_last = n_blocks <= CHUNK_GROUPS * GROUP;
	n_left += is_last ? n_blocks + 1 : CHUNK_GROUPS * GROUP;
	front = _mm512_xor_si512(
		front, reversed(_mm512_maskz_loadu_epi8(mask_of(m->aad_bytes), m->aad)));
	multiply_add(&sum, front, powers_from(m->key, n_left));
	n_left -= blocks_of(m->aad_bytes);
	front = _mm512_setzero_si512();
	for (;;) {
		while (n_left > is_last) {
			__mmask64 mask = mask_of(bytes);
			__m512i in = _mm512_maskz_loadu_epi8(mask, body), out;

			if (bytes < GROUP * BLOCK && has_free_lane)
				counters = _mm512_mask_set1_epi32(counters, 0x8000, TAG_COUNTER);
			keystream = cipher(m->key->rounds, is_256, counter_blocks(iv, counters));
			counters = _mm512_add_epi32(counters, step);
			out = _mm512_xor_si512(in, keystream);
			store(body, out, bytes);
			out = m->decrypt ? in : _mm512_maskz_mov_epi8(mask, out);
			multiply_add(&sum, _mm512_xor_si512(front, reversed(out)),
				powers_from(m->key, n_left));
			front = _mm512_setzero_si512();
			if (bytes < GROUP * BLOCK) {
				n_left = is_last;
				bytes = 0;
			} else {
				n_left -= GROUP;
				bytes -= GROUP * BLOCK;
				body += GROUP * BLOCK;
			}
		}
		if (is_last)
			break;
		front = _mm512_zextsi128_si512(reduce(&sum));
		sum = (struct product){};
		n_blocks = blocks_of(bytes);
		is_last = n_blocks <= CHUNK_GROUPS * GROUP;
		n_left = is_last ? n_blocks + 1 : CHUNK_GROUPS * GROUP;
	}
	multiply_add(&sum, _mm512_zextsi128_si512(lengths), powers_from(m->key, 1));
	hash = _mm512_castsi512_si128(reversed(_mm512_zextsi128_si512(reduce(&sum))));
	if (!has_free_lane) {
		counters = _mm512_maskz_set1_epi32(0x8000, TAG_COUNTER);
		keystream = cipher(m->key->rounds, is_256, counter_blocks(iv, counters));
	}
	return _mm_xor_si128(hash, _mm512_extracti32x4_epi32(keystream, GROUP - 1));
}

__attribute__((TARGET)) static __m128i run_128(struct message *m)
{
	return run(m, false);
}

__attribute__((TARGET)) static __m128i run_256(struct message *m)
{
	return run(m, true);
}

// ---- keys ----

static uint8_t *rtcp_salt_of(struct keys *keys, enum srtp_suite suite)
{
	return keys->rtp.rounds + mb_rounds_bytes(suite);
}

// From the round keys: H, the cipher of zeros, times x; then its powers.
__attribute__((TARGET)) static void powers_write(struct gcm_key *key, bool is_256)
{
	const __m128i carries = _mm_set_epi64x((long long)0xc200000000000001, 1);
	__m128i h = _mm512_castsi512_si128(
		reversed(cipher(key->rounds, is_256, _mm512_setzero_si512())));
	__m128i carry = _mm_srai_epi32(_mm_shuffle_epi32(h, 0xd3), 31);
	__m128i power;

	h = _mm_xor_si128(_mm_add_epi64(h, h), _mm_and_si128(carry, carries));
	power = h;
	for (unsigned int n = 1; n <= POWERS; n++) {
		struct product product = {};

		_mm_storeu_si128((__m128i *)(key->powers + (POWERS - n) * BLOCK), power);
		multiply_add(&product, _mm512_zextsi128_si512(power), _mm512_zextsi128_si512(h));
		power = reduce(&product);
	}
}

static void expand(struct mb_state *state, struct gcm_key *key, bool is_256,
	const uint8_t *cipher_key, const uint8_t salt[BLOCK])
{
	mb_expand_key(state, cipher_key, is_256, key->rounds);
	powers_write(key, is_256);
	memcpy(key->salt, salt, sizeof(key->salt));
}

size_t mb_vaes_keys_bytes(enum srtp_suite suite)
{
	if (!srtp_suite_is_gcm(suite))
		return mb_keys_bytes(suite);
	return offsetof(struct keys, rtp.rounds) + mb_rounds_bytes(suite) + BLOCK;
}

void mb_vaes_expand(struct mb_state *state, enum srtp_suite suite, void *memory,
	const struct srtp_session_keys *rtp, const struct srtp_session_keys *rtcp)
{
	struct keys *keys = memory;

	expand(state, &keys->rtp, mb_is_256(suite), rtp->cipher, rtp->salt);
	memcpy(keys->rtcp_key, rtcp->cipher, sizeof(keys->rtcp_key));
	memcpy(rtcp_salt_of(keys, suite), rtcp->salt, BLOCK);
}

bool mb_vaes_keys_same(const void *a, const void *b, enum srtp_suite suite)
{
	return !memcmp(a, b, mb_vaes_keys_bytes(suite));
}

void mb_vaes_keys_prefetch(const void *memory, enum srtp_suite suite, unsigned int body_bytes)
{
	const struct keys *keys = memory;
	unsigned int n_powers = blocks_of(body_bytes) + AAD_BLOCKS;
	const uint8_t *end = keys->rtp.rounds + mb_rounds_bytes(suite);

	if (!srtp_suite_is_gcm(suite)) {
		mb_keys_prefetch(memory, suite, body_bytes);
		return;
	}
	if (n_powers > POWERS)
		n_powers = POWERS;
	for (const uint8_t *at = keys->rtp.salt - n_powers * BLOCK; at < end; at += 64)
		__builtin_prefetch(at);
}

// ---- packets ----

// The key of SRTCP, expanded for one packet, and what is authenticated in front of its payload.
struct rtcp {
	struct gcm_key key __attribute__((aligned(64)));
	uint8_t aad[RTCP_CLEAR_BYTES + 4];
};

// RFC 7714 8.1, 9.1: 16 zero bits, SSRC, index in 48 bits, xor the salt; 12 bytes.
static __m128i iv_of(const struct srtp_op *op, const uint8_t salt[BLOCK])
{
	return _mm_xor_si128(_mm_loadu_si128((const __m128i *)salt),
		_mm_set_epi64x(__builtin_bswap32((uint32_t)op->index),
			(long long)__builtin_bswap64((uint64_t)op->ssrc << 16 | op->index >> 32)));
}

static uint8_t *end_of_body(const struct srtp_op *op)
{
	return mb_body(op) + op->body_bytes;
}

// RFC 7714 9.2, 9.3: the word with the index is authenticated with the clear bytes, from which in
// the packet it is apart. Without encryption all is clear: there it is put where the tag stands.
static void message_of_rtcp(
	struct mb_state *state, const struct srtp_op *op, struct rtcp *rtcp, struct message *m)
{
	struct keys *keys = op->keys;

	expand(state, &rtcp->key, mb_is_256(op->suite), keys->rtcp_key,
		rtcp_salt_of(keys, op->suite));
	m->key = &rtcp->key;
	if (op->encrypted) {
		memcpy(rtcp->aad, op->packet, RTCP_CLEAR_BYTES);
		mb_put32(rtcp->aad + RTCP_CLEAR_BYTES, mb_rtcp_word(op));
		m->aad = rtcp->aad;
		m->aad_bytes = sizeof(rtcp->aad);
	} else {
		mb_put32(end_of_body(op), mb_rtcp_word(op));
		m->aad_bytes = op->header_bytes + op->body_bytes + 4u;
		m->body_bytes = 0;
	}
}

// The tag of a packet that is encrypted or decrypted in place.
static __m128i run_op(struct mb_state *state, const struct srtp_op *op, bool decrypt)
{
	const struct keys *keys = op->keys;
	struct message m = {.key = &keys->rtp,
		.aad = op->packet,
		.body = mb_body(op),
		.aad_bytes = op->header_bytes,
		.body_bytes = op->body_bytes,
		.decrypt = decrypt};
	struct rtcp rtcp;
	__m128i tag;

	if (__builtin_expect(op->rtcp, 0))
		message_of_rtcp(state, op, &rtcp, &m);
	m.iv = iv_of(op, m.key->salt);
	tag = mb_is_256(op->suite) ? run_256(&m) : run_128(&m);
	if (__builtin_expect(op->rtcp, 0))
		explicit_bzero(&rtcp, sizeof(rtcp));
	return tag;
}

static void protect(struct mb_state *state, struct srtp_op *op)
{
	__m128i tag = run_op(state, op, false);
	uint8_t *end = end_of_body(op);

	_mm_storeu_si128((__m128i *)end, tag);
	end += MB_GCM_TAG_BYTES;
	if (op->rtcp) {
		mb_put32(end, mb_rtcp_word(op));
		end += 4;
	}
	if (op->mki_bytes)
		memcpy(end, op->mki, op->mki_bytes);
	op->status = SRTP_STATUS_OK;
}

// What a wrong tag has let be decrypted is encrypted again, since another key may be tried.
static void unprotect(struct mb_state *state, struct srtp_op *op)
{
	__m128i *end = (__m128i *)end_of_body(op);
	__m128i received = _mm_loadu_si128(end);
	__m128i tag = run_op(state, op, true);

	op->status = SRTP_STATUS_OK;
	if (_mm_movemask_epi8(_mm_cmpeq_epi8(tag, received)) != 0xffff) {
		run_op(state, op, false);
		op->status = SRTP_STATUS_AUTH;
	}
	if (op->rtcp)
		_mm_storeu_si128(end, received); // which the word with the index was put over
}

void mb_vaes_protect(void *opaque, struct srtp_op *ops, unsigned int n)
{
	mb_cm_protect(opaque, ops, n);
	for (unsigned int i = 0; i < n; i++)
		if (srtp_suite_is_gcm(ops[i].suite))
			protect(opaque, &ops[i]);
}

void mb_vaes_unprotect(void *opaque, struct srtp_op *ops, unsigned int n)
{
	mb_cm_unprotect(opaque, ops, n);
	for (unsigned int i = 0; i < n; i++)
		if (srtp_suite_is_gcm(ops[i].suite))
			unprotect(opaque, &ops[i]);
}
