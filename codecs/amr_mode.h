// Which mode an AMR encoder is in: what the far end asks for (CMR), within what was negotiated
// (RFC 4867 8.1: mode-set, mode-change-period, mode-change-neighbor). Pure functions.
#pragma once

#include "amr_payload.h"
#include "codec.h"

struct amr_mode {
	uint16_t set; // bit i: mode i may be used; never 0
	uint8_t period;
	bool neighbor;
	uint8_t current; // of the frame before; at first the mode to begin with
	uint8_t wanted;
	uint8_t until_change; // frames that have to be sent in `current` still
};

// Begin with the highest mode of the set that is not above `bitrate`, or its lowest. 0, or -EINVAL
// where the set has modes that the band has not.
int amr_mode_init(struct amr_mode *mode, enum amr_band band, const struct codec_options *options,
	uint32_t bitrate);

// The far end asks for mode request - 1. 0, or a mode outside the set: not looked at.
void amr_mode_request(struct amr_mode *mode, uint8_t request);

// The mode of the next frame.
uint8_t amr_mode_next(struct amr_mode *mode);
