// REGISTERs of users whose registrar is behind a trunk, on their way: one peer after the other
// until one answers, within the time that the phone waits. What they say is in registrar/forward.h;
// here is who is asked, how many at a time, and what follows for calls of these users.
//
// Subtle: both transactions, the phone's and ours, point to the struct that waits between them; the
// phone's ends it.
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>

#include "digest_nonce.h"
#include "outside.h"
#include "plan.h"

enum {
	TARGETS_MAX = 32,
	MESSAGE_SIZE = 16384,
	// The phone's transaction ends 32 s after its REGISTER (timer F); ours on the way to
	// others that may answer must end sooner.
	WAIT_MS = 20000,
};

struct register_forward {
	struct owner owner;
	LIST_ENTRY(register_forward) link;
	struct calls *calls;
	struct plan *plan; // that the trunks are of
	const struct trunk *users, *to;
	struct registrar_upstream upstream;
	struct registrar_rules rules;
	struct transaction *server, *client; // client NULL: none is under way
	struct target *targets[TARGETS_MAX];
	size_t n_targets, at_target;
	struct event timer;
	uint64_t until_ms;   // CLOCK_MONOTONIC
	unsigned int status; // of a failure so far
};

static void forward_destroy(struct register_forward *forward)
{
	if (forward->server)
		transaction_user_set(forward->server, NULL);
	if (forward->client)
		transaction_user_set(forward->client, NULL);
	evtimer_del(&forward->timer);
	for (size_t i = 0; i < forward->n_targets; i++)
		target_return(forward->targets[i]);
	forward->calls->forwards.n--;
	LIST_REMOVE(forward, link);
	plan_drop(forward->plan);
	free(forward);
}

// Its key is the nodes' secret, so that a user has the same Contact behind all of them.
static struct registrar_upstream upstream_of(const struct calls *calls, const struct trunk *users)
{
	const struct calls_settings *settings = &calls->settings;
	const struct trunk_forward *forward = &users->users->forward;

	return (struct registrar_upstream){.expires_s = forward->expires_s,
		.nat_expires_s = forward->nat_expires_s,
		.path = forward->path,
		.key = settings->auth.secret ? (struct slice){(const char *)settings->auth.secret,
						       DIGEST_SECRET_SIZE}
					     : slice_of(settings->node)};
}

// Asking.

static struct slice message_write(
	struct register_forward *forward, const struct listener *listener, struct builder *b)
{
	enum transport_protocol protocol = listener_protocol(listener);
	const struct forward_from from = {.sent_by = listener_sent_by(listener),
		.uri_transport = protocol == TRANSPORT_TCP   ? ";transport=tcp"
				 : protocol == TRANSPORT_TLS ? ";transport=tls"
							     : ""};

	return forward_write(&forward->rules, forward->server, &from, b);
}

static int target_ask(struct register_forward *forward, struct target *target)
{
	const struct sockaddr *address = (const struct sockaddr *)&target->address;
	struct flow flow = {.listener = calls_listener(forward->calls, forward->to->realm,
				    calls_protocol(target->transport), address)};
	char buffer[MESSAGE_SIZE];
	struct slice message;
	struct builder b;

	if (!flow.listener || sip_address_from(address, sizeof(target->address), &flow.remote))
		return -EINVAL;
	builder_init(&b, buffer, sizeof(buffer));
	message = message_write(forward, flow.listener, &b);
	if (!message.p)
		return -EMSGSIZE;
	forward->client = transaction_start(forward->calls->stack, &flow, message, &forward->owner);
	return forward->client ? 0 : -errno;
}

// As long as the trunk has patience, where there are others, and no longer than the phone.
static void timer_set(struct register_forward *forward, uint64_t now_ms)
{
	uint64_t left_ms = forward->until_ms - now_ms, wait_ms = left_ms;
	struct timeval after;

	if (forward->at_target < forward->n_targets && forward->to->failover.timeout_ms &&
		forward->to->failover.timeout_ms < wait_ms)
		wait_ms = forward->to->failover.timeout_ms;
	after = (struct timeval){.tv_sec = (time_t)(wait_ms / 1000),
		.tv_usec = (suseconds_t)(wait_ms % 1000 * 1000)};
	evtimer_add(&forward->timer, &after);
}

static void next_ask(struct register_forward *forward)
{
	uint64_t now_ms = now_monotonic_ms();

	if (forward->client)
		transaction_user_set(forward->client, NULL);
	forward->client = NULL;
	while (forward->at_target < forward->n_targets && now_ms < forward->until_ms) {
		struct target *target = forward->targets[forward->at_target++];

		target->tried++;
		if (target_ask(forward, target))
			continue;
		timer_set(forward, now_ms);
		return;
	}
	forward_failed(forward->calls->registrar, &forward->rules, forward->server,
		forward->status ? forward->status : 503);
	forward_destroy(forward);
}

static void target_lost(struct register_forward *forward, unsigned int status)
{
	forward->status = status;
	target_failed(forward->targets[forward->at_target - 1], forward->to->failover.backoff_ms,
		now_monotonic_ms());
	next_ask(forward);
}

static void on_impatient(evutil_socket_t, short, void *arg)
{
	target_lost(arg, 504);
}

// Answers.

void register_forward_response(struct owner *owner, const struct sip_message *response)
{
	struct register_forward *forward = (struct register_forward *)owner;
	struct calls *calls = forward->calls;
	const struct sip_message *request = transaction_request(forward->server);

	if (response->status < 200)
		return;
	if (response->status == 408 || response->status / 100 == 5) {
		target_lost(
			forward, response->status == 408 || response->status == 504 ? 504 : 503);
		return;
	}
	target_answered(forward->targets[forward->at_target - 1]);
	// Who does not exist there, or may not: a guess, like a wrong password here.
	if (response->status == 403 || response->status == 404)
		proof_failed(calls, forward->users, request, (struct slice){});
	forward_answered(calls->registrar, &forward->rules, forward->server, response);
	forward_destroy(forward);
}

void register_forward_failed(struct owner *owner, unsigned int status)
{
	target_lost((struct register_forward *)owner, status == 408 ? 504 : 503);
}

void register_forward_closed(struct owner *owner, const struct transaction *transaction)
{
	struct register_forward *forward = (struct register_forward *)owner;

	if (transaction == forward->client) {
		forward->client = NULL;
		return;
	}
	forward->server = NULL;
	forward_destroy(forward);
}

// Floods.

// So many a second, a second's worth at once.
static bool rate_take(struct register_forwards *forwards, uint32_t per_s, uint64_t now_ms)
{
	uint64_t most = per_s * 1000ull;

	if (!per_s)
		return true;
	forwards->allowance += (now_ms - forwards->allowance_at_ms) * per_s;
	if (forwards->allowance > most)
		forwards->allowance = most;
	forwards->allowance_at_ms = now_ms;
	if (forwards->allowance < 1000)
		return false;
	forwards->allowance -= 1000;
	return true;
}

static bool may_forward(struct calls *calls)
{
	const struct calls_auth *limits = &calls->settings.auth;

	return calls->forwards.n < limits->registers &&
	       rate_take(&calls->forwards, limits->registers_per_s, now_monotonic_ms());
}

void register_forward_take(struct calls *calls, const struct trunk *users,
	const struct registrar_rules *rules, struct transaction *transaction)
{
	struct register_forward *forward = calloc(1, sizeof(*forward));

	if (!forward) {
		transaction_reply(transaction, 500);
		return;
	}
	forward->upstream = upstream_of(calls, users);
	forward->rules = *rules;
	forward->rules.upstream = &forward->upstream;
	if (!forward_needed(calls->registrar, &forward->rules, transaction)) {
		free(forward);
		return;
	}
	if (!may_forward(calls)) {
		registrar_count_forwarded(calls->registrar, true);
		forward_failed(calls->registrar, &forward->rules, transaction, 503);
		free(forward);
		return;
	}
	registrar_count_forwarded(calls->registrar, false);
	forward->owner.kind = OWNER_FORWARD;
	forward->calls = calls;
	forward->plan = plan_hold(calls->plan);
	forward->users = users;
	forward->to = users->users->forward.to;
	forward->server = transaction;
	transaction_user_set(transaction, &forward->owner);
	forward->until_ms = now_monotonic_ms() + WAIT_MS;
	forward->n_targets =
		trunk_targets(forward->to, now_monotonic_ms(), true, forward->targets, TARGETS_MAX);
	evtimer_assign(&forward->timer, calls->settings.base, on_impatient, forward);
	LIST_INSERT_HEAD(&calls->forwards.list, forward, link);
	calls->forwards.n++;
	next_ask(forward);
}

// Calls of theirs.

static const struct binding *binding_of(
	struct calls *calls, const struct trunk *users, const struct sip_message *request)
{
	char aor[AOR_SIZE];
	struct slice written;
	struct uri from;

	if (uri_parse(request->from.uri, &from) || !from.user.n)
		return NULL;
	written = aor_write(from.user, users->users->domain, aor);
	return written.p ? forward_binding_of_flow(calls->registrar, written, &request->flow)
			 : NULL;
}

bool register_forward_knows(struct calls *calls, const struct trunk *users,
	const struct sip_message *request, struct slice *user)
{
	struct uri from;

	if (!binding_of(calls, users, request) || uri_parse(request->from.uri, &from))
		return false;
	*user = from.user;
	return true;
}

int register_forward_route_keep(
	struct call *call, const struct trunk *users, const struct sip_message *invite)
{
	const struct binding *binding = users && users->users && users->users->forward.to
						? binding_of(call->calls, users, invite)
						: NULL;
	struct slice route =
		binding ? binding->values.strings[BINDING_SERVICE_ROUTE] : (struct slice){};

	if (!route.n)
		return 0;
	call->service_route = strndup(route.p, route.n);
	return call->service_route ? 0 : -ENOMEM;
}

// Calls for them.

static bool is_registrar(const struct trunks *trunks, const struct trunk *trunk)
{
	for (size_t i = 0; i < trunks->n; i++)
		if (trunk_forwards_to(&trunks->list[i], trunk))
			return true;
	return false;
}

// The trunk of an address of record's users, whose registrar is behind `to`.
static struct trunk *users_find(
	const struct trunks *trunks, const struct trunk *to, struct slice domain)
{
	for (size_t i = 0; i < trunks->n; i++)
		if (trunk_forwards_to(&trunks->list[i], to) &&
			slice_equal(slice_of(trunks->list[i].users->domain), domain))
			return &trunks->list[i];
	return NULL;
}

// The user part of our Path, or of our Contact.
static struct slice token_of(const struct sip_message *request)
{
	struct message_values routes = message_values(request, HEADER_ROUTE);
	struct nameaddr name;
	struct slice value;
	struct uri uri;

	if (message_values_next(&routes, &value) > 0 && !nameaddr_parse(value, &name) &&
		!uri_parse(name.uri, &uri) && forward_is_token(uri.user))
		return uri.user;
	return forward_is_token(request->request_uri.user) ? request->request_uri.user
							   : (struct slice){};
}

const struct binding *register_forward_binding(
	const struct calls *calls, const struct sip_message *request)
{
	struct slice token = token_of(request);

	return token.p ? location_find_token(registrar_location(calls->registrar), token,
				 request->uri, now_realtime_ms())
		       : NULL;
}

bool register_forward_callee(const struct calls *calls, const struct trunk *from,
	const struct sip_message *request, struct number *number, struct route_target *route,
	unsigned int *status)
{
	const struct binding *binding;
	struct slice aor, user;
	struct trunk *users;

	if (!token_of(request).p || !is_registrar(calls->settings.trunks, from))
		return false;
	binding = register_forward_binding(calls, request);
	*status = 480; // it has been one, before a restart or until its time was over
	if (!binding)
		return true;
	aor = binding_aor(binding);
	user = slice_cut(&aor, '@');
	users = users_find(calls->settings.trunks, from, aor);
	if (!users || user.n >= sizeof(number->digits))
		return true;
	*number = (struct number){};
	memcpy(number->digits, user.p, user.n);
	*route = (struct route_target){.trunk = users};
	memcpy(route->number, user.p, user.n);
	*status = 0;
	return true;
}
