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

// What the files of a plan share.

// What was wanted of leg `i`, or NULL: it is new.
static inline const struct sl_leg *plan_old_leg(const struct session_plan *plan, unsigned int i)
{
	return plan->old && i < plan->was->n_legs ? &plan->was->legs[i] : NULL;
}

static inline struct worker_memory *plan_memory_of(const struct session_plan *plan)
{
	return &plan->sessions->memory[plan->worker];
}

// plan_config.c: steps, in this order, for each leg. They return 0, or a negative errno and `why`.
int plan_config(struct session_plan *plan, unsigned int i, const char **why);
int plan_formats(struct session_plan *plan, unsigned int i, const char **why);
int plan_bundle(struct session_plan *plan, unsigned int i, const char **why);
int plan_keys(struct session_plan *plan, unsigned int i, const char **why);
