// Keys for intel-ipsec-mb: derived, expanded, brought into the cache, wiped. The hot part of each
// begins a cache line.
#include <stdlib.h>
#include <string.h>

#include "mb.h"

#define LINE	    64
#define LINES(size) (((size) + LINE - 1) / LINE)

size_t mb_keys_bytes(enum srtp_suite suite)
{
	if (srtp_suite_is_gcm(suite))
		return sizeof(struct mb_gcm_keys);
	return sizeof(struct mb_cm_keys) + mb_rounds_bytes(suite) + sizeof(struct mb_cm_part) +
	       srtp_suite_infos[suite].key_bytes;
}

void mb_expand_key(struct mb_state *state, const uint8_t *key, bool is_256, uint8_t *rounds)
{
	if (is_256)
		IMB_AES_KEYEXP_256(state->mgr, key, rounds, state->rounds_unused);
	else
		IMB_AES_KEYEXP_128(state->mgr, key, rounds, state->rounds_unused);
}

void mb_keystream(void *arg, const uint8_t *key, unsigned int key_bytes, const uint8_t iv[16],
	uint8_t *out, unsigned int bytes)
{
	struct mb_state *state = arg;
	IMB_JOB job = {
		.enc_keys = state->rounds[0],
		.key_len_in_bytes = key_bytes,
		.src = out,
		.dst = out,
		.msg_len_to_cipher_in_bytes = bytes,
		.iv = iv,
		.iv_len_in_bytes = 16,
	};

	memset(out, 0, bytes);
	mb_expand_key(state, key, key_bytes == 32, state->rounds[0]);
	IMB_SUBMIT_CIPHER_BURST(state->mgr, &job, 1, IMB_CIPHER_CNTR, IMB_DIR_ENCRYPT,
		(IMB_KEY_SIZE_BYTES)key_bytes);
	explicit_bzero(state->rounds[0], sizeof(state->rounds[0]));
}

void mb_cm_part_expand(
	struct mb_state *state, struct mb_cm_part *part, const uint8_t auth[SRTP_AUTH_KEY_BYTES])
{
	static const uint8_t pads[] = {0x36, 0x5c};
	uint8_t *const out[] = {part->ipad, part->opad};
	uint8_t block[MB_SHA1_BLOCK];

	for (unsigned int i = 0; i < 2; i++) {
		memset(block, pads[i], sizeof(block));
		for (unsigned int j = 0; j < SRTP_AUTH_KEY_BYTES; j++)
			block[j] ^= auth[j];
		IMB_SHA1_ONE_BLOCK(state->mgr, block, out[i]);
	}
	explicit_bzero(block, sizeof(block));
}

static void cm_expand(struct mb_state *state, enum srtp_suite suite, struct mb_cm_keys *keys,
	const struct srtp_session_keys *rtp, const struct srtp_session_keys *rtcp)
{
	struct mb_cm_part *part = (struct mb_cm_part *)mb_cm_rtp(keys, suite);

	mb_expand_key(state, rtp->cipher, mb_is_256(suite), keys->rounds);
	mb_cm_part_expand(state, part, rtp->auth);
	memcpy(part->salt, rtp->salt, sizeof(part->salt));
	memcpy(keys->rtcp_auth, rtcp->auth, sizeof(keys->rtcp_auth));
	memcpy(keys->rtcp_salt, rtcp->salt, sizeof(keys->rtcp_salt));
	memcpy(part + 1, rtcp->cipher, srtp_suite_infos[suite].key_bytes);
}

void mb_keys_expand(struct mb_state *state, enum srtp_suite suite, void *keys,
	const struct srtp_session_keys *rtp, const struct srtp_session_keys *rtcp)
{
	if (srtp_suite_is_gcm(suite))
		state->gcm_expand(state, suite, keys, rtp, rtcp);
	else
		cm_expand(state, suite, keys, rtp, rtcp);
	explicit_bzero(state->rounds_unused, sizeof(state->rounds_unused));
}

int mb_keys_init(void *opaque, void *keys, const struct srtp_keying *keying)
{
	struct mb_state *state = opaque;
	struct srtp_session_keys rtp, rtcp;

	srtp_kdf(keying, false, mb_keystream, state, &rtp);
	srtp_kdf(keying, true, mb_keystream, state, &rtcp);
	mb_keys_expand(state, keying->suite, keys, &rtp, &rtcp);
	explicit_bzero(&rtp, sizeof(rtp));
	explicit_bzero(&rtcp, sizeof(rtcp));
	return 0;
}

void mb_keys_fini(void *)
{
}

bool mb_keys_same(const void *a, const void *b, enum srtp_suite suite)
{
	return !memcmp(a, b, mb_keys_bytes(suite));
}

static void prefetch_lines(const void *from, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		__builtin_prefetch((const uint8_t *)from + i * LINE);
}

// GCM reads the round keys and as many powers of the hash key as there are blocks, which stand in
// falling order up to the end.
void mb_keys_prefetch(const void *keys, enum srtp_suite suite, unsigned int body_bytes)
{
	const struct mb_cm_keys *cm = keys;
	const struct mb_gcm_keys *gcm = keys;
	unsigned int n_powers = LINES(body_bytes + 48);

	if (!srtp_suite_is_gcm(suite)) {
		prefetch_lines(
			cm->rounds, LINES(mb_rounds_bytes(suite) + sizeof(struct mb_cm_part)));
		return;
	}
	prefetch_lines(gcm->rtp, LINES(mb_rounds_bytes(suite)));
	if (n_powers > 12)
		n_powers = 12;
	prefetch_lines((const uint8_t *)&gcm->rtp_salt - n_powers * LINE + LINE, n_powers);
}
