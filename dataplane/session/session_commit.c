// The second half of SL_SESSION_SET: a plan comes into force, and what it replaces goes. Removal is
// always: unlink from the table and from every configuration, wait for the workers (deferred.h),
// free.
#include "session_commit.h"

#include <errno.h>
#include <rte_malloc.h>
#include <stdlib.h>
#include <string.h>

#include "feed.h"

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
void leg_unlink(struct sessions *sessions, struct leg *leg)
{
	dial_leave(sessions->memory[leg->worker].dials, leg);
	leave_slot(sessions, leg);
	sessions->n_legs--;
	sessions->worker_legs[leg->worker]--;
	leg->control.session = NULL;
	deferred_add(&sessions->deferred, &leg->control.deferred, leg_passed);
}

// The feed is in no published configuration any more.
void feed_unlink(struct sessions *sessions, struct feed *feed, struct leg *from)
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

void session_commit(
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
