// The second half of SL_SESSION_SET, deletion, and the module. Removal is always: unlink from the
// table and from every configuration, wait for the workers (deferred.h), free.
#include "session.h"

#include <errno.h>
#include <rte_errno.h>
#include <rte_jhash.h>
#include <rte_malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "feed.h"
#include "session_plan.h"
#include "session_state.h"

#define NOTICES 4096

static void release_hop(struct sessions *sessions, const struct next_hop *hop)
{
	if (hop)
		next_hop_release(sessions->config.hops, hop);
}

static void config_free(struct sessions *sessions, struct leg_config *config)
{
	release_hop(sessions, config->hop);
	release_hop(sessions, config->hop_rtcp);
	release_hop(sessions, config->hop_latched);
	leg_key_release(config->contexts[SRTP_RECEIVE]);
	leg_key_release(config->contexts[SRTP_SEND]);
	leg_shared_release(config->shared);
	leg_formats_release(config->formats);
	slab_return(config);
}

static void config_passed(struct deferred *deferred, void *context)
{
	config_free(context, container_of(deferred, struct leg_config, deferred));
}

static void feed_passed(struct deferred *deferred, void *context)
{
	struct sessions *sessions = context;

	feed_destroy(container_of(deferred, struct feed, deferred), sessions->config.transcode);
}

static void leg_passed(struct deferred *deferred, void *context)
{
	struct leg *leg = container_of(deferred, struct leg, control.deferred);
	struct sessions *sessions = context;

	if (sessions->farewell)
		sessions->farewell(sessions->farewell_context, leg, sessions->srtp);
	config_free(sessions, leg->config);
	leg_srtp_destroy(leg->srtp);
	rte_free(leg->streams);
	leg_codecs_destroy(leg->control.codecs);
	slab_return(leg->xr);
	free(leg->control.quality);
	slab_return(leg);
}

// A leg that shares a transport has no ports.
static void leave_slot(struct sessions *sessions, struct leg *leg)
{
	if (!leg->control.slot.udp_port)
		return;
	table_link(sessions->table, &leg->control.slot, NULL);
	table_port_return(sessions->table, &leg->control.slot);
	sessions->n_ports_used--;
}

// Nobody finds the leg any more; its ports are free for others.
static void leg_unlink(struct sessions *sessions, struct leg *leg)
{
	dial_leave(sessions->memory[leg->worker].dials, leg);
	leave_slot(sessions, leg);
	sessions->n_legs--;
	sessions->worker_legs[leg->worker]--;
	leg->control.session = NULL;
	deferred_add(&sessions->deferred, &leg->control.deferred, leg_passed);
}

// The feed is in no published configuration any more.
static void feed_unlink(struct sessions *sessions, struct feed *feed, struct leg *from)
{
	struct leg_codecs *coded = from->control.codecs;

	if (coded)
		feed_stats_add(feed, &coded->transcoded, &coded->concealed, &coded->transcode_ns);
	feed_stop(feed);
	deferred_add(&sessions->deferred, &feed->deferred, feed_passed);
}

static void hold_hops(
	const struct sessions *sessions, const struct leg *leg, struct leg_config *config)
{
	struct leg_latch latch = leg_latch_read(&leg->latch);

	config->hop = leg_hold_hop(sessions, config, &config->remote);
	config->hop_rtcp = leg_hold_hop(sessions, config, &config->remote_rtcp);
	if (leg_latch_holds(&latch, config))
		config->hop_latched = leg_hold_hop(sessions, config, &latch.from);
}

// Time-outs begin anew where what is expected of the leg changes.
static void begin_regime(struct leg *leg, const struct leg_config *old,
	const struct leg_config *config, uint64_t now_ns)
{
	if (old && ((old->flags ^ config->flags) & (SL_LEG_HELD | SL_LEG_RECEIVE)) == 0)
		return;
	leg->control.regime_ns = now_ns;
	leg->control.timed_out = false;
	leg->control.one_way = false;
}

static int leg_keys_hold(struct srtp_context *const contexts[2])
{
	int rc = leg_key_hold(contexts[SRTP_RECEIVE]);

	if (rc == 0 && (rc = leg_key_hold(contexts[SRTP_SEND])))
		leg_key_release(contexts[SRTP_RECEIVE]);
	return rc;
}

// A configuration like the one in force, but for the SSRC.
int leg_change_ssrc(struct sessions *sessions, struct leg *leg)
{
	struct leg_config *old = leg->config;
	struct slab *configs = worker_configs(&sessions->memory[leg->worker], old->n_feeds);
	struct leg_config *config = slab_take(configs);

	if (!config || leg_keys_hold(old->contexts)) {
		slab_return(config);
		return -ENOMEM;
	}
	memcpy(config, old, configs->object_bytes);
	leg_formats_hold(config->formats);
	if (config->shared)
		config->shared->n_configs++;
	config->ssrc = ssrc_choose();
	config->generation = ++sessions->generation;
	config->hop = config->hop_rtcp = config->hop_latched = NULL;
	hold_hops(sessions, leg, config);
	__atomic_store_n(&leg->config, config, __ATOMIC_RELEASE);
	deferred_add(&sessions->deferred, &old->deferred, config_passed);
	return 0;
}

static void commit_slot(struct sessions *sessions, const struct planned_leg *planned)
{
	struct leg *leg = planned->leg;

	if (planned->slot_is_new) {
		table_link(sessions->table, &planned->slot, leg);
		sessions->n_ports_used++;
	}
	if (planned->slot_is_new || !planned->slot.udp_port)
		leave_slot(sessions, leg); // it moves
	leg->control.slot = planned->slot;
}

// Nobody knows the leg yet.
static void commit_new_leg(struct session *session, const struct session_plan *plan, unsigned int i)
{
	const struct planned_leg *planned = &plan->legs[i];
	struct leg *leg = planned->leg;

	leg->control.session = session;
	leg->config = planned->config;
	session->legs[i] = leg;
	plan->sessions->n_legs++;
	plan->sessions->worker_legs[leg->worker]++;
}

static void commit_leg(const struct session_plan *plan, unsigned int i)
{
	const struct planned_leg *planned = &plan->legs[i];
	struct sessions *sessions = plan->sessions;
	struct leg *leg = planned->leg;
	struct leg_config *old = planned->leg_is_new ? NULL : leg->config;

	begin_regime(leg, old, planned->config, plan->now_ns);
	__atomic_store_n(&leg->config, planned->config, __ATOMIC_RELEASE);
	if (old)
		deferred_add(&sessions->deferred, &old->deferred, config_passed);
	commit_slot(sessions, planned);
}

// After all configurations are published: what none of them knows any more.
static void retire(struct session *session, const struct session_plan *plan)
{
	const struct sl_session *was = plan->was;

	for (unsigned int i = 0; was && i < was->n_legs; i++) {
		bool stays = i < plan->session->n_legs;
		struct feed *feed = session->legs[i]->control.feed;

		if (feed && !(stays && plan->legs[i].feed == feed))
			feed_unlink(plan->sessions, feed, session->legs[was->legs[i].source]);
	}
	for (unsigned int i = plan->session->n_legs; was && i < was->n_legs; i++) {
		leg_unlink(plan->sessions, session->legs[i]);
		session->legs[i] = NULL;
	}
}

static void commit(
	struct session *session, const struct session_plan *plan, struct wanted_state *wanted)
{
	// A new leg may be sent to as soon as one that feeds or carries it is seen.
	for (unsigned int i = 0; i < plan->session->n_legs; i++) {
		hold_hops(plan->sessions, plan->legs[i].leg, plan->legs[i].config);
		if (plan->legs[i].leg_is_new)
			commit_new_leg(session, plan, i);
	}
	for (unsigned int i = 0; i < plan->session->n_legs; i++)
		commit_leg(plan, i);
	retire(session, plan);
	for (unsigned int i = 0; i < plan->session->n_legs; i++)
		session->legs[i]->control.feed = plan->legs[i].feed;
	wanted_state_destroy(session->wanted);
	session->wanted = wanted;
	session->n_legs = plan->session->n_legs;
}

// No copy of a key is left behind but those that are in use (leg_srtp.h).
static void forget_keys(struct sl_session *session)
{
	for (unsigned int i = 0; i < session->n_legs; i++) {
		leg_srtp_forget(&session->legs[i].srtp_receive);
		leg_srtp_forget(&session->legs[i].srtp_send);
	}
}

// A slot and a place in the hash for a new session.
static struct session *session_enter(
	struct sessions *sessions, const struct sl_id *id, uint64_t now_ns)
{
	struct session *session = slab_take(&sessions->session_memory);

	errno = ENOMEM;
	if (!session)
		return NULL;
	errno = ENOSPC;
	if (sessions->n_free_slots == 0 ||
		rte_hash_add_key_data(sessions->by_id, id, session) < 0) {
		slab_return(session);
		return NULL;
	}
	session->id = *id;
	session->legs = session->few;
	session->created_ns = now_ns;
	session->slot = sessions->free_slots[--sessions->n_free_slots];
	sessions->slots[session->slot] = session;
	if (session->slot >= sessions->slots_used)
		sessions->slots_used = session->slot + 1;
	sessions->n_sessions++;
	return session;
}

static void session_leave(struct sessions *sessions, struct session *session)
{
	rte_hash_del_key(sessions->by_id, &session->id);
	sessions->slots[session->slot] = NULL;
	sessions->free_slots[sessions->n_free_slots++] = session->slot;
	sessions->n_sessions--;
	wanted_state_destroy(session->wanted);
	if (session->legs != session->few)
		slab_return(session->legs);
	slab_return(session);
}

static int make_place(struct sessions *sessions, struct session *session, unsigned int n_legs)
{
	struct leg **legs;

	if (n_legs <= SESSION_LEGS || session->legs != session->few)
		return 0;
	legs = slab_take(&sessions->more_legs);
	if (!legs)
		return -ENOMEM;
	memcpy(legs, session->few, sizeof(session->few));
	session->legs = legs;
	return 0;
}

// What was wanted, but for what session_wanted() finds in the legs.
static struct wanted_state *keep(const struct sl_session *session, const void *record)
{
	struct sl_session kept;

	memcpy(&kept, session, session_bytes(session));
	for (unsigned int i = 0; i < kept.n_legs; i++)
		memset(kept.legs[i].formats, 0, sizeof(kept.legs[i].formats));
	return wanted_state_create(&kept, record);
}

// Plan, keep what was wanted, commit: `session` is there, new or old.
static int session_apply(
	struct session *session, struct session_plan *plan, const void *record, const char **why)
{
	struct wanted_state *wanted;
	int rc = session_plan_make(plan, why);

	if (rc)
		return rc;
	forget_keys(plan->session);
	*why = "memory";
	if (make_place(plan->sessions, session, plan->session->n_legs)) {
		session_plan_undo(plan);
		return -ENOMEM;
	}
	wanted = keep(plan->session, record);
	if (!wanted) {
		session_plan_undo(plan);
		return -ENOMEM;
	}
	session->worker = (uint16_t)plan->worker;
	commit(session, plan, wanted);
	session_dial_again(plan->sessions, session);
	return 0;
}

int session_set(struct sessions *sessions, const struct sl_session *wanted, const void *record,
	struct sl_session *session, const char **why)
{
	struct session *old = session_find(sessions, &wanted->id), *entered = old;
	struct session_plan plan = {.sessions = sessions, .old = old, .session = session};
	int rc = session_check(wanted, why);

	if (rc)
		return rc;
	plan.now_ns = clock_now_ns();
	if (old) {
		session_wanted(old, &sessions->was);
		plan.was = &sessions->was;
	} else {
		*why = "no session is left";
		entered = session_enter(sessions, &wanted->id, plan.now_ns);
	}
	if (!entered)
		return -errno;
	memcpy(session, wanted, session_bytes(wanted));
	rc = session_apply(entered, &plan, record, why);
	forget_keys(session);
	if (rc && !old)
		session_leave(sessions, entered);
	return rc;
}

struct session *session_find(const struct sessions *sessions, const struct sl_id *id)
{
	void *found;

	return rte_hash_lookup_data(sessions->by_id, id, &found) < 0 ? NULL : found;
}

void session_delete(struct sessions *sessions, struct session *session)
{
	for (unsigned int i = 0; i < session->n_legs; i++)
		if (session->legs[i]->control.feed)
			feed_unlink(sessions, session->legs[i]->control.feed,
				session->legs[session->legs[i]->config->source]);
	for (unsigned int i = 0; i < session->n_legs; i++)
		leg_unlink(sessions, session->legs[i]);
	session_leave(sessions, session);
}

struct session *sessions_next(const struct sessions *sessions, uint32_t *cursor)
{
	while (*cursor < sessions->slots_used) {
		struct session *session = sessions->slots[(*cursor)++];

		if (session)
			return session;
	}
	return NULL;
}

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

size_t sessions_memory_bytes(unsigned int n_sessions)
{
	const size_t leg_bytes[] = {sizeof(struct leg), sizeof(struct leg_config),
		sizeof(struct feed), 2 * sizeof(struct leg_srtp)};
	size_t bytes = slab_bytes(sizeof(struct session), n_sessions);

	for (size_t i = 0; i < RTE_DIM(leg_bytes); i++)
		bytes += slab_bytes(leg_bytes[i], 2 * n_sessions);
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
