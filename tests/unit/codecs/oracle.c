// ffmpeg reads from a file and writes to a pipe; the file is removed at once when it is done.
#include "oracle.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int write_file(char *path, const uint8_t *bytes, size_t n_bytes)
{
	int fd = mkstemp(path);
	ssize_t n = fd < 0 ? -1 : write(fd, bytes, n_bytes);

	if (fd >= 0)
		close(fd);
	return n == (ssize_t)n_bytes ? 0 : -1;
}

int oracle_decode(
	const char *format, const uint8_t *bytes, size_t n_bytes, int16_t *pcm, size_t room)
{
	char path[] = "/tmp/sluice-oracle-XXXXXX", command[256];
	size_t n = 0;
	FILE *pipe;

	if (write_file(path, bytes, n_bytes))
		return -1;
	snprintf(command, sizeof(command), "ffmpeg -nostdin -loglevel error -f %s -i %s -f s16le -",
		format, path);
	pipe = popen(command, "r");
	if (pipe)
		n = fread(pcm, sizeof(int16_t), room, pipe);
	unlink(path);
	return pipe && pclose(pipe) == 0 ? (int)n : -1;
}

static double sum_of_products(const int16_t *a, const int16_t *b, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (double)a[i] * b[i];
	return sum;
}

double segmental_snr_db(const int16_t *want, const int16_t *got, size_t n, size_t frame)
{
	double gain = sum_of_products(want, got, n) / (sum_of_products(want, want, n) + 1);
	double total = 0;
	size_t n_frames = 0;

	for (size_t at = 0; at + frame <= n; at += frame) {
		double signal = 0, noise = 1, snr;

		for (size_t i = at; i < at + frame; i++) {
			double x = gain * want[i], e = got[i] - x;

			signal += x * x;
			noise += e * e;
		}
		if (signal / (double)frame < 200 * 200)
			continue;
		snr = 10 * log10(signal / noise);
		total += fmin(fmax(snr, -10), 35);
		n_frames++;
	}
	return n_frames ? total / (double)n_frames : -10;
}

double level_db(const int16_t *want, const int16_t *got, size_t n)
{
	return 10 *
	       log10((sum_of_products(got, got, n) + 1) / (sum_of_products(want, want, n) + 1));
}
