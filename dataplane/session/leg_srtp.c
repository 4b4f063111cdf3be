// Keys of legs: made, adopted, retired, wiped. Which thread may do what is in the header.
#include "leg_srtp.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static_assert(SL_SRTP_KEY_MAX == SRTP_KEY_MAX && SL_SRTP_SALT_MAX == SRTP_SALT_MAX &&
		      SL_SRTP_MKI_MAX <= SRTP_MKI_MAX,
	"a key of the API fits");
// A suite of the API is one of the library's, plus one, since 0 means none.
#define SAME_SUITE(id, ...) \
	static_assert(SL_SRTP_##id == SRTP_SUITE_##id + 1, "the API and the library agree");
SRTP_SUITES(SAME_SUITE)
#undef SAME_SUITE

enum adopted { NOT_YET, IN_USE, OUT_OF_USE }; // by the worker

static void wipe(void *memory, size_t bytes)
{
	explicit_bzero(memory, bytes);
}

static void *take(void *context, size_t bytes)
{
	struct leg_srtp_memory *memory = context;

	if (bytes == SRTP_MORE_BYTES)
		return slab_take(&memory->more);
	for (unsigned int i = 0; i < LEG_SRTP_SLABS; i++) {
		struct slab *slab = &memory->slabs[i];

		if (!slab->object_bytes)
			slab_init(slab, bytes, memory->socket_id);
		if (slab->object_bytes == bytes)
			return slab_take(slab);
	}
	return NULL;
}

int leg_srtp_memory_init(struct leg_srtp_memory *memory, unsigned int worker, int socket_id)
{
	memory->socket_id = socket_id;
	memory->memory = (struct srtp_memory){take, slab_return, memory};
	slab_init(&memory->more, SRTP_MORE_BYTES, socket_id);
	return spares_init(&memory->spares, &memory->more, "srtp", worker);
}

void leg_srtp_memory_fini(struct leg_srtp_memory *memory)
{
	spares_fini(&memory->spares);
	slab_fini(&memory->more);
	for (unsigned int i = 0; i < LEG_SRTP_SLABS; i++)
		slab_fini(&memory->slabs[i]);
}

// Only where there is SRTP at all.
void leg_srtp_memory_refill(struct leg_srtp_memory *memory)
{
	if (memory->slabs[0].n_taken)
		spares_refill(&memory->spares);
}

void *leg_srtp_take_spare(void *memory)
{
	return spares_take(&((struct leg_srtp_memory *)memory)->spares);
}

static void keying_of(
	struct srtp_keying *keying, const struct sl_srtp *wanted, enum srtp_direction direction)
{
	*keying = (struct srtp_keying){
		.suite = (enum srtp_suite)(wanted->suite - 1),
		.direction = direction,
		.mki_bytes = wanted->mki_bytes,
		.plain_srtcp = wanted->flags & SL_SRTP_PLAIN_RTCP,
	};
	memcpy(keying->key, wanted->key, sizeof(wanted->key));
	memcpy(keying->salt, wanted->salt, sizeof(wanted->salt));
	memcpy(keying->mki, wanted->mki, wanted->mki_bytes);
}

struct srtp_context *leg_key_create(struct srtp_engine *engine, struct leg_srtp_memory *memory,
	const struct sl_srtp *wanted, enum srtp_direction direction, unsigned int max_ssrcs)
{
	const struct srtp_indices resume = {.rtp_next = wanted->resume.rtp_next,
		.rtcp_next = wanted->resume.rtcp_next,
		.ssrc = wanted->resume.ssrc};
	struct srtp_context *context;
	struct srtp_keying keying;
	int rc = 0;

	keying_of(&keying, wanted, direction);
	keying.max_ssrcs = (uint8_t)max_ssrcs;
	keying.memory = &memory->memory;
	context = srtp_context_create(engine, &keying);
	wipe(&keying, sizeof(keying));
	if (!context)
		return NULL;
	srtp_context_owner(context)->n_holders = 1;
	if (resume.rtp_next || resume.rtcp_next)
		rc = srtp_context_import(context, &resume, 1);
	if (rc == 0)
		return context;
	srtp_context_destroy(context);
	errno = -rc;
	return NULL;
}

int leg_key_hold(struct srtp_context *context)
{
	struct srtp_owner *owner = context ? srtp_context_owner(context) : NULL;

	if (owner && owner->n_holders == UINT16_MAX)
		return -ENOMEM;
	if (owner)
		owner->n_holders++;
	return 0;
}

void leg_key_release(struct srtp_context *context)
{
	struct srtp_owner *owner = context ? srtp_context_owner(context) : NULL;

	if (owner && --owner->n_holders == 0 && owner->adopted != IN_USE)
		srtp_context_destroy(context);
}

int leg_key_is(struct srtp_engine *engine, const struct srtp_context *context,
	const struct sl_srtp *wanted, enum srtp_direction direction)
{
	struct srtp_keying keying;
	int rc;

	if (!context || wanted->suite == SL_SRTP_NONE)
		return !context && wanted->suite == SL_SRTP_NONE;
	keying_of(&keying, wanted, direction);
	rc = srtp_context_is_of(engine, context, &keying);
	wipe(&keying, sizeof(keying));
	return rc;
}

void leg_srtp_forget(struct sl_srtp *wanted)
{
	wipe(wanted->key, sizeof(wanted->key));
	wipe(wanted->salt, sizeof(wanted->salt));
}

// The worker has done with a context, and with those that it took over; configurations on their way
// out may still have them.
static void let_go(struct srtp_context *context)
{
	while (context) {
		struct srtp_context *old = srtp_context_detach_old(context, true);
		struct srtp_owner *owner = srtp_context_owner(context);

		__atomic_store_n(&owner->adopted, OUT_OF_USE, __ATOMIC_RELAXED);
		if (owner->n_holders == 0)
			srtp_context_destroy(context);
		context = old;
	}
}

void leg_srtp_reap(struct leg_srtp *srtp)
{
	if (__atomic_load_n(&srtp->retired, __ATOMIC_RELAXED))
		let_go(__atomic_exchange_n(&srtp->retired, NULL, __ATOMIC_ACQUIRE));
}

void leg_srtp_destroy(struct leg_srtp *both)
{
	for (struct leg_srtp *srtp = both; srtp && srtp < both + 2; srtp++) {
		leg_srtp_reap(srtp);
		let_go(srtp->context);
	}
	slab_return(both);
}

struct srtp_context *leg_srtp_adopt(struct srtp_engine *engine, struct leg_srtp *srtp,
	struct srtp_context *context, bool restart)
{
	// Of a configuration that was replaced in mid-turn: it has been in use, and is not again.
	if (__atomic_load_n(&srtp_context_owner(context)->adopted, __ATOMIC_RELAXED) != NOT_YET)
		return srtp->context;
	if (srtp->context && !srtp_context_take_over(engine, context, srtp->context, restart))
		return srtp->context;
	srtp->overlaps = srtp->context;
	__atomic_store_n(&srtp_context_owner(context)->adopted, IN_USE, __ATOMIC_RELAXED);
	srtp->context = context;
	return context;
}

// Where main has not come by for the last one yet, this one waits.
void leg_srtp_retire(struct leg_srtp *srtp)
{
	struct srtp_context *old;

	if (__atomic_load_n(&srtp->retired, __ATOMIC_RELAXED))
		return;
	old = srtp_context_detach_old(srtp->context, false);
	if (!old)
		return;
	srtp->overlaps = false;
	__atomic_store_n(&srtp->retired, old, __ATOMIC_RELEASE);
}
