// Where a call goes, and where next when that fails: the routes that the dial plan has for it, one
// after the other, and of each one's trunk the targets, one after the other.
//
// Subtle: another trunk may be in another realm and have other codecs, so its ports are asked for
// anew, and what a has offered is taken again; nothing of it has been answered yet, as no call
// moves on once it has rung.
#include <errno.h>

#include "bodies.h"
#include "call_private.h"
#include "description.h"
#include "early.h"
#include "hunt.h"
#include "outside.h"
#include "transfer.h"

static void targets_drop(struct hunt *hunt)
{
	for (size_t i = 0; i < hunt->n_targets; i++)
		target_return(hunt->targets[i]);
	hunt->n_targets = hunt->at_target = 0;
	contacts_drop(hunt);
}

void hunt_fini(struct call *call)
{
	contacts_ring_time_stop(call);
	targets_drop(&call->hunt);
}

struct listener *target_listener(
	const struct calls *calls, const struct trunk *trunk, const struct target *target)
{
	return calls_listener(calls, trunk->realm, calls_protocol(target->transport),
		(const struct sockaddr *)&target->address);
}

static struct listener *listener_to(
	const struct call *call, const struct trunk *trunk, const struct target *target)
{
	return call_listener(call, trunk->realm, calls_protocol(target->transport),
		(const struct sockaddr *)&target->address);
}

// What was asked for by a sips URI takes TLS on both sides (RFC 5630 4).
static bool may_go_to(const struct call *call, const struct target *target)
{
	return target->transport == REALM_TLS || !call->is_secure;
}

// Targets of a trunk that this call may go to.
static size_t targets_find(const struct call *call, const struct trunk *trunk, struct target **out)
{
	size_t n = trunk_targets(trunk, now_monotonic_ms(), call->emergency, out, HUNT_TARGETS_MAX);
	size_t n_fit = 0;

	for (size_t i = 0; i < n; i++) {
		if (may_go_to(call, out[i]) && listener_to(call, trunk, out[i]))
			out[n_fit++] = out[i];
		else
			target_return(out[i]);
	}
	return n_fit;
}

void leg_leave(struct leg *leg)
{
	if (leg->counted)
		trunk_call_stop(leg->trunk, leg_direction(leg));
	leg->counted = false;
}

unsigned int leg_enter(struct leg *leg)
{
	enum trunk_direction direction = leg_direction(leg);

	if (leg->call->emergency)
		trunk_call_force(leg->trunk, direction);
	else if (trunk_call_start(leg->trunk, direction, now_monotonic_ms()))
		return 503;
	leg->counted = true;
	return 0;
}

// Where the route's trunk is. Returns 0 or a SIP status.
static unsigned int places_find(struct call *call, const struct route_target *route)
{
	struct hunt *hunt = &call->hunt;

	if (trunk_is_of_users(route->trunk))
		return contacts_find(call, route->trunk, route->number);
	hunt->n_targets = targets_find(call, route->trunk, hunt->targets);
	if (!hunt->n_targets)
		return call->is_secure && !trunk_is_secure(route->trunk) ? 480 : 503;
	call->legs[LEG_B].listener = listener_to(call, route->trunk, hunt->targets[0]);
	return 0;
}

// The next route whose trunk has a target and room. Returns 0 or a SIP status.
static unsigned int route_take(struct call *call)
{
	struct hunt *hunt = &call->hunt;
	struct leg *b_leg = &call->legs[LEG_B];
	unsigned int status = 503;

	leg_leave(b_leg);
	while (hunt->at_route < hunt->n_routes) {
		const struct route_target *route = &hunt->routes[hunt->at_route++];

		targets_drop(hunt);
		b_leg->trunk = route->trunk;
		call->target = *route;
		status = places_find(call, route);
		if (!status && !call->refer)
			status = bodies_check(
				call_request(call), call->legs[LEG_A].trunk, route->trunk);
		if (!status)
			status = leg_enter(b_leg);
		if (!status)
			return 0;
		log_info(&log_call, "route_skipped", "call=%s trunk=%s why=%s", call->id_text,
			route->trunk->name,
			status == 415			      ? "body"
			: hunt->n_targets || hunt->n_contacts ? "limit"
							      : "no_peer");
	}
	return status;
}

unsigned int hunt_begin(struct call *call)
{
	return route_take(call);
}

// Whether any later route has a target.
static bool has_next_route(const struct call *call)
{
	const struct hunt *hunt = &call->hunt;
	bool found = false;

	for (size_t i = hunt->at_route; !found && i < hunt->n_routes; i++) {
		struct target *targets[HUNT_TARGETS_MAX];
		size_t n = targets_find(call, hunt->routes[i].trunk, targets);

		found = n > 0 || (trunk_is_of_users(hunt->routes[i].trunk) &&
					 contacts_are_there(call, hunt->routes[i].trunk,
						 hunt->routes[i].number));
		while (n)
			target_return(targets[--n]);
	}
	return found;
}

bool hunt_has_next(const struct call *call)
{
	return call->hunt.at_target < call->hunt.n_targets || contacts_are_left(call) ||
	       has_next_route(call);
}

// INVITE the next target of b's trunk. Returns 0 or a SIP status.
static int target_invite(struct call *call)
{
	struct hunt *hunt = &call->hunt;
	struct leg *b_leg = &call->legs[LEG_B];
	struct target *target = hunt->targets[hunt->at_target++];
	const struct sockaddr *peer = (const struct sockaddr *)&target->address;
	uint32_t patience_ms = b_leg->trunk->failover.timeout_ms;
	struct timeval patience = {.tv_sec = patience_ms / 1000};
	WIPED_DESCRIPTION(description);
	char address[ADDRESS_TEXT_SIZE], host[SIP_ADDRESS_TEXT_SIZE];
	struct attempt_to to = {};

	hunt->n_tried++;
	target->tried++;
	if (description_write(b_leg, description))
		return 500;
	b_leg->listener = listener_to(call, b_leg->trunk, target);
	if (!b_leg->listener || sip_address_from(peer, sizeof(target->address), &to.flow.remote))
		return 500;
	to.flow.listener = b_leg->listener;
	to.host = target->host ? slice_of(target->host) : sip_address_format(&to.flow.remote, host);
	to.route = registrations_route(call->calls->registrations, b_leg->trunk);
	if (trunk_forwards_to(call->legs[LEG_A].trunk, b_leg->trunk)) {
		to.host = slice_of(call->legs[LEG_A].trunk->users->domain);
		to.route = call->service_route ? slice_of(call->service_route) : to.route;
	}
	if (!attempt_start(
		    call, &to, description, patience_ms && hunt_has_next(call) ? &patience : NULL))
		return 500;
	b_leg->state = LEG_CALLING;
	log_info(&log_call, "invite_sent", "call=%s leg=b trunk=%s peer=%s", call->id_text,
		b_leg->trunk->name, address_text(peer, address, sizeof(address)));
	return 0;
}

static int next_invite(struct call *call)
{
	return trunk_is_of_users(call->legs[LEG_B].trunk) ? contacts_invite(call)
							  : target_invite(call);
}

int hunt_invite(struct call *call)
{
	if (call->late_offer && negotiation_make_offer(&call->negotiation, LEG_B))
		return 488;
	return next_invite(call);
}

// Ports and description for b's new trunk; the INVITE follows when they are there.
static int place_anew(struct call *call)
{
	struct leg *a_leg = &call->legs[LEG_A];
	unsigned int status = 0;

	description_move(call);
	if (call->transfer_from)
		transfer_half(call);
	if (!call->late_offer)
		status = description_take_offer(a_leg, transaction_request(a_leg->invite));
	if (status)
		return (int)status;
	description_place(call);
	description_expect(call);
	call->hunt.placing = true;
	media_session_update(&call->session);
	return 0;
}

int setup_next_peer(struct call *call, const struct call_event *event)
{
	struct leg *b_leg = &call->legs[LEG_B];
	const struct trunk *before = b_leg->trunk;

	log_warn(&log_call, "peer_failed", "call=%s leg=b trunk=%s status=%u", call->id_text,
		before->name, event->status);
	b_leg->state = LEG_IDLE;
	if (call->hunt.at_target >= call->hunt.n_targets && !contacts_are_left(call)) {
		if (route_take(call)) { // the others are full by now
			end_refused(call, event);
			return ACTION_GO(CALL_OVER);
		}
		log_info(&log_call, "next_route", "call=%s trunk=%s", call->id_text,
			b_leg->trunk->name);
	}
	if (b_leg->trunk != before)
		return place_anew(call);
	negotiation_renew_offer(&call->negotiation, LEG_B);
	return next_invite(call);
}

int setup_redirected(struct call *call, const struct call_event *event)
{
	early_drop(&call->legs[LEG_B]);
	call->legs[LEG_B].state = LEG_IDLE;
	if (route_take(call)) {
		end_refused(call, event);
		return ACTION_GO(CALL_OVER);
	}
	return place_anew(call);
}

int setup_placed(struct call *call, const struct call_event *)
{
	if (!call->hunt.placing || !call->session.legs[LEG_B].local.port)
		return 0;
	call->hunt.placing = false;
	return hunt_invite(call);
}

// What an attempt says of its target.

// The seconds of a Retry-After, which may be followed by a comment and parameters (20.33).
static uint32_t retry_after_s(const struct sip_message *response)
{
	struct slice value = message_value(response, HEADER_RETRY_AFTER);
	size_t n = 0;
	uint32_t s = 0;

	while (n < value.n && value.p[n] >= '0' && value.p[n] <= '9')
		n++;
	if (slice_to_u32((struct slice){value.p, n}, UINT32_MAX, &s) == -ERANGE)
		return UINT32_MAX;
	return s;
}

void target_note(const struct trunk *trunk, struct target *target, unsigned int status,
	const struct sip_message *response)
{
	uint32_t wait_s = response && status == 503 ? retry_after_s(response) : 0;
	char address[ADDRESS_TEXT_SIZE];

	if (wait_s) {
		target_close(target, wait_s, now_monotonic_ms());
		log_info(&log_call, "peer_closed", "trunk=%s peer=%s retry_after_s=%u", trunk->name,
			address_text((const struct sockaddr *)&target->address, address,
				sizeof(address)),
			wait_s);
	} else if (!response || status == 503) {
		target_failed(target, trunk->failover.backoff_ms, now_monotonic_ms());
	}
}

bool hunt_lost(struct call *call, unsigned int *status, const struct sip_message *response)
{
	const struct trunk *trunk = call->legs[LEG_B].trunk;
	const struct hunt *hunt = &call->hunt;

	if (trunk_is_of_users(trunk)) {
		*status = contacts_refused(call, *status);
		return contacts_are_left(call);
	}
	target_note(trunk, hunt->targets[hunt->at_target - 1], *status, response);
	return (!response || status_set_has(&trunk->failover.codes, *status)) && !hunt->rings &&
	       hunt_has_next(call);
}

void hunt_heard(struct call *call)
{
	if (!trunk_is_of_users(call->legs[LEG_B].trunk))
		target_answered(call->hunt.targets[call->hunt.at_target - 1]);
}
