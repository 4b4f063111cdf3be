// An established call made from the messages of one, without a network: for tests of what happens
// to a call as bytes and as JSON.
#pragma once

#include "call_private.h"

struct call_fixture {
	struct event_base *base;
	struct guard *guard;
	struct realm realm;
	struct realm_listener listener;
	struct trunk trunk_list[2];
	struct trunk_peer peers[2];
	struct trunks trunks;
	struct routes routes;
	struct calls *calls;
};

// `cdr_file` as in struct calls_settings. Exits where something cannot be had.
void call_fixture_init(struct call_fixture *fixture, const char *cdr_file);
void call_fixture_fini(struct call_fixture *fixture);

// PCMU at both ends, answered.
struct call *call_fixture_call(struct call_fixture *fixture);
