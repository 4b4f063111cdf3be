// A trunk: a SIP peer, or a group of peers, with one policy.
//
// All is read-only after the configuration is loaded, but for what trunk_open() makes: the state,
// which outlives the configuration, and the targets of peers. These belong to the event loop.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "address.h"
#include "digest_memory.h"
#include "header_rules.h"
#include "negotiate.h"
#include "number.h"
#include "realm.h"
#include "target.h"

// Which way calls go, seen from us. Limits and load are kept for all together, too.
enum trunk_direction { TRUNK_BOTH, TRUNK_IN, TRUNK_OUT, TRUNK_DIRECTIONS };

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

// Reliable provisional responses (RFC 3262).
enum trunk_100rel {
	TRUNK_100REL_NEVER,	// neither asked for nor granted
	TRUNK_100REL_SUPPORTED, // where the far end, or the other side of the call, wants them
	TRUNK_100REL_REQUIRED,	// always; who cannot is refused
};

// Whether media that comes from it before the answer is heard.
enum trunk_early_media {
	TRUNK_EARLY_MEDIA_ALWAYS,
	TRUNK_EARLY_MEDIA_AUTHORIZED, // where P-Early-Media says so (RFC 5009)
	TRUNK_EARLY_MEDIA_NEVER,
};

// Session timers (RFC 4028). Who refreshes where the far end leaves it open.
enum trunk_refresher { TRUNK_REFRESHER_ANY, TRUNK_REFRESHER_US, TRUNK_REFRESHER_PEER };

struct trunk_session_timer {
	uint32_t expires_s; // that we ask for; 0: none, but what the far end asks for
	uint32_t min_s;	    // the least that we accept
	uint8_t refresher;  // enum trunk_refresher; US: also where the far end has no timers
};

// What a REFER from it comes to.
enum trunk_refer {
	TRUNK_REFER_HANDLE, // we make the call
	TRUNK_REFER_REJECT,
	TRUNK_REFER_PASS, // the other side does it
};

// The host in Refer-To of a REFER that is passed on to it.
enum trunk_refer_to {
	TRUNK_REFER_TO_US,
	TRUNK_REFER_TO_PEER,
};

// What a 3xx of it comes to.
enum trunk_redirects {
	TRUNK_REDIRECTS_REFUSE, // 480
	TRUNK_REDIRECTS_FOLLOW, // by the dial plan
	TRUNK_REDIRECTS_PASS,	// to the caller, with a host of ours
};

// Requests beside calls, as bits.
enum {
	TRUNK_REQUESTS_MESSAGE = 1 << 0,
	TRUNK_REQUESTS_PUBLISH = 1 << 1,
	TRUNK_REQUESTS_NOTIFY = 1 << 2, // that nobody has subscribed to
	TRUNK_REQUESTS_SUBSCRIBE = 1 << 3,
};

// Hosts that bodies of events name.
enum trunk_hosts {
	TRUNK_HOSTS_HIDE, // ours takes their place
	TRUNK_HOSTS_PASS,
};

// Of what its side subscribes to.
struct trunk_subscriptions {
	uint32_t max;		   // at the same time
	uint32_t expires_max_s;	   // until one must be renewed
	const char *const *events; // packages; none: any
	size_t n_events;
	uint8_t hosts; // enum trunk_hosts; of bodies for it
};

// What SIP may do on its side.
struct trunk_signalling {
	uint8_t redirects; // enum trunk_redirects
	uint8_t refer;	   // enum trunk_refer
	uint8_t refer_to;  // enum trunk_refer_to
	uint8_t requests;  // that pass from it and to it
	struct trunk_subscriptions subscriptions;
	const char *const *bodies; // types of what passes beside descriptions, "application/isup"
	size_t n_bodies;
	struct trunk_session_timer session_timer;
	uint8_t rel100;	     // enum trunk_100rel
	uint8_t early_media; // enum trunk_early_media
};

struct trunk_load {
	uint32_t calls;
	uint64_t allowance; // token bucket, in 1/1000 call
	uint64_t allowance_at_ms;
	uint64_t started, refused; // counters
};

// What a call does where a peer fails it.
struct trunk_failover {
	struct status_set codes; // that send it to the next; time-outs and errors of transport do
	uint32_t timeout_ms;	 // for a peer to say anything, where there is another
	uint32_t backoff_ms;	 // for which a peer that failed is tried after the others; 0: none
};

// An address of a peer with what SRV says of it.
struct peer_target {
	struct target *target;
	uint32_t priority, weight;
};

struct trunk_peer {
	struct sockaddr_storage address; // with port; AF_UNSPEC: see `host`
	const char *host;		 // a name (RFC 3263), which leads to its targets; or NULL
	uint16_t port;			 // of `host`; 0: as DNS says
	bool any_transport;		 // likewise
	enum realm_transport transport;	 // of requests to it
	uint32_t priority, weight;	 // as struct weighted has them

	struct peer_target *targets; // from trunk_open() on
	size_t n_targets;
};

// What is kept of a trunk from one configuration to the next.
struct trunk_state {
	unsigned int refs;
	struct trunk_load load[TRUNK_DIRECTIONS];
	struct target_list targets;
	uint32_t subscriptions;	    // that its side has
	struct digest_memory proof; // of ours that it has taken
};

struct users;
struct trunk;

// Users whose registrar is behind a trunk: their REGISTERs are passed on to it.
struct trunk_forward {
	const struct trunk *to; // NULL: the registrar is here
	bool path;		// as struct registrar_upstream has it
	uint32_t expires_s, nat_expires_s;
};

// Those of a domain, who prove who they are, wherever they are (RFC 3261 22).
struct trunk_users {
	const char *domain;
	struct users *users; // NULL: `forward` knows them
	struct trunk_forward forward;
	unsigned int algorithms; // bit mask of enum digest_algorithm
	bool registers;		 // they may register, and calls to the trunk go to them
	bool redirect;		 // ... or their callers are told where they are
	uint32_t expires_s, expires_min_s, expires_max_s;
	uint32_t contacts;    // of one user
	uint32_t ring_s;      // for those of one q, where there are others; 0: no limit
	uint32_t keepalive_s; // between packets to those behind NAT, 0: none
};

// How a trunk is told who has forwarded a call (RFC 5806, RFC 7044).
enum trunk_redirection {
	TRUNK_REDIRECTION_AS_RECEIVED,
	TRUNK_REDIRECTION_DIVERSION,
	TRUNK_REDIRECTION_HISTORY_INFO,
	TRUNK_REDIRECTION_NONE, // nor believed
};

// That we ask it for, so that it sends us the calls of our numbers.
struct trunk_registration {
	const char *user; // NULL: none
	const char *domain;
	uint32_t expires_s;
	bool bulk; // all numbers of the user at once (RFC 6140)
};

struct trunk {
	const char *name;
	const struct realm *realm;
	struct trunk_peer *peers;
	size_t n_peers;
	struct tls_settings tls; // of connections to its peers, those of TLS
	struct digest_keys auth; // what we are known by to it; user NULL: nothing
	struct trunk_registration registration;
	struct trunk_users *users; // requests from it need a proof; NULL: its address is one
	struct sdp_policy media;
	struct trunk_signalling signalling;
	bool logs_quality; // of calls, as they go on
	struct trunk_jitter jitter;
	struct trunk_limits limits[TRUNK_DIRECTIONS];
	struct trunk_failover failover;
	struct health_rules health;
	struct number_plan numbers;
	bool is_trusted; // within our trust domain (RFC 3325)
	enum trunk_redirection redirection;
	struct header_rules headers_in;	 // of what comes from it
	struct header_rules headers_out; // of what it is sent
	struct trunk_state *state;	 // from trunk_open() on
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

// The trunk whose users register in that realm: that of the domain, else that of the only domain
// (phones may know us by an address). NULL: there is none, or several and none of that name.
struct trunk *trunk_of_domain(
	const struct trunks *trunks, const struct realm *realm, struct slice domain);
// Whether anybody may talk to us in the realm, as users may be anywhere.
bool trunks_are_open(const struct trunks *trunks, const struct realm *realm);

struct trunk *trunk_find(const struct trunks *trunks, const char *name);

// Give it its state: that of the trunk of the same name in the configuration before, or a new one
// (NULL). Returns 0 or -ENOMEM.
int trunk_open(struct trunk *trunk, struct trunk_state *before);
void trunk_close(struct trunk *trunk);

// What the name of a peer leads to now: that is what its targets are from here on. Returns 1 where
// that is not what they were, 0 where it is, or -ENOMEM and nothing has changed.
struct peer_address {
	struct sockaddr_storage address;
	enum realm_transport transport;
	uint32_t priority, weight;
};
int trunk_peer_resolved(
	struct trunk *trunk, struct trunk_peer *peer, const struct peer_address *list, size_t n);

// Where a call may go, in the order of peers' priorities and weights, those that have failed lately
// last, those that are down or closed not at all, or, with `desperate`, at the very end. At most
// `max`; each comes with a reference. Returns how many.
size_t trunk_targets(const struct trunk *trunk, uint64_t now_ms, bool desperate,
	struct target **out, size_t max);

// Count a new call in or out of the trunk. Returns 0; -EBUSY at the limit of calls, -EAGAIN at that
// of calls per second (both: 503). Each 0 is paired with one trunk_call_stop().
int trunk_call_start(struct trunk *trunk, enum trunk_direction direction, uint64_t now_ms);
// The same without limits: for emergency calls, and for calls that are there already.
void trunk_call_force(struct trunk *trunk, enum trunk_direction direction);
void trunk_call_stop(struct trunk *trunk, enum trunk_direction direction);
