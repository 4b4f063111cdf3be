// Sleeping when there is nothing to do, for machines where a polling core is a nuisance. Off in
// production: an lcore then never leaves its loop.
#pragma once

#include <stdbool.h>

struct idle {
	bool enabled;
	unsigned int empty_turns; // in a row
};

// On the thread that will sleep: its timer slack is set.
void idle_init(struct idle *idle, bool enabled);

// After a turn that did `work`. Returns 1 where it slept.
unsigned int idle_turn(struct idle *idle, unsigned int work);
