// When a node claims a shard: a pure function of what the node knows.
//
// All of this must hold:
//  - the node may own it, is not draining, and has listened long enough to know who is there;
//  - the store is up, and has been what it was for two leases (a store that came back may know less
//    than it did: owners tell it first);
//  - nobody that we hear says that it owns the shard: the last owner is not heard, or was
//    started again and has forgotten it;
//  - more than half of all nodes are us and those that we hear and that do not hear the owner
//    either. Where the store is a witness it is one node more, and its voice is the lapsed lease;
//  - the lease has lapsed;
//  - it is our turn: those that are preferred and there come first, one after the other.
//
// A shard whose last owner were we ourselves is ours again at once: nobody has claimed it since.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "members.h"

#define CLAIM_ANSWERS(X)                                                           \
	X(NOW, "claim")                                                            \
	X(NOT_OURS, "not_ours")	      /* we are not among its nodes */             \
	X(DRAINING, "draining")	      /* we are */                                 \
	X(LISTENING, "listening")     /* we do not know yet who is there */        \
	X(STORE_DOWN, "store_down")   /* and nobody can claim */                   \
	X(GRACE, "store_came_back")   /* others tell it first what they own */     \
	X(ASK, "asking")	      /* the store: whose it is, and until when */ \
	X(OWNER_ALIVE, "owner_alive") /* it is well where it is */                 \
	X(LEASE, "lease")	      /* has not lapsed */                         \
	X(NO_MAJORITY, "no_majority") /* too few agree that the owner is gone */   \
	X(TURN, "others_first")	      /* preferred ones are there */

enum claim_answer {
#define X(name, text) CLAIM_##name,
	CLAIM_ANSWERS(X)
#undef X
};
const char *claim_answer_name(enum claim_answer answer);

enum claim_owner {
	CLAIM_OWNER_NONE,     // nobody has ever had it
	CLAIM_OWNER_US,	      // an earlier run of ours
	CLAIM_OWNER_MEMBER,   // one of the members
	CLAIM_OWNER_STRANGER, // a node that the configuration does not have (any more)
};

// Another node.
struct claim_peer {
	enum member_state state;
	bool draining;
	bool owns;	   // says that it owns the shard
	bool misses_owner; // says that it does not hear the last owner
	int rank;	   // among the nodes of the shard, from 0 on; -1: none
};

struct claim_view {
	uint64_t now_ms;
	int rank; // ours, -1: none
	bool draining;
	bool store_up, store_votes;
	uint64_t grace_until_ms;
	bool asked; // the store has told the next three
	enum claim_owner owner;
	size_t owner_member;	 // index into peers
	uint64_t lease_until_ms; // as far as we know; 0: lapsed
	uint64_t free_since_ms;	 // all but the turn holds since then
	uint32_t turn_ms;	 // between two that may claim
	const struct claim_peer *peers;
	size_t n_peers;
};

enum claim_answer claim_judge(const struct claim_view *view);
