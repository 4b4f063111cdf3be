// Draining: nothing new is taken, what there is goes on. The last call's end may end the process.
#include <event2/event.h>

#include "call_private.h"
#include "cluster.h"

#define EMPTY_TURN_MS 50

static bool is_empty(const struct calls *calls)
{
	return !TAILQ_FIRST(&calls->list) && !calls->counters.requests_now;
}

static const struct timeval turn = {.tv_usec = EMPTY_TURN_MS * 1000};

static void on_turn(evutil_socket_t, short, void *arg)
{
	struct calls *calls = arg;

	if (!calls->empty)
		return;
	// Calls of an earlier run may still come back.
	if (!calls->ready || !is_empty(calls)) {
		evtimer_add(calls->drain_timer, &turn);
		return;
	}
	log_info(&log_call, "drained", "status=empty");
	calls->empty(calls->empty_arg);
}

void calls_drain(struct calls *calls, void (*empty)(void *arg), void *arg)
{
	if (!calls->draining)
		log_info(&log_call, "draining", "calls=%u", calls->counters.active_now);
	calls->draining = true;
	if (calls->cluster)
		cluster_drain(calls->cluster, true);
	calls->empty = empty;
	calls->empty_arg = arg;
	if (!empty)
		return;
	if (!calls->drain_timer)
		calls->drain_timer = evtimer_new(calls->settings.base, on_turn, calls);
	// Not at once: whoever asked for it is to have his answer.
	if (calls->drain_timer)
		evtimer_add(calls->drain_timer, &turn);
	else
		log_error(&log_call, "drain_not_watched", "error=memory");
}

void calls_undrain(struct calls *calls)
{
	if (calls->draining)
		log_info(&log_call, "undrained", "calls=%u", calls->counters.active_now);
	calls->draining = false;
	if (calls->cluster)
		cluster_drain(calls->cluster, false);
	calls->empty = NULL;
}

bool calls_are_draining(const struct calls *calls)
{
	return calls->draining;
}

static void retry_after_write(const struct calls *calls, struct builder *b)
{
	if (calls->settings.drain.retry_after_s)
		builder_header_unsigned(b, HEADER_RETRY_AFTER, calls->settings.drain.retry_after_s);
}

bool drain_refusal_write(const struct call *call, unsigned int status, struct builder *b)
{
	if (!call->drained || status != call->end_status)
		return false;
	retry_after_write(call->calls, b);
	return true;
}

bool drain_refuse(struct calls *calls, struct transaction *transaction)
{
	char text[64];
	struct builder b;

	if (!calls->draining && !calls->stopped)
		return false;
	calls->counters.drained++;
	builder_init(&b, text, sizeof(text));
	retry_after_write(calls, &b);
	transaction_reply_with(
		transaction, calls->settings.drain.status, (struct slice){}, builder_finish(&b));
	return true;
}

void drain_close(struct calls *calls)
{
	if (calls->drain_timer)
		event_free(calls->drain_timer);
}
