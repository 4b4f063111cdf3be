// Where registered users are: the bindings of addresses of record (RFC 3261 10), in memory. This
// node's bindings are the truth; a store that several nodes share stands behind struct
// location_watcher: it is told of each change, and puts back what this node has lost
// (location_change()).
//
// Memory is bounded: so many bindings of one address of record, so many in all. One thread.
#pragma once

#include <sys/queue.h>

#include "hash.h"
#include "slice.h"
#include "transport.h"
#include "uri.h"

struct event_base;
struct location;

enum binding_string {
	BINDING_CONTACT,    // URI
	BINDING_CALL_ID,    // of the REGISTER that set it last
	BINDING_PATH,	    // route to it, as for Route; empty: none (RFC 3327)
	BINDING_INSTANCE,   // "<urn:uuid:...>" of +sip.instance; empty: none
	BINDING_USER_AGENT, // for people
	// Of users whose registrar is elsewhere (forward.h); empty: it is here.
	BINDING_TOKEN,	       // user part of what is registered there for it
	BINDING_SERVICE_ROUTE, // way of its calls, as for Route (RFC 3608)
	BINDING_GRUU,	       // URI that the registrar has made (RFC 5627)
	BINDING_STRINGS,
};

// What a binding is, however it is stored.
struct binding_values {
	struct slice strings[BINDING_STRINGS];
	uint32_t cseq;
	uint32_t reg_id;	    // RFC 5626, with an instance; 0: none
	uint16_t q;		    // 0 to 1000
	uint64_t expires_ms;	    // time of day
	uint64_t upstream_until_ms; // the same of the registrar elsewhere; 0: there is none
	struct flow flow;	    // how it is reached where there is no path
	bool is_natted;		    // only by that flow, which needs to be kept open
};

struct binding {
	TAILQ_ENTRY(binding) in_record; // highest q first, then the newest
	struct hash_node by_token;	// where it has one
	struct binding_values values;
	struct record *record;
	bool is_renewal; // took the place of another
	char text[];
};

TAILQ_HEAD(binding_list, binding);

enum location_why { LOCATION_ASKED, LOCATION_EXPIRED, LOCATION_DROPPED };

// May be NULL, as may be its functions.
struct location_watcher {
	// A binding is there, new or renewed; is gone.
	void (*set)(void *arg, struct slice aor, const struct binding *binding, bool is_new);
	void (*removed)(
		void *arg, struct slice aor, const struct binding *binding, enum location_why why);
};

// Returns NULL with errno.
struct location *location_create(struct event_base *base, size_t bindings_max,
	const struct location_watcher *watcher, void *arg);
void location_destroy(struct location *location); // nobody is told

// The bindings of an address of record ("alice@example.com", the domain in lower case) that have
// not expired, for TAILQ_FOREACH (in_record); NULL where there is none. Good until the next turn of
// the event loop or change.
const struct binding_list *location_find(
	struct location *location, struct slice aor, uint64_t now_ms);

// The address of record.
struct slice binding_aor(const struct binding *binding);
// The binding of a token, that of `contact` (URI) where several have it, which may be absent; NULL:
// none that has not expired.
const struct binding *location_find_token(
	const struct location *location, struct slice token, struct slice contact, uint64_t now_ms);

// The binding that a wish would renew or remove; NULL: none.
const struct binding *location_match(struct location *location, struct slice aor,
	const struct binding_values *wish, uint64_t now_ms);

// One REGISTER's wishes for one address of record: all are done, or none. A wish with expires_ms 0
// removes. Wishes match bindings by instance and reg-id, else by contact (RFC 3261 10.3, RFC 5626
// 6). No two of one request are for the same contact. Returns 0, -EPROTO where what it would change
// is newer, -ENOSPC beyond a limit (`record_max`: of one address of record), -ENOMEM.
int location_change(struct location *location, struct slice aor,
	const struct binding_values *wishes, size_t n, size_t record_max, uint64_t now_ms);
// What that would return, but for -ENOMEM; nothing is changed.
int location_check(struct location *location, struct slice aor, const struct binding_values *wishes,
	size_t n, size_t record_max, uint64_t now_ms);
// "Contact: *": remove all. Returns as location_change().
int location_clear(struct location *location, struct slice aor, struct slice call_id, uint32_t cseq,
	uint64_t now_ms);
// That one, whose flow has failed.
void location_drop(struct location *location, const struct binding *binding);

// All of them; stops where `each` returns false.
void location_each(const struct location *location,
	bool (*each)(void *arg, struct slice aor, const struct binding *binding), void *arg);

size_t location_n_bindings(const struct location *location);
size_t location_n_records(const struct location *location);
