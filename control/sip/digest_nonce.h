// Nonces of the digest server: they carry the time they were made at and a code over it (RFC 7616
// 5.4), so that any node with the same secret can tell its own, and nothing is kept of those that
// nobody uses. Of those in use the nonce counts are kept, so that no request counts twice.
//
// Subtle: the memory for counts is bounded. The oldest make room for new ones, and from then on no
// nonce made before that one is taken that is not remembered: it is stale, which costs its owner a
// round trip, and a replay gets nowhere. Another node knows nothing of counts here; it takes such a
// nonce for unused.
#pragma once

#include "slice.h"

struct digest_nonces;

enum {
	DIGEST_SECRET_SIZE = 32,
	DIGEST_NONCE_SIZE = 56, // characters
};

// `secret` has DIGEST_SECRET_SIZE bytes, NULL: one is made, good for this process only. A nonce
// lives for `lifetime_s`; at most `n_max` are remembered. Returns NULL with errno.
struct digest_nonces *digest_nonces_create(
	const void *secret, unsigned int lifetime_s, size_t n_max);
void digest_nonces_destroy(struct digest_nonces *nonces);

// `now_s` is the time of day, as several nodes agree on it.
// `scope` is what the nonce is good for: the realm, and whom it was given to.
void digest_nonce_make(const struct digest_nonces *nonces, struct slice scope, uint64_t now_s,
	char out[DIGEST_NONCE_SIZE]);

// Whether it was made for that scope, by whoever has the secret, and not too long ago.
bool digest_nonce_is_valid(
	const struct digest_nonces *nonces, struct slice scope, struct slice nonce, uint64_t now_s);

// Whether a nonce is valid and may be used with this count (0: without qop, good for once); if so,
// it counts as used. Only for requests whose response is right: else anybody could fill the memory.
bool digest_nonce_use(struct digest_nonces *nonces, struct slice scope, struct slice nonce,
	uint32_t nc, uint64_t now_s);

// How many are remembered.
size_t digest_nonces_used(const struct digest_nonces *nonces);
