// What the files of the cluster share.
//
//   beat.c           heartbeats as bytes
//   members.c        who is there
//   claim.c          when to claim a shard
//   cluster.c        all of it together, on the loop's time; the doubt after a stop
//   cluster_shard.c  a shard of ours, or of others: asked for, claimed, dropped
//   cluster_record.c records in and out of the store
//   cluster_show.c   for people
#pragma once

#include <event2/event.h>

#include "claim.h"
#include "log.h"
#include "store.h"

struct store_keys;

struct shard_state {
	struct cluster *cluster;
	const struct cluster_shard *config;
	int rank; // ours among its nodes, -1: none
	bool owned;
	bool asking, claiming;
	bool doubted;	    // after a stop: the store has not answered yet
	uint64_t leased_ms; // of the last renewal: our lease counts from then on
	uint64_t epoch;	    // ours while owned
	uint64_t highest;   // that anybody was seen to have
	uint64_t told;	    // of another owner, to ops.other()
	// What the store has said.
	bool asked;
	uint64_t asked_ms, lease_until_ms;
	char holder[STORE_NODE_MAX + 1]; // "": nobody
	uint64_t free_since_ms;		 // 0: it is not free to claim
	enum claim_answer answer;	 // of the last turn, while it is not owned
};

struct cluster_counters {
	uint64_t beats_sent, beats_received, beats_refused; // refused: what is none, or repeated
	uint64_t claims, claims_lost, drops, doubts;
	uint64_t records_newer, records_broken;
};

struct cluster {
	const struct cluster_settings *settings;
	const struct cluster_ops *ops;
	void *arg;
	struct event_base *base;
	struct store *store;
	struct store_keys *keys;
	struct members members;
	struct shard_state *shards;
	size_t n_shards;
	int fd;
	struct event *readable, *tick, *hold;
	uint64_t boot, counter, last_tick_ms, grace_until_ms;
	uint64_t n_connects_seen, n_rewound_seen, doubt_until_ms;
	size_t unprotected_said;
	uint64_t unprotected_said_ms;
	bool draining, in_doubt;
	struct cluster_counters counters;
};

uint64_t cluster_now_ms(void); // CLOCK_MONOTONIC

// cluster_shard.c
struct shard_state *shard_state_find(const struct cluster *cluster, const char *name);
void shard_turn(struct shard_state *shard, uint64_t now_ms);
void shard_beat(struct shard_state *shard, const struct member *member);
void shard_event(void *cluster, const char *shard, enum store_shard_state state, uint64_t epoch);
void shard_doubt(struct shard_state *shard); // ask whether it is still ours

// cluster_record.c
size_t record_fetch(
	void *cluster, const char *shard, const char *key, uint8_t *buffer, size_t size);
