// Legs that share a transport (BUNDLE, RFC 9143): which of them a packet is for.
//
//   struct leg_bundle    what was agreed on. Belongs to the transport's configuration
//   struct leg_streams   which SSRC turned out to be whose. Belongs to the transport's worker
#pragma once

#include <stdint.h>

#include "rtp_extension.h"
#include "sl_api.h"

struct leg;

#define LEG_NO_MEMBER	    0xff
#define LEG_STREAMS_MAX	    16 // that are learnt; the rest has to say its MID each time
#define LEG_STREAM_FORGET_S 30 // after so long without a packet another may take the place
#define LEG_BUNDLE_SSRCS    32 // that an SRTP key has room for

// main: writes before it is published, workers: ro
struct leg_bundle {
	struct leg *legs[SL_LEGS_MAX]; // by index in the session; NULL: has a transport of its own
	char mids[SL_LEGS_MAX][SL_MID_MAX];
	uint32_t layout; // changes when the above does; streams learnt before mean nothing then
	uint8_t mid_extension;
	uint8_t n_ssrcs;
	uint8_t leg_of_pt[128]; // of the only leg that takes it
	uint8_t leg_of_ssrc[SL_LEGS_MAX * SL_SSRCS_MAX];
	uint32_t ssrcs[SL_LEGS_MAX * SL_SSRCS_MAX]; // as signalled
};

// What a configuration has to say of other legs, and of itself among them. main: writes before it
// is published, workers: ro
struct leg_shared {
	struct leg_bundle *bundle; // of all legs that have its transport; NULL: it is its own
	struct leg *carrier;	   // whose transport it has; NULL: its own
	struct rtp_mid mid;
	uint16_t n_configs; // main: that have it
};

void leg_shared_release(struct leg_shared *shared); // no worker sees it. NULL is none

struct leg_stream {
	uint64_t heard_ns;
	uint32_t ssrc;
	uint32_t layout;   // of the bundle that it was learnt in; 0: free
	uint16_t sequence; // of the latest packet that said whose it is
	uint8_t leg;
};

struct leg_streams {
	struct leg_stream at[LEG_STREAMS_MAX];
};

// main: what legs of `session` share the transport of leg `transport`; NULL with errno: ENOMEM.
// `old` and `layout`: the bundle before, or NULL, and a number for the layout if it has changed.
struct leg_bundle *leg_bundle_create(const struct sl_session *session, uint8_t transport,
	struct leg *const *legs, const struct leg_bundle *old, uint32_t layout);

static inline uint8_t leg_bundle_of_ssrc(const struct leg_bundle *bundle, uint32_t ssrc)
{
	for (unsigned int i = 0; i < bundle->n_ssrcs; i++)
		if (bundle->ssrcs[i] == ssrc)
			return bundle->leg_of_ssrc[i];
	return LEG_NO_MEMBER;
}
