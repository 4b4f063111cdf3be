// Which formats go to a leg, in what order, and which pair of formats a call runs on; and what else
// the files of negotiation share. Private to control/sdp.
#pragma once

#include "negotiate.h"

#define NEGOTIATION_PTIME_MS 20	 // where nobody says
#define PT_TELEPHONE_EVENT   101 // what most peers use, and some insist on

static inline enum sdp_direction direction_reverse(uint8_t direction)
{
	return (enum sdp_direction)((direction & SDP_SENDONLY ? SDP_RECVONLY : 0) |
				    (direction & SDP_RECVONLY ? SDP_SENDONLY : 0));
}

// To what the dataplane can packetise.
static inline uint16_t ptime_bound(uint16_t ptime_ms)
{
	return ptime_ms < 10 ? 10 : ptime_ms > 60 ? 60 : ptime_ms;
}

// How media would get from a format of one leg to one of the other, best first.
enum pair_rank { PAIR_SAME, PAIR_WIDEBAND, PAIR_NARROWBAND, PAIR_MIXED, PAIR_NONE };

struct format_list {
	struct remote_format list[NEGOTIATION_FORMATS_MAX];
	uint8_t n;
};

struct format_pair {
	int formats[2]; // index into the list of leg 0 and of leg 1
	enum pair_rank rank;
};

bool encoding_is_event(const struct sdp_encoding *encoding);
bool encoding_is_noise(const struct sdp_encoding *encoding);
bool encoding_is_voice(const struct sdp_encoding *encoding);
bool formats_have_voice(const struct format_list *formats);
bool formats_have_event(const struct format_list *formats);
// Whether events of leg `leg` get to the other leg and back, be it in another form there.
bool formats_pass_digits(const struct negotiation *n, int leg, const struct format_list lists[2]);
// Behind the voice of our offer, or answer. `relayed`: the events are, with the audio.
void events_offer(struct negotiation_leg *leg, const struct format_list *others);
void events_answer(struct negotiation_leg *leg, const struct format_list *others, bool relayed);

bool negotiation_can_transcode(const struct negotiation *n, const struct sdp_encoding *encoding);

// What a leg's policy lets in of an m= line's formats, in the line's order.
void formats_read(struct format_list *out, const struct sdp_policy *policy, const struct sdp *sdp,
	const struct sdp_media *media);
// What may be said on behalf of leg `leg`: its far end's formats, or the policy's where nothing is
// known of it.
void formats_of_leg(const struct negotiation *n, int leg, struct format_list *out);
// The far end's formats that both sides have named: what may be sent to it.
void formats_agreed(const struct negotiation_leg *leg, struct format_list *out);

// Both formats carry the same bytes.
bool formats_same(const struct remote_format *a, const struct remote_format *b);
enum pair_rank formats_rank(
	const struct negotiation *n, const struct remote_format *a, const struct remote_format *b);
// The best pair; of equals the first in the order of `primary`, then of the other leg.
struct format_pair formats_best_pair(
	const struct negotiation *n, const struct format_list lists[2], int primary);

// The best pair of what both legs have agreed to, which is put into `lists`.
struct format_pair formats_agreed_pair(const struct negotiation *n, struct format_list lists[2]);

// Fill local_formats of leg `to` with our offer. False: there is nothing to offer.
bool formats_offer(struct negotiation *n, int to);
// Fill local_formats of leg `to` with our answer to what its far end offered. False: none in
// common.
bool formats_answer(struct negotiation *n, int to);

// The parameters to state for a local format of leg `to`.
void formats_local_fmtp(const struct negotiation *n, int to, const struct media_format *format,
	char *out, size_t size);

// Whether the dataplane can make other audio of it.
bool format_is_transcodable(const struct negotiation *n, const struct remote_format *format);
// Put a format into our offer, with its number of before, or `hint`, or a free one.
void leg_add_local(struct negotiation_leg *leg, const struct sdp_encoding *encoding, uint8_t hint);
// Put an offered format into our answer.
void leg_answer_with(struct negotiation_leg *leg, const struct remote_format *remote);

// Remember a payload type that the far end of `leg` gave to a format.
void leg_learn_pt(struct negotiation_leg *leg, const struct media_format *format);
