// Who may talk to us. So far: the addresses of the configured trunks' peers. Everyone else gets no
// answer that would tell them anything; they are counted, and logged at a bounded rate.
//
// Asked before a datagram is parsed, so this is one look-up in a hash table. One thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct guard;
struct log_module;

extern struct log_module log_guard;

struct guard_counters {
	uint64_t allowed;
	uint64_t refused;
};

// Returns NULL with errno set.
struct guard *guard_create(void);
void guard_destroy(struct guard *guard);

// Let a host (its port does not matter) talk to us. Returns 0, -ENOMEM, or -EAFNOSUPPORT.
int guard_allow(struct guard *guard, const struct sockaddr *host);
// Nobody may, from here on.
void guard_clear(struct guard *guard);
// May this source talk to us? Counts and logs where not.
bool guard_check(struct guard *guard, const struct sockaddr *source);

const struct guard_counters *guard_counters(const struct guard *guard);
