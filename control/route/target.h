// One address of a trunk's peer, and what is known of it: whether it answers OPTIONS, whether it
// has asked to be left alone (503 with Retry-After), whether it has failed lately.
//
// One of them is shared by all that name the same address and transport in a trunk, of whatever
// configuration and call, and lives as long as one of these does.
#pragma once

#include <sys/queue.h>

#include "address.h"
#include "realm.h"
#include "status_set.h"

// Of OPTIONS to each target of a trunk.
struct health_rules {
	uint32_t interval_ms; // 0: none are sent
	uint32_t timeout_ms;  // for an answer
	uint32_t fails;	      // in a row, until it is down
	uint32_t successes;   // in a row, until it is up again
	struct status_set alive;
};

struct target {
	LIST_ENTRY(target) in_trunk;
	unsigned int refs;
	struct sockaddr_storage address; // with port
	enum realm_transport transport;
	char *host; // of URIs to it, where a name has led here; NULL: its address

	bool is_down;		// by OPTIONS
	unsigned int in_row;	// results that contradict is_down
	unsigned int status;	// of the last OPTIONS; 0: no answer, or none sent yet
	uint64_t probed_ms;	// when that was; 0: never
	uint64_t closed_ms;	// until then nothing is sent to it
	uint64_t failed_ms;	// until then others go first
	uint32_t backoff_ms;	// what the last failure has cost
	uint64_t tried, failed; // INVITEs
};

LIST_HEAD(target_list, target);

// That of the list with a reference for the caller; made where there is none. NULL: no memory.
struct target *target_take(struct target_list *list, enum realm_transport transport,
	const struct sockaddr_storage *address);
struct target *target_hold(struct target *target); // another reference; returns it
// Names change, addresses stay. Without memory it keeps what it has.
void target_host_set(struct target *target, const char *host, uint16_t port);
void target_return(struct target *target); // forgotten with the last one

// What an OPTIONS has come to; `status` 0: no answer. Returns whether it went down or came up.
bool target_probed(struct target *target, const struct health_rules *rules, unsigned int status,
	uint64_t now_ms);
// It did not answer in time, or could not be reached: others go first for `backoff_ms`, for twice
// as long each time in a row, at most BACKOFF_TIMES_MAX as long. 0: no back-off.
enum { BACKOFF_TIMES_MAX = 16 };
void target_failed(struct target *target, uint32_t backoff_ms, uint64_t now_ms);
// 503 with Retry-After (RFC 3261 21.5.4): nothing goes there for so long, at most
// RETRY_AFTER_MAX_S.
enum { RETRY_AFTER_MAX_S = 600 };
void target_close(struct target *target, uint32_t retry_after_s, uint64_t now_ms);
// It has answered: what failed before counts no more.
void target_answered(struct target *target);

// Whether calls go there.
enum target_fitness {
	TARGET_FIT,
	TARGET_LAST, // where there is nothing better
	TARGET_UNFIT,
};
enum target_fitness target_fitness(const struct target *target, uint64_t now_ms);
// "up", "failing", "closed", "down"
const char *target_state(const struct target *target, uint64_t now_ms);
