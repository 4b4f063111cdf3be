// The list of codecs, and what can be told from their descriptions alone.
#include "codec.h"

#include <errno.h>
#include <strings.h>

#include "codec_list.h"
#include "resample.h"

const struct codec *codecs[CODECS_MAX + 1] = {
	&codec_pcmu,
	&codec_pcma,
	&codec_g722,
	&codec_opus,
	&codec_amr,
	&codec_amr_wb,
	&codec_gsm,
	&codec_speex_8000,
	&codec_speex_16000,
	&codec_speex_32000,
	&codec_g726_16,
	&codec_g726_24,
	&codec_g726_32,
	&codec_g726_40,
	&codec_aal2_g726_16,
	&codec_aal2_g726_24,
	&codec_aal2_g726_32,
	&codec_aal2_g726_40,
	&codec_l16_8000,
	&codec_l16_16000,
	&codec_l16_24000,
	&codec_l16_48000,
};

int codecs_init(void)
{
	g722_init();
	resamplers_init();
	return gsm_template_init() ?: opus_templates_init();
}

int codecs_add(const struct codec *codec)
{
	unsigned int n = 0;

	if (codec_find(codec->name, codec->clock_hz, codec->channels))
		return -EEXIST;
	while (codecs[n])
		n++;
	if (n == CODECS_MAX)
		return -ENOSPC;
	codecs[n] = codec;
	return 0;
}

const struct codec *codec_find(const char *name, uint32_t clock_hz, uint8_t channels)
{
	for (const struct codec *const *c = codecs; *c; c++) {
		if (strcasecmp((*c)->name, name) == 0 && (*c)->clock_hz == clock_hz &&
			(*c)->channels == channels)
			return *c;
	}
	return NULL;
}

uint8_t codec_frame_ms(const struct codec *codec, uint8_t ptime_ms)
{
	uint8_t best = codec->frames_ms[0];

	if (ptime_ms == 0)
		ptime_ms = 20;
	for (const uint8_t *ms = codec->frames_ms; *ms; ms++) {
		if (*ms <= ptime_ms)
			best = *ms;
	}
	return best;
}

bool codec_has_rate(const struct codec *codec, uint32_t sample_hz)
{
	for (const uint32_t *rate = codec->sample_rates; *rate; rate++) {
		if (*rate == sample_hz)
			return true;
	}
	return false;
}

uint32_t codec_common_rate(const struct codec *a, const struct codec *b, uint32_t limit_hz)
{
	uint32_t best = 0;

	for (const uint32_t *rate = a->sample_rates; *rate; rate++) {
		bool in_limit = limit_hz == 0 || *rate <= limit_hz;

		if (codec_has_rate(b, *rate) && (in_limit || best == 0))
			best = *rate;
	}
	return best;
}

// Is `a` better than `b`, which may be none: the narrower end counts first.
static bool rates_are_better(const struct codec_rates *a, const struct codec_rates *b)
{
	uint32_t a_band = a->decode_hz < a->encode_hz ? a->decode_hz : a->encode_hz;
	uint32_t b_band = b->decode_hz < b->encode_hz ? b->decode_hz : b->encode_hz;

	if (a_band != b_band)
		return a_band > b_band;
	return a->decode_hz + a->encode_hz < b->decode_hz + b->encode_hz;
}

int codec_rates(const struct codec *from, const struct codec *to, uint32_t limit_hz,
	struct codec_rates *rates)
{
	uint32_t common_hz = codec_common_rate(from, to, limit_hz);
	struct codec_rates best = {common_hz, common_hz};

	for (const uint32_t *a = from->sample_rates; *a && !common_hz; a++) {
		for (const uint32_t *b = to->sample_rates; *b; b++) {
			struct codec_rates pair = {*a, *b};

			if (resampler_size(*a, *b) && rates_are_better(&pair, &best))
				best = pair;
		}
	}
	if (best.decode_hz == 0)
		return -EOPNOTSUPP;
	*rates = best;
	return 0;
}
