// Digest access authentication, the part that both ends share: RFC 7616 with the algorithms of
// RFC 8760, as SIP uses it (RFC 3261 22). Texts to structs and back, and the hashes.
// digest_server.h is the end that asks, client_auth.c the one that answers.
//
// Only qop "auth" is spoken, or none where the other end is of RFC 2069. Quoted values are hashed
// as they stand between their quotes, escapes included.
#pragma once

#include "builder.h"

// The stronger, the higher.
enum digest_algorithm { DIGEST_MD5, DIGEST_SHA256, DIGEST_SHA512_256, DIGEST_ALGORITHMS };

enum { DIGEST_HEX_SIZE = 64 }; // of the longest hash, without a NUL

struct slice digest_algorithm_name(enum digest_algorithm algorithm); // "SHA-256"
// Returns 0 or -ENOTSUP.
int digest_algorithm_find(struct slice name, enum digest_algorithm *out);
size_t digest_hex_length(enum digest_algorithm algorithm);

// A value of WWW-Authenticate or Proxy-Authenticate.
struct digest_challenge {
	struct slice realm, nonce;
	struct slice opaque; // absent without one
	enum digest_algorithm algorithm;
	bool has_qop; // and "auth" is one of them
	bool is_stale;
};

// Returns 0; -ENOTSUP for another scheme or algorithm, or auth-int alone; -EBADMSG.
int digest_challenge_parse(struct slice value, struct digest_challenge *out);

// A value of Authorization or Proxy-Authorization.
struct digest_credentials {
	struct slice username, realm, nonce, uri, response;
	struct slice cnonce, nc_text; // absent without qop
	enum digest_algorithm algorithm;
	bool has_qop;
	uint32_t nc; // 0 without qop
};

// Returns as digest_challenge_parse().
int digest_credentials_parse(struct slice value, struct digest_credentials *out);

// H(user:realm:password) in hexadecimal, the secret that a server keeps and both ends use. Returns
// the digits written, or -ENOTSUP where the library refuses the algorithm.
int digest_ha1(enum digest_algorithm algorithm, struct slice user, struct slice realm,
	struct slice password, char out[DIGEST_HEX_SIZE]);

// The response that credentials must have. Only username and response of them are not looked at.
// Returns as digest_ha1().
int digest_response(const struct digest_credentials *credentials, struct slice ha1,
	struct slice method, char out[DIGEST_HEX_SIZE]);

// What proves that we are somebody.
struct digest_keys {
	const char *user;
	const char *password;		    // NULL: ha1 is there
	const char *realm;		    // that it is for; NULL: whoever asks
	const char *ha1[DIGEST_ALGORITHMS]; // instead of the password; NULL: none of that algorithm
};

// Whether the keys can answer it.
bool digest_keys_fit(const struct digest_keys *keys, const struct digest_challenge *challenge);

// Write the value that answers a challenge to a request of `method` to `uri`, the nc-th time that
// its nonce is used. Returns 0 or -ENOTSUP; a lack of room shows in the builder.
int digest_answer(struct builder *b, const struct digest_keys *keys,
	const struct digest_challenge *challenge, struct slice method, struct slice uri,
	uint32_t nc);
