// Comfort noise of a stream. See silence.h.
#include "silence.h"

#include <string.h>

#include "stream.h"

#define FILL_MAX_S 2 // of noise before a packet; what is missing beyond is left out

void silence_init(struct silence *silence, uint32_t seed)
{
	memset(silence, 0, sizeof(*silence));
	noise_maker_init(&silence->maker, seed);
	noise_watch_init(&silence->watch);
}

void silence_begin(struct transcode_stream *s, const struct reorder_packet *packet)
{
	struct silence *silence = s->silence;
	const uint8_t *data = rte_pktmbuf_mtod(packet->mbuf, const uint8_t *);

	if (noise_parse(data + packet->view.payload_offset, packet->view.payload_bytes,
		    &silence->shape)) {
		STAT_ADD(s->stats.bad, 1);
		return;
	}
	if (!silence->on) // a frame behind, so that jitter does not put noise in the way of audio
		stream_pace_noise(s, packet->put_tsc, 2 * s->frame_samples);
	silence->on = true;
}

void silence_end(struct transcode_stream *s)
{
	s->silence->on = false;
}

uint32_t silence_fill(struct transcode_stream *s, uint32_t gap)
{
	uint32_t most = s->timeline.sample_hz * FILL_MAX_S;

	if (!s->silence->on)
		return 0;
	s->silence->fill = gap < most ? gap : most;
	return s->silence->fill;
}

static uint32_t append(struct transcode_stream *s, uint32_t n)
{
	uint32_t room = s->frame_samples - s->pcm_fill;

	n = n < room ? n : room;
	noise_make(&s->silence->maker, &s->silence->shape, s->pcm + s->pcm_fill, n);
	s->pcm_fill += n;
	return n;
}

void silence_append(struct transcode_stream *s)
{
	uint32_t n = append(s, s->silence->fill);

	s->silence->fill -= n;
	timeline_advance(&s->timeline, n);
}

void silence_tick(struct transcode_stream *s)
{
	uint32_t n;

	if (s->current || s->pcm_fill >= s->frame_samples)
		return; // there is input
	n = append(s, s->frame_samples);
	timeline_expect(&s->timeline, n);
	timeline_advance(&s->timeline, n);
}

static void send_noise(struct transcode_stream *s, const struct noise_shape *shape)
{
	struct rte_mbuf *packet = rte_pktmbuf_alloc(s->scratch->pool);
	const struct rtp_view view = {
		.ssrc = s->ssrc,
		.timestamp = stream_pcm_timestamp(s),
		.sequence = s->sequence,
		.pt = s->spec.cn_to_pt,
	};
	uint8_t payload[NOISE_BYTES_MAX];
	size_t n = noise_build(shape, payload);
	uint8_t *data;

	if (!packet) {
		STAT_ADD(s->stats.dropped, 1);
		return;
	}
	data = (uint8_t *)rte_pktmbuf_append(packet, (uint16_t)(RTP_HEADER_BYTES + n));
	rtp_header_write(data, &view);
	memcpy(data + RTP_HEADER_BYTES, payload, n);
	s->sequence++;
	lane_give(s->lane, s, packet);
}

bool silence_take_frame(struct transcode_stream *s)
{
	uint32_t frame_ms = s->frame_samples / (s->timeline.sample_hz / 1000);
	struct noise_shape shape;
	enum noise_verdict verdict;

	if (!s->spec.sends_noise)
		return false;
	verdict = noise_watch_frame(&s->silence->watch, s->pcm, s->frame_samples, frame_ms, &shape);
	if (verdict == NOISE_SEND)
		send_noise(s, &shape);
	return verdict != NOISE_SPEECH;
}
