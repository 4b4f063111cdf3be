// Speech as RTP payloads, for speech_rtp.py: raw samples (16 bit, 8000 Hz) from standard input, one
// payload of 20 ms after the other to standard output, each behind its length in two octets (big
// endian).
//
// usage: speech_encode CODEC [PLUGIN]     AMR (octet-aligned), G729, PCMU
#include <stdio.h>
#include <stdlib.h>

#include "codec_plugin.h"

#define FRAME 160

static void die(const char *what)
{
	fprintf(stderr, "speech_encode: %s\n", what);
	exit(1);
}

static void write_payload(const uint8_t *payload, int n)
{
	const uint8_t length[2] = {(uint8_t)(n >> 8), (uint8_t)n};

	if (fwrite(length, 2, 1, stdout) != 1 || fwrite(payload, (size_t)n, 1, stdout) != 1)
		die("cannot write");
}

int main(int argc, char **argv)
{
	const struct codec_params params = {.sample_hz = 8000,
		.channels = 1,
		.frame_ms = 20,
		.complexity = CODEC_DEFAULT,
		.options.octet_align = true};
	const struct codec *codec;
	char error[512];
	int16_t pcm[FRAME];
	void *state;

	if (argc < 2)
		die("usage: speech_encode CODEC [PLUGIN]");
	if (argc > 2 && !codec_plugin_load(argv[2], error, sizeof(error)))
		die(error);
	codec = codecs_init() ? NULL : codec_find(argv[1], 8000, 1);
	state = codec ? calloc(1, codec->encoder_size() + 1) : NULL;
	if (!state || codec->encoder_init(state, &params))
		die("no such codec");
	while (fread(pcm, sizeof(pcm), 1, stdin) == 1) {
		uint8_t payload[CODEC_FRAME_BYTES_MAX];
		struct codec_encode_job job = {
			.state = state, .pcm = pcm, .n_samples = FRAME, .payload = payload};

		codec->encode(&job, 1);
		if (job.n_bytes <= 0)
			die("the codec failed");
		write_payload(payload, job.n_bytes);
	}
	if (codec->encoder_fini)
		codec->encoder_fini(state);
	free(state);
	return 0;
}
