// A message, a timer that doubles, and an end.
#include "retransmit.h"

#include <stdlib.h>

#include "transaction_internal.h"

struct retransmit {
	struct sip_stack *stack;
	struct flow flow;
	struct event timer;
	unsigned int interval_ms, waited_ms;
	bool unbounded;
	bool gives_up; // inside give_up(): retransmit_stop() leaves the rest to us
	void (*give_up)(void *arg);
	void *arg;
	size_t size;
	char message[];
};

static int timer_set(struct retransmit *r)
{
	struct timeval storage;

	return event_add(&r->timer, stack_timeout(r->stack, r->interval_ms, &storage));
}

// The last interval is cut so that the sum is 64*T1.
static unsigned int next_interval(const struct retransmit *r)
{
	unsigned int left = 64 * r->stack->t1_ms - r->waited_ms, next = 2 * r->interval_ms;

	if (!r->unbounded && next > r->stack->t2_ms)
		next = r->stack->t2_ms;
	return next < left ? next : left;
}

// The message has a description, and that may have keys.
static void destroy(struct retransmit *r)
{
	explicit_bzero(r, sizeof(*r) + r->size);
	free(r);
}

static void fires(evutil_socket_t, short, void *arg)
{
	struct retransmit *r = arg;

	r->waited_ms += r->interval_ms;
	if (r->waited_ms >= 64 * r->stack->t1_ms) {
		r->gives_up = true;
		r->give_up(r->arg);
		destroy(r);
		return;
	}
	r->stack->counters.retransmissions_out++;
	transport_send(&r->flow, (struct slice){r->message, r->size});
	r->interval_ms = next_interval(r);
	timer_set(r);
}

struct retransmit *retransmit_start(struct sip_stack *stack, const struct flow *flow,
	struct slice message, void (*give_up)(void *arg), void *arg)
{
	struct retransmit *r = malloc(sizeof(*r) + message.n);

	if (!r)
		return NULL;
	*r = (struct retransmit){.stack = stack,
		.flow = *flow,
		.interval_ms = stack->t1_ms,
		.give_up = give_up,
		.arg = arg,
		.size = message.n};
	memcpy(r->message, message.p, message.n);
	evtimer_assign(&r->timer, stack->base, fires, r);
	if (timer_set(r)) {
		free(r);
		return NULL;
	}
	return r;
}

void retransmit_unbounded(struct retransmit *r)
{
	r->unbounded = true;
}

void retransmit_stop(struct retransmit *r)
{
	if (!r || r->gives_up)
		return;
	event_del(&r->timer);
	destroy(r);
}
