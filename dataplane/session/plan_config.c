// Steps of a plan that make the configurations of its legs: what the packet path will see of what
// control wants. Formats, BUNDLE and keys are shared between configurations, and held by them.
#include <errno.h>
#include <rte_malloc.h>
#include <string.h>

#include "feed.h"
#include "session_plan.h"

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

int plan_formats(struct session_plan *plan, unsigned int i, const char **why)
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
	config->formats = leg_formats_take(&plan_memory_of(plan)->formats, &formats);
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
	const struct sl_leg *old = plan_old_leg(plan, i);
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
	const struct leg_config *old = plan_old_leg(plan, i) ? plan->old->legs[i]->config : NULL;
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
		config->contexts[direction] = leg_key_create(engine, &plan_memory_of(plan)->keys,
			wanted, direction, ssrcs_of(config, direction));
		if (!config->contexts[direction])
			return -errno;
	}
	return 0;
}

int plan_keys(struct session_plan *plan, unsigned int i, const char **why)
{
	const struct sl_leg *leg = &plan->session->legs[i];
	struct leg_srtp **srtp = &plan->legs[i].leg->srtp;
	int rc;

	*why = "SRTP keys";
	if (!*srtp && leg->srtp_send.suite != SL_SRTP_NONE)
		*srtp = slab_take(&plan_memory_of(plan)->srtp); // for good, should the plan fail
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

// That of whoever has its transport.
static uint8_t shard_of(const struct session_plan *plan, unsigned int i)
{
	uint8_t transport = plan->session->legs[i].transport;
	unsigned int carrier = transport == SL_NO_LEG ? i : transport;

	return plan->sessions->table->addresses[plan->legs[carrier].slot.address].shard;
}

static struct slab *configs_of(const struct session_plan *plan, unsigned int i)
{
	unsigned int n_feeds = 0;

	for (unsigned int j = 0; j < plan->session->n_legs; j++)
		n_feeds += plan->session->legs[j].source == i;
	return worker_configs(plan_memory_of(plan), n_feeds);
}

int plan_config(struct session_plan *plan, unsigned int i, const char **why)
{
	const struct sl_leg *leg = &plan->session->legs[i];
	struct leg_config *config = slab_take(configs_of(plan, i));

	*why = "memory";
	if (!config)
		return -ENOMEM;
	plan->legs[i].config = config;
	config->generation = ++plan->sessions->generation;
	config->flags = leg->flags;
	config->shard = shard_of(plan, i);
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
		!config->relays_rtcp &&
		!(leg->flags & (SL_LEG_TRANSPARENT_SSRC | SL_LEG_OPAQUE | SL_LEG_NO_RTCP));
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

int plan_bundle(struct session_plan *plan, unsigned int i, const char **why)
{
	const struct sl_session *session = plan->session;
	const struct leg_config *old = plan_old_leg(plan, i) ? plan->old->legs[i]->config : NULL;
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
