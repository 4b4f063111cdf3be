// The backend on libsrtp2: the second implementation, for machines without ipsec-mb, and what ours
// is compared with. It derives keys, forms counter blocks and tags packets by itself; we only tell
// it the index, which it would otherwise guess.
//
// What is subtle is that telling. A ROC is set for the next packet by srtp_set_stream_roc(), where
// 0 means "guess", which comes out the same as long as it has seen what we have: so it gets one
// packet at a time. The index of SRTCP has no such function: see rtcp_index_set(). libsrtp2
// allocates when it meets an SSRC, and is slow with many sessions.
#include <errno.h>
#include <pthread.h>
#include <srtp2/srtp.h>
#include <stdlib.h>
#include <string.h>

#include "srtp_backend.h"

#define REPLAY_WINDOW	1024 // more than ours: ours decides
#define RTCP_RDB_WINDOW 128  // of libsrtp2, fixed

struct libsrtp_stream {
	uint32_t ssrc;
	uint32_t rtcp_next; // what libsrtp2 will send next
};

struct libsrtp_keys {
	srtp_t session;
	srtp_t plain; // for received SRTCP without the E bit, made when the first one comes
	struct srtp_keying keying;
	uint8_t master[SRTP_KEY_MAX + SRTP_SALT_MAX];
	unsigned int n_streams;
	struct libsrtp_stream streams[]; // keying.max_ssrcs
};

// Of one thread: a packet as it came, since libsrtp2 may spoil one that it then refuses.
struct libsrtp_state {
	uint8_t packet[SRTP_PACKET_MAX + SRTP_TRAILER_MAX];
};

static void library_init(void)
{
	srtp_init();
}

static void *libsrtp_open(const char *arch)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	if (arch && strcmp(arch, "fastest")) {
		errno = ENOENT;
		return NULL;
	}
	pthread_once(&once, library_init);
	return malloc(sizeof(struct libsrtp_state));
}

static void libsrtp_close(void *state)
{
	explicit_bzero(state, sizeof(struct libsrtp_state));
	free(state);
}

static const char *libsrtp_arch(const void *)
{
	return srtp_get_version_string();
}

static void suite_policy(enum srtp_suite suite, srtp_policy_t *policy)
{
	static void (*const rtp[])(srtp_crypto_policy_t *) = {
		[SRTP_SUITE_AES_CM_128_HMAC_SHA1_80] = srtp_crypto_policy_set_rtp_default,
		[SRTP_SUITE_AES_CM_128_HMAC_SHA1_32] =
			srtp_crypto_policy_set_aes_cm_128_hmac_sha1_32,
		[SRTP_SUITE_AES_256_CM_HMAC_SHA1_80] =
			srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80,
		[SRTP_SUITE_AES_256_CM_HMAC_SHA1_32] =
			srtp_crypto_policy_set_aes_cm_256_hmac_sha1_32,
		[SRTP_SUITE_AEAD_AES_128_GCM] = srtp_crypto_policy_set_aes_gcm_128_16_auth,
		[SRTP_SUITE_AEAD_AES_256_GCM] = srtp_crypto_policy_set_aes_gcm_256_16_auth,
	};

	rtp[suite](&policy->rtp);
	rtp[suite](&policy->rtcp);
	policy->rtcp.auth_tag_len = srtp_suite_infos[suite].rtcp_tag_bytes;
}

// A policy and what it points to.
struct policy {
	srtp_policy_t srtp;
	srtp_master_key_t master;
	srtp_master_key_t *masters[1];
};

static void policy_init(struct policy *policy, struct libsrtp_keys *keys, bool plain_srtcp)
{
	struct srtp_keying *keying = &keys->keying;

	memset(policy, 0, sizeof(*policy));
	suite_policy(keying->suite, &policy->srtp);
	if (plain_srtcp)
		policy->srtp.rtcp.sec_serv = sec_serv_auth;
	policy->srtp.ssrc.type =
		keying->direction == SRTP_SEND ? ssrc_any_outbound : ssrc_any_inbound;
	policy->srtp.window_size = REPLAY_WINDOW;
	policy->masters[0] = &policy->master;
	policy->master.key = keys->master;
	policy->master.mki_id = keying->mki_bytes ? keying->mki : NULL;
	policy->master.mki_size = keying->mki_bytes;
	policy->srtp.keys = policy->masters;
	policy->srtp.num_master_keys = 1;
}

// The library has memory of its own: the context's has a pointer to ours.
static struct libsrtp_keys *keys_of(const void *memory)
{
	return *(struct libsrtp_keys *const *)memory;
}

static int libsrtp_keys_init(void *, void *memory, const struct srtp_keying *keying)
{
	const struct srtp_suite_info *info = &srtp_suite_infos[keying->suite];
	unsigned int max_ssrcs = keying->max_ssrcs ? keying->max_ssrcs : SRTP_SSRCS;
	struct libsrtp_keys *keys;
	struct policy policy;

	keys = calloc(1, sizeof(*keys) + max_ssrcs * sizeof(keys->streams[0]));
	if (!keys)
		return -ENOMEM;
	keys->keying = *keying;
	keys->keying.max_ssrcs = max_ssrcs;
	memcpy(keys->master, keying->key, info->key_bytes);
	memcpy(keys->master + info->key_bytes, keying->salt, info->salt_bytes);
	policy_init(&policy, keys, keying->plain_srtcp && keying->direction == SRTP_SEND);
	if (srtp_create(&keys->session, &policy.srtp) == srtp_err_status_ok) {
		*(struct libsrtp_keys **)memory = keys;
		return 0;
	}
	explicit_bzero(keys, sizeof(*keys));
	free(keys);
	return -ENOMEM;
}

static void libsrtp_keys_fini(void *memory)
{
	struct libsrtp_keys *keys = keys_of(memory);

	srtp_dealloc(keys->session);
	if (keys->plain)
		srtp_dealloc(keys->plain);
	explicit_bzero(keys, sizeof(*keys));
	free(keys);
}

static size_t libsrtp_keys_bytes(enum srtp_suite)
{
	return sizeof(struct libsrtp_keys *);
}

static bool libsrtp_keys_same(const void *a, const void *b, enum srtp_suite)
{
	const struct libsrtp_keys *keys_a = keys_of(a), *keys_b = keys_of(b);

	return !memcmp(keys_a->master, keys_b->master, sizeof(keys_a->master));
}

static enum srtp_status status_of(srtp_err_status_t error)
{
	switch (error) {
	case srtp_err_status_ok:
		return SRTP_STATUS_OK;
	case srtp_err_status_auth_fail:
	case srtp_err_status_cipher_fail:
		return SRTP_STATUS_AUTH;
	case srtp_err_status_replay_fail:
	case srtp_err_status_replay_old:
		return SRTP_STATUS_REPLAY;
	default:
		return SRTP_STATUS_FAILED;
	}
}

static srtp_err_status_t stream_add(struct libsrtp_keys *keys, uint32_t ssrc)
{
	struct policy policy;

	policy_init(&policy, keys, keys->keying.plain_srtcp && keys->keying.direction == SRTP_SEND);
	policy.srtp.ssrc.type = ssrc_specific;
	policy.srtp.ssrc.value = ssrc;
	return srtp_add_stream(keys->session, &policy.srtp);
}

// A stream that libsrtp2 does not know yet begins at ROC 0 by itself.
static srtp_err_status_t roc_set(struct libsrtp_keys *keys, uint32_t ssrc, uint32_t roc)
{
	srtp_err_status_t error = srtp_set_stream_roc(keys->session, ssrc, roc);

	if (error == srtp_err_status_ok || !roc)
		return srtp_err_status_ok;
	error = stream_add(keys, ssrc);
	if (error == srtp_err_status_ok)
		error = srtp_set_stream_roc(keys->session, ssrc, roc);
	return error;
}

static struct libsrtp_stream *rtcp_stream(struct libsrtp_keys *keys, uint32_t ssrc)
{
	for (unsigned int i = 0; i < keys->n_streams; i++)
		if (keys->streams[i].ssrc == ssrc)
			return &keys->streams[i];
	if (keys->n_streams == keys->keying.max_ssrcs)
		return NULL;
	keys->streams[keys->n_streams] = (struct libsrtp_stream){ssrc, 1};
	return &keys->streams[keys->n_streams++];
}

static void put32(uint8_t *out, uint32_t value)
{
	value = __builtin_bswap32(value);
	memcpy(out, &value, sizeof(value));
}

// A receiver report without a block.
static void report_write(uint8_t report[8], uint32_t ssrc)
{
	static const uint8_t header[] = {0x80, 201, 0, 1};

	memcpy(report, header, sizeof(header));
	put32(report + 4, ssrc);
}

// Make the next index that libsrtp2 sends `index`. Its sender counts where the window of its
// receiver is, and srtp_update_stream() keeps that when it puts another policy in place: so a
// packet of that index is received under a policy without tags, and the real policy put over it.
static srtp_err_status_t rtcp_index_set(struct libsrtp_keys *keys, uint32_t ssrc, uint32_t index)
{
	uint32_t newest = index - 1 + (RTCP_RDB_WINDOW - 1);
	uint8_t report[8 + 4 + SRTP_MAX_TRAILER_LEN];
	int length = 8 + 4;
	struct policy policy;
	srtp_err_status_t error;

	if (newest >= SRTCP_INDEX_END)
		newest = SRTCP_INDEX_END - 1;
	report_write(report, ssrc);
	put32(report + 8, newest);
	srtp_remove_stream(keys->session, __builtin_bswap32(ssrc));
	policy_init(&policy, keys, false);
	srtp_crypto_policy_set_null_cipher_hmac_null(&policy.srtp.rtp);
	srtp_crypto_policy_set_null_cipher_hmac_null(&policy.srtp.rtcp);
	policy.srtp.rtp.sec_serv = sec_serv_none;
	policy.srtp.rtcp.sec_serv = sec_serv_none;
	policy.srtp.ssrc.type = ssrc_specific;
	policy.srtp.ssrc.value = ssrc;
	error = srtp_add_stream(keys->session, &policy.srtp);
	if (error == srtp_err_status_ok)
		error = srtp_unprotect_rtcp(keys->session, report, &length);
	policy_init(&policy, keys, keys->keying.plain_srtcp);
	policy.srtp.ssrc.type = ssrc_specific;
	policy.srtp.ssrc.value = ssrc;
	if (error == srtp_err_status_ok)
		error = srtp_update_stream(keys->session, &policy.srtp);
	// The last indices of all are behind the window: count up to there.
	for (uint32_t i = newest - (RTCP_RDB_WINDOW - 1) + 1; i < index && !error; i++) {
		report_write(report, ssrc);
		length = 8;
		error = srtp_protect_rtcp_mki(
			keys->session, report, &length, keys->keying.mki_bytes > 0, 0);
	}
	explicit_bzero(report, sizeof(report));
	return error;
}

static srtp_err_status_t protect_rtcp(
	struct libsrtp_keys *keys, const struct srtp_op *op, int *length)
{
	struct libsrtp_stream *stream = rtcp_stream(keys, op->ssrc);
	srtp_err_status_t error = srtp_err_status_ok;

	if (!stream)
		return srtp_err_status_alloc_fail;
	if (stream->rtcp_next != op->index)
		error = rtcp_index_set(keys, op->ssrc, (uint32_t)op->index);
	if (error != srtp_err_status_ok)
		return error;
	stream->rtcp_next = (uint32_t)op->index + 1;
	return srtp_protect_rtcp_mki(keys->session, op->packet, length, op->mki_bytes > 0, 0);
}

static void libsrtp_protect(void *, struct srtp_op *ops, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		struct srtp_op *op = &ops[i];
		struct libsrtp_keys *keys = keys_of(op->keys);
		int length = op->header_bytes + op->body_bytes;
		srtp_err_status_t error;

		if (op->rtcp) {
			error = protect_rtcp(keys, op, &length);
		} else {
			error = roc_set(keys, op->ssrc, (uint32_t)(op->index >> 16));
			if (error == srtp_err_status_ok)
				error = srtp_protect_mki(
					keys->session, op->packet, &length, op->mki_bytes > 0, 0);
		}
		op->status = error == srtp_err_status_ok ? SRTP_STATUS_OK : SRTP_STATUS_FAILED;
	}
}

// libsrtp2 refuses SRTCP whose E bit is not that of the policy, so the other kind has a session.
static srtp_t rtcp_session(struct libsrtp_keys *keys, bool encrypted)
{
	struct policy policy;

	if (encrypted)
		return keys->session;
	policy_init(&policy, keys, true);
	if (!keys->plain && srtp_create(&keys->plain, &policy.srtp) != srtp_err_status_ok)
		keys->plain = NULL;
	return keys->plain;
}

// The MKI of SRTCP is cut out here: libsrtp2 looks for it in front of a tag as long as that of
// SRTP, which in the _32 suites is not where it is.
static srtp_err_status_t unprotect_rtcp(
	struct libsrtp_keys *keys, const struct srtp_op *op, int length)
{
	unsigned int tag_bytes = srtp_suite_is_gcm(op->suite) ? 0 : srtp_tag_bytes(op->suite, true);
	uint8_t *mki = op->packet + length - tag_bytes - op->mki_bytes;
	srtp_t session = rtcp_session(keys, op->encrypted);

	if (!session)
		return srtp_err_status_alloc_fail;
	memmove(mki, mki + op->mki_bytes, tag_bytes);
	length -= op->mki_bytes;
	return srtp_unprotect_rtcp(session, op->packet, &length);
}

static srtp_err_status_t unprotect_rtp(
	struct libsrtp_keys *keys, const struct srtp_op *op, int length)
{
	srtp_err_status_t error = roc_set(keys, op->ssrc, (uint32_t)(op->index >> 16));

	if (error != srtp_err_status_ok)
		return error;
	return srtp_unprotect_mki(keys->session, op->packet, &length, op->mki_bytes > 0);
}

static void libsrtp_unprotect(void *opaque, struct srtp_op *ops, unsigned int n)
{
	struct libsrtp_state *state = opaque;

	for (unsigned int i = 0; i < n; i++) {
		struct srtp_op *op = &ops[i];
		unsigned int length = op->header_bytes + op->body_bytes + op->mki_bytes +
				      srtp_tag_bytes(op->suite, op->rtcp) + (op->rtcp ? 4 : 0);

		memcpy(state->packet, op->packet, length);
		op->status =
			status_of(op->rtcp ? unprotect_rtcp(keys_of(op->keys), op, (int)length)
					   : unprotect_rtp(keys_of(op->keys), op, (int)length));
		if (op->status != SRTP_STATUS_OK)
			memcpy(op->packet, state->packet, length);
	}
}

const struct srtp_backend srtp_backend_libsrtp = {
	.name = "libsrtp2",
	.open = libsrtp_open,
	.close = libsrtp_close,
	.arch = libsrtp_arch,
	.keys_init = libsrtp_keys_init,
	.keys_fini = libsrtp_keys_fini,
	.keys_bytes = libsrtp_keys_bytes,
	.keys_same = libsrtp_keys_same,
	.chunk = 1,
	.protect = libsrtp_protect,
	.unprotect = libsrtp_unprotect,
};
