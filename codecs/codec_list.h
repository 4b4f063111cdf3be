// The codecs of this folder and what codecs_init() prepares for them.
#pragma once

#include "codec.h"

extern const struct codec codec_pcmu;
extern const struct codec codec_pcma;
extern const struct codec codec_opus;

bool codec_has_rate(const struct codec *codec, uint32_t sample_hz);
int opus_templates_init(void); // 0 or -ENOMEM
