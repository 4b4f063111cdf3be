// Publish what a plan has prepared, and unlink what nobody wants any more. Nothing here fails.
#pragma once

#include "session_plan.h"
#include "session_state.h"

void session_commit(
	struct session *session, const struct session_plan *plan, struct wanted_state *wanted);

// Nobody finds the leg any more; its ports are free for others.
void leg_unlink(struct sessions *sessions, struct leg *leg);
// The feed, of media that comes from a leg, is in no published configuration any more.
void feed_unlink(struct sessions *sessions, struct feed *feed, struct leg *from);
