// Who may talk to us: the addresses of the configured trunks' peers, less what the rules of access
// deny. Everyone else gets no answer that would tell them anything, or the one that the rules say,
// at a bounded rate; they are counted, and logged at a bounded rate.
//
// Asked before a datagram is parsed, so this is one look-up in a hash table. One thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct guard;
struct access_rules;
struct log_module;

extern struct log_module log_guard;

struct guard_counters {
	uint64_t allowed;
	uint64_t refused;
	uint64_t answered;	// strangers, as the rules say
	uint64_t calls_refused; // over the rate of their source
};

// Returns NULL with errno set.
struct guard *guard_create(void);
void guard_destroy(struct guard *guard);

// Let a host (its port does not matter) talk to us. Returns 0, -ENOMEM, or -EAFNOSUPPORT.
int guard_allow(struct guard *guard, const struct sockaddr *host);
// The rules from here on; they must stay as long as they hold. NULL: none.
void guard_rules_set(struct guard *guard, const struct access_rules *rules);
// Whether the rules deny this source.
bool guard_denies(const struct guard *guard, const struct sockaddr *source);
// What a source that guard_check() has let in is answered, whatever it asks for; 0: it is known.
unsigned int guard_answer(const struct guard *guard, const struct sockaddr *source);
// Whether another call from this source is within its rate.
bool guard_call_take(struct guard *guard, const struct sockaddr *source, uint64_t now_ms);
// No host may, from here on.
void guard_clear(struct guard *guard);
// May this source talk to us? Counts and logs where not.
bool guard_check(struct guard *guard, const struct sockaddr *source);

const struct guard_counters *guard_counters(const struct guard *guard);
