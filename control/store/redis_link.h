// One connection to a Redis server or sentinel: connect, TLS, AUTH, ROLE, then commands in a
// pipeline.
//
// hiredis formats commands and reads replies; libevent moves the bytes. (hiredis 0.14 of Debian 12
// has no TLS and no time-outs of its own.) A link that fails says so once, from the loop, and is
// then of no use: its owner destroys it, and whoever waits for a reply gets none (NULL).
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

#include <hiredis/hiredis.h>

#include "store_private.h"

struct evdns_base;
struct redis_link;

struct redis_address {
	char host[256]; // or the path of a unix socket
	int port;	// 0: a path
};
// "host:port", "[v6]:port" or "unix:/path". 0 or -EINVAL.
int redis_address_parse(const char *text, struct redis_address *address);
bool redis_address_equal(const struct redis_address *a, const struct redis_address *b);

struct redis_link_config {
	struct event_base *base;
	struct evdns_base *dns;
	SSL_CTX *tls; // NULL: none
	const char *tls_name;
	const char *user, *password;
	uint32_t connect_timeout_ms, command_timeout_ms;
	bool sentinel; // no role to ask for
	void (*up)(void *arg);
	void (*down)(void *arg, enum store_ill ill);
	void (*push)(void *arg, const redisReply *reply); // a message of a channel
	void *arg;
};

typedef void redis_reply_fn(void *arg, const redisReply *reply); // NULL: the link is gone

struct redis_command {
	const char **argv;
	const size_t *lengths;
	size_t argc;
};

// NULL with errno set. `config` is copied, its strings are not.
struct redis_link *redis_link_create(
	const struct redis_link_config *config, const struct redis_address *address);
void redis_link_destroy(struct redis_link *link);
// Of its events, from now on.
void redis_link_priority_set(struct redis_link *link, int priority);
// 0, -ENOBUFS where too many wait, -ENOMEM, -ENOTCONN.
int redis_link_send(struct redis_link *link, const struct redis_command *command,
	redis_reply_fn *fn, void *arg);
bool redis_link_is_idle(const struct redis_link *link); // no reply is awaited
void redis_link_fail(struct redis_link *link, enum store_ill ill, const char *text);

// redis_greeting.c: what is said first. up() follows, or a failure.
void redis_greet(struct redis_link *link, const struct redis_link_config *config);
void redis_link_greeted(struct redis_link *link);

// redis_tls.c: NULL with errno set and a line in the log.
SSL_CTX *redis_tls_create(const struct store_tls *tls);
SSL *redis_tls_open(SSL_CTX *context, const char *name);

// redis_error.c: what an error reply means.
enum store_ill redis_error_ill(const char *text);
bool redis_error_ends_link(enum store_ill ill);
