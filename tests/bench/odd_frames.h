// What does not belong into a stream of good RTP: frames that nobody must forward, one of each kind
// that a parser can be lied to with, and RTCP on the RTP port (RFC 5761).
#pragma once

#include "flows.h"

struct odd_frame {
	const char *name;
	uint8_t bytes[FRAME_ROOM];
	uint16_t length;
};

// All kinds of malformed frames, made from `flow`, which is IPv4 without a tag. Returns how many.
unsigned int odd_frames_malformed(const struct flow_tx *flow, struct odd_frame **frames);

// A sender report with SDES, as the flow's own.
void odd_frame_rtcp(const struct flow_tx *flow, struct odd_frame *frame);
