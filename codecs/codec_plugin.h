// Codecs that come as plug-ins: shared objects, built separately, loaded at start. That is for
// libraries whose licence is not ours; nothing of Sluice links them.
//
// A plug-in has one symbol, `sluice_codec_plugin`, a const struct codec_plugin. Its codecs keep to
// codec.h as the built-in ones do; they see nothing else of Sluice. A plug-in stays loaded until
// the process ends.
#pragma once

#include "codec.h"

// Grows when struct codec or what it says changes; `codec_bytes` catches what was forgotten.
#define CODEC_PLUGIN_ABI    1
#define CODEC_PLUGIN_SYMBOL "sluice_codec_plugin"

struct codec_plugin {
	uint32_t abi;	      // CODEC_PLUGIN_ABI
	uint32_t codec_bytes; // sizeof(struct codec)
	const char *name;     // for logs: "g729 (bcg729)"
	const char *licence;
	const struct codec *const *codecs; // NULL-terminated
};

// Load `path` and add its codecs to codecs[]. At start only, before codecs are used. NULL with
// `error` holding a sentence; then none of its codecs was added. A file that others than root and
// we may write is not loaded.
const struct codec_plugin *codec_plugin_load(const char *path, char *error, size_t error_size);
