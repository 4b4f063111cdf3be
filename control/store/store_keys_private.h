// Keys as store_keys.c reads and store_seal.c uses them.
#pragma once

#include <stdbool.h>

#include <openssl/evp.h>

#include "store_keys.h"

enum { SALT_BYTES = 16, OPENED_MAX = 8 };

struct cluster_key {
	uint32_t id;
	uint8_t bytes[STORE_KEY_BYTES];
};

// A cipher keyed for one salt: records of one process come in rows.
struct opened {
	EVP_CIPHER_CTX *cipher;
	uint32_t key_id;
	uint8_t salt[SALT_BYTES];
};

struct store_keys {
	struct cluster_key keys[STORE_KEYS_MAX]; // the first seals
	size_t n_keys;
	uint8_t salt[SALT_BYTES];
	uint64_t n_sealed;
	EVP_CIPHER_CTX *sealing;
	struct opened opened[OPENED_MAX];
	size_t next_opened;
};
