// See backlog.h.
#include "backlog.h"

#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "sip_log.h"
#include "transaction_internal.h"

static uint64_t now_us(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void log_began(const struct sip_stack *stack)
{
	log_warn(&log_sip, "overload", "waiting=%zu wait_ms=%u refused=%" PRIu64, stack->backlog.n,
		stack->backlog.wait_ms, stack->counters.shed - stack->backlog.refused_before);
}

static void watch_set(struct sip_stack *stack)
{
	struct timeval storage;

	event_add(stack->backlog.watch, stack_timeout(stack, BACKLOG_OVER_MS / 4, &storage));
}

// While there is overload, four times in the time that ends it.
static void on_watch(evutil_socket_t, short, void *arg)
{
	struct sip_stack *stack = arg;
	struct backlog *backlog = &stack->backlog;
	uint64_t now = now_us(CLOCK_MONOTONIC) / 1000;

	if (now - backlog->last_ms >= BACKLOG_OVER_MS) {
		backlog->is_overload = false;
		backlog->share = 0;
		log_warn(&log_sip, "overload_over", "lasted_ms=%" PRIu64 " refused=%" PRIu64,
			backlog->last_ms - backlog->began_ms,
			stack->counters.shed - backlog->refused_before);
		return;
	}
	if (now - backlog->logged_ms >= BACKLOG_LOG_MS) {
		backlog->logged_ms = now;
		log_began(stack);
	}
	watch_set(stack);
}

static void overload_note(struct sip_stack *stack, uint64_t now_ms)
{
	struct backlog *backlog = &stack->backlog;

	backlog->last_ms = now_ms;
	if (backlog->is_overload)
		return;
	backlog->is_overload = true;
	backlog->began_ms = backlog->logged_ms = now_ms;
	backlog->refused_before = stack->counters.shed;
	stack->counters.overloads++;
	log_began(stack);
	watch_set(stack);
}

static void share_note(struct backlog *backlog, bool refused)
{
	backlog->share += (refused - backlog->share) / 256;
}

static struct backlog_refusal *refusal_slot(struct sip_stack *stack, uint64_t hash)
{
	return &stack->backlog.refusals[hash % BACKLOG_REMEMBERED];
}

static bool was_refused(struct sip_stack *stack, const struct sip_message *request, uint64_t now_ms)
{
	const struct backlog_refusal *slot;
	uint64_t hash;

	if (!stack->counters.shed || now_ms - stack->backlog.last_ms >= BACKLOG_REMEMBERED_MS)
		return false;
	hash = server_hash(stack, request, request->method);
	slot = refusal_slot(stack, hash);
	return slot->hash == hash && slot->at_ms && now_ms - slot->at_ms < BACKLOG_REMEMBERED_MS;
}

// A 503 with Retry-After has its receiver send nothing at all for that long, one without is about
// this request only (RFC 3261 21.5.4). So it comes when most requests are refused anyhow, and
// with times that differ, lest they all come back together.
static void refuse(struct sip_stack *stack, const struct sip_message *request, uint64_t hash)
{
	struct backlog *backlog = &stack->backlog;
	uint64_t now_ms = now_us(CLOCK_MONOTONIC_COARSE) / 1000;
	struct slice extra = {0};
	char text[32];
	struct builder b;

	*refusal_slot(stack, hash) = (struct backlog_refusal){hash, now_ms};
	overload_note(stack, now_ms);
	share_note(backlog, true);
	stack->counters.shed++;
	if (backlog->retry_after_s && backlog->share > 0.75) {
		builder_init(&b, text, sizeof(text));
		builder_text(&b, "Retry-After: ");
		builder_unsigned(&b, 1 + (unsigned int)(hash >> 32) % backlog->retry_after_s);
		builder_text(&b, "\r\n");
		extra = builder_finish(&b);
	}
	stack_refuse(stack, request, 503, (struct slice){0}, extra);
}

static bool begins_something(const struct sip_message *request)
{
	switch (request->method) {
	case METHOD_INVITE:
	case METHOD_REGISTER:
	case METHOD_MESSAGE:
	case METHOD_SUBSCRIBE:
	case METHOD_PUBLISH:
	case METHOD_REFER:
		return !request->to_tag.p;
	default:
		return false;
	}
}

static bool has_room(const struct backlog *backlog, const struct sip_message *request)
{
	return backlog->n < BACKLOG_MAX && backlog->bytes + request->text.n <= BACKLOG_BYTES_MAX;
}

static bool add(struct sip_stack *stack, const struct sip_message *request)
{
	struct backlog *backlog = &stack->backlog;
	struct sip_message *kept = has_room(backlog, request) ? message_clone(request) : NULL;

	if (!kept)
		return false;
	if (!backlog->n)
		event_active(backlog->turn, EV_TIMEOUT, 0);
	backlog->ring[(backlog->head + backlog->n++) % BACKLOG_MAX] =
		(struct backlog_waiting){kept, request->received_at_us};
	backlog->bytes += kept->text.n;
	return true;
}

bool backlog_takes(struct sip_stack *stack, const struct sip_message *request)
{
	const struct backlog *backlog = &stack->backlog;

	if (request->method == METHOD_CANCEL)
		return backlog->n && !server_match(stack, request, METHOD_INVITE) &&
		       add(stack, request);
	if (!begins_something(request))
		return false;
	if (backlog->n && stack->user->is_urgent && stack->user->is_urgent(stack->arg, request)) {
		stack->counters.urgent++;
		return false;
	}
	if (add(stack, request))
		return true;
	if (server_match(stack, request, request->method))
		return false; // a repetition
	refuse(stack, request, server_hash(stack, request, request->method));
	return true;
}

static bool is_late(
	const struct backlog *backlog, const struct backlog_waiting *oldest, uint64_t now)
{
	return backlog->wait_ms && oldest->message->method != METHOD_CANCEL &&
	       now > oldest->since_us + backlog->wait_ms * 1000ull;
}

static struct sip_message *take(struct backlog *backlog)
{
	struct sip_message *message = backlog->ring[backlog->head].message;

	backlog->head = (backlog->head + 1) % BACKLOG_MAX;
	backlog->n--;
	backlog->bytes -= message->text.n;
	return message;
}

// The oldest is refused, unless it is another of one that has begun.
static void refuse_oldest(struct sip_stack *stack)
{
	struct sip_message *request = take(&stack->backlog);

	if (server_match(stack, request, request->method)) {
		stack_begin(stack, request);
		return;
	}
	refuse(stack, request, server_hash(stack, request, request->method));
	message_destroy(request);
}

static void begin_oldest(struct sip_stack *stack, uint64_t now)
{
	struct backlog *backlog = &stack->backlog;
	struct sip_message *request = take(backlog);

	if (backlog->is_overload)
		share_note(backlog, false);
	if (was_refused(stack, request, now / 1000)) {
		refuse(stack, request, server_hash(stack, request, request->method));
		message_destroy(request);
		return;
	}
	stack_begin(stack, request);
}

static void on_turn(evutil_socket_t, short, void *arg)
{
	struct sip_stack *stack = arg;
	struct backlog *backlog = &stack->backlog;
	const struct stack_user *user = stack->user;
	uint64_t now = now_us(CLOCK_MONOTONIC), end = now + BACKLOG_TURN_US;
	struct timeval storage = {0};
	unsigned int refusals = 0;
	bool is_ready = true;

	while (backlog->n && now < end && is_ready) {
		if (is_late(backlog, &backlog->ring[backlog->head], now)) {
			if (refusals++ == BACKLOG_REFUSALS_A_TURN)
				break;
			refuse_oldest(stack);
			continue;
		}
		is_ready = !user->is_ready || user->is_ready(stack->arg);
		if (is_ready)
			begin_oldest(stack, now);
		now = now_us(CLOCK_MONOTONIC);
	}
	if (!is_ready)
		storage.tv_usec = BACKLOG_LATER_MS * 1000;
	if (backlog->n)
		event_add(backlog->turn, &storage); // after what has come meanwhile
}

void stack_overload_set(struct sip_stack *stack, unsigned int wait_ms, unsigned int retry_after_s)
{
	stack->backlog.wait_ms = wait_ms;
	stack->backlog.retry_after_s = retry_after_s;
}

void stack_overload_get(const struct sip_stack *stack, struct stack_overload *overload)
{
	const struct backlog *backlog = &stack->backlog;
	uint64_t now = now_us(CLOCK_MONOTONIC_COARSE);

	*overload = (struct stack_overload){.now = backlog->is_overload, .waiting = backlog->n};
	if (backlog->n && now > backlog->ring[backlog->head].since_us)
		overload->waits_ms =
			(unsigned int)((now - backlog->ring[backlog->head].since_us) / 1000);
}

int backlog_init(struct sip_stack *stack)
{
	struct backlog *backlog = &stack->backlog;

	backlog->ring = calloc(BACKLOG_MAX, sizeof(*backlog->ring));
	backlog->refusals = calloc(BACKLOG_REMEMBERED, sizeof(*backlog->refusals));
	backlog->turn = evtimer_new(stack->base, on_turn, stack);
	backlog->watch = evtimer_new(stack->base, on_watch, stack);
	return backlog->ring && backlog->refusals && backlog->turn && backlog->watch ? 0 : -ENOMEM;
}

void backlog_fini(struct sip_stack *stack)
{
	struct backlog *backlog = &stack->backlog;

	while (backlog->n)
		message_destroy(take(backlog));
	if (backlog->turn)
		event_free(backlog->turn);
	if (backlog->watch)
		event_free(backlog->watch);
	free(backlog->ring);
	free(backlog->refusals);
}
