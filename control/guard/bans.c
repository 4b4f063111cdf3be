// Failures by host: a hash table whose nodes are also in the order of their last failure.
#include "bans.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "hash.h"
#include "siphash.h"
#include "token.h"

enum { KEY_SIZE = 8 }; // the /64 of IPv6; of IPv4 the address, as it is mapped

struct host {
	struct hash_node node;
	TAILQ_ENTRY(host) in_order;
	unsigned char key[KEY_SIZE];
	unsigned int failures;
	uint64_t since_ms, banned_until_ms;
};

struct bans {
	struct bans_rules rules;
	struct hash_table table;
	struct siphash_key key;
	TAILQ_HEAD(, host) order; // the longest ago first
	uint64_t refused;
};

static bool key_of(const struct sockaddr *address, unsigned char out[KEY_SIZE])
{
	static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
	struct sockaddr_in6 v6;
	struct sockaddr_in v4;

	memset(out, 0, KEY_SIZE);
	if (address->sa_family == AF_INET) {
		memcpy(&v4, address, sizeof(v4));
		out[3] = 0xff; // no /64 of IPv6 that is routed begins like that
		memcpy(out + 4, &v4.sin_addr, 4);
		return true;
	}
	if (address->sa_family != AF_INET6)
		return false;
	memcpy(&v6, address, sizeof(v6));
	if (!memcmp(&v6.sin6_addr, mapped, sizeof(mapped))) {
		out[3] = 0xff;
		memcpy(out + 4, (const unsigned char *)&v6.sin6_addr + sizeof(mapped), 4);
	} else {
		memcpy(out, &v6.sin6_addr, KEY_SIZE);
	}
	return true;
}

static uint64_t key_hash(const struct bans *bans, const unsigned char key[KEY_SIZE])
{
	const struct slice part = {(const char *)key, KEY_SIZE};

	return siphash(&bans->key, &part, 1);
}

static struct host *find(const struct bans *bans, const unsigned char key[KEY_SIZE])
{
	struct hash_node *node = hash_first(&bans->table, key_hash(bans, key));

	for (; node; node = hash_next(node)) {
		struct host *host = container_of(node, struct host, node);

		if (!memcmp(host->key, key, KEY_SIZE))
			return host;
	}
	return NULL;
}

static void forget(struct bans *bans, struct host *host)
{
	hash_remove(&bans->table, &host->node);
	TAILQ_REMOVE(&bans->order, host, in_order);
	free(host);
}

static struct host *add(struct bans *bans, const unsigned char key[KEY_SIZE])
{
	struct host *host = calloc(1, sizeof(*host));

	if (!host)
		return NULL;
	if (bans->table.n >= bans->rules.hosts_max)
		forget(bans, TAILQ_FIRST(&bans->order));
	memcpy(host->key, key, KEY_SIZE);
	hash_add(&bans->table, &host->node, key_hash(bans, key));
	TAILQ_INSERT_TAIL(&bans->order, host, in_order);
	return host;
}

bool bans_failed(struct bans *bans, const struct sockaddr *address, uint64_t now_ms)
{
	unsigned char key[KEY_SIZE];
	struct host *host;

	if (!bans->rules.failures || !key_of(address, key))
		return false;
	host = find(bans, key);
	if (!host)
		host = add(bans, key);
	if (!host)
		return false;
	TAILQ_REMOVE(&bans->order, host, in_order);
	TAILQ_INSERT_TAIL(&bans->order, host, in_order);
	if (!host->failures || now_ms - host->since_ms > bans->rules.failures_s * 1000ull) {
		host->since_ms = now_ms;
		host->failures = 0;
	}
	if (++host->failures < bans->rules.failures)
		return false;
	host->failures = 0;
	host->banned_until_ms = now_ms + bans->rules.ban_s * 1000ull;
	return true;
}

bool bans_has(struct bans *bans, const struct sockaddr *address, uint64_t now_ms)
{
	unsigned char key[KEY_SIZE];
	struct host *host = bans->table.n && key_of(address, key) ? find(bans, key) : NULL;

	if (!host || host->banned_until_ms <= now_ms)
		return false;
	bans->refused++;
	return true;
}

uint64_t bans_refused(const struct bans *bans)
{
	return bans->refused;
}

size_t bans_n(const struct bans *bans)
{
	return bans->table.n;
}

struct bans *bans_create(const struct bans_rules *rules)
{
	struct bans *bans = calloc(1, sizeof(*bans));

	if (!bans)
		return NULL;
	bans->rules = *rules;
	TAILQ_INIT(&bans->order);
	if (hash_table_init(&bans->table, 64)) {
		free(bans);
		errno = ENOMEM;
		return NULL;
	}
	token_random(&bans->key, sizeof(bans->key));
	return bans;
}

void bans_destroy(struct bans *bans)
{
	struct host *host;

	if (!bans)
		return;
	while ((host = TAILQ_FIRST(&bans->order)))
		forget(bans, host);
	hash_table_fini(&bans->table);
	free(bans);
}
