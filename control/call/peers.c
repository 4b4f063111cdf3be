// Peers that are names: each is watched, and what it leads to becomes the targets of its trunk,
// with all that hangs on them: who may talk to us, whom TLS is to find there, and OPTIONS.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "call_private.h"
#include "outside.h"
#include "plan.h"
#include "resolver.h"

struct peer {
	LIST_ENTRY(peer) link;
	struct calls *calls;
	struct trunk *trunk;
	struct trunk_peer *peer;
	struct resolver_watch *watch;
};

struct peers {
	struct resolver *resolver;
	LIST_HEAD(, peer) list;
};

static void log_targets(const struct peer *peer)
{
	const struct trunk_peer *of = peer->peer;
	char list[512] = "", address[ADDRESS_TEXT_SIZE];
	size_t length = 0;

	for (size_t i = 0; i < of->n_targets && length < sizeof(list); i++)
		length += (size_t)snprintf(list + length, sizeof(list) - length, "%s%s",
			i ? "," : "",
			address_text((const struct sockaddr *)&of->targets[i].target->address,
				address, sizeof(address)));
	log_at(&log_call, of->n_targets ? LOG_LEVEL_INFO : LOG_LEVEL_WARN, "peer_resolved",
		"trunk=%s host=%s targets=%s", peer->trunk->name, of->host, length ? list : "none");
}

static void targets_use(struct peer *peer)
{
	struct calls *calls = peer->calls;
	struct probes *probes;

	log_targets(peer);
	if (trunk_admit(calls, peer->trunk) || tls_ends_expect(calls, peer->trunk))
		log_error(&log_call, "no_memory", "trunk=%s", peer->trunk->name);
	probes = probes_start(calls);
	if (!probes)
		return; // the old ones go on
	probes_stop(calls->probes);
	calls->probes = probes;
}

static enum realm_transport realm_transport(enum transport_protocol protocol)
{
	static const enum realm_transport transports[] = {[TRANSPORT_UDP] = REALM_UDP,
		[TRANSPORT_TCP] = REALM_TCP,
		[TRANSPORT_TLS] = REALM_TLS};

	return transports[protocol];
}

// While servers are silent, what was known is the best guess.
static void on_resolved(void *arg, const struct resolver_result *result)
{
	struct peer_address list[RESOLVER_TARGETS_MAX];
	struct peer *peer = arg;
	int changed;

	if (result->failed && (!result->n || peer->peer->n_targets)) {
		log_warn(&log_call, "peer_not_resolved", "trunk=%s host=%s", peer->trunk->name,
			peer->peer->host);
		return;
	}
	for (size_t i = 0; i < result->n; i++) {
		const struct resolver_target *target = &result->targets[i];

		list[i] = (struct peer_address){.transport = realm_transport(target->transport),
			.priority = target->priority,
			.weight = target->weight};
		memcpy(&list[i].address, &target->address, sizeof(target->address));
	}
	changed = trunk_peer_resolved(peer->trunk, peer->peer, list, result->n);
	if (changed > 0)
		targets_use(peer);
}

struct resolver_question realm_question(const struct realm *realm)
{
	struct resolver_question question = {0};

	for (size_t i = 0; i < realm->n_listeners; i++) {
		const struct realm_listener *listener = &realm->listeners[i];

		if (realm_transport_is_websocket(listener->transport))
			continue; // leads to nobody
		question.transports[calls_protocol(listener->transport)] = true;
		question.v4 = question.v4 || listener->address.ss_family == AF_INET;
		question.v6 = question.v6 || listener->address.ss_family == AF_INET6;
	}
	return question;
}

static struct resolver_question question_of(const struct peer *peer)
{
	struct resolver_question question = realm_question(peer->trunk->realm);

	question.host = peer->peer->host;
	question.port = peer->peer->port;
	question.transport = peer->peer->any_transport ? RESOLVER_ANY
						       : (int)calls_protocol(peer->peer->transport);
	return question;
}

static int peer_watch(struct calls *calls, struct trunk *trunk, struct trunk_peer *of)
{
	struct peer *peer = calloc(1, sizeof(*peer));
	struct resolver_question question;

	if (!peer)
		return -ENOMEM;
	*peer = (struct peer){.calls = calls, .trunk = trunk, .peer = of};
	question = question_of(peer);
	peer->watch = resolver_watch(calls->peers->resolver, &question, on_resolved, peer);
	if (!peer->watch) {
		free(peer);
		return -ENOMEM;
	}
	LIST_INSERT_HEAD(&calls->peers->list, peer, link);
	return 0;
}

static int peers_open(struct calls *calls)
{
	const char *servers = calls->settings.dns_servers;

	if (calls->peers)
		return 0;
	calls->peers = calloc(1, sizeof(*calls->peers));
	if (!calls->peers)
		return -ENOMEM;
	LIST_INIT(&calls->peers->list);
	calls->peers->resolver =
		resolver_create(calls->settings.base, servers && servers[0] ? servers : NULL);
	if (calls->peers->resolver)
		return 0;
	free(calls->peers);
	calls->peers = NULL;
	return -ENOMEM;
}

struct resolver *calls_resolver(struct calls *calls)
{
	return peers_open(calls) ? NULL : calls->peers->resolver;
}

int peers_start(struct calls *calls)
{
	const struct trunks *trunks = calls->settings.trunks;
	int err = 0;

	for (size_t i = 0; i < trunks->n; i++)
		for (size_t j = 0; !err && j < trunks->list[i].n_peers; j++) {
			if (!trunks->list[i].peers[j].host)
				continue;
			err = peers_open(calls);
			if (!err)
				err = peer_watch(
					calls, &trunks->list[i], &trunks->list[i].peers[j]);
		}
	return err;
}

void peers_stop(struct calls *calls)
{
	struct peers *peers = calls->peers;
	struct peer *peer, *next;

	hops_stop(calls);
	if (!peers)
		return;
	for (peer = LIST_FIRST(&peers->list); peer; peer = next) {
		next = LIST_NEXT(peer, link);
		resolver_unwatch(peer->watch);
		free(peer);
	}
	resolver_destroy(peers->resolver);
	free(peers);
	calls->peers = NULL;
}
