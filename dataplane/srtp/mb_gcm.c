// AES-GCM (RFC 7714): one direct call a packet, which for packets of speech beats any batch.
//
// What is subtle: GCM decrypts and authenticates in one pass, in place, so of a packet with a wrong
// tag the wrong plaintext is there already. It is encrypted again, since another key may be tried.
// And the IVs of a burst are written before the first call: one just written would hold up the wide
// load with which it is read.
#include <string.h>

#include "mb.h"

#define RTCP_CLEAR_BYTES 8

struct gcm_input {
	const struct gcm_key_data *key;
	const uint8_t *iv;
	const uint8_t *aad;
	unsigned int aad_bytes;
	unsigned int body_bytes;
	uint8_t rtcp_aad[RTCP_CLEAR_BYTES + 4];
};

void mb_gcm_expand(struct mb_state *state, enum srtp_suite suite, void *memory,
	const struct srtp_session_keys *rtp, const struct srtp_session_keys *rtcp)
{
	struct mb_gcm_keys *keys = memory;
	struct gcm_key_data *expanded = (struct gcm_key_data *)keys->rtp;

	if (mb_is_256(suite))
		IMB_AES256_GCM_PRE(state->mgr, rtp->cipher, expanded);
	else
		IMB_AES128_GCM_PRE(state->mgr, rtp->cipher, expanded);
	memcpy(keys->rtp_salt, rtp->salt, sizeof(keys->rtp_salt));
	memcpy(keys->rtcp_salt, rtcp->salt, sizeof(keys->rtcp_salt));
	memcpy(keys->rtcp_key, rtcp->cipher, sizeof(keys->rtcp_key));
}

static uint8_t *end_of_body(const struct srtp_op *op)
{
	return mb_body(op) + op->body_bytes;
}

// RFC 7714 8.1, 9.1: 16 zero bits, SSRC, index in 48 bits, xor the salt; 12 bytes.
static void iv_write(uint8_t iv[16], const struct srtp_op *op)
{
	const struct mb_gcm_keys *keys = op->keys;
	uint64_t high;
	uint32_t low;

	memcpy(iv, op->rtcp ? keys->rtcp_salt : keys->rtp_salt, sizeof(keys->rtp_salt));
	memcpy(&high, iv, sizeof(high));
	memcpy(&low, iv + sizeof(high), sizeof(low));
	high ^= __builtin_bswap64((uint64_t)op->ssrc << 16 | op->index >> 32);
	low ^= __builtin_bswap32((uint32_t)op->index);
	memcpy(iv, &high, sizeof(high));
	memcpy(iv + sizeof(high), &low, sizeof(low));
}

// RFC 7714 9.2, 9.3: the word with the index is authenticated with the clear bytes, from which in
// the packet it is apart. Without encryption all is clear: there it is put where the tag stands.
static void input_rtcp(struct mb_state *state, const struct srtp_op *op, struct gcm_input *in)
{
	const struct mb_gcm_keys *keys = op->keys;

	if (mb_is_256(op->suite))
		IMB_AES256_GCM_PRE(state->mgr, keys->rtcp_key, &state->gcm_key);
	else
		IMB_AES128_GCM_PRE(state->mgr, keys->rtcp_key, &state->gcm_key);
	in->key = &state->gcm_key;
	if (op->encrypted) {
		memcpy(in->rtcp_aad, op->packet, RTCP_CLEAR_BYTES);
		mb_put32(in->rtcp_aad + RTCP_CLEAR_BYTES, mb_rtcp_word(op));
		in->aad = in->rtcp_aad;
		in->aad_bytes = sizeof(in->rtcp_aad);
		in->body_bytes = op->body_bytes;
	} else {
		mb_put32(end_of_body(op), mb_rtcp_word(op));
		in->aad = op->packet;
		in->aad_bytes = op->header_bytes + op->body_bytes + 4;
		in->body_bytes = 0;
	}
}

static void input(
	struct mb_state *state, const struct srtp_op *op, unsigned int slot, struct gcm_input *in)
{
	const struct mb_gcm_keys *keys = op->keys;

	in->iv = state->ivs[slot];
	if (op->rtcp) {
		input_rtcp(state, op, in);
		return;
	}
	in->key = (const struct gcm_key_data *)keys->rtp;
	in->aad = op->packet;
	in->aad_bytes = op->header_bytes;
	in->body_bytes = op->body_bytes;
}

static void run(struct mb_state *state, const struct srtp_op *op, const struct gcm_input *in,
	bool decrypt, uint8_t tag[MB_GCM_TAG_BYTES])
{
	const IMB_MGR *mgr = state->mgr;
	aes_gcm_enc_dec_t gcm = decrypt ? mgr->gcm128_dec : mgr->gcm128_enc;

	if (mb_is_256(op->suite))
		gcm = decrypt ? mgr->gcm256_dec : mgr->gcm256_enc;
	gcm(in->key, &state->gcm_context, mb_body(op), mb_body(op), in->body_bytes, in->iv, in->aad,
		in->aad_bytes, tag, MB_GCM_TAG_BYTES);
}

static void wipe_rtcp_key(struct mb_state *state, const struct srtp_op *op)
{
	if (op->rtcp)
		explicit_bzero(&state->gcm_key, sizeof(state->gcm_key));
}

static void protect(struct mb_state *state, struct srtp_op *op, unsigned int slot)
{
	uint8_t *end = end_of_body(op);
	struct gcm_input in;

	input(state, op, slot, &in);
	run(state, op, &in, false, end);
	end += MB_GCM_TAG_BYTES;
	if (op->rtcp) {
		mb_put32(end, mb_rtcp_word(op));
		end += 4;
	}
	if (op->mki_bytes)
		memcpy(end, op->mki, op->mki_bytes);
	wipe_rtcp_key(state, op);
	op->status = SRTP_STATUS_OK;
}

static void unprotect(struct mb_state *state, struct srtp_op *op, unsigned int slot)
{
	uint8_t received[MB_GCM_TAG_BYTES], tag[MB_GCM_TAG_BYTES];
	struct gcm_input in;

	memcpy(received, end_of_body(op), sizeof(received));
	input(state, op, slot, &in);
	run(state, op, &in, true, tag);
	memcpy(end_of_body(op), received, sizeof(received));
	op->status = SRTP_STATUS_OK;
	if (mb_tags_differ(tag, received, sizeof(tag))) {
		run(state, op, &in, false, tag);
		op->status = SRTP_STATUS_AUTH;
	}
	wipe_rtcp_key(state, op);
}

static void for_each(struct mb_state *state, struct srtp_op *ops, unsigned int n,
	void (*act)(struct mb_state *, struct srtp_op *, unsigned int))
{
	for (unsigned int i = 0; i < n; i++)
		if (srtp_suite_is_gcm(ops[i].suite))
			iv_write(state->ivs[i], &ops[i]);
	for (unsigned int i = 0; i < n; i++)
		if (srtp_suite_is_gcm(ops[i].suite))
			act(state, &ops[i], i);
}

void mb_gcm_protect(struct mb_state *state, struct srtp_op *ops, unsigned int n)
{
	for_each(state, ops, n, protect);
}

void mb_gcm_unprotect(struct mb_state *state, struct srtp_op *ops, unsigned int n)
{
	for_each(state, ops, n, unprotect);
}
