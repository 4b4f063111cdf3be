// Calls from another node may have ended while nobody had them: each far end is asked by an OPTIONS
// in the dialog, some calls at a time. Who knows no such dialog (481), or does not answer at all
// (408), has no call any more (RFC 5057 5.1), and the other side is told. Any other answer will do.
#include <event2/event.h>

#include "call_shards.h"

#define MESSAGE_SIZE 4096
#define TURN_MS	     50
#define CALLS_A_TURN 5 // two requests each: 200 a second

void confirm_init(struct leg *leg)
{
	leg->confirm = (struct confirm){.owner.kind = OWNER_CONFIRM, .leg = leg};
}

void confirm_fini(struct leg *leg)
{
	if (leg->confirm.transaction)
		transaction_user_set(leg->confirm.transaction, NULL);
	leg->confirm.transaction = NULL;
}

static void ask(struct leg *leg)
{
	struct calls *calls = leg->call->calls;
	char buffer[MESSAGE_SIZE];
	struct builder b;

	// Who connects to us by WebSocket is not there before it has done so again.
	if (leg->state != LEG_CONFIRMED || !listener_connects(leg->dialog.flow.listener))
		return;
	builder_init(&b, buffer, sizeof(buffer));
	dialog_request_begin(&leg->dialog, METHOD_OPTIONS, &b);
	builder_header(&b, HEADER_ACCEPT, SLICE("application/sdp"));
	builder_body(&b, (struct slice){}, (struct slice){});
	leg->confirm.transaction = transaction_start(
		calls->stack, &leg->dialog.flow, builder_finish(&b), &leg->confirm.owner);
}

static void on_turn(evutil_socket_t, short, void *arg)
{
	struct timeval turn = {.tv_usec = TURN_MS * 1000};
	struct calls *calls = arg;

	for (int i = 0; i < CALLS_A_TURN; i++) {
		struct call *call = TAILQ_FIRST(&calls->doubtful);

		if (!call || !call->shard || !call->shard->bound)
			break;
		call_confirm_drop(call);
		for (int j = 0; j < LEGS; j++)
			ask(&call->legs[j]);
		call_share(call); // with the numbers of these requests
	}
	if (!TAILQ_EMPTY(&calls->doubtful))
		evtimer_add(calls->confirm_timer, &turn);
}

int confirm_open(struct calls *calls)
{
	TAILQ_INIT(&calls->doubtful);
	calls->confirm_timer = evtimer_new(calls->settings.base, on_turn, calls);
	return calls->confirm_timer ? 0 : -1;
}

void confirm_close(struct calls *calls)
{
	if (calls->confirm_timer)
		event_free(calls->confirm_timer);
	calls->confirm_timer = NULL;
}

void call_confirm(struct call *call)
{
	struct timeval turn = {.tv_usec = TURN_MS * 1000};
	struct calls *calls = call->calls;

	if (TAILQ_EMPTY(&calls->doubtful))
		evtimer_add(calls->confirm_timer, &turn);
	TAILQ_INSERT_TAIL(&calls->doubtful, call, in_doubtful);
	call->is_doubtful = true;
}

void call_confirm_drop(struct call *call)
{
	if (call->is_doubtful)
		TAILQ_REMOVE(&call->calls->doubtful, call, in_doubtful);
	call->is_doubtful = false;
}

void confirm_done(struct owner *owner, unsigned int status)
{
	struct confirm *confirm = (struct confirm *)owner;
	struct leg *leg = confirm->leg;
	struct call_event event = {
		.type = EVENT_FAIL, .leg = leg, .status = 481, .why = "gone_at_takeover"};

	if (status < 200)
		return;
	confirm_fini(leg);
	if (status != 481 && status != 408)
		return;
	log_warn(&log_call, "gone_at_takeover", "call=%s leg=%s status=%u", leg->call->id_text,
		leg_name(leg), status);
	call_event(leg->call, &event);
}
