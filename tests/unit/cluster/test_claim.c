// The rule of claims as a table.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "claim.h"

enum { NOW = 10000, SILENCE = 250 };

// Other nodes of a shard, the first of which is preferred to us.
#define ALIVE                           \
	{                               \
		MEMBER_ALIVE, .rank = 0 \
	}
#define DEAD                           \
	{                              \
		MEMBER_DEAD, .rank = 0 \
	}
#define OWNER                                         \
	{                                             \
		MEMBER_ALIVE, .owns = true, .rank = 0 \
	}
#define MISSES                                                \
	{                                                     \
		MEMBER_ALIVE, .misses_owner = true, .rank = 2 \
	}
#define HEARS                           \
	{                               \
		MEMBER_ALIVE, .rank = 2 \
	}
#define GONE                           \
	{                              \
		MEMBER_DEAD, .rank = 2 \
	}
#define WITNESS                                                \
	{                                                      \
		MEMBER_ALIVE, .misses_owner = true, .rank = -1 \
	}

static const struct {
	const char *name;
	enum claim_answer answer;
	size_t n_peers;
	struct claim_peer peers[4];
	enum claim_owner owner; // of a member: the first
	uint64_t lease_until_ms, free_since_ms, grace_until_ms;
	bool no_store, votes, draining, not_ours, unasked;
} cases[] = {
	// Two nodes, the store is the witness.
	{"the owner is dead, its lease has lapsed", CLAIM_NOW, 1, {DEAD}, CLAIM_OWNER_MEMBER,
		.votes = true},
	{"its lease has not", CLAIM_LEASE, 1, {DEAD}, CLAIM_OWNER_MEMBER, .lease_until_ms = NOW + 1,
		.votes = true},
	{"two nodes alone are no majority", CLAIM_NO_MAJORITY, 1, {DEAD}, CLAIM_OWNER_MEMBER},
	{"the owner is heard, though its lease has lapsed", CLAIM_OWNER_ALIVE, 1, {OWNER},
		CLAIM_OWNER_MEMBER, .votes = true},
	{"it is heard and has forgotten the shard, but is preferred", CLAIM_TURN, 1, {ALIVE},
		CLAIM_OWNER_MEMBER, .votes = true, .free_since_ms = NOW},
	{"and does nothing", CLAIM_NOW, 1, {ALIVE}, CLAIM_OWNER_MEMBER, .votes = true,
		.free_since_ms = NOW - SILENCE},
	{"nobody knows yet who is there", CLAIM_LISTENING, 1, {{MEMBER_UNKNOWN}},
		CLAIM_OWNER_MEMBER, .votes = true},
	{"the store is away", CLAIM_STORE_DOWN, 1, {DEAD}, CLAIM_OWNER_MEMBER, .no_store = true,
		.votes = true},
	{"the store has just come back", CLAIM_GRACE, 1, {DEAD}, CLAIM_OWNER_MEMBER,
		.grace_until_ms = NOW + 1, .votes = true},
	{"the store has come back long ago", CLAIM_NOW, 1, {DEAD}, CLAIM_OWNER_MEMBER,
		.grace_until_ms = NOW, .votes = true},
	{"the store has not been asked", CLAIM_ASK, 1, {DEAD}, CLAIM_OWNER_NONE, .unasked = true,
		.votes = true},
	{"we are leaving", CLAIM_DRAINING, 1, {DEAD}, CLAIM_OWNER_MEMBER, .draining = true,
		.votes = true},
	{"we may not have it", CLAIM_NOT_OURS, 1, {DEAD}, CLAIM_OWNER_MEMBER, .not_ours = true,
		.votes = true},
	// Three nodes.
	{"the third misses the owner, too", CLAIM_NOW, 2, {DEAD, MISSES}, CLAIM_OWNER_MEMBER},
	{"a witness without shards does", CLAIM_NOW, 2, {DEAD, WITNESS}, CLAIM_OWNER_MEMBER},
	{"the third hears the owner", CLAIM_NO_MAJORITY, 2, {DEAD, HEARS}, CLAIM_OWNER_MEMBER},
	{"the third is gone as well", CLAIM_NO_MAJORITY, 2, {DEAD, GONE}, CLAIM_OWNER_MEMBER},
	{"the store does not make up for it", CLAIM_NO_MAJORITY, 2, {DEAD, HEARS},
		CLAIM_OWNER_MEMBER, .votes = true},
	{"three of four", CLAIM_NOW, 2, {DEAD, MISSES}, CLAIM_OWNER_MEMBER, .votes = true},
	{"somebody else owns it by now", CLAIM_OWNER_ALIVE, 2,
		{DEAD, {MEMBER_ALIVE, .owns = true, .rank = 2}}, CLAIM_OWNER_MEMBER},
	{"a dead one has said that it owns it", CLAIM_NOW, 2,
		{{MEMBER_DEAD, .owns = true, .rank = 0}, MISSES}, CLAIM_OWNER_MEMBER},
	{"another that is preferred is there", CLAIM_TURN, 2,
		{GONE, {MEMBER_ALIVE, .misses_owner = true, .rank = 0}}, CLAIM_OWNER_MEMBER},
	{"but is leaving", CLAIM_NOW, 2,
		{GONE, {MEMBER_ALIVE, .misses_owner = true, .draining = true, .rank = 0}},
		CLAIM_OWNER_MEMBER},
	// Two of four are no majority, three of five are one.
	{"half of them", CLAIM_NO_MAJORITY, 3, {DEAD, MISSES, HEARS}, CLAIM_OWNER_MEMBER},
	{"three of five", CLAIM_NOW, 4, {DEAD, MISSES, MISSES, HEARS}, CLAIM_OWNER_MEMBER},
	// Who was it?
	{"we were", CLAIM_NOW, 1, {DEAD}, CLAIM_OWNER_US},
	{"we were, a moment ago", CLAIM_NOW, 1, {ALIVE}, CLAIM_OWNER_US, .lease_until_ms = NOW + 1},
	{"nobody ever, and most are there", CLAIM_NOW, 2, {HEARS, GONE}, CLAIM_OWNER_NONE,
		.free_since_ms = NOW - SILENCE},
	{"nobody ever, and most are not", CLAIM_NO_MAJORITY, 2, {DEAD, GONE}, CLAIM_OWNER_NONE},
	{"nobody ever, and we are alone", CLAIM_NOW, 0, {}, CLAIM_OWNER_NONE},
	{"one that nobody knows", CLAIM_NOW, 2, {HEARS, GONE}, CLAIM_OWNER_STRANGER},
	{"it has a lease", CLAIM_LEASE, 2, {HEARS, GONE}, CLAIM_OWNER_STRANGER,
		.lease_until_ms = NOW + 1},
};

static void the_rule_is_as_its_table_says(void **)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct claim_view view = {.now_ms = NOW,
			.rank = cases[i].not_ours ? -1 : 1,
			.draining = cases[i].draining,
			.store_up = !cases[i].no_store,
			.store_votes = cases[i].votes,
			.grace_until_ms = cases[i].grace_until_ms,
			.asked = !cases[i].unasked,
			.owner = cases[i].owner,
			.lease_until_ms = cases[i].lease_until_ms,
			.free_since_ms = cases[i].free_since_ms ? cases[i].free_since_ms : NOW,
			.turn_ms = SILENCE,
			.peers = cases[i].peers,
			.n_peers = cases[i].n_peers};
		enum claim_answer answer = claim_judge(&view);

		if (answer != cases[i].answer)
			fail_msg("%s: %s, not %s", cases[i].name, claim_answer_name(answer),
				claim_answer_name(cases[i].answer));
	}
}

// Without the store, and while somebody says that it owns the shard, no view at all ends in a
// claim.
static void nothing_else_makes_up_for_the_store_or_a_living_owner(void **)
{
	for (unsigned int bits = 0; bits < 1u << 10; bits++) {
		struct claim_peer peers[2] = {
			{(bits & 1) ? MEMBER_ALIVE : MEMBER_DEAD, .owns = bits & 2, .rank = 0},
			{(bits & 4) ? MEMBER_ALIVE : MEMBER_DEAD, .owns = bits & 8,
				.misses_owner = bits & 16, .rank = 2}};
		const struct claim_view view = {.now_ms = NOW,
			.rank = 1,
			.store_up = bits & 32,
			.store_votes = bits & 64,
			.asked = true,
			.owner = (enum claim_owner)(bits >> 7 & 3),
			.lease_until_ms = bits & 512 ? NOW + 1 : 0,
			.free_since_ms = 1,
			.turn_ms = SILENCE,
			.peers = peers,
			.n_peers = 2};
		bool owned = ((bits & 3) == 3) || ((bits & 12) == 12);

		if (!(bits & 32) || owned)
			assert_int_not_equal(claim_judge(&view), CLAIM_NOW);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_rule_is_as_its_table_says),
		cmocka_unit_test(nothing_else_makes_up_for_the_store_or_a_living_owner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
