// SRTP of a leg. main makes a context for each new key and publishes it with a configuration; the
// leg's worker takes it into use with the next packet, so that only the worker ever touches what
// packets change, and the new context goes on where the one before stood.
//
// A context belongs to the configurations that have it, which count as its holders, and once the
// worker has `adopted` it, to the worker as well, for what packets change. One that the worker has
// done with goes back to main through `retired`. Who of them is the last one wipes it, always main.
//
// Contexts are in slabs of the worker's NUMA node, by their size: suites and MKIs make few sizes.
#pragma once

#include <stdbool.h>

#include "sl_api.h"
#include "slab.h"
#include "spares.h"
#include "srtp.h"

#define LEG_SRTP_SLABS 12

// main, but for the spares, which the worker takes
struct leg_srtp_memory {
	struct srtp_memory memory;
	struct slab slabs[LEG_SRTP_SLABS];
	struct slab more; // of SRTP_MORE_BYTES
	struct spares spares;
	int socket_id;
};

// Returns 0 or a negative errno.
int leg_srtp_memory_init(struct leg_srtp_memory *memory, unsigned int worker, int socket_id);
void leg_srtp_memory_fini(struct leg_srtp_memory *memory);   // all has been given back
void leg_srtp_memory_refill(struct leg_srtp_memory *memory); // main, often
void *leg_srtp_take_spare(void *memory);		     // worker: see srtp_engine_set_spares()

// One direction. worker: rw, main: ro, or as said.
struct leg_srtp {
	struct srtp_context *context; // NULL: there never was one
	struct srtp_context *retired; // worker: sets where NULL, main: takes and sets NULL
	bool overlaps;		      // `context` may still need the one that it took over
};

// main: a context for the key of `wanted`, held once; for so many SSRCs (0: SRTP_SSRCS). NULL with
// errno: ENOMEM, EINVAL.
struct srtp_context *leg_key_create(struct srtp_engine *engine, struct leg_srtp_memory *memory,
	const struct sl_srtp *wanted, enum srtp_direction direction, unsigned int max_ssrcs);
// One configuration more has it. -ENOMEM: it is one of so many already that they cannot be counted.
int leg_key_hold(struct srtp_context *context);
// No worker sees its configuration. NULL is no key
void leg_key_release(struct srtp_context *context);

// main: whether `wanted` is the same key (or none, as `context` is NULL): then a replace keeps it.
// 1, 0 or -ENOMEM.
int leg_key_is(struct srtp_engine *engine, const struct srtp_context *context,
	const struct sl_srtp *wanted, enum srtp_direction direction);

// main: wipe key and salt, and leave suite, MKI and flags to tell that there were some.
void leg_srtp_forget(struct sl_srtp *wanted);

// main: wipe what the worker has retired; all of it, and of both directions, when the worker is
// done with the leg (NULL does nothing).
void leg_srtp_reap(struct leg_srtp *srtp);
void leg_srtp_destroy(struct leg_srtp *both);

// worker: take a context into use, in the place of the one in use. Returns which is in use then:
// the old one, where there is no memory to go on from what it knows; and always the newest.
struct srtp_context *leg_srtp_adopt(struct srtp_engine *engine, struct leg_srtp *srtp,
	struct srtp_context *context, bool restart);

// worker: give back what was taken over, if it is of no more use. Clears `overlaps` then.
void leg_srtp_retire(struct leg_srtp *srtp);
