// Random words. The kernel is asked for 4 kB at a time; used bytes are wiped, so that a later leak
// of this memory shows no token that is in use.
#include "token.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <sys/random.h>

static unsigned char pool[4096];
static size_t pool_used = sizeof(pool);

// getrandom() of up to 256 bytes neither fails nor is cut once the kernel's pool is ready.
static void refill(void)
{
	for (size_t at = 0; at < sizeof(pool); at += 256)
		if (getrandom(pool + at, 256, 0) != 256)
			abort();
	pool_used = 0;
}

void token_random(void *out, size_t size)
{
	unsigned char *to = out;

	while (size) {
		size_t n;

		if (pool_used == sizeof(pool))
			refill();
		n = sizeof(pool) - pool_used < size ? sizeof(pool) - pool_used : size;
		memcpy(to, pool + pool_used, n);
		explicit_bzero(pool + pool_used, n);
		pool_used += n;
		to += n;
		size -= n;
	}
}

// TOKEN_SIZE * 5 / 8 bytes as text.
static void write_base32(const unsigned char *bytes, char out[TOKEN_SIZE])
{
	static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
	unsigned int bits = 0, n_bits = 0;

	for (size_t i = 0; i < TOKEN_SIZE; i++) {
		if (n_bits < 5) {
			bits = bits << 8 | *bytes++;
			n_bits += 8;
		}
		n_bits -= 5;
		out[i] = alphabet[bits >> n_bits & 31];
	}
}

void token_make(char out[TOKEN_SIZE])
{
	unsigned char bytes[TOKEN_SIZE * 5 / 8];

	token_random(bytes, sizeof(bytes));
	write_base32(bytes, out);
}

void token_derive(struct slice key, struct slice text, char out[TOKEN_SIZE])
{
	unsigned char code[EVP_MAX_MD_SIZE] = {0};

	HMAC(EVP_sha256(), key.p, (int)key.n, (const unsigned char *)text.p, text.n, code, NULL);
	write_base32(code, out);
}
