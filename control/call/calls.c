// All calls, and the life of one. The subtle thing: a call is freed by call_release() only, which
// the state machine asks after each event and the session after its last word, so an action may
// end its call and still look at it.
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "call_private.h"
#include "call_shards.h"
#include "cause.h"
#include "cdr_file.h"
#include "description.h"
#include "guard.h"
#include "hunt.h"
#include "offer.h"
#include "outside.h"
#include "plan.h"
#include "registrar.h"
#include "sdp.h"
#include "subscription.h"
#include "transfer.h"

LOG_MODULE(log_call, "call");

#define SETUP_S		 5 // for the dataplane to name ports
#define RECOVERY_GRACE_S 2 // for the dataplane to be there after our start
#define STOP_TURN_MS	 20
#define STOP_TURNS_MAX	 100

uint64_t now_realtime_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t now_monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

// One call.

static void on_call_timer(evutil_socket_t, short, void *arg)
{
	struct call_event event = {.type = EVENT_TIMER};

	call_event(arg, &event);
}

void call_trace(const struct call *call, struct slice call_id)
{
	if (call->calls->trace)
		trace_assign(call->calls->trace, call_id, call->id.bytes);
}

void call_timer_set(struct call *call, const struct timeval *after)
{
	evtimer_del(&call->timer);
	if (after)
		evtimer_add(&call->timer, after);
}

struct call *call_create(struct calls *calls, const struct ulid *id)
{
	struct call *call = calloc(1, sizeof(*call));

	if (!call)
		return NULL;
	call->calls = calls;
	if (call_plan_add(call, calls->plan)) {
		free(call);
		return NULL;
	}
	call->id = *id;
	ulid_format(id, call->id_text);
	memcpy(call->session.id.bytes, id->bytes, sizeof(id->bytes));
	LIST_INIT(&call->attempts);
	leg_init(&call->legs[LEG_A], call, LEG_A);
	leg_init(&call->legs[LEG_B], call, LEG_B);
	evtimer_assign(&call->timer, calls->settings.base, on_call_timer, call);
	TAILQ_INSERT_TAIL(&calls->list, call, in_calls);
	calls->counters.active_now++;
	return call;
}

static void call_destroy(struct call *call)
{
	TAILQ_REMOVE(&call->calls->list, call, in_calls);
	evtimer_del(&call->timer);
	call_confirm_drop(call);
	for (int i = 0; i < LEGS; i++)
		leg_fini(&call->legs[i]);
	hunt_fini(call);
	message_destroy(call->refer);
	free(call->service_route);
	message_destroy(call->answer);
	if (call->before)
		negotiation_wipe(call->before);
	free(call->before);
	if (call->first_offer)
		explicit_bzero(call->first_offer, sizeof(*call->first_offer));
	free(call->first_offer);
	description_wipe(call);
	call_plans_drop(call);
	free(call);
}

void call_give_up(struct call *call)
{
	transfer_give_up(call);
	for (int i = 0; i < LEGS; i++) { // into the void: transactions come to their end
		leg_refuse(&call->legs[i], 503);
		offer_refuse(&call->legs[i], 503);
	}
	attempts_abandon(call, NULL, (struct slice){});
	media_session_drop(&call->session);
	call->calls->counters.active_now--;
	call_destroy(call);
}

void call_forget(struct call *call)
{
	call->calls->counters.active_now--;
	call_destroy(call);
}

void call_release(struct call *call)
{
	const struct leg *a = &call->legs[LEG_A], *b = &call->legs[LEG_B];
	bool bye_due = a->bye_due || b->bye_due || a->bye.transaction || b->bye.transaction;

	if (call->state == CALL_OVER && call->session_closed && !bye_due)
		call_destroy(call);
}

void call_over(struct call *call, enum call_ender by, unsigned int status, const char *why,
	const struct sip_message *cause)
{
	static const char *const enders[] = {"a", "b", "sluice"};
	struct calls *calls = call->calls;

	transfer_call_over(call, status);
	call->ended_by = by;
	call->end_status = status;
	call->end_why = why;
	if (!call->cause)
		call->cause = cause_of(cause, status);
	call->times.end_ms = now_realtime_ms();
	call_timer_set(call, NULL);
	for (int i = 0; i < LEGS; i++) {
		leg_end(&call->legs[i], status, cause);
		leg_leave(&call->legs[i]);
	}
	calls->counters.active_now--;
	if (!call->times.answer_ms)
		calls->counters.refused++;
	log_info(&log_call, "ended", "call=%s by=%s status=%u why=%s duration_ms=%llu",
		call->id_text, enders[by], status, why, (unsigned long long)call_duration_ms(call));
	call_unshare(call);
	media_session_close(&call->session);
}

// All calls.

// Timers of one length share a queue: O(1) however many calls there are.
static const struct timeval *timeout_of(struct calls *calls, uint32_t seconds)
{
	struct timeval length = {.tv_sec = seconds};

	return seconds ? event_base_init_common_timeout(calls->settings.base, &length) : NULL;
}

void calls_timeouts_set(struct calls *calls)
{
	calls->setup_timeout = timeout_of(calls, SETUP_S);
	calls->no_answer_timeout = timeout_of(calls, calls->settings.no_answer_s);
	calls->max_duration = timeout_of(calls, calls->settings.max_duration_s);
}

static void on_grace_over(evutil_socket_t, short, void *arg)
{
	struct calls *calls = arg;

	if (!calls->ready)
		log_warn(&log_call, "nothing_recovered", "reason=dataplane_away");
	calls->ready = true;
}

static int parts_create(struct calls *calls, char *error, size_t error_size)
{
	const struct calls_settings *settings = &calls->settings;
	const struct stack_config stack = {
		.base = settings->base, .user = &signalling, .arg = calls};
	struct timeval grace = {.tv_sec = RECOVERY_GRACE_S};

	calls->cdr = cdr_file_open(settings->base, settings->cdr_file);
	if (!calls->cdr) {
		snprintf(error, error_size, "CDR file %s: %s", settings->cdr_file, strerror(errno));
		return -errno;
	}
	cdr_file_rules_set(calls->cdr, &settings->cdr);
	snprintf(error, error_size, "out of memory");
	guard_rules_set(settings->guard, settings->access);
	calls->plan = plan_create(calls, settings, NULL);
	if (!calls->plan || plans_admit(calls))
		return -ENOMEM;
	calls->sdp = malloc(sizeof(*calls->sdp));
	if (settings->trace_bytes)
		calls->trace = trace_create(settings->trace_bytes);
	calls->dialogs = dialog_table_create();
	calls->stack = stack_create(&stack);
	if (calls->stack)
		stack_overload_set(
			calls->stack, settings->overload_wait_ms, settings->overload_retry_after_s);
	calls->media = media_create(settings->base, settings->dataplane, &session_ops, calls);
	calls->grace_timer = evtimer_new(settings->base, on_grace_over, calls);
	if (settings->trace_bytes && !calls->trace)
		return -ENOMEM;
	if (confirm_open(calls) || proof_open(calls) || (calls->stack && register_open(calls)))
		return -ENOMEM;
	if (!calls->sdp || !calls->dialogs || !calls->stack || !calls->media || !calls->grace_timer)
		return -ENOMEM;
	evtimer_add(calls->grace_timer, &grace);
	return 0;
}

struct calls *calls_create(const struct calls_settings *settings, char *error, size_t error_size)
{
	struct calls *calls = calloc(1, sizeof(*calls));
	int err = -ENOMEM;

	if (calls) {
		calls->settings = *settings;
		TAILQ_INIT(&calls->list);
		LIST_INIT(&calls->plans);
		LIST_INIT(&calls->subscriptions);
		calls_timeouts_set(calls);
		err = parts_create(calls, error, error_size);
	}
	if (err) {
		calls_destroy(calls);
		errno = -err;
		return NULL;
	}
	return calls;
}

// Stopping: what is not answered ends, what is stays in the dataplane.

static bool call_may_stay(const struct call *call)
{
	return call->state >= CALL_ANSWERED && call->state <= CALL_MODIFIED;
}

static void on_stop_turn(evutil_socket_t, short, void *arg)
{
	struct timeval turn = {.tv_usec = STOP_TURN_MS * 1000};
	struct calls *calls = arg;
	unsigned int n_ending = 0;
	struct call *call;

	TAILQ_FOREACH (call, &calls->list, in_calls)
		n_ending += !call_may_stay(call);
	n_ending += registrations_are_ending(calls->registrations);
	if (n_ending && calls->stop_turns++ < STOP_TURNS_MAX)
		evtimer_add(calls->stop_timer, &turn);
	else
		calls->stopped(calls->stopped_arg);
}

void calls_stop(struct calls *calls, void (*stopped)(void *arg), void *arg)
{
	struct call_event event = {.type = EVENT_HANGUP, .status = 503, .why = "stopping"};
	struct call *call, *next;

	if (calls->stopped)
		return;
	calls->stopped = stopped;
	calls->stopped_arg = arg;
	for (call = TAILQ_FIRST(&calls->list); call; call = next) {
		next = TAILQ_NEXT(call, in_calls);
		if (!call_may_stay(call) && call->state != CALL_OVER)
			call_event(call, &event);
	}
	registrations_end(calls->registrations);
	subscriptions_end(calls);
	log_info(&log_call, "stopping", "calls_left_in_dataplane=%u", calls->counters.active_now);
	calls->stop_timer = evtimer_new(calls->settings.base, on_stop_turn, calls);
	if (calls->stop_timer)
		event_active(calls->stop_timer, EV_TIMEOUT, 0);
	else
		stopped(arg);
}

bool calls_are_stopping(const struct calls *calls)
{
	return calls->stopped;
}

void calls_destroy(struct calls *calls)
{
	struct call *call;

	if (!calls)
		return;
	media_destroy(calls->media);
	probes_stop(calls->probes);
	peers_stop(calls);
	registrations_stop(calls->registrations);
	while ((call = TAILQ_FIRST(&calls->list)))
		call_destroy(call);
	registrar_destroy(calls->registrar);
	subscriptions_drop(calls);
	if (calls->stack)
		stack_destroy(calls->stack); // closes attempts, so the dialogs go after it
	tls_ends_close(calls);
	if (calls->dialogs)
		dialog_table_destroy(calls->dialogs);
	if (calls->grace_timer)
		event_free(calls->grace_timer);
	if (calls->stop_timer)
		event_free(calls->stop_timer);
	if (calls->retire_timer)
		event_free(calls->retire_timer);
	drain_close(calls);
	proof_close(calls);
	cdr_file_close(calls->cdr);
	plan_drop(calls->plan);
	trace_destroy(calls->trace);
	free(calls->listeners);
	shards_stop(calls);
	confirm_close(calls);
	free(calls->sdp);
	free(calls);
}

const struct trace *calls_trace(const struct calls *calls)
{
	return calls->trace;
}

struct sip_stack *calls_stack(const struct calls *calls)
{
	return calls->stack;
}

struct media *calls_media(const struct calls *calls)
{
	return calls->media;
}

int calls_cdr_rotate(struct calls *calls)
{
	return cdr_file_rotate(calls->cdr);
}

int calls_cdr_reopen(struct calls *calls)
{
	return cdr_file_reopen(calls->cdr);
}

const struct cdr_counters *calls_cdr_counters(const struct calls *calls)
{
	return cdr_file_counters(calls->cdr);
}

const struct calls_counters *calls_counters(const struct calls *calls)
{
	return &calls->counters;
}

struct call *call_find(struct calls *calls, const char *text)
{
	struct media_session *session;
	struct sl_id id;
	struct ulid ulid;

	if (ulid_parse(text, strlen(text), &ulid))
		return NULL;
	memcpy(id.bytes, ulid.bytes, sizeof(id.bytes));
	session = media_session_find(calls->media, &id);
	return session ? call_of_session(session) : NULL;
}

const struct sl_id *call_session_id(const struct call *call)
{
	return &call->session.id;
}

void call_hangup(struct call *call)
{
	struct call_event event = {.type = EVENT_HANGUP, .status = 480, .why = "hangup"};

	call_event(call, &event);
}
