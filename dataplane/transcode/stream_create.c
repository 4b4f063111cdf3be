// Setting up and freeing a transcode stream: main's part of its life. Everything that it will ever
// need is one allocation on the socket of its transcode lcore.
#include <errno.h>
#include <rte_malloc.h>
#include <rte_random.h>

#include "stream.h"

#define DECODED_MAX_MS 120 // of one packet
#define ALIGN	       64

static unsigned int codec_index(const struct codec *codec)
{
	unsigned int i = 0;

	while (codecs[i] != codec)
		i++;
	return i;
}

static size_t aligned(size_t size)
{
	return (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

static uint32_t common_rate(const struct transcode_spec *spec)
{
	return codec_common_rate(spec->from, spec->to, spec->playback_hz);
}

int transcode_supported(const struct transcode_spec *spec)
{
	struct timeline timeline;
	uint32_t hz = spec->from && spec->to ? common_rate(spec) : 0;

	if (hz == 0)
		return -EOPNOTSUPP;
	return timeline_init(&timeline, spec->from->clock_hz, spec->to->clock_hz, hz, 0);
}

// Above the lowest rate the work grows, but less than the rate does.
static uint32_t estimate_cost(const struct transcode_spec *spec, uint32_t sample_hz)
{
	uint32_t cost = spec->from->decode_ns + spec->to->encode_ns;

	return sample_hz > 8000 ? cost * 2 : cost;
}

static struct transcode_stream *stream_allocate(
	const struct transcode_spec *spec, uint32_t hz, uint32_t frame_samples, int socket_id)
{
	uint32_t pcm_room = frame_samples + hz / 1000 * DECODED_MAX_MS;
	size_t decoder_at = aligned(sizeof(struct transcode_stream));
	size_t encoder_at = decoder_at + aligned(spec->from->decoder_size());
	size_t pcm_at = encoder_at + aligned(spec->to->encoder_size());
	size_t size = pcm_at + pcm_room * sizeof(int16_t);
	uint8_t *block = rte_zmalloc_socket("transcode_stream", size, ALIGN, socket_id);
	struct transcode_stream *stream = (struct transcode_stream *)block;

	if (!block)
		return NULL;
	stream->decoder = block + decoder_at;
	stream->encoder = block + encoder_at;
	stream->pcm = (int16_t *)(block + pcm_at);
	stream->pcm_room = pcm_room;
	stream->frame_samples = frame_samples;
	return stream;
}

static int codecs_start(struct transcode_stream *s, uint32_t hz, uint8_t frame_ms)
{
	const struct codec_params encoder = {
		.sample_hz = hz,
		.channels = 1,
		.frame_ms = frame_ms,
		.complexity = s->spec.complexity,
		.fec = s->spec.fec,
		.bitrate = s->spec.bitrate,
	};

	s->decoder_params = (struct codec_params){.sample_hz = hz, .channels = 1};
	if (s->spec.from->decoder_init(s->decoder, &s->decoder_params) ||
		s->spec.to->encoder_init(s->encoder, &encoder))
		return -EINVAL;
	return 0;
}

static void stream_start(struct transcode_stream *s, uint32_t hz)
{
	if (s->spec.dtmf_from_hz == 0)
		s->spec.dtmf_from_hz = s->spec.from->clock_hz;
	if (s->spec.dtmf_to_hz == 0)
		s->spec.dtmf_to_hz = s->spec.to->clock_hz;
	timeline_init(&s->timeline, s->spec.from->clock_hz, s->spec.to->clock_hz, hz,
		(uint32_t)rte_rand());
	dtmf_mapper_init(&s->dtmf, s->spec.dtmf_from_hz, s->spec.dtmf_to_hz);
	reorder_init(&s->window);
	s->ssrc = (uint32_t)rte_rand();
	s->sequence = (uint16_t)rte_rand();
	s->marker = true;
	s->from_index = codec_index(s->spec.from);
	s->to_index = codec_index(s->spec.to);
	s->cost_ns = estimate_cost(&s->spec, hz);
}

struct transcode_stream *stream_create(
	const struct transcode_spec *spec, struct rte_mempool *pool, int socket_id)
{
	int error = transcode_supported(spec);
	struct transcode_stream *stream;
	uint8_t frame_ms;
	uint32_t hz;

	if (error) {
		errno = -error;
		return NULL;
	}
	hz = common_rate(spec);
	frame_ms = codec_frame_ms(spec->to, spec->to_ptime_ms);
	stream = stream_allocate(spec, hz, hz / 1000 * frame_ms, socket_id);
	if (!stream) {
		errno = ENOMEM;
		return NULL;
	}
	stream->spec = *spec;
	stream->pool = pool;
	error = codecs_start(stream, hz, frame_ms);
	if (error) {
		rte_free(stream);
		errno = -error;
		return NULL;
	}
	stream_start(stream, hz);
	return stream;
}

void stream_free(struct transcode_stream *stream)
{
	reorder_empty(&stream->window);
	rte_pktmbuf_free(stream->current.mbuf);
	rte_free(stream);
}
