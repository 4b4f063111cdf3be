// AES-256-GCM over secrets, by keys derived for each process (store_record.h says why).
#include <endian.h>
#include <errno.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "store_keys_private.h"
#include "store_record.h"

enum { NONCE_BYTES = 12, TAG_BYTES = 16, NUMBER_BYTES = 8 };

struct derived {
	const uint8_t *salt; // SALT_BYTES
	const char *label;
	uint8_t *out;
	size_t length;
};

static int derive(const struct cluster_key *key, const struct derived *derived)
{
	EVP_KDF *hkdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *context = hkdf ? EVP_KDF_CTX_new(hkdf) : NULL;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char[]){"SHA256"}, 0),
		OSSL_PARAM_construct_octet_string(
			OSSL_KDF_PARAM_KEY, (void *)key->bytes, STORE_KEY_BYTES),
		OSSL_PARAM_construct_octet_string(
			OSSL_KDF_PARAM_SALT, (void *)derived->salt, SALT_BYTES),
		OSSL_PARAM_construct_octet_string(
			OSSL_KDF_PARAM_INFO, (void *)derived->label, strlen(derived->label)),
		OSSL_PARAM_construct_end(),
	};
	int ok = context ? EVP_KDF_derive(context, derived->out, derived->length, params) : 0;

	EVP_KDF_CTX_free(context);
	EVP_KDF_free(hkdf);
	return ok == 1 ? 0 : -EIO;
}

static EVP_CIPHER_CTX *cipher_create(
	const struct cluster_key *key, const uint8_t *salt, bool encrypt)
{
	EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
	uint8_t derived[STORE_KEY_BYTES];
	const struct derived wanted = {salt, "sluice store record", derived, sizeof(derived)};

	if (cipher && (derive(key, &wanted) || EVP_CipherInit_ex(cipher, EVP_aes_256_gcm(), NULL,
						       derived, NULL, encrypt) != 1)) {
		EVP_CIPHER_CTX_free(cipher);
		cipher = NULL;
	}
	OPENSSL_cleanse(derived, sizeof(derived));
	return cipher;
}

int store_keys_derive(
	const struct store_keys *keys, size_t i, const char *label, void *out, size_t length)
{
	static const uint8_t no_salt[SALT_BYTES];
	const struct derived wanted = {no_salt, label, out, length};

	return derive(&keys->keys[i], &wanted);
}

static int start(
	EVP_CIPHER_CTX *cipher, uint64_t number, const struct store_part parts[], size_t n_parts)
{
	uint8_t nonce[NONCE_BYTES] = {0};
	int length;
	size_t i;

	number = htobe64(number);
	memcpy(nonce + 4, &number, NUMBER_BYTES);
	if (EVP_CipherInit_ex(cipher, NULL, NULL, NULL, nonce, -1) != 1)
		return -EIO;
	for (i = 0; i < n_parts; i++)
		if (parts[i].length && EVP_CipherUpdate(cipher, NULL, &length, parts[i].data,
					       (int)parts[i].length) != 1)
			return -EIO;
	return 0;
}

int store_seal(struct store_keys *keys, const struct store_part parts[], size_t n_parts,
	const struct store_part *secret, uint8_t *out)
{
	uint64_t number = htobe64(keys->n_sealed);
	uint8_t *text = out + SALT_BYTES + NUMBER_BYTES;
	int length;

	if (!keys->sealing)
		keys->sealing = cipher_create(&keys->keys[0], keys->salt, true);
	// A number is spent before it is used: also a failure never gives it out again.
	if (!keys->sealing || start(keys->sealing, keys->n_sealed++, parts, n_parts))
		return -EIO;
	memcpy(out, keys->salt, SALT_BYTES);
	memcpy(out + SALT_BYTES, &number, NUMBER_BYTES);
	if (EVP_CipherUpdate(keys->sealing, text, &length, secret->data, (int)secret->length) !=
			1 ||
		EVP_CipherFinal_ex(keys->sealing, text + length, &length) != 1 ||
		EVP_CIPHER_CTX_ctrl(
			keys->sealing, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, text + secret->length) != 1)
		return -EIO;
	return 0;
}

static EVP_CIPHER_CTX *opening_cipher(struct store_keys *keys, uint32_t key_id, const uint8_t *salt)
{
	struct opened *slot;
	size_t i;

	for (i = 0; i < OPENED_MAX; i++)
		if (keys->opened[i].cipher && keys->opened[i].key_id == key_id &&
			!memcmp(keys->opened[i].salt, salt, SALT_BYTES))
			return keys->opened[i].cipher;
	for (i = 0; i < keys->n_keys && keys->keys[i].id != key_id; i++)
		;
	if (i == keys->n_keys)
		return NULL;
	slot = &keys->opened[keys->next_opened++ % OPENED_MAX];
	EVP_CIPHER_CTX_free(slot->cipher);
	slot->cipher = cipher_create(&keys->keys[i], salt, false);
	slot->key_id = key_id;
	memcpy(slot->salt, salt, SALT_BYTES);
	return slot->cipher;
}

int store_open(struct store_keys *keys, uint32_t key_id, const struct store_part parts[],
	size_t n_parts, const struct store_part *sealed, uint8_t *out)
{
	const uint8_t *text = (const uint8_t *)sealed->data + SALT_BYTES + NUMBER_BYTES;
	size_t text_length = sealed->length - STORE_SEAL_OVERHEAD;
	EVP_CIPHER_CTX *cipher;
	uint64_t number;
	int length;

	if (sealed->length <= STORE_SEAL_OVERHEAD)
		return -EBADMSG;
	cipher = opening_cipher(keys, key_id, sealed->data);
	if (!cipher)
		return -ENOKEY;
	memcpy(&number, text - NUMBER_BYTES, NUMBER_BYTES);
	// EVP_CipherFinal_ex() compares the tag in constant time.
	if (!start(cipher, be64toh(number), parts, n_parts) &&
		EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_GCM_SET_TAG, TAG_BYTES,
			(void *)(text + text_length)) == 1 &&
		EVP_CipherUpdate(cipher, out, &length, text, (int)text_length) == 1 &&
		EVP_CipherFinal_ex(cipher, out + length, &length) == 1)
		return 0;
	OPENSSL_cleanse(out, text_length);
	return -EBADMSG;
}
