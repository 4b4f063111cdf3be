// Networks by comparing bits; rates in a table of sets, keyed with a secret, so that nobody can
// choose addresses that push out another's.
#include "access.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "siphash.h"
#include "token.h"

enum { SETS = 4096, WAYS = 4, IPV4_OFFSET = 96 };

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

int access_host(const struct sockaddr *address, uint8_t out[16])
{
	if (address->sa_family == AF_INET) {
		memcpy(out, mapped, sizeof(mapped));
		memcpy(out + 12, &((const struct sockaddr_in *)address)->sin_addr, 4);
		return 0;
	}
	if (address->sa_family != AF_INET6)
		return -EAFNOSUPPORT;
	memcpy(out, &((const struct sockaddr_in6 *)address)->sin6_addr, 16);
	return 0;
}

static bool bits_equal(const uint8_t *a, const uint8_t *b, unsigned int bits)
{
	unsigned int rest = bits % 8;

	if (memcmp(a, b, bits / 8))
		return false;
	return !rest || !((a[bits / 8] ^ b[bits / 8]) >> (8 - rest));
}

static bool ends_in_zeros(const struct access_net *net)
{
	for (unsigned int bit = net->bits; bit < 128; bit++)
		if (net->bytes[bit / 8] >> (7 - bit % 8) & 1)
			return false;
	return true;
}

int access_net_parse(const char *text, struct access_net *out)
{
	char host[64], *slash, *end;
	unsigned long bits, most;

	if (snprintf(host, sizeof(host), "%s", text) >= (int)sizeof(host))
		return -EINVAL;
	slash = strchr(host, '/');
	if (slash)
		*slash++ = '\0';
	memcpy(out->bytes, mapped, sizeof(mapped));
	if (inet_pton(AF_INET, host, out->bytes + 12) == 1)
		most = 32;
	else if (inet_pton(AF_INET6, host, out->bytes) == 1)
		most = 128;
	else
		return -EINVAL;
	bits = slash ? strtoul(slash, &end, 10) : most;
	if (slash && (*slash < '0' || *slash > '9' || *end))
		return -EINVAL;
	if (bits > most)
		return -EINVAL;
	out->bits = (uint8_t)(bits + (most == 32 ? IPV4_OFFSET : 0));
	return ends_in_zeros(out) ? 0 : -EINVAL;
}

bool access_has(const struct access_net *nets, size_t n, const uint8_t host[16])
{
	for (size_t i = 0; i < n; i++)
		if (bits_equal(nets[i].bytes, host, nets[i].bits))
			return true;
	return false;
}

struct bucket {
	uint8_t host[16];
	uint64_t at_ms;	    // of the last call; 0: free
	uint64_t allowance; // in 1/1000 call
};

struct access_rates {
	struct siphash_key key;
	struct bucket buckets[SETS][WAYS];
};

struct access_rates *access_rates_create(void)
{
	struct access_rates *rates = calloc(1, sizeof(*rates));

	if (rates)
		token_random(&rates->key, sizeof(rates->key));
	return rates;
}

void access_rates_destroy(struct access_rates *rates)
{
	free(rates);
}

static struct bucket *bucket_of(struct access_rates *rates, const uint8_t host[16])
{
	const struct slice bytes = {(const char *)host, 16};
	struct bucket *set = rates->buckets[siphash(&rates->key, &bytes, 1) % SETS];
	struct bucket *oldest = &set[0];

	for (int i = 0; i < WAYS; i++) {
		if (set[i].at_ms && !memcmp(set[i].host, host, 16))
			return &set[i];
		if (set[i].at_ms < oldest->at_ms)
			oldest = &set[i];
	}
	*oldest = (struct bucket){};
	memcpy(oldest->host, host, 16);
	return oldest;
}

bool access_rates_take(
	struct access_rates *rates, const uint8_t host[16], uint32_t calls_per_s, uint64_t now_ms)
{
	struct bucket *bucket = bucket_of(rates, host);
	uint64_t full = (uint64_t)calls_per_s * 1000, elapsed_ms = now_ms - bucket->at_ms;

	if (!bucket->at_ms || elapsed_ms >= 1000)
		bucket->allowance = full;
	else
		bucket->allowance += elapsed_ms * calls_per_s;
	if (bucket->allowance > full)
		bucket->allowance = full;
	bucket->at_ms = now_ms;
	if (bucket->allowance < 1000)
		return false;
	bucket->allowance -= 1000;
	return true;
}
