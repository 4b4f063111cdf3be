// How trunks look in JSON: what they may do, what they do, and how their peers are.
#include <string.h>

#include "admin_private.h"
#include "trunk.h"

static json_t *codecs_json(const struct sdp_policy *policy)
{
	json_t *list = json_array();
	char text[40];

	for (uint8_t i = 0; i < policy->n_codecs; i++)
		json_array_append_new(list,
			json_string(sdp_encoding_text(&policy->codecs[i], text, sizeof(text))));
	return list;
}

static json_int_t seconds_left(uint64_t until_ms, uint64_t now_ms)
{
	return until_ms > now_ms ? (json_int_t)(until_ms - now_ms + 999) / 1000 : 0;
}

static json_t *target_json(
	const struct trunk_peer *peer, const struct peer_target *of, uint64_t now_ms)
{
	const struct target *target = of->target;
	uint64_t until_ms =
		target->closed_ms > target->failed_ms ? target->closed_ms : target->failed_ms;
	char text[ADDRESS_TEXT_SIZE];

	address_text((const struct sockaddr *)&target->address, text, sizeof(text));
	return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "address", text,
		"transport", realm_transport_names[target->transport], "state",
		target_state(target, now_ms), "seconds_left", seconds_left(until_ms, now_ms),
		"priority", (json_int_t)peer->priority, "weight", (json_int_t)peer->weight,
		"options_status", (json_int_t)target->status, "tried", (json_int_t)target->tried,
		"failed", (json_int_t)target->failed);
}

static json_t *peers_json(const struct trunk *trunk)
{
	uint64_t now_ms = admin_now_ms();
	json_t *list = json_array();

	for (size_t i = 0; i < trunk->n_peers; i++)
		for (size_t j = 0; j < trunk->peers[i].n_targets; j++)
			json_array_append_new(list,
				target_json(&trunk->peers[i], &trunk->peers[i].targets[j], now_ms));
	return list;
}

static void direction_put(
	json_t *json, const char *key, const struct trunk *trunk, enum trunk_direction direction)
{
	const struct trunk_load *load = &trunk->state->load[direction];
	const struct trunk_limits *limits = &trunk->limits[direction];

	json_object_set_new(json, key,
		json_pack("{s:I, s:I, s:I, s:I, s:I}", "calls", (json_int_t)load->calls,
			"calls_max", (json_int_t)limits->calls, "calls_per_s_max",
			(json_int_t)limits->calls_per_s, "started", (json_int_t)load->started,
			"refused", (json_int_t)load->refused));
}

json_t *trunk_json(const struct trunk *trunk)
{
	const struct trunk_load *load = &trunk->state->load[TRUNK_BOTH];
	const struct trunk_limits *limits = &trunk->limits[TRUNK_BOTH];
	json_t *json = json_pack("{s:s, s:s, s:o, s:o, s:I, s:I, s:I, s:I, s:I}", "trunk",
		trunk->name, "realm", trunk->realm->name, "peers", peers_json(trunk), "codecs",
		codecs_json(&trunk->media), "calls", (json_int_t)load->calls, "calls_max",
		(json_int_t)limits->calls, "calls_per_s_max", (json_int_t)limits->calls_per_s,
		"started", (json_int_t)load->started, "refused", (json_int_t)load->refused);

	direction_put(json, "in", trunk, TRUNK_IN);
	direction_put(json, "out", trunk, TRUNK_OUT);
	return json;
}
