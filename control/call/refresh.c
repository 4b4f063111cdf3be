// Session timers (RFC 4028), each leg its own: what one far end wants does not concern the other. A
// leg's timer fires when we are to refresh, or when the far end should have. UPDATE refreshes where
// the far end allows it, else a re-INVITE that says what was said before.
#include <errno.h>
#include <event2/event.h>

#include "call_private.h"
#include "offer.h"
#include "token.h"

#define MESSAGE_SIZE  8192
#define BUSY_RETRY_MS 2000  // an exchange is under way
#define FAIL_RETRY_MS 10000 // the refresh was refused for a reason of the moment
#define RAISES_MAX    3	    // by 422s

static void on_timer(evutil_socket_t, short, void *arg)
{
	struct leg *leg = arg;
	struct call_event event = {.type = EVENT_REFRESH, .leg = leg, .status = 408};

	call_event(leg->call, &event);
}

void refresh_init(struct leg *leg)
{
	evtimer_assign(&leg->timer.event, leg->call->calls->settings.base, on_timer, leg);
}

void refresh_stop(struct leg *leg)
{
	event_del(&leg->timer.event);
	if (leg->timer.refresh)
		transaction_user_set(leg->timer.refresh, NULL);
	leg->timer.refresh = NULL;
}

static void fires_in(struct leg *leg, uint64_t ms)
{
	struct timeval after = {
		.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000)};

	evtimer_add(&leg->timer.event, &after);
}

// Section 10: a third before the end, at most 32 s.
static uint64_t end_ms(const struct leg *leg)
{
	uint32_t interval_s = leg->timer.interval_s, before_s = interval_s / 3;

	return leg->timer.began_ms +
	       (uint64_t)(interval_s - (before_s < 32 ? before_s : 32)) * 1000;
}

static void arm(struct leg *leg, uint64_t began_ms)
{
	struct leg_timer *timer = &leg->timer;
	uint64_t now_ms = now_monotonic_ms(), due_ms;

	timer->began_ms = began_ms;
	if (leg->call->state >= CALL_UP)
		media_session_update(&leg->call->session); // with a record that says so
	due_ms = timer->we_refresh ? began_ms + (uint64_t)timer->interval_s * 500 : end_ms(leg);
	if (timer->interval_s)
		fires_in(leg, due_ms > now_ms ? due_ms - now_ms : 1);
	else
		event_del(&timer->event);
}

void refresh_restore(struct leg *leg, uint32_t age_ms)
{
	// What the far end has sent while we were away comes again, if it is to live.
	uint64_t grace_ms = leg->timer.we_refresh ? 0 : 32000, now_ms = now_monotonic_ms();

	arm(leg, now_ms > age_ms ? now_ms - age_ms : 0);
	if (leg->timer.interval_s && end_ms(leg) < now_ms + grace_ms)
		fires_in(leg, grace_ms ? grace_ms : 1);
}

void refresh_spread(struct leg *leg, uint32_t within_ms)
{
	struct timeval due, now, left,
		within = {.tv_sec = within_ms / 1000, .tv_usec = within_ms % 1000 * 1000};
	uint32_t number;

	if (!evtimer_pending(&leg->timer.event, &due))
		return;
	evutil_gettimeofday(&now, NULL);
	evutil_timersub(&due, &now, &left);
	if (evutil_timercmp(&left, &within, >))
		return;
	token_random(&number, sizeof(number));
	fires_in(leg, 1 + number % within_ms);
}

uint32_t refresh_age_ms(const struct leg *leg)
{
	uint64_t age_ms = now_monotonic_ms() - leg->timer.began_ms;

	return age_ms < UINT32_MAX ? (uint32_t)age_ms : UINT32_MAX;
}

static struct session_timer_wishes wishes_of(const struct leg *leg)
{
	const struct trunk_session_timer *policy = &leg->trunk->signalling.session_timer;

	return (struct session_timer_wishes){.expires_s = policy->expires_s,
		.min_s = policy->min_s,
		.refresher = policy->refresher == TRUNK_REFRESHER_US ? SESSION_REFRESHER_UAS
								     : SESSION_REFRESHER_UAC};
}

// What we are to a request of theirs.

unsigned int refresh_check(struct leg *leg, const struct sip_message *request)
{
	struct session_timer_wishes wishes = wishes_of(leg);
	struct session_expires unused;

	return session_expires_answer(&wishes, request, &unused);
}

void refresh_answer(struct leg *leg, struct builder *b, const struct sip_message *request)
{
	struct session_timer_wishes wishes = wishes_of(leg);
	struct session_expires expires;

	if (session_expires_answer(&wishes, request, &expires))
		return;
	leg->timer.interval_s = expires.interval_s;
	leg->timer.we_refresh = expires.refresher == SESSION_REFRESHER_UAS;
	arm(leg, now_monotonic_ms());
	if (!expires.interval_s)
		return;
	session_expires_write(b, &expires);
	if (!leg->timer.we_refresh)
		builder_header(b, HEADER_REQUIRE, SLICE("timer"));
}

// What we are to one of ours.

void refresh_ask(const struct leg *leg, struct builder *b)
{
	const struct trunk_session_timer *policy = &leg->trunk->signalling.session_timer;
	uint32_t min_s = leg->timer.min_s > policy->min_s ? leg->timer.min_s : policy->min_s;
	struct session_expires expires = {.interval_s = leg->timer.interval_s};

	if (expires.interval_s) {
		expires.refresher =
			leg->timer.we_refresh ? SESSION_REFRESHER_UAC : SESSION_REFRESHER_UAS;
	} else {
		expires.interval_s = policy->expires_s;
		if (policy->refresher != TRUNK_REFRESHER_ANY)
			expires.refresher = policy->refresher == TRUNK_REFRESHER_US
						    ? SESSION_REFRESHER_UAC
						    : SESSION_REFRESHER_UAS;
	}
	if (!expires.interval_s)
		return;
	if (expires.interval_s < leg->timer.min_s)
		expires.interval_s = leg->timer.min_s;
	session_expires_write(b, &expires);
	if (min_s > SESSION_EXPIRES_MIN_S)
		builder_header_unsigned(b, HEADER_MIN_SE, min_s);
}

void refresh_take(struct leg *leg, const struct sip_message *response)
{
	const struct trunk_session_timer *policy = &leg->trunk->signalling.session_timer;
	struct session_expires expires = message_session_expires(response);

	if (expires.interval_s) {
		leg->timer.interval_s = expires.interval_s;
		leg->timer.we_refresh = expires.refresher != SESSION_REFRESHER_UAS;
	} else {
		// It has no timers. Where we are to refresh we do, to see that it is there.
		leg->timer.we_refresh = policy->refresher == TRUNK_REFRESHER_US;
		leg->timer.interval_s = leg->timer.we_refresh ? policy->expires_s : 0;
	}
	arm(leg, now_monotonic_ms());
}

bool refresh_raise(struct leg *leg, const struct sip_message *response)
{
	uint32_t min_s = message_min_se(response);
	uint32_t asked_s = leg->timer.interval_s ? leg->timer.interval_s
						 : leg->trunk->signalling.session_timer.expires_s;

	if (response->status != 422 || leg->timer.n_raised++ >= RAISES_MAX ||
		min_s <= leg->timer.min_s || min_s <= asked_s || min_s > SESSION_EXPIRES_MAX_S)
		return false;
	leg->timer.min_s = min_s;
	if (leg->timer.interval_s && leg->timer.interval_s < min_s)
		leg->timer.interval_s = min_s;
	return true;
}

// Refreshing.

static bool is_too_late(const struct leg *leg)
{
	return now_monotonic_ms() >= end_ms(leg);
}

// Again in a while, at the latest when the session ends.
static void try_again(struct leg *leg, uint64_t ms)
{
	uint64_t now = now_monotonic_ms(), end = end_ms(leg);

	fires_in(leg, end <= now ? 1 : now + ms < end ? ms : end - now);
}

static int update_send(struct leg *leg)
{
	char buffer[MESSAGE_SIZE];
	struct builder b;

	builder_init(&b, buffer, sizeof(buffer));
	dialog_request_begin(&leg->dialog, METHOD_UPDATE, &b);
	extensions_write(&b, leg, EXTENSIONS_REQUEST);
	builder_body(&b, (struct slice){}, (struct slice){});
	leg->timer.refresh = transaction_start(
		leg->call->calls->stack, &leg->dialog.flow, builder_finish(&b), leg);
	return leg->timer.refresh ? 0 : -errno;
}

int refresh_begin(struct call *call, const struct call_event *event)
{
	struct leg *leg = event->leg;

	if (is_too_late(leg)) {
		call_over(call, ENDED_BY_US, 408, "session_expired", NULL);
		return 0;
	}
	try_again(leg, UINT32_MAX);
	if (!leg->timer.we_refresh || leg->timer.refresh)
		return ACTION_GO(call->state);
	log_info(&log_call, "refresh", "call=%s leg=%s by=%s", call->id_text, leg_name(leg),
		leg->peer.update ? "UPDATE" : "INVITE");
	if (!leg->peer.update)
		return modify_repeat(leg);
	if (update_send(leg))
		try_again(leg, FAIL_RETRY_MS);
	return ACTION_GO(call->state);
}

int refresh_later(struct call *call, const struct call_event *event)
{
	if (!is_too_late(event->leg)) {
		try_again(event->leg, BUSY_RETRY_MS);
		return ACTION_GO(call->state);
	}
	call_over(call, ENDED_BY_US, 408, "session_expired", NULL);
	return ACTION_GO(CALL_OVER);
}

// RFC 3261 14.1: who made the Call-ID waits longer, in steps of 10 ms.
uint32_t glare_wait_ms(const struct dialog *dialog)
{
	uint8_t step;

	token_random(&step, sizeof(step));
	return dialog->is_uac ? 2100 + step % 191 * 10u : step % 201 * 10u;
}

unsigned int refresh_refused(
	struct leg *leg, unsigned int status, const struct sip_message *response)
{
	switch (status) {
	case 408:
	case 481:
		return status; // section 10: it is gone
	case 422:
		try_again(leg, response && refresh_raise(leg, response) ? 1 : FAIL_RETRY_MS);
		return 0;
	case 405:
	case 501:
		leg->peer.update = false;
		try_again(leg, BUSY_RETRY_MS);
		return 0;
	case 491:
		try_again(leg, glare_wait_ms(&leg->dialog));
		return 0;
	default:
		try_again(leg, FAIL_RETRY_MS);
		return 0;
	}
}

void refresh_response(struct leg *leg, unsigned int status, const struct sip_message *response)
{
	struct call_event event = {.type = EVENT_FAIL, .leg = leg, .why = "session_gone"};

	if (response && status < 300) {
		refresh_take(leg, response);
		return;
	}
	event.status = refresh_refused(leg, status, response);
	if (event.status)
		call_event(leg->call, &event);
}
