// AMR and AMR-WB by libopencore-amrnb, libopencore-amrwb and libvo-amrwbenc, one frame of 20 ms
// after the other into RFC 4867 payloads (amr_payload.h).
//
// What is subtle: the libraries allocate their states themselves, so a state block holds a handle.
// libopencore-amrnb writes to the samples it encodes, so it gets a copy. It also ignores its own
// bad-frame argument: a frame that is lost or damaged is given to both decoders as NO_DATA, which
// makes them conceal it, or go on with comfort noise where that is what they are at.
#include <errno.h>
#include <opencore-amrnb/interf_dec.h>
#include <opencore-amrnb/interf_enc.h>
#include <opencore-amrwb/dec_if.h>
#include <string.h>
#include <vo-amrwbenc/enc_if.h>

#include "amr_mode.h"
#include "amr_payload.h"
#include "codec_list.h"

#define FRAME_MS	  20
#define FRAME_SAMPLES_MAX 320

struct encoder {
	void *library; // NULL: not begun
	struct amr_layout layout;
	struct amr_mode mode;
	bool dtx;
};

struct decoder {
	void *library; // NULL: not begun
	struct amr_layout layout;
};

// What differs between the bands.
struct band {
	enum amr_band band;
	uint32_t sample_hz;
	uint32_t bitrate; // default
	void *(*encoder_open)(bool dtx);
	void (*encoder_close)(void *library);
	void (*encode)(struct encoder *encoder, int mode, const int16_t *pcm, uint8_t *frame);
	void *(*decoder_open)(void);
	void (*decoder_close)(void *library);
	void (*decode)(void *library, const uint8_t *frame, int16_t *pcm);
};

static void *narrow_open(bool dtx)
{
	return Encoder_Interface_init(dtx);
}

static void narrow_encode(struct encoder *encoder, int mode, const int16_t *pcm, uint8_t *frame)
{
	int16_t copy[160];

	memcpy(copy, pcm, sizeof(copy));
	Encoder_Interface_Encode(encoder->library, (enum Mode)mode, copy, frame, 0);
}

static void narrow_decode(void *library, const uint8_t *frame, int16_t *pcm)
{
	Decoder_Interface_Decode(library, frame, pcm, 0);
}

static void *wide_open(bool)
{
	return E_IF_init();
}

static void wide_encode(struct encoder *encoder, int mode, const int16_t *pcm, uint8_t *frame)
{
	E_IF_encode(encoder->library, mode, pcm, frame, encoder->dtx);
}

static void wide_decode(void *library, const uint8_t *frame, int16_t *pcm)
{
	D_IF_decode(library, frame, pcm, _good_frame);
}

static const struct band narrow = {
	.band = AMR_NARROW,
	.sample_hz = 8000,
	.bitrate = 12200,
	.encoder_open = narrow_open,
	.encoder_close = Encoder_Interface_exit,
	.encode = narrow_encode,
	.decoder_open = Decoder_Interface_init,
	.decoder_close = Decoder_Interface_exit,
	.decode = narrow_decode,
};

static const struct band wide = {
	.band = AMR_WIDE,
	.sample_hz = 16000,
	.bitrate = 12650,
	.encoder_open = wide_open,
	.encoder_close = E_IF_exit,
	.encode = wide_encode,
	.decoder_open = D_IF_init,
	.decoder_close = D_IF_exit,
	.decode = wide_decode,
};

static struct amr_layout layout_of(const struct band *band, const struct codec_params *params)
{
	return (struct amr_layout){band->band, params->options.octet_align};
}

static bool is_valid(const struct band *band, const struct codec_params *params)
{
	return params->sample_hz == band->sample_hz && params->channels == 1;
}

static int encoder_begin(
	const struct band *band, struct encoder *encoder, const struct codec_params *params)
{
	struct encoder begun = {
		.layout = layout_of(band, params),
		.dtx = params->options.dtx,
	};
	uint32_t bitrate = params->bitrate ? params->bitrate : band->bitrate;

	if (!is_valid(band, params) ||
		amr_mode_init(&begun.mode, band->band, &params->options, bitrate))
		return -EINVAL;
	begun.library = band->encoder_open(begun.dtx);
	if (!begun.library)
		return -ENOMEM;
	if (encoder->library)
		band->encoder_close(encoder->library);
	*encoder = begun;
	return 0;
}

static int decoder_begin(
	const struct band *band, struct decoder *decoder, const struct codec_params *params)
{
	struct decoder begun = {.layout = layout_of(band, params)};

	if (!is_valid(band, params))
		return -EINVAL;
	begun.library = band->decoder_open();
	if (!begun.library)
		return -ENOMEM;
	if (decoder->library)
		band->decoder_close(decoder->library);
	*decoder = begun;
	return 0;
}

static bool is_speech(enum amr_band band, const struct amr_frame *frame)
{
	return amr_frame_type(frame) < amr_n_modes(band);
}

static void encode_one(const struct band *band, struct codec_encode_job *job)
{
	unsigned int step = band->sample_hz / 1000 * FRAME_MS, n_frames = job->n_samples / step;
	struct encoder *encoder = job->state;
	struct amr_payload payload = {.request = AMR_NO_REQUEST, .n_frames = (uint8_t)n_frames};
	bool is_empty = true;

	if (n_frames == 0 || n_frames > AMR_FRAMES_MAX || job->n_samples % step) {
		job->n_bytes = -EINVAL;
		return;
	}
	job->is_noise = true;
	amr_mode_request(&encoder->mode, job->request);
	for (unsigned int i = 0; i < n_frames; i++) {
		struct amr_frame *frame = &payload.frames[i];

		band->encode(
			encoder, amr_mode_next(&encoder->mode), job->pcm + i * step, frame->bytes);
		is_empty = is_empty && amr_frame_type(frame) == AMR_NO_DATA;
		job->is_noise = job->is_noise && !is_speech(band->band, frame);
	}
	job->n_bytes =
		is_empty ? 0 : (int)amr_payload_build(&encoder->layout, &payload, job->payload);
}

// The library's answer to nothing: concealment after speech, comfort noise after a description of
// it. A length that is no whole number of frames gets the beginning of the last one.
static void conceal(const struct band *band, struct codec_decode_job *job)
{
	const uint8_t no_data = amr_frame_header(AMR_NO_DATA, true);
	unsigned int step = band->sample_hz / 1000 * FRAME_MS, at = 0;
	struct decoder *decoder = job->state;
	int16_t last[FRAME_SAMPLES_MAX];

	for (; at + step <= job->n_samples; at += step)
		band->decode(decoder->library, &no_data, job->pcm + at);
	if (at < job->n_samples) {
		band->decode(decoder->library, &no_data, last);
		memcpy(job->pcm + at, last, (job->n_samples - at) * sizeof(int16_t));
	}
	job->n_decoded = job->n_samples;
}

// Damaged frames, and the silence of other codecs, are as good as none.
static void decode_frame(
	const struct band *band, void *library, struct amr_frame *frame, int16_t *pcm)
{
	if (!amr_frame_is_good(frame) || amr_frame_type(frame) > amr_n_modes(band->band))
		frame->bytes[0] = amr_frame_header(AMR_NO_DATA, true);
	band->decode(library, frame->bytes, pcm);
}

static void decode_one(const struct band *band, struct codec_decode_job *job)
{
	unsigned int step = band->sample_hz / 1000 * FRAME_MS;
	struct decoder *decoder = job->state;
	struct amr_payload payload;

	if (!job->payload || job->fec) {
		conceal(band, job);
		return;
	}
	if (amr_payload_parse(&decoder->layout, job->payload, job->n_bytes, &payload) ||
		payload.n_frames * step > job->n_samples) {
		job->n_decoded = -EBADMSG;
		return;
	}
	if (payload.request < amr_n_modes(band->band))
		job->request = payload.request + 1;
	job->is_noise = !is_speech(band->band, &payload.frames[payload.n_frames - 1]);
	job->n_decoded = 0;
	for (unsigned int i = job->n_played / step; i < payload.n_frames; i++) {
		decode_frame(band, decoder->library, &payload.frames[i], job->pcm + job->n_decoded);
		job->n_decoded += (int)step;
	}
}

static int count_samples(
	const struct band *band, const uint8_t *bytes, size_t n, const struct codec_params *params)
{
	struct amr_layout layout = layout_of(band, params);
	struct amr_payload payload;
	int error = amr_payload_parse(&layout, bytes, n, &payload);

	return error ? error : payload.n_frames * (int)band->sample_hz / 1000 * FRAME_MS;
}

static void encoder_end(const struct band *band, struct encoder *encoder)
{
	if (encoder->library)
		band->encoder_close(encoder->library);
	*encoder = (struct encoder){};
}

static void decoder_end(const struct band *band, struct decoder *decoder)
{
	if (decoder->library)
		band->decoder_close(decoder->library);
	*decoder = (struct decoder){};
}

static size_t encoder_size(void)
{
	return sizeof(struct encoder);
}

static size_t decoder_size(void)
{
	return sizeof(struct decoder);
}

// The functions of struct codec for a band.
#define BAND_FUNCTIONS(band)                                                               \
	static int band##_encoder_init(void *state, const struct codec_params *params)     \
	{                                                                                  \
		return encoder_begin(&band, state, params);                                \
	}                                                                                  \
	static int band##_decoder_init(void *state, const struct codec_params *params)     \
	{                                                                                  \
		return decoder_begin(&band, state, params);                                \
	}                                                                                  \
	static void band##_encoder_fini(void *state)                                       \
	{                                                                                  \
		encoder_end(&band, state);                                                 \
	}                                                                                  \
	static void band##_decoder_fini(void *state)                                       \
	{                                                                                  \
		decoder_end(&band, state);                                                 \
	}                                                                                  \
	static void band##_encode_jobs(struct codec_encode_job *jobs, size_t n_jobs)       \
	{                                                                                  \
		for (size_t i = 0; i < n_jobs; i++)                                        \
			encode_one(&band, &jobs[i]);                                       \
	}                                                                                  \
	static void band##_decode_jobs(struct codec_decode_job *jobs, size_t n_jobs)       \
	{                                                                                  \
		for (size_t i = 0; i < n_jobs; i++)                                        \
			decode_one(&band, &jobs[i]);                                       \
	}                                                                                  \
	static int band##_payload_samples(                                                 \
		const uint8_t *payload, size_t n_bytes, const struct codec_params *params) \
	{                                                                                  \
		return count_samples(&band, payload, n_bytes, params);                     \
	}

BAND_FUNCTIONS(narrow)
BAND_FUNCTIONS(wide)

const struct codec codec_amr = {
	.name = "AMR",
	.clock_hz = 8000,
	.channels = 1,
	.static_pt = CODEC_DEFAULT,
	.sample_rates = {8000},
	.frames_ms = {20, 40, 60},
	.has_dtx = true,
	.has_redundancy = true, // RFC 4867 3.7.1
	.has_requests = true,
	.encode_ns = 43000,
	.decode_ns = 11000,
	.encoder_size = encoder_size,
	.decoder_size = decoder_size,
	.encoder_init = narrow_encoder_init,
	.decoder_init = narrow_decoder_init,
	.encoder_fini = narrow_encoder_fini,
	.decoder_fini = narrow_decoder_fini,
	.encode = narrow_encode_jobs,
	.decode = narrow_decode_jobs,
	.payload_samples = narrow_payload_samples,
};

const struct codec codec_amr_wb = {
	.name = "AMR-WB",
	.clock_hz = 16000,
	.channels = 1,
	.static_pt = CODEC_DEFAULT,
	.sample_rates = {16000},
	.frames_ms = {20, 40, 60},
	.has_dtx = true,
	.has_redundancy = true, // RFC 4867 3.7.1
	.has_requests = true,
	.encode_ns = 112000,
	.decode_ns = 21000,
	.encoder_size = encoder_size,
	.decoder_size = decoder_size,
	.encoder_init = wide_encoder_init,
	.decoder_init = wide_decoder_init,
	.encoder_fini = wide_encoder_fini,
	.decoder_fini = wide_decoder_fini,
	.encode = wide_encode_jobs,
	.decode = wide_decode_jobs,
	.payload_samples = wide_payload_samples,
};
