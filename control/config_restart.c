// What a running process cannot take over from another configuration, by name.
#include <stdio.h>
#include <string.h>

#include "config_private.h"

struct names {
	char *out;
	size_t size;
};

static void put(struct names *names, const char *name)
{
	size_t used = strlen(names->out);

	snprintf(names->out + used, names->size - used, "%s%s", used ? ", " : "", name);
}

static bool differs(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) != 0 : a != b;
}

static const struct realm_listener *same_listener(const struct config *config,
	const struct realm_listener *wanted, const struct realm **realm)
{
	for (size_t i = 0; i < config->n_realms; i++)
		for (size_t j = 0; j < config->realms[i].n_listeners; j++) {
			const struct realm_listener *listener = &config->realms[i].listeners[j];

			*realm = &config->realms[i];
			if (listener->transport == wanted->transport &&
				address_equal((const struct sockaddr *)&listener->address,
					(const struct sockaddr *)&wanted->address))
				return listener;
		}
	return NULL;
}

// Their sockets stay open, for the calls on them; Via and Contact stay what they were.
static void put_listeners(
	struct names *names, const struct config *started, const struct config *config)
{
	char text[160], address[ADDRESS_TEXT_SIZE];

	for (size_t i = 0; i < started->n_realms; i++) {
		const struct realm *old = &started->realms[i], *new;

		for (size_t j = 0; j < old->n_listeners; j++) {
			const struct realm_listener *listener = &old->listeners[j];
			bool kept = same_listener(config, listener, &new);

			address_text((const struct sockaddr *)&listener->address, address,
				sizeof(address));
			snprintf(text, sizeof(text), "%s of listener %s",
				kept ? "advertised" : "the socket", address);
			if (!kept || memcmp(&new->advertised, &old->advertised,
					     sizeof(old->advertised)) != 0)
				put(names, text);
		}
	}
}

void config_restart_needed(
	const struct config *started, const struct config *config, char *out, size_t size)
{
	struct names names = {out, size};

	out[0] = '\0';
	if (differs(started->node, config->node))
		put(&names, "node");
	if (differs(started->dataplane, config->dataplane))
		put(&names, "dataplane");
	if (differs(started->admin, config->admin))
		put(&names, "admin");
	if (differs(started->cdr_file, config->cdr_file))
		put(&names, "cdr.file");
	if (memcmp(&started->http, &config->http, sizeof(config->http)) != 0)
		put(&names, "http");
	if (started->limits.trace_megabytes != config->limits.trace_megabytes)
		put(&names, "trace.megabytes");
	if (started->limits.bindings != config->limits.bindings)
		put(&names, "limits.bindings");
	put_listeners(&names, started, config);
}
