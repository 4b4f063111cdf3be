// Speech as RTP payloads, for speech_rtp.py and codec_matrix.py: raw samples (16 bit, at the lowest
// rate of the codec) from standard input, one payload of 20 ms after the other to standard output,
// each behind its length in two octets (big endian).
//
// usage: speech_encode NAME[/CLOCK/CHANNELS] [PLUGIN]     AMR: octet-aligned; without a clock: 8000
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec_plugin.h"

#define FRAME_MAX 960

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

static const struct codec *find(const char *text)
{
	unsigned int clock_hz = 8000, channels = 1;
	char name[16];

	if (sscanf(text, "%15[^/]/%u/%u", name, &clock_hz, &channels) < 1)
		die("no such codec");
	return codec_find(name, clock_hz, (uint8_t)channels);
}

int main(int argc, char **argv)
{
	struct codec_params params = {.sample_hz = 8000,
		.channels = 1,
		.frame_ms = 20,
		.complexity = CODEC_DEFAULT,
		.options.octet_align = true};
	const struct codec *codec;
	char error[512];
	int16_t pcm[FRAME_MAX];
	uint16_t n_samples;
	void *state;

	if (argc < 2)
		die("usage: speech_encode NAME[/CLOCK/CHANNELS] [PLUGIN]");
	if (argc > 2 && !codec_plugin_load(argv[2], error, sizeof(error)))
		die(error);
	codec = codecs_init() ? NULL : find(argv[1]);
	if (!codec)
		die("no such codec");
	params.sample_hz = codec->sample_rates[0];
	n_samples = (uint16_t)(params.sample_hz / 50);
	state = calloc(1, codec->encoder_size() + 1);
	if (!state || codec->encoder_init(state, &params))
		die("the codec does not begin");
	while (fread(pcm, n_samples * sizeof(pcm[0]), 1, stdin) == 1) {
		uint8_t payload[CODEC_FRAME_BYTES_MAX];
		struct codec_encode_job job = {
			.state = state, .pcm = pcm, .n_samples = n_samples, .payload = payload};

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
