// Steps of a plan, in order: worker, ports, legs, feeds, configurations, formats, bundles, keys.
// Each takes something for every leg; undoing goes over the legs and gives back what is marked as
// new.
#include "session_plan.h"

#include <errno.h>
#include <rte_malloc.h>
#include <rte_random.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "feed.h"

#define REPORT_NS   5000000000ULL
#define FLOW_LABELS (1 << 20) // RFC 6437

static bool has_ports(const struct session_plan *plan, unsigned int worker)
{
	const struct leg_table *table = plan->sessions->table;
	unsigned int wanted[TABLE_ADDRESSES_MAX] = {};

	for (unsigned int i = 0; i < plan->session->n_legs; i++) {
		int address = table_address_find(table, &plan->session->legs[i].local);

		if (address >= 0 && plan->session->legs[i].local.port == 0 &&
			++wanted[address] > table_ports_free(table, (uint16_t)address, worker))
			return false;
	}
	return true;
}

// The worker of a new session: the one whose slice its first exact port is in, else the one with
// the fewest legs that has the ports. (Exact ports of several slices are taken all the same, after
// a restart with another number of workers: the leg says who owns it, not the slice.)
static void choose_worker(struct session_plan *plan)
{
	const struct sessions *sessions = plan->sessions;
	unsigned int best = 0;
	bool found = false;

	for (unsigned int i = 0; i < plan->session->n_legs; i++) {
		const struct sl_address *local = &plan->session->legs[i].local;
		int address = table_address_find(sessions->table, local);
		int worker = address < 0 ? address
					 : table_port_worker(
						   sessions->table, (uint16_t)address, local->port);

		if (worker >= 0) {
			plan->worker = (unsigned int)worker;
			return;
		}
	}
	for (unsigned int i = 0; i < sessions->config.n_workers; i++) {
		if (!has_ports(plan, i))
			continue;
		if (!found || sessions->worker_legs[i] < sessions->worker_legs[best])
			best = i;
		found = true;
	}
	plan->worker = best;
}

static int plan_slot(struct session_plan *plan, unsigned int i, const char **why)
{
	struct leg_table *table = plan->sessions->table;
	struct sl_address *local = &plan->session->legs[i].local;
	const struct sl_leg *old = plan_old_leg(plan, i);
	struct planned_leg *leg = &plan->legs[i];
	int address = table_address_find(table, local);
	int rc;

	if (plan->session->legs[i].transport != SL_NO_LEG)
		return 0;
	*why = "no local address of ours";
	if (address < 0)
		return address;
	if (old && old->local.family == local->family &&
		!memcmp(old->local.bytes, local->bytes, sizeof(local->bytes)) &&
		(local->port == 0 || local->port == old->local.port)) {
		leg->slot = plan->old->legs[i]->control.slot;
		local->port = leg->slot.udp_port;
		return 0;
	}
	*why = local->port ? "the local port" : "no port is left";
	if (local->port)
		rc = table_port_take_exact(table, (uint16_t)address, local->port, &leg->slot);
	else
		rc = table_port_take(table, (uint16_t)address, plan->worker, &leg->slot);
	if (rc)
		return rc;
	leg->slot_is_new = true;
	local->port = leg->slot.udp_port;
	return 0;
}

static uint64_t random_first_report(uint64_t now_ns)
{
	return now_ns + REPORT_NS / 2 + rte_rand_max(REPORT_NS / 2);
}

static struct leg *create_leg(const struct session_plan *plan, unsigned int i)
{
	struct leg *leg = slab_take(&plan_memory_of(plan)->legs);

	if (!leg)
		return NULL;
	leg->worker = (uint16_t)plan->worker;
	leg->session = plan->session->id;
	leg->index = (uint8_t)i;
	leg->cname = rte_rand();
	leg->flow_label = 2 + (uint32_t)rte_rand_max(FLOW_LABELS - 2); // RTCP's: ^ 1, nor 0
	leg->rx.pt = SL_NO_PT;
	leg->control.created_ns = plan->now_ns;
	leg->control.regime_ns = plan->now_ns;
	leg->tx.report_ns = random_first_report(plan->now_ns);
	return leg;
}

uint32_t ssrc_choose(void)
{
	uint32_t ssrc;

	do {
		ssrc = (uint32_t)rte_rand();
	} while (ssrc == 0);
	return ssrc;
}

static int plan_leg(struct session_plan *plan, unsigned int i, const char **why)
{
	const struct sl_leg *old = plan_old_leg(plan, i);
	struct sl_leg *wanted = &plan->session->legs[i];
	struct planned_leg *leg = &plan->legs[i];

	*why = "memory";
	leg->leg_is_new = !old;
	leg->leg = old ? plan->old->legs[i] : create_leg(plan, i);
	if (!leg->leg)
		return -ENOMEM;
	if (!wanted->ssrc)
		wanted->ssrc = old ? old->ssrc : ssrc_choose();
	else if (old && wanted->ssrc == leg->leg->control.left_ssrc)
		wanted->ssrc = old->ssrc; // it was in use over there
	return 0;
}

// Flags that a feed depends on.
#define FEED_FLAGS (SL_LEG_OPAQUE | SL_LEG_DTMF_INBAND | SL_LEG_DTMF_REPORT | SL_LEG_DTMF_SEND)

static bool is_same_formats(const struct sl_leg *a, const struct sl_leg *b)
{
	return a->n_formats == b->n_formats && ((a->flags ^ b->flags) & FEED_FLAGS) == 0 &&
	       !memcmp(a->formats, b->formats, a->n_formats * sizeof(a->formats[0]));
}

static bool is_same_jitter_buffer(const struct sl_leg *a, const struct sl_leg *b)
{
	return a->jitter_buffer == b->jitter_buffer && a->jitter_ms == b->jitter_ms &&
	       a->jitter_max_ms == b->jitter_max_ms;
}

// A feed may stay where both its ends are the same legs with the same formats: a hold or a new
// remote address does not disturb a codec.
static bool keeps_feed(const struct session_plan *plan, unsigned int i)
{
	uint8_t source = plan->session->legs[i].source;
	const struct sl_leg *old_to = plan_old_leg(plan, i);
	const struct sl_leg *old_from = source == SL_NO_LEG ? NULL : plan_old_leg(plan, source);

	return old_to && old_from && old_to->source == source &&
	       is_same_formats(old_to, &plan->session->legs[i]) &&
	       is_same_formats(old_from, &plan->session->legs[source]) &&
	       is_same_jitter_buffer(old_from, &plan->session->legs[source]);
}

static int plan_feed(struct session_plan *plan, unsigned int i, const char **why)
{
	const struct sl_leg *to = &plan->session->legs[i];
	struct planned_leg *leg = &plan->legs[i];

	if (to->source == SL_NO_LEG)
		return 0;
	if (keeps_feed(plan, i)) {
		leg->feed = plan->old->legs[i]->control.feed;
		return 0;
	}
	*why = "no way from the source's first format to the leg's";
	leg->feed = feed_create(&(struct feed_end){plan->legs[to->source].leg,
					&plan->session->legs[to->source], plan->refusable},
		&(struct feed_end){leg->leg, to, false}, plan->sessions->config.transcode,
		&plan_memory_of(plan)->feeds);
	if (!leg->feed) {
		*why = errno == EBUSY ? "the transcoders are full" : *why;
		return -errno;
	}
	leg->feed_is_new = true;
	return 0;
}

void session_plan_undo(struct session_plan *plan)
{
	struct sessions *sessions = plan->sessions;

	for (unsigned int i = 0; i < plan->session->n_legs; i++) {
		struct planned_leg *leg = &plan->legs[i];

		if (leg->config) {
			leg_key_release(leg->config->contexts[SRTP_RECEIVE]);
			leg_key_release(leg->config->contexts[SRTP_SEND]);
			leg_shared_release(leg->config->shared);
			leg_formats_release(leg->config->formats);
		}
		slab_return(leg->config);
		if (leg->feed_is_new) {
			feed_stop(leg->feed);
			feed_destroy(leg->feed, sessions->config.transcode);
		}
		if (leg->leg_is_new && leg->leg) {
			leg_codecs_destroy(leg->leg->control.codecs);
			leg_srtp_destroy(leg->leg->srtp);
			rte_free(leg->leg->streams);
			slab_return(leg->leg);
		}
		if (leg->slot_is_new)
			table_port_return(sessions->table, &leg->slot);
	}
}

// Transcoders that are full refuse new calls, not what is up: media that passes already and begins
// to need codecs, and sessions that come back after a restart, with the ports that they had.
static bool is_refusable(const struct session_plan *plan)
{
	const struct sl_session *old = plan->old ? plan->was : NULL;

	for (unsigned int i = 0; old && i < old->n_legs; i++)
		if (old->legs[i].source != SL_NO_LEG)
			return false;
	for (unsigned int i = 0; !old && i < plan->session->n_legs; i++)
		if (plan->session->legs[i].local.port != 0)
			return false;
	return true;
}

int session_plan_make(struct session_plan *plan, const char **why)
{
	static int (*const steps[])(struct session_plan *, unsigned int, const char **) = {
		plan_slot, plan_leg, plan_feed, plan_config, plan_formats, plan_bundle, plan_keys};
	int rc = 0;

	if (plan->old)
		plan->worker = plan->old->worker;
	else
		choose_worker(plan);
	plan->refusable = is_refusable(plan);
	for (size_t step = 0; step < RTE_DIM(steps) && rc == 0; step++)
		for (unsigned int i = 0; i < plan->session->n_legs && rc == 0; i++)
			rc = steps[step](plan, i, why);
	if (rc)
		session_plan_undo(plan);
	return rc;
}
