// SRTP of a leg. main makes a context for each new key and publishes it with a configuration; the
// leg's worker takes it into use with the next packet, so that only the worker ever touches what
// packets change, and the new context goes on where the one before stood.
//
//   struct leg_key    a key on its way. Belongs to main, shared by configurations of the same key
//   struct leg_srtp   what packets use. Belongs to the worker: a context is its own once `adopted`
//
// A context that the worker has done with goes back to main through `retired`, to be wiped.
#pragma once

#include <rte_branch_prediction.h>
#include <stdbool.h>

#include "sl_api.h"
#include "srtp.h"

struct leg_key {
	struct srtp_context *context;
	struct sl_srtp wanted;
	unsigned int n_configs; // main
	bool adopted;		// worker: sets once; main: reads when no worker can see the key
};

// One direction. worker: rw, main: ro, or as said.
struct leg_srtp {
	struct srtp_context *context; // NULL: there never was one
	struct srtp_context *retired; // worker: sets where NULL, main: takes and sets NULL
	bool overlaps;		      // `context` may still need the one that it took over
};

// main: the key of `wanted`, with a context of `engine` for so many SSRCs (0: SRTP_SSRCS). NULL
// with errno: ENOMEM, EINVAL.
struct leg_key *leg_key_create(struct srtp_engine *engine, const struct sl_srtp *wanted,
	enum srtp_direction direction, unsigned int max_ssrcs);
struct leg_key *leg_key_hold(struct leg_key *key);
void leg_key_release(struct leg_key *key); // no worker sees its configuration. NULL is no key

// main: whether `wanted` is the same key (or none, as `key` is NULL): then a replace keeps it.
bool leg_key_is(const struct leg_key *key, const struct sl_srtp *wanted);

// main: wipe key and salt, and leave suite, MKI and flags to tell that there were some.
void leg_srtp_forget(struct sl_srtp *wanted);

// main: wipe what the worker has retired; all of it, and of both directions, when the worker is
// done with the leg (NULL does nothing).
void leg_srtp_reap(struct leg_srtp *srtp);
void leg_srtp_destroy(struct leg_srtp *both);

// worker: take `key` into use, and the place of the context in use.
void leg_srtp_adopt(struct leg_srtp *srtp, struct leg_key *key);

// worker: give back what was taken over, if it is of no more use. Clears `overlaps` then.
void leg_srtp_retire(struct leg_srtp *srtp);

// worker: the context for the next packet.
static inline struct srtp_context *leg_srtp_context(
	struct leg_srtp *srtp, struct srtp_context *context, struct leg_key *key)
{
	if (unlikely(srtp->context != context))
		leg_srtp_adopt(srtp, key);
	return context;
}
