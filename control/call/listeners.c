// The listeners of all realms, and which one a message leaves by.
//
// Subtle: a realm is the same one in another configuration if its name is; listeners that a
// configuration no longer has stay open for the calls and subscriptions on them, in no realm. Then
// their sockets are closed, and what is left is a name in old messages.
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call_private.h"
#include "call_shards.h"
#include "elsewhere.h"
#include "outside.h"
#include "plan.h"
#include "subscription.h"

const struct realm *calls_realm(const struct calls *calls, const struct listener *listener)
{
	for (size_t i = 0; i < calls->n_listeners; i++) {
		if (calls->listeners[i].listener == listener)
			return calls->listeners[i].realm;
	}
	return NULL;
}

enum transport_protocol calls_protocol(enum realm_transport transport)
{
	static const enum transport_protocol protocols[] = {[REALM_UDP] = TRANSPORT_UDP,
		[REALM_TCP] = TRANSPORT_TCP,
		[REALM_TLS] = TRANSPORT_TLS,
		[REALM_WS] = TRANSPORT_WS,
		[REALM_WSS] = TRANSPORT_WSS};

	return protocols[transport];
}

static bool is_of_realm(const struct calls_listener *listener, const struct realm *realm)
{
	return listener->realm && !strcmp(listener->realm->name, realm->name);
}

static bool fits(const struct calls_listener *own, const struct realm *realm,
	enum transport_protocol protocol, const struct sockaddr *peer)
{
	return is_of_realm(own, realm) && listener_protocol(own->listener) == protocol &&
	       listener_address(own->listener)->any.sa_family == peer->sa_family;
}

struct listener *calls_listener(const struct calls *calls, const struct realm *realm,
	enum transport_protocol protocol, const struct sockaddr *peer)
{
	for (size_t i = 0; i < calls->n_listeners; i++) {
		if (fits(&calls->listeners[i], realm, protocol, peer) &&
			listener_is_bound(calls->listeners[i].listener))
			return calls->listeners[i].listener;
	}
	return NULL;
}

struct listener *call_listener(const struct call *call, const struct realm *realm,
	enum transport_protocol protocol, const struct sockaddr *peer)
{
	const struct calls *calls = call->calls;

	for (size_t i = 0; i < calls->n_listeners; i++) {
		if (fits(&calls->listeners[i], realm, protocol, peer) &&
			calls->listeners[i].shard == call->shard)
			return calls->listeners[i].listener;
	}
	return NULL;
}

// "192.0.2.1:5060" of what the realm wants to be known as; absent: the bound address.
static struct slice advertised_write(
	const struct realm *realm, const struct sip_address *bound, char *out)
{
	char host[SIP_ADDRESS_TEXT_SIZE];
	struct sip_address address;

	if (realm->advertised.family != (bound->any.sa_family == AF_INET6 ? 6 : 4))
		return (struct slice){};
	sdp_address_text(&realm->advertised, host, sizeof(host));
	if (sip_address_parse(slice_of(host), sip_address_port(bound), &address))
		return (struct slice){};
	return sip_address_format(&address, out);
}

static struct calls_listener *listener_known(
	const struct calls *calls, const struct realm_listener *wanted)
{
	for (size_t i = 0; i < calls->n_listeners; i++) {
		struct calls_listener *own = &calls->listeners[i];

		if (!own->stopped && own->wanted.transport == wanted->transport &&
			address_equal((const struct sockaddr *)&own->wanted.address,
				(const struct sockaddr *)&wanted->address))
			return own;
	}
	return NULL;
}

static int listener_add(
	struct calls *calls, const struct realm *realm, const struct realm_listener *wanted)
{
	struct calls_listener *own = &calls->listeners[calls->n_listeners];
	char advertised[SIP_ADDRESS_TEXT_SIZE];
	struct sip_address address;
	int err = sip_address_from(
		(const struct sockaddr *)&wanted->address, sizeof(wanted->address), &address);

	if (err)
		return err;
	own->realm = NULL; // until all are there
	own->stopped = false;
	own->wanted = *wanted;
	own->is_refused = false;
	own->shard = shard_of_address(calls, realm, (const struct sockaddr *)&wanted->address);
	own->listener = (own->shard ? listener_define : listener_open)(
		stack_transport(calls->stack), calls_protocol(wanted->transport), &address,
		own->shard ? (struct slice){} : advertised_write(realm, &address, advertised));
	if (!own->listener)
		return -errno;
	calls->n_listeners++;
	elsewhere_marks_set(calls);
	return 0;
}

static int realm_open(
	struct calls *calls, const struct realm *realm, char *error, size_t error_size)
{
	for (size_t i = 0; i < realm->n_listeners; i++) {
		const struct realm_listener *wanted = &realm->listeners[i];
		char text[SIP_ADDRESS_TEXT_SIZE];
		int err = listener_known(calls, wanted) ? 0 : listener_add(calls, realm, wanted);

		if (!err)
			continue;
		snprintf(error, error_size, "realm %s: cannot listen on %s: %s", realm->name,
			address_text((const struct sockaddr *)&wanted->address, text, sizeof(text)),
			strerror(-err));
		return err;
	}
	return 0;
}

int listeners_open(
	struct calls *calls, const struct calls_settings *settings, char *error, size_t error_size)
{
	size_t before = calls->n_listeners, n = before;
	struct calls_listener *grown;
	int err = 0;

	for (size_t i = 0; i < settings->n_realms; i++)
		n += settings->realms[i].n_listeners;
	grown = realloc(calls->listeners, (n ? n : 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	calls->listeners = grown;
	for (size_t i = 0; !err && i < settings->n_realms; i++)
		err = realm_open(calls, &settings->realms[i], error, error_size);
	if (err)
		listeners_undo(calls, before);
	return err;
}

void listeners_undo(struct calls *calls, size_t before)
{
	while (calls->n_listeners > before)
		listener_close(calls->listeners[--calls->n_listeners].listener);
}

static void listener_assign(struct calls *calls, const struct realm *realm,
	const struct realm_listener *wanted, bool is_new)
{
	struct calls_listener *own = listener_known(calls, wanted);
	char text[SIP_ADDRESS_TEXT_SIZE];

	own->realm = realm;
	listener_upgrade_rules_set(own->listener, &realm->upgrade_rules);
	if (is_new && !own->shard)
		log_info(&log_call, "listening", "realm=%s %s=%s", realm->name,
			realm_transport_names[wanted->transport],
			address_text(
				(const struct sockaddr *)&wanted->address, text, sizeof(text)));
}

void listeners_assign(struct calls *calls, size_t before)
{
	const struct calls_settings *settings = &calls->settings;

	for (size_t i = 0; i < calls->n_listeners; i++) {
		calls->listeners[i].realm = NULL;
		// Those of before belong to a configuration that goes.
		listener_upgrade_rules_set(
			calls->listeners[i].listener, &(struct upgrade_rules){0});
	}
	for (size_t i = 0; i < settings->n_realms; i++) {
		const struct realm *realm = &settings->realms[i];

		for (size_t j = 0; j < realm->n_listeners; j++) {
			const struct calls_listener *own =
				listener_known(calls, &realm->listeners[j]);

			listener_assign(calls, realm, &realm->listeners[j],
				(size_t)(own - calls->listeners) >= before);
		}
	}
}

// Those that are gone.

static bool leg_uses(const struct leg *leg, const struct listener *listener)
{
	return leg->listener == listener ||
	       (leg->has_dialog && leg->dialog.flow.listener == listener);
}

static bool is_used(const struct calls *calls, const struct listener *listener)
{
	const struct call *call;

	TAILQ_FOREACH (call, &calls->list, in_calls)
		for (int i = 0; i < LEGS; i++)
			if (leg_uses(&call->legs[i], listener))
				return true;
	return subscriptions_use(calls, listener);
}

static void listener_retire(struct calls_listener *own)
{
	char text[SIP_ADDRESS_TEXT_SIZE];

	listener_stop(own->listener);
	own->stopped = true;
	log_info(&log_call, "not_listening", "%s=%s", realm_transport_names[own->wanted.transport],
		address_text((const struct sockaddr *)&own->wanted.address, text, sizeof(text)));
}

static void on_retire(evutil_socket_t, short, void *arg)
{
	listeners_retire(arg);
}

void listeners_retire(struct calls *calls)
{
	static const struct timeval second = {.tv_sec = 1};
	unsigned int n_left = 0;

	for (size_t i = 0; i < calls->n_listeners; i++) {
		struct calls_listener *own = &calls->listeners[i];

		if (own->realm || own->stopped)
			continue;
		if (is_used(calls, own->listener))
			n_left++;
		else
			listener_retire(own);
	}
	if (n_left && !calls->retire_timer)
		calls->retire_timer = evtimer_new(calls->settings.base, on_retire, calls);
	if (n_left && calls->retire_timer)
		evtimer_add(calls->retire_timer, &second);
}

int calls_listen(struct calls *calls, char *error, size_t error_size)
{
	int err = listeners_open(calls, &calls->settings, error, error_size);

	if (err)
		return err;
	listeners_assign(calls, 0);
	err = tls_ends_open(calls, error, error_size);
	if (err)
		return err;
	calls->probes = probes_start(calls);
	calls->registrations = registrations_start(calls);
	return calls->probes && calls->registrations ? peers_start(calls) : -ENOMEM;
}
