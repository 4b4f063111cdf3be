// What the files of our registrations share.
#pragma once

#include "call_private.h"
#include "token.h"

enum {
	REGISTRATION_TARGETS_MAX = 32,
	REGISTRATION_ROUTE_SIZE = 1024, // of Service-Route
};

enum registration_state {
	REGISTRATION_NONE,
	REGISTRATION_ASKING,
	REGISTRATION_THERE,
	REGISTRATION_WAITING, // to try again
	REGISTRATION_ENDING,
};

struct registration {
	struct owner owner;
	LIST_ENTRY(registration) in_registrations;
	struct calls *calls;
	const struct trunk *trunk;
	enum registration_state state;
	bool is_bound; // for all that we know
	struct transaction *transaction;
	struct event *timer;
	struct target *targets[REGISTRATION_TARGETS_MAX]; // of this round
	size_t n_targets, at_target;
	char call_id[TOKEN_SIZE], tag[TOKEN_SIZE];
	char user[TOKEN_SIZE]; // of our Contact
	uint32_t cseq, wanted_s, granted_s;
	unsigned int n_failed; // rounds in a row
	unsigned int status;   // of the last answer, 0: none came
	uint64_t until_ms;     // time of day
	char route[REGISTRATION_ROUTE_SIZE];
	size_t route_size;
};

struct registrations {
	LIST_HEAD(, registration) list;
};

// The peer that was asked last, or NULL.
const struct target *registration_target(const struct registration *registration);

// registration_message.c: send the next REGISTER. Returns 0 or a negative errno.
int registration_send(
	struct registration *registration, const struct target *target, uint32_t expires_s);
