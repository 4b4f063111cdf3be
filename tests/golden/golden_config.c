// Configuration cases: a file up to the line "--- prints" or "--- is refused", then the effective
// configuration or the error. What is printed must load again and print the same.
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "golden.h"

static void render_printed(const struct config *config, struct golden_text *out)
{
	char *text = config_print(config), *again_text, error[512];
	struct config *again;

	if (!text)
		golden_die("configuration", "cannot be printed");
	again = config_load_text("printed", text, strlen(text), error, sizeof(error));
	if (!again)
		golden_die("printed configuration is refused", error);
	again_text = config_print(again);
	if (!again_text || strcmp(text, again_text))
		golden_die("printed configuration prints differently", again_text);
	golden_put(out, "--- prints\n%s", text);
	free(again_text);
	config_free(again);
	free(text);
}

static void render(char *text, struct golden_text *out)
{
	char *end = strstr(text, "\n--- "), error[512] = "";
	struct config *config;

	if (!end)
		golden_die("case", "has no line of dashes");
	end[1] = '\0';
	golden_put(out, "%s", text);
	config = config_load_text("case.yaml", text, strlen(text), error, sizeof(error));
	if (config)
		render_printed(config, out);
	else
		golden_put(out, "--- is refused\n%s\n", error);
	config_free(config);
}

int main(int argc, char **argv)
{
	return golden_main(argc, argv, ".yaml", render);
}
