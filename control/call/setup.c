// From the caller's INVITE to its ACK. Order matters: ports first, and codecs where the call is
// sure to need them, then the offer to b that names them; media is told of an answer before the
// answer is passed on.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "call_private.h"
#include "call_shards.h"
#include "description.h"
#include "early.h"
#include "facts.h"
#include "guard.h"
#include "hunt.h"
#include "offer.h"
#include "outside.h"
#include "transfer.h"

// Which trunk the call comes from and where it may go. Returns 0 or a SIP status.
static unsigned int routes_choose(struct call *call, const struct sip_message *invite)
{
	const struct calls_settings *settings = &call->calls->settings;
	struct leg *a_leg = &call->legs[LEG_A];
	struct route_query query = {.now = time(NULL), .below = random_below};
	unsigned int status;
	int n;

	a_leg->listener = invite->flow.listener;
	call->shard = shard_of_listener(call->calls, a_leg->listener);
	a_leg->trunk = trunk_of_request(call->calls, invite);
	if (!a_leg->trunk)
		return 403; // a known host, but not in this realm
	if (call_numbers_read(call, invite))
		return 484;
	call->is_secure = uri_is_sips(invite->uri);
	if (call->is_secure && !listener_is_secure(a_leg->listener))
		return 416; // RFC 5630 4
	if (register_forward_callee(call->calls, a_leg->trunk, invite, &call->number,
		    &call->hunt.routes[0], &status)) {
		call->target = call->hunt.routes[0];
		call->hunt.n_routes = 1;
		call->by_token = true;
		return status;
	}
	query.from = a_leg->trunk;
	query.called = slice_of(
		call->number.ported[0] ? call->number.ported : call->number.digits); // RFC 4694
	query.caller = slice_of(call->from);
	n = routes_find(settings->routes, &query, call->hunt.routes, HUNT_ROUTES_MAX);
	if (n <= 0)
		return n == -ENAMETOOLONG ? 484 : 404;
	call->hunt.n_routes = (size_t)n;
	for (int i = 0; call->number.ported[0] && i < n; i++)
		memcpy(call->hunt.routes[i].number, call->number.digits,
			sizeof(call->hunt.routes[i].number));
	call->emergency = call->hunt.routes[0].emergency;
	return 0;
}

bool setup_is_emergency(const struct calls *calls, const struct sip_message *invite)
{
	const struct routes *routes = calls->settings.routes;
	const struct trunk *trunk = trunk_of_request(calls, invite);
	struct route_query query = {.from = trunk, .now = time(NULL), .below = random_below};
	struct number called;
	char caller[CALL_NAME_MAX];

	if (!routes->has_emergency || !trunk ||
		message_numbers_read(calls, trunk, invite, &called, caller))
		return false;
	query.called = slice_of(called.ported[0] ? called.ported : called.digits);
	query.caller = slice_of(caller);
	return routes_have_emergency(routes, &query);
}

// Room in the process, the dataplane, and both trunks. Returns 0 or a SIP status.
static unsigned int room_take(struct call *call)
{
	const struct calls *calls = call->calls;
	uint32_t most = calls->settings.calls_max;
	unsigned int status;

	if (calls->stopped || !media_is_up(calls->media))
		return 503;
	if (calls->draining && !call->emergency) {
		call->drained = true;
		call->calls->counters.drained++;
		return calls->settings.drain.status;
	}
	if (most && calls->counters.active_now > most && !call->emergency)
		return 503;
	if (!call->emergency && !guard_call_take(calls->settings.guard,
					&transaction_flow(call->legs[LEG_A].invite)->remote.any,
					now_monotonic_ms()))
		return 503;
	status = leg_enter(&call->legs[LEG_A]);
	return status ? status : hunt_begin(call);
}

static void invite_log(const struct call *call)
{
	char from[CALL_NAME_MAX * 2], to[CALL_NAME_MAX * 2];

	log_info(&log_call, "invite", "call=%s from=%s to=%s trunk_a=%s trunk_b=%s%s",
		call->id_text, log_quote(from, sizeof(from), call->from, -1),
		log_quote(to, sizeof(to), call->target.number, -1),
		call->legs[LEG_A].trunk ? call->legs[LEG_A].trunk->name : "-",
		call->legs[LEG_B].trunk ? call->legs[LEG_B].trunk->name : "-",
		call->emergency ? " emergency=1" : "");
}

int setup_admit(struct call *call, const struct call_event *event)
{
	struct leg *a_leg = &call->legs[LEG_A];
	unsigned int status;

	a_leg->invite = event->transaction;
	a_leg->state = LEG_INVITED;
	transaction_user_set(event->transaction, a_leg);
	a_leg->facts = facts_of_invite(event->message);
	status = routes_choose(call, event->message);
	if (!status)
		status = room_take(call);
	invite_log(call);
	if (status)
		return (int)status;
	if (leg_dialog_uas(a_leg, event->transaction))
		return 400; // no usable Contact
	status = extensions_check(a_leg, event->message);
	if (status)
		return (int)status;
	extensions_learn(a_leg, event->message);
	status = refresh_check(a_leg, event->message);
	if (status)
		return (int)status;
	description_init(call);
	if (message_has_sdp(event->message))
		status = description_take_offer(a_leg, event->message);
	else
		call->late_offer = true;
	if (status)
		return (int)status;
	description_place(call);
	description_expect(call);
	media_session_update(&call->session);
	call_timer_set(call, call->calls->setup_timeout);
	return 0;
}

int setup_invite(struct call *call, const struct call_event *)
{
	call_timer_set(call, call->calls->no_answer_timeout);
	return hunt_invite(call);
}

// b has answered: its dialog is confirmed and acknowledged, whatever becomes of the call.
static int far_answer_take(struct call *call, const struct sip_message *response)
{
	struct leg *b_leg = &call->legs[LEG_B];
	struct early_dialog early;
	int err = early_find(b_leg, attempt_request(call->attempt), response, &early);

	if (!err)
		err = early_select(b_leg, &early);
	if (!err)
		err = dialog_confirm(&b_leg->dialog, response);
	if (err)
		return 502; // no usable Contact: it cannot even be told. Its attempt is cancelled
	forks_drop(b_leg);
	extensions_learn(b_leg, response);
	refresh_take(b_leg, response);
	dialog_flow_update(&b_leg->dialog);
	attempt_credentials(call->attempt, &b_leg->dialog);
	b_leg->listener = b_leg->dialog.flow.listener;
	dialog_ack(&b_leg->dialog, call->calls->stack, (struct slice){}, (struct slice){});
	attempt_won(call->attempt);
	contacts_ring_time_stop(call);
	b_leg->state = LEG_CONFIRMED;
	return 0;
}

static int far_description_take(struct call *call, const struct sip_message *response)
{
	if (call->legs[LEG_B].early.described)
		return 0; // for good: what comes behind it is no description (RFC 3261 13.2.1)
	if (message_has_sdp(response))
		return (int)description_take_answer(&call->legs[LEG_B], response);
	// Some peers describe only in the 18x.
	return call->negotiation.legs[LEG_B].state == NEGOTIATION_STABLE ? 0 : 502;
}

static const char *suite_text(const struct call *call, unsigned int leg)
{
	const char *suite = description_suite(call, leg);

	return suite[0] ? suite : "none";
}

static void answer_log(struct call *call)
{
	char a_codec[40], b_codec[40];

	log_info(&log_call, "answered",
		"call=%s status=200 codec_a=%s srtp_a=%s codec_b=%s srtp_b=%s after_ms=%llu",
		call->id_text, description_codec(call, LEG_A, a_codec, sizeof(a_codec)),
		suite_text(call, LEG_A), description_codec(call, LEG_B, b_codec, sizeof(b_codec)),
		suite_text(call, LEG_B),
		(unsigned long long)(call->times.answer_ms - call->times.invite_ms));
}

// With a description where a has none that holds.
static int answer_write(struct call *call, char *description)
{
	struct leg *a_leg = &call->legs[LEG_A];

	if (a_leg->described)
		return 0;
	if (call->late_offer && negotiation_make_offer(&call->negotiation, LEG_A))
		return -EBUSY;
	return description_write(a_leg, description);
}

int setup_pass_answer(struct call *call)
{
	struct leg *a_leg = &call->legs[LEG_A];
	WIPED_DESCRIPTION(description);

	if (call->transfer_from)
		return transfer_answered(call);
	if (early_answer_waits(call))
		return ACTION_GO(CALL_ANSWERING);
	if (answer_write(call, description))
		return 500;
	call->times.answer_ms = now_realtime_ms();
	call->gated = false;
	a_leg->dialog.state = DIALOG_CONFIRMED;
	description_apply(call);
	if (call->answer) { // what passes is of it, not of what let it go
		call->heard = call->answer;
		call->heard_from = &call->legs[LEG_B];
	}
	if (leg_accept(a_leg, description))
		return 500;
	call->calls->counters.answered++;
	call_timer_set(call, call->calls->max_duration);
	answer_log(call);
	return ACTION_GO(CALL_ANSWERED);
}

int setup_answer(struct call *call, const struct call_event *event)
{
	int status = far_answer_take(call, event->message);

	if (!status)
		status = far_description_take(call, event->message);
	if (!status && early_answer_waits(call))
		call->answer = message_clone(event->message);
	return status ? status : setup_pass_answer(call);
}

int setup_confirm(struct call *call, const struct call_event *event)
{
	struct leg *a_leg = &call->legs[LEG_A];
	unsigned int status;

	leg_acknowledged(a_leg);
	log_info(&log_call, "ack", "call=%s leg=a after_ms=%llu", call->id_text,
		(unsigned long long)(now_realtime_ms() - call->times.answer_ms));
	if (!call->late_offer)
		return 0;
	status = message_has_sdp(event->message)
			 ? description_take_answer(a_leg, event->message)
			 : 488; // an answer is due in the ACK (RFC 3264, 13.2.2.4)
	if (status)
		return (int)status;
	description_apply(call);
	return 0;
}
