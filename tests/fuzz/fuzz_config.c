// The configuration of sluice-control: any text is either refused with a message that names it, or
// loads to a configuration that prints and loads again to the same.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(const struct config *config)
{
	char *text = config_print(config), *again_text, error[512];
	struct config *again;

	if (!text)
		abort();
	again = config_load_text("again", text, strlen(text), error, sizeof(error));
	if (!again)
		abort();
	again_text = config_print(again);
	if (!again_text || strcmp(text, again_text))
		abort();
	config_free(again);
	free(again_text);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char error[512] = "";
	struct config *config;

	// libyaml's time on deep nesting is not ours to bound; files are trusted, so small is
	// enough.
	if (size > 4096)
		return 0;
	config = config_load_text("fuzz", (const char *)data, size, error, sizeof(error));
	if (config)
		check_round_trip(config);
	else if (strncmp(error, "fuzz:", 5))
		abort();
	config_free(config);
	return 0;
}
