// Rules of access: who is never heard, who is answered though no trunk has him, what all others
// get, and how many calls a second come from one source at most.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

// A network; IPv4 as IPv4-mapped IPv6.
struct access_net {
	uint8_t bytes[16];
	uint8_t bits;
};

struct access_rules {
	struct access_net *deny, *allow;
	size_t n_deny, n_allow;
	unsigned int unknown; // status for those that nobody knows; 0: silence
	uint32_t calls_per_s; // of one source; 0: no limit
};

// "192.0.2.0/24", "2001:db8::/32", or one address. Returns 0 or -EINVAL; bits behind the prefix
// must be 0, as they are a mistake.
int access_net_parse(const char *text, struct access_net *out);

// An address as nets have it. Returns 0 or -EAFNOSUPPORT.
int access_host(const struct sockaddr *address, uint8_t out[16]);
bool access_has(const struct access_net *nets, size_t n, const uint8_t host[16]);

// Calls of each source: a bucket of one second's worth. Of fixed size: where more sources call than
// it holds, the one that was silent for longest is forgotten.
struct access_rates;
struct access_rates *access_rates_create(void); // NULL: no memory
void access_rates_destroy(struct access_rates *rates);
// Returns whether one more is within `calls_per_s`.
bool access_rates_take(
	struct access_rates *rates, const uint8_t host[16], uint32_t calls_per_s, uint64_t now_ms);
