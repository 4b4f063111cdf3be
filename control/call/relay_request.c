// A request outside of calls and dialogs (MESSAGE, RFC 3428; PUBLISH, RFC 3903; the first
// SUBSCRIBE, RFC 6665; NOTIFY that nobody has subscribed to) on its way from one trunk to another.
// It goes where a call would: down the list of routes, and of each one's trunk to one place after
// the other, until one answers something that is not for the next. To a registered user it goes to
// one place at a time, the best q first: the first that takes it has it.
//
// Subtle: there is time for 64*T1 in all, as who asked gives up then (RFC 4320, 4321) and nothing
// may be sent to it any more.
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "guard.h"
#include "hunt.h"
#include "outside.h"
#include "plan.h"
#include "relay.h"
#include "subscription.h"
#include "token.h"

enum { MAX_FORWARDS = 70, TEXT_SIZE = 2048 };

// One that it can be sent to.
struct place {
	struct target *target; // NULL: of a registered user
	struct contact contact;
};

struct request {
	struct relay relay;
	char id_text[ULID_TEXT_SIZE];
	char user[CALL_NAME_MAX]; // who asks has proved to be; "": nobody asked
	struct number number;	  // called
	bool secure, emergency;
	bool by_token; // for what we have registered for a user
	struct route_target *routes;
	size_t n_routes, at_route; // at: the next
	struct place *places;	   // of the present route
	size_t n_places, at_place;
	unsigned int n_tried;
	struct event patience;		   // for any response, where there are other places
	struct subscription *subscription; // that it asks for; NULL: none, or it has it
	struct dialog_request values;
	size_t n_text;
	char text[TEXT_SIZE]; // of the values
};

bool request_may_pass(const struct trunk *trunk, enum method method)
{
	static const unsigned int bits[METHOD_N] = {[METHOD_MESSAGE] = TRUNK_REQUESTS_MESSAGE,
		[METHOD_PUBLISH] = TRUNK_REQUESTS_PUBLISH,
		[METHOD_SUBSCRIBE] = TRUNK_REQUESTS_SUBSCRIBE,
		[METHOD_NOTIFY] = TRUNK_REQUESTS_NOTIFY};

	return trunk && (trunk->signalling.requests & bits[method]);
}

// Where it goes.

static void places_drop(struct request *request)
{
	for (size_t i = 0; i < request->n_places; i++) {
		if (request->places[i].target)
			target_return(request->places[i].target);
		free((char *)request->places[i].contact.uri.p);
	}
	free(request->places);
	request->places = NULL;
	request->n_places = request->at_place = 0;
}

static unsigned int targets_take(struct request *request, const struct trunk *trunk)
{
	struct target *targets[HUNT_TARGETS_MAX];
	size_t n = trunk_targets(
		trunk, now_monotonic_ms(), request->emergency, targets, HUNT_TARGETS_MAX);

	request->places = calloc(n + 1, sizeof(*request->places));
	for (size_t i = 0; i < n; i++) {
		struct flow flow = {
			.listener = target_listener(request->relay.calls, trunk, targets[i])};

		if (!request->places || !flow.listener ||
			(request->secure && targets[i]->transport != REALM_TLS) ||
			sip_address_from((const struct sockaddr *)&targets[i]->address,
				sizeof(targets[i]->address), &flow.remote))
			target_return(targets[i]);
		else
			request->places[request->n_places++] =
				(struct place){.target = targets[i], .contact.flow = flow};
	}
	return request->n_places ? 0 : 503;
}

static unsigned int contacts_take(struct request *request, const struct route_target *route)
{
	const struct user_query query = {request->relay.calls, route->trunk, route->number,
		transaction_request(request->relay.theirs), request->secure, request->by_token};
	struct contact list[HUNT_TARGETS_MAX] = {};
	unsigned int status;

	request->places = calloc(HUNT_TARGETS_MAX, sizeof(*request->places));
	if (!request->places)
		return 500;
	status = contacts_list(&query, list, HUNT_TARGETS_MAX, &request->n_places);
	for (size_t i = 0; i < request->n_places; i++)
		request->places[i].contact = list[i];
	return status;
}

// The next route that leads somewhere. Returns 0 or a SIP status.
static unsigned int route_take(struct request *request)
{
	enum method method = transaction_method(request->relay.theirs);
	unsigned int status = 503;

	while (request->at_route < request->n_routes) {
		const struct route_target *route = &request->routes[request->at_route++];

		places_drop(request);
		request->relay.to = route->trunk;
		if (!request_may_pass(route->trunk, method))
			status = 405;
		else if (trunk_is_of_users(route->trunk))
			status = contacts_take(request, route);
		else
			status = targets_take(request, route->trunk);
		if (!status)
			return 0;
	}
	return status;
}

static unsigned int routes_choose(struct request *request, const struct sip_message *message)
{
	const struct relay *relay = &request->relay;
	char caller[CALL_NAME_MAX];
	struct number *number = &request->number;
	struct route_query query = {.from = relay->from, .now = time(NULL), .below = random_below};
	unsigned int status;
	int n;

	request->routes = calloc(HUNT_ROUTES_MAX, sizeof(*request->routes));
	if (!request->routes)
		return 500;
	if (message_numbers_read(relay->calls, relay->from, message, number, caller))
		return 484;
	request->secure = uri_is_sips(message->uri);
	if (request->secure && !listener_is_secure(message->flow.listener))
		return 416;
	if (register_forward_callee(
		    relay->calls, relay->from, message, number, &request->routes[0], &status)) {
		request->n_routes = 1;
		request->by_token = true;
		return status;
	}
	query.called = slice_of(number->ported[0] ? number->ported : number->digits);
	query.caller = slice_of(caller);
	n = routes_find(relay->calls->settings.routes, &query, request->routes, HUNT_ROUTES_MAX);
	if (n <= 0)
		return n == -ENAMETOOLONG ? 484 : 404;
	request->n_routes = (size_t)n;
	for (int i = 0; number->ported[0] && i < n; i++)
		memcpy(request->routes[i].number, number->digits, sizeof(number->digits));
	request->emergency = request->routes[0].emergency;
	return 0;
}

// Writing it.

static struct slice text_keep(struct request *request, const struct builder *b)
{
	struct slice written = builder_finish(b);

	request->n_text += written.n;
	return written;
}

static void text_begin(struct request *request, struct builder *b)
{
	builder_init(b, request->text + request->n_text, TEXT_SIZE - request->n_text);
}

static struct passage passage_of(const struct request *request, const struct place *place)
{
	return (struct passage){
		.message = transaction_request(request->relay.theirs),
		.from = request->relay.from,
		.to = request->relay.to,
		.host = trunk_forwards_to(request->relay.from, request->relay.to)
				? slice_of(request->relay.from->users->domain)
				: listener_sent_by(place->contact.flow.listener),
		.target = slice_of(request->routes[request->at_route - 1].number),
		.user = trunk_is_of_users(request->relay.from) ? slice_of(request->user)
							       : (struct slice){},
	};
}

// Nothing of the other side but user parts and the display name, as in an INVITE.
static int values_fill(
	struct request *request, const struct place *place, const struct passage *passage)
{
	const struct called called = {request->relay.to,
		request->routes[request->at_route - 1].number, &request->number, request->secure};
	struct dialog_request *values = &request->values;
	char address[SIP_ADDRESS_TEXT_SIZE];
	struct slice host;
	struct builder b;

	if (!place->target)
		host = slice_of(request->relay.to->users->domain);
	else if (trunk_forwards_to(request->relay.from, request->relay.to))
		host = slice_of(request->relay.from->users->domain);
	else if (place->target->host)
		host = slice_of(place->target->host);
	else
		host = sip_address_format(&place->contact.flow.remote, address);
	request->n_text = TOKEN_SIZE;
	listener_token_make(place->contact.flow.listener, request->text);
	*values = (struct dialog_request){
		.cseq = 1, .secure = request->secure, .local_tag = {request->text, TOKEN_SIZE}};
	text_begin(request, &b);
	builder_text(&b, request->id_text);
	builder_char(&b, '-');
	builder_unsigned(&b, ++request->n_tried);
	values->call_id = text_keep(request, &b);
	text_begin(request, &b);
	if (identity_is_private(passage))
		builder_text(&b, IDENTITY_ANONYMOUS);
	else
		identity_from_write(&b, passage, &passage->message->from);
	values->local_uri = text_keep(request, &b);
	text_begin(request, &b);
	builder_char(&b, '<');
	target_uri_write(&b, &called, host);
	builder_char(&b, '>');
	values->remote_uri = text_keep(request, &b);
	text_begin(request, &b);
	values->contact = contact_write(place->contact.flow.listener, request->secure, b.p, b.size);
	return values->call_id.p && values->local_uri.p && values->remote_uri.p && values->contact.p
		       ? 0
		       : -EMSGSIZE;
}

static struct slice request_write(struct builder *b, const struct request *request,
	const struct place *place, const struct passage *passage)
{
	const struct sip_message *message = passage->message;
	const struct dialog_request *values = &request->values;
	struct slice uri = {values->remote_uri.p + 1, values->remote_uri.n - 2}; // without <>
	struct slice route = place->target
				     ? registrations_route(request->relay.calls->registrations,
					       request->relay.to)
				     : place->contact.route;
	int hops = message->max_forwards;

	builder_request_line(
		b, message->method_name, place->contact.uri.p ? place->contact.uri : uri);
	builder_header_unsigned(
		b, HEADER_MAX_FORWARDS, hops > 0 ? (uint64_t)hops - 1 : MAX_FORWARDS - 1);
	if (route.p)
		builder_header(b, HEADER_ROUTE, route);
	request_parties_write(b, values, message->method_name);
	if (message->method == METHOD_NOTIFY || message->method == METHOD_SUBSCRIBE)
		builder_header(b, HEADER_CONTACT, values->contact);
	if (message->method == METHOD_NOTIFY)
		subscription_state_write(b, message, UINT32_MAX);
	if (message->method == METHOD_SUBSCRIBE)
		subscription_wish_write(b, request->relay.from, message);
	request_headers_copy(b, message);
	pass_headers(b, passage);
	body_copy(b, message);
	return builder_finish(b);
}

// Sending it.

static int place_try(struct request *request, const struct place *place)
{
	const struct passage passage = passage_of(request, place);
	size_t size = REQUEST_HEAD_SIZE + passage.message->body.n;
	struct calls *calls = request->relay.calls;
	char *buffer;
	struct builder b;
	int err;

	if (place->target)
		place->target->tried++;
	if (values_fill(request, place, &passage))
		return -EMSGSIZE;
	if (request->subscription && subscription_try(request->subscription, request->relay.to,
					     &place->contact.flow, &request->values))
		return -ENOMEM;
	buffer = malloc(size);
	if (!buffer)
		return -ENOMEM;
	if (calls->trace) {
		struct ulid id;

		if (!ulid_parse(request->id_text, strlen(request->id_text), &id))
			trace_assign(calls->trace, request->values.call_id, id.bytes);
	}
	builder_init(&b, buffer, size);
	err = relay_send(
		&request->relay, &place->contact.flow, request_write(&b, request, place, &passage));
	free(buffer);
	return err;
}

static bool has_next(const struct request *request)
{
	return request->at_place < request->n_places || request->at_route < request->n_routes;
}

// To the next place that can be reached. Returns 0 or a SIP status.
static unsigned int next_try(struct request *request)
{
	unsigned int status = 0;

	do {
		if (request->at_place >= request->n_places)
			status = route_take(request);
		while (!status && request->at_place < request->n_places) {
			const struct place *place = &request->places[request->at_place++];
			struct timeval patience = {
				.tv_sec = request->relay.to->failover.timeout_ms / 1000};

			if (place_try(request, place))
				continue;
			if (patience.tv_sec && has_next(request))
				evtimer_add(&request->patience, &patience);
			return 0;
		}
	} while (!status && request->at_route < request->n_routes);
	return status ? status : 500;
}

// What comes of it.

static void log_end(const struct request *request, unsigned int status)
{
	const struct relay *relay = &request->relay;

	log_info(&log_call, "request",
		"id=%s method=" SLICE_FMT " from=%s to=%s status=%u tried=%u", request->id_text,
		SLICE_ARG(method_name(transaction_method(relay->theirs))), relay->from->name,
		relay->to ? relay->to->name : "-", status, request->n_tried);
}

// Ours, with what would do (RFC 6665 8.3.2).
static void bad_event_answer(struct relay *relay)
{
	const struct trunk_subscriptions *rules = &relay->from->signalling.subscriptions;
	char text[1024];
	struct builder b;

	builder_init(&b, text, sizeof(text));
	for (size_t i = 0; i < rules->n_events; i++)
		builder_header(&b, HEADER_ALLOW_EVENTS, slice_of(rules->events[i]));
	transaction_reply_with(relay->theirs, 489, (struct slice){}, builder_finish(&b));
}

static void refuse(struct request *request, unsigned int status)
{
	log_end(request, status);
	request->relay.calls->counters.requests_refused++;
	if (status == 489)
		bad_event_answer(&request->relay);
	else
		relay_refuse(&request->relay, status);
	relay_end(&request->relay);
}

// Our SUBSCRIBE has its 2xx, from whoever it was sent to with these credentials.
static unsigned int subscription_answer(
	struct request *request, const struct sip_message *response, struct builder *b)
{
	if (!request->subscription)
		return 500; // the subscriber has refused its first NOTIFY
	request->values.cseq = response->cseq;
	return subscription_accepted(request->subscription, &request->values, response, b);
}

static void answer(struct request *request, const struct sip_message *response)
{
	unsigned int status = 0;
	char text[1024];
	struct builder b;

	builder_init(&b, text, sizeof(text));
	if (response->method == METHOD_SUBSCRIBE && response->status < 300)
		status = subscription_answer(request, response, &b);
	if (status) {
		refuse(request, status);
		return;
	}
	log_end(request, response->status);
	if (response->status >= 300)
		request->relay.calls->counters.requests_refused++;
	if (response->method == METHOD_PUBLISH && response->status < 300) {
		struct slice tag = message_value_named(response, SLICE("SIP-ETag"));

		builder_copy(&b, response, HEADER_EXPIRES);
		if (tag.p)
			builder_header_named(&b, SLICE("SIP-ETag"), tag);
	}
	relay_answer(&request->relay, response, builder_finish(&b));
	relay_end(&request->relay);
}

// Whether the present place's answer, or its silence, sends the request to the next one.
static bool goes_on(
	struct request *request, const struct sip_message *response, unsigned int status)
{
	const struct trunk *trunk = request->relay.to;
	struct place *place = &request->places[request->at_place - 1];
	bool of_users = !place->target;

	if (!request->relay.theirs || !has_next(request))
		return false;
	if (!response || status == 503)
		return true;
	return of_users ? status / 100 == 4 : status_set_has(&trunk->failover.codes, status);
}

static void answered(struct relay *relay, const struct sip_message *response, unsigned int status)
{
	struct request *request = (struct request *)relay;
	struct place *place = &request->places[request->at_place - 1];
	const struct trunk *trunk = relay->to;

	evtimer_del(&request->patience);
	if (place->target && response)
		target_answered(place->target);
	if (place->target && status >= 300)
		target_note(relay->to, place->target, status, response);
	if (!relay->theirs) { // nobody waits any more
		relay_end(relay);
		return;
	}
	if (!goes_on(request, response, status)) {
		if (response)
			answer(request, response);
		else
			refuse(request, status);
		return;
	}
	log_warn(&log_call, "peer_failed", "id=%s trunk=%s status=%u", request->id_text,
		relay->to->name, status);
	if (!next_try(request))
		return;
	relay->to = trunk; // nobody else is there: its word is the last
	if (response)
		answer(request, response);
	else
		refuse(request, status);
}

static void on_impatient(evutil_socket_t, short, void *arg)
{
	struct relay *relay = arg;

	relay_give_up(relay);
	answered(relay, NULL, 408);
}

static void progress(struct relay *relay)
{
	evtimer_del(&((struct request *)relay)->patience);
}

static void gone(struct relay *relay)
{
	struct request *request = (struct request *)relay;

	evtimer_del(&request->patience);
	subscription_drop(request->subscription);
	places_drop(request);
	relay->calls->counters.requests_now--;
	free(request->routes);
	free(request);
}

static const struct relay_ops ops = {.progress = progress, .answered = answered, .gone = gone};

// Room for one more, and its source within its rate.
static bool has_room(struct calls *calls, const struct sip_message *message)
{
	uint32_t most = calls->settings.requests_max;

	return (!most || calls->counters.requests_now < most) &&
	       guard_call_take(
		       calls->settings.guard, &message->flow.remote.any, now_monotonic_ms());
}

void request_take(struct calls *calls, struct trunk *trunk, struct transaction *transaction,
	const struct sip_message *message)
{
	struct ulid id = ulid_create(now_realtime_ms());
	struct request *request;
	unsigned int status;
	struct slice user;

	if (drain_refuse(calls, transaction) ||
		!proof_check(calls, trunk, transaction, message, true, &user))
		return;
	request = has_room(calls, message) ? calloc(1, sizeof(*request)) : NULL;
	if (!request) {
		calls->counters.requests_refused++;
		transaction_reply_with(
			transaction, 503, (struct slice){}, SLICE("Retry-After: 5\r\n"));
		return;
	}
	calls->counters.requests_relayed++;
	calls->counters.requests_now++;
	ulid_format(&id, request->id_text);
	snprintf(request->user, sizeof(request->user), SLICE_FMT, SLICE_ARG(user));
	evtimer_assign(&request->patience, calls->settings.base, on_impatient, request);
	relay_begin(&request->relay, calls, &ops, transaction);
	request->relay.from = trunk;
	request->relay.plans[0] = plan_hold(calls->plan);
	if (calls->trace)
		trace_assign(calls->trace, message->call_id, id.bytes);
	status = routes_choose(request, message);
	if (!status && message->method == METHOD_SUBSCRIBE)
		status = subscription_create(calls, trunk, transaction, &request->subscription);
	if (!status)
		status = next_try(request);
	if (status)
		refuse(request, status);
}
