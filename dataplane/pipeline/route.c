// To whom, and in which format. The last leg that takes a packet gets the packet itself, the others
// get copies, since each rewrites it. From here on a packet's data begins at its RTP header.
#include "g711.h"
#include "stages.h"

static inline void to_output(struct output *output, struct leg *to, struct rte_mbuf *mbuf,
	const struct rtp_view *view, uint8_t pt)
{
	unsigned int n = output->n++;

	rte_prefetch0(leg_config(to));
	output->mbufs[n] = mbuf;
	output->legs[n] = to;
	output->views[n] = *view;
	output->views[n].pt = pt;
}

static void to_transcoder(struct worker *worker, const struct feed *feed, unsigned int format,
	struct leg *from, struct rte_mbuf *mbuf)
{
	uint8_t *rtp = rte_pktmbuf_mtod(mbuf, uint8_t *);

	// The far end may know it by two numbers (sl_format.receive_pt), the stream by one.
	rtp[1] = (rtp[1] & 0x80) | feed->routes[format].pt;
	if (unlikely(!transcode_submit(worker->shared->config.transcode, worker->index,
		    feed->streams[format], mbuf, worker->now_ns)))
		leg_drop(worker, from, mbuf, DROP_transcoder_full);
	else
		worker->counters.to_codec++;
}

static void feed_media(struct worker *worker, const struct feed *feed, unsigned int format,
	struct leg *from, struct rte_mbuf *mbuf, const struct rtp_view *view)
{
	uint8_t *payload = rte_pktmbuf_mtod_offset(mbuf, uint8_t *, view->payload_offset);

	switch ((enum feed_verb)feed->routes[format].verb) {
	case FEED_RELAY:
		break;
	case FEED_ULAW_TO_ALAW:
		g711_ulaw_to_alaw(payload, payload, view->payload_bytes);
		break;
	case FEED_ALAW_TO_ULAW:
		g711_alaw_to_ulaw(payload, payload, view->payload_bytes);
		break;
	case FEED_TRANSCODE:
		to_transcoder(worker, feed, format, from, mbuf);
		return;
	case FEED_DROP:
		leg_drop(worker, from, mbuf, DROP_unrouted);
		return;
	}
	to_output(&worker->output, feed->to, mbuf, view, feed->routes[format].pt);
}

static inline void feed_packet(struct worker *worker, const struct feed *feed, unsigned int format,
	struct leg *from, struct rte_mbuf *mbuf, const struct rtp_view *view)
{
	if (likely(feed->routes[format].verb == FEED_RELAY))
		to_output(&worker->output, feed->to, mbuf, view, feed->routes[format].pt);
	else
		feed_media(worker, feed, format, from, mbuf, view);
}

// For all feeds but the last.
static void feed_copy(struct worker *worker, const struct feed *feed, unsigned int format,
	struct leg *from, struct rte_mbuf *mbuf, const struct rtp_view *view)
{
	struct rte_mbuf *copy = rte_pktmbuf_copy(mbuf, worker->shared->config.pool, 0, UINT32_MAX);

	worker->counters.copied++;
	if (unlikely(!copy)) {
		worker->counters.drops[DROP_no_buffer]++;
		return;
	}
	feed_packet(worker, feed, format, from, copy, view);
}

// The RTP packet alone, without the headers before and the padding behind it. It lies in its one
// segment, as parse() has proven.
static void trim(struct rte_mbuf *mbuf, const uint8_t *payload, uint16_t length)
{
	mbuf->data_off = (uint16_t)(payload - (const uint8_t *)mbuf->buf_addr);
	mbuf->data_len = length;
	mbuf->pkt_len = length;
}

void route(struct worker *worker)
{
	const struct burst *burst = &worker->burst;

	worker->output.n = 0;
	for (unsigned int i = 0; i < burst->n; i++) {
		const struct leg_config *config = burst->configs[i];
		struct rte_mbuf *mbuf = burst->mbufs[i];
		unsigned int last = config->n_feeds - 1u;

		if (unlikely(config->n_feeds == 0)) {
			leg_drop(worker, burst->legs[i], mbuf, DROP_unrouted);
			continue;
		}
		trim(mbuf, burst->payloads[i], burst->lengths[i]);
		for (unsigned int j = 0; j < last; j++)
			feed_copy(worker, leg_config_feed(config, j), burst->formats[i],
				burst->legs[i], mbuf, &burst->views[i]);
		feed_packet(worker, leg_config_feed(config, last), burst->formats[i],
			burst->legs[i], mbuf, &burst->views[i]);
	}
}
