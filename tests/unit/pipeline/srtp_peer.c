#include "srtp_peer.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(srtp_err_status_t status, const char *what)
{
	if (status == srtp_err_status_ok)
		return;
	fprintf(stderr, "peer: %s failed: %d\n", what, status);
	abort();
}

static const struct {
	unsigned int key_bytes;
	unsigned int salt_bytes;
	void (*policy)(srtp_crypto_policy_t *policy);
} suites[] = {
	[SL_SRTP_AES_CM_128_HMAC_SHA1_80] = {16, 14, srtp_crypto_policy_set_rtp_default},
	[SL_SRTP_AES_CM_128_HMAC_SHA1_32] = {16, 14,
		srtp_crypto_policy_set_aes_cm_128_hmac_sha1_32},
	[SL_SRTP_AES_256_CM_HMAC_SHA1_80] = {32, 14,
		srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80},
	[SL_SRTP_AES_256_CM_HMAC_SHA1_32] = {32, 14,
		srtp_crypto_policy_set_aes_cm_256_hmac_sha1_32},
	[SL_SRTP_AEAD_AES_128_GCM] = {16, 12, srtp_crypto_policy_set_aes_gcm_128_16_auth},
	[SL_SRTP_AEAD_AES_256_GCM] = {32, 12, srtp_crypto_policy_set_aes_gcm_256_16_auth},
};

struct sl_srtp peer_key(enum sl_srtp_suite suite, uint8_t seed)
{
	struct sl_srtp key = {.suite = (uint8_t)suite};

	for (unsigned int i = 0; i < suites[suite].key_bytes; i++)
		key.key[i] = (uint8_t)(seed + 17 * i);
	for (unsigned int i = 0; i < suites[suite].salt_bytes; i++)
		key.salt[i] = (uint8_t)(seed ^ (29 * i));
	return key;
}

void peer_keys(struct sl_leg *leg, enum sl_srtp_suite suite, uint8_t seed)
{
	leg->srtp_receive = peer_key(suite, seed);
	leg->srtp_send = peer_key(suite, (uint8_t)(seed + 1));
}

static srtp_t create(const struct sl_srtp *key, srtp_ssrc_type_t type, uint32_t ssrc)
{
	static bool ready;
	uint8_t master[SL_SRTP_KEY_MAX + SL_SRTP_SALT_MAX];
	uint8_t mki[SL_SRTP_MKI_MAX];
	srtp_master_key_t keys = {.key = master, .mki_id = mki, .mki_size = key->mki_bytes};
	srtp_master_key_t *list[] = {&keys};
	srtp_policy_t policy = {.ssrc = {type, ssrc}, .window_size = 128};
	unsigned int key_bytes = suites[key->suite].key_bytes;
	srtp_t peer;

	if (!ready)
		must(srtp_init(), "srtp_init");
	ready = true;
	suites[key->suite].policy(&policy.rtp);
	suites[key->suite].policy(&policy.rtcp);
	if (policy.rtcp.auth_tag_len == 4)
		policy.rtcp.auth_tag_len = 10; // RFC 4568 6.2.2, RFC 6188 4
	memcpy(master, key->key, key_bytes);
	memcpy(master + key_bytes, key->salt, suites[key->suite].salt_bytes);
	memcpy(mki, key->mki, key->mki_bytes);
	if (key->mki_bytes) {
		policy.keys = list;
		policy.num_master_keys = 1;
	} else {
		policy.key = master;
	}
	must(srtp_create(&peer, &policy), "srtp_create");
	if (key->mki_bytes)
		srtp_set_user_data(peer, (void *)1); // with MKI
	return peer;
}

srtp_t peer_sender(const struct sl_srtp *receive)
{
	return create(receive, ssrc_any_outbound, 0);
}

srtp_t peer_receiver(const struct sl_srtp *send)
{
	return create(send, ssrc_any_inbound, 0);
}

srtp_t peer_at(const struct sl_srtp *key, uint32_t ssrc, uint32_t roc)
{
	srtp_t peer = create(key, ssrc_specific, ssrc);

	must(srtp_set_stream_roc(peer, ssrc, roc), "srtp_set_stream_roc");
	return peer;
}

static unsigned int has_mki(srtp_t peer)
{
	return srtp_get_user_data(peer) != NULL;
}

unsigned int peer_protect(srtp_t peer, uint8_t *packet, unsigned int length)
{
	int n = (int)length;

	must(srtp_protect_mki(peer, packet, &n, has_mki(peer), 0), "srtp_protect");
	return (unsigned int)n;
}

unsigned int peer_protect_rtcp(srtp_t peer, uint8_t *packet, unsigned int length)
{
	int n = (int)length;

	must(srtp_protect_rtcp_mki(peer, packet, &n, has_mki(peer), 0), "srtp_protect_rtcp");
	return (unsigned int)n;
}

unsigned int peer_unprotect(srtp_t peer, uint8_t *packet, unsigned int length)
{
	int n = (int)length;

	return srtp_unprotect_mki(peer, packet, &n, has_mki(peer)) ? 0 : (unsigned int)n;
}

unsigned int peer_unprotect_rtcp(srtp_t peer, uint8_t *packet, unsigned int length)
{
	int n = (int)length;

	return srtp_unprotect_rtcp_mki(peer, packet, &n, has_mki(peer)) ? 0 : (unsigned int)n;
}
