// Opus (RFC 6716, RTP payload RFC 7587) by libopus' plain API, mono, at any of its native rates.
//
// What is subtle: initialising a state runs CPUID several times inside libopus, which is slow in a
// virtual machine, and so does asking for its size. So sizes and one initialised state for each
// rate are made once (opus_templates_init()), and a stream begins with a copy: states hold offsets
// and pointers to constants, never to themselves. Nothing here is called per frame but
// opus_encode() and opus_decode(), and nothing of opus_multistream_*.
#include <assert.h>
#include <errno.h>
#include <opus.h>
#include <stdlib.h>
#include <string.h>

#include "codec_list.h"

#define N_RATES		   5
#define DEFAULT_COMPLEXITY 5
#define DTX_BYTES_MAX	   2
#define FEC_LOSS_PERCENT   10 // expected loss that makes the encoder spend bits on FEC
#define HEAD_BYTES	   16

// Before libopus' encoder in a state block.
struct encoder_head {
	uint8_t complexity; // as asked for
	uint8_t lowered;    // by how much it is lower now
	bool in_dtx;	    // the far end has been told that silence begins
};
static_assert(sizeof(struct encoder_head) <= HEAD_BYTES, "room before libopus' encoder");

static const struct {
	uint32_t sample_hz;
	uint32_t bitrate; // default: where quality levels off for speech
} rates[N_RATES] = {{8000, 24000}, {12000, 26000}, {16000, 28000}, {24000, 32000}, {48000, 36000}};

// Written once by opus_templates_init(), read by all.
static size_t encoder_bytes, decoder_bytes;
static void *encoder_templates[N_RATES], *decoder_templates[N_RATES];

static int rate_index(uint32_t sample_hz)
{
	for (int i = 0; i < N_RATES; i++) {
		if (rates[i].sample_hz == sample_hz)
			return i;
	}
	return -1;
}

static void templates_free(void)
{
	for (int i = 0; i < N_RATES; i++) {
		free(encoder_templates[i]);
		free(decoder_templates[i]);
		encoder_templates[i] = decoder_templates[i] = NULL;
	}
}

static int template_create(int i)
{
	int hz = (int)rates[i].sample_hz;
	OpusEncoder *encoder = encoder_templates[i] = calloc(1, encoder_bytes);
	OpusDecoder *decoder = decoder_templates[i] = calloc(1, decoder_bytes);

	if (!encoder || !decoder)
		return -ENOMEM;
	if (opus_encoder_init(encoder, hz, 1, OPUS_APPLICATION_VOIP) != OPUS_OK ||
		opus_encoder_ctl(encoder, OPUS_SET_SIGNAL(OPUS_SIGNAL_VOICE)) != OPUS_OK ||
		opus_decoder_init(decoder, hz, 1) != OPUS_OK)
		return -ENOMEM;
	return 0;
}

int opus_templates_init(void)
{
	if (encoder_bytes)
		return 0;
	encoder_bytes = (size_t)opus_encoder_get_size(1);
	decoder_bytes = (size_t)opus_decoder_get_size(1);
	for (int i = 0; i < N_RATES; i++) {
		int error = template_create(i);

		if (error) {
			templates_free();
			encoder_bytes = 0;
			return error;
		}
	}
	return 0;
}

static size_t encoder_size(void)
{
	return HEAD_BYTES + encoder_bytes;
}

static OpusEncoder *encoder_of(void *state)
{
	return (OpusEncoder *)((uint8_t *)state + HEAD_BYTES);
}

static size_t decoder_size(void)
{
	return decoder_bytes;
}

static int encoder_init(void *state, const struct codec_params *params)
{
	int i = rate_index(params->sample_hz);
	uint8_t complexity =
		params->complexity == CODEC_DEFAULT ? DEFAULT_COMPLEXITY : params->complexity;
	OpusEncoder *encoder = encoder_of(state);
	int bitrate;

	if (i < 0 || params->channels != 1 || complexity > 10)
		return -EINVAL;
	bitrate = (int)(params->bitrate ? params->bitrate : rates[i].bitrate);
	if (bitrate < 6000 || bitrate > 510000)
		return -EINVAL;
	*(struct encoder_head *)state = (struct encoder_head){.complexity = complexity};
	memcpy(encoder, encoder_templates[i], encoder_bytes);
	opus_encoder_ctl(encoder, OPUS_SET_BITRATE(bitrate));
	opus_encoder_ctl(encoder, OPUS_SET_COMPLEXITY(complexity));
	opus_encoder_ctl(encoder, OPUS_SET_VBR(!params->options.cbr));
	opus_encoder_ctl(encoder, OPUS_SET_DTX(params->options.dtx));
	opus_encoder_ctl(encoder, OPUS_SET_INBAND_FEC(params->fec ? 1 : 0));
	opus_encoder_ctl(encoder, OPUS_SET_PACKET_LOSS_PERC(params->fec ? FEC_LOSS_PERCENT : 0));
	return 0;
}

static int decoder_init(void *state, const struct codec_params *params)
{
	int i = rate_index(params->sample_hz);

	if (i < 0 || params->channels != 1)
		return -EINVAL;
	memcpy(state, decoder_templates[i], decoder_bytes);
	return 0;
}

static void complexity_lower(struct encoder_head *head, uint8_t lower)
{
	if (lower == head->lowered)
		return;
	head->lowered = lower;
	opus_encoder_ctl(encoder_of(head),
		OPUS_SET_COMPLEXITY(head->complexity > lower ? head->complexity - lower : 0));
}

static void encode(struct codec_encode_job *jobs, size_t n_jobs)
{
	for (size_t i = 0; i < n_jobs; i++) {
		struct codec_encode_job *job = &jobs[i];
		struct encoder_head *head = job->state;
		bool was_in_dtx = head->in_dtx;
		int n;

		complexity_lower(head, job->lower);
		n = opus_encode(encoder_of(head), job->pcm, job->n_samples, job->payload,
			CODEC_FRAME_BYTES_MAX);
		// Of silence under DTX one octet or two are left. The first are sent, so that the
		// far end knows what the gap means (RFC 7587 3.1.3).
		head->in_dtx = n > 0 && n <= DTX_BYTES_MAX;
		job->is_noise = head->in_dtx;
		job->n_bytes = n < 0 ? -EINVAL : head->in_dtx && was_in_dtx ? 0 : n;
	}
}

static void decode(struct codec_decode_job *jobs, size_t n_jobs)
{
	for (size_t i = 0; i < n_jobs; i++) {
		struct codec_decode_job *job = &jobs[i];
		bool is_lost = !job->payload;
		int n = opus_decode(job->state, job->payload, is_lost ? 0 : job->n_bytes, job->pcm,
			job->n_samples, !is_lost && job->fec);

		job->n_decoded = n < 0 ? -EBADMSG : n;
		job->is_noise = !is_lost && !job->fec && job->n_bytes <= DTX_BYTES_MAX;
	}
}

static int payload_samples(
	const uint8_t *payload, size_t n_bytes, const struct codec_params *params)
{
	int n = n_bytes > 0 && n_bytes <= INT32_MAX
			? opus_packet_get_nb_samples(
				  payload, (opus_int32)n_bytes, (opus_int32)params->sample_hz)
			: 0;

	return n > 0 ? n : -EBADMSG;
}

const struct codec codec_opus = {
	.name = "opus",
	.clock_hz = 48000,
	.channels = 2,
	.static_pt = CODEC_DEFAULT,
	.sample_rates = {8000, 12000, 16000, 24000, 48000},
	.frames_ms = {10, 20, 40, 60},
	.has_fec = true,
	.has_dtx = true,
	.has_complexity = true,
	.encode_ns = 45000,
	.decode_ns = 10000,
	.encoder_size = encoder_size,
	.decoder_size = decoder_size,
	.encoder_init = encoder_init,
	.decoder_init = decoder_init,
	.encode = encode,
	.decode = decode,
	.payload_samples = payload_samples,
};
