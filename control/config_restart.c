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

// Via and Contact stay what they were.
static void put_listeners(
	struct names *names, const struct config *started, const struct config *config)
{
	char text[160], address[ADDRESS_TEXT_SIZE];

	for (size_t i = 0; i < started->n_realms; i++) {
		const struct realm *old = &started->realms[i], *new;

		for (size_t j = 0; j < old->n_listeners; j++) {
			const struct realm_listener *listener = &old->listeners[j];

			if (!same_listener(config, listener, &new) ||
				!memcmp(&new->advertised, &old->advertised,
					sizeof(old->advertised)))
				continue;
			address_text((const struct sockaddr *)&listener->address, address,
				sizeof(address));
			snprintf(text, sizeof(text), "advertised of listener %s", address);
			put(names, text);
		}
	}
}

static bool same_shards(const struct config_cluster *a, const struct config_cluster *b)
{
	if (a->shards.n != b->shards.n)
		return false;
	for (size_t i = 0; i < a->shards.n; i++) {
		const struct shard *x = &a->shards.list[i], *y = &b->shards.list[i];
		const struct cluster_shard *p = &a->owners[i], *q = &b->owners[i];

		if (strcmp(x->name, y->name) != 0 || x->n_addresses != y->n_addresses ||
			p->n_nodes != q->n_nodes)
			return false;
		for (size_t j = 0; j < x->n_addresses; j++)
			if (strcmp(x->addresses[j].realm, y->addresses[j].realm) != 0 ||
				!sdp_address_equal(&x->addresses[j].sip, &y->addresses[j].sip) ||
				!sdp_address_equal(&x->addresses[j].media, &y->addresses[j].media))
				return false;
		for (size_t j = 0; j < p->n_nodes; j++)
			if (strcmp(p->nodes[j], q->nodes[j]) != 0)
				return false;
	}
	return true;
}

static bool same_store(const struct store_config *a, const struct store_config *b)
{
	bool same = a->redis.n_addresses == b->redis.n_addresses && a->lease_ms == b->lease_ms &&
		    a->flush_ms == b->flush_ms && !differs(a->redis.master, b->redis.master) &&
		    !differs(a->redis.user, b->redis.user) &&
		    !differs(a->redis.password, b->redis.password) &&
		    !differs(a->redis.sentinel_user, b->redis.sentinel_user) &&
		    !differs(a->redis.sentinel_password, b->redis.sentinel_password) &&
		    !differs(a->redis.prefix, b->redis.prefix) &&
		    a->redis.connect_timeout_ms == b->redis.connect_timeout_ms &&
		    a->redis.command_timeout_ms == b->redis.command_timeout_ms &&
		    a->redis.tls.on == b->redis.tls.on &&
		    !differs(a->redis.tls.ca_file, b->redis.tls.ca_file) &&
		    !differs(a->redis.tls.cert_file, b->redis.tls.cert_file) &&
		    !differs(a->redis.tls.key_file, b->redis.tls.key_file) &&
		    !differs(a->redis.tls.name, b->redis.tls.name);

	for (size_t i = 0; same && i < a->redis.n_addresses; i++)
		same = !strcmp(a->redis.addresses[i], b->redis.addresses[i]);
	return same;
}

static bool same_cluster(const struct config_cluster *a, const struct config_cluster *b)
{
	const struct cluster_settings *x = &a->settings, *y = &b->settings;

	if (a->on != b->on)
		return false;
	if (!a->on)
		return true;
	if (x->n_nodes != y->n_nodes || x->heartbeat_ms != y->heartbeat_ms ||
		x->n_missed != y->n_missed || x->store_votes != y->store_votes ||
		strcmp(x->key_file, y->key_file) != 0)
		return false;
	for (size_t i = 0; i < x->n_nodes; i++)
		if (strcmp(x->nodes[i].name, y->nodes[i].name) != 0 ||
			!address_equal((const struct sockaddr *)&x->nodes[i].address,
				(const struct sockaddr *)&y->nodes[i].address))
			return false;
	return same_store(&x->store, &y->store) && same_shards(a, b);
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
	if (!same_cluster(&started->cluster, &config->cluster))
		put(&names, "cluster");
	put_listeners(&names, started, config);
}
