// The registrar (RFC 3261 10.3): takes a REGISTER whose sender has proved who it is, changes the
// bindings, and answers. With Path (RFC 3327), flows of outbound (RFC 5626: an instance and reg-id
// name a binding, which is bound to the connection it came on) and public GRUUs (RFC 5627).
//
// Behind NAT a user is reached only the way it came: then the source of its REGISTER is kept, and
// on UDP kept open by CRLF from us (RFC 5626 3.5.1).
#pragma once

#include "location.h"
#include "transaction.h"

struct registrar;

struct registrar_settings {
	struct event_base *base;
	struct sip_stack *stack;
	size_t bindings_max;
	// A binding has been set, or is gone before its time. May be NULL.
	void (*changed)(void *arg, struct slice aor, const struct binding *binding, bool is_gone);
	void *arg;
};

struct registrar_upstream;

// Of one domain.
struct registrar_rules {
	const char *domain;
	uint32_t expires_s, expires_min_s, expires_max_s;
	uint32_t contacts;			   // of one user, at most
	uint32_t keepalive_s;			   // 0: none
	const struct registrar_upstream *upstream; // NULL: the registrar is here
};

struct registrar_counters {
	uint64_t registers;	   // that came with a proof, or whose registrar is elsewhere
	uint64_t refused;	   // of these: 400, 403, 423, 439, 500, 503
	uint64_t set, removed;	   // bindings: new or renewed, taken back
	uint64_t expired, dropped; // gone without a word, flow failed
	uint64_t keepalives;	   // sent
	// Of users whose registrar is elsewhere (forward.h):
	uint64_t forwarded;	    // to it
	uint64_t answered_here;	    // for it
	uint64_t upstream_refused;  // by it, challenges not counted
	uint64_t upstream_failed;   // it had no answer
	uint64_t registers_limited; // more than may be on their way: 503
};

// Returns NULL with errno.
struct registrar *registrar_create(const struct registrar_settings *settings);
void registrar_destroy(struct registrar *registrar);

// Answer a REGISTER. `user` is who its sender has proved to be.
void registrar_take(struct registrar *registrar, const struct registrar_rules *rules,
	struct transaction *transaction, struct slice user);

// "alice@example.com" into `out`. Returns an absent slice where it is too long.
enum { AOR_SIZE = 320 };
struct slice aor_write(struct slice user, const char *domain, char out[AOR_SIZE]);

struct location *registrar_location(struct registrar *registrar);
const struct registrar_counters *registrar_counters(const struct registrar *registrar);
// One more REGISTER has been forwarded, or refused before that.
void registrar_count_forwarded(struct registrar *registrar, bool limited);
// Keep the flows to users behind NAT open from now on; 0: do not.
void registrar_keepalive_set(struct registrar *registrar, uint32_t keepalive_s);
