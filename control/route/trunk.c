// Which trunk a request comes from, where calls to one go, and whether it may take another.
#include "trunk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "weighted.h"

enum { TARGETS_MAX = 256 }; // of a trunk that one call looks at

static bool has_peer(const struct trunk *trunk, const struct sockaddr *source,
	bool (*equal)(const struct sockaddr *, const struct sockaddr *))
{
	for (size_t i = 0; i < trunk->n_peers; i++) {
		const struct trunk_peer *peer = &trunk->peers[i];

		for (size_t j = 0; j < peer->n_targets; j++)
			if (equal((const struct sockaddr *)&peer->targets[j].target->address,
				    source))
				return true;
	}
	return false;
}

struct trunk *trunk_match(
	const struct trunks *trunks, const struct realm *realm, const struct sockaddr *source)
{
	struct trunk *by_host = NULL;

	for (size_t i = 0; i < trunks->n; i++) {
		struct trunk *trunk = &trunks->list[i];

		if (trunk->realm != realm || !has_peer(trunk, source, address_equal_host))
			continue;
		if (has_peer(trunk, source, address_equal))
			return trunk;
		if (!by_host)
			by_host = trunk;
	}
	return by_host;
}

static bool has_registered_users(const struct trunk *trunk, const struct realm *realm)
{
	return trunk->realm == realm && trunk->users && trunk->users->registers;
}

struct trunk *trunk_of_domain(
	const struct trunks *trunks, const struct realm *realm, struct slice domain)
{
	struct trunk *first = NULL;
	bool is_only = true;

	for (size_t i = 0; i < trunks->n; i++) {
		struct trunk *trunk = &trunks->list[i];

		if (!has_registered_users(trunk, realm))
			continue;
		if (slice_equal_nocase(slice_of(trunk->users->domain), domain))
			return trunk;
		is_only =
			is_only && (!first || !strcmp(first->users->domain, trunk->users->domain));
		if (!first)
			first = trunk;
	}
	return is_only ? first : NULL;
}

bool trunks_are_open(const struct trunks *trunks, const struct realm *realm)
{
	for (size_t i = 0; i < trunks->n; i++)
		if (has_registered_users(&trunks->list[i], realm))
			return true;
	return false;
}

bool trunk_is_secure(const struct trunk *trunk)
{
	for (size_t i = 0; i < trunk->n_peers; i++)
		if (trunk->peers[i].transport != REALM_TLS && !trunk->peers[i].any_transport)
			return false;
	return trunk->n_peers > 0;
}

struct trunk *trunk_find(const struct trunks *trunks, const char *name)
{
	for (size_t i = 0; i < trunks->n; i++)
		if (!strcmp(trunks->list[i].name, name))
			return &trunks->list[i];
	return NULL;
}

// Its state, and what its peers are reached by.

static int peer_open(struct trunk *trunk, struct trunk_peer *peer)
{
	if (peer->host)
		return 0; // DNS will say
	peer->targets = calloc(1, sizeof(*peer->targets));
	if (!peer->targets)
		return -ENOMEM;
	peer->targets->target =
		target_take(&trunk->state->targets, peer->transport, &peer->address);
	if (!peer->targets->target)
		return -ENOMEM;
	peer->n_targets = 1;
	return 0;
}

static void peer_close(struct trunk_peer *peer)
{
	for (size_t i = 0; i < peer->n_targets; i++)
		target_return(peer->targets[i].target);
	free(peer->targets);
	peer->targets = NULL;
	peer->n_targets = 0;
}

static bool leads_to(const struct trunk_peer *peer, const struct target *target)
{
	for (size_t i = 0; i < peer->n_targets; i++)
		if (peer->targets[i].target == target)
			return true;
	return false;
}

int trunk_peer_resolved(
	struct trunk *trunk, struct trunk_peer *peer, const struct peer_address *list, size_t n)
{
	struct trunk_peer before = *peer;
	bool changed = n != before.n_targets;

	peer->n_targets = 0;
	peer->targets = calloc(n ? n : 1, sizeof(*peer->targets));
	for (size_t i = 0; peer->targets && i < n; i++) {
		struct target *target =
			target_take(&trunk->state->targets, list[i].transport, &list[i].address);

		if (!target)
			break;
		target_host_set(target, peer->host, peer->port);
		changed = changed || !leads_to(&before, target);
		peer->targets[peer->n_targets++] =
			(struct peer_target){target, list[i].priority, list[i].weight};
	}
	if (!peer->targets || peer->n_targets < n) {
		peer_close(peer);
		*peer = before;
		return -ENOMEM;
	}
	peer_close(&before);
	return changed;
}

int trunk_open(struct trunk *trunk, struct trunk_state *before)
{
	int err = 0;

	trunk->state = before ? before : calloc(1, sizeof(*trunk->state));
	if (!trunk->state)
		return -ENOMEM;
	trunk->state->refs++;
	for (size_t i = 0; !err && i < trunk->n_peers; i++)
		err = peer_open(trunk, &trunk->peers[i]);
	if (err)
		trunk_close(trunk);
	return err;
}

void trunk_close(struct trunk *trunk)
{
	struct trunk_state *state = trunk->state;

	if (!state)
		return;
	for (size_t i = 0; i < trunk->n_peers; i++)
		peer_close(&trunk->peers[i]);
	trunk->state = NULL;
	if (!--state->refs)
		free(state);
}

// Where a call may go.

static size_t peer_targets(const struct trunk_peer *peer, struct target **out, size_t max)
{
	struct weighted order[TARGETS_MAX];
	size_t n = peer->n_targets < TARGETS_MAX ? peer->n_targets : TARGETS_MAX;

	for (size_t i = 0; i < n; i++)
		order[i] = (struct weighted){peer->targets[i].priority, peer->targets[i].weight, i};
	weighted_order(order, n, random_below);
	for (size_t i = 0; i < n && i < max; i++)
		out[i] = peer->targets[order[i].index].target;
	return n < max ? n : max;
}

// All of them, by priority and weight.
static size_t targets_order(const struct trunk *trunk, struct target **out, size_t max)
{
	struct weighted order[TARGETS_MAX];
	size_t n_peers = trunk->n_peers < TARGETS_MAX ? trunk->n_peers : TARGETS_MAX, n = 0;

	for (size_t i = 0; i < n_peers; i++)
		order[i] = (struct weighted){trunk->peers[i].priority, trunk->peers[i].weight, i};
	weighted_order(order, n_peers, random_below);
	for (size_t i = 0; i < n_peers; i++)
		n += peer_targets(&trunk->peers[order[i].index], out + n, max - n);
	return n;
}

size_t trunk_targets(
	const struct trunk *trunk, uint64_t now_ms, bool desperate, struct target **out, size_t max)
{
	enum target_fitness worst = desperate ? TARGET_UNFIT : TARGET_LAST;
	struct target *all[TARGETS_MAX];
	size_t n_all = targets_order(trunk, all, TARGETS_MAX), n = 0;

	for (enum target_fitness fitness = TARGET_FIT; fitness <= worst; fitness++)
		for (size_t i = 0; i < n_all && n < max; i++)
			if (target_fitness(all[i], now_ms) == fitness)
				out[n++] = target_hold(all[i]);
	return n;
}

// Limits and load.

// The bucket holds one second's worth of calls and starts full; the first use sets its clock.
static void allowance_grow(
	struct trunk_load *load, const struct trunk_limits *limits, uint64_t now_ms)
{
	uint64_t full = (uint64_t)limits->calls_per_s * 1000;
	uint64_t elapsed_ms = now_ms - load->allowance_at_ms;

	if (!load->allowance_at_ms || elapsed_ms >= 1000)
		load->allowance = full;
	else
		load->allowance += elapsed_ms * limits->calls_per_s;
	if (load->allowance > full)
		load->allowance = full;
	load->allowance_at_ms = now_ms;
}

static int room_check(struct trunk_load *load, const struct trunk_limits *limits, uint64_t now_ms)
{
	if (limits->calls && load->calls >= limits->calls)
		return -EBUSY;
	if (!limits->calls_per_s)
		return 0;
	allowance_grow(load, limits, now_ms);
	return load->allowance < 1000 ? -EAGAIN : 0;
}

int trunk_call_start(struct trunk *trunk, enum trunk_direction direction, uint64_t now_ms)
{
	const enum trunk_direction both[] = {TRUNK_BOTH, direction};
	struct trunk_load *load = trunk->state->load;
	int rc = 0;

	for (int i = 0; !rc && i < 2; i++)
		rc = room_check(&load[both[i]], &trunk->limits[both[i]], now_ms);
	for (int i = 0; i < 2; i++) {
		load[both[i]].refused += rc != 0;
		if (!rc && trunk->limits[both[i]].calls_per_s)
			load[both[i]].allowance -= 1000;
	}
	if (!rc)
		trunk_call_force(trunk, direction);
	return rc;
}

void trunk_call_force(struct trunk *trunk, enum trunk_direction direction)
{
	struct trunk_load *load = trunk->state->load;

	load[TRUNK_BOTH].calls++;
	load[TRUNK_BOTH].started++;
	load[direction].calls++;
	load[direction].started++;
}

void trunk_call_stop(struct trunk *trunk, enum trunk_direction direction)
{
	struct trunk_load *load = trunk->state->load;

	load[TRUNK_BOTH].calls -= load[TRUNK_BOTH].calls > 0;
	load[direction].calls -= load[direction].calls > 0;
}
