// The cluster as people and monitoring see it.
#include <jansson.h>

#include "cluster_private.h"
#include "cluster_show.h"

static json_t *node_json(const struct member *member, uint64_t now_ms)
{
	json_t *node = json_pack("{s:s, s:s, s:b, s:I}", "name", member->node->name, "state",
		member_state_name(member->state), "draining", member->beat.draining, "calls",
		(json_int_t)member->beat.calls);

	if (member->n_beats)
		json_object_set_new(node, "heard_ms_ago",
			json_integer((json_int_t)(now_ms - member->heard_ms)));
	return node;
}

static const char *owner_of(const struct shard_state *shard, uint64_t *epoch)
{
	const struct members *members = &shard->cluster->members;

	if (shard->owned) {
		*epoch = shard->epoch;
		return shard->cluster->settings->node;
	}
	for (size_t i = 0; i < members->n; i++) {
		*epoch = member_epoch(&members->list[i], shard->config->name);
		if (*epoch && members->list[i].state == MEMBER_ALIVE)
			return members->list[i].node->name;
	}
	*epoch = shard->highest;
	return "";
}

static json_t *shard_json(const struct shard_state *shard)
{
	uint64_t epoch;
	const char *owner = owner_of(shard, &epoch);
	json_t *json = json_pack("{s:s, s:s, s:I, s:b}", "name", shard->config->name, "owner",
		owner, "epoch", (json_int_t)epoch, "ours", shard->owned);
	json_t *nodes = json_array();

	for (size_t i = 0; i < shard->config->n_nodes; i++)
		json_array_append_new(nodes, json_string(shard->config->nodes[i]));
	json_object_set_new(json, "nodes", nodes);
	if (!shard->owned)
		json_object_set_new(json, "claim", json_string(claim_answer_name(shard->answer)));
	return json;
}

json_t *cluster_json(const struct cluster *cluster)
{
	const struct store_status *status = store_status(cluster->store);
	json_t *nodes = json_array(), *shards = json_array();
	uint64_t now_ms = cluster_now_ms();

	json_array_append_new(nodes,
		json_pack("{s:s, s:s, s:b, s:I}", "name", cluster->settings->node, "state", "us",
			"draining", cluster->draining, "calls",
			(json_int_t)(cluster->ops->calls ? cluster->ops->calls(cluster->arg) : 0)));
	for (size_t i = 0; i < cluster->members.n; i++)
		json_array_append_new(nodes, node_json(&cluster->members.list[i], now_ms));
	for (size_t i = 0; i < cluster->n_shards; i++)
		json_array_append_new(shards, shard_json(&cluster->shards[i]));
	return json_pack("{s:o, s:o, s:{s:b, s:s, s:I, s:I, s:I}}", "nodes", nodes, "shards",
		shards, "store", "up", status->up, "ill", store_ill_name(status->ill), "for_ms",
		(json_int_t)(now_ms - status->since_ms), "records", (json_int_t)status->n_records,
		"unprotected", (json_int_t)status->n_unprotected);
}

void cluster_counters_read(const struct cluster *cluster, cluster_counter_fn *each, void *arg)
{
	const struct store_status *status = store_status(cluster->store);
	const struct cluster_counters *own = &cluster->counters;
	size_t n_owned = 0, n_alive = 0;

	for (size_t i = 0; i < cluster->n_shards; i++)
		n_owned += cluster->shards[i].owned;
	for (size_t i = 0; i < cluster->members.n; i++)
		n_alive += cluster->members.list[i].state == MEMBER_ALIVE;
	each(arg, "cluster.shards_owned_now", n_owned);
	each(arg, "cluster.nodes_alive_now", n_alive + 1);
	each(arg, "cluster.store_up_now", status->up);
	each(arg, "cluster.records_now", status->n_records);
	each(arg, "cluster.unprotected_now", status->n_unprotected);
	each(arg, "cluster.beats_sent", own->beats_sent);
	each(arg, "cluster.beats_received", own->beats_received);
	each(arg, "cluster.beats_refused", own->beats_refused);
	each(arg, "cluster.claims", own->claims);
	each(arg, "cluster.claims_lost", own->claims_lost);
	each(arg, "cluster.drops", own->drops);
	each(arg, "cluster.doubts", own->doubts);
	each(arg, "cluster.records_newer", own->records_newer);
	each(arg, "cluster.records_broken", own->records_broken);
	each(arg, "cluster.records_saved", status->n_saved);
	each(arg, "cluster.records_deleted", status->n_deleted);
	each(arg, "cluster.records_coalesced", status->n_coalesced);
	each(arg, "cluster.writes_failed", status->n_failed);
	each(arg, "cluster.store_rewound", status->n_rewound);
}

bool cluster_is_serving(const struct cluster *cluster)
{
	for (size_t i = 0; i < cluster->n_shards; i++)
		if (cluster->shards[i].owned)
			return !cluster->in_doubt;
	return false;
}
