// What is wrong with the media of a leg, found by main from what packets left in the leg, ten times
// a second: the packet path pays nothing for it.
//
// A far end that sends under the SSRC that we send to it has either chosen the same by chance, and
// we take another (RFC 3550 8.2), or sends us back what it gets. A loop shows by sequence number
// and timestamp, too, which are those of a moment ago; or by coming after us when we have changed.
#include "session_state.h"

#define SECOND_NS      1000000000ULL
#define ONE_WAY_NS     (5 * SECOND_NS)
#define PAUSE_NS       (2 * SECOND_NS) // comfort noise comes this seldom
#define FRESH_NS       SECOND_NS
#define CONFLICT_NS    (50 * SECOND_NS) // RFC 3550 8.2: ten intervals of RTCP
#define LOOP_SEQUENCES 2048
#define LOOP_S	       10

static void note_sending(struct leg *leg, uint64_t now_ns)
{
	struct leg_control *control = &leg->control;
	uint32_t packets = (uint32_t)__atomic_load_n(&leg->tx.packets, __ATOMIC_RELAXED);

	if (packets == control->tx_seen)
		return;
	if (now_ns - control->sent_ns > PAUSE_NS)
		control->sending_ns = now_ns;
	control->sent_ns = now_ns;
	control->tx_seen = packets;
}

// It is sent media, is to send some, and has not for a while.
static bool is_one_way(const struct leg *leg, uint64_t last_ns, uint64_t now_ns)
{
	const struct leg_control *control = &leg->control;
	uint16_t flags = leg->config->flags & (SL_LEG_SEND | SL_LEG_RECEIVE | SL_LEG_HELD);
	uint64_t since_ns = RTE_MAX(RTE_MAX(control->sending_ns, last_ns), control->regime_ns);

	return flags == (SL_LEG_SEND | SL_LEG_RECEIVE) && !control->timed_out && control->sent_ns &&
	       now_ns - control->sent_ns <= PAUSE_NS && now_ns > since_ns &&
	       now_ns - since_ns >= ONE_WAY_NS;
}

static void detect_one_way(struct sessions *sessions, struct leg *leg, uint64_t now_ns)
{
	struct leg_control *control = &leg->control;
	uint64_t last_ns = __atomic_load_n(&leg->rx.last_ns, __ATOMIC_RELAXED);
	bool one_way = is_one_way(leg, last_ns, now_ns);

	note_sending(leg, now_ns);
	if (one_way == control->one_way)
		return;
	if (one_way && !leg_tell(sessions, leg, SL_EVENT_ONE_WAY, now_ns))
		return;
	if (!one_way && last_ns > control->one_way_ns &&
		!leg_tell(sessions, leg, SL_EVENT_BOTH_WAYS, now_ns))
		return;
	control->one_way = one_way;
	control->one_way_ns = now_ns;
}

// Whether what comes from `leg` is what `to` was sent a moment ago.
static bool is_echo(const struct leg *leg, const struct leg *to)
{
	const struct rtp_continuity *sent = &to->tx.continuity;
	const struct rtp_reception *came = &leg->rx.reception;
	uint16_t behind = (uint16_t)(sent->last_sequence - came->max_sequence);
	int32_t age = (int32_t)(sent->last_timestamp - came->timestamp);
	int32_t age_max = (int32_t)(LOOP_S * to->config->clock_hz);

	// What came was perhaps read later than what was sent: a little ahead is as good.
	return (behind < LOOP_SEQUENCES || behind > UINT16_MAX - LOOP_SEQUENCES) &&
	       age > -age_max && age < age_max;
}

// The leg of the session that is sent media under `ssrc`, or NULL.
static const struct leg *find_sent(const struct leg *leg, uint32_t ssrc)
{
	const struct session *session = leg->control.session;

	for (unsigned int i = 0; i < session->n_legs; i++)
		if (session->legs[i]->tx.ssrc == ssrc)
			return session->legs[i];
	return NULL;
}

static void detect_collision(struct sessions *sessions, struct leg *leg, uint64_t now_ns)
{
	struct leg_control *control = &leg->control;

	if (control->collided_ns && now_ns - control->collided_ns < CONFLICT_NS) {
		control->looping = leg_tell(sessions, leg, SL_EVENT_LOOP, now_ns);
		return;
	}
	if (!leg_tell(sessions, leg, SL_EVENT_SSRC_COLLISION, now_ns))
		return;
	control->left_ssrc = leg->config->ssrc;
	control->collided_ns = now_ns;
	leg_change_ssrc(sessions, leg);
}

static void detect_own_ssrc(struct sessions *sessions, struct leg *leg, uint64_t now_ns)
{
	uint64_t last_ns = __atomic_load_n(&leg->rx.last_ns, __ATOMIC_RELAXED);
	uint32_t ssrc = leg->rx.reception.ssrc;
	const struct leg *to = NULL;

	if (last_ns && ssrc && now_ns < last_ns + FRESH_NS)
		to = find_sent(leg, ssrc);
	if (!to) {
		leg->control.looping = false;
		return;
	}
	if (leg->control.looping)
		return;
	if (is_echo(leg, to))
		leg->control.looping = leg_tell(sessions, leg, SL_EVENT_LOOP, now_ns);
	else if (to == leg && ssrc == leg->config->ssrc)
		detect_collision(sessions, leg, now_ns);
}

static void detect_rate(struct sessions *sessions, struct leg *leg, uint64_t now_ns)
{
	uint32_t dropped = (uint32_t)__atomic_load_n(&leg->rx.dropped_rate, __ATOMIC_RELAXED);

	if (dropped != leg->control.rate_seen &&
		leg_tell(sessions, leg, SL_EVENT_RATE_EXCEEDED, now_ns))
		leg->control.rate_seen = dropped;
}

void leg_detect(struct sessions *sessions, struct leg *leg, uint64_t now_ns)
{
	detect_one_way(sessions, leg, now_ns);
	detect_own_ssrc(sessions, leg, now_ns);
	detect_rate(sessions, leg, now_ns);
}
