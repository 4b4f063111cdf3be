// The backend on intel-ipsec-mb, its parts: managers (mb_arch.c), keys (mb_keys.c), counter mode
// with HMAC-SHA1 (mb_cm.c, mb_sha1.c) and GCM, of the library (mb_gcm.c) or our own where the CPU
// has VAES (mb_gcm_vaes.c).
//
// Keys of SRTP are expanded once; those of SRTCP, one packet in hundreds, are kept short and
// expanded into scratch memory when one comes, which nearly halves the memory of a context.
#pragma once

#include <intel-ipsec-mb.h>

#include "srtp_backend.h"
#include "srtp_kdf.h"

#define MB_SHA1_BYTES	 20
#define MB_SHA1_BLOCK	 64
#define MB_TAG_BYTES	 12 // what the library gives; 10 or 4 of them are sent
#define MB_ROUND_BYTES	 16
#define MB_ROUNDS_MAX	 15
#define MB_GCM_TAG_BYTES 16

// HMAC-SHA1 and salt of CM: the states of SHA-1 after the two padded keys (RFC 2104).
struct mb_cm_part {
	uint8_t ipad[MB_SHA1_BYTES];
	uint8_t opad[MB_SHA1_BYTES];
	uint8_t salt[16];
};

#define MB_FRONT_BYTES 40 // of keys, up to a cache line (keys_init)

// The round keys of AES begin a cache line. Behind them is the rest of what each packet needs, and
// the cipher key of SRTCP: struct mb_cm_part and key.
struct mb_cm_keys {
	uint8_t rtcp_auth[SRTP_AUTH_KEY_BYTES];
	uint8_t rtcp_salt[16];
	uint8_t reserved[MB_FRONT_BYTES - SRTP_AUTH_KEY_BYTES - 16];
	uint8_t rounds[];
};

// As struct gcm_key_data, which asks for a cache line and gets one, but does not say so here: these
// keys begin within one.
struct mb_gcm_keys {
	uint8_t rtcp_key[SRTP_KEY_MAX];
	uint8_t reserved[MB_FRONT_BYTES - SRTP_KEY_MAX];
	uint8_t rtp[sizeof(struct gcm_key_data)];
	uint8_t rtp_salt[16];
	uint8_t rtcp_salt[16];
};

// A message to hash, and where MB_TAG_BYTES of the tag are to go.
struct mb_hash {
	const uint8_t *message;
	const struct mb_cm_part *part;
	uint8_t *tag;
	unsigned int bytes;
};

#define MB_LANES 16
#define MB_JOBS	 16 // of the library at once: so many stay in the first-level cache

struct mb_state;

// Keys as a backend has them, from session keys.
typedef void mb_expand_fn(struct mb_state *state, enum srtp_suite suite, void *keys,
	const struct srtp_session_keys *rtp, const struct srtp_session_keys *rtcp);

// Of one thread. In ivs, tags and saved, slot i belongs to operation i.
struct mb_state {
	IMB_MGR *mgr;
	const char *arch;
	void (*hash)(struct mb_state *state, unsigned int n); // the first n of `hashes`
	mb_expand_fn *gcm_expand;
	struct mb_hash hashes[SRTP_CHUNK];
	IMB_JOB cipher_jobs[2][MB_JOBS]; // by size of the key: 128, 256
	IMB_JOB hash_jobs[SRTP_CHUNK];
	uint8_t tails[MB_LANES][2 * MB_SHA1_BLOCK] __attribute__((aligned(64)));
	uint8_t ivs[SRTP_CHUNK][16] __attribute__((aligned(64)));
	uint8_t tags[SRTP_CHUNK][16];
	uint8_t saved[SRTP_CHUNK][4]; // bytes of the packet under the ROC
	uint8_t rounds[SRTP_CHUNK][MB_ROUNDS_MAX * MB_ROUND_BYTES] __attribute__((aligned(64)));
	struct mb_cm_part rtcp_parts[SRTP_CHUNK];
	uint8_t rounds_unused[MB_ROUNDS_MAX * MB_ROUND_BYTES]; // of decryption
	struct gcm_key_data gcm_key __attribute__((aligned(64)));
	struct gcm_context_data gcm_context;
};

static inline bool mb_is_256(enum srtp_suite suite)
{
	return srtp_suite_infos[suite].key_bytes == 32;
}

static inline void mb_put32(uint8_t *out, uint32_t value)
{
	value = __builtin_bswap32(value);
	__builtin_memcpy(out, &value, sizeof(value));
}

static inline uint8_t *mb_body(const struct srtp_op *op)
{
	return op->packet + op->header_bytes;
}

static inline uint32_t mb_rtcp_word(const struct srtp_op *op)
{
	return (uint32_t)op->index | (op->encrypted ? SRTCP_E_FLAG : 0);
}

// Whether two tags differ, in a time that does not tell where. Lengths are constants where it is
// called, so that this is a few wide operations.
static inline __attribute__((always_inline)) bool mb_tags_differ(
	const uint8_t *a, const uint8_t *b, unsigned int bytes)
{
	unsigned int difference = 0;

	for (unsigned int i = 0; i < bytes; i++)
		difference |= a[i] ^ b[i];
	return difference;
}

// A manager for `arch`, or NULL with errno. *name is what it became.
IMB_MGR *mb_manager_create(const char *arch, const char **name);

static inline unsigned int mb_rounds_bytes(enum srtp_suite suite)
{
	return (mb_is_256(suite) ? 15 : 11) * MB_ROUND_BYTES;
}

static inline const struct mb_cm_part *mb_cm_rtp(
	const struct mb_cm_keys *keys, enum srtp_suite suite)
{
	return (const struct mb_cm_part *)(keys->rounds + mb_rounds_bytes(suite));
}

int mb_keys_init(void *state, void *keys, const struct srtp_keying *keying);
mb_expand_fn mb_keys_expand; // what mb_keys_init() does after the derivation
void mb_keys_fini(void *keys);
// The pads of HMAC-SHA1 under a key.
void mb_cm_part_expand(
	struct mb_state *state, struct mb_cm_part *part, const uint8_t auth[SRTP_AUTH_KEY_BYTES]);
size_t mb_keys_bytes(enum srtp_suite suite);
bool mb_keys_same(const void *a, const void *b, enum srtp_suite suite);
void mb_keys_prefetch(const void *keys, enum srtp_suite suite, unsigned int body_bytes);

// A srtp_keystream_fn; `arg` is a struct mb_state.
void mb_keystream(void *arg, const uint8_t *key, unsigned int key_bytes, const uint8_t iv[16],
	uint8_t *out, unsigned int bytes);
void mb_expand_key(struct mb_state *state, const uint8_t *key, bool is_256, uint8_t *rounds);

// Operations of the CM suites among `ops`; the others are passed over.
void mb_cm_init(struct mb_state *state);
void mb_cm_protect(struct mb_state *state, struct srtp_op *ops, unsigned int n);
void mb_cm_unprotect(struct mb_state *state, struct srtp_op *ops, unsigned int n);

// The first `n` of state->hashes, by the library, or where there is AVX-512.
void mb_hash_library(struct mb_state *state, unsigned int n);
void mb_hash_avx512(struct mb_state *state, unsigned int n);

// The same for GCM.
mb_expand_fn mb_gcm_expand;
void mb_gcm_protect(struct mb_state *state, struct srtp_op *ops, unsigned int n);
void mb_gcm_unprotect(struct mb_state *state, struct srtp_op *ops, unsigned int n);

// Of the backend with our own GCM: as of struct srtp_backend, for all suites.
mb_expand_fn mb_vaes_expand; // of the GCM suites
size_t mb_vaes_keys_bytes(enum srtp_suite suite);
bool mb_vaes_keys_same(const void *a, const void *b, enum srtp_suite suite);
void mb_vaes_keys_prefetch(const void *keys, enum srtp_suite suite, unsigned int body_bytes);
void mb_vaes_protect(void *state, struct srtp_op *ops, unsigned int n);
void mb_vaes_unprotect(void *state, struct srtp_op *ops, unsigned int n);
