// The set of hosts that may talk to us: open addressing, filled at start, keyed with a secret so
// that a flood from chosen addresses cannot make look-ups slow.
#include "guard.h"

#include "access.h"

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
#define ANSWERS_PER_S 100 // to strangers

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
	const struct access_rules *rules; // NULL: none
	struct access_rates *rates;	  // of calls, by source
	time_t answered_at;
	unsigned int n_answered; // in that second
	time_t logged_at;
	uint64_t unlogged; // refused since the last line
};

static int host_from(const struct sockaddr *address, struct host *host)
{
	host->used = true;
	return access_host(address, host->bytes);
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

void guard_rules_set(struct guard *guard, const struct access_rules *rules)
{
	guard->rules = rules;
}

static bool is_denied(const struct guard *guard, const struct host *host)
{
	return guard->rules && access_has(guard->rules->deny, guard->rules->n_deny, host->bytes);
}

bool guard_denies(const struct guard *guard, const struct sockaddr *source)
{
	struct host host;

	return host_from(source, &host) || is_denied(guard, &host);
}

// What a host that no trunk has is answered.
static unsigned int stranger_status(const struct guard *guard, const struct host *host)
{
	if (!guard->rules)
		return 0;
	return access_has(guard->rules->allow, guard->rules->n_allow, host->bytes)
		       ? 403
		       : guard->rules->unknown;
}

unsigned int guard_answer(const struct guard *guard, const struct sockaddr *source)
{
	struct host host;

	if (host_from(source, &host) || slot_find(guard, &host)->used)
		return 0;
	return stranger_status(guard, &host);
}

static bool answer_take(struct guard *guard)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	if (guard->answered_at != now.tv_sec)
		guard->n_answered = 0;
	guard->answered_at = now.tv_sec;
	if (guard->n_answered >= ANSWERS_PER_S)
		return false;
	guard->n_answered++;
	guard->counters.answered++;
	return true;
}

bool guard_check(struct guard *guard, const struct sockaddr *source)
{
	struct host host;

	if (!host_from(source, &host) && !is_denied(guard, &host)) {
		if (slot_find(guard, &host)->used) {
			guard->counters.allowed++;
			return true;
		}
		if (stranger_status(guard, &host) && answer_take(guard))
			return true;
	}
	guard->counters.refused++;
	refusal_log(guard, source);
	return false;
}

bool guard_call_take(struct guard *guard, const struct sockaddr *source, uint64_t now_ms)
{
	uint32_t most = guard->rules ? guard->rules->calls_per_s : 0;
	struct host host;

	if (!most || host_from(source, &host) ||
		access_rates_take(guard->rates, host.bytes, most, now_ms))
		return true;
	guard->counters.calls_refused++;
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
	guard->rates = access_rates_create();
	if (!guard->hosts || !guard->rates) {
		guard_destroy(guard);
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
	access_rates_destroy(guard->rates);
	free(guard->hosts);
	free(guard);
}
