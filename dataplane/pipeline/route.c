// To whom, and in which format. The last leg that takes a packet gets the packet itself, the others
// get copies, since each rewrites it. From here on a packet's data begins at its RTP header.
#include "checksum.h"
#include "g711.h"
#include "stages.h"

static inline void to_output(struct worker *worker, const struct feed *feed, unsigned int i,
	struct rte_mbuf *mbuf, uint64_t sum)
{
	const struct burst *burst = &worker->burst;
	struct output *output = &worker->output;
	unsigned int n = output->n++;

	rte_prefetch0(leg_config(feed->to));
	output->mbufs[n] = mbuf;
	output->legs[n] = feed->to;
	output->views[n] = burst->views[i];
	output->views[n].pt = feed->routes[burst->formats[i]].pt;
	output->sums[n] = sum;
}

static void to_transcoder(
	struct worker *worker, const struct feed *feed, unsigned int i, struct rte_mbuf *mbuf)
{
	unsigned int format = worker->burst.formats[i];
	uint8_t *rtp = rte_pktmbuf_mtod(mbuf, uint8_t *);

	// The far end may know it by two numbers (sl_format.receive_pt), the stream by one.
	rtp[1] = (rtp[1] & 0x80) | feed->routes[format].pt;
	if (unlikely(!transcode_submit(worker->shared->config.transcode, worker->index,
		    feed->streams[format], mbuf, worker->now_ns)))
		leg_drop(worker, worker->burst.legs[i], mbuf, DROP_transcoder_full);
	else
		worker->counters.to_codec++;
}

static __rte_noinline void feed_media(
	struct worker *worker, const struct feed *feed, unsigned int i, struct rte_mbuf *mbuf)
{
	const struct rtp_view *view = &worker->burst.views[i];
	uint8_t *payload = rte_pktmbuf_mtod_offset(mbuf, uint8_t *, view->payload_offset);

	switch ((enum feed_verb)feed->routes[worker->burst.formats[i]].verb) {
	case FEED_RELAY:
		break;
	case FEED_ULAW_TO_ALAW:
		g711_ulaw_to_alaw(payload, payload, view->payload_bytes);
		break;
	case FEED_ALAW_TO_ULAW:
		g711_alaw_to_ulaw(payload, payload, view->payload_bytes);
		break;
	case FEED_TRANSCODE:
		to_transcoder(worker, feed, i, mbuf);
		return;
	case FEED_DROP:
		leg_drop(worker, worker->burst.legs[i], mbuf, DROP_unrouted);
		return;
	}
	to_output(worker, feed, i, mbuf, SUM_UNKNOWN);
}

// Packet i of the burst, or a copy of it.
static inline void feed_packet(
	struct worker *worker, const struct feed *feed, unsigned int i, struct rte_mbuf *mbuf)
{
	if (likely(feed->routes[worker->burst.formats[i]].verb == FEED_RELAY))
		to_output(worker, feed, i, mbuf, worker->burst.sums[i]);
	else
		feed_media(worker, feed, i, mbuf);
}

// For all feeds but the last.
static __rte_noinline void feed_copies(
	struct worker *worker, const struct leg_config *config, unsigned int i)
{
	for (unsigned int j = 0; j + 1 < config->n_feeds; j++) {
		struct rte_mbuf *copy = rte_pktmbuf_copy(
			worker->burst.mbufs[i], worker->shared->config.pool, 0, UINT32_MAX);

		worker->counters.copied++;
		if (likely(copy))
			feed_packet(worker, leg_config_feed(config, j), i, copy);
		else
			worker->counters.drops[DROP_no_buffer]++;
	}
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
		unsigned int n_feeds = config->n_feeds;

		if (unlikely(n_feeds == 0)) {
			leg_drop(worker, burst->legs[i], mbuf, DROP_unrouted);
			continue;
		}
		trim(mbuf, burst->payloads[i], burst->lengths[i]);
		if (unlikely(n_feeds > 1))
			feed_copies(worker, config, i);
		feed_packet(worker, leg_config_feed(config, n_feeds - 1), i, mbuf);
	}
}
