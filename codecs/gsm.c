// GSM full rate (GSM 06.10, RTP payload RFC 3551 section 4.5.8) by libgsm: 33 bytes are 20 ms, and
// several frames may share a packet.
//
// libgsm takes its states from the heap and does not say how large they are, but they hold no
// pointer that a single stream uses. So one fresh state and its size are kept, and a stream begins
// with a copy.
#include <errno.h>
#include <gsm/gsm.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "codec_list.h"
#include "plc.h"

#define FRAME	    160
#define FRAME_BYTES 33
#define SIGNATURE   0xd0 // in the upper half of a frame's first byte
#define FRAMES_MAX  6	 // 120 ms

// libgsm's state comes first, and what plc.h needs behind it.
static gsm fresh;
static size_t fresh_bytes;

int gsm_template_init(void)
{
	if (fresh)
		return 0;
	fresh = gsm_create();
	if (!fresh)
		return -ENOMEM;
	fresh_bytes = (malloc_usable_size(fresh) + 15) & ~(size_t)15;
	return 0;
}

static struct plc *plc_of(void *state)
{
	return (struct plc *)((uint8_t *)state + fresh_bytes);
}

static size_t encoder_size(void)
{
	return fresh_bytes;
}

static size_t decoder_size(void)
{
	return fresh_bytes + sizeof(struct plc);
}

static int encoder_init(void *state, const struct codec_params *params)
{
	if (params->sample_hz != 8000 || params->channels != 1)
		return -EINVAL;
	memcpy(state, fresh, malloc_usable_size(fresh));
	return 0;
}

static int decoder_init(void *state, const struct codec_params *params)
{
	if (encoder_init(state, params))
		return -EINVAL;
	plc_init(plc_of(state));
	return 0;
}

static void encode_one(struct codec_encode_job *job)
{
	unsigned int n = job->n_samples / FRAME;

	if (n == 0 || job->n_samples % FRAME) {
		job->n_bytes = -EINVAL;
		return;
	}
	for (unsigned int i = 0; i < n; i++) {
		gsm_signal pcm[FRAME]; // the library's input is not const

		memcpy(pcm, job->pcm + i * FRAME, sizeof(pcm));
		gsm_encode(job->state, pcm, job->payload + i * FRAME_BYTES);
	}
	job->n_bytes = (int)n * FRAME_BYTES;
}

static void encode(struct codec_encode_job *jobs, size_t n_jobs)
{
	for (size_t i = 0; i < n_jobs; i++)
		encode_one(&jobs[i]);
}

static int payload_samples(const uint8_t *payload, size_t n_bytes, const struct codec_params *)
{
	size_t n = n_bytes / FRAME_BYTES;

	if (n == 0 || n > FRAMES_MAX || n_bytes % FRAME_BYTES)
		return -EBADMSG;
	for (size_t i = 0; i < n; i++)
		if ((payload[i * FRAME_BYTES] & 0xf0) != SIGNATURE)
			return -EBADMSG;
	return (int)n * FRAME;
}

static void decode_one(struct codec_decode_job *job)
{
	int n_samples;

	if (!job->payload || job->fec) {
		plc_conceal(plc_of(job->state), job->pcm, job->n_samples);
		job->n_decoded = job->n_samples;
		return;
	}
	n_samples = payload_samples(job->payload, job->n_bytes, NULL);
	if (n_samples < 0 || n_samples > job->n_samples) {
		job->n_decoded = -EBADMSG;
		return;
	}
	for (int at = 0; at < n_samples; at += FRAME) {
		gsm_byte frame[FRAME_BYTES];

		memcpy(frame, job->payload + at / FRAME * FRAME_BYTES, sizeof(frame));
		gsm_decode(job->state, frame, job->pcm + at);
	}
	plc_receive(plc_of(job->state), job->pcm, (unsigned int)n_samples);
	job->n_decoded = n_samples;
}

static void decode(struct codec_decode_job *jobs, size_t n_jobs)
{
	for (size_t i = 0; i < n_jobs; i++)
		decode_one(&jobs[i]);
}

const struct codec codec_gsm = {
	.name = "GSM",
	.clock_hz = 8000,
	.channels = 1,
	.static_pt = 3,
	.sample_rates = {8000},
	.frames_ms = {20, 40, 60},
	.encode_ns = 8400,
	.decode_ns = 3100,
	.encoder_size = encoder_size,
	.decoder_size = decoder_size,
	.encoder_init = encoder_init,
	.decoder_init = decoder_init,
	.encode = encode,
	.decode = decode,
	.payload_samples = payload_samples,
};
