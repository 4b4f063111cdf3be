// The ends of a call. Each says who ended it and how; call_over() does the rest, once.
#include "call_private.h"
#include "cause.h"
#include "hunt.h"
#include "transfer.h"

// The last refusal of b, in words for a.
int end_refused(struct call *call, const struct call_event *event)
{
	call->far_status = event->status;
	call->cause = cause_of(event->message, event->status);
	call->legs[LEG_B].state = LEG_OVER;
	call_over(call, ENDED_BY_B, redirect_status(call, event), "refused", NULL);
	return 0;
}

int end_cancelled(struct call *call, const struct call_event *event)
{
	call_over(call, ENDED_BY_A, 487, "cancelled", event->message);
	return 0;
}

int end_bye(struct call *call, const struct call_event *event)
{
	bool by_a = event->leg->index == LEG_A;
	bool answered = call->times.answer_ms != 0;

	log_info(&log_call, "bye", "call=%s leg=%s from=1", call->id_text, leg_name(event->leg));
	if (transfer_outlives(call, event->leg))
		return ACTION_GO(call->state);
	if (event->leg->state == LEG_ACCEPTED || event->leg->state == LEG_CONFIRMED) {
		leg_refuse(event->leg, 487); // a re-INVITE of its own
		event->leg->state = LEG_OVER;
	}
	call_over(
		call, by_a ? ENDED_BY_A : ENDED_BY_B, answered ? 200 : 487, "bye", event->message);
	return 0;
}

// The ACK never came: the far end may not even know that the call exists (13.3.1.4).
int end_unacknowledged(struct call *call, const struct call_event *event)
{
	call_over(
		call, ENDED_BY_US, 408, event->leg->index == LEG_A ? "no_ack_a" : "no_ack_b", NULL);
	return 0;
}

int end_answer_acknowledged(struct call *call, const struct call_event *event)
{
	leg_acknowledged(event->leg);
	if (event->leg->bye_due) {
		event->leg->bye_due = false;
		if (event->leg->state == LEG_ACCEPTED)
			event->leg->state = LEG_CONFIRMED;
		leg_end(event->leg, call->end_status, NULL);
	}
	return 0;
}

int end_answer_hung_up(struct call *, const struct call_event *event)
{
	struct leg *leg = event->leg;

	leg->bye_due = false;
	retransmit_stop(leg->answer);
	leg->answer = NULL;
	leg->state = LEG_OVER;
	return 0;
}

int end_media_timeout(struct call *call, const struct call_event *event)
{
	call->calls->counters.media_timeouts++;
	call_over(call, ENDED_BY_US, 408, event->leg->index == LEG_A ? "no_media_a" : "no_media_b",
		NULL);
	return 0;
}

int end_no_answer(struct call *call, const struct call_event *)
{
	call->cause = call->times.ringing_ms ? 19 : 18; // alerted and no answer; no user responding
	call_over(call, ENDED_BY_US, 408, "no_answer", NULL);
	return 0;
}

int end_no_media(struct call *call, const struct call_event *)
{
	call_over(call, ENDED_BY_US, 503, "no_dataplane", NULL);
	return 0;
}

int end_duration(struct call *call, const struct call_event *)
{
	call_over(call, ENDED_BY_US, 200, call->transferred ? "transferred" : "max_duration", NULL);
	return 0;
}

int end_hangup(struct call *call, const struct call_event *event)
{
	bool answered = call->times.answer_ms != 0;

	call_over(call, ENDED_BY_US, answered ? 200 : event->status, event->why, NULL);
	return 0;
}

int end_failed(struct call *call, const struct call_event *event)
{
	call_over(call, ENDED_BY_US, event->status, event->why ? event->why : "failed", NULL);
	return 0;
}
