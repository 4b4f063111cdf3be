// Speex (RTP payload RFC 5574) by libspeex: narrow, wide and ultra-wideband, 20 ms a frame, several
// frames a payload without octets between them, then a 0 and ones up to the next octet.
//
// A frame of a wider band is one of the narrow band with one or two layers behind it. So a decoder
// of a lower rate leaves layers out, an encoder of a lower rate makes none, and both run at all
// rates up to the format's. In-band requests are passed over.
//
// What is subtle: libspeex says on standard error what it thinks of malformed frames. It sees none:
// payload_samples() walks over them first, by their lengths. Its states are on the heap; the block
// holds a handle.
#include <errno.h>
#include <speex/speex.h>
#include <stdlib.h>
#include <string.h>

#include "codec_list.h"

#define FRAMES_MAX	   6 // 120 ms
#define FRAME_MAX	   640
#define DEFAULT_COMPLEXITY 3
#define DEFAULT_QUALITY	   8
#define NOISE_MODE	   1 // of the narrow band, and below: next to nothing but noise

struct encoder {
	void *speex;
	uint16_t frame; // samples
	uint8_t complexity;
	uint8_t lowered;
};

struct decoder {
	void *speex;
	uint16_t frame;
};

static const SpeexMode *mode_of(uint32_t sample_hz)
{
	switch (sample_hz) {
	case 8000:
		return speex_lib_get_mode(SPEEX_MODEID_NB);
	case 16000:
		return speex_lib_get_mode(SPEEX_MODEID_WB);
	case 32000:
		return speex_lib_get_mode(SPEEX_MODEID_UWB);
	default:
		return NULL;
	}
}

static size_t encoder_size(void)
{
	return sizeof(struct encoder);
}

static size_t decoder_size(void)
{
	return sizeof(struct decoder);
}

static void encoder_fini(void *state)
{
	struct encoder *encoder = state;

	if (encoder->speex)
		speex_encoder_destroy(encoder->speex);
	memset(encoder, 0, sizeof(*encoder));
}

static void decoder_fini(void *state)
{
	struct decoder *decoder = state;

	if (decoder->speex)
		speex_decoder_destroy(decoder->speex);
	memset(decoder, 0, sizeof(*decoder));
}

static void set(void *speex, int request, int value)
{
	speex_encoder_ctl(speex, request, &value);
}

static void encoder_set_up(struct encoder *encoder, const struct codec_params *params)
{
	const struct codec_options *options = &params->options;
	float vbr_quality = DEFAULT_QUALITY;

	set(encoder->speex, SPEEX_SET_COMPLEXITY, encoder->complexity);
	set(encoder->speex, SPEEX_SET_QUALITY, DEFAULT_QUALITY);
	if (params->bitrate)
		set(encoder->speex, SPEEX_SET_BITRATE, (int)params->bitrate);
	if (options->vbr) {
		set(encoder->speex, SPEEX_SET_VBR, 1);
		speex_encoder_ctl(encoder->speex, SPEEX_SET_VBR_QUALITY, &vbr_quality);
		if (params->bitrate)
			set(encoder->speex, SPEEX_SET_VBR_MAX_BITRATE, (int)params->bitrate);
	}
	set(encoder->speex, SPEEX_SET_VAD, options->dtx);
	set(encoder->speex, SPEEX_SET_DTX, options->dtx);
}

static int encoder_init(void *state, const struct codec_params *params)
{
	const SpeexMode *mode = mode_of(params->sample_hz);
	uint8_t complexity =
		params->complexity == CODEC_DEFAULT ? DEFAULT_COMPLEXITY : params->complexity;
	struct encoder *encoder = state;
	void *speex;

	if (!mode || params->channels != 1 || complexity > 10 || params->bitrate > 64000)
		return -EINVAL;
	speex = speex_encoder_init(mode);
	if (!speex)
		return -ENOMEM;
	encoder_fini(encoder);
	*encoder = (struct encoder){.speex = speex,
		.frame = (uint16_t)(params->sample_hz / 50),
		.complexity = complexity};
	encoder_set_up(encoder, params);
	return 0;
}

static int decoder_init(void *state, const struct codec_params *params)
{
	const SpeexMode *mode = mode_of(params->sample_hz);
	struct decoder *decoder = state;
	void *speex;

	if (!mode || params->channels != 1)
		return -EINVAL;
	speex = speex_decoder_init(mode);
	if (!speex)
		return -ENOMEM;
	decoder_fini(decoder);
	*decoder = (struct decoder){.speex = speex, .frame = (uint16_t)(params->sample_hz / 50)};
	return 0;
}

static void complexity_lower(struct encoder *encoder, uint8_t lower)
{
	if (lower == encoder->lowered)
		return;
	encoder->lowered = lower;
	set(encoder->speex, SPEEX_SET_COMPLEXITY,
		encoder->complexity > lower ? encoder->complexity - lower : 0);
}

static void encode_one(struct codec_encode_job *job)
{
	struct encoder *encoder = job->state;
	unsigned int n = job->n_samples / encoder->frame;
	bool is_sent = false;
	int16_t pcm[FRAME_MAX]; // the library's input is not const
	SpeexBits bits;

	if (n == 0 || n > FRAMES_MAX || job->n_samples % encoder->frame) {
		job->n_bytes = -EINVAL;
		return;
	}
	complexity_lower(encoder, job->lower);
	speex_bits_init_buffer(&bits, job->payload, CODEC_FRAME_BYTES_MAX);
	speex_bits_reset(&bits);
	for (unsigned int i = 0; i < n; i++) {
		memcpy(pcm, job->pcm + i * encoder->frame, encoder->frame * sizeof(int16_t));
		is_sent |= speex_encode_int(encoder->speex, pcm, &bits) != 0;
	}
	speex_bits_insert_terminator(&bits);
	job->n_bytes = is_sent ? speex_bits_nbytes(&bits) : 0;
	job->is_noise = !is_sent || (job->payload[0] >> 3 & 15) <= NOISE_MODE;
}

static void encode(struct codec_encode_job *jobs, size_t n_jobs)
{
	for (size_t i = 0; i < n_jobs; i++)
		encode_one(&jobs[i]);
}

// A place in a payload, in bits.
struct reader {
	const uint8_t *payload;
	size_t at, end;
};

// `n` bits, at most 8; all ones beyond the end.
static unsigned int peek(const struct reader *r, unsigned int n)
{
	unsigned int value = 0;

	for (size_t i = r->at; i < r->at + n; i++)
		value = value << 1 | (i < r->end ? r->payload[i / 8] >> (7 - i % 8) & 1u : 1u);
	return value;
}

static unsigned int take(struct reader *r, unsigned int n)
{
	unsigned int value = peek(r, n);

	r->at += n;
	return value;
}

#define MODE_REQUEST 14
#define MODE_USER    13
#define MODE_END     15

// Pass over a request of either kind.
static void pass_request(struct reader *r, unsigned int mode)
{
	static const uint8_t bits[16] = {1, 1, 4, 4, 4, 4, 4, 4, 8, 8, 16, 16, 32, 32, 64, 64};
	unsigned int what = take(r, 4);

	r->at += mode == MODE_REQUEST ? bits[what] : 5 + 8 * what;
}

// Layers of wider bands behind a frame. False: there is no such.
static bool pass_layers(struct reader *r)
{
	static const uint16_t bits[8] = {4, 36, 112, 192, 352};

	for (int layer = 0; layer < 2 && r->at + 4 <= r->end && peek(r, 1); layer++) {
		unsigned int size = bits[peek(r, 4) & 7];

		if (size == 0)
			return false;
		r->at += size;
	}
	return true;
}

// How many frames a payload has; -EBADMSG where it is not such as the library decodes.
static int count_frames(const uint8_t *payload, size_t n_bytes)
{
	static const uint16_t bits[13] = {5, 43, 119, 160, 220, 300, 364, 492, 79};
	struct reader r = {payload, 0, n_bytes * 8};
	int n = 0;

	while (r.at + 5 <= r.end) {
		unsigned int mode = take(&r, 5); // the first bit would be a layer's

		if (mode == MODE_END)
			break;
		if (mode == MODE_REQUEST || mode == MODE_USER) {
			pass_request(&r, mode);
			continue;
		}
		if (mode >= sizeof(bits) / sizeof(bits[0]) || bits[mode] == 0)
			return -EBADMSG;
		r.at += bits[mode] - 5u;
		if (!pass_layers(&r) || r.at > r.end || ++n > FRAMES_MAX)
			return -EBADMSG;
	}
	return n && r.at <= r.end ? n : -EBADMSG;
}

static int payload_samples(
	const uint8_t *payload, size_t n_bytes, const struct codec_params *params)
{
	int n = n_bytes <= CODEC_FRAME_BYTES_MAX ? count_frames(payload, n_bytes) : -EBADMSG;

	return n < 0 ? n : n * (int)(params->sample_hz / 50);
}

static void conceal(struct codec_decode_job *job)
{
	struct decoder *decoder = job->state;
	int16_t frame[FRAME_MAX];
	unsigned int n;

	for (unsigned int at = 0; at < job->n_samples; at += n) {
		n = job->n_samples - at;
		n = n < decoder->frame ? n : decoder->frame;
		speex_decode_int(decoder->speex, NULL, frame);
		memcpy(job->pcm + at, frame, n * sizeof(int16_t));
	}
	job->n_decoded = job->n_samples;
}

static void decode_one(struct codec_decode_job *job)
{
	struct decoder *decoder = job->state;
	char payload[CODEC_FRAME_BYTES_MAX]; // the library's is not const
	SpeexBits bits;
	int n;

	if (!job->payload || job->fec) {
		conceal(job);
		return;
	}
	n = job->n_bytes <= sizeof(payload) ? count_frames(job->payload, job->n_bytes) : -EBADMSG;
	if (n < 0 || n * decoder->frame > job->n_samples) {
		job->n_decoded = -EBADMSG;
		return;
	}
	memcpy(payload, job->payload, job->n_bytes);
	speex_bits_set_bit_buffer(&bits, payload, job->n_bytes);
	job->n_decoded = 0;
	for (int i = 0; i < n; i++)
		if (speex_decode_int(decoder->speex, &bits, job->pcm + job->n_decoded) == 0)
			job->n_decoded += decoder->frame;
	job->is_noise = (job->payload[0] >> 3 & 15) <= NOISE_MODE;
	if (job->n_decoded == 0)
		job->n_decoded = -EBADMSG;
}

static void decode(struct codec_decode_job *jobs, size_t n_jobs)
{
	for (size_t i = 0; i < n_jobs; i++)
		decode_one(&jobs[i]);
}

#define SPEEX(hz, encode_cost, decode_cost, ...)                                              \
	{                                                                                     \
		.name = "speex", .clock_hz = hz, .channels = 1, .static_pt = CODEC_DEFAULT,   \
		.sample_rates = {__VA_ARGS__}, .frames_ms = {20, 40, 60}, .has_dtx = true,    \
		.has_complexity = true, .encode_ns = encode_cost, .decode_ns = decode_cost,   \
		.encoder_size = encoder_size, .decoder_size = decoder_size,                   \
		.encoder_init = encoder_init, .decoder_init = decoder_init,                   \
		.encoder_fini = encoder_fini, .decoder_fini = decoder_fini, .encode = encode, \
		.decode = decode, .payload_samples = payload_samples,                         \
	}

const struct codec codec_speex_8000 = SPEEX(8000, 35000, 3700, 8000);
const struct codec codec_speex_16000 = SPEEX(16000, 35000, 3700, 8000, 16000);
const struct codec codec_speex_32000 = SPEEX(32000, 35000, 3700, 8000, 16000, 32000);
