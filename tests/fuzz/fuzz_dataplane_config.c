// The configuration of sluice-dataplane: any text is either refused with a message that names it,
// or loads to a configuration that prints and loads again to the same.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dataplane_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// The loader reads files, so the text becomes one, in memory.
static struct config *load(const void *text, size_t length)
{
	char path[32], error[512] = "";
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct config *config;

	if (fd < 0 || write(fd, text, length) != (ssize_t)length)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	config = config_load(path, error, sizeof(error));
	if (!config && strncmp(error, path, strlen(path)))
		abort();
	close(fd);
	return config;
}

static void check_round_trip(const struct config *config)
{
	char *text = config_text(config), *again_text;
	struct config *again;

	if (!text)
		abort();
	again = load(text, strlen(text));
	if (!again)
		abort();
	again_text = config_text(again);
	if (!again_text || strcmp(text, again_text))
		abort();
	config_free(again);
	free(again_text);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config *config;

	if (size > 4096)
		return 0;
	config = load(data, size);
	if (config)
		check_round_trip(config);
	config_free(config);
	return 0;
}
