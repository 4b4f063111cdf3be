// Calls to registered users: one INVITE to each place where a user is, all of the same q at once,
// those of a lower one when these have come to nothing (RFC 3261 16.6). The first 2xx wins, the
// others are cancelled; where there is none, the best refusal is the caller's (16.7).
//
// Subtle: the bindings are copied when the call begins, as they may go while it rings.
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>

#include "call_private.h"
#include "description.h"
#include "hunt.h"
#include "outside.h"
#include "registrar.h"
#include "users.h"

enum { NUMBER_OF_SAME_MAX = 16 }; // that ring at once

bool trunk_is_of_users(const struct trunk *trunk)
{
	return trunk->users && trunk->users->registers;
}

void contacts_drop(struct hunt *hunt)
{
	for (size_t i = 0; i < hunt->n_contacts; i++)
		free((char *)hunt->contacts[i].uri.p);
	free(hunt->contacts);
	hunt->contacts = NULL;
	hunt->n_contacts = hunt->at_contact = 0;
	hunt->best_status = 0;
}

// Looking up.

// The way it came, or where the first hop says that it is, which needs to be an address then.
static struct flow flow_of(const struct binding_values *values)
{
	struct slice first = values->strings[BINDING_PATH], text = values->strings[BINDING_CONTACT];
	struct flow flow = values->flow;
	struct sip_address address;
	struct nameaddr name;
	struct slice value;
	struct uri uri;

	if (values->is_natted || listener_is_reliable(flow.listener))
		return flow;
	if (first.n && list_next(&first, &value) > 0 && !nameaddr_parse(value, &name))
		text = name.uri;
	if (uri_parse(text, &uri) ||
		sip_address_parse(uri.host,
			uri.port ? uri.port : listener_default_port(flow.listener), &address) ||
		address.any.sa_family != flow.remote.any.sa_family)
		return flow;
	flow.remote = address;
	return flow;
}

// RFC 5626 7: one flow of an instance at a time; bindings come with the newest first.
static bool is_other_flow_of(const struct binding *binding, const struct binding_list *list)
{
	const struct binding *other;

	TAILQ_FOREACH (other, list, in_record) {
		if (other == binding)
			return false;
		if (other->values.reg_id && binding->values.reg_id &&
			slice_equal(other->values.strings[BINDING_INSTANCE],
				binding->values.strings[BINDING_INSTANCE]))
			return true;
	}
	return false;
}

// A GRUU is for one instance (RFC 5627 5.1): "urn:..." against "<urn:...>".
static bool is_asked_for(const struct sip_message *request, const struct binding_values *values)
{
	struct slice instance = values->strings[BINDING_INSTANCE], gr;

	if (!params_find(request->request_uri.params, SLICE("gr"), &gr) || !gr.n)
		return true;
	return instance.n == gr.n + 2 && !memcmp(instance.p + 1, gr.p, gr.n);
}

static bool is_fit(const struct user_query *query, const struct binding *binding,
	const struct binding_list *list)
{
	const struct listener *listener = binding->values.flow.listener;

	if (query->by_token)
		return listener &&
		       binding == register_forward_binding(query->calls, query->request);
	return listener && (!query->secure || listener_is_secure(listener)) &&
	       is_asked_for(query->request, &binding->values) && !is_other_flow_of(binding, list);
}

static int contact_copy(struct contact *contact, const struct binding_values *values)
{
	struct slice uri = values->strings[BINDING_CONTACT], route = values->strings[BINDING_PATH];
	char *text = malloc(uri.n + route.n);

	if (!text)
		return -ENOMEM;
	memcpy(text, uri.p, uri.n);
	if (route.n)
		memcpy(text + uri.n, route.p, route.n);
	*contact = (struct contact){.flow = flow_of(values),
		.q = values->q,
		.uri = {text, uri.n},
		.route = {route.n ? text + uri.n : NULL, route.n}};
	return 0;
}

static const struct binding_list *bindings_of(
	const struct calls *calls, const struct trunk *trunk, const char *number)
{
	char aor[AOR_SIZE];
	struct slice written = aor_write(slice_of(number), trunk->users->domain, aor);

	return written.p ? location_find(
				   registrar_location(calls->registrar), written, now_realtime_ms())
			 : NULL;
}

bool contacts_are_there(const struct call *call, const struct trunk *trunk, const char *number)
{
	return bindings_of(call->calls, trunk, number) != NULL;
}

unsigned int contacts_list(
	const struct user_query *query, struct contact *list, size_t max, size_t *n)
{
	const struct binding_list *bindings =
		bindings_of(query->calls, query->trunk, query->number);
	const struct binding *binding;

	*n = 0;
	if (!bindings && !query->trunk->users->users)
		return 480; // its registrar knows
	if (!bindings)
		return users_has(query->trunk->users->users, slice_of(query->number)) ? 480 : 404;
	TAILQ_FOREACH (binding, bindings, in_record)
		if (*n < max && is_fit(query, binding, bindings) &&
			!contact_copy(&list[*n], &binding->values))
			++*n;
	return *n ? 0 : 480;
}

unsigned int contacts_find(struct call *call, const struct trunk *trunk, const char *number)
{
	const struct user_query query = {
		call->calls, trunk, number, call_request(call), call->is_secure, call->by_token};
	struct hunt *hunt = &call->hunt;
	unsigned int status;

	hunt->contacts = calloc(HUNT_TARGETS_MAX, sizeof(*hunt->contacts));
	if (!hunt->contacts)
		return 500;
	status = contacts_list(&query, hunt->contacts, HUNT_TARGETS_MAX, &hunt->n_contacts);
	if (status)
		return status;
	call->legs[LEG_B].listener = hunt->contacts[0].flow.listener;
	return trunk->users->redirect ? 302 : 0;
}

void contacts_write(const struct call *call, struct builder *b)
{
	const struct hunt *hunt = &call->hunt;

	for (size_t i = 0; i < hunt->n_contacts; i++) {
		builder_text(b, "Contact: <");
		builder_slice(b, hunt->contacts[i].uri);
		builder_text(b, ">;q=");
		builder_q(b, hunt->contacts[i].q);
		builder_text(b, "\r\n");
	}
}

// Ringing.

// Each has keys of its own: a phone that does not answer must not be able to listen.
static int contact_invite(struct call *call, const struct contact *contact, bool is_another)
{
	const struct attempt_to to = {.flow = contact->flow,
		.host = slice_of(call->legs[LEG_B].trunk->users->domain),
		.uri = contact->uri,
		.route = contact->route,
		.is_one_of_several = call->hunt.n_contacts > 1};
	char address[SIP_ADDRESS_TEXT_SIZE];
	WIPED_DESCRIPTION(description);

	if (is_another)
		negotiation_renew_offer(&call->negotiation, LEG_B);
	if (description_write(&call->legs[LEG_B], description))
		return -EINVAL;
	call->hunt.n_tried++;
	call->legs[LEG_B].listener = contact->flow.listener;
	if (!attempt_start(call, &to, description, NULL))
		return -errno;
	sip_address_format(&contact->flow.remote, address);
	log_info(&log_call, "invite_sent", "call=%s leg=b trunk=%s peer=%s", call->id_text,
		call->legs[LEG_B].trunk->name, address);
	return 0;
}

static void on_ring_time_over(evutil_socket_t, short, void *arg)
{
	struct call *call = arg;
	struct call_event event = {
		.type = EVENT_NEXT_PEER, .leg = &call->legs[LEG_B], .status = 408};

	attempts_abandon(call, NULL, (struct slice){});
	contacts_refused(call, 408);
	call_event(call, &event);
}

static void ring_time_start(struct call *call)
{
	struct hunt *hunt = &call->hunt;
	struct timeval after = {.tv_sec = call->legs[LEG_B].trunk->users->ring_s};

	contacts_ring_time_stop(call);
	if (hunt->at_contact >= hunt->n_contacts || !after.tv_sec)
		return;
	hunt->ring_timer = evtimer_new(call->calls->settings.base, on_ring_time_over, call);
	if (hunt->ring_timer)
		evtimer_add(hunt->ring_timer, &after);
}

void contacts_ring_time_stop(struct call *call)
{
	if (call->hunt.ring_timer)
		event_free(call->hunt.ring_timer);
	call->hunt.ring_timer = NULL;
}

int contacts_invite(struct call *call)
{
	struct hunt *hunt = &call->hunt;
	unsigned int n = 0;

	while (!n && hunt->at_contact < hunt->n_contacts) {
		uint16_t q = hunt->contacts[hunt->at_contact].q;

		for (unsigned int i = 0;
			i < NUMBER_OF_SAME_MAX && hunt->at_contact < hunt->n_contacts &&
			hunt->contacts[hunt->at_contact].q == q;
			i++)
			n += !contact_invite(call, &hunt->contacts[hunt->at_contact++], n > 0);
	}
	if (!n)
		return 500;
	call->legs[LEG_B].state = LEG_CALLING;
	ring_time_start(call);
	return 0;
}

void contacts_flow_failed(struct call *call, const struct flow *flow)
{
	const struct binding_list *list =
		bindings_of(call->calls, call->legs[LEG_B].trunk, call->target.number);
	const struct binding *binding;

	if (!list || !listener_is_reliable(flow->listener))
		return;
	TAILQ_FOREACH (binding, list, in_record) {
		if (binding->values.flow.listener != flow->listener ||
			!sip_address_equal(&binding->values.flow.remote, &flow->remote))
			continue;
		location_drop(registrar_location(call->calls->registrar), binding);
		return;
	}
}

// The best of two refusals (16.7, step 6): one of 6xx, else of the lowest class, and there first
// what the caller can do something about.
static bool is_better(unsigned int a, unsigned int b)
{
	static const unsigned int first[] = {401, 407, 415, 420, 484};

	if (!b || a / 100 == 6 || b / 100 == 6)
		return !b || b / 100 != 6;
	if (a == 503 || b == 503) // of one phone, not of the user
		return b == 503 && a != 503;
	if (a / 100 != b / 100)
		return a / 100 < b / 100;
	for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++)
		if (b == first[i] || a == first[i])
			return b != first[i];
	return b == 408 && a != 408; // somebody has said something
}

unsigned int contacts_refused(struct call *call, unsigned int status)
{
	struct hunt *hunt = &call->hunt;

	if (is_better(status, hunt->best_status))
		hunt->best_status = status;
	// That a phone has trouble says nothing of us: the caller must not take us for dead.
	return hunt->best_status == 503 ? 480 : hunt->best_status;
}

bool contacts_are_left(const struct call *call)
{
	const struct hunt *hunt = &call->hunt;

	return hunt->best_status / 100 != 6 && hunt->at_contact < hunt->n_contacts;
}
