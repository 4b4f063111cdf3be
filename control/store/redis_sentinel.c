// One link to one sentinel at a time. It stays open for +switch-master; that message is a hint that
// saves time, since a master that is gone or became a replica makes the store ask again anyway.
#include "redis_sentinel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct redis_sentinel {
	struct redis_sentinel_config config;
	struct redis_link *link;
	size_t next;
	struct event *retry; // where a link cannot even be made
};

static int say(
	struct redis_sentinel *sentinel, const char *const words[], size_t n, redis_reply_fn *fn)
{
	size_t lengths[3], i;

	for (i = 0; i < n; i++)
		lengths[i] = strlen(words[i]);
	return redis_link_send(sentinel->link,
		&(struct redis_command){(const char **)words, lengths, n}, fn, sentinel);
}

static void tell(struct redis_sentinel *sentinel, const char *host, const char *port)
{
	struct redis_address master;
	char text[300];

	snprintf(text, sizeof(text), strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
	if (redis_address_parse(text, &master)) {
		redis_link_fail(sentinel->link, STORE_ILL_PROTOCOL, text);
		return;
	}
	sentinel->config.found(sentinel->config.arg, &master);
}

static void on_master(void *arg, const redisReply *reply)
{
	struct redis_sentinel *sentinel = arg;

	if (!reply)
		return; // down() follows or came
	if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
		reply->element[0]->type == REDIS_REPLY_STRING &&
		reply->element[1]->type == REDIS_REPLY_STRING)
		tell(sentinel, reply->element[0]->str, reply->element[1]->str);
	else
		redis_link_fail(sentinel->link, STORE_ILL_SENTINEL, "master not known");
}

static void on_up(void *arg)
{
	struct redis_sentinel *sentinel = arg;
	const char *const subscribe[] = {"SUBSCRIBE", "+switch-master"};
	const char *const ask[] = {"SENTINEL", "get-master-addr-by-name", sentinel->config.master};

	if (say(sentinel, ask, 3, on_master) || say(sentinel, subscribe, 2, NULL))
		redis_link_fail(sentinel->link, STORE_ILL_SENTINEL, "out of memory");
}

static void on_down(void *arg, enum store_ill)
{
	struct redis_sentinel *sentinel = arg;

	redis_link_destroy(sentinel->link);
	sentinel->link = NULL;
	sentinel->config.failed(sentinel->config.arg);
}

// "name old-ip old-port new-ip new-port"
static void on_push(void *arg, const redisReply *reply)
{
	struct redis_sentinel *sentinel = arg;
	char name[128], old[128], host[128], port[8];
	unsigned int old_port;

	if (reply->element[2]->type != REDIS_REPLY_STRING ||
		sscanf(reply->element[2]->str, "%127s %127s %u %127s %7s", name, old, &old_port,
			host, port) != 5)
		return;
	if (!strcmp(name, sentinel->config.master))
		tell(sentinel, host, port);
}

static void on_retry(evutil_socket_t, short, void *arg)
{
	struct redis_sentinel *sentinel = arg;

	sentinel->config.failed(sentinel->config.arg);
}

struct redis_sentinel *redis_sentinel_create(const struct redis_sentinel_config *config)
{
	struct redis_sentinel *sentinel = calloc(1, sizeof(*sentinel));

	if (!sentinel)
		return NULL;
	sentinel->config = *config;
	sentinel->config.link.sentinel = true;
	sentinel->config.link.up = on_up;
	sentinel->config.link.down = on_down;
	sentinel->config.link.push = on_push;
	sentinel->config.link.arg = sentinel;
	sentinel->retry = event_new(config->link.base, -1, 0, on_retry, sentinel);
	if (sentinel->retry)
		return sentinel;
	free(sentinel);
	return NULL;
}

void redis_sentinel_destroy(struct redis_sentinel *sentinel)
{
	if (!sentinel)
		return;
	redis_link_destroy(sentinel->link);
	event_free(sentinel->retry);
	free(sentinel);
}

void redis_sentinel_ask(struct redis_sentinel *sentinel)
{
	redis_link_destroy(sentinel->link);
	sentinel->link = redis_link_create(&sentinel->config.link,
		&sentinel->config.addresses[sentinel->next++ % sentinel->config.n_addresses]);
	if (!sentinel->link)
		event_active(sentinel->retry, 0, 0);
}
