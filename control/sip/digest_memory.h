// The challenge of whoever asked us last, so that requests after it come with a proof at once
// (RFC 3261 22.2, RFC 7616 3.4: the same nonce with the next count), and cost one exchange less.
//
// Subtle: only what has been proved with success is used again, as a wrong password would be tried
// twice as often else.
#pragma once

#include "digest.h"

struct sip_message;

enum { DIGEST_MEMORY_SIZE = 768 }; // a challenge that is longer is not remembered

struct digest_memory {
	uint8_t id; // of the header that answers it; 0: there is none
	bool is_proved;
	uint32_t nc; // last used
	uint16_t n;
	char text[DIGEST_MEMORY_SIZE];
};

// A 401 or 407: remember the strongest challenge that the keys fit. It is being answered now, with
// the first count.
void digest_memory_learn(struct digest_memory *memory, const struct digest_keys *keys,
	const struct sip_message *response);
// What was asked for has been taken.
void digest_memory_proved(struct digest_memory *memory);
// The header of a request to `uri`, where there is anything to prove and the keys still fit.
void digest_memory_write(struct digest_memory *memory, const struct digest_keys *keys,
	struct slice method, struct slice uri, struct builder *b);
