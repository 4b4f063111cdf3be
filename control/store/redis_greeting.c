// What is said on a new connection: AUTH, PING (a server that reads its files says LOADING, one
// that wants a password NOAUTH), ROLE (a replica takes no writes). All in one go.
#include <string.h>

#include "redis_link.h"

static int say(struct redis_link *link, const char *const words[], redis_reply_fn *fn)
{
	size_t lengths[3], n = 0;
	const char *argv[3];

	for (; n < 3 && words[n]; n++) {
		argv[n] = words[n];
		lengths[n] = strlen(words[n]);
	}
	return redis_link_send(link,
		&(struct redis_command){.argv = argv, .lengths = lengths, .argc = n}, fn, link);
}

// False where the greeting ends here.
static bool well(struct redis_link *link, const redisReply *reply)
{
	if (!reply)
		return false;
	if (reply->type != REDIS_REPLY_ERROR)
		return true;
	redis_link_fail(link, redis_error_ill(reply->str), reply->str);
	return false;
}

static void on_auth(void *arg, const redisReply *reply)
{
	well(arg, reply);
}

static void on_sentinel_ping(void *arg, const redisReply *reply)
{
	if (well(arg, reply))
		redis_link_greeted(arg);
}

static void on_role(void *arg, const redisReply *reply)
{
	if (!well(arg, reply))
		return;
	if (reply->type != REDIS_REPLY_ARRAY || !reply->elements ||
		reply->element[0]->type != REDIS_REPLY_STRING)
		redis_link_fail(arg, STORE_ILL_PROTOCOL, "ROLE");
	else if (strcmp(reply->element[0]->str, "master"))
		redis_link_fail(arg, STORE_ILL_READONLY, reply->element[0]->str);
	else
		redis_link_greeted(arg);
}

void redis_greet(struct redis_link *link, const struct redis_link_config *config)
{
	const char *const with_user[] = {"AUTH", config->user, config->password};
	const char *const without[] = {"AUTH", config->password, NULL};
	const char *const ping[] = {"PING", NULL}, *const role[] = {"ROLE", NULL};

	if (config->password && say(link, config->user ? with_user : without, on_auth))
		goto failed;
	if (say(link, ping, config->sentinel ? on_sentinel_ping : on_auth) ||
		(!config->sentinel && say(link, role, on_role)))
		goto failed;
	return;
failed:
	redis_link_fail(link, STORE_ILL_CONNECT, "out of memory");
}
