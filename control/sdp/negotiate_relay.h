// Lines that are relayed: which there are, and what the descriptions say of them. Each function is
// the part of a step of negotiate.c; audio has been seen to before. Private to control/sdp.
#pragma once

#include "negotiate.h"
#include "sdp_write.h"

#define RELAY_LEG(n, relay, leg) ((n)->legs[leg].relays[(relay) - (n)->relays])

// The far end of leg `from` offers. What suits and finds room is taken.
void relays_read_offer(struct negotiation *n, int from, const struct sdp *offer);
// The far end of leg `from` answers our offer.
void relays_read_answer(struct negotiation *n, int from, const struct sdp *answer);
// Our offer to leg `to`: what the other leg offers or has. Gives lines to what has none, and to
// audio.
void relays_prepare_offer(struct negotiation *n, int to);
// Our answer to leg `to`, the other leg being agreed.
void relays_prepare_answer(struct negotiation *n, int to);

// Whether any is on in the descriptions of a leg.
bool relays_any(const struct negotiation *n, int leg);
// Whether leg `leg` says the same of them in both.
bool relays_same(const struct negotiation *a, const struct negotiation *b, int leg);

// The line that audio has, or gets, in the descriptions of leg `to`. False: there is no room.
bool audio_line_take(struct negotiation *n, int to);

// What relays_describe() points to.
struct relay_texts {
	struct sdp_write_format formats[NEGOTIATION_FORMATS_MAX];
	char keys[SDP_N_SUITES][SDP_CRYPTO_TEXT_MAX];
	const char *key_list[SDP_N_SUITES];
};
// Fill in those of leg `to`'s lines that are on and have a port.
void relays_describe(const struct negotiation *n, int to, const struct negotiation_local *local,
	struct sdp_write_media *lines, struct relay_texts texts[NEGOTIATION_RELAYS_MAX]);

void relays_summarise(const struct negotiation *n, struct media_summary *out);

// negotiate_relay_read.c
// SDP_RELAY_* of a line, 0: none that is relayed.
uint8_t relay_kind(const struct sdp *sdp, const struct sdp_media *media);
void relay_read_formats(
	struct relay_leg *out, const struct sdp *sdp, const struct sdp_media *media);
void relay_read_transport(struct relay_leg *out, const struct sdp_media *media);
// Attributes that go across, behind those that the leg has already. After the formats.
void relay_keep_text(struct negotiation_leg *leg, struct relay_leg *out, bool feedback,
	const struct sdp *sdp, const struct sdp_media *media);
