// Who of the cluster is there, as their heartbeats tell: alive while one came within the time that
// is allowed, dead when none did, unknown while we have not listened for that long ourselves.
#pragma once

#include "beat.h"

enum member_state { MEMBER_UNKNOWN, MEMBER_ALIVE, MEMBER_DEAD };
const char *member_state_name(enum member_state state);

struct member {
	const struct cluster_node *node;
	enum member_state state;
	uint64_t heard_ms; // 0: never
	uint64_t n_beats;
	struct beat beat; // the last one
};

struct members {
	struct member list[CLUSTER_NODES_MAX]; // all nodes but us
	size_t n;
	const char *us;
	uint64_t since_ms; // that we listen
	uint32_t silence_ms;
};

// Times are of CLOCK_MONOTONIC.
void members_init(
	struct members *members, const struct cluster_settings *settings, uint64_t now_ms);
// We have not listened until now.
void members_restart(struct members *members, uint64_t now_ms);
// Take a heartbeat. Returns its sender, or NULL with errno: ENOENT (no node of the cluster, or us),
// EALREADY (a repetition).
struct member *members_hear(struct members *members, const struct beat *beat, uint64_t now_ms);
// Judge who is there by now. Returns the next one whose state has changed, or NULL: to be called
// until then.
struct member *members_turn(struct members *members, uint64_t now_ms);
struct member *members_find(struct members *members, const char *name);
// Of a member's last heartbeat: whether it misses that node, and the epoch of a shard that it owns
// (0: it does not).
bool member_misses(const struct member *member, const char *name);
uint64_t member_epoch(const struct member *member, const char *shard);
