// Session keys from a master key and salt (RFC 3711 4.3, with a key derivation rate of 0; RFC 6188
// for 256 bits; RFC 7714 11 for GCM). Pure but for the AES counter mode that the caller brings.
#pragma once

#include "srtp.h"

#define SRTP_AUTH_KEY_BYTES 20 // HMAC-SHA1

// Keys of SRTP, or of SRTCP. The salt is padded with zeros.
struct srtp_session_keys {
	uint8_t cipher[SRTP_KEY_MAX];
	uint8_t auth[SRTP_AUTH_KEY_BYTES];
	uint8_t salt[16];
};

// Write `bytes` of keystream from counter block `iv` on; `key` has `key_bytes`.
typedef void (*srtp_keystream_fn)(void *arg, const uint8_t *key, unsigned int key_bytes,
	const uint8_t iv[16], uint8_t *out, unsigned int bytes);

// Derive the keys of SRTP, or of SRTCP where `rtcp`. The caller wipes `out`.
void srtp_kdf(const struct srtp_keying *keying, bool rtcp, srtp_keystream_fn keystream, void *arg,
	struct srtp_session_keys *out);
