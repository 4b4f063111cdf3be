// The first empty turns only poll, so that a burst in pieces is not cut apart; then the sleep grows
// from LEAST_US to MOST_US. At 20 ms a packet half a millisecond is no jitter that anybody hears.
#include "idle.h"

#include <rte_common.h>
#include <sys/prctl.h>
#include <time.h>

#define EMPTY_TURNS 32
#define LEAST_US    100
#define MOST_US	    500
#define STEP_US	    25
#define SLACK_NS    1000

void idle_init(struct idle *idle, bool enabled)
{
	*idle = (struct idle){.enabled = enabled};
	if (enabled)
		prctl(PR_SET_TIMERSLACK, SLACK_NS, 0, 0, 0);
}

unsigned int idle_turn(struct idle *idle, unsigned int work)
{
	struct timespec duration = {};

	if (!idle->enabled)
		return 0;
	if (work) {
		idle->empty_turns = 0;
		return 0;
	}
	if (idle->empty_turns++ < EMPTY_TURNS)
		return 0;
	duration.tv_nsec = 1000L * RTE_MIN(LEAST_US + STEP_US * (idle->empty_turns - EMPTY_TURNS),
					   (unsigned int)MOST_US);
	nanosleep(&duration, NULL);
	return 1;
}
