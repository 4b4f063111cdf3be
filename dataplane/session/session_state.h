// What the files of this folder share about sessions. main lcore only, but for the notice rings.
#pragma once

#include <rte_hash.h>
#include <rte_ring.h>

#include "session.h"
#include "session_wanted.h"
#include "slab.h"
#include "spares.h"

#define SESSION_LEGS 2 // that have a place in every session

struct session {
	struct sl_id id;
	uint32_t slot; // index into sessions->slots
	uint16_t worker;
	uint8_t n_legs;
	uint64_t created_ns;
	struct wanted_state *wanted; // with ports and SSRCs chosen, and the record
	struct leg **legs;	     // `few`, or SL_LEGS_MAX of a slab
	struct leg *few[SESSION_LEGS];
};

static_assert(sizeof(struct session) == RTE_CACHE_LINE_SIZE, "one line each");

// Of the sessions that a worker owns.
struct worker_memory {
	struct slab legs;
	struct slab configs;
	struct slab wide_configs; // of legs that feed more than LEG_FEEDS
	struct leg_formats_table formats;
	struct slab feeds;
	struct slab srtp; // two struct leg_srtp each
	struct dials *dials;
	struct leg_srtp_memory keys;
	struct slab xr;
	struct spares xr_spares;
};

static inline struct slab *worker_configs(struct worker_memory *memory, unsigned int n_feeds)
{
	return n_feeds > LEG_FEEDS ? &memory->wide_configs : &memory->configs;
}

struct sessions {
	struct sessions_config config;
	struct leg_table *table;
	struct rte_hash *by_id;
	struct session **slots; // sessions_max
	uint32_t *free_slots;	// a stack
	uint32_t n_free_slots;
	uint32_t slots_used; // no slot from here on was ever used
	uint32_t n_sessions;
	uint32_t n_legs;
	uint32_t n_ports_used;
	uint32_t generation;	      // of the last leg_config
	uint32_t scan_at;	      // slot that the scan for time-outs goes on with
	unsigned int *worker_legs;    // how many each worker has
	struct worker_memory *memory; // per worker
	struct slab session_memory;
	struct slab more_legs;
	struct sl_session was;	   // what is about to be replaced
	struct rte_ring **notices; // per worker; one producer, one consumer
	leg_farewell_fn farewell;  // may be NULL
	void *farewell_context;
	struct srtp_engine *srtp; // main's; workers have their own
	struct deferred_queue deferred;
	uint64_t tick_ns; // the last
};

// session_report.c: what was wanted, with what has changed since. Returns the record.
const void *session_wanted(const struct session *session, struct sl_session *wanted);

// session_dtmf.c: digits that wait go on with the configuration that is in force now.
void session_dial_again(struct sessions *sessions, struct session *session);

// session_check.c: 0, or the errno to answer with and `why`.
int session_check(const struct sl_session *wanted, const char **why);

// session_watch.c: look at one leg; tells of what is new.
void leg_watch(struct sessions *sessions, struct leg *leg, uint64_t now_ns);
void sessions_drain_notices(struct sessions *sessions, uint64_t now_ns);
void sessions_scan(struct sessions *sessions, uint64_t now_ns);

// session_commit.c: the leg sends under another SSRC from its next packet on. Returns 0 or -ENOMEM.
int leg_change_ssrc(struct sessions *sessions, struct leg *leg);

// session_detect.c: one-way media, SSRC collision, loop, rates; tells of what is new.
void leg_detect(struct sessions *sessions, struct leg *leg, uint64_t now_ns);

// session_watch.c: tell control, at most once a second of each type and leg. Returns false where it
// is too early: try again.
bool leg_tell(
	struct sessions *sessions, struct leg *leg, enum sl_media_event_type type, uint64_t now_ns);

// session_quality.c: every SL_QUALITY_MS, judge what came. Returns whether control wants to know,
// with `event` filled in.
bool leg_quality_watch(struct leg *leg, uint64_t now_ns, struct sl_media_event *event);
// session_quality.c: what a report says of the leg's quality; the other counters are there.
void leg_quality_report(
	struct sl_leg_stats *stats, const struct leg *leg, const struct sl_leg *wanted);

// session_watch.c: the next hop from a leg to where it sends, or NULL.
const struct next_hop *leg_hold_hop(const struct sessions *sessions,
	const struct leg_config *config, const struct leg_endpoint *to);
