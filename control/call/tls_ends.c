// Which certificate is shown and expected where: one end of TLS for the listeners of a realm, one
// for its connections to whom no trunk names, and one for each trunk that has peers of TLS.
//
// Subtle: sessions of OpenSSL refer to them, so they are closed after the SIP stack.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "call_private.h"
#include "plan.h"

struct end {
	struct tls *tls;
	const char *of, *name; // realm or trunk
	const struct realm *server_of, *client_of;
	const struct trunk *trunk;
	const struct trunk_peer *peer; // that it is for; NULL: all but those
};

struct tls_ends {
	size_t n;
	struct end list[];
};

static struct tls *end_add(struct calls *calls, const struct tls_settings *settings, const char *of,
	const char *name, struct tls_error *error)
{
	struct end *end = &calls->tls_ends->list[calls->tls_ends->n];

	*end = (struct end){.tls = tls_create(settings, error), .of = of, .name = name};
	calls->tls_ends->n += end->tls != NULL;
	return end->tls;
}

static int realm_secure(struct calls *calls, const struct realm *realm, struct tls_error *error)
{
	// By address, as nobody says which domain is there.
	const struct tls_settings out = {.role = TLS_CLIENT,
		.verify = TLS_VERIFY_REQUIRED,
		.certificate = realm->tls.certificate,
		.key = realm->tls.key,
		.ca = realm->tls.ca};
	struct end *ends = &calls->tls_ends->list[calls->tls_ends->n];

	if (!realm->tls.certificate)
		return 0;
	if (!end_add(calls, &realm->tls, "realm", realm->name, error) ||
		!end_add(calls, &out, "realm", realm->name, error))
		return -errno;
	ends[0].server_of = ends[1].client_of = realm;
	return 0;
}

static void realm_use(struct calls *calls, const struct realm *realm)
{
	struct tls *server = NULL, *client = NULL;

	for (size_t i = 0; i < calls->tls_ends->n; i++) {
		const struct end *end = &calls->tls_ends->list[i];

		server = end->server_of == realm ? end->tls : server;
		client = end->client_of == realm ? end->tls : client;
	}
	for (size_t i = 0; i < calls->n_listeners; i++) {
		struct listener *listener = calls->listeners[i].listener;

		if (calls->listeners[i].realm == realm && listener_is_secure(listener))
			listener_tls_set(listener, server, client);
	}
}

static int target_expect(struct calls *calls, const struct trunk *trunk,
	const struct target *target, struct tls *client)
{
	const struct sockaddr *address = (const struct sockaddr *)&target->address;
	struct sip_address remote;
	int err = sip_address_from(address, sizeof(target->address), &remote);

	for (size_t i = 0; !err && i < calls->n_listeners; i++) {
		struct listener *listener = calls->listeners[i].listener;

		if (calls->listeners[i].realm &&
			!strcmp(calls->listeners[i].realm->name, trunk->realm->name) &&
			listener_protocol(listener) == TRANSPORT_TLS &&
			listener_address(listener)->any.sa_family == address->sa_family)
			err = listener_tls_expect(listener, &remote, client);
	}
	return err;
}

static bool may_be_secure(const struct trunk *trunk, const struct trunk_peer *peer)
{
	return peer->transport == REALM_TLS ||
	       (peer->any_transport && trunk->tls.role == TLS_CLIENT && trunk->tls.ca);
}

// A name must be proved by whoever it leads to (RFC 5922 4), so each has an end of its own where
// the trunk says no other.
static const struct trunk_peer *peer_of_end(
	const struct trunk *trunk, const struct trunk_peer *peer)
{
	return peer->host && !trunk->tls.server_name ? peer : NULL;
}

static struct tls *end_find(
	const struct calls *calls, const struct trunk *trunk, const struct trunk_peer *peer)
{
	for (size_t i = 0; i < calls->tls_ends->n; i++) {
		const struct end *end = &calls->tls_ends->list[i];

		if (end->trunk == trunk && end->peer == peer)
			return end->tls;
	}
	return NULL;
}

static int trunk_secure(struct calls *calls, const struct trunk *trunk, struct tls_error *error)
{
	for (size_t i = 0; i < trunk->n_peers; i++) {
		const struct trunk_peer *peer = peer_of_end(trunk, &trunk->peers[i]);
		struct tls_settings settings = trunk->tls;
		struct end *end = &calls->tls_ends->list[calls->tls_ends->n];

		if (!may_be_secure(trunk, &trunk->peers[i]) || end_find(calls, trunk, peer))
			continue;
		if (peer)
			settings.server_name = peer->host;
		if (!end_add(calls, &settings, "trunk", trunk->name, error))
			return -errno;
		end->trunk = trunk;
		end->peer = peer;
	}
	return 0;
}

int tls_ends_expect(struct calls *calls, const struct trunk *trunk)
{
	int err = 0;

	for (size_t i = 0; i < trunk->n_peers; i++) {
		const struct trunk_peer *peer = &trunk->peers[i];
		struct tls *client = end_find(calls, trunk, peer_of_end(trunk, peer));

		for (size_t j = 0; !err && client && j < peer->n_targets; j++)
			if (peer->targets[j].target->transport == REALM_TLS)
				err = target_expect(calls, trunk, peer->targets[j].target, client);
	}
	return err;
}

int tls_ends_open(struct calls *calls, char *error, size_t error_size)
{
	const struct calls_settings *settings = &calls->settings;
	size_t most = 2 * settings->n_realms + settings->trunks->n;
	struct tls_error why = {.field = "memory"};
	int err = 0;

	for (size_t i = 0; i < settings->trunks->n; i++)
		most += settings->trunks->list[i].n_peers;

	calls->tls_ends = calloc(1, sizeof(struct tls_ends) + most * sizeof(struct end));
	if (!calls->tls_ends)
		return -ENOMEM;
	for (size_t i = 0; !err && i < settings->n_realms; i++)
		err = realm_secure(calls, &settings->realms[i], &why);
	for (size_t i = 0; !err && i < settings->trunks->n; i++)
		err = trunk_secure(calls, &settings->trunks->list[i], &why);
	if (err)
		snprintf(error, error_size, "TLS: %s: %s", why.field, why.text);
	else
		tls_ends_use(calls);
	return err;
}

void tls_ends_use(struct calls *calls)
{
	const struct calls_settings *settings = &calls->settings;

	for (size_t i = 0; i < calls->n_listeners; i++) {
		listener_tls_forget(calls->listeners[i].listener);
		listener_tls_set(calls->listeners[i].listener, NULL, NULL);
	}
	for (size_t i = 0; i < settings->n_realms; i++)
		realm_use(calls, &settings->realms[i]);
	for (size_t i = 0; i < settings->trunks->n; i++)
		if (tls_ends_expect(calls, &settings->trunks->list[i]))
			log_error(
				&log_call, "no_memory", "trunk=%s", settings->trunks->list[i].name);
	for (size_t i = 0; i < calls->tls_ends->n; i++)
		log_debug(&log_call, "tls_read", "%s=%s", calls->tls_ends->list[i].of,
			calls->tls_ends->list[i].name);
}

void tls_ends_free(struct tls_ends *ends)
{
	for (size_t i = 0; ends && i < ends->n; i++)
		tls_destroy(ends->list[i].tls);
	free(ends);
}

void tls_ends_undo(struct calls *calls, struct tls_ends *before)
{
	if (calls->tls_ends != before)
		tls_ends_free(calls->tls_ends);
	calls->tls_ends = before;
}

void tls_ends_close(struct calls *calls)
{
	tls_ends_free(calls->tls_ends);
	calls->tls_ends = NULL;
}
