// The codecs of this folder and what codecs_init() prepares for them.
#pragma once

#include "codec.h"

extern const struct codec codec_pcmu;
extern const struct codec codec_pcma;
extern const struct codec codec_opus;
extern const struct codec codec_g722;
extern const struct codec codec_l16_8000, codec_l16_16000, codec_l16_24000, codec_l16_48000;
extern const struct codec codec_gsm;
extern const struct codec codec_speex_8000, codec_speex_16000, codec_speex_32000;
extern const struct codec codec_g726_16, codec_g726_24, codec_g726_32, codec_g726_40;
extern const struct codec codec_aal2_g726_16, codec_aal2_g726_24, codec_aal2_g726_32,
	codec_aal2_g726_40;
extern const struct codec codec_amr;
extern const struct codec codec_amr_wb;

bool codec_has_rate(const struct codec *codec, uint32_t sample_hz);
void g722_init(void);
int opus_templates_init(void); // 0 or -ENOMEM
int gsm_template_init(void);   // 0 or -ENOMEM
