// Hosts that are not heard for a while, because they failed to prove who they are too often. A
// success in between forgives nothing: who has one account could else guess at all others. Memory
// is bounded: of more hosts than fit, those whose last failure is longest ago are forgotten. One
// thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct bans;

struct bans_rules {
	unsigned int failures;	 // so many ... 0: no bans
	unsigned int failures_s; // ... in that time
	unsigned int ban_s;	 // and the host is not heard for so long
	size_t hosts_max;
};

// Returns NULL with errno.
struct bans *bans_create(const struct bans_rules *rules);
void bans_destroy(struct bans *bans);

// A host failed; of IPv6 it is the /64. Returns whether that was once too often: it is banned now.
bool bans_failed(struct bans *bans, const struct sockaddr *host, uint64_t now_ms);
// Whether it is not to be heard. Asked before a message is parsed; counts.
bool bans_has(struct bans *bans, const struct sockaddr *host, uint64_t now_ms);

uint64_t bans_refused(const struct bans *bans); // by bans_has()
size_t bans_n(const struct bans *bans);		// hosts that are remembered
