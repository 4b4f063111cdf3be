// Setting up and freeing a transcode stream: main's part of its life. Everything that it will ever
// need is one allocation on the socket of its transcode lcore; only codecs whose library insists on
// it have memory of their own besides.
#include <errno.h>
#include <rte_cycles.h>
#include <rte_malloc.h>
#include <rte_random.h>

#include "codec_cost.h"
#include "resample.h"
#include "stream.h"

#define DECODED_MAX_MS 120 // of one packet
#define ALIGN	       64
#define RESAMPLE_NS    500 // of 20 ms

struct transcode_feedback *transcode_feedback_create(void)
{
	struct transcode_feedback *feedback =
		rte_zmalloc("transcode_feedback", sizeof(*feedback), RTE_CACHE_LINE_SIZE);

	if (feedback)
		feedback->n_holders = 1;
	return feedback;
}

static void feedback_hold(struct transcode_feedback *feedback)
{
	if (feedback)
		feedback->n_holders++;
}

// Several lcores may put digits in: each takes a place of its own. What main does not take in time
// is overwritten.
void feedback_put_digit(struct transcode_feedback *feedback, uint8_t code, uint32_t duration_ms)
{
	uint32_t at = __atomic_fetch_add(&feedback->n_digits, 1, __ATOMIC_RELAXED);
	uint32_t ms = duration_ms > UINT16_MAX ? UINT16_MAX : duration_ms;

	__atomic_store_n(&feedback->digits[at % FEEDBACK_DIGITS],
		FEEDBACK_DIGIT | (uint32_t)code << 16 | ms, __ATOMIC_RELEASE);
}

bool transcode_feedback_digit(struct transcode_feedback *feedback, struct transcode_digit *digit)
{
	uint32_t value = __atomic_exchange_n(
		&feedback->digits[feedback->n_taken % FEEDBACK_DIGITS], 0, __ATOMIC_ACQUIRE);

	if (value == 0)
		return false;
	feedback->n_taken++;
	*digit = (struct transcode_digit){(uint8_t)(value >> 16), (uint16_t)value};
	return true;
}

void transcode_feedback_release(struct transcode_feedback *feedback)
{
	if (feedback && --feedback->n_holders == 0)
		rte_free(feedback);
}

static uint8_t codec_index(const struct codec *codec)
{
	uint8_t i = 0;

	while (codecs[i] != codec)
		i++;
	return i;
}

static size_t aligned(size_t size)
{
	return (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

static int choose_rates(const struct transcode_spec *spec, struct codec_rates *rates)
{
	if (!spec->from || !spec->to)
		return -EOPNOTSUPP;
	return codec_rates(spec->from, spec->to, spec->playback_hz, rates);
}

int transcode_supported(const struct transcode_spec *spec)
{
	struct timeline timeline;
	struct codec_rates rates;
	int error = choose_rates(spec, &rates);

	if (error)
		return error;
	return timeline_init(
		&timeline, spec->from->clock_hz, spec->to->clock_hz, rates.decode_hz, 0);
}

// What encoding costs is about linear in the complexity; it is known at two.
static uint32_t encode_cost(const struct transcode_spec *spec)
{
	struct codec_cost cost = codec_cost(spec->to);

	if (!spec->to->has_complexity || spec->complexity == CODEC_DEFAULT)
		return cost.encode_ns;
	return cost.encode_least_ns +
	       (cost.encode_ns - cost.encode_least_ns) * spec->complexity / CODEC_COST_COMPLEXITY;
}

// Above a codec's lowest rate the work grows, but less than the rate does.
static void estimate_cost(struct transcode_stream *s, const struct codec_rates *rates)
{
	const struct codec *from = s->spec.from, *to = s->spec.to;
	uint32_t decode_ns = codec_cost(from).decode_ns, encode_ns = encode_cost(&s->spec);
	uint32_t least_ns = codec_cost(to).encode_least_ns;
	uint32_t factor = rates->encode_hz > to->sample_rates[0] ? 2 : 1;

	decode_ns *= rates->decode_hz > from->sample_rates[0] ? 2 : 1;
	decode_ns += rates->decode_hz == rates->encode_hz ? 0 : RESAMPLE_NS;
	s->cost_ns = decode_ns + encode_ns * factor;
	s->least_ns = decode_ns + least_ns * factor;
}

static struct transcode_stream *stream_allocate(const struct transcode_spec *spec,
	const struct codec_rates *rates, uint8_t frame_ms, int socket_id)
{
	bool is_resampled = rates->decode_hz != rates->encode_hz;
	uint32_t frame_samples = rates->decode_hz / 1000 * frame_ms;
	uint32_t encode_samples = rates->encode_hz / 1000 * frame_ms;
	uint32_t pcm_room = frame_samples + rates->decode_hz / 1000 * DECODED_MAX_MS;
	size_t decoder_at = aligned(sizeof(struct transcode_stream));
	size_t encoder_at = decoder_at + aligned(spec->from->decoder_size());
	bool has_silence = spec->hears_noise || spec->sends_noise;
	bool has_digits = spec->detect_tones || spec->generate_tones || spec->takes_digits;
	size_t digits_at = encoder_at + aligned(spec->to->encoder_size());
	size_t silence_at = digits_at + (has_digits ? aligned(sizeof(struct digits)) : 0);
	bool has_playout = spec->jitter != TRANSCODE_JITTER_NONE;
	size_t playout_at = silence_at + (has_silence ? aligned(sizeof(struct silence)) : 0);
	size_t rest_at = playout_at + (has_playout ? aligned(sizeof(struct playout)) : 0);
	size_t resampler_at = rest_at + aligned(frame_samples * sizeof(int16_t));
	size_t size = resampler_at + resampler_size(rates->decode_hz, rates->encode_hz);
	uint8_t *block = rte_zmalloc_socket("transcode_stream", size, ALIGN, socket_id);
	struct transcode_stream *stream = (struct transcode_stream *)block;

	if (!block)
		return NULL;
	stream->decoder = block + decoder_at;
	stream->encoder = block + encoder_at;
	stream->digits = has_digits ? (struct digits *)(block + digits_at) : NULL;
	stream->silence = has_silence ? (struct silence *)(block + silence_at) : NULL;
	stream->playout = has_playout ? (struct playout *)(block + playout_at) : NULL;
	stream->rest = stream->pcm = (int16_t *)(block + rest_at);
	stream->pcm_room = pcm_room;
	stream->frame_samples = frame_samples;
	stream->encode_samples = encode_samples;
	stream->resampler = is_resampled ? block + resampler_at : NULL;
	return stream;
}

static int codecs_start(
	struct transcode_stream *s, const struct codec_rates *rates, uint8_t frame_ms)
{
	const struct codec_params encoder = {
		.sample_hz = rates->encode_hz,
		.channels = 1,
		.frame_ms = frame_ms,
		.complexity = s->spec.complexity,
		.fec = s->spec.fec,
		.bitrate = s->spec.bitrate,
		.options = s->spec.to_options,
	};
	int error;

	if (s->resampler)
		resampler_init(s->resampler, rates->decode_hz, rates->encode_hz);
	error = stream_start_decoder(s);
	return error ? error : s->spec.to->encoder_init(s->encoder, &encoder);
}

int stream_start_decoder(struct transcode_stream *s)
{
	const struct codec_params params = {
		.sample_hz = s->timeline.sample_hz,
		.channels = 1,
		.options = s->spec.from_options,
	};

	return s->spec.from->decoder_init(s->decoder, &params);
}

static void codecs_stop(struct transcode_stream *s)
{
	if (s->spec.from->decoder_fini)
		s->spec.from->decoder_fini(s->decoder);
	if (s->spec.to->encoder_fini)
		s->spec.to->encoder_fini(s->encoder);
}

static void stream_start(struct transcode_stream *s, const struct codec_rates *rates)
{
	if (s->spec.dtmf_from_hz == 0)
		s->spec.dtmf_from_hz = s->spec.from->clock_hz;
	if (s->spec.dtmf_to_hz == 0)
		s->spec.dtmf_to_hz = s->spec.to->clock_hz;
	if (s->spec.detect_tones)
		s->spec.dtmf_from_hz = DIGITS_HZ;
	if (s->spec.generate_tones)
		s->spec.dtmf_to_hz = rates->decode_hz;
	if (s->silence)
		silence_init(s->silence, (uint32_t)rte_rand());
	if (s->playout)
		playout_init(s->playout, &s->spec, rte_get_tsc_hz());
	if (s->digits)
		digits_init(s->digits, rates->decode_hz);
	dtmf_mapper_init(&s->dtmf, s->spec.dtmf_from_hz, s->spec.dtmf_to_hz);
	reorder_init(&s->window);
	s->ssrc = (uint32_t)rte_rand();
	s->sequence = (uint16_t)rte_rand();
	s->marker = true;
	s->from_index = codec_index(s->spec.from);
	s->to_index = codec_index(s->spec.to);
	s->sample_tsc = (uint32_t)(rte_get_tsc_hz() / rates->decode_hz);
	estimate_cost(s, rates);
	feedback_hold(s->spec.from_feedback);
	feedback_hold(s->spec.to_feedback);
}

struct transcode_stream *stream_create(const struct transcode_spec *spec, int socket_id)
{
	int error = transcode_supported(spec);
	struct transcode_stream *stream;
	struct codec_rates rates;
	uint8_t frame_ms;

	if (error) {
		errno = -error;
		return NULL;
	}
	choose_rates(spec, &rates);
	frame_ms = codec_frame_ms(spec->to, spec->to_ptime_ms);
	stream = stream_allocate(spec, &rates, frame_ms, socket_id);
	if (!stream) {
		errno = ENOMEM;
		return NULL;
	}
	stream->spec = *spec;
	timeline_init(&stream->timeline, spec->from->clock_hz, spec->to->clock_hz, rates.decode_hz,
		(uint32_t)rte_rand());
	error = codecs_start(stream, &rates, frame_ms);
	if (error) {
		codecs_stop(stream);
		rte_free(stream);
		errno = -error;
		return NULL;
	}
	stream_start(stream, &rates);
	return stream;
}

void stream_free(struct transcode_stream *stream)
{
	reorder_empty(&stream->window);
	if (stream->current)
		rte_pktmbuf_free(stream->current->mbuf);
	codecs_stop(stream);
	transcode_feedback_release(stream->spec.from_feedback);
	transcode_feedback_release(stream->spec.to_feedback);
	rte_free(stream);
}
