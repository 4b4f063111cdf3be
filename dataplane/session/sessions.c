// The module: all sessions together, with the memory, rings and index that they are in; and what
// main does for them every few milliseconds.
#include <errno.h>
#include <rte_errno.h>
#include <rte_jhash.h>
#include <rte_malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "session.h"
#include "session_state.h"

#define NOTICES 4096

void sessions_on_farewell(struct sessions *sessions, leg_farewell_fn farewell, void *context)
{
	sessions->farewell = farewell;
	sessions->farewell_context = context;
}

struct leg_srtp_memory *sessions_srtp_memory(const struct sessions *sessions, unsigned int worker)
{
	return &sessions->memory[worker].keys;
}

struct leg_table *sessions_table(const struct sessions *sessions)
{
	return sessions->table;
}

void sessions_count(const struct sessions *sessions, struct sessions_counts *counts)
{
	const struct leg_table *table = sessions->table;

	*counts = (struct sessions_counts){
		.sessions = sessions->n_sessions,
		.legs = sessions->n_legs,
		.ports_used = sessions->n_ports_used,
		.deferred = sessions->deferred.n_waiting,
	};
	for (uint16_t i = 0; i < table->n_addresses; i++)
		for (unsigned int j = 0; j < table->n_workers; j++)
			counts->ports_free += table_ports_free(table, i, j);
}

static void reclaim(struct sessions *sessions, uint64_t now_ns)
{
	struct deferred_list passed;

	if (sessions->config.transcode)
		transcode_reap(sessions->config.transcode);
	if (!deferred_passed(&sessions->deferred, &passed))
		return;
	// A worker may have noticed something about a leg just before it passed.
	sessions_drain_notices(sessions, now_ns);
	deferred_free(&passed, sessions);
}

// What workers may need without asking.
static void refill(struct worker_memory *memory)
{
	leg_srtp_memory_refill(&memory->keys);
	spares_refill(&memory->xr_spares);
}

struct leg_xr *session_take_xr(const struct sessions *sessions, unsigned int worker)
{
	return spares_take(&sessions->memory[worker].xr_spares);
}

void sessions_tick(struct sessions *sessions, uint64_t now_ns)
{
	sessions_drain_notices(sessions, now_ns);
	sessions_scan(sessions, now_ns);
	reclaim(sessions, now_ns);
	for (unsigned int i = 0; i < sessions->config.n_workers; i++)
		refill(&sessions->memory[i]);
}

static int socket_of(const struct sessions *sessions, unsigned int worker)
{
	return sessions->config.socket_ids ? sessions->config.socket_ids[worker] : SOCKET_ID_ANY;
}

static int create_notices(struct sessions *sessions)
{
	for (unsigned int i = 0; i < sessions->config.n_workers; i++) {
		char name[RTE_RING_NAMESIZE];

		snprintf(name, sizeof(name), "notices-%u", i);
		sessions->notices[i] = rte_ring_create(
			name, NOTICES, socket_of(sessions, i), RING_F_SP_ENQ | RING_F_SC_DEQ);
		if (!sessions->notices[i])
			return -rte_errno;
	}
	return 0;
}

static int create_index(struct sessions *sessions)
{
	struct rte_hash_parameters parameters = {
		.name = "sessions",
		.entries = RTE_MAX(sessions->config.sessions_max, 8u),
		.key_len = sizeof(struct sl_id),
		.extra_flag = RTE_HASH_EXTRA_FLAGS_EXT_TABLE, // room for all of them, for certain
		.hash_func = rte_jhash,
		.socket_id = SOCKET_ID_ANY,
	};

	sessions->by_id = rte_hash_create(&parameters);
	return sessions->by_id ? 0 : -rte_errno;
}

// What a worker reads is on its NUMA node.
static int create_slabs(struct sessions *sessions)
{
	int rc = 0;

	for (unsigned int i = 0; i < sessions->config.n_workers && rc == 0; i++) {
		struct worker_memory *memory = &sessions->memory[i];
		int socket_id = socket_of(sessions, i);

		slab_init(&memory->legs, sizeof(struct leg), socket_id);
		slab_init(&memory->configs, sizeof(struct leg_config), socket_id);
		slab_init(&memory->wide_configs, sizeof(struct leg_config) + LEG_CONFIG_MORE_BYTES,
			socket_id);
		leg_formats_init(&memory->formats, socket_id);
		slab_init(&memory->feeds, sizeof(struct feed), socket_id);
		slab_init(&memory->srtp, 2 * sizeof(struct leg_srtp), socket_id);
		memory->dials = rte_zmalloc_socket(
			"dials", sizeof(struct dials), RTE_CACHE_LINE_SIZE, socket_id);
		rc = memory->dials ? leg_srtp_memory_init(&memory->keys, i, socket_id) : -ENOMEM;
		slab_init(&memory->xr, sizeof(struct leg_xr), socket_id);
		if (rc == 0)
			rc = spares_init(&memory->xr_spares, &memory->xr, "xr", i);
		if (rc == 0)
			spares_refill(&memory->xr_spares);
	}
	slab_init(&sessions->session_memory, sizeof(struct session), SOCKET_ID_ANY);
	slab_init(&sessions->more_legs, SL_LEGS_MAX * sizeof(struct leg *), SOCKET_ID_ANY);
	return rc;
}

static void destroy_slabs(struct sessions *sessions)
{
	for (unsigned int i = 0; sessions->memory && i < sessions->config.n_workers; i++) {
		slab_fini(&sessions->memory[i].legs);
		slab_fini(&sessions->memory[i].configs);
		slab_fini(&sessions->memory[i].wide_configs);
		leg_formats_fini(&sessions->memory[i].formats);
		slab_fini(&sessions->memory[i].feeds);
		slab_fini(&sessions->memory[i].srtp);
		rte_free(sessions->memory[i].dials);
		leg_srtp_memory_fini(&sessions->memory[i].keys);
		spares_fini(&sessions->memory[i].xr_spares);
		slab_fini(&sessions->memory[i].xr);
	}
	free(sessions->memory);
	slab_fini(&sessions->session_memory);
	slab_fini(&sessions->more_legs);
}

size_t sessions_memory_bytes(unsigned int n_sessions, bool secure)
{
	const size_t leg_bytes[] = {
		sizeof(struct leg), sizeof(struct leg_config), sizeof(struct feed)};
	const size_t context_bytes = srtp_context_least_bytes(SRTP_SUITE_AES_CM_128_HMAC_SHA1_80);
	size_t bytes = slab_bytes(sizeof(struct session), n_sessions) +
		       slab_bytes(sizeof(struct leg_formats), 1); // few, for all legs

	for (size_t i = 0; i < RTE_DIM(leg_bytes); i++)
		bytes += slab_bytes(leg_bytes[i], 2 * n_sessions);
	if (secure)
		bytes += slab_bytes(2 * sizeof(struct leg_srtp), 2 * n_sessions) +
			 slab_bytes(context_bytes, 4 * n_sessions);
	return bytes;
}

static int create_arrays(struct sessions *sessions)
{
	uint32_t n = sessions->config.sessions_max;

	sessions->slots = calloc(n, sizeof(*sessions->slots));
	sessions->free_slots = calloc(n, sizeof(*sessions->free_slots));
	sessions->worker_legs = calloc(sessions->config.n_workers, sizeof(*sessions->worker_legs));
	sessions->notices = calloc(sessions->config.n_workers, sizeof(struct rte_ring *));
	sessions->memory = calloc(sessions->config.n_workers, sizeof(*sessions->memory));
	if (!sessions->slots || !sessions->free_slots || !sessions->worker_legs ||
		!sessions->notices || !sessions->memory)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) // the lowest is taken first
		sessions->free_slots[i] = n - 1 - i;
	sessions->n_free_slots = n;
	return create_slabs(sessions);
}

struct sessions *sessions_create(const struct sessions_config *config)
{
	struct sessions *sessions = calloc(1, sizeof(*sessions));
	int rc = -ENOMEM;

	if (!sessions)
		goto fail;
	sessions->config = *config;
	deferred_init(&sessions->deferred, config->rcu);
	sessions->srtp = srtp_engine_create(NULL, NULL);
	if (!sessions->srtp)
		goto fail;
	sessions->table = table_create(config->realms, config->n_workers);
	if (!sessions->table)
		goto fail;
	rc = create_arrays(sessions);
	if (rc == 0)
		rc = create_notices(sessions);
	if (rc == 0)
		rc = create_index(sessions);
	if (rc == 0)
		return sessions;
fail:
	sessions_destroy(sessions);
	errno = -rc;
	return NULL;
}

static void delete_all(struct sessions *sessions)
{
	struct session *session;
	uint32_t cursor = 0;

	while ((session = sessions_next(sessions, &cursor)))
		session_delete(sessions, session);
	sessions->config.event = NULL;
	sessions->farewell = NULL;
	reclaim(sessions, clock_now_ns());
}

void sessions_destroy(struct sessions *sessions)
{
	if (!sessions)
		return;
	if (sessions->by_id)
		delete_all(sessions);
	rte_hash_free(sessions->by_id);
	for (unsigned int i = 0; sessions->notices && i < sessions->config.n_workers; i++)
		rte_ring_free(sessions->notices[i]);
	table_destroy(sessions->table);
	srtp_engine_destroy(sessions->srtp);
	destroy_slabs(sessions);
	free(sessions->slots);
	free(sessions->free_slots);
	free(sessions->worker_legs);
	free(sessions->notices);
	free(sessions);
}
