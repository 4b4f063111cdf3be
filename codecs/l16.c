// L16 (RFC 3551 section 4.5.11): the samples themselves, 16 bits in network order, mono, at the
// rates that resample.h joins. A far end that sends other rates or stereo is relayed.
//
// A lost frame is concealed at 8,000 Hz by the repetition of the pitch (plc.h); at the higher
// rates, which only good networks carry, by the last frame again, fading.
#include <errno.h>
#include <string.h>

#include "codec_list.h"
#include "plc.h"

#define MS_MAX		60 // of one packet
#define FADE_MS		60 // to silence
#define REPEAT_MS	10 // what is repeated
#define SAMPLES_MAX(hz) ((hz) / 1000 * MS_MAX)
#define REPEAT_MAX	(48 * REPEAT_MS)

struct decoder {
	uint32_t sample_hz;
	uint16_t at;		  // in `last`
	uint16_t lost;		  // samples concealed in this loss
	int16_t last[REPEAT_MAX]; // REPEAT_MS of it, the newest samples
	struct plc plc;
};

static void encode(struct codec_encode_job *jobs, size_t n_jobs)
{
	for (size_t i = 0; i < n_jobs; i++) {
		struct codec_encode_job *job = &jobs[i];

		for (unsigned int k = 0; k < job->n_samples; k++) {
			job->payload[2 * k] = (uint8_t)((uint16_t)job->pcm[k] >> 8);
			job->payload[2 * k + 1] = (uint8_t)job->pcm[k];
		}
		job->n_bytes = 2 * job->n_samples;
	}
}

static unsigned int repeat_samples(const struct decoder *decoder)
{
	return decoder->sample_hz / 1000 * REPEAT_MS;
}

static void remember(struct decoder *decoder, const int16_t *pcm, unsigned int n)
{
	unsigned int size = repeat_samples(decoder), n_new = n < size ? n : size;

	memmove(decoder->last, decoder->last + n_new, (size - n_new) * sizeof(int16_t));
	memcpy(decoder->last + size - n_new, pcm + n - n_new, n_new * sizeof(int16_t));
	decoder->lost = 0;
	decoder->at = 0;
}

// Forwards and backwards in turns, so that there is no step.
static void repeat(struct decoder *decoder, int16_t *pcm, unsigned int n)
{
	int size = (int)repeat_samples(decoder), end = (int)(decoder->sample_hz / 1000 * FADE_MS);

	for (unsigned int k = 0; k < n; k++) {
		int at = decoder->at < size ? size - 1 - decoder->at : decoder->at - size;

		pcm[k] = (int16_t)(decoder->last[at] * (end - decoder->lost) / end);
		decoder->at = (uint16_t)((decoder->at + 1) % (2 * size));
		if (decoder->lost < end)
			decoder->lost++;
	}
}

static void conceal(struct codec_decode_job *job)
{
	struct decoder *decoder = job->state;

	if (decoder->sample_hz == 8000)
		plc_conceal(&decoder->plc, job->pcm, job->n_samples);
	else
		repeat(decoder, job->pcm, job->n_samples);
	job->n_decoded = job->n_samples;
}

static void decode_one(struct codec_decode_job *job)
{
	struct decoder *decoder = job->state;
	unsigned int n = job->n_bytes / 2u;

	if (!job->payload || job->fec) {
		conceal(job);
		return;
	}
	if (n == 0 || job->n_bytes % 2 || n > job->n_samples ||
		n > SAMPLES_MAX(decoder->sample_hz)) {
		job->n_decoded = -EBADMSG;
		return;
	}
	for (unsigned int k = 0; k < n; k++)
		job->pcm[k] = (int16_t)(job->payload[2 * k] << 8 | job->payload[2 * k + 1]);
	if (decoder->sample_hz == 8000)
		plc_receive(&decoder->plc, job->pcm, n);
	else
		remember(decoder, job->pcm, n);
	job->n_decoded = (int)n;
}

static void decode(struct codec_decode_job *jobs, size_t n_jobs)
{
	for (size_t i = 0; i < n_jobs; i++)
		decode_one(&jobs[i]);
}

static size_t encoder_size(void)
{
	return 0;
}

static size_t decoder_size(void)
{
	return sizeof(struct decoder);
}

// Which of the four it is the caller knows: its rate is its clock.
static bool params_are_right(const struct codec_params *params)
{
	return params->channels == 1 &&
	       (params->sample_hz == 8000 || params->sample_hz == 16000 ||
		       params->sample_hz == 24000 || params->sample_hz == 48000);
}

static int encoder_init(void *, const struct codec_params *params)
{
	return params_are_right(params) ? 0 : -EINVAL;
}

static int decoder_init(void *state, const struct codec_params *params)
{
	struct decoder *decoder = state;

	if (!params_are_right(params))
		return -EINVAL;
	*decoder = (struct decoder){.sample_hz = params->sample_hz};
	plc_init(&decoder->plc);
	return 0;
}

static int payload_samples(const uint8_t *, size_t n_bytes, const struct codec_params *params)
{
	return n_bytes > 0 && n_bytes % 2 == 0 && n_bytes / 2 <= SAMPLES_MAX(params->sample_hz)
		       ? (int)n_bytes / 2
		       : -EBADMSG;
}

// The longest frames are those that fit into CODEC_FRAME_BYTES_MAX.
#define L16(hz, ...)                                                                              \
	{                                                                                         \
		.name = "L16", .clock_hz = hz, .channels = 1, .static_pt = CODEC_DEFAULT,         \
		.sample_rates = {hz}, .frames_ms = {__VA_ARGS__}, .encode_ns = hz / 80,           \
		.decode_ns = hz / 60, .encoder_size = encoder_size, .decoder_size = decoder_size, \
		.encoder_init = encoder_init, .decoder_init = decoder_init, .encode = encode,     \
		.decode = decode, .payload_samples = payload_samples,                             \
	}

const struct codec codec_l16_8000 = L16(8000, 10, 20, 30, 40, 50, 60);
const struct codec codec_l16_16000 = L16(16000, 10, 20, 30);
const struct codec codec_l16_24000 = L16(24000, 10, 20);
const struct codec codec_l16_48000 = L16(48000, 10);
