// The rule of claims (claim.h).
#include "claim.h"

const char *claim_answer_name(enum claim_answer answer)
{
	static const char *const names[] = {
#define X(name, text) text,
		CLAIM_ANSWERS(X)
#undef X
	};

	return names[answer];
}

static bool somebody_owns(const struct claim_view *view)
{
	for (size_t i = 0; i < view->n_peers; i++)
		if (view->peers[i].state == MEMBER_ALIVE && view->peers[i].owns)
			return true;
	return false;
}

// Before we have heard who is there nobody is missing.
static bool listening(const struct claim_view *view)
{
	for (size_t i = 0; i < view->n_peers; i++)
		if (view->peers[i].state == MEMBER_UNKNOWN)
			return true;
	return false;
}

// Whether that peer agrees that the owner is gone.
static bool agrees(const struct claim_view *view, size_t i)
{
	const struct claim_peer *peer = &view->peers[i];

	if (peer->state != MEMBER_ALIVE)
		return false;
	// The owner itself does where it is there and does not say that it owns the shard; and of
	// one that nobody knows nobody can tell.
	if (view->owner != CLAIM_OWNER_MEMBER || view->owner_member == i)
		return true;
	if (view->peers[view->owner_member].state == MEMBER_ALIVE)
		return true;
	return peer->misses_owner;
}

static bool is_majority(const struct claim_view *view)
{
	size_t n_votes = 1, n_all = 1 + view->n_peers;

	for (size_t i = 0; i < view->n_peers; i++)
		n_votes += agrees(view, i);
	if (view->store_votes) { // it is up and the lease has lapsed
		n_votes++;
		n_all++;
	}
	return 2 * n_votes > n_all;
}

static size_t preferred(const struct claim_view *view)
{
	size_t n = 0;

	for (size_t i = 0; i < view->n_peers; i++)
		n += view->peers[i].state == MEMBER_ALIVE && !view->peers[i].draining &&
		     view->peers[i].rank >= 0 && view->peers[i].rank < view->rank;
	return n;
}

enum claim_answer claim_judge(const struct claim_view *view)
{
	if (somebody_owns(view))
		return CLAIM_OWNER_ALIVE;
	if (view->rank < 0)
		return CLAIM_NOT_OURS;
	if (view->draining)
		return CLAIM_DRAINING;
	if (listening(view))
		return CLAIM_LISTENING;
	if (!view->store_up)
		return CLAIM_STORE_DOWN;
	if (view->now_ms < view->grace_until_ms)
		return CLAIM_GRACE;
	if (!view->asked)
		return CLAIM_ASK;
	if (view->owner == CLAIM_OWNER_US)
		return CLAIM_NOW; // nobody has taken it since
	if (view->now_ms < view->lease_until_ms)
		return CLAIM_LEASE;
	if (!is_majority(view))
		return CLAIM_NO_MAJORITY;
	return view->now_ms - view->free_since_ms < preferred(view) * view->turn_ms ? CLAIM_TURN
										    : CLAIM_NOW;
}
