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

static const struct sl_leg *old_leg(const struct session_plan *plan, unsigned int i)
{
	return plan->old && i < plan->was->n_legs ? &plan->was->legs[i] : NULL;
}

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
	const struct sl_leg *old = old_leg(plan, i);
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

static struct worker_memory *memory_of(const struct session_plan *plan)
{
	return &plan->sessions->memory[plan->worker];
}

static struct leg *create_leg(const struct session_plan *plan, unsigned int i)
{
	struct leg *leg = slab_take(&memory_of(plan)->legs);

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
	const struct sl_leg *old = old_leg(plan, i);
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
	const struct sl_leg *old_to = old_leg(plan, i);
	const struct sl_leg *old_from = source == SL_NO_LEG ? NULL : old_leg(plan, source);

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
		&memory_of(plan)->feeds);
	if (!leg->feed) {
		*why = errno == EBUSY ? "the transcoders are full" : *why;
		return -errno;
	}
	leg->feed_is_new = true;
	return 0;
}

static struct leg_endpoint rtcp_endpoint_of(const struct sl_leg *leg)
{
	struct leg_endpoint endpoint = leg_endpoint_of(&leg->remote);

	if (leg->flags & SL_LEG_RTCP_MUX)
		return endpoint;
	if (leg->remote_rtcp.family != SL_UNSPEC)
		return leg_endpoint_of(&leg->remote_rtcp);
	if (leg->remote.port != 0)
		endpoint.port = rte_cpu_to_be_16((uint16_t)(leg->remote.port + 1));
	return endpoint;
}

// What the other legs of a transport take is let in with it.
static void let_in(struct leg_formats *formats, const struct sl_session *session, unsigned int i)
{
	for (unsigned int j = 0; j < session->n_legs; j++)
		for (unsigned int k = 0;
			session->legs[j].transport == i && k < session->legs[j].n_formats; k++) {
			uint8_t *format =
				&formats->format_of[session->legs[j].formats[k].receive_pt];

			if (*format == LEG_NO_FORMAT)
				*format = LEG_ITS_FORMAT;
		}
}

static int plan_formats(struct session_plan *plan, unsigned int i, const char **why)
{
	const struct sl_leg *leg = &plan->session->legs[i];
	struct leg_config *config = plan->legs[i].config;
	struct leg_formats formats = {.clocks_hz = {8000}};

	memset(formats.format_of, LEG_NO_FORMAT, sizeof(formats.format_of));
	for (unsigned int j = 0; j < leg->n_formats; j++) {
		formats.format_of[leg->formats[j].receive_pt] = (uint8_t)j;
		formats.clocks_hz[j] = leg->formats[j].clock_hz;
		formats.wanted[j] = leg->formats[j];
	}
	let_in(&formats, plan->session, i);
	*why = "memory";
	config->formats = leg_formats_take(&memory_of(plan)->formats, &formats);
	config->clock_hz = formats.clocks_hz[0];
	return config->formats ? 0 : -ENOMEM;
}

static void fill_rates(
	struct leg_config *config, const struct sessions *sessions, const struct sl_leg *leg)
{
	const struct sessions_config *defaults = &sessions->config;

	config->rates = leg_rates_of(
		leg->packets_per_second ? leg->packets_per_second : defaults->packets_per_second,
		leg->bytes_per_second ? leg->bytes_per_second : defaults->bytes_per_second);
}

static void fill_latch(struct leg_config *config, const struct session_plan *plan, unsigned int i)
{
	const struct sl_leg *old = old_leg(plan, i);
	const struct sl_leg *leg = &plan->session->legs[i];
	bool same_remote = old && !memcmp(&old->remote, &leg->remote, sizeof(leg->remote)) &&
			   old->local.family == leg->local.family &&
			   old->source_rule == leg->source_rule;

	config->may_latch = leg->source_rule == SL_SOURCE_LATCH;
	if (same_remote) {
		config->epoch = plan->old->legs[i]->config->epoch;
		config->latch_until_ns = plan->old->legs[i]->config->latch_until_ns;
		return;
	}
	config->epoch = old ? (uint16_t)(plan->old->legs[i]->config->epoch + 1) : 1;
	if (config->epoch == 0)
		config->epoch = 1;
	config->latch_until_ns = leg->latch_window_ms
					 ? plan->now_ns + leg->latch_window_ms * 1000000ULL
					 : UINT64_MAX;
}

static void fill_routes(struct leg_config *config, const struct session_plan *plan, unsigned int i)
{
	const struct sl_session *session = plan->session;
	const struct sl_leg *leg = &session->legs[i];
	const struct feed *in = plan->legs[i].feed;

	for (unsigned int j = 0; j < session->n_legs; j++) {
		unsigned int n = config->n_feeds;

		if (session->legs[j].source != i)
			continue;
		*(n < LEG_FEEDS ? &config->feeds[n] : &config->more_feeds[n - LEG_FEEDS]) =
			plan->legs[j].feed;
		config->n_feeds++;
	}
	config->source = leg->source;
	if (leg->source == SL_NO_LEG)
		return;
	config->source_leg = plan->legs[leg->source].leg;
	// RTCP passes between two legs that feed each other and nobody else, byte for byte.
	config->relays_rtcp = leg->source != i && session->legs[leg->source].source == i &&
			      config->n_feeds == 1 && !in->transcodes &&
			      !config->feeds[0]->transcodes;
	for (unsigned int j = 0; j < session->n_legs; j++)
		if (j != i && session->legs[j].source == leg->source)
			config->relays_rtcp = false;
}

// How many a key has to have room for: the context's default is for one stream at a time.
static unsigned int ssrcs_of(const struct leg_config *config, enum srtp_direction direction)
{
	bool several =
		direction == SRTP_RECEIVE ? config->mixed : config->flags & SL_LEG_TRANSPARENT_SSRC;

	return several || config->bundled ? LEG_BUNDLE_SSRCS : 0;
}

// The key of one direction: that of the old configuration where it is the same.
static int plan_key(const struct session_plan *plan, unsigned int i, const struct sl_srtp *wanted,
	enum srtp_direction direction)
{
	const struct leg_config *old = old_leg(plan, i) ? plan->old->legs[i]->config : NULL;
	struct srtp_context *before = old ? old->contexts[direction] : NULL;
	struct leg_config *config = plan->legs[i].config;
	struct srtp_engine *engine = plan->sessions->srtp;
	int same = leg_key_is(engine, before, wanted, direction);

	config->restarts[direction] = wanted->flags & SL_SRTP_RESTART;
	if (same < 0 || (same && leg_key_hold(before)))
		return -ENOMEM;
	if (same && old) {
		config->contexts[direction] = before;
		config->restarts[direction] = old->restarts[direction];
	} else if (wanted->suite != SL_SRTP_NONE) {
		config->contexts[direction] = leg_key_create(engine, &memory_of(plan)->keys, wanted,
			direction, ssrcs_of(config, direction));
		if (!config->contexts[direction])
			return -errno;
	}
	return 0;
}

static int plan_keys(struct session_plan *plan, unsigned int i, const char **why)
{
	const struct sl_leg *leg = &plan->session->legs[i];
	struct leg_srtp **srtp = &plan->legs[i].leg->srtp;
	int rc;

	*why = "SRTP keys";
	if (!*srtp && leg->srtp_send.suite != SL_SRTP_NONE)
		*srtp = slab_take(&memory_of(plan)->srtp); // for good, should the plan fail
	if (!*srtp && leg->srtp_send.suite != SL_SRTP_NONE)
		return -ENOMEM;
	rc = plan_key(plan, i, &leg->srtp_receive, SRTP_RECEIVE);
	if (rc == 0)
		rc = plan_key(plan, i, &leg->srtp_send, SRTP_SEND);
	plan->legs[i].config->secure = leg->srtp_send.suite != SL_SRTP_NONE;
	return rc;
}

// Whether not each packet from leg i says something about one stream of RTP.
static bool is_mixed(const struct session_plan *plan, unsigned int i)
{
	const struct sl_session *session = plan->session;
	bool mixed = session->legs[i].flags & SL_LEG_OPAQUE;

	for (unsigned int j = 0; j < session->n_legs; j++)
		mixed |= session->legs[j].source == i &&
			 session->legs[j].flags & SL_LEG_TRANSPARENT_SSRC;
	return mixed;
}

static const struct realm *realm_of(const struct session_plan *plan, unsigned int i)
{
	const struct sessions *sessions = plan->sessions;
	const struct table_slot *slot = &plan->legs[i].slot;

	return &sessions->config.realms->entries[sessions->table->addresses[slot->address].realm];
}

static struct slab *configs_of(const struct session_plan *plan, unsigned int i)
{
	unsigned int n_feeds = 0;

	for (unsigned int j = 0; j < plan->session->n_legs; j++)
		n_feeds += plan->session->legs[j].source == i;
	return worker_configs(memory_of(plan), n_feeds);
}

static int plan_config(struct session_plan *plan, unsigned int i, const char **why)
{
	const struct sl_leg *leg = &plan->session->legs[i];
	struct leg_config *config = slab_take(configs_of(plan, i));

	*why = "memory";
	if (!config)
		return -ENOMEM;
	plan->legs[i].config = config;
	config->generation = ++plan->sessions->generation;
	config->flags = leg->flags;
	config->dscp = leg->dscp == SL_DSCP_REALM ? realm_of(plan, i)->dscp : leg->dscp;
	config->ssrc = leg->ssrc;
	config->local = leg_endpoint_of(&leg->local);
	config->remote = leg_endpoint_of(&leg->remote);
	config->remote_rtcp = rtcp_endpoint_of(leg);
	config->timeouts = (struct leg_timeouts){
		leg->start_timeout_ms, leg->media_timeout_ms, leg->hold_timeout_ms};
	fill_rates(config, plan->sessions, leg);
	fill_latch(config, plan, i);
	fill_routes(config, plan, i);
	config->reports =
		!config->relays_rtcp && !(leg->flags & (SL_LEG_TRANSPARENT_SSRC | SL_LEG_OPAQUE));
	config->mixed = is_mixed(plan, i);
	return 0;
}

static struct rtp_mid mid_of(const struct session_plan *plan, unsigned int i)
{
	const struct sl_leg *leg = &plan->session->legs[i];
	struct rtp_mid mid = {};

	if (leg->source != SL_NO_LEG)
		mid.from_id = plan->session->legs[leg->source].mid_extension;
	if (leg->mid_extension && leg->mid[0]) {
		mid.id = leg->mid_extension;
		mid.n_bytes = (uint8_t)strlen(leg->mid);
		memcpy(mid.bytes, leg->mid, mid.n_bytes);
	}
	return mid;
}

static bool is_shared(const struct sl_session *session, unsigned int transport)
{
	for (unsigned int i = 0; i < session->n_legs; i++)
		if (session->legs[i].transport == transport)
			return true;
	return false;
}

static int plan_bundle(struct session_plan *plan, unsigned int i, const char **why)
{
	const struct sl_session *session = plan->session;
	const struct leg_config *old = old_leg(plan, i) ? plan->old->legs[i]->config : NULL;
	struct leg_config *config = plan->legs[i].config;
	struct leg *leg = plan->legs[i].leg;
	struct leg *legs[SL_LEGS_MAX] = {};
	struct rtp_mid mid = mid_of(plan, i);
	struct leg_shared *shared;

	*why = "memory";
	config->tags = mid.id || mid.from_id;
	config->carried = session->legs[i].transport != SL_NO_LEG;
	if (!config->tags && !config->carried && !is_shared(session, i))
		return 0;
	shared = rte_zmalloc("leg_shared", sizeof(*shared), RTE_CACHE_LINE_SIZE);
	if (!shared)
		return -ENOMEM;
	*shared = (struct leg_shared){.mid = mid, .n_configs = 1};
	config->shared = shared;
	for (unsigned int j = 0; j < session->n_legs; j++)
		legs[j] = plan->legs[j].leg;
	if (config->carried)
		shared->carrier = legs[session->legs[i].transport];
	if (!is_shared(session, i))
		return 0;
	if (!leg->streams)
		leg->streams =
			rte_zmalloc("leg_streams", sizeof(*leg->streams), RTE_CACHE_LINE_SIZE);
	shared->bundle = leg_bundle_create(session, (uint8_t)i, legs,
		old && old->shared ? old->shared->bundle : NULL, config->generation);
	if (!leg->streams || !shared->bundle)
		return -ENOMEM;
	config->bundled = true;
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
