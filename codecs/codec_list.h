// The codecs of this folder and what codecs_init() prepares for them.
#pragma once

#include "codec.h"

extern const struct codec codec_pcmu;
extern const struct codec codec_pcma;
extern const struct codec codec_opus;
extern const struct codec codec_g722;

bool codec_has_rate(const struct codec *codec, uint32_t sample_hz);
void g722_init(void);
int opus_templates_init(void); // 0 or -ENOMEM
