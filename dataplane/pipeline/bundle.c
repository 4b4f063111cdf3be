// BUNDLE (RFC 9143 9.2): a packet that came to a shared transport moves on to the leg that it is
// of. Its MID says so, else its SSRC (signalled, or learnt from a MID or a payload type before),
// else its payload type, where one leg alone takes it. A MID that is nobody's is no reason to
// guess.
//
// What is subtle is the table of learnt SSRCs. Only packets that came from the right source, and
// where there are keys have authenticated, get here; still it has few places, a place is given to
// another SSRC only when its own has not been heard for long, and a late packet does not undo what
// a newer one has said. So whoever sends many SSRCs only keeps his own from being learnt.
#include "bundle.h"

#include "stages.h"

#define FORGET_NS (LEG_STREAM_FORGET_S * 1000000000ULL)

static uint8_t leg_of_mid(const struct leg_bundle *bundle, const uint8_t *mid, uint8_t n_bytes)
{
	if (n_bytes == 0 || n_bytes >= SL_MID_MAX)
		return LEG_NO_MEMBER;
	for (uint8_t i = 0; i < SL_LEGS_MAX; i++)
		if (bundle->legs[i] && !memcmp(bundle->mids[i], mid, n_bytes) &&
			bundle->mids[i][n_bytes] == '\0')
			return i;
	return LEG_NO_MEMBER;
}

static struct leg_stream *find_stream(
	const struct leg *transport, const struct leg_bundle *bundle, uint32_t ssrc)
{
	for (unsigned int i = 0; i < LEG_STREAMS_MAX; i++) {
		struct leg_stream *stream = &transport->streams->at[i];

		if (stream->ssrc == ssrc && stream->layout == bundle->layout)
			return stream;
	}
	return NULL;
}

// A place for another stream, or NULL.
static struct leg_stream *take_place(
	const struct leg *transport, const struct leg_bundle *bundle, uint64_t now_ns)
{
	for (unsigned int i = 0; i < LEG_STREAMS_MAX; i++) {
		struct leg_stream *stream = &transport->streams->at[i];

		if (stream->layout != bundle->layout || now_ns - stream->heard_ns > FORGET_NS)
			return stream;
	}
	return NULL;
}

// The packet says that its stream is of leg `index`. Returns whose it is.
static uint8_t learn(const struct worker *worker, const struct leg *transport,
	const struct leg_bundle *bundle, const struct rtp_view *view, uint8_t index)
{
	struct leg_stream *stream = find_stream(transport, bundle, view->ssrc);

	if (stream && stream->leg != index &&
		rtp_sequence_distance(stream->sequence, view->sequence) <= 0)
		return stream->leg;
	if (!stream)
		stream = take_place(transport, bundle, worker->now_ns);
	if (stream)
		*stream = (struct leg_stream){.heard_ns = worker->now_ns,
			.ssrc = view->ssrc,
			.layout = bundle->layout,
			.sequence = view->sequence,
			.leg = index};
	return index;
}

static uint8_t leg_of_ssrc(const struct worker *worker, const struct leg *transport,
	const struct leg_bundle *bundle, uint32_t ssrc)
{
	uint8_t index = leg_bundle_of_ssrc(bundle, ssrc);
	struct leg_stream *stream;

	if (index != LEG_NO_MEMBER)
		return index;
	stream = find_stream(transport, bundle, ssrc);
	if (!stream)
		return LEG_NO_MEMBER;
	stream->heard_ns = worker->now_ns;
	return stream->leg;
}

static uint8_t leg_of_packet(const struct worker *worker, const struct leg *transport,
	const struct leg_bundle *bundle, const struct rtp_view *view, const uint8_t *packet)
{
	const uint8_t *mid = NULL;
	uint8_t index, n_bytes;

	if (bundle->mid_extension)
		mid = rtp_extension_find(packet, bundle->mid_extension, &n_bytes);
	if (mid) {
		index = leg_of_mid(bundle, mid, n_bytes);
		return index == LEG_NO_MEMBER ? index
					      : learn(worker, transport, bundle, view, index);
	}
	index = leg_of_ssrc(worker, transport, bundle, view->ssrc);
	if (index != LEG_NO_MEMBER)
		return index;
	index = bundle->leg_of_pt[view->pt];
	return index == LEG_NO_MEMBER ? index : learn(worker, transport, bundle, view, index);
}

// Packet i, which came to a shared transport, to its leg.
static enum drop_reason move(struct worker *worker, struct burst *burst, unsigned int i)
{
	const struct leg_config *config = burst->configs[i];
	const struct rtp_view *view = &burst->views[i];
	uint8_t index = leg_of_packet(
		worker, burst->legs[i], config->shared->bundle, view, burst->payloads[i]);

	if (index == LEG_NO_MEMBER)
		return DROP_unknown_stream;
	if (config->shared->bundle->legs[index] != burst->legs[i]) {
		burst->legs[i] = config->shared->bundle->legs[index];
		config = leg_config(burst->legs[i]);
		burst->configs[i] = config;
	}
	if (!(config->flags & SL_LEG_RECEIVE))
		return DROP_not_receiving;
	burst->formats[i] = config->formats->format_of[view->pt];
	if (burst->formats[i] >= SL_FORMATS_MAX)
		return DROP_unknown_pt;
	rte_prefetch0(config->feeds[0]);
	return PASS;
}

void bundle(struct worker *worker)
{
	struct burst *burst = &worker->burst;
	unsigned int n = 0;

	if (likely(!burst->bundled))
		return;
	for (unsigned int i = 0; i < burst->n; i++) {
		enum drop_reason reason =
			burst->configs[i]->bundled ? move(worker, burst, i) : PASS;

		if (reason != PASS) {
			leg_drop(worker, burst->legs[i], burst->mbufs[i], reason);
			continue;
		}
		burst_keep(burst, n++, i);
	}
	burst->n = n;
}

struct leg *bundle_leg_of_ssrc(
	const struct leg *transport, const struct leg_config *config, uint32_t ssrc)
{
	const struct leg_bundle *bundle = config->shared->bundle;
	uint8_t index = leg_bundle_of_ssrc(bundle, ssrc);
	const struct leg_stream *stream = find_stream(transport, bundle, ssrc);

	if (index == LEG_NO_MEMBER && stream)
		index = stream->leg;
	return index == LEG_NO_MEMBER ? NULL : bundle->legs[index];
}

void bundle_void_headers(const struct leg_config *config)
{
	for (unsigned int i = 0; i < SL_LEGS_MAX; i++)
		if (config->shared->bundle->legs[i])
			config->shared->bundle->legs[i]->tx.header.generation = 0;
}

bool bundle_write_mid(struct rte_mbuf *mbuf, struct rtp_view *view, const struct leg_config *config)
{
	uint8_t header[RTP_HEADER_MAX];
	uint16_t n = rtp_mid_write(&config->shared->mid, rte_pktmbuf_mtod(mbuf, uint8_t *), header);

	if (n < view->payload_offset)
		rte_pktmbuf_adj(mbuf, (uint16_t)(view->payload_offset - n));
	else if (!rte_pktmbuf_prepend(mbuf, (uint16_t)(n - view->payload_offset)))
		return false;
	memcpy(rte_pktmbuf_mtod(mbuf, void *), header, n);
	view->payload_offset = n;
	return true;
}
