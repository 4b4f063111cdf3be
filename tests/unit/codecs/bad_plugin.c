// Plug-ins that must not be loaded: one of another version, and one whose codec is there already.
#include "codec_plugin.h"

static const struct codec codec_pcmu_again = {.name = "pcmu", .clock_hz = 8000, .channels = 1};
static const struct codec *const plugin_codecs[] = {&codec_pcmu_again, NULL};

extern const struct codec_plugin sluice_codec_plugin;
const struct codec_plugin sluice_codec_plugin = {
	.abi = BAD_ABI,
	.codec_bytes = sizeof(struct codec),
	.name = "bad",
	.licence = "none",
	.codecs = plugin_codecs,
};
