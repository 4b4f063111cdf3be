// Which certificate is shown and expected where: one end of TLS for the listeners of a realm, one
// for its connections to whom no trunk names, and one for each trunk that has peers of TLS.
//
// Subtle: sessions of OpenSSL refer to them, so they are closed after the SIP stack.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "call_private.h"

struct end {
	struct tls *tls;
	const char *of, *name; // realm or trunk
};

struct tls_ends {
	size_t n;
	struct end list[];
};

static struct tls *end_add(struct calls *calls, const struct tls_settings *settings, const char *of,
	const char *name, struct tls_error *error)
{
	struct end *end = &calls->tls_ends->list[calls->tls_ends->n];

	*end = (struct end){tls_create(settings, error), of, name};
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
	struct tls *server, *client;

	if (!realm->tls.certificate)
		return 0;
	server = end_add(calls, &realm->tls, "realm", realm->name, error);
	client = server ? end_add(calls, &out, "realm", realm->name, error) : NULL;
	if (!client)
		return -errno;
	for (size_t i = 0; i < calls->n_listeners; i++) {
		struct listener *listener = calls->listeners[i].listener;

		if (calls->listeners[i].realm == realm &&
			listener_protocol(listener) == TRANSPORT_TLS)
			listener_tls_set(listener, server, client);
	}
	return 0;
}

static int target_expect(struct calls *calls, const struct trunk *trunk,
	const struct target *target, struct tls *client)
{
	const struct sockaddr *address = (const struct sockaddr *)&target->address;
	struct listener *listener = calls_listener(calls, trunk->realm, TRANSPORT_TLS, address);
	struct sip_address remote;
	int err = sip_address_from(address, sizeof(target->address), &remote);

	if (err || !listener)
		return err;
	return listener_tls_expect(listener, &remote, client);
}

static int trunk_secure(struct calls *calls, const struct trunk *trunk, struct tls_error *error)
{
	struct tls *client = NULL;
	int err = 0;

	for (size_t i = 0; !err && i < trunk->n_peers; i++) {
		if (trunk->peers[i].transport != REALM_TLS)
			continue;
		if (!client)
			client = end_add(calls, &trunk->tls, "trunk", trunk->name, error);
		if (!client)
			return -errno;
		for (size_t j = 0; !err && j < trunk->peers[i].n_targets; j++)
			err = target_expect(
				calls, trunk, trunk->peers[i].targets[j].target, client);
	}
	return err;
}

int tls_ends_open(struct calls *calls, char *error, size_t error_size)
{
	const struct calls_settings *settings = &calls->settings;
	size_t most = 2 * settings->n_realms + settings->trunks->n;
	struct tls_error why = {.field = "memory"};
	int err = 0;

	calls->tls_ends = calloc(1, sizeof(struct tls_ends) + most * sizeof(struct end));
	if (!calls->tls_ends)
		return -ENOMEM;
	for (size_t i = 0; !err && i < settings->n_realms; i++)
		err = realm_secure(calls, &settings->realms[i], &why);
	for (size_t i = 0; !err && i < settings->trunks->n; i++)
		err = trunk_secure(calls, &settings->trunks->list[i], &why);
	if (err)
		snprintf(error, error_size, "TLS: %s: %s", why.field, why.text);
	return err;
}

void tls_ends_close(struct calls *calls)
{
	for (size_t i = 0; calls->tls_ends && i < calls->tls_ends->n; i++)
		tls_destroy(calls->tls_ends->list[i].tls);
	free(calls->tls_ends);
	calls->tls_ends = NULL;
}

void calls_tls_reload(struct calls *calls)
{
	for (size_t i = 0; calls->tls_ends && i < calls->tls_ends->n; i++) {
		const struct end *end = &calls->tls_ends->list[i];
		struct tls_error error = {.field = "memory"};
		char quoted[300];

		if (!tls_reload(end->tls, &error))
			log_info(&log_call, "tls_reloaded", "%s=%s", end->of, end->name);
		else
			log_error(&log_call, "tls_not_reloaded", "%s=%s %s=%s", end->of, end->name,
				error.field, log_quote(quoted, sizeof(quoted), error.text, -1));
	}
}
