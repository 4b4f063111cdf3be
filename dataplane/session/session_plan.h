// The first half of SL_SESSION_SET: everything that can fail, done so that it can be undone.
#pragma once

#include "session_state.h"

struct planned_leg {
	struct leg *leg; // the old one, or new
	struct table_slot slot;
	struct feed *feed; // what it is sent, the old one or new; NULL: nothing
	struct leg_config *config;
	bool leg_is_new;
	bool slot_is_new;
	bool feed_is_new;
};

struct session_plan {
	struct sessions *sessions;
	const struct session *old;    // NULL: the session is new
	const struct sl_session *was; // of `old`
	struct sl_session *session;   // as wanted, ports and SSRCs filled in on the way
	unsigned int worker;
	uint64_t now_ns;
	bool refusable; // by transcoders that are full
	struct planned_leg legs[SL_LEGS_MAX];
};

uint32_t ssrc_choose(void); // random, not 0

// Returns 0, or a negative errno with nothing taken and `why`.
int session_plan_make(struct session_plan *plan, const char **why);

// Give back all that a plan has taken, instead of the commit.
void session_plan_undo(struct session_plan *plan);
