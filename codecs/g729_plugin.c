// G.729 with Annexes A and B by bcg729, as a plug-in: bcg729 is GPL-3, so whoever loads this has a
// combined work under that licence. RTP payload: RFC 3551 section 4.5.6, any number of frames of 10
// ms, and at the end perhaps a description of silence (SID) of two octets.
//
// What is subtle: an octet string cannot say that a frame in its middle was not sent. So with
// Annex B a packet carries its frames from the last gap on, and says how many samples it leaves
// out (n_skipped). bcg729 allocates its states itself.
#include <bcg729/decoder.h>
#include <bcg729/encoder.h>
#include <errno.h>
#include <string.h>

#include "codec_plugin.h"

#define FRAME_SAMPLES 80
#define FRAME_BYTES   10
#define SID_BYTES     2
#define FRAMES_MAX    12 // of a payload: 120 ms

struct encoder {
	bcg729EncoderChannelContextStruct *library; // NULL: not begun
};

struct decoder {
	bcg729DecoderChannelContextStruct *library; // NULL: not begun
};

static size_t encoder_size(void)
{
	return sizeof(struct encoder);
}

static size_t decoder_size(void)
{
	return sizeof(struct decoder);
}

static bool is_valid(const struct codec_params *params)
{
	return params->sample_hz == 8000 && params->channels == 1;
}

static void encoder_fini(void *state)
{
	struct encoder *encoder = state;

	if (encoder->library)
		closeBcg729EncoderChannel(encoder->library);
	encoder->library = NULL;
}

static void decoder_fini(void *state)
{
	struct decoder *decoder = state;

	if (decoder->library)
		closeBcg729DecoderChannel(decoder->library);
	decoder->library = NULL;
}

static int encoder_init(void *state, const struct codec_params *params)
{
	struct encoder begun;

	if (!is_valid(params))
		return -EINVAL;
	begun.library = initBcg729EncoderChannel(params->options.dtx);
	if (!begun.library)
		return -ENOMEM;
	encoder_fini(state);
	*(struct encoder *)state = begun;
	return 0;
}

static int decoder_init(void *state, const struct codec_params *params)
{
	struct decoder begun;

	if (!is_valid(params))
		return -EINVAL;
	begun.library = initBcg729DecoderChannel();
	if (!begun.library)
		return -ENOMEM;
	decoder_fini(state);
	*(struct decoder *)state = begun;
	return 0;
}

// Add a frame of `n` octets (10, 2 or 0) to the payload, which begins anew where it cannot follow
// what is there.
static void append(
	struct codec_encode_job *job, unsigned int frame, const uint8_t *bytes, uint8_t n)
{
	bool follows = job->n_bytes == (int)(frame - job->n_skipped / FRAME_SAMPLES) * FRAME_BYTES;

	if (n == 0)
		return;
	if (!follows) {
		job->n_bytes = 0;
		job->n_skipped = (uint16_t)(frame * FRAME_SAMPLES);
	}
	memcpy(job->payload + job->n_bytes, bytes, n);
	job->n_bytes += n;
}

static void encode_one(struct codec_encode_job *job)
{
	unsigned int n_frames = job->n_samples / FRAME_SAMPLES;
	struct encoder *encoder = job->state;

	if (n_frames == 0 || n_frames > FRAMES_MAX || job->n_samples % FRAME_SAMPLES) {
		job->n_bytes = -EINVAL;
		return;
	}
	job->n_bytes = 0;
	job->n_skipped = 0;
	for (unsigned int i = 0; i < n_frames; i++) {
		uint8_t bytes[FRAME_BYTES] = {}, n = 0;

		bcg729Encoder(encoder->library, job->pcm + i * FRAME_SAMPLES, bytes, &n);
		append(job, i, bytes, n);
	}
	job->is_noise = job->n_bytes <= SID_BYTES;
}

static void encode(struct codec_encode_job *jobs, size_t n_jobs)
{
	for (size_t i = 0; i < n_jobs; i++)
		encode_one(&jobs[i]);
}

// bcg729's answer to nothing: concealment after speech, comfort noise after a SID.
static void conceal_frame(struct decoder *decoder, int16_t *pcm)
{
	bcg729Decoder(decoder->library, NULL, 0, 1, 0, 0, pcm);
}

static void conceal(struct codec_decode_job *job)
{
	struct decoder *decoder = job->state;
	int16_t last[FRAME_SAMPLES];
	unsigned int at = 0;

	for (; at + FRAME_SAMPLES <= job->n_samples; at += FRAME_SAMPLES)
		conceal_frame(decoder, job->pcm + at);
	if (at < job->n_samples) {
		conceal_frame(decoder, last);
		memcpy(job->pcm + at, last, (job->n_samples - at) * sizeof(int16_t));
	}
	job->n_decoded = job->n_samples;
}

static int count_samples(size_t n_bytes)
{
	size_t rest = n_bytes % FRAME_BYTES, n = n_bytes / FRAME_BYTES + (rest == SID_BYTES);

	return n == 0 || n > FRAMES_MAX || (rest && rest != SID_BYTES) ? -EBADMSG
								       : (int)n * FRAME_SAMPLES;
}

static void decode_one(struct codec_decode_job *job)
{
	struct decoder *decoder = job->state;
	const uint8_t *at = job->payload;
	int n_samples = count_samples(job->n_bytes);

	if (!job->payload || job->fec) {
		conceal(job);
		return;
	}
	if (n_samples < 0 || n_samples > job->n_samples) {
		job->n_decoded = -EBADMSG;
		return;
	}
	job->is_noise = job->n_bytes % FRAME_BYTES;
	for (int i = 0; i < n_samples; i += FRAME_SAMPLES) {
		bool is_sid = job->is_noise && i + FRAME_SAMPLES == n_samples;

		bcg729Decoder(decoder->library, at, is_sid ? SID_BYTES : FRAME_BYTES, 0, is_sid, 0,
			job->pcm + i);
		at += FRAME_BYTES;
	}
	job->n_decoded = n_samples;
}

static void decode(struct codec_decode_job *jobs, size_t n_jobs)
{
	for (size_t i = 0; i < n_jobs; i++)
		decode_one(&jobs[i]);
}

static int payload_samples(const uint8_t *, size_t n_bytes, const struct codec_params *)
{
	return count_samples(n_bytes);
}

static const struct codec codec_g729 = {
	.name = "G729",
	.clock_hz = 8000,
	.channels = 1,
	.static_pt = 18,
	.has_dtx = true,
	.sample_rates = {8000},
	.frames_ms = {10, 20, 30, 40, 50, 60},
	.encode_ns = 33000,
	.decode_ns = 6500,
	.encoder_size = encoder_size,
	.decoder_size = decoder_size,
	.encoder_init = encoder_init,
	.decoder_init = decoder_init,
	.encoder_fini = encoder_fini,
	.decoder_fini = decoder_fini,
	.encode = encode,
	.decode = decode,
	.payload_samples = payload_samples,
};

static const struct codec *const plugin_codecs[] = {&codec_g729, NULL};

extern const struct codec_plugin sluice_codec_plugin;
__attribute__((visibility("default"))) const struct codec_plugin sluice_codec_plugin = {
	.abi = CODEC_PLUGIN_ABI,
	.codec_bytes = sizeof(struct codec),
	.name = "G.729 by bcg729",
	.licence = "GPL-3.0-or-later",
	.codecs = plugin_codecs,
};
