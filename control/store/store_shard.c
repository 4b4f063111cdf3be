// Shards of ours: claimed, renewed each third of the lease, released or lost.
//
// A renewal is also the question whether the store still is what it was: it carries the epoch and
// the number of writes that were acknowledged. A store that knows less was emptied or set back to
// an older state; the script then raises the epoch above all that were, clears the shard's records,
// and everything is written again. A store that counts other records than when it answered last
// lost some (eviction).
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "store_private.h"

struct shard *shard_find(const struct store *store, const char *name)
{
	return (struct shard *)store_table_find(&store->shards, name);
}

bool store_owns(const struct store *store, const char *name)
{
	struct shard *shard = shard_find(store, name);

	return shard && shard->owned && !shard->releasing;
}

void shard_destroy(struct shard *shard)
{
	journal_clear(shard);
	store_table_remove(&shard->store->shards, &shard->node);
	store_table_fini(&shard->entries);
	if (shard->renewal)
		event_free(shard->renewal);
	free(shard);
}

static void arm_renewal(struct shard *shard)
{
	uint32_t ms = shard->store->config.lease_ms / 3;
	struct timeval after = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	event_add(shard->renewal, &after);
}

static void lose(struct shard *shard, const struct store_reply *reply)
{
	struct store *store = shard->store;

	log_warn(&log_store, "shard_lost", "shard=%s epoch=%" PRIu64 " newer=%" PRIu64 " holder=%s",
		shard->name, shard->epoch, reply->epoch, reply->holder);
	store->status.n_stale++;
	shard->owned = false;
	shard->lost = true;
	event_del(shard->renewal);
	if (store->callbacks.shard)
		store->callbacks.shard(store->arg, shard->name, STORE_SHARD_LOST, reply->epoch);
}

static void rewound(struct shard *shard, const struct store_internal_reply *reply)
{
	struct store *store = shard->store;

	log_warn(&log_store, "rewound", "shard=%s epoch=%" PRIu64 " was=%" PRIu64 " records=%zu",
		shard->name, reply->reply.epoch, shard->epoch, shard->entries.n_nodes);
	store->status.n_rewound++;
	shard->epoch = reply->reply.epoch;
	shard->seq = reply->seq;
	shard->n_there = reply->n_there;
	journal_mark_all(shard);
	if (store->callbacks.shard)
		store->callbacks.shard(store->arg, shard->name, STORE_SHARD_OWNED, shard->epoch);
}

static void tell_lease(const struct shard *shard)
{
	const struct store *store = shard->store;

	if (store->callbacks.leased)
		store->callbacks.leased(store->arg, shard->name, shard->asked_ms);
}

static void on_renewed(struct store_request *request, const struct store_internal_reply *reply)
{
	struct shard *shard = request->arg;
	struct store *store = shard->store;

	shard->n_requests--;
	shard->renewing = false;
	if (store->closing || !shard->owned) {
		shard_check_end(shard);
		return;
	}
	arm_renewal(shard);
	if (reply->reply.result == STORE_STALE)
		lose(shard, &reply->reply);
	if (reply->reply.result != STORE_OK) {
		shard->confirmed = false;
		shard_check_end(shard);
		return;
	}
	shard->confirmed = true;
	tell_lease(shard);
	if (reply->rewound)
		rewound(shard, reply);
	else if (!shard->n_batches && reply->seq == shard->seq && reply->n_there != shard->n_there)
		shard_renew(shard, true);
	journal_flush_soon(store, 0);
}

void shard_renew(struct shard *shard, bool rewind)
{
	struct store_request *request;

	if (shard->renewing || !shard->owned)
		return;
	request = request_create(shard->store, REQUEST_RENEW, shard->name);
	if (!request) {
		arm_renewal(shard);
		return;
	}
	request->epoch = shard->epoch;
	request->seq = shard->seq;
	request->ms = shard->store->config.lease_ms;
	request->rewind = rewind;
	request->done = on_renewed;
	request->arg = shard;
	shard->renewing = true;
	shard->asked_ms = store_now_ms();
	shard->n_requests++;
	request_submit(request);
}

static void on_renewal(evutil_socket_t, short, void *arg)
{
	struct shard *shard = arg;

	if (shard->store->status.up)
		shard_renew(shard, false);
	else
		arm_renewal(shard);
}

void shard_unconfirm_all(struct store *store)
{
	struct table_node *node = NULL;

	while ((node = store_table_next(&store->shards, node)))
		((struct shard *)node)->confirmed = false;
}

bool shards_are_confirmed(const struct store *store)
{
	struct table_node *node = NULL;

	while ((node = store_table_next(&store->shards, node)))
		if (((struct shard *)node)->owned && !((struct shard *)node)->confirmed)
			return false;
	return true;
}

void shard_renew_all(struct store *store)
{
	struct table_node *node = NULL;

	while ((node = store_table_next(&store->shards, node)))
		shard_renew((struct shard *)node, false);
}

// A claim's answer. `n_there` records wait to be listed, and adopted or kept.
static void on_claimed(struct store_request *request, const struct store_internal_reply *reply)
{
	struct shard *shard = request->arg;
	struct store *store = shard->store;

	shard->n_requests--;
	if (reply->reply.result == STORE_OK && !store->closing) {
		shard->owned = shard->confirmed = true;
		shard->epoch = reply->reply.epoch;
		shard->seq = reply->seq;
		shard->n_there = reply->n_there;
		arm_renewal(shard);
		log_info(&log_store, "claimed", "shard=%s epoch=%" PRIu64, shard->name,
			shard->epoch);
		if (store->callbacks.shard)
			store->callbacks.shard(
				store->arg, shard->name, STORE_SHARD_OWNED, shard->epoch);
		tell_lease(shard);
	} else {
		shard->lost = true;
	}
	if (request->fn)
		request->fn(shard->release_arg, &reply->reply);
	shard_check_end(shard);
}

static struct shard *shard_create(struct store *store, const char *name)
{
	struct shard *shard = calloc(1, sizeof(*shard));

	if (!shard)
		return NULL;
	strcpy(shard->name, name);
	shard->store = store;
	TAILQ_INIT(&shard->dirty);
	shard->renewal = event_new(store->base, -1, 0, on_renewal, shard);
	if (shard->renewal && !store_table_insert(&store->shards, &shard->node, shard->name))
		return shard;
	if (shard->renewal)
		event_free(shard->renewal);
	free(shard);
	return NULL;
}

int store_claim(struct store *store, const char *name, store_reply_fn *fn, void *arg)
{
	struct store_request *request;
	struct shard *shard;

	if (!name_is_good(name, STORE_SHARD_MAX))
		return -EINVAL;
	if (shard_find(store, name))
		return -EALREADY;
	request = request_create(store, REQUEST_CLAIM, name);
	shard = request ? shard_create(store, name) : NULL;
	if (!shard) {
		free(request);
		return -ENOMEM;
	}
	request->ms = store->config.lease_ms;
	request->done = on_claimed;
	request->fn = fn;
	request->arg = shard;
	shard->release_arg = arg;
	shard->asked_ms = store_now_ms();
	shard->n_requests++;
	request_submit(request);
	return 0;
}

static void on_released(struct store_request *request, const struct store_internal_reply *reply)
{
	struct shard *shard = request->arg;

	shard->n_requests--;
	shard->owned = false;
	shard->lost = true;
	if (shard->release_fn)
		shard->release_fn(shard->release_arg, &reply->reply);
	shard_check_end(shard);
}

// A release is sent once all is saved, so that who claims next finds everything.
static void release_now(struct shard *shard)
{
	struct store_request *request = request_create(shard->store, REQUEST_RELEASE, shard->name);

	if (!request)
		return; // the next renewal comes by again
	request->epoch = shard->epoch;
	request->done = on_released;
	request->arg = shard;
	shard->releasing = false;
	shard->owned = false;
	event_del(shard->renewal);
	shard->n_requests++;
	request_submit(request);
}

int store_release(struct store *store, const char *name, store_reply_fn *fn, void *arg)
{
	struct shard *shard = shard_find(store, name);

	if (!shard || !shard->owned || shard->releasing)
		return -ENOENT;
	shard->releasing = true;
	shard->release_by_ms = store_now_ms() + store->config.lease_ms;
	shard->release_fn = fn;
	shard->release_arg = arg;
	journal_flush_soon(store, 0);
	return 0;
}

void shard_check_end(struct shard *shard)
{
	bool idle = !shard->n_batches && !shard->n_requests;

	if (shard->store->closing)
		return; // store_destroy() frees it
	// Where the store is away there is nobody to give it back to: the lease lapses by itself.
	if (shard->releasing && idle &&
		(TAILQ_EMPTY(&shard->dirty) || !shard->store->status.up ||
			store_now_ms() >= shard->release_by_ms))
		release_now(shard);
	else if (shard->lost && idle)
		shard_destroy(shard);
}
