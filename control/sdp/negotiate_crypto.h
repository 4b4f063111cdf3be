// Keys of a leg: which of the far end's is taken, which of ours are offered or answered. Private to
// control/sdp.
#pragma once

#include "negotiate.h"

// Whether an m= line's protocol is RTP, and whether SRTP must be spoken there.
bool proto_is_rtp(struct sdp_slice proto, bool *secure);
// Whether it has the feedback profile (RFC 4585, 5124).
bool proto_has_feedback(struct sdp_slice proto);

// The key that the far end of leg `from` would send with on this line of its offer, or of its
// answer to ours. Suite NONE: plain RTP. False, and no key: the line cannot be used.
bool crypto_read_offer(const struct negotiation *n, int from, const struct sdp *sdp,
	const struct sdp_media *media, struct sdp_crypto *out);
bool crypto_read_answer(const struct negotiation *n, int from, const struct negotiation_keys *keys,
	const struct sdp *sdp, const struct sdp_media *media, struct sdp_crypto *out);

// `keys` are those of a line of leg `to` or `from`.
//
// Make the keys of our offer to leg `to`: the one in use first, so that nothing changes where it
// suits (RFC 4568 7.1.4), then a fresh one for each other suite. `in_use`: the line is.
void crypto_offer(struct negotiation *n, int to, struct negotiation_keys *keys, bool in_use);
// The key of our answer: the one in use if it is of the suite chosen, else a fresh one.
void crypto_answer(struct negotiation *n, struct negotiation_keys *keys);
// The far end has answered with `theirs` (suite NONE: without a key).
void crypto_answered(struct negotiation_keys *keys, const struct sdp_crypto *theirs);
