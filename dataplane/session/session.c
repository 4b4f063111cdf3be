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
	leg_key_release(config->keys[SRTP_RECEIVE]);
	leg_key_release(config->keys[SRTP_SEND]);
	rte_free(config->bundle);
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
	leg_srtp_fini(&leg->srtp[SRTP_RECEIVE]);
	leg_srtp_fini(&leg->srtp[SRTP_SEND]);
	rte_free(leg->streams);
	transcode_feedback_release(leg->control.feedback);
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
	leave_slot(sessions, leg);
	sessions->n_legs--;
	sessions->worker_legs[leg->worker]--;
	leg->control.session = NULL;
	deferred_add(&sessions->deferred, &leg->control.deferred, leg_passed);
}

// The feed is in no published configuration any more.
static void feed_unlink(struct sessions *sessions, struct feed *feed, struct leg *from)
{
	feed_stats_add(feed, &from->control.transcoded, &from->control.concealed,
		&from->control.transcode_ns);
	feed_stop(feed);
	deferred_add(&sessions->deferred, &feed->deferred, feed_passed);
}

static void hold_hops(struct sessions *sessions, struct leg *leg, struct leg_config *config,
	const struct sl_leg *wanted)
{
	struct sl_address rtcp = wanted->remote_rtcp;
	struct leg_latch latch = leg_latch_read(&leg->latch);

	if (!sessions->config.hops)
		return;
	if (wanted->remote.family != SL_UNSPEC)
		config->hop = next_hop_hold(sessions->config.hops, &wanted->local, &wanted->remote);
	if (rtcp.family != SL_UNSPEC && !(wanted->flags & SL_LEG_RTCP_MUX))
		config->hop_rtcp = next_hop_hold(sessions->config.hops, &wanted->local, &rtcp);
	else if (wanted->remote.family != SL_UNSPEC)
		config->hop_rtcp =
			next_hop_hold(sessions->config.hops, &wanted->local, &wanted->remote);
	if (leg_latch_holds(&latch, config))
		config->hop_latched = leg_hold_latched(sessions, wanted, &latch);
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

// A configuration like the one in force, but for the SSRC.
int leg_change_ssrc(struct sessions *sessions, struct leg *leg)
{
	struct sl_leg *wanted = &leg->control.session->wanted->legs[leg->index];
	struct leg_config *config = slab_take(&sessions->memory[leg->worker].configs);
	struct leg_config *old = leg->config;

	if (!config)
		return -ENOMEM;
	*config = *old;
	config->ssrc = wanted->ssrc = ssrc_choose();
	config->generation = ++sessions->generation;
	config->hop = config->hop_rtcp = config->hop_latched = NULL;
	hold_hops(sessions, leg, config, wanted);
	leg_key_hold(config->keys[SRTP_RECEIVE]);
	leg_key_hold(config->keys[SRTP_SEND]);
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
	leg->control.had_keys |= planned->config->secure;
	__atomic_store_n(&leg->config, planned->config, __ATOMIC_RELEASE);
	if (old)
		deferred_add(&sessions->deferred, &old->deferred, config_passed);
	commit_slot(sessions, planned);
}

// After all configurations are published: what none of them knows any more.
static void retire(struct session *session, const struct session_plan *plan)
{
	const struct sl_session *was = session->wanted;

	for (unsigned int i = 0; was && i < was->n_legs; i++) {
		bool stays = i < plan->session->n_legs;
		struct feed *feed = session->feeds[i];

		if (feed && !(stays && plan->legs[i].feed == feed))
			feed_unlink(plan->sessions, feed, session->legs[was->legs[i].source]);
		session->feeds[i] = NULL;
	}
	for (unsigned int i = plan->session->n_legs; was && i < was->n_legs; i++) {
		leg_unlink(plan->sessions, session->legs[i]);
		session->legs[i] = NULL;
	}
}

static void commit(struct session *session, const struct session_plan *plan,
	struct sl_session *wanted, void *record)
{
	// A new leg may be sent to as soon as one that feeds or carries it is seen.
	for (unsigned int i = 0; i < plan->session->n_legs; i++) {
		hold_hops(plan->sessions, plan->legs[i].leg, plan->legs[i].config,
			&plan->session->legs[i]);
		if (plan->legs[i].leg_is_new)
			commit_new_leg(session, plan, i);
	}
	for (unsigned int i = 0; i < plan->session->n_legs; i++)
		commit_leg(plan, i);
	retire(session, plan);
	for (unsigned int i = 0; i < plan->session->n_legs; i++)
		session->feeds[i] = plan->legs[i].feed;
	free(session->wanted);
	free(session->record);
	session->wanted = wanted;
	session->record = record;
}

// No copy of a key is left behind but those that are in use (leg_srtp.h).
static void forget_keys(struct sl_session *session)
{
	for (unsigned int i = 0; i < session->n_legs; i++) {
		leg_srtp_forget(&session->legs[i].srtp_receive);
		leg_srtp_forget(&session->legs[i].srtp_send);
	}
}

static size_t session_bytes(const struct sl_session *session)
{
	return offsetof(struct sl_session, legs) + session->n_legs * sizeof(session->legs[0]);
}

// A slot and a place in the hash for a new session.
static int session_enter(struct sessions *sessions, struct session *session, const struct sl_id *id)
{
	if (sessions->n_free_slots == 0 || rte_hash_add_key_data(sessions->by_id, id, session) < 0)
		return -ENOSPC;
	session->slot = sessions->free_slots[--sessions->n_free_slots];
	sessions->slots[session->slot] = session;
	if (session->slot >= sessions->slots_used)
		sessions->slots_used = session->slot + 1;
	sessions->n_sessions++;
	return 0;
}

static void session_leave(
	struct sessions *sessions, const struct session *session, const struct sl_id *id)
{
	rte_hash_del_key(sessions->by_id, id);
	sessions->slots[session->slot] = NULL;
	sessions->free_slots[sessions->n_free_slots++] = session->slot;
	sessions->n_sessions--;
}

// What the session keeps of its wanted state: filled in after the plan has chosen.
struct keepsake {
	struct session *session;
	struct sl_session *wanted;
	void *record;
};

static int keepsake_take(struct keepsake *keep, struct session *old,
	const struct sl_session *wanted, const void *record)
{
	keep->session = old ? old : calloc(1, sizeof(*keep->session));
	keep->wanted = malloc(session_bytes(wanted));
	keep->record = malloc(wanted->record_length + 1u);
	if (!keep->session || !keep->wanted || !keep->record)
		return -ENOMEM;
	if (wanted->record_length)
		memcpy(keep->record, record, wanted->record_length);
	return 0;
}

static void keepsake_drop(struct keepsake *keep, const struct session *old)
{
	if (keep->session != old)
		free(keep->session);
	free(keep->wanted);
	free(keep->record);
}

int session_set(struct sessions *sessions, const struct sl_session *wanted, const void *record,
	struct sl_session *session, const char **why)
{
	struct session *old = session_find(sessions, &wanted->id);
	struct session_plan plan = {.sessions = sessions, .old = old, .session = session};
	struct keepsake keep = {};
	int rc = session_check(wanted, why);

	if (rc)
		return rc;
	memcpy(session, wanted, session_bytes(wanted));
	plan.now_ns = clock_now_ns();
	*why = "memory";
	rc = keepsake_take(&keep, old, wanted, record);
	if (rc)
		goto fail;
	if (!old) {
		*why = "no session is left";
		rc = session_enter(sessions, keep.session, &wanted->id);
		if (rc)
			goto fail;
		keep.session->created_ns = plan.now_ns;
	}
	rc = session_plan_make(&plan, why);
	if (rc)
		goto fail_entered;
	forget_keys(session);
	keep.session->worker = plan.worker;
	memcpy(keep.wanted, session, session_bytes(session));
	commit(keep.session, &plan, keep.wanted, keep.record);
	return 0;

fail_entered:
	if (!old)
		session_leave(sessions, keep.session, &wanted->id);
fail:
	forget_keys(session);
	keepsake_drop(&keep, old);
	return rc;
}

struct session *session_find(const struct sessions *sessions, const struct sl_id *id)
{
	void *found;

	return rte_hash_lookup_data(sessions->by_id, id, &found) < 0 ? NULL : found;
}

void session_delete(struct sessions *sessions, struct session *session)
{
	const struct sl_session *was = session->wanted;

	session_leave(sessions, session, &was->id);
	for (unsigned int i = 0; i < was->n_legs; i++)
		if (session->feeds[i])
			feed_unlink(
				sessions, session->feeds[i], session->legs[was->legs[i].source]);
	for (unsigned int i = 0; i < was->n_legs; i++)
		leg_unlink(sessions, session->legs[i]);
	free(session->wanted);
	free(session->record);
	free(session);
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

void sessions_tick(struct sessions *sessions, uint64_t now_ns)
{
	sessions_drain_notices(sessions, now_ns);
	sessions_scan(sessions, now_ns);
	reclaim(sessions, now_ns);
}

static int create_notices(struct sessions *sessions)
{
	for (unsigned int i = 0; i < sessions->config.n_workers; i++) {
		char name[RTE_RING_NAMESIZE];

		snprintf(name, sizeof(name), "notices-%u", i);
		sessions->notices[i] = rte_ring_create(
			name, NOTICES, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
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
static void create_slabs(struct sessions *sessions)
{
	for (unsigned int i = 0; i < sessions->config.n_workers; i++) {
		struct worker_memory *memory = &sessions->memory[i];
		int socket_id = sessions->config.socket_ids ? sessions->config.socket_ids[i]
							    : SOCKET_ID_ANY;

		slab_init(&memory->legs, sizeof(struct leg), socket_id);
		slab_init(&memory->configs, sizeof(struct leg_config), socket_id);
		slab_init(&memory->feeds, sizeof(struct feed), socket_id);
	}
}

static void destroy_slabs(struct sessions *sessions)
{
	for (unsigned int i = 0; sessions->memory && i < sessions->config.n_workers; i++) {
		slab_fini(&sessions->memory[i].legs);
		slab_fini(&sessions->memory[i].configs);
		slab_fini(&sessions->memory[i].feeds);
	}
	free(sessions->memory);
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
	create_slabs(sessions);
	for (uint32_t i = 0; i < n; i++) // the lowest is taken first
		sessions->free_slots[i] = n - 1 - i;
	sessions->n_free_slots = n;
	return 0;
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
