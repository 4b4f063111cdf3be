// Where a SIP request for a domain goes (RFC 3263): NAPTR, SRV, A and AAAA, asked for anew when
// what was answered expires. One thread.
//
// A name is watched: the owner is told where it leads at first, and whenever that may have changed.
// While servers are silent what was known stays.
#pragma once

#include <stdbool.h>

#include "transport.h"

struct event_base;
struct resolver;
struct resolver_watch;

enum { RESOLVER_TARGETS_MAX = 32, RESOLVER_ANY = -1 };

struct resolver_target {
	struct sip_address address; // with port
	enum transport_protocol transport;
	uint32_t priority, weight; // as RFC 2782 has them; NAPTR before SRV
};

struct resolver_question {
	const char *host;
	uint16_t port;			    // 0: not given
	int transport;			    // enum transport_protocol, or RESOLVER_ANY
	bool transports[TRANSPORT_TLS + 1]; // that we have
	bool v4, v6;			    // likewise
};

struct resolver_result {
	bool failed; // some server did not say: asked again soon
	uint32_t ttl_s;
	size_t n; // 0: it leads nowhere
	struct resolver_target targets[RESOLVER_TARGETS_MAX];
};

// `servers` as of dns_client_create(). Returns NULL with errno.
struct resolver *resolver_create(struct event_base *base, const char *servers);
// All watches have ended before.
void resolver_destroy(struct resolver *resolver);

// Returns NULL with errno; the first result comes from the event loop. `host` must outlive it.
typedef void resolver_fn(void *arg, const struct resolver_result *result);
struct resolver_watch *resolver_watch(struct resolver *resolver,
	const struct resolver_question *question, resolver_fn *fn, void *arg);
void resolver_unwatch(struct resolver_watch *watch);

struct resolver_counters {
	uint64_t questions, answers, negative, failures;
	unsigned int names_now; // kept
};
const struct resolver_counters *resolver_counters(const struct resolver *resolver);
