// AES counter mode with HMAC-SHA1 (RFC 3711 4.1.1, 4.2.1) in two bursts: all ciphers, all hashes.
//
// What is subtle: the HMAC of SRTP covers the packet and then the ROC, which is written behind the
// payload for the time of the burst, where the tag or the MKI stands or will stand. So no tag is
// put into a packet before all hashes are done, and what was there is put back.
#include <string.h>

#include "mb.h"

#define TAG_80 10 // bytes; copied and compared as constants, in few instructions
#define TAG_32 4

void mb_cm_init(struct mb_state *state)
{
	bool has_avx512 = !strcmp(state->arch, "avx512");

	state->hash = has_avx512 ? mb_hash_avx512 : mb_hash_library;
	for (unsigned int i = 0; i < SRTP_CHUNK; i++) {
		state->hash_jobs[i].hash_alg = IMB_AUTH_HMAC_SHA_1;
		state->hash_jobs[i].auth_tag_output_len_in_bytes = MB_TAG_BYTES;
	}
	for (unsigned int i = 0; i < 2 * MB_JOBS; i++) {
		unsigned int is_256 = i / MB_JOBS;
		IMB_JOB *cipher = &state->cipher_jobs[is_256][i % MB_JOBS];

		cipher->cipher_mode = IMB_CIPHER_CNTR;
		cipher->cipher_direction = IMB_DIR_ENCRYPT;
		cipher->key_len_in_bytes = is_256 ? 32 : 16;
		cipher->iv_len_in_bytes = 16;
	}
}

// RFC 3711 4.1.1: salt * 2^16 xor SSRC * 2^64 xor index * 2^16.
static void iv_write(uint8_t iv[16], const uint8_t salt[16], uint32_t ssrc, uint64_t index)
{
	uint64_t words[2];

	memcpy(words, salt, sizeof(words));
	words[0] ^= __builtin_bswap64(ssrc);
	words[1] ^= __builtin_bswap64(index << 16);
	memcpy(iv, words, sizeof(words));
}

static uint8_t *end_of_body(const struct srtp_op *op)
{
	return mb_body(op) + op->body_bytes;
}

static uint8_t *tag_of(const struct srtp_op *op)
{
	return end_of_body(op) + (op->rtcp ? 4 : 0) + op->mki_bytes;
}

struct cipher_batch {
	unsigned int n[2];	 // by size of the key: 128, 256
	unsigned int n_expanded; // keys of SRTCP, in state->rounds
};

static void cipher_run(struct mb_state *state, struct cipher_batch *batch, bool is_256)
{
	if (batch->n[is_256])
		IMB_SUBMIT_CIPHER_BURST_NOCHECK(state->mgr, state->cipher_jobs[is_256],
			batch->n[is_256], IMB_CIPHER_CNTR, IMB_DIR_ENCRYPT,
			is_256 ? IMB_KEY_256_BYTES : IMB_KEY_128_BYTES);
	batch->n[is_256] = 0;
}

static void cipher_add(struct mb_state *state, struct cipher_batch *batch, const struct srtp_op *op,
	unsigned int slot)
{
	const struct mb_cm_keys *keys = op->keys;
	const struct mb_cm_part *part = mb_cm_rtp(keys, op->suite);
	const uint8_t *salt = part->salt;
	bool is_256 = mb_is_256(op->suite);
	IMB_JOB *job;

	if (!op->encrypted || !op->body_bytes)
		return;
	job = &state->cipher_jobs[is_256][batch->n[is_256]++];
	job->enc_keys = keys->rounds;
	if (op->rtcp) {
		salt = keys->rtcp_salt;
		job->enc_keys = state->rounds[batch->n_expanded];
		mb_expand_key(state, (const uint8_t *)(part + 1), is_256,
			state->rounds[batch->n_expanded++]);
	}
	iv_write(state->ivs[slot], salt, op->ssrc, op->index);
	job->iv = state->ivs[slot];
	job->src = mb_body(op);
	job->dst = mb_body(op);
	job->msg_len_to_cipher_in_bytes = op->body_bytes;
	if (batch->n[is_256] == MB_JOBS)
		cipher_run(state, batch, is_256);
}

// What has not run yet.
static void cipher_finish(struct mb_state *state, struct cipher_batch *batch)
{
	cipher_run(state, batch, false);
	cipher_run(state, batch, true);
	if (batch->n_expanded) {
		explicit_bzero(state->rounds, batch->n_expanded * sizeof(state->rounds[0]));
		explicit_bzero(state->rounds_unused, sizeof(state->rounds_unused));
	}
}

static const struct mb_cm_part *hash_part(
	struct mb_state *state, const struct srtp_op *op, unsigned int slot)
{
	const struct mb_cm_keys *keys = op->keys;

	if (!op->rtcp)
		return mb_cm_rtp(keys, op->suite);
	mb_cm_part_expand(state, &state->rtcp_parts[slot], keys->rtcp_auth);
	return &state->rtcp_parts[slot];
}

// The word that closes what the tag covers: in SRTCP it is sent, in SRTP it is the ROC and is not.
static void hash_add(
	struct mb_state *state, unsigned int *n, const struct srtp_op *op, unsigned int slot)
{
	uint8_t *end = end_of_body(op);

	if (!op->rtcp)
		memcpy(state->saved[slot], end, sizeof(state->saved[slot]));
	mb_put32(end, op->rtcp ? mb_rtcp_word(op) : (uint32_t)(op->index >> 16));
	state->hashes[(*n)++] = (struct mb_hash){
		.message = op->packet,
		.part = hash_part(state, op, slot),
		.tag = state->tags[slot],
		.bytes = op->header_bytes + op->body_bytes + 4u,
	};
}

void mb_hash_library(struct mb_state *state, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		const struct mb_hash *hash = &state->hashes[i];
		IMB_JOB *job = &state->hash_jobs[i];

		job->src = hash->message;
		job->msg_len_to_hash_in_bytes = hash->bytes;
		job->auth_tag_output = hash->tag;
		job->u.HMAC._hashed_auth_key_xor_ipad = hash->part->ipad;
		job->u.HMAC._hashed_auth_key_xor_opad = hash->part->opad;
	}
	if (n)
		IMB_SUBMIT_HASH_BURST_NOCHECK(state->mgr, state->hash_jobs, n, IMB_AUTH_HMAC_SHA_1);
}

static void hash_submit(
	struct mb_state *state, const struct srtp_op *ops, unsigned int n_ops, unsigned int n)
{
	state->hash(state, n);
	for (unsigned int i = 0; i < n_ops; i++)
		if (ops[i].rtcp)
			explicit_bzero(&state->rtcp_parts[i], sizeof(state->rtcp_parts[i]));
}

void mb_cm_protect(struct mb_state *state, struct srtp_op *ops, unsigned int n)
{
	struct cipher_batch batch = {0};
	unsigned int n_hashes = 0;

	for (unsigned int i = 0; i < n; i++)
		if (!srtp_suite_is_gcm(ops[i].suite))
			cipher_add(state, &batch, &ops[i], i);
	cipher_finish(state, &batch);
	for (unsigned int i = 0; i < n; i++)
		if (!srtp_suite_is_gcm(ops[i].suite))
			hash_add(state, &n_hashes, &ops[i], i);
	hash_submit(state, ops, n, n_hashes);
	for (unsigned int i = 0; i < n; i++) {
		struct srtp_op *op = &ops[i];
		uint8_t *tag = tag_of(op);

		if (srtp_suite_is_gcm(op->suite))
			continue;
		if (op->mki_bytes)
			memcpy(tag - op->mki_bytes, op->mki, op->mki_bytes);
		if (srtp_tag_bytes(op->suite, op->rtcp) == TAG_80)
			memcpy(tag, state->tags[i], TAG_80);
		else
			memcpy(tag, state->tags[i], TAG_32);
		op->status = SRTP_STATUS_OK;
	}
}

static void check_tag(const struct mb_state *state, struct srtp_op *op, unsigned int slot)
{
	const uint8_t *tag = tag_of(op);
	bool differ;

	if (!op->rtcp)
		memcpy(end_of_body(op), state->saved[slot], sizeof(state->saved[slot]));
	if (srtp_tag_bytes(op->suite, op->rtcp) == TAG_80)
		differ = mb_tags_differ(tag, state->tags[slot], TAG_80);
	else
		differ = mb_tags_differ(tag, state->tags[slot], TAG_32);
	op->status = differ ? SRTP_STATUS_AUTH : SRTP_STATUS_OK;
}

void mb_cm_unprotect(struct mb_state *state, struct srtp_op *ops, unsigned int n)
{
	struct cipher_batch batch = {0};
	unsigned int n_hashes = 0;

	for (unsigned int i = 0; i < n; i++)
		if (!srtp_suite_is_gcm(ops[i].suite))
			hash_add(state, &n_hashes, &ops[i], i);
	hash_submit(state, ops, n, n_hashes);
	for (unsigned int i = 0; i < n; i++) {
		if (srtp_suite_is_gcm(ops[i].suite))
			continue;
		check_tag(state, &ops[i], i);
		if (ops[i].status == SRTP_STATUS_OK)
			cipher_add(state, &batch, &ops[i], i);
	}
	cipher_finish(state, &batch);
}
