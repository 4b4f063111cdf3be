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

static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";

// TOKEN_SIZE * 5 / 8 bytes as text.
static void write_base32(const unsigned char *bytes, char out[TOKEN_SIZE])
{
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

// Of a marked token: so many random characters, then 5 bits each of mark and MAC.
enum { MARK_AT = 10, MAC_BITS = 24 };

static uint32_t mac_of(const struct siphash_key *key, const char *token, unsigned int mark)
{
	const char number = (char)mark;
	struct slice parts[] = {{token, MARK_AT}, {&number, 1}};

	return (uint32_t)siphash(key, parts, 2) & ((1u << MAC_BITS) - 1);
}

void token_make_marked(char out[TOKEN_SIZE], const struct token_keys *keys, unsigned int mark)
{
	uint32_t tail;

	token_make(out);
	tail = mark << MAC_BITS | mac_of(&keys->keys[0], out, mark);
	for (unsigned int i = TOKEN_SIZE; i-- > MARK_AT; tail >>= 5)
		out[i] = alphabet[tail & 31];
}

static int digit_of(char c)
{
	if (c >= 'a' && c <= 'z')
		return c - 'a';
	return c >= '2' && c <= '7' ? c - '2' + 26 : -1;
}

int token_mark_read(const struct token_keys *keys, struct slice token)
{
	uint32_t tail = 0;
	unsigned int mark;

	if (token.n != TOKEN_SIZE)
		return -1;
	for (size_t i = MARK_AT; i < TOKEN_SIZE; i++) {
		int digit = digit_of(token.p[i]);

		if (digit < 0)
			return -1;
		tail = tail << 5 | (uint32_t)digit;
	}
	mark = tail >> MAC_BITS;
	for (size_t i = 0; i < keys->n; i++)
		if (mac_of(&keys->keys[i], token.p, mark) == (tail & ((1u << MAC_BITS) - 1)))
			return (int)mark;
	return -1;
}
