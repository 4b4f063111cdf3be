// What a context is made of. Its first cache line is all that a packet of its first SSRC touches
// besides the keys.
#pragma once

#include "srtp_backend.h"

// One SSRC. Written by the owner of the context; `highest` and `rtcp_highest` are read by
// srtp_context_export() anywhere.
struct srtp_stream {
	uint64_t highest; // SRTP index; a mere guess of the ROC where not rtp_started
	struct srtp_window window;
	uint32_t ssrc;
	bool rtp_started; // under this key
	bool rtcp_started;
	struct srtp_window rtcp_window;
	uint32_t rtcp_highest;
};

struct srtp_context {
	void *keys;
	struct srtp_context *old; // taken over
	const struct srtp_backend *backend;
	uint8_t suite;
	uint8_t direction;
	uint8_t n_streams;
	uint8_t max_streams;
	uint8_t mki_bytes;
	uint8_t overlap; // packets for which `old` will still be tried
	bool started;	 // has authenticated a packet
	bool plain_srtcp;
	struct srtp_stream streams[]; // max_streams, then the MKI
};

static inline const uint8_t *srtp_context_mki(const struct srtp_context *context)
{
	return (const uint8_t *)&context->streams[context->max_streams];
}

static inline struct srtp_stream *srtp_context_find(struct srtp_context *context, uint32_t ssrc)
{
	for (unsigned int i = 0; i < context->n_streams; i++)
		if (context->streams[i].ssrc == ssrc)
			return &context->streams[i];
	return NULL;
}

// A new SSRC, or NULL where there is no room. One that has not been heard of under this key gives
// way; one that has never does, since its window is what keeps out its replays.
struct srtp_stream *srtp_context_add(struct srtp_context *context, uint32_t ssrc);
