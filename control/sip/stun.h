// STUN as keep-alive of flows over UDP (RFC 5626 3.5.2, RFC 8489): binding requests without
// credentials, and what they are answered. ICE is another matter.
#pragma once

#include "sip_address.h"

enum {
	STUN_ANSWER_MAX = 128, // bytes
};

// The answer to a binding request from `source`, written into `out` of STUN_ANSWER_MAX bytes;
// absent where `data` is none, or a broken one.
struct slice stun_answer(struct slice data, const struct sip_address *source, char *out);
