// Sessions: the media of a call. The main lcore alone calls what is here; workers see the legs
// through the table.
//
// SET is a plan and a commit. The plan takes ports, legs, feeds and configurations and may fail
// without a trace; the commit only publishes pointers. A leg keeps its place in the session by its
// index, so a replace swaps its configuration and leaves what packets did (counters, latch,
// sequence and timestamp continuity) untouched.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fence.h"
#include "leg.h"
#include "sl_api.h"
#include "table.h"

struct sessions;
struct session;

typedef void (*session_event_fn)(void *context, const struct sl_media_event *event);

struct sessions_config {
	const struct realms *realms; // where there are addresses
	unsigned int n_workers;
	unsigned int sessions_max;
	const int *socket_ids;	     // NUMA node of each worker; NULL: any. Read at creation only
	uint32_t packets_per_second; // of legs that say nothing else, 0: no limit
	uint32_t bytes_per_second;
	struct next_hops *hops;	     // NULL: nobody can be sent to (tests)
	struct transcode *transcode; // NULL: nothing is transcoded
	struct rte_rcu_qsbr *rcu;    // workers report to it
	const struct fence *fence;   // NULL: no address is of a shard
	session_event_fn event;	     // may be NULL
	void *context;
};

// NULL with errno set.
struct sessions *sessions_create(const struct sessions_config *config);
void sessions_destroy(struct sessions *sessions); // workers have stopped
// What a worker takes spares from (srtp_engine_set_spares()).
struct leg_srtp_memory *sessions_srtp_memory(const struct sessions *sessions, unsigned int worker);
struct leg_table *sessions_table(const struct sessions *sessions);
struct dials *sessions_dials(const struct sessions *sessions, unsigned int worker);

// Of DPDK's memory, that so many sessions of two legs will take as they are set, without bundles;
// plain, or all of them with SRTP (AES_CM_128).
size_t sessions_memory_bytes(unsigned int n_sessions, bool secure);

// Create or replace. `session` (SL_LEGS_MAX legs of room) gets what is in force: ports and SSRCs
// chosen. Errors are those of SL_SESSION_SET in sl_api.h; `why` then points to a few words for the
// log.
int session_set(struct sessions *sessions, const struct sl_session *wanted, const void *record,
	struct sl_session *session, const char **why);

// A leg that no worker sees any more is about to be freed: its last chance to send something, with
// `engine` of the calling main lcore. NULL: nobody wants to know.
typedef void (*leg_farewell_fn)(void *context, struct leg *leg, struct srtp_engine *engine);
void sessions_on_farewell(struct sessions *sessions, leg_farewell_fn farewell, void *context);

struct session *session_find(const struct sessions *sessions, const struct sl_id *id);
void session_delete(struct sessions *sessions, struct session *session);

// Fill in a report. Returns the record (session.record_length bytes), which stays the session's.
const void *session_report(const struct session *session, struct sl_session_report *report);

// Send a digit to the far end of a leg. Errors are those of SL_DTMF in sl_api.h.
int session_dtmf(
	struct sessions *sessions, const struct session *session, const struct sl_dtmf *dtmf);

// Marks of the legs of a session that are on addresses of a shard (fence.h); `marks` has room for
// SESSION_MARKS_MAX. Returns how many.
#define SESSION_MARKS_MAX (SL_LEGS_MAX * SRTP_SSRCS)
unsigned int session_marks(
	const struct session *session, unsigned int shard, struct sl_mark *marks);
// Errors are those of SL_MARKS_SET in sl_api.h.
int session_mark_set(struct sessions *sessions, const struct sl_mark *mark);

// worker: memory for what a far end says in extended reports; NULL: try again later.
struct leg_xr *session_take_xr(const struct sessions *sessions, unsigned int worker);

// What packets of leg `i` that control makes itself have to say.
struct session_origin {
	struct sl_address local; // its RTP port
	uint32_t flow_label;
	unsigned int worker;
	uint8_t dscp;
	uint8_t shard; // see fence.h
};

// False: no such leg.
bool session_origin(const struct session *session, unsigned int i, struct session_origin *origin);

// Walk over all sessions: zero `cursor` before the first, NULL behind the last. Sessions may come
// and go between the steps; one that stays is met exactly once.
struct session *sessions_next(const struct sessions *sessions, uint32_t *cursor);

// Call every few milliseconds: frees what no worker sees any more, resolves next hops, and turns
// what workers noticed (and what they did not: time-outs) into events.
void sessions_tick(struct sessions *sessions, uint64_t now_ns);

// Say again which legs have timed out.
void sessions_repeat_timeouts(
	const struct sessions *sessions, session_event_fn event, void *context);

struct sessions_counts {
	uint32_t sessions;
	uint32_t legs;
	uint32_t ports_used;
	uint32_t ports_free;
	uint32_t deferred; // waiting for workers to pass
};

void sessions_count(const struct sessions *sessions, struct sessions_counts *counts);

// worker: tell main that this leg has had its first packet or latched. Where the ring is full main
// finds out by itself, within 100 ms.
void session_notice(struct sessions *sessions, unsigned int worker, struct leg *leg);
