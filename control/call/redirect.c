// A 3xx of b (RFC 3261 21.3): followed, passed on, or refused, as b's trunk has it. What it names
// is a number for us, never a host: the dial plan of the redirecting trunk says where that is, so
// that nobody is sent to where the configuration does not know. Subtle: redirections may go round
// in circles, and are counted and remembered.
#include <stdio.h>
#include <time.h>

#include "call_private.h"
#include "hunt.h"
#include "plan.h"

// The q of a Contact in thousandths (20.10).
static unsigned int q_of(const struct nameaddr *contact)
{
	struct slice q, rest;
	unsigned int thousandths = 0, unit = 100;

	if (!params_find(contact->params, SLICE("q"), &q) || !q.n || q.p[0] != '0')
		return 1000;
	rest = q;
	slice_cut(&rest, '.');
	for (size_t i = 0; i < rest.n && unit; i++, unit /= 10)
		if (rest.p[i] >= '0' && rest.p[i] <= '9')
			thousandths += (unsigned int)(rest.p[i] - '0') * unit;
	return thousandths;
}

// The number of the best Contact; absent where there is none.
static struct slice number_of(const struct sip_message *response)
{
	struct message_values it = message_values(response, HEADER_CONTACT);
	struct slice value, best = {};
	unsigned int best_q = 0;
	struct nameaddr contact;
	struct uri uri;

	while (message_values_next(&it, &value) > 0) {
		if (nameaddr_parse(value, &contact) || uri_parse(contact.uri, &uri) ||
			uri.scheme == URI_OTHER || !uri.user.n || uri.user.n >= ROUTE_NUMBER_MAX)
			continue;
		if (best.p && q_of(&contact) <= best_q)
			continue;
		best_q = q_of(&contact);
		best = slice_cut(&uri.user, ';');
	}
	return best;
}

static bool is_known(const struct call *call, const char *number)
{
	for (unsigned int i = 0; i < call->n_redirects; i++)
		if (!strcmp(call->redirects[i], number))
			return true;
	return !strcmp(call->target.number, number);
}

bool redirect_follow(struct call *call, const struct sip_message *response)
{
	const struct leg *b_leg = &call->legs[LEG_B];
	struct slice number = number_of(response);
	struct route_query query = {.called = number,
		.caller = slice_of(call->from),
		.from = b_leg->trunk,
		.now = time(NULL),
		.below = random_below};
	char *seen = call->redirects[call->n_redirects];
	int n;

	// What a has been told of the media cannot be taken back.
	if (b_leg->trunk->signalling.redirects != TRUNK_REDIRECTS_FOLLOW || !number.n ||
		call->n_redirects == REDIRECTS_MAX ||
		call->negotiation.legs[LEG_A].state == NEGOTIATION_STABLE)
		return false;
	snprintf(seen, ROUTE_NUMBER_MAX, SLICE_FMT, SLICE_ARG(number));
	if (is_known(call, seen)) {
		log_info(&log_call, "redirect_loop", "call=%s", call->id_text);
		return false;
	}
	if (call_plan_add(call, call->calls->plan))
		return false;
	n = routes_find(call->calls->settings.routes, &query, call->hunt.routes, HUNT_ROUTES_MAX);
	if (n <= 0)
		return false;
	call->n_redirects++;
	call->hunt.n_routes = (size_t)n;
	call->hunt.at_route = 0;
	log_info(&log_call, "redirected", "call=%s status=%u", call->id_text, response->status);
	return true;
}

unsigned int redirect_status(struct call *call, const struct call_event *event)
{
	struct slice number = event->message ? number_of(event->message) : (struct slice){};

	if ((event->status == 401 || event->status == 407) &&
		trunk_forwards_to(call->legs[LEG_A].trunk, call->legs[LEG_B].trunk))
		return event->status;
	if (event->status >= 400 || !number.n ||
		call->legs[LEG_B].trunk->signalling.redirects != TRUNK_REDIRECTS_PASS)
		return status_pass_on(event->status);
	snprintf(call->redirects[0], ROUTE_NUMBER_MAX, SLICE_FMT, SLICE_ARG(number));
	return event->status;
}

void redirect_write(const struct leg *leg, struct builder *b)
{
	char contact[ROUTE_NUMBER_MAX + 128];
	struct builder v;
	const struct trunk *far = leg->call->legs[LEG_B].trunk;

	if (far && far->users && far->users->redirect) { // of ours: where the user is
		contacts_write(leg->call, b);
		return;
	}
	builder_init(&v, contact, sizeof(contact));
	builder_text(&v, leg->dialog.is_secure ? "<sips:" : "<sip:");
	builder_text(&v, leg->call->redirects[0]);
	builder_char(&v, '@');
	builder_slice(&v, listener_sent_by(leg->listener));
	builder_char(&v, '>');
	if (!v.overflow)
		builder_header(b, HEADER_CONTACT, builder_finish(&v));
}
