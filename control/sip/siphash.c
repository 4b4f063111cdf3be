// SipHash-2-4 (Aumasson and Bernstein), fed byte runs of any length: each but the last is preceded
// by its length as eight bytes, so that no two lists of as many runs give the same input.
#include "siphash.h"

#include <endian.h>
#include <string.h>

struct state {
	uint64_t v0, v1, v2, v3;
	uint64_t pending; // bytes not yet mixed in, little endian
	uint64_t total;
};

static inline uint64_t rotate(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

static inline void mix(struct state *s)
{
	s->v0 += s->v1;
	s->v2 += s->v3;
	s->v1 = rotate(s->v1, 13) ^ s->v0;
	s->v3 = rotate(s->v3, 16) ^ s->v2;
	s->v0 = rotate(s->v0, 32);
	s->v2 += s->v1;
	s->v0 += s->v3;
	s->v1 = rotate(s->v1, 17) ^ s->v2;
	s->v3 = rotate(s->v3, 21) ^ s->v0;
	s->v2 = rotate(s->v2, 32);
}

static inline void word(struct state *s, uint64_t m)
{
	s->v3 ^= m;
	mix(s);
	mix(s);
	s->v0 ^= m;
}

// The `n` low bytes of `value`, behind those that are pending; n is 1 to 8, the others are 0.
static inline void take(struct state *s, uint64_t value, unsigned int n)
{
	unsigned int at = s->total % 8;

	s->pending |= value << 8 * at;
	s->total += n;
	if (at + n < 8)
		return;
	word(s, s->pending);
	s->pending = at ? value >> 8 * (8 - at) : 0;
}

static inline uint64_t load(const char *p, size_t n)
{
	uint64_t value = 0;

	memcpy(&value, p, n);
	return le64toh(value);
}

static inline void bytes(struct state *s, const char *p, size_t n)
{
	for (; n >= 8; p += 8, n -= 8)
		take(s, load(p, 8), 8);
	if (n)
		take(s, load(p, n), (unsigned int)n);
}

uint64_t siphash(const struct siphash_key *key, const struct slice *parts, unsigned int n_parts)
{
	struct state s = {.v0 = key->k0 ^ 0x736f6d6570736575u,
		.v1 = key->k1 ^ 0x646f72616e646f6du,
		.v2 = key->k0 ^ 0x6c7967656e657261u,
		.v3 = key->k1 ^ 0x7465646279746573u};

	for (unsigned int i = 0; i < n_parts; i++) {
		if (i + 1 < n_parts)
			take(&s, parts[i].n, 8);
		bytes(&s, parts[i].p, parts[i].n);
	}
	word(&s, s.pending | s.total << 56);
	s.v2 ^= 0xff;
	for (int i = 0; i < 4; i++)
		mix(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
