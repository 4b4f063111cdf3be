// Transfers that we make for who asks by REFER. Two calls take part: the one that is left, whose
// one far end (the transferor) asked, and the one that its other far end (the transferee) goes to.
//
//   blind     a new call is made, by the dial plan of the transferor's trunk; once its b has
//             answered, the transferee takes the place of a
//   attended  the transferor has another call through us (Replaces, RFC 3891): the transferee takes
//             its place there
//
// The transferee moves by a re-INVITE in the dialog that it has; nobody but us hears of Replaces.
// Subtle: either call can end at any time. They know each other by transfer_to and transfer_from,
// and call_over() takes them apart.
#include <errno.h>
#include <stdio.h>

#include "call_digits.h"
#include "call_private.h"
#include "description.h"
#include "hunt.h"
#include "offer.h"
#include "plan.h"
#include "transfer.h"

static const struct timeval at_once = {}, linger = {.tv_sec = 2}; // for the transferor to hang up

static struct leg *transferee(struct call *left)
{
	return &left->legs[!left->transferor];
}

static void tie(struct call *left, struct call *to, uint8_t slot)
{
	left->transfer_to = to;
	to->transfer_from = left;
	to->slot = slot;
}

static void untie(struct call *left)
{
	if (left->transfer_to)
		left->transfer_to->transfer_from = NULL;
	left->transfer_to = NULL;
}

// Half of the negotiation: what the transferee can, as the call that it leaves knows it. Whatever
// it was told to do with media there, here it is to speak and hear.
void transfer_half(struct call *to)
{
	struct call *left = to->transfer_from;
	struct negotiation_leg *half = &to->negotiation.legs[to->slot];

	to->negotiation.policies[to->slot] = &transferee(left)->trunk->media;
	*half = left->negotiation.legs[!left->transferor];
	half->remote_direction = SDP_SENDRECV;
	half->state = NEGOTIATION_STABLE;
}

// The call that is left and the transferee's place are there; the transferee is asked to come.
static int ask_transferee(struct call *to)
{
	struct call *left = to->transfer_from;
	struct leg *place = &to->legs[to->slot];
	char description[NEGOTIATION_TEXT_MAX];
	struct call_event event = {
		.type = EVENT_TRANSFER, .leg = transferee(left), .description = description};

	if (left->state != CALL_UP)
		return 491;
	if (negotiation_make_offer(&to->negotiation, to->slot) ||
		description_write(place, description))
		return 488;
	call_event(left, &event);
	if (left->state != CALL_MODIFYING)
		return 500;
	call_timer_set(to, to->calls->setup_timeout);
	return ACTION_GO(CALL_JOINING);
}

int transfer_ask(struct call *call, const struct call_event *event)
{
	call->asker = LEGS;
	return leg_reinvite(event->leg, event->description) ? ACTION_GO(CALL_UP)
							    : ACTION_GO(CALL_MODIFYING);
}

// b of the new call has answered.
int transfer_answered(struct call *call)
{
	call->times.answer_ms = now_realtime_ms();
	call->gated = false;
	call->calls->counters.answered++;
	return ask_transferee(call);
}

struct slice transfer_party(const struct call *call)
{
	return transferee(call->transfer_from)->dialog.strings[DIALOG_REMOTE_URI];
}

void transfer_progress(struct call *call, unsigned int status)
{
	refer_notify(call->transfer_from, status, false);
}

// The transferee's dialog changes its call.
static void leg_move(struct leg *to, struct leg *from, const struct sip_message *response)
{
	dialog_move(&to->dialog, &from->dialog);
	to->dialog.user = to;
	to->has_dialog = true;
	from->has_dialog = false;
	to->state = LEG_CONFIRMED;
	to->peer = from->peer;
	to->timer.interval_s = from->timer.interval_s;
	to->timer.min_s = from->timer.min_s;
	to->timer.we_refresh = from->timer.we_refresh;
	refresh_stop(from);
	refresh_take(to, response);
	from->state = LEG_OVER;
	leg_leave(from);
	trunk_call_force(to->trunk, leg_direction(to));
	to->counted = true;
	call_trace(to->call, to->dialog.strings[DIALOG_CALL_ID]);
}

int transfer_joined(struct call *call, const struct call_event *event)
{
	struct leg *place = &call->legs[call->slot];
	unsigned int status = message_has_sdp(event->message)
				      ? description_take_answer(place, event->message)
				      : 502;

	if (status)
		return (int)status;
	leg_move(place, event->leg, event->message);
	call->late_offer = false;
	call->state = CALL_UP; // for the record
	description_apply(call);
	call_timer_set(call, call->calls->max_duration);
	log_info(&log_call, "transferred", "call=%s leg=%s", call->id_text, leg_name(place));
	return 0;
}

// In the call that is left: the transferee has answered.
int transfer_taken(struct call *left, const struct call_event *event)
{
	struct call *to = left->transfer_to;
	struct call_event joined = {
		.type = EVENT_JOINED, .leg = event->leg, .message = event->message};

	call_event(to, &joined);
	if (to->state != CALL_UP)
		return 500; // the transferee is nowhere any more
	refer_notify(left, 200, true);
	untie(left);
	left->transferred = true;
	call_timer_set(left, left->legs[left->transferor].state == LEG_OVER ? &at_once : &linger);
	return ACTION_GO(CALL_UP);
}

int transfer_refused(struct call *left, const struct call_event *event)
{
	struct call_event failed = {
		.type = EVENT_FAIL, .status = event->status, .why = "transferee_refused"};

	call_event(left->transfer_to, &failed);
	if (event->status == 408 || event->status == 481)
		return (int)event->status;
	return ACTION_GO(CALL_UP);
}

// Ends.

void transfer_call_over(struct call *call, unsigned int status)
{
	struct call_event gone = {.type = EVENT_HANGUP, .status = 487, .why = "transferee_gone"};
	struct call *left = call->transfer_from, *to = call->transfer_to;

	if (to) {
		refer_notify(call, 487, true);
		untie(call);
		call_event(to, &gone);
	}
	if (!left)
		return;
	refer_notify(left, status < 300 ? 487 : status, true);
	untie(left);
	if (left->legs[left->transferor].state == LEG_OVER)
		call_timer_set(left, &at_once); // nobody is left to go back to
}

void transfer_give_up(struct call *call)
{
	if (call->transfer_from)
		untie(call->transfer_from);
	untie(call);
}

bool transfer_outlives(struct call *call, struct leg *leg)
{
	if (!call->transfer_to || leg->index != call->transferor)
		return false;
	leg_refuse(leg, 487);
	offer_refuse(leg, 487);
	refresh_stop(leg);
	leg->state = LEG_OVER;
	return true;
}

// Beginnings.

static unsigned int route(struct call *call, const struct refer *refer, struct trunk *from)
{
	struct slice number = refer->uri.user;
	struct route_query query = {.called = slice_cut(&number, ';'),
		.caller = slice_of(call->from),
		.from = from,
		.now = time(NULL),
		.below = random_below};
	int n;

	if (call_plan_add(call, call->calls->plan))
		return 500;
	n = routes_find(call->calls->settings.routes, &query, call->hunt.routes, HUNT_ROUTES_MAX);
	snprintf(call->target.number, sizeof(call->target.number), SLICE_FMT,
		SLICE_ARG(query.called));
	if (n <= 0)
		return n == -ENAMETOOLONG ? 484 : 404;
	call->hunt.n_routes = (size_t)n;
	if (call->calls->stopped || !media_is_up(call->calls->media))
		return 503;
	return hunt_begin(call);
}

static void caller_note(struct call *call, const struct leg *leg)
{
	struct nameaddr name;
	struct uri uri;

	if (!nameaddr_parse(leg->dialog.strings[DIALOG_REMOTE_URI], &name) &&
		!uri_parse(name.uri, &uri))
		snprintf(call->from, sizeof(call->from), SLICE_FMT, SLICE_ARG(uri.user));
}

int transfer_call(struct call *call, const struct call_event *event)
{
	struct call *left = call->transfer_from;
	struct leg *a_leg = &call->legs[LEG_A];
	struct refer refer;
	unsigned int status;

	refer_read(event->message, &refer);
	if (call_plans_share(call, left))
		return 500;
	a_leg->trunk = transferee(left)->trunk;
	a_leg->listener = transferee(left)->listener;
	call->shard = left->shard;
	caller_note(call, transferee(left));
	status = route(call, &refer, left->legs[left->transferor].trunk);
	log_info(&log_call, "transfer", "call=%s of=%s kind=blind trunk_b=%s status=%u",
		call->id_text, left->id_text,
		call->legs[LEG_B].trunk ? call->legs[LEG_B].trunk->name : "-", status);
	if (status)
		return (int)status;
	description_init(call);
	transfer_half(call);
	call->late_offer = true; // we offer what the transferee can
	description_place(call);
	media_session_update(&call->session);
	call_timer_set(call, call->calls->setup_timeout);
	return 0;
}

static void blind(struct call *left, const struct call_event *event)
{
	struct call_event begin = {.type = EVENT_CALL_FOR, .message = event->message};
	struct ulid id = ulid_create(now_realtime_ms());
	struct call *call = call_create(left->calls, &id);

	if (call)
		call->refer = message_clone(event->message);
	if (!call || !call->refer) {
		if (call)
			call_forget(call);
		refer_notify(left, 503, true);
		return;
	}
	media_session_open(left->calls->media, &call->session);
	call->times.invite_ms = now_realtime_ms();
	tie(left, call, LEG_A);
	call_event(call, &begin);
}

struct leg *transfer_other(struct leg *asker, const struct refer *refer)
{
	struct dialog *dialog = dialog_find_ids(
		asker->call->calls->dialogs, refer->replaces, refer->to_tag, refer->from_tag);
	struct owner *owner = dialog ? dialog->user : NULL;
	struct leg *leg = owner && owner->kind == OWNER_LEG ? (struct leg *)owner : NULL;

	if (!leg || leg->call == asker->call || leg->trunk != asker->trunk ||
		dialog != &leg->dialog || leg->state != LEG_CONFIRMED ||
		leg->call->state != CALL_UP || leg->call->transfer_to || leg->call->transfer_from ||
		leg->call->transferred)
		return NULL;
	return leg;
}

int transfer_replace(struct call *call, const struct call_event *event)
{
	struct call *left = call->transfer_from;
	struct leg *place = event->leg;

	if (call_plans_share(call, left))
		return 500;
	log_info(&log_call, "transfer", "call=%s of=%s kind=attended leg=%s", call->id_text,
		left->id_text, leg_name(place));
	leg_end(place, 200, NULL);
	dialog_fini(&place->dialog);
	place->has_dialog = false;
	leg_leave(place);
	place->state = LEG_IDLE;
	place->timer.interval_s = 0;
	place->trunk = transferee(left)->trunk;
	place->listener = transferee(left)->listener;
	transfer_half(call);
	call->session.legs[call->slot].local.port = 0;
	session_leg_place(call, &call->session.legs[call->slot], call->slot);
	call->waits_for_place = true;
	media_session_update(&call->session);
	call_timer_set(call, call->calls->setup_timeout);
	return 0;
}

int transfer_placed(struct call *call, const struct call_event *)
{
	if (!call->waits_for_place || !call->session.legs[call->slot].local.port)
		return 0;
	call->waits_for_place = false;
	return ask_transferee(call);
}

static void attended(struct call *left, const struct call_event *event, const struct refer *refer)
{
	struct leg *place = transfer_other(event->leg, refer);
	struct call_event replace = {.type = EVENT_REPLACE, .leg = place};

	if (!place || refer->early_only) {
		refer_notify(left, place ? 486 : 481, true);
		return;
	}
	tie(left, place->call, place->index);
	call_event(place->call, &replace);
}

int transfer_begin(struct call *call, const struct call_event *event)
{
	struct leg *leg = event->leg;
	struct refer refer;
	unsigned int status = refer_read(event->message, &refer);

	if (!status && leg->trunk->signalling.refer == TRUNK_REFER_REJECT)
		status = 403;
	if (!status && (call->transfer_to || call->transfer_from || call->transferred))
		status = 491;
	if (status) {
		transaction_reply(event->transaction, status);
		return ACTION_GO(call->state);
	}
	call->transferor = leg->index;
	refer_accept(leg, event->transaction, &refer);
	if (refer.replaces.n)
		attended(call, event, &refer);
	else
		blind(call, event);
	return ACTION_GO(call->state);
}
