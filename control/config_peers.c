// The peers of a trunk, and the rules of how calls are shared among them: limits, health, failover.
#include <stdlib.h>
#include <string.h>

#include "config_check.h"
#include "config_file.h"
#include "config_private.h"

#define CALLS_PER_S_MAX 100000
#define PRECEDENCE_MAX	65535
#define INTERVAL_S_MAX	86400
#define TIMEOUT_S_MAX	32 // 64*T1, after which the transaction is over anyway
#define IN_ROW_MAX	100

static bool realm_can_reach(const struct realm *realm, const struct trunk_peer *peer)
{
	for (size_t i = 0; i < realm->n_listeners; i++)
		if (realm->listeners[i].transport == peer->transport &&
			realm->listeners[i].address.ss_family == peer->address.ss_family)
			return true;
	return false;
}

// A request's source must say which trunk it is of.
static int check_peer_alone(const struct check *check, const struct config *config,
	const struct trunk *trunk, const struct trunk_peer *peer, const char *where)
{
	bool registers = config->file->trunks[trunk - config->trunks.list].registration;

	for (size_t i = 0; i < config->trunks.n; i++) {
		const struct trunk *other = &config->trunks.list[i];

		// Several accounts of one carrier: calls name the one by its registration.
		if (other != trunk && config->file->trunks[i].registration && registers)
			continue;
		for (size_t j = 0; other->realm == trunk->realm && j < other->n_peers; j++)
			if (&other->peers[j] != peer &&
				address_equal((const struct sockaddr *)&other->peers[j].address,
					(const struct sockaddr *)&peer->address))
				return check_failed(check, where,
					"trunk '%s' has this address and port as a peer already",
					other->name);
	}
	return 0;
}

// `where` is the mapping that has priority and weight.
static int read_precedence(const struct check *check, const char *where,
	const struct file_peer *from, struct trunk_peer *peer)
{
	char place[CHECK_WHERE_SIZE];
	int rc = check_range(check, check_where(place, "%.80s.priority", where), *from->priority, 0,
		PRECEDENCE_MAX);

	if (!rc)
		rc = check_range(check, check_where(place, "%.80s.weight", where), *from->weight, 0,
			PRECEDENCE_MAX);
	peer->priority = *from->priority;
	peer->weight = *from->weight;
	return rc;
}

static int read_transport(const struct check *check, const char *where,
	const struct file_peer *from, struct trunk_peer *peer)
{
	char place[CHECK_WHERE_SIZE];
	int rc = config_read_transport(check, where, from->transport, &peer->transport);

	if (!rc && realm_transport_is_websocket(peer->transport))
		rc = check_failed(check, check_where(place, "%.80s.transport", where),
			"a peer cannot be on %s: only the far end opens such connections",
			from->transport);
	return rc;
}

// A peer that is a name: its transport and port are DNS's to say, where they are not said here.
static int read_name(const struct check *check, const char *where, const struct file_peer *from,
	const struct realm *realm, struct trunk_peer *peer)
{
	char place[CHECK_WHERE_SIZE];
	int rc = 0;

	peer->host = from->address;
	peer->any_transport = !from->transport;
	if (from->port) {
		rc = check_range(
			check, check_where(place, "%.80s.port", where), *from->port, 1, UINT16_MAX);
		peer->port = (uint16_t)*from->port;
	}
	if (!rc && from->transport)
		rc = read_transport(check, where, from, peer);
	if (!rc && from->transport && !config_realm_listens(realm, peer->transport))
		rc = check_failed(check, where, "realm '%s' has no SIP listener for %s",
			realm->name, from->transport);
	return rc;
}

static int read_address(const struct check *check, const char *where, const struct file_peer *from,
	const struct realm *realm, struct trunk_peer *peer)
{
	int rc = read_transport(check, where, from, peer);

	if (!rc)
		rc = config_read_endpoint(check, where, from->address, *from->port, &peer->address);
	if (!rc && !realm_can_reach(realm, peer))
		rc = check_failed(check, where,
			"realm '%s' has no SIP listener of this address family for %s", realm->name,
			from->transport);
	return rc;
}

int config_read_peers(const struct check *check, const struct config *config,
	const struct file_trunk *from, unsigned int number, struct trunk *trunk)
{
	char where[CHECK_WHERE_SIZE];
	int rc = 0;

	trunk->peers = calloc(from->peers_count, sizeof(*trunk->peers));
	if (!trunk->peers)
		return check_memory(check);
	for (uint32_t i = 0; !rc && i < from->peers_count; i++) {
		struct trunk_peer *peer = &trunk->peers[i];

		check_where(where, "trunks[%u].peers[%u]", number, i + 1);
		rc = config_is_name(from->peers[i].address)
			     ? read_name(check, where, &from->peers[i], trunk->realm, peer)
			     : read_address(check, where, &from->peers[i], trunk->realm, peer);
		trunk->n_peers += !rc;
		if (!rc)
			rc = read_precedence(check, where, &from->peers[i], peer);
		if (!rc && !peer->host)
			rc = check_peer_alone(check, config, trunk, peer, where);
	}
	return rc;
}

static int read_limits(const struct check *check, const char *where, uint32_t calls,
	uint32_t calls_per_s, struct trunk_limits *limits)
{
	char place[CHECK_WHERE_SIZE];
	int rc = check_range(check, check_where(place, "%.80s.calls", where), calls, 0, CALLS_MAX);

	if (!rc)
		rc = check_range(check, check_where(place, "%.80s.calls_per_s", where), calls_per_s,
			0, CALLS_PER_S_MAX);
	*limits = (struct trunk_limits){calls, calls_per_s};
	return rc;
}

static int read_trunk_limits(const struct check *check, const struct file_trunk_limits *from,
	unsigned int number, struct trunk *trunk)
{
	char where[CHECK_WHERE_SIZE];
	int rc;

	check_where(where, "trunks[%u].limits", number);
	rc = read_limits(
		check, where, *from->calls, *from->calls_per_s, &trunk->limits[TRUNK_BOTH]);
	if (!rc && from->in)
		rc = read_limits(check, check_where(where, "trunks[%u].limits.in", number),
			*from->in->calls, *from->in->calls_per_s, &trunk->limits[TRUNK_IN]);
	if (!rc && from->out)
		rc = read_limits(check, check_where(where, "trunks[%u].limits.out", number),
			*from->out->calls, *from->out->calls_per_s, &trunk->limits[TRUNK_OUT]);
	return rc;
}

static int read_statuses(const struct check *check, const char *where, char *const *texts,
	uint32_t n, struct status_set *set)
{
	char place[CHECK_WHERE_SIZE];

	if (n == 1 && !strcmp(texts[0], "none"))
		return 0;
	for (uint32_t i = 0; i < n; i++)
		if (status_set_add(set, texts[i]))
			return check_failed(check, check_where(place, "%.80s[%u]", where, i + 1),
				"expected a status as 503, a range as 400-407, or 5xx, not '%s'",
				texts[i]);
	return 0;
}

static int read_seconds(const struct check *check, const char *where, uint32_t s, uint32_t least,
	uint32_t most, uint32_t *out_ms)
{
	*out_ms = s * 1000;
	return check_range(check, where, s, least, most);
}

static int read_health(const struct check *check, const struct file_health *from,
	unsigned int number, struct health_rules *rules)
{
	char where[CHECK_WHERE_SIZE];
	int rc;

	check_where(where, "trunks[%u].health.interval_s", number);
	rc = read_seconds(check, where, *from->interval_s, 1, INTERVAL_S_MAX, &rules->interval_ms);
	check_where(where, "trunks[%u].health.timeout_s", number);
	if (!rc)
		rc = read_seconds(
			check, where, *from->timeout_s, 1, TIMEOUT_S_MAX, &rules->timeout_ms);
	check_where(where, "trunks[%u].health.fails", number);
	if (!rc)
		rc = check_range(check, where, *from->fails, 1, IN_ROW_MAX);
	check_where(where, "trunks[%u].health.successes", number);
	if (!rc)
		rc = check_range(check, where, *from->successes, 1, IN_ROW_MAX);
	check_where(where, "trunks[%u].health.alive", number);
	if (!rc)
		rc = read_statuses(check, where, from->alive, from->alive_count, &rules->alive);
	rules->fails = *from->fails;
	rules->successes = *from->successes;
	return rc;
}

static int read_failover(const struct check *check, const struct file_failover *from,
	unsigned int number, struct trunk_failover *failover)
{
	char where[CHECK_WHERE_SIZE];
	int rc;

	check_where(where, "trunks[%u].failover.codes", number);
	rc = read_statuses(check, where, from->codes, from->codes_count, &failover->codes);
	check_where(where, "trunks[%u].failover.timeout_s", number);
	if (!rc)
		rc = read_seconds(
			check, where, *from->timeout_s, 1, TIMEOUT_S_MAX, &failover->timeout_ms);
	check_where(where, "trunks[%u].failover.backoff_s", number);
	if (!rc)
		rc = read_seconds(
			check, where, *from->backoff_s, 0, INTERVAL_S_MAX, &failover->backoff_ms);
	return rc;
}

int config_read_trunk_rules(const struct check *check, const struct file_trunk *from,
	unsigned int number, struct trunk *trunk)
{
	int rc = read_trunk_limits(check, from->limits, number, trunk);

	if (!rc && from->health)
		rc = read_health(check, from->health, number, &trunk->health);
	if (!rc)
		rc = read_failover(check, from->failover, number, &trunk->failover);
	return rc;
}
