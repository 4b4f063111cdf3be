// a=crypto (RFC 4568): one SRTP master key of one direction, as a line of a session description.
//
// A line is taken whole or not at all. What we do not do (a key derivation rate, several keys in a
// line, FEC with keys) or do not want (SRTP without encryption or authentication) makes the line
// unacceptable, and so does what we do not know, unless it says that it may be ignored ("-"). The
// lifetime binds the one who sends with the key, so that of the far end is only checked.
//
// Structs with keys are wiped by whoever is done with them: sdp_crypto_wipe().
#pragma once

#include "sdp.h"

#define SDP_CRYPTO_KEY_MAX  32
#define SDP_CRYPTO_SALT_MAX 14
#define SDP_CRYPTO_MKI_MAX  16	// longer ones are unacceptable
#define SDP_CRYPTO_TEXT_MAX 128 // a line of ours without MKI, with the NUL

// RFC 4568 6.2, 6188, 7714: name, bytes of key and salt.
#define SDP_SUITES(X)                      \
	X(AES_CM_128_HMAC_SHA1_80, 16, 14) \
	X(AES_CM_128_HMAC_SHA1_32, 16, 14) \
	X(AES_256_CM_HMAC_SHA1_80, 32, 14) \
	X(AES_256_CM_HMAC_SHA1_32, 32, 14) \
	X(AEAD_AES_128_GCM, 16, 12)        \
	X(AEAD_AES_256_GCM, 32, 12)

#define SDP_SUITE_ENUMERATOR(name, ...) SDP_SUITE_##name,
enum sdp_suite { SDP_SUITE_NONE, SDP_SUITES(SDP_SUITE_ENUMERATOR) SDP_SUITES_END };
#define SDP_N_SUITES (SDP_SUITES_END - 1)

struct sdp_crypto {
	uint32_t tag;
	uint8_t suite; // enum sdp_suite; NONE: no key, all is zero
	uint8_t mki_bytes;
	uint8_t key[SDP_CRYPTO_KEY_MAX]; // what is longer than the suite's is zero
	uint8_t salt[SDP_CRYPTO_SALT_MAX];
	uint8_t mki[SDP_CRYPTO_MKI_MAX];
};

// Fills memory with random bytes fit for keys.
typedef void sdp_random_fn(void *out, size_t length);

const char *sdp_suite_name(enum sdp_suite suite); // NONE: ""
enum sdp_suite sdp_suite_find(const char *name);  // NONE: no such suite
size_t sdp_suite_key_bytes(enum sdp_suite suite);
size_t sdp_suite_salt_bytes(enum sdp_suite suite);

// The value of an a=crypto attribute. False, and *out without a key: not acceptable.
bool sdp_crypto_parse(struct sdp_slice value, struct sdp_crypto *out);
// The reverse, without a lifetime: the suite's own (RFC 4568 6.1). Returns `out`.
const char *sdp_crypto_text(const struct sdp_crypto *crypto, char out[SDP_CRYPTO_TEXT_MAX]);
// A key of our own.
void sdp_crypto_make(struct sdp_crypto *out, enum sdp_suite suite, sdp_random_fn *random);
// Whether both have a key, and the same one.
bool sdp_crypto_same_key(const struct sdp_crypto *a, const struct sdp_crypto *b);
void sdp_crypto_wipe(struct sdp_crypto *crypto);
