// The B2BUA as the rest of the process sees it. A call owns two legs, a (the caller's) and b (the
// far side), and one media session; struct calls is all of them with what they share. One thread.
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cdr_rules.h"
#include "route.h"
#include "sl_api.h"
#include "trunk.h"

struct event_base;
struct access_rules;
struct guard;
struct media;
struct registrar_counters;
struct sip_stack;
struct trace;
struct cdr_counters;
struct calls;
struct call;

// How others prove who they are.
struct calls_auth {
	const unsigned char *secret; // DIGEST_SECRET_SIZE bytes, of nonces; NULL: one is made
	uint32_t nonce_s;	     // that a nonce lives
	uint32_t failures, failures_s, ban_s; // as struct bans_rules has them
	uint32_t bindings;		      // of registered users, at most
	uint32_t registers;		      // forwarded at the same time
	uint32_t registers_per_s;	      // forwarded; 0: no limit
};

// What new calls and registrations get while a node drains.
struct calls_drain {
	uint32_t status, retry_after_s; // 0: the answer has no Retry-After
};

// What calls need to know; everything outlives them.
struct calls_settings {
	struct event_base *base;
	struct guard *guard;
	const char *node;
	const struct realm *realms;
	size_t n_realms;
	const struct access_rules *access; // NULL: none
	struct trunks *trunks;
	const struct routes *routes;
	const char *dns_servers; // with commas; "" or NULL: those of the system
	const char *dataplane;	 // socket
	const char *cdr_file;	 // "-": standard output; NULL: none are written
	struct cdr_rules cdr;
	uint32_t no_answer_s;	    // ringing until CANCEL and 408
	uint32_t max_duration_s;    // of a call, 0: no limit
	uint32_t media_start_s;	    // no media after the answer, 0: never
	uint32_t media_s;	    // no media in a call, 0: never
	uint32_t media_hold_s;	    // no media on hold, 0: never
	size_t trace_bytes;	    // of SIP messages kept for sluicectl trace, 0: none
	uint32_t calls_max;	    // at the same time, 0: no limit
	uint32_t requests_max;	    // of no call that wait for an answer, 0: no limit
	uint32_t subscriptions_max; // 0: no limit
	uint32_t overload_wait_ms, overload_retry_after_s; // stack_overload_set()
	struct calls_auth auth;
	struct calls_drain drain;
	// Called when nothing points into what is above any more; NULL: it outlives the calls.
	void (*release)(void *config);
	void *config;
};

// Opens the CDR file, the SIP stack without listeners, and the way to the dataplane. Calls of an
// earlier run come back once the dataplane is there. Returns NULL with errno set; `error` says what
// could not be done.
struct calls *calls_create(const struct calls_settings *settings, char *error, size_t error_size);
// Bind the listeners of all realms. Returns 0 or a negative errno, with `error` filled.
int calls_listen(struct calls *calls, char *error, size_t error_size);
// Go on with other realms, trunks, routes, timers and limits; TLS reads its files again. Calls that
// there are keep what they began with until they end. What is only read at the start does not
// matter here. Where it fails all stays as it is, and `settings` are not released: returns a
// negative errno with `error`.
int calls_reload(
	struct calls *calls, const struct calls_settings *settings, char *error, size_t error_size);
// Share calls with other nodes. `cluster` was made with these ops and `calls` as their argument;
// both outlive the calls. Before calls_listen(). 0 or -ENOMEM.
struct cluster;
struct shards;
extern const struct cluster_ops calls_cluster_ops;
int calls_cluster_set(struct calls *calls, struct cluster *cluster, const struct shards *shards);
// Messages of other nodes' calls go to them, and ours come from them; NULL: no more. After
// calls_cluster_set(); n_nodes as the cluster has them. 0 or -ENOMEM.
struct exchange;
int calls_exchange_set(struct calls *calls, struct exchange *exchange, size_t n_nodes);
// A shard of ours is not heard yet.
bool calls_are_adopting(const struct calls *calls);
struct trunks *calls_trunks(const struct calls *calls); // those of now
// Take no new calls and end those that are not answered yet. `stopped` is called from the loop when
// that is done, at the latest after two seconds. Established calls stay: they live on in the
// dataplane, and the next start takes them over.
void calls_stop(struct calls *calls, void (*stopped)(void *arg), void *arg);
// Take no new calls, registrations and requests of no call: they and OPTIONS of no call are refused
// as struct calls_drain says, but for emergency calls. What there is goes on to its end. `empty` is
// called from the loop once nothing is left, and never where it is NULL. May be repeated.
void calls_drain(struct calls *calls, void (*empty)(void *arg), void *arg);
void calls_undrain(struct calls *calls);
bool calls_are_draining(const struct calls *calls);
bool calls_are_stopping(const struct calls *calls);
// Forgets established calls without a word to anyone.
void calls_destroy(struct calls *calls);

const struct trace *calls_trace(const struct calls *calls); // NULL: none is kept
struct sip_stack *calls_stack(const struct calls *calls);
struct media *calls_media(const struct calls *calls);

struct calls_counters {
	uint32_t active_now;	      // not over yet
	uint64_t invites;	      // initial ones that passed the basic checks
	uint64_t answered;	      // calls that were
	uint64_t drained;	      // requests refused because we drain
	uint64_t refused;	      // calls that ended before an answer, for any reason
	uint64_t recovered;	      // taken over from an earlier run
	uint64_t elsewhere_sent;      // messages that came here and went to another node
	uint64_t elsewhere_asked;     // CANCELs that all were asked for
	uint64_t elsewhere_answers;   // messages of ours that left by another node
	uint64_t elsewhere_unknown;   // dropped: nobody who is heard has the shard
	uint64_t bindings_shared;     // of users, from other nodes
	uint64_t bindings_unreadable; // of them
	uint64_t bindings_unkept;     // ours, too long for the store
	uint64_t elsewhere_stale;     // of other nodes, dropped: not our shard, or not our address
	uint64_t adopted;	      // from another node
	uint64_t unadopted;	      // of another node, could not be
	uint64_t given_up;	      // to another node
	uint64_t unrecovered;	      // of an earlier run, not established or not readable: deleted
	uint64_t media_timeouts;      // calls ended by one
	uint64_t one_way;	      // times that a leg was sent media and sent none
	uint64_t ssrc_collisions;
	uint64_t media_loops;
	uint64_t rates_exceeded;
	uint64_t unknown_dialogs;  // 481
	uint64_t infos_relayed;	   // from leg to leg
	uint64_t requests_relayed; // others, of a call or of none
	uint64_t requests_refused; // of those of none, by us or the far end
	uint32_t requests_now;	   // that have no answer yet
	uint32_t subscriptions_now;
	uint64_t subscriptions_begun; // accepted by the notifier
	uint64_t notifies_relayed;    // of subscriptions
	uint64_t notifies_refused;    // of none: 481
	uint64_t digits_by_info;      // taken from one or sent by one
	uint64_t digits_lost;	      // that could not be sent to the other leg
	uint64_t challenges;	      // 401 and 407 that asked for a proof
	uint64_t bad_proofs;	      // wrong ones
	uint64_t cdrs, cdr_errors;
};
// The file of CDRs: begin another one, or go on with what has its name by now. As
// cdr_file_rotate().
int calls_cdr_rotate(struct calls *calls);
int calls_cdr_reopen(struct calls *calls);
const struct cdr_counters *calls_cdr_counters(const struct calls *calls);
const struct calls_counters *calls_counters(const struct calls *calls);
const struct registrar_counters *calls_registrar_counters(const struct calls *calls);

// For the admin side. JSON results are new references; NULL means out of memory.
json_t *calls_list(const struct calls *calls);		      // array of summaries, oldest first
json_t *calls_registrations(const struct calls *calls);	      // ours, with trunks
json_t *calls_bindings(const struct calls *calls);	      // of registered users
json_t *call_describe(const struct call *call);		      // everything but media counters
struct call *call_find(struct calls *calls, const char *id);  // ULID as text; NULL: no such call
const struct sl_id *call_session_id(const struct call *call); // for media_get()
// End a call whatever state it is in: BYE, CANCEL, or a final response.
void call_hangup(struct call *call);
