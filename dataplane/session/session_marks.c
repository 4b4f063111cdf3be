// Marks (sl_api.h): how far a leg's streams have come, for who takes over the addresses that they
// are on. Read by main while the worker goes on, they are some packets old; written by main, they
// change what is the worker's, so only while no packet may pass (the fence is closed, and all
// workers have seen it).
#include <errno.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "session_state.h"

static uint64_t wall_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static bool has_own_stream(const struct leg_config *config)
{
	return !(config->flags & (SL_LEG_TRANSPARENT_SSRC | SL_LEG_OPAQUE));
}

static struct sl_srtp_indices wire_of(const struct srtp_indices *indices)
{
	return (struct sl_srtp_indices){.rtp_next = indices->rtp_next,
		.rtcp_next = indices->rtcp_next,
		.ssrc = indices->ssrc};
}

// The stream of its own under `ssrc` comes first.
static unsigned int read_indices(
	const struct srtp_context *context, uint32_t ssrc, struct srtp_indices *indices)
{
	unsigned int n = context ? srtp_context_export(context, indices, SRTP_SSRCS) : 0;

	n = RTE_MIN(n, (unsigned int)SRTP_SSRCS);
	for (unsigned int i = 1; i < n; i++)
		if (indices[i].ssrc == ssrc)
			RTE_SWAP(indices[i], indices[0]);
	return n;
}

static void read_stream(struct sl_mark *mark, const struct leg *leg, uint64_t now_ns)
{
	const struct rtp_continuity *c = &leg->tx.continuity;
	uint64_t since_ns = now_ns > c->last_sent_ns ? now_ns - c->last_sent_ns : 0;

	mark->flags = SL_MARK_STREAM;
	mark->sent.ssrc = leg->config->ssrc;
	if (!c->started)
		return;
	mark->sequence = (uint16_t)(c->last_sequence + 1);
	mark->timestamp = c->last_timestamp + clock_rtp_ticks(since_ns, leg->config->clock_hz);
}

static void read_source(struct sl_mark *mark, const struct leg *leg)
{
	struct leg_latch latch = leg_latch_read(&leg->latch);

	if (leg_latch_holds(&latch, leg->config))
		mark->source = leg_endpoint_address(&latch.from);
}

static unsigned int read_leg(const struct leg *leg, uint64_t now_ns, struct sl_mark *marks)
{
	const struct leg_config *config = leg->config;
	struct srtp_indices sent[SRTP_SSRCS], received[SRTP_SSRCS];
	unsigned int n_sent = read_indices(config->contexts[SRTP_SEND], config->ssrc, sent);
	unsigned int n_received =
		read_indices(config->contexts[SRTP_RECEIVE], leg->rx.reception.ssrc, received);
	unsigned int n = RTE_MAX(RTE_MAX(n_sent, n_received), 1u);
	unsigned int first_sent = 0; // mark that the first of `sent` goes to

	// A stream that has sent nothing yet has its own mark all the same.
	if (has_own_stream(config) && n_sent && sent[0].ssrc != config->ssrc)
		first_sent = 1;
	n = RTE_MIN(RTE_MAX(n, n_sent + first_sent), (unsigned int)SRTP_SSRCS);
	for (unsigned int i = 0; i < n; i++) {
		struct sl_mark *mark = &marks[i];

		*mark = (struct sl_mark){.id = leg->session, .at_ms = wall_ms(), .leg = leg->index};
		if (i == 0 && has_own_stream(config))
			read_stream(mark, leg, now_ns);
		if (i == 0)
			read_source(mark, leg);
		if (i >= first_sent && i - first_sent < n_sent)
			mark->sent = wire_of(&sent[i - first_sent]);
		if (i < n_received)
			mark->received = wire_of(&received[i]);
		mark->flags |= i ? SL_MARK_MORE : 0;
	}
	return n;
}

unsigned int session_marks(const struct session *session, unsigned int shard, struct sl_mark *marks)
{
	uint64_t now_ns = clock_now_ns();
	unsigned int n = 0;

	for (unsigned int i = 0; i < session->n_legs; i++)
		if (session->legs[i]->config->shard == shard)
			n += read_leg(session->legs[i], now_ns, marks + n);
	return n;
}

// ---- set ----

// Nothing is lowered: only a stream that has not begun, or is behind, goes on from there.
static void set_stream(struct leg *leg, const struct sl_mark *mark, uint64_t now_ns)
{
	struct rtp_continuity *c = &leg->tx.continuity;
	uint64_t now_ms = wall_ms();
	uint64_t passed_ms = now_ms > mark->at_ms ? now_ms - mark->at_ms : 0;
	uint32_t clock_hz = leg->config->clock_hz;

	if (c->started &&
		rtp_sequence_distance((uint16_t)(c->last_sequence + 1), mark->sequence) <= 0)
		return;
	*c = (struct rtp_continuity){
		.started = true, // and whatever comes is a new source
		.last_sequence = (uint16_t)(mark->sequence - 1),
		.last_timestamp = mark->timestamp + (uint32_t)(passed_ms / 1000 * clock_hz +
							       passed_ms % 1000 * clock_hz / 1000),
		.last_sent_ns = now_ns,
	};
	leg->tx.ssrc = leg->config->ssrc;
}

static int import(struct srtp_context *context, const struct sl_srtp_indices *wanted)
{
	const struct srtp_indices indices = {
		.rtp_next = wanted->rtp_next, .rtcp_next = wanted->rtcp_next, .ssrc = wanted->ssrc};

	if (!context || (!indices.rtp_next && !indices.rtcp_next))
		return 0;
	return srtp_context_import(context, &indices, 1);
}

static void set_source(struct leg *leg, const struct sl_address *source)
{
	struct leg_endpoint from = leg_endpoint_of(source);

	if (source->family == SL_UNSPEC || !leg->config->may_latch ||
		leg_endpoint_is_ipv4(&from) != leg_endpoint_is_ipv4(&leg->config->local))
		return;
	leg_latch_set(&leg->latch, leg->config->epoch, &from);
}

static bool is_source(const struct sl_address *address)
{
	struct leg_endpoint at = leg_endpoint_of(address);

	if (address->family == SL_UNSPEC)
		return address->port == 0;
	if (address->family != SL_IPV4 && address->family != SL_IPV6)
		return false;
	return address->port &&
	       (address->family == SL_IPV4 ? leg_ipv4_is_answerable(leg_endpoint_ipv4_of(&at))
					   : leg_ipv6_is_answerable(&at));
}

// A context of the configuration that its worker has not taken into use yet takes over what the one
// in use knows, and so is as good as that.
static int set_indices(struct leg *leg, const struct sl_mark *mark)
{
	int rc = import(leg->config->contexts[SRTP_SEND], &mark->sent);

	return rc ? rc : import(leg->config->contexts[SRTP_RECEIVE], &mark->received);
}

int session_mark_set(struct sessions *sessions, const struct sl_mark *mark)
{
	struct session *session = session_find(sessions, &mark->id);
	uint64_t now_ns = clock_now_ns();
	struct leg *leg;
	int rc;

	if (!session || mark->leg >= session->n_legs)
		return -ENOENT;
	leg = session->legs[mark->leg];
	if (mark->flags & ~(SL_MARK_STREAM | SL_MARK_MORE) || mark->reserved ||
		!is_source(&mark->source))
		return -EINVAL;
	if (fence_passes(sessions->config.fence, NULL, leg->config->shard))
		return -EBUSY;
	rc = set_indices(leg, mark);
	if (rc)
		return rc;
	if (mark->flags & SL_MARK_STREAM && has_own_stream(leg->config) &&
		mark->sent.ssrc == leg->config->ssrc)
		set_stream(leg, mark, now_ns);
	set_source(leg, &mark->source);
	leg_watch(sessions, leg, now_ns);
	return 0;
}
