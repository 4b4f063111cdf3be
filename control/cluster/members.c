// Members of the cluster (members.h).
#include "members.h"

#include <errno.h>
#include <string.h>

const char *member_state_name(enum member_state state)
{
	static const char *const names[] = {"unknown", "alive", "dead"};

	return names[state];
}

void members_init(struct members *members, const struct cluster_settings *settings, uint64_t now_ms)
{
	*members = (struct members){.us = settings->node,
		.since_ms = now_ms,
		.silence_ms = settings->heartbeat_ms * settings->n_missed};
	for (size_t i = 0; i < settings->n_nodes; i++)
		if (strcmp(settings->nodes[i].name, settings->node) != 0)
			members->list[members->n++].node = &settings->nodes[i];
}

void members_restart(struct members *members, uint64_t now_ms)
{
	members->since_ms = now_ms;
}

struct member *members_find(struct members *members, const char *name)
{
	for (size_t i = 0; i < members->n; i++)
		if (!strcmp(members->list[i].node->name, name))
			return &members->list[i];
	return NULL;
}

struct member *members_hear(struct members *members, const struct beat *beat, uint64_t now_ms)
{
	struct member *member = members_find(members, beat->node);

	if (!member) {
		errno = ENOENT;
		return NULL;
	}
	if (member->n_beats && (beat->boot < member->beat.boot ||
				       (beat->boot == member->beat.boot &&
					       beat->counter <= member->beat.counter))) {
		errno = EALREADY;
		return NULL;
	}
	member->beat = *beat;
	member->heard_ms = now_ms;
	member->n_beats++;
	return member;
}

static enum member_state judge(
	const struct members *members, const struct member *member, uint64_t now_ms)
{
	if (member->n_beats && now_ms - member->heard_ms < members->silence_ms)
		return MEMBER_ALIVE;
	return now_ms - members->since_ms < members->silence_ms ? MEMBER_UNKNOWN : MEMBER_DEAD;
}

struct member *members_turn(struct members *members, uint64_t now_ms)
{
	for (size_t i = 0; i < members->n; i++) {
		struct member *member = &members->list[i];
		enum member_state state = judge(members, member, now_ms);

		if (state == member->state)
			continue;
		member->state = state;
		return member;
	}
	return NULL;
}

bool member_misses(const struct member *member, const char *name)
{
	for (size_t i = 0; i < member->beat.n_missing; i++)
		if (!strcmp(member->beat.missing[i], name))
			return true;
	return false;
}

uint64_t member_epoch(const struct member *member, const char *shard)
{
	for (size_t i = 0; i < member->beat.n_shards; i++)
		if (!strcmp(member->beat.shards[i].name, shard))
			return member->beat.shards[i].epoch;
	return 0;
}
