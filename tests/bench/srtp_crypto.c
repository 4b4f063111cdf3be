// See srtp_crypto.h.
#include "srtp_crypto.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define HEADER	  12
#define KEY_BYTES 16
#define CM_SALT	  14
#define GCM_SALT  12
#define CM_TAG	  10
#define GCM_TAG	  16
#define SHA1_KEY  20

enum { LABEL_ENCRYPTION, LABEL_AUTHENTICATION, LABEL_SALT }; // RFC 3711 4.3.2

struct srtp_crypto {
	bool gcm;
	EVP_CIPHER_CTX *cipher;
	EVP_MAC_CTX *hmac;
	uint8_t salt[CM_SALT];
};

// RFC 3711 4.3.3, with a key derivation rate of 0: a key stream from the salt, XOR the label.
static void derive(const uint8_t *master, const uint8_t *salt, uint8_t label, uint8_t *out, int n)
{
	static const uint8_t zeros[32];
	EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
	uint8_t iv[16] = {};
	int got;

	memcpy(iv, salt, CM_SALT);
	iv[7] ^= label;
	EVP_EncryptInit_ex(cipher, EVP_aes_128_ctr(), NULL, master, iv);
	EVP_EncryptUpdate(cipher, out, &got, zeros, n);
	EVP_CIPHER_CTX_free(cipher);
}

static EVP_MAC_CTX *create_hmac(const uint8_t *key)
{
	char sha1[] = "SHA1";
	const OSSL_PARAM parameters[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, sha1, 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *hmac = EVP_MAC_CTX_new(mac);

	EVP_MAC_free(mac); // the context holds it
	EVP_MAC_init(hmac, key, SHA1_KEY, parameters);
	return hmac;
}

static bool parse_hex(const char *text, uint8_t *bytes, size_t n)
{
	size_t length;

	return OPENSSL_hexstr2buf_ex(bytes, n, &length, text, '\0') == 1 && length == n;
}

struct srtp_crypto *srtp_crypto_create(const char *text)
{
	struct srtp_crypto *crypto = calloc(1, sizeof(*crypto));
	uint8_t keying[KEY_BYTES + CM_SALT] = {}, key[KEY_BYTES], authentication[SHA1_KEY];
	const char *hex = strchr(text, ':');

	crypto->gcm = !strncmp(text, "gcm128:", 7);
	if (!hex || (!crypto->gcm && strncmp(text, "cm128-80:", 9)) ||
		!parse_hex(hex + 1, keying, KEY_BYTES + (crypto->gcm ? GCM_SALT : CM_SALT))) {
		free(crypto);
		return NULL;
	}
	// RFC 7714 11: a GCM salt is 96 bits, with zeros behind it in the derivation.
	derive(keying, keying + KEY_BYTES, LABEL_ENCRYPTION, key, KEY_BYTES);
	derive(keying, keying + KEY_BYTES, LABEL_AUTHENTICATION, authentication, SHA1_KEY);
	derive(keying, keying + KEY_BYTES, LABEL_SALT, crypto->salt, CM_SALT);
	crypto->cipher = EVP_CIPHER_CTX_new();
	EVP_EncryptInit_ex(crypto->cipher, crypto->gcm ? EVP_aes_128_gcm() : EVP_aes_128_ctr(),
		NULL, key, NULL);
	if (!crypto->gcm)
		crypto->hmac = create_hmac(authentication);
	return crypto;
}

unsigned int srtp_crypto_trailer(const struct srtp_crypto *crypto)
{
	return crypto->gcm ? GCM_TAG : CM_TAG;
}

// RFC 3711 4.1.1 and RFC 7714 8.1: SSRC and index (a ROC of 0) XOR the salt.
static void make_iv(const struct srtp_crypto *crypto, const uint8_t *rtp, uint8_t iv[16])
{
	unsigned int ssrc_at = crypto->gcm ? 2 : 4;
	unsigned int sequence_at = crypto->gcm ? 10 : 12;

	memset(iv, 0, 16);
	memcpy(iv, crypto->salt, crypto->gcm ? GCM_SALT : CM_SALT);
	for (unsigned int i = 0; i < 4; i++)
		iv[ssrc_at + i] ^= rtp[8 + i];
	iv[sequence_at] ^= rtp[2];
	iv[sequence_at + 1] ^= rtp[3];
}

static void tag_of(struct srtp_crypto *crypto, const uint8_t *rtp, size_t length, uint8_t tag[20])
{
	static const uint8_t roc[4];
	size_t n;

	EVP_MAC_init(crypto->hmac, NULL, 0, NULL);
	EVP_MAC_update(crypto->hmac, rtp, length);
	EVP_MAC_update(crypto->hmac, roc, sizeof(roc));
	EVP_MAC_final(crypto->hmac, tag, &n, 20);
}

void srtp_crypto_protect(struct srtp_crypto *crypto, uint8_t *rtp, size_t length)
{
	EVP_CIPHER_CTX *cipher = crypto->cipher;
	uint8_t iv[16], tag[20];
	int n;

	make_iv(crypto, rtp, iv);
	EVP_EncryptInit_ex(cipher, NULL, NULL, NULL, iv);
	if (crypto->gcm)
		EVP_EncryptUpdate(cipher, NULL, &n, rtp, HEADER);
	EVP_EncryptUpdate(cipher, rtp + HEADER, &n, rtp + HEADER, (int)length - HEADER);
	if (crypto->gcm) {
		EVP_EncryptFinal_ex(cipher, tag, &n);
		EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, GCM_TAG, tag);
	} else {
		tag_of(crypto, rtp, length, tag);
	}
	memcpy(rtp + length, tag, srtp_crypto_trailer(crypto));
}

bool srtp_crypto_unprotect(struct srtp_crypto *crypto, uint8_t *rtp, size_t length)
{
	EVP_CIPHER_CTX *cipher = crypto->cipher;
	uint8_t iv[16], tag[20];
	int n;

	make_iv(crypto, rtp, iv);
	if (!crypto->gcm) {
		tag_of(crypto, rtp, length, tag);
		EVP_EncryptInit_ex(cipher, NULL, NULL, NULL, iv);
		EVP_EncryptUpdate(cipher, rtp + HEADER, &n, rtp + HEADER, (int)length - HEADER);
		return !memcmp(tag, rtp + length, CM_TAG);
	}
	EVP_DecryptInit_ex(cipher, NULL, NULL, NULL, iv);
	EVP_DecryptUpdate(cipher, NULL, &n, rtp, HEADER);
	EVP_DecryptUpdate(cipher, rtp + HEADER, &n, rtp + HEADER, (int)length - HEADER);
	EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, GCM_TAG, rtp + length);
	return EVP_DecryptFinal_ex(cipher, tag, &n) == 1;
}
