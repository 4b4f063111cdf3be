// The life of a call as a table: what each event does in each state. Both legs are in it: the leg
// that an event comes from is in the event, and what a leg still owes its far end (a final
// response, a CANCEL, a BYE) follows from the leg's own state when it is ended (leg_end()).
//
//   IDLE → NEW → TRYING → RINGING → (ANSWERING →) ANSWERED → UP ⇄ MODIFYING → MODIFIED → UP … OVER
//
// An event without a row in a state is ignored: what it would mean has happened already, or the
// stack has answered it.
#include "call_private.h"
#include "call_shards.h"

struct transition {
	call_action_fn *action;
	enum call_state next;
};

static const struct transition table[CALL_STATES][EVENT_TYPES] =
	{
		[CALL_IDLE] =
			{
				// Trunk, number and offer are checked, ports are asked for.
				[EVENT_INVITE] = {setup_admit, CALL_NEW},
				// One of them does not allow it.
				[EVENT_FAIL] = {end_failed, CALL_OVER},
				// For a transferee, who has no INVITE.
				[EVENT_CALL_FOR] = {transfer_call, CALL_NEW},
			},
		[CALL_NEW] =
			{
				// The ports are known, so b's offer can be written.
				[EVENT_MEDIA_READY] = {setup_invite, CALL_TRYING},
				// No port left, or the like: 503.
				[EVENT_MEDIA_FAILED] = {end_failed, CALL_OVER},
				// The dataplane says nothing: 503.
				[EVENT_TIMER] = {end_no_media, CALL_OVER},
				[EVENT_CANCEL] = {end_cancelled, CALL_OVER},
				// A caller may BYE its early dialog (RFC 3261 15).
				[EVENT_BYE] = {end_bye, CALL_OVER},
				[EVENT_REINVITE] = {modify_busy, CALL_NEW},
				[EVENT_HANGUP] = {end_hangup, CALL_OVER},
				[EVENT_FAIL] = {end_failed, CALL_OVER},
				[EVENT_UPDATE] = {modify_busy, CALL_NEW},
			},
		[CALL_TRYING] =
			{
				// Ports for another trunk, which the call moves to.
				[EVENT_MEDIA_READY] = {setup_placed, CALL_TRYING},
				[EVENT_MEDIA_FAILED] = {end_failed, CALL_OVER},
				[EVENT_PROVISIONAL] = {setup_provisional, CALL_RINGING},
				[EVENT_ANSWER] = {setup_answer, CALL_ANSWERED},
				[EVENT_NEXT_PEER] = {setup_next_peer, CALL_TRYING},
				[EVENT_REFUSAL] = {end_refused, CALL_OVER},
				// The CANCEL to b is held until its first response (9.1).
				[EVENT_CANCEL] = {end_cancelled, CALL_OVER},
				[EVENT_BYE] = {end_bye, CALL_OVER},
				[EVENT_REINVITE] = {modify_busy, CALL_TRYING},
				[EVENT_TIMER] = {end_no_answer, CALL_OVER},
				[EVENT_HANGUP] = {end_hangup, CALL_OVER},
				[EVENT_FAIL] = {end_failed, CALL_OVER},
				// Answers our reliable 18x, and may offer.
				[EVENT_PRACK] = {early_acknowledged, CALL_TRYING},
				[EVENT_NO_PRACK] = {end_failed, CALL_OVER},
				[EVENT_UPDATE] = {early_update, CALL_TRYING},
				[EVENT_MODIFY_ANSWER] = {modify_answer, CALL_TRYING},
				[EVENT_MODIFY_REFUSAL] = {modify_refuse, CALL_TRYING},
				[EVENT_REDIRECTED] = {setup_redirected, CALL_TRYING},
			},
		[CALL_RINGING] =
			{
				[EVENT_MEDIA_FAILED] = {end_failed, CALL_OVER},
				// Nobody of those that rang; a registered user may be elsewhere.
				[EVENT_NEXT_PEER] = {setup_next_peer, CALL_RINGING},
				// More of them: forks, announcements, early media.
				[EVENT_PROVISIONAL] = {setup_provisional, CALL_RINGING},
				[EVENT_ANSWER] = {setup_answer, CALL_ANSWERED},
				[EVENT_REFUSAL] = {end_refused, CALL_OVER},
				// A 2xx that crosses our CANCEL is the attempt's to ACK and BYE.
				[EVENT_CANCEL] = {end_cancelled, CALL_OVER},
				[EVENT_BYE] = {end_bye, CALL_OVER},
				[EVENT_REINVITE] = {modify_busy, CALL_RINGING},
				[EVENT_TIMER] = {end_no_answer, CALL_OVER},
				[EVENT_HANGUP] = {end_hangup, CALL_OVER},
				[EVENT_FAIL] = {end_failed, CALL_OVER},
				// Answers our reliable 18x, and may offer.
				[EVENT_PRACK] = {early_acknowledged, CALL_RINGING},
				[EVENT_NO_PRACK] = {end_failed, CALL_OVER},
				[EVENT_UPDATE] = {early_update, CALL_RINGING},
				[EVENT_MODIFY_ANSWER] = {modify_answer, CALL_RINGING},
				[EVENT_MODIFY_REFUSAL] = {modify_refuse, CALL_RINGING},
				[EVENT_REDIRECTED] = {setup_redirected, CALL_TRYING},
			},
		[CALL_ANSWERING] =
			{
				// b has answered; a must first acknowledge what described the media
				// (RFC 3262 section 3), or an exchange is under way.
				[EVENT_PRACK] = {early_acknowledged, CALL_ANSWERED},
				[EVENT_NO_PRACK] = {end_failed, CALL_OVER},
				[EVENT_UPDATE] = {early_update, CALL_ANSWERING},
				[EVENT_MODIFY_ANSWER] = {modify_answer, CALL_ANSWERED},
				[EVENT_MODIFY_REFUSAL] = {modify_refuse, CALL_ANSWERED},
				[EVENT_REINVITE] = {modify_busy, CALL_ANSWERING},
				[EVENT_MEDIA_FAILED] = {end_failed, CALL_OVER},
				[EVENT_CANCEL] = {end_cancelled, CALL_OVER},
				[EVENT_BYE] = {end_bye, CALL_OVER},
				[EVENT_TIMER] = {end_no_answer, CALL_OVER},
				[EVENT_HANGUP] = {end_hangup, CALL_OVER},
				[EVENT_FAIL] = {end_failed, CALL_OVER},
				[EVENT_REFRESH] = {refresh_later, CALL_ANSWERING},
			},
		[CALL_ANSWERED] =
			{
				[EVENT_MEDIA_FAILED] = {end_failed, CALL_OVER},
				[EVENT_MEDIA_TIMEOUT] = {end_media_timeout, CALL_OVER},
				// With a late offer it brings a's answer.
				[EVENT_ACK] = {setup_confirm, CALL_UP},
				[EVENT_NO_ACK] = {end_unacknowledged, CALL_OVER},
				// Before its ACK a may, and b's makes a's wait for the ACK.
				[EVENT_BYE] = {end_bye, CALL_OVER},
				[EVENT_REINVITE] = {modify_busy, CALL_ANSWERED},
				[EVENT_TIMER] = {end_duration, CALL_OVER},
				[EVENT_HANGUP] = {end_hangup, CALL_OVER},
				[EVENT_FAIL] = {end_failed, CALL_OVER},
				[EVENT_PRACK] = {early_acknowledged_late, CALL_ANSWERED},
				[EVENT_UPDATE] = {modify_busy, CALL_ANSWERED},
				[EVENT_REFRESH] = {refresh_later, CALL_ANSWERED},
			},
		[CALL_UP] =
			{
				[EVENT_MEDIA_FAILED] = {end_failed, CALL_OVER},
				[EVENT_MEDIA_TIMEOUT] = {end_media_timeout, CALL_OVER},
				[EVENT_BYE] = {end_bye, CALL_OVER},
				// Hold, resume, change of codec or address, refresh. Answers itself
				// (and goes
				// elsewhere) where the other leg need not be asked.
				[EVENT_REINVITE] = {modify_begin, CALL_MODIFYING},
				[EVENT_TIMER] = {end_duration, CALL_OVER},
				[EVENT_HANGUP] = {end_hangup, CALL_OVER},
				[EVENT_FAIL] = {end_failed, CALL_OVER},
				[EVENT_PRACK] = {early_acknowledged_late, CALL_UP},
				[EVENT_UPDATE] = {modify_offer, CALL_MODIFYING},
				[EVENT_REFRESH] = {refresh_begin, CALL_OVER},
				[EVENT_REFER] = {transfer_begin, CALL_UP},
				[EVENT_TRANSFER] = {transfer_ask, CALL_MODIFYING},
				[EVENT_REPLACE] = {transfer_replace, CALL_JOINING},
			},
		[CALL_MODIFYING] =
			{
				// Ports for lines that are new: now the other leg can be asked.
				[EVENT_MEDIA_READY] = {modify_placed, CALL_MODIFYING},
				[EVENT_MEDIA_FAILED] = {modify_unplaced, CALL_OVER},
				[EVENT_MEDIA_TIMEOUT] = {end_media_timeout, CALL_OVER},
				[EVENT_MODIFY_ANSWER] = {modify_answer, CALL_MODIFIED},
				// The session goes on as it was (RFC 6141), unless the dialog is
				// gone.
				[EVENT_MODIFY_REFUSAL] = {modify_refuse, CALL_UP},
				[EVENT_CANCEL] = {modify_cancel, CALL_MODIFYING},
				// Glare: 491, or 500 to one who cannot wait for its own (14.2).
				[EVENT_REINVITE] = {modify_busy, CALL_MODIFYING},
				[EVENT_BYE] = {end_bye, CALL_OVER},
				[EVENT_TIMER] = {end_duration, CALL_OVER},
				[EVENT_HANGUP] = {end_hangup, CALL_OVER},
				[EVENT_FAIL] = {end_failed, CALL_OVER},
				[EVENT_UPDATE] = {modify_busy, CALL_MODIFYING},
				[EVENT_REFRESH] = {refresh_later, CALL_MODIFYING},
			},
		[CALL_MODIFIED] =
			{
				[EVENT_MEDIA_FAILED] = {end_failed, CALL_OVER},
				[EVENT_MEDIA_TIMEOUT] = {end_media_timeout, CALL_OVER},
				[EVENT_ACK] = {modify_confirm, CALL_UP},
				[EVENT_NO_ACK] = {end_unacknowledged, CALL_OVER},
				[EVENT_REINVITE] = {modify_busy, CALL_MODIFIED},
				[EVENT_BYE] = {end_bye, CALL_OVER},
				[EVENT_TIMER] = {end_duration, CALL_OVER},
				[EVENT_HANGUP] = {end_hangup, CALL_OVER},
				[EVENT_FAIL] = {end_failed, CALL_OVER},
				[EVENT_UPDATE] = {modify_busy, CALL_MODIFIED},
				[EVENT_REFRESH] = {refresh_later, CALL_MODIFIED},
			},
		[CALL_JOINING] =
			{
				[EVENT_MEDIA_READY] = {transfer_placed, CALL_JOINING},
				[EVENT_MEDIA_FAILED] = {end_failed, CALL_OVER},
				[EVENT_MEDIA_TIMEOUT] = {end_media_timeout, CALL_OVER},
				[EVENT_JOINED] = {transfer_joined, CALL_UP},
				[EVENT_REINVITE] = {modify_busy, CALL_JOINING},
				[EVENT_UPDATE] = {modify_busy, CALL_JOINING},
				[EVENT_REFRESH] = {refresh_later, CALL_JOINING},
				[EVENT_BYE] = {end_bye, CALL_OVER},
				// The transferee does not answer.
				[EVENT_TIMER] = {end_no_answer, CALL_OVER},
				[EVENT_HANGUP] = {end_hangup, CALL_OVER},
				[EVENT_FAIL] = {end_failed, CALL_OVER},
			},
		[CALL_OVER] =
			{
				// A BYE of ours has waited for this.
				[EVENT_ACK] = {end_answer_acknowledged, CALL_OVER},
				[EVENT_NO_ACK] = {end_answer_acknowledged, CALL_OVER},
				// And is not sent to who hangs up meanwhile.
				[EVENT_BYE] = {end_answer_hung_up, CALL_OVER},
			},
};

static const char *const state_names[CALL_STATES] = {
	[CALL_IDLE] = "idle",
	[CALL_NEW] = "new",
	[CALL_TRYING] = "trying",
	[CALL_RINGING] = "ringing",
	[CALL_ANSWERING] = "answering",
	[CALL_ANSWERED] = "answered",
	[CALL_UP] = "up",
	[CALL_MODIFYING] = "modifying",
	[CALL_MODIFIED] = "modified",
	[CALL_JOINING] = "joining",
	[CALL_OVER] = "over",
};

static const char *const event_names[EVENT_TYPES] = {
	[EVENT_INVITE] = "invite",
	[EVENT_MEDIA_READY] = "media_ready",
	[EVENT_MEDIA_FAILED] = "media_failed",
	[EVENT_MEDIA_TIMEOUT] = "media_timeout",
	[EVENT_PROVISIONAL] = "provisional",
	[EVENT_ANSWER] = "answer",
	[EVENT_NEXT_PEER] = "next_peer",
	[EVENT_REDIRECTED] = "redirected",
	[EVENT_REFUSAL] = "refusal",
	[EVENT_ACK] = "ack",
	[EVENT_NO_ACK] = "no_ack",
	[EVENT_CANCEL] = "cancel",
	[EVENT_BYE] = "bye",
	[EVENT_PRACK] = "prack",
	[EVENT_NO_PRACK] = "no_prack",
	[EVENT_UPDATE] = "update",
	[EVENT_REINVITE] = "reinvite",
	[EVENT_REFRESH] = "refresh",
	[EVENT_MODIFY_ANSWER] = "modify_answer",
	[EVENT_MODIFY_REFUSAL] = "modify_refusal",
	[EVENT_REFER] = "refer",
	[EVENT_CALL_FOR] = "call_for",
	[EVENT_REPLACE] = "replace",
	[EVENT_TRANSFER] = "transfer",
	[EVENT_JOINED] = "joined",
	[EVENT_TIMER] = "timer",
	[EVENT_HANGUP] = "hangup",
	[EVENT_FAIL] = "fail",
};

const char *call_state_name(enum call_state state)
{
	return state_names[state];
}

bool fsm_row(enum call_state state, enum call_event_type type, enum call_state *next)
{
	const struct transition *row = &table[state][type];

	*next = row->next;
	return row->action != NULL;
}

void call_event(struct call *call, const struct call_event *event)
{
	const struct transition *row = &table[call->state][event->type];
	struct call_event failure;
	int result;

	log_debug(&log_call, "fsm", "call=%s state=%s on=%s%s", call->id_text,
		state_names[call->state], event_names[event->type],
		row->action ? "" : " ignored=1");
	if (!row->action)
		return;
	call->heard = event->message;
	call->heard_from = event->leg ? event->leg : &call->legs[LEG_B];
	result = row->action(call, event);
	call->heard = NULL;
	if (result > 0) {
		failure = *event;
		failure.type = EVENT_FAIL;
		failure.status = (unsigned int)result;
		call_event(call, &failure);
		return;
	}
	call->state = result < 0 ? (enum call_state) ~result : row->next;
	call_share(call);
	call_release(call);
}
