// What resolver.c (watches and what is kept) and resolver_rules.c (RFC 3263) share.
#pragma once

#include "dns_message.h"
#include "resolver.h"

// What is kept of a name and type, or NULL: it is being asked for now, or is not to be had.
// `failed`: servers did not say; nothing is kept then.
struct resolver_kept {
	const struct dns_answer *answer;
	uint32_t left_s;
	bool failed;
};
typedef bool resolver_kept_fn(
	void *arg, const char *name, enum dns_type type, struct resolver_kept *out);

// Follow the rules as far as what is kept allows. `kept` returns false for what must be asked for
// first. Returns whether the result is complete.
bool resolver_follow(const struct resolver_question *question, resolver_kept_fn *kept, void *arg,
	struct resolver_result *result);
