// The set of hosts that may talk to us: open addressing, filled at start, keyed with a secret so
// that a flood from chosen addresses cannot make look-ups slow.
#include "guard.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log.h"
#include "sip_address.h"
#include "siphash.h"
#include "token.h"

LOG_MODULE(log_guard, "guard");

#define SIZE_MIN      64 // power of two, kept at most half full
#define LOG_PER_S_MAX 1

// An IPv4 host is held as its IPv4-mapped IPv6 address, which is also how it may come from a
// dual-stack socket.
struct host {
	uint8_t bytes[16];
	bool used;
};

struct guard {
	struct siphash_key key;
	struct host *hosts;
	size_t size, n;
	struct guard_counters counters;
	time_t logged_at;
	uint64_t unlogged; // refused since the last line
};

static int host_from(const struct sockaddr *address, struct host *host)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	host->used = true;
	if (address->sa_family == AF_INET) {
		memcpy(&v4, address, sizeof(v4));
		memcpy(host->bytes, mapped, sizeof(mapped));
		memcpy(host->bytes + 12, &v4.sin_addr, 4);
		return 0;
	}
	if (address->sa_family == AF_INET6) {
		memcpy(&v6, address, sizeof(v6));
		memcpy(host->bytes, &v6.sin6_addr, 16);
		return 0;
	}
	return -EAFNOSUPPORT;
}

// The slot that holds the host, or the free one where it belongs.
static struct host *slot_find(const struct guard *guard, const struct host *host)
{
	const struct slice bytes = {(const char *)host->bytes, sizeof(host->bytes)};
	size_t at = siphash(&guard->key, &bytes, 1);

	for (;; at++) {
		struct host *slot = &guard->hosts[at & (guard->size - 1)];

		if (!slot->used || !memcmp(slot->bytes, host->bytes, sizeof(host->bytes)))
			return slot;
	}
}

static int table_grow(struct guard *guard)
{
	struct host *old = guard->hosts, *grown = calloc(guard->size * 2, sizeof(*grown));
	size_t n_old = guard->size;

	if (!grown)
		return -ENOMEM;
	guard->hosts = grown;
	guard->size = n_old * 2;
	for (size_t i = 0; i < n_old; i++) {
		if (old[i].used)
			*slot_find(guard, &old[i]) = old[i];
	}
	free(old);
	return 0;
}

int guard_allow(struct guard *guard, const struct sockaddr *address)
{
	struct host host, *slot;
	int err = host_from(address, &host);

	if (!err && guard->n * 2 >= guard->size)
		err = table_grow(guard);
	if (err)
		return err;
	slot = slot_find(guard, &host);
	guard->n += !slot->used;
	*slot = host;
	return 0;
}

void guard_clear(struct guard *guard)
{
	memset(guard->hosts, 0, guard->size * sizeof(*guard->hosts));
	guard->n = 0;
}

static void refusal_log(struct guard *guard, const struct sockaddr *source)
{
	char text[SIP_ADDRESS_TEXT_SIZE] = "?";
	struct timespec now;
	struct sip_address address;
	socklen_t length = source->sa_family == AF_INET ? sizeof(struct sockaddr_in)
							: sizeof(struct sockaddr_in6);

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	guard->unlogged++;
	if (guard->logged_at && now.tv_sec - guard->logged_at < LOG_PER_S_MAX)
		return;
	if (!sip_address_from(source, length, &address))
		sip_address_format(&address, text);
	log_warn(&log_guard, "unknown_source", "source=%s datagrams=%llu", text,
		(unsigned long long)guard->unlogged);
	guard->logged_at = now.tv_sec;
	guard->unlogged = 0;
}

bool guard_check(struct guard *guard, const struct sockaddr *source)
{
	struct host host;

	if (!host_from(source, &host) && slot_find(guard, &host)->used) {
		guard->counters.allowed++;
		return true;
	}
	guard->counters.refused++;
	refusal_log(guard, source);
	return false;
}

const struct guard_counters *guard_counters(const struct guard *guard)
{
	return &guard->counters;
}

struct guard *guard_create(void)
{
	struct guard *guard = calloc(1, sizeof(*guard));

	if (!guard)
		return NULL;
	guard->size = SIZE_MIN;
	guard->hosts = calloc(guard->size, sizeof(*guard->hosts));
	if (!guard->hosts) {
		free(guard);
		errno = ENOMEM;
		return NULL;
	}
	token_random(&guard->key, sizeof(guard->key));
	return guard;
}

void guard_destroy(struct guard *guard)
{
	if (!guard)
		return;
	free(guard->hosts);
	free(guard);
}
