// Session timers (RFC 4028) as values: what a request asks, what its 2xx grants. No clock is in
// here.
#pragma once

#include "builder.h"
#include "message.h"

enum {
	SESSION_EXPIRES_MIN_S = 90,    // section 4: nobody may ask for less
	SESSION_EXPIRES_LEAST_S = 10,  // and less than that is not even believed
	SESSION_EXPIRES_MAX_S = 86400, // nor more than this asked for
};

enum session_refresher { SESSION_REFRESHER_ANY, SESSION_REFRESHER_UAC, SESSION_REFRESHER_UAS };

struct session_expires {
	uint32_t interval_s; // 0: no timer
	uint8_t refresher;   // enum session_refresher
};

// What we want on a leg. `refresher`: of a 2xx of ours, where the far end leaves it to us.
struct session_timer_wishes {
	uint32_t expires_s; // 0: none of our own, only what the far end asks for
	uint32_t min_s;
	uint8_t refresher;
};

// "1800;refresher=uac". Returns 0 or -EBADMSG.
int session_expires_parse(struct slice value, struct session_expires *out);
// The message's Session-Expires; interval 0 where there is none that can be read.
struct session_expires message_session_expires(const struct sip_message *message);
// Its Min-SE, at least the 90 s that hold without one.
uint32_t message_min_se(const struct sip_message *message);

// A UAS's part (section 9): what the 2xx to `request` says. Returns 0 or 422.
unsigned int session_expires_answer(const struct session_timer_wishes *wishes,
	const struct sip_message *request, struct session_expires *out);

// "Session-Expires: 1800;refresher=uac" and its line end.
void session_expires_write(struct builder *b, const struct session_expires *expires);
