// Questions to DNS servers, by c-ares on the event loop. One thread.
#pragma once

#include "dns_message.h"

struct dns_client;
struct event_base;

// `servers`: "192.0.2.53,[2001:db8::53]:5353"; NULL: those of /etc/resolv.conf. Returns NULL with
// errno.
struct dns_client *dns_client_create(struct event_base *base, const char *servers);
// Questions that are under way end with -ECANCELED.
void dns_client_destroy(struct dns_client *client);

// `error` 0: `answer` is filled; -EAGAIN: no server could say.
typedef void dns_answer_fn(void *arg, int error, const struct dns_answer *answer);
// The answer may come from within.
void dns_client_ask(struct dns_client *client, const char *name, enum dns_type type,
	dns_answer_fn *fn, void *arg);
