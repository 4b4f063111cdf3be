// A trunk: a SIP peer, or a group of peers tried in order, with one policy.
//
// All is read-only after the configuration is loaded, but for struct trunk_load, which belongs to
// the event loop.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "address.h"
#include "negotiate.h"
#include "realm.h"

struct trunk_limits {
	uint32_t calls;	      // at the same time; 0: no limit
	uint32_t calls_per_s; // new ones; 0: no limit
};

enum trunk_jitter_buffer { TRUNK_JITTER_NONE, TRUNK_JITTER_FIXED, TRUNK_JITTER_ADAPTIVE };

// Of media that comes from it and passes a codec.
struct trunk_jitter {
	uint8_t buffer; // enum trunk_jitter_buffer
	uint16_t ms;	// depth, an adaptive one's at first
	uint16_t max_ms;
};

struct trunk_load {
	uint32_t calls;
	uint64_t allowance; // token bucket, in 1/1000 call
	uint64_t allowance_at_ms;
	uint64_t started, refused; // counters
};

struct trunk_peer {
	struct sockaddr_storage address; // with port
	enum realm_transport transport;	 // of requests to it
};

struct trunk {
	const char *name;
	const struct realm *realm;
	struct trunk_peer *peers; // tried in order on time-out or 503
	size_t n_peers;
	struct tls_settings tls; // of connections to its peers, those of TLS
	struct sdp_policy media;
	bool logs_quality; // of calls, as they go on
	struct trunk_jitter jitter;
	struct trunk_limits limits;
	struct trunk_load load;
};

struct trunks {
	struct trunk *list;
	size_t n;
};

// The trunk that a request received in `realm` from `source` belongs to: the one with that address
// and port as a peer, else the first with that address. NULL: unknown, the request gets no answer.
struct trunk *trunk_match(
	const struct trunks *trunks, const struct realm *realm, const struct sockaddr *source);

// Whether all of its peers are reached by TLS.
bool trunk_is_secure(const struct trunk *trunk);

struct trunk *trunk_find(const struct trunks *trunks, const char *name);

// Count a new call in or out of the trunk. Returns 0; -EBUSY at the limit of calls, -EAGAIN at that
// of calls per second (both: 503). Each 0 is paired with one trunk_call_stop().
int trunk_call_start(struct trunk *trunk, uint64_t now_ms);
void trunk_call_stop(struct trunk *trunk);
