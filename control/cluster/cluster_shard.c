// One shard: whose it is as far as we know, and whether to claim it. The subtle thing is the
// order of news: what a heartbeat, the store and a conflict say comes in any order, and an epoch
// that is not higher than ours never takes a shard away.
#include "cluster_private.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

struct shard_state *shard_state_find(const struct cluster *cluster, const char *name)
{
	for (size_t i = 0; i < cluster->n_shards; i++)
		if (!strcmp(cluster->shards[i].config->name, name))
			return &cluster->shards[i];
	return NULL;
}

static const char *name_of(const struct shard_state *shard)
{
	return shard->config->name;
}

static void forget(struct shard_state *shard)
{
	shard->asked = false;
	shard->free_since_ms = 0;
}

static void drop(struct shard_state *shard, uint64_t epoch, const char *why)
{
	struct cluster *cluster = shard->cluster;

	if (epoch > shard->highest)
		shard->highest = epoch;
	if (!shard->owned)
		return;
	log_warn(&log_cluster, "shard_dropped",
		"shard=%s epoch=%" PRIu64 " newer=%" PRIu64 " why=%s", name_of(shard), shard->epoch,
		epoch, why);
	shard->owned = false;
	shard->told = epoch;
	cluster->counters.drops++;
	forget(shard);
	cluster->ops->drop(cluster->arg, name_of(shard), epoch);
	// The store finds out by itself where it does not know yet; this has it look.
	store_release(cluster->store, name_of(shard), NULL, NULL);
}

void shard_event(void *arg, const char *name, enum store_shard_state state, uint64_t epoch)
{
	struct cluster *cluster = arg;
	struct shard_state *shard = shard_state_find(cluster, name);

	if (!shard)
		return;
	if (state == STORE_SHARD_LOST) {
		drop(shard, epoch, "store");
		return;
	}
	if (!shard->owned && !shard->claiming) { // dropped while the store still was at it
		store_release(cluster->store, name, NULL, NULL);
		return;
	}
	shard->owned = true;
	shard->epoch = epoch;
	if (epoch > shard->highest)
		shard->highest = epoch;
	log_info(&log_cluster, "shard_owned", "shard=%s epoch=%" PRIu64, name, epoch);
	cluster->ops->own(cluster->arg, name, epoch);
}

// What the store says of it.

static void on_owner(void *arg, const struct store_reply *reply)
{
	struct shard_state *shard = arg;
	uint64_t now_ms = cluster_now_ms();

	shard->asking = false;
	if (shard->doubted) {
		shard->doubted = reply->result == STORE_DOWN;
		if (reply->result != STORE_DOWN && reply->epoch > shard->epoch)
			drop(shard, reply->epoch, "store");
	}
	if (reply->result != STORE_OK && reply->result != STORE_NONE)
		return;
	shard->asked = true;
	shard->asked_ms = now_ms;
	shard->lease_until_ms = reply->left_ms ? now_ms + reply->left_ms : 0;
	strncpy(shard->holder, reply->holder, sizeof(shard->holder) - 1); // also of a lapsed lease
	if (reply->epoch > shard->highest)
		shard->highest = reply->epoch;
}

static void ask(struct shard_state *shard)
{
	if (shard->asking || store_owner(shard->cluster->store, name_of(shard), on_owner, shard))
		return;
	shard->asking = true;
}

void shard_doubt(struct shard_state *shard)
{
	if (!shard->owned)
		return;
	shard->doubted = true;
	ask(shard);
}

static void on_claimed(void *arg, const struct store_reply *reply)
{
	struct shard_state *shard = arg;
	uint64_t now_ms = cluster_now_ms();

	shard->claiming = false;
	if (shard->owned)
		return; // told by shard_event() already
	shard->cluster->counters.claims_lost++;
	log_info(&log_cluster, "not_claimed", "shard=%s why=%s holder=%s left_ms=%" PRIu64,
		name_of(shard), store_result_name(reply->result), reply->holder, reply->left_ms);
	forget(shard);
	if (reply->result != STORE_HELD && reply->result != STORE_EARLY)
		return;
	shard->asked = true;
	shard->asked_ms = now_ms;
	shard->lease_until_ms = now_ms + reply->left_ms;
	strncpy(shard->holder, reply->holder, sizeof(shard->holder) - 1);
}

static void claim(struct shard_state *shard)
{
	int err;

	shard->claiming = true;
	shard->cluster->counters.claims++;
	err = store_claim(shard->cluster->store, name_of(shard), on_claimed, shard);
	if (!err)
		return;
	shard->claiming = false; // the store is not done with what was: the next turn
	if (err != -EALREADY)
		log_warn(&log_cluster, "not_claimed", "shard=%s error=\"%s\"", name_of(shard),
			strerror(-err));
}

// What we know, for the rule.

static int rank_of(const struct cluster_shard *shard, const char *node)
{
	for (size_t i = 0; i < shard->n_nodes; i++)
		if (!strcmp(shard->nodes[i], node))
			return (int)i;
	return -1;
}

static void owner_fill(const struct shard_state *shard, struct claim_view *view)
{
	const struct members *members = &shard->cluster->members;

	view->owner = CLAIM_OWNER_NONE;
	if (!shard->holder[0])
		return;
	view->owner = CLAIM_OWNER_STRANGER;
	if (!strcmp(shard->holder, shard->cluster->settings->node))
		view->owner = CLAIM_OWNER_US;
	for (size_t i = 0; i < members->n; i++)
		if (!strcmp(members->list[i].node->name, shard->holder)) {
			view->owner = CLAIM_OWNER_MEMBER;
			view->owner_member = i;
		}
}

static enum claim_answer judge(const struct shard_state *shard, uint64_t now_ms)
{
	const struct cluster *cluster = shard->cluster;
	struct claim_peer peers[CLUSTER_NODES_MAX];
	struct claim_view view = {.now_ms = now_ms,
		.rank = shard->rank,
		.draining = cluster->draining,
		.store_up = store_status(cluster->store)->up,
		.store_votes = cluster->settings->store_votes,
		.grace_until_ms = cluster->grace_until_ms,
		.asked = shard->asked,
		.lease_until_ms = shard->lease_until_ms,
		.free_since_ms = shard->free_since_ms ? shard->free_since_ms : now_ms,
		.turn_ms = cluster->members.silence_ms,
		.peers = peers,
		.n_peers = cluster->members.n};

	owner_fill(shard, &view);
	for (size_t i = 0; i < view.n_peers; i++) {
		const struct member *member = &cluster->members.list[i];

		peers[i] = (struct claim_peer){.state = member->state,
			.draining = member->beat.draining,
			.owns = member_epoch(member, name_of(shard)),
			.misses_owner = member_misses(member, shard->holder),
			.rank = rank_of(shard->config, member->node->name)};
	}
	return claim_judge(&view);
}

void shard_turn(struct shard_state *shard, uint64_t now_ms)
{
	const struct cluster *cluster = shard->cluster;
	enum claim_answer answer;

	if (shard->owned || shard->claiming)
		return;
	// What the store has said is news for a lease only.
	if (shard->asked && now_ms - shard->asked_ms > cluster->settings->store.lease_ms &&
		now_ms > shard->lease_until_ms + cluster->settings->store.lease_ms)
		forget(shard);
	answer = judge(shard, now_ms);
	if (answer != shard->answer)
		log_debug(&log_cluster, "claim", "shard=%s answer=%s holder=%s", name_of(shard),
			claim_answer_name(answer), shard->holder);
	shard->answer = answer;
	if (answer != CLAIM_TURN)
		shard->free_since_ms = 0;
	else if (!shard->free_since_ms)
		shard->free_since_ms = now_ms;
	if (answer == CLAIM_ASK)
		ask(shard);
	else if (answer == CLAIM_NOW)
		claim(shard);
}

void shard_beat(struct shard_state *shard, const struct member *member)
{
	struct cluster *cluster = shard->cluster;
	uint64_t epoch = member_epoch(member, name_of(shard));

	if (!epoch)
		return;
	if (epoch > shard->highest)
		shard->highest = epoch;
	if (shard->owned && epoch > shard->epoch)
		drop(shard, epoch, "heartbeat");
	if (shard->owned || shard->told >= epoch || epoch < shard->highest)
		return;
	shard->told = epoch;
	strncpy(shard->holder, member->node->name, sizeof(shard->holder) - 1);
	log_info(&log_cluster, "shard_of_other", "shard=%s epoch=%" PRIu64 " node=%s",
		name_of(shard), epoch, member->node->name);
	cluster->ops->other(cluster->arg, name_of(shard), epoch);
}

void cluster_conflict(struct cluster *cluster, const char *name, uint64_t epoch)
{
	struct shard_state *shard = shard_state_find(cluster, name);

	if (!shard || !shard->owned)
		return;
	log_warn(&log_cluster, "address_conflict", "shard=%s epoch=%" PRIu64, name, epoch);
	if (epoch > shard->epoch)
		drop(shard, epoch, "conflict");
	else
		shard_doubt(shard);
}

bool cluster_owns(const struct cluster *cluster, const char *name)
{
	const struct shard_state *shard = shard_state_find(cluster, name);

	return shard && shard->owned;
}

int cluster_owner(const struct cluster *cluster, const char *name)
{
	uint64_t highest = 0;
	int owner = -1;

	for (size_t i = 0; i < cluster->members.n; i++) {
		const struct member *member = &cluster->members.list[i];
		uint64_t epoch = member->state == MEMBER_ALIVE ? member_epoch(member, name) : 0;

		if (epoch <= highest)
			continue;
		highest = epoch;
		owner = (int)(member->node - cluster->settings->nodes);
	}
	return owner;
}

bool cluster_hears(const struct cluster *cluster, size_t node)
{
	for (size_t i = 0; i < cluster->members.n; i++)
		if (cluster->members.list[i].node == &cluster->settings->nodes[node])
			return cluster->members.list[i].state == MEMBER_ALIVE;
	return false;
}

struct store *cluster_store(const struct cluster *cluster)
{
	return cluster->store;
}
