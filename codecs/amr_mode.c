// The period counts frames, and changes fall on its multiples from the first frame on, as a peer on
// a GSM radio needs it (RFC 4867 8.1: the phase is free, but fixed).
#include "amr_mode.h"

#include <errno.h>

#define MODES_MAX 9

static const uint16_t bitrates[][MODES_MAX] = {
	[AMR_NARROW] = {4750, 5150, 5900, 6700, 7400, 7950, 10200, 12200},
	[AMR_WIDE] = {6600, 8850, 12650, 14250, 15850, 18250, 19850, 23050, 23850},
};

static bool has_mode(const struct amr_mode *mode, unsigned int i)
{
	return mode->set >> i & 1;
}

static uint8_t choose_first(const struct amr_mode *mode, enum amr_band band, uint32_t bitrate)
{
	uint8_t best = (uint8_t)__builtin_ctz(mode->set);

	for (uint8_t i = best; i < amr_n_modes(band); i++)
		if (has_mode(mode, i) && bitrates[band][i] <= bitrate)
			best = i;
	return best;
}

int amr_mode_init(struct amr_mode *mode, enum amr_band band, const struct codec_options *options,
	uint32_t bitrate)
{
	uint16_t all = (uint16_t)((1 << amr_n_modes(band)) - 1);

	if (options->mode_set & ~all)
		return -EINVAL;
	*mode = (struct amr_mode){
		.set = options->mode_set ? options->mode_set : all,
		.period = options->mode_change_period ? options->mode_change_period : 1,
		.neighbor = options->mode_change_neighbor,
	};
	mode->current = mode->wanted = choose_first(mode, band, bitrate);
	return 0;
}

void amr_mode_request(struct amr_mode *mode, uint8_t request)
{
	if (request > 0 && request <= MODES_MAX && has_mode(mode, request - 1u))
		mode->wanted = request - 1;
}

// One step in the set from `current` towards `wanted`, which differ and are both in it.
static uint8_t step(const struct amr_mode *mode)
{
	int direction = mode->wanted > mode->current ? 1 : -1;
	int next = mode->current;

	do
		next += direction;
	while (!has_mode(mode, (unsigned int)next));
	return (uint8_t)next;
}

uint8_t amr_mode_next(struct amr_mode *mode)
{
	if (mode->until_change == 0) {
		mode->until_change = mode->period;
		if (mode->current != mode->wanted)
			mode->current = mode->neighbor ? step(mode) : mode->wanted;
	}
	mode->until_change--;
	return mode->current;
}
