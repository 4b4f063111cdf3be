// What happens to legs between two requests: workers note a first packet or a latch in the leg and
// drop a hint into a ring; main looks at hinted legs at once and at all others in turn, all within
// SCAN_NS. The fields decide, the ring only saves time, so a full ring loses nothing.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "session_state.h"

#define SCAN_NS	 100000000ULL
#define MS	 1000000ULL
#define EVENT_MS 1000 // between two of a type about a leg

void session_notice(struct sessions *sessions, unsigned int worker, struct leg *leg)
{
	rte_ring_sp_enqueue(sessions->notices[worker], leg);
}

static struct sl_address source_of(const struct leg *leg)
{
	struct leg_latch latch = leg_latch_read(&leg->latch);

	if (leg_latch_holds(&latch, leg->config))
		return leg_endpoint_address(&latch.from);
	return leg->config->remote.port ? leg_endpoint_address(&leg->config->remote)
					: (struct sl_address){};
}

static void tell(
	const struct leg *leg, enum sl_media_event_type type, session_event_fn event, void *context)
{
	struct sl_media_event message = {
		.id = leg->session,
		.address = source_of(leg),
		.type = (uint8_t)type,
		.leg = leg->index,
	};

	if (event)
		event(context, &message);
}

bool leg_tell(
	struct sessions *sessions, struct leg *leg, enum sl_media_event_type type, uint64_t now_ns)
{
	uint32_t now_ms = (uint32_t)(now_ns / MS) | 1; // 0 means never
	uint32_t *told_ms = &leg->control.told_ms[type];

	if (*told_ms && now_ms - *told_ms < EVENT_MS)
		return false;
	*told_ms = now_ms;
	tell(leg, type, sessions->config.event, sessions->config.context);
	return true;
}

static void watch_digits(struct sessions *sessions, const struct leg *leg)
{
	static const char names[] = "0123456789*#ABCD";
	const struct leg_codecs *coded = leg->control.codecs;
	struct transcode_feedback *feedback = coded ? coded->feedback : NULL;
	struct transcode_digit digit;

	while (feedback && transcode_feedback_digit(feedback, &digit)) {
		struct sl_media_event message = {
			.id = leg->session,
			.address = source_of(leg),
			.type = SL_EVENT_DTMF,
			.leg = leg->index,
			.digit = names[digit.code & 15],
			.duration_ms = digit.duration_ms,
		};

		if (sessions->config.event)
			sessions->config.event(sessions->config.context, &message);
	}
}

static void watch_quality(struct sessions *sessions, struct leg *leg, uint64_t now_ns)
{
	struct sl_media_event message = {
		.id = leg->session,
		.type = SL_EVENT_QUALITY,
		.leg = leg->index,
	};

	if (!leg_quality_watch(leg, now_ns, &message) || !sessions->config.event)
		return;
	message.address = source_of(leg);
	sessions->config.event(sessions->config.context, &message);
}

const struct next_hop *leg_hold_hop(const struct sessions *sessions,
	const struct leg_config *config, const struct leg_endpoint *to)
{
	struct sl_address local = leg_endpoint_address(&config->local);
	struct sl_address remote = leg_endpoint_address(to);

	return sessions->config.hops && to->port
		       ? next_hop_hold(sessions->config.hops, &local, &remote)
		       : NULL;
}

// A next hop that was unknown (no route) when the session was set may be known by now.
static void retry_hop(const struct sessions *sessions, const struct leg_config *config,
	const struct next_hop **hop, const struct leg_endpoint *to)
{
	if (!*hop && to->port)
		__atomic_store_n(hop, leg_hold_hop(sessions, config, to), __ATOMIC_RELEASE);
}

static void watch_hops(struct sessions *sessions, struct leg *leg)
{
	struct leg_config *config = leg->config;

	retry_hop(sessions, config, &config->hop, &config->remote);
	retry_hop(sessions, config, &config->hop_rtcp, &config->remote_rtcp);
}

struct passed_hop {
	const struct next_hop *hop;
	struct deferred deferred;
};

static void hop_passed(struct deferred *deferred, void *context)
{
	struct passed_hop *passed = container_of(deferred, struct passed_hop, deferred);
	struct sessions *sessions = context;

	next_hop_release(sessions->config.hops, passed->hop);
	free(passed);
}

// The next hop of where the leg latched to, now. Returns 0 or -ENOMEM: the old one stays.
static int replace_latched_hop(
	struct sessions *sessions, const struct leg *leg, const struct leg_latch *latch)
{
	const struct next_hop *old = leg->config->hop_latched;
	struct passed_hop *passed = old ? malloc(sizeof(*passed)) : NULL;

	if (old && !passed)
		return -ENOMEM;
	__atomic_store_n(&leg->config->hop_latched,
		leg_hold_hop(sessions, leg->config, &latch->from), __ATOMIC_RELEASE);
	if (old) {
		passed->hop = old;
		deferred_add(&sessions->deferred, &passed->deferred, hop_passed);
	}
	return 0;
}

static void watch_latch(struct sessions *sessions, struct leg *leg, uint64_t now_ns)
{
	struct leg_latch latch = leg_latch_read(&leg->latch);
	struct leg_control *control = &leg->control;

	if (!leg_latch_holds(&latch, leg->config))
		return;
	if ((latch.changes != control->latched_held || !leg->config->hop_latched) &&
		replace_latched_hop(sessions, leg, &latch) == 0)
		control->latched_held = latch.changes;
	if (latch.changes != control->latched_seen &&
		leg_tell(sessions, leg, SL_EVENT_LATCHED, now_ns))
		control->latched_seen = latch.changes;
}

static void watch_first(struct sessions *sessions, struct leg *leg)
{
	if (leg->control.first_seen || __atomic_load_n(&leg->rx.packets, __ATOMIC_ACQUIRE) == 0)
		return;
	leg->control.first_seen = true;
	tell(leg, SL_EVENT_FIRST_PACKET, sessions->config.event, sessions->config.context);
}

static uint32_t timeout_ms(const struct leg *leg)
{
	const struct leg_config *config = leg->config;

	if (config->flags & SL_LEG_HELD)
		return config->timeouts.hold_ms;
	if (!(config->flags & SL_LEG_RECEIVE))
		return 0; // what is not taken cannot be missed
	return leg->control.first_seen ? config->timeouts.media_ms : config->timeouts.start_ms;
}

static void watch_timeout(struct sessions *sessions, struct leg *leg, uint64_t now_ns)
{
	struct leg_control *control = &leg->control;
	uint64_t last_ns = __atomic_load_n(&leg->rx.last_ns, __ATOMIC_RELAXED);
	uint64_t since_ns = RTE_MAX(last_ns, control->regime_ns);
	uint32_t limit_ms = timeout_ms(leg);
	bool may_come = fence_passes(sessions->config.fence, NULL, leg->config->shard);
	bool over = limit_ms && now_ns > since_ns && now_ns - since_ns >= limit_ms * MS;

	if (!may_come) // no fault of the far end
		control->regime_ns = now_ns;
	if (over == control->timed_out || !may_come)
		return;
	if (over && !leg_tell(sessions, leg, SL_EVENT_TIMEOUT, now_ns))
		return;
	if (!over && last_ns > control->regime_ns &&
		!leg_tell(sessions, leg, SL_EVENT_RESUMED, now_ns))
		return;
	control->timed_out = over;
}

void leg_watch(struct sessions *sessions, struct leg *leg, uint64_t now_ns)
{
	if (leg->srtp) {
		leg_srtp_reap(&leg->srtp[SRTP_RECEIVE]);
		leg_srtp_reap(&leg->srtp[SRTP_SEND]);
	}
	dial_reap(sessions->memory[leg->worker].dials, leg);
	watch_hops(sessions, leg);
	watch_latch(sessions, leg, now_ns);
	watch_first(sessions, leg);
	watch_timeout(sessions, leg, now_ns);
	leg_detect(sessions, leg, now_ns);
	watch_digits(sessions, leg);
	watch_quality(sessions, leg, now_ns);
}

void sessions_drain_notices(struct sessions *sessions, uint64_t now_ns)
{
	for (unsigned int i = 0; i < sessions->config.n_workers; i++) {
		void *leg;

		while (rte_ring_sc_dequeue(sessions->notices[i], &leg) == 0)
			if (((struct leg *)leg)->control.session)
				leg_watch(sessions, leg, now_ns);
	}
}

// How many slots this tick owes, so that all are met within SCAN_NS.
static uint32_t scan_share(struct sessions *sessions, uint64_t now_ns)
{
	uint64_t passed_ns = RTE_MIN(now_ns - sessions->tick_ns, SCAN_NS);

	if (now_ns < sessions->tick_ns)
		passed_ns = SCAN_NS;
	sessions->tick_ns = now_ns;
	return (uint32_t)((sessions->slots_used * passed_ns + SCAN_NS - 1) / SCAN_NS);
}

void sessions_scan(struct sessions *sessions, uint64_t now_ns)
{
	for (uint32_t n = scan_share(sessions, now_ns); n > 0; n--) {
		const struct session *session;

		if (sessions->scan_at >= sessions->slots_used)
			sessions->scan_at = 0;
		session = sessions->slots[sessions->scan_at++];
		for (unsigned int i = 0; session && i < session->n_legs; i++)
			leg_watch(sessions, session->legs[i], now_ns);
	}
}

void sessions_repeat_timeouts(
	const struct sessions *sessions, session_event_fn event, void *context)
{
	const struct session *session;
	uint32_t cursor = 0;

	while ((session = sessions_next(sessions, &cursor)))
		for (unsigned int i = 0; i < session->n_legs; i++)
			if (session->legs[i]->control.timed_out)
				tell(session->legs[i], SL_EVENT_TIMEOUT, event, context);
}
