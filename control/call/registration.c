// Our registrations with trunks that want one (RFC 3261 10.2): of one user, or of all numbers at
// once (RFC 6140). Renewed before its time is over; where one peer does not answer or cannot, the
// next is asked, and when all have failed we wait, longer each time and never all nodes alike.
//
// Subtle: a registration may end while its transaction lives on, which then has no user any more.
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>

#include "outside.h"
#include "registration.h"
#include "weighted.h"

enum {
	CSEQS_MAX = 16,	    // that one request of ours may use up
	BACKOFF_MS = 30000, // after the first failure (RFC 5626 4.5)
	BACKOFF_MAX_MS = 1800000,
	REFUSED_MS = 300000, // it knows us and says no: nothing to hurry for
	RENEW_EARLY_S = 600, // where there is so much time (3GPP TS 24.229 5.1.1.4.1)
};

// Time.

static void timer_set(struct registration *registration, uint32_t ms)
{
	struct timeval after = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	evtimer_add(registration->timer, &after);
}

static uint32_t shorter(uint32_t ms, uint32_t other_ms)
{
	return ms < other_ms ? ms : other_ms;
}

// Between half of it and all: a registrar that comes back must not hear from all at once.
static uint32_t jittered(uint32_t ms)
{
	return ms / 2 + random_below(ms / 2 + 1);
}

static uint32_t backoff_ms(const struct registration *registration)
{
	unsigned int n = registration->n_failed < 7 ? registration->n_failed : 7;

	return jittered(shorter((uint32_t)BACKOFF_MS << (n ? n - 1 : 0), BACKOFF_MAX_MS));
}

// Half of a short time, all but ten minutes of a long one, less up to a tenth.
static uint32_t renewal_ms(uint32_t granted_s)
{
	uint32_t s = granted_s > 2 * RENEW_EARLY_S ? granted_s - RENEW_EARLY_S : granted_s / 2;

	return s * 1000 - random_below(s * 100 + 1);
}

// Rounds.

static void targets_drop(struct registration *registration)
{
	for (size_t i = 0; i < registration->n_targets; i++)
		target_return(registration->targets[i]);
	registration->n_targets = registration->at_target = 0;
}

const struct target *registration_target(const struct registration *registration)
{
	return registration->at_target ? registration->targets[registration->at_target - 1] : NULL;
}

static void wait_ms(struct registration *registration, uint32_t ms)
{
	registration->state = REGISTRATION_WAITING;
	timer_set(registration, ms);
}

static void round_failed(struct registration *registration)
{
	uint32_t ms;

	registration->n_failed++;
	ms = backoff_ms(registration);
	if (registration->is_bound && registration->until_ms <= now_realtime_ms())
		registration->is_bound = false;
	log_warn(&log_call, "registration_failed", "trunk=%s status=%u retry_s=%u",
		registration->trunk->name, registration->status, ms / 1000);
	wait_ms(registration, ms);
}

static void next_ask(struct registration *registration)
{
	registration->state = REGISTRATION_ASKING;
	while (registration->at_target < registration->n_targets)
		if (!registration_send(registration,
			    registration->targets[registration->at_target++],
			    registration->wanted_s))
			return;
	round_failed(registration);
}

// Renewals begin with the peer that knows us.
static void round_begin(struct registration *registration)
{
	const struct target *known =
		registration->is_bound ? registration_target(registration) : NULL;
	struct target *first = known ? target_hold((struct target *)known) : NULL;

	targets_drop(registration);
	registration->n_targets = trunk_targets(registration->trunk, now_monotonic_ms(), true,
		registration->targets, REGISTRATION_TARGETS_MAX);
	for (size_t i = 0; first && i < registration->n_targets; i++) {
		if (registration->targets[i] != first)
			continue;
		registration->targets[i] = registration->targets[0];
		registration->targets[0] = first;
		target_return(first);
		first = NULL;
	}
	if (first)
		target_return(first);
	next_ask(registration);
}

static void on_timer(evutil_socket_t, short, void *arg)
{
	round_begin(arg);
}

// Answers.

// How long our Contact is bound: its own parameter, else that of all, else what we asked for.
static uint32_t granted_s(const struct registration *registration, const struct sip_message *m)
{
	struct message_values it = message_values(m, HEADER_CONTACT);
	struct slice user = {registration->user, TOKEN_SIZE}, value, text;
	uint32_t s = registration->wanted_s;
	struct nameaddr name;
	struct uri uri;

	slice_to_u32(message_value(m, HEADER_EXPIRES), UINT32_MAX, &s);
	while (message_values_next(&it, &value) > 0) {
		if (nameaddr_parse(value, &name) || uri_parse(name.uri, &uri))
			continue;
		if (!registration->trunk->registration.bulk && !slice_equal(uri.user, user))
			continue;
		if (params_find(name.params, SLICE("expires"), &text))
			slice_to_u32(text, UINT32_MAX, &s);
	}
	return s;
}

// RFC 3608: the way of all that we send them from now on.
static void route_take(struct registration *registration, const struct sip_message *response)
{
	struct message_values it = message_values(response, HEADER_SERVICE_ROUTE);
	struct nameaddr name;
	struct slice value;
	struct builder b;

	builder_init(&b, registration->route, sizeof(registration->route));
	while (message_values_next(&it, &value) > 0) {
		if (nameaddr_parse(value, &name))
			continue;
		if (b.n)
			builder_text(&b, ", ");
		builder_slice(&b, value);
	}
	registration->route_size = builder_finish(&b).n;
}

static void bound(struct registration *registration, const struct sip_message *response)
{
	char address[ADDRESS_TEXT_SIZE];
	bool was_bound = registration->is_bound;

	registration->granted_s = granted_s(registration, response);
	if (!registration->granted_s) { // it has taken us off at once
		round_failed(registration);
		return;
	}
	route_take(registration, response);
	digest_memory_proved(&registration->trunk->state->proof);
	registration->state = REGISTRATION_THERE;
	registration->is_bound = true;
	registration->n_failed = 0;
	registration->until_ms = now_realtime_ms() + registration->granted_s * 1000ull;
	timer_set(registration, renewal_ms(shorter(registration->granted_s, 86400)));
	if (!was_bound)
		log_info(&log_call, "trunk_registered", "trunk=%s peer=%s expires_s=%u",
			registration->trunk->name,
			address_text((const struct sockaddr *)&registration_target(registration)
					     ->address,
				address, sizeof(address)),
			registration->granted_s);
}

// 423: what it asks for, where that is more than what it got.
static bool takes_longer(struct registration *registration, const struct sip_message *response)
{
	uint32_t least_s;

	if (slice_to_u32(message_value(response, HEADER_MIN_EXPIRES), INT32_MAX, &least_s) ||
		least_s <= registration->wanted_s)
		return false;
	registration->wanted_s = least_s;
	registration->at_target--; // the same peer
	return true;
}

static bool is_of_peer(unsigned int status)
{
	return !status || status == 408 || status == 430 || status == 480 || status / 100 == 5;
}

static void refused(struct registration *registration, const struct sip_message *response)
{
	unsigned int status = registration->status;

	if (status == 423 && takes_longer(registration, response)) {
		next_ask(registration);
	} else if (is_of_peer(status)) {
		next_ask(registration);
	} else {
		registration->is_bound = false;
		registration->n_failed++;
		log_warn(&log_call, "registration_refused", "trunk=%s status=%u retry_s=%u",
			registration->trunk->name, status, REFUSED_MS / 1000);
		wait_ms(registration, jittered(REFUSED_MS));
	}
}

static void answered(struct registration *registration, const struct sip_message *response)
{
	if (registration->transaction)
		transaction_user_set(registration->transaction, NULL);
	registration->transaction = NULL;
	if (registration->state == REGISTRATION_ENDING)
		registration->state = REGISTRATION_NONE;
	else if (response && response->status / 100 == 2)
		bound(registration, response);
	else
		refused(registration, response);
}

void registration_response(struct owner *owner, const struct sip_message *response)
{
	struct registration *registration = (struct registration *)owner;

	if (response->status < 200)
		return;
	// It may have gone out again with a proof, and a higher number.
	if (response->cseq - registration->cseq <= CSEQS_MAX)
		registration->cseq = response->cseq;
	registration->status = response->status;
	answered(registration, response);
}

void registration_failed(struct owner *owner)
{
	struct registration *registration = (struct registration *)owner;

	registration->cseq += CSEQS_MAX;
	registration->status = 0;
	answered(registration, NULL);
}

void registration_closed(struct owner *owner)
{
	((struct registration *)owner)->transaction = NULL;
}

// Life.

static void registration_destroy(struct registration *registration)
{
	if (registration->transaction)
		transaction_user_set(registration->transaction, NULL);
	if (registration->timer)
		event_free(registration->timer);
	targets_drop(registration);
	LIST_REMOVE(registration, in_registrations);
	free(registration);
}

static int registration_create(
	struct registrations *registrations, struct calls *calls, const struct trunk *trunk)
{
	struct registration *registration = calloc(1, sizeof(*registration));

	if (!registration)
		return -ENOMEM;
	registration->owner.kind = OWNER_REGISTRATION;
	registration->calls = calls;
	registration->trunk = trunk;
	registration->wanted_s = trunk->registration.expires_s;
	token_make(registration->call_id);
	token_make(registration->tag);
	token_make(registration->user);
	LIST_INSERT_HEAD(&registrations->list, registration, in_registrations);
	registration->timer = evtimer_new(calls->settings.base, on_timer, registration);
	if (!registration->timer)
		return -ENOMEM;
	timer_set(registration, random_below(500));
	return 0;
}

struct registrations *registrations_start(struct calls *calls)
{
	const struct trunks *trunks = calls->settings.trunks;
	struct registrations *registrations = calloc(1, sizeof(*registrations));
	int err = 0;

	if (!registrations)
		return NULL;
	LIST_INIT(&registrations->list);
	for (size_t i = 0; !err && i < trunks->n; i++)
		if (trunks->list[i].registration.user)
			err = registration_create(registrations, calls, &trunks->list[i]);
	if (!err)
		return registrations;
	registrations_stop(registrations);
	return NULL;
}

static void take_back(struct registration *registration)
{
	const struct target *target = registration_target(registration);

	evtimer_del(registration->timer);
	if (registration->transaction)
		transaction_user_set(registration->transaction, NULL);
	registration->transaction = NULL;
	registration->state = REGISTRATION_NONE;
	if (registration->is_bound && target && !registration_send(registration, target, 0))
		registration->state = REGISTRATION_ENDING;
}

static bool is_same(const struct trunk_registration *a, const struct trunk_registration *b)
{
	return a->user && b->user && !strcmp(a->user, b->user) && !strcmp(a->domain, b->domain) &&
	       a->bulk == b->bulk;
}

static bool is_registering(const struct registrations *registrations, const struct trunk *trunk)
{
	const struct registration *registration;

	LIST_FOREACH (registration, &registrations->list, in_registrations)
		if (registration->trunk == trunk)
			return true;
	return false;
}

int registrations_follow(struct calls *calls)
{
	const struct trunks *trunks = calls->settings.trunks;
	struct registrations *registrations = calls->registrations;
	struct registration *registration, *next;
	int err = 0;

	for (registration = LIST_FIRST(&registrations->list); registration; registration = next) {
		const struct trunk *same = trunk_find(trunks, registration->trunk->name);

		next = LIST_NEXT(registration, in_registrations);
		if (same && is_same(&same->registration, &registration->trunk->registration)) {
			registration->trunk = same;
			continue;
		}
		take_back(registration);
		registration_destroy(registration);
	}
	for (size_t i = 0; !err && i < trunks->n; i++)
		if (trunks->list[i].registration.user &&
			!is_registering(registrations, &trunks->list[i]))
			err = registration_create(registrations, calls, &trunks->list[i]);
	return err;
}

void registrations_end(struct registrations *registrations)
{
	struct registration *registration;

	if (!registrations)
		return;
	LIST_FOREACH (registration, &registrations->list, in_registrations)
		take_back(registration);
}

bool registrations_are_ending(const struct registrations *registrations)
{
	const struct registration *registration;

	if (registrations)
		LIST_FOREACH (registration, &registrations->list, in_registrations)
			if (registration->state == REGISTRATION_ENDING)
				return true;
	return false;
}

void registrations_stop(struct registrations *registrations)
{
	struct registration *registration;

	if (!registrations)
		return;
	while ((registration = LIST_FIRST(&registrations->list)))
		registration_destroy(registration);
	free(registrations);
}
