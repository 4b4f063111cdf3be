// The store in Redis 7: requests as scripts in a pipeline, over one connection that is made again
// whenever it fails, with back-off and jitter, to the next server or to whom the sentinels name.
//
// Nothing waits in here while Redis is away: requests fail at once (DOWN), and records wait in
// store_journal.c. Redis Cluster: the keys are made for it (redis_script.c), MOVED is not followed.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <event2/dns.h>
#include <openssl/crypto.h>

#include "redis_command.h"
#include "redis_link.h"
#include "redis_sentinel.h"

enum {
	TEXT_MASTER,
	TEXT_USER,
	TEXT_PASSWORD,
	TEXT_SENTINEL_USER,
	TEXT_SENTINEL_PASSWORD,
	TEXT_PREFIX,
	TEXT_TLS_NAME,
	N_TEXTS
};

struct redis_store {
	struct store *store;
	char *texts[N_TEXTS];
	struct redis_address addresses[STORE_ADDRESSES_MAX];
	size_t n_addresses, next;
	struct evdns_base *dns;
	SSL_CTX *tls;
	struct redis_sentinel *sentinel;
	struct redis_address master; // that the sentinels named last
	struct redis_link_config link_config;
	struct redis_link *link;
	struct event *reconnect;
	unsigned int n_attempts;
};

static const char *text_at(const redisReply *reply, size_t i)
{
	return i < reply->elements && reply->element[i]->type == REDIS_REPLY_STRING
		       ? reply->element[i]->str
		       : "";
}

static uint64_t number_at(const redisReply *reply, size_t i)
{
	if (i >= reply->elements)
		return 0;
	return reply->element[i]->type == REDIS_REPLY_INTEGER
		       ? (uint64_t)reply->element[i]->integer
		       : strtoull(text_at(reply, i), NULL, 10);
}

// {state, holder or number, epoch, left, seq, records}
static void finish_state(struct store_request *request, const redisReply *reply)
{
	static const struct {
		const char *name;
		enum store_result result;
	} states[] = {{"ok", STORE_OK}, {"rewound", STORE_OK}, {"held", STORE_HELD},
		{"early", STORE_EARLY}, {"stale", STORE_STALE}, {"none", STORE_NONE}};
	struct store_internal_reply answer = {.reply = {.result = STORE_DOWN}};
	const char *state = text_at(reply, 0);
	size_t i;

	for (i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (!strcmp(states[i].name, state))
			answer.reply.result = states[i].result;
	answer.rewound = !strcmp(state, "rewound");
	if (request->type == REQUEST_VALUE_ADD)
		answer.reply.number = strtoll(text_at(reply, 1), NULL, 10);
	else
		answer.reply.holder = text_at(reply, 1);
	answer.reply.epoch = number_at(reply, 2);
	answer.reply.left_ms = number_at(reply, 3);
	answer.seq = number_at(reply, 4);
	answer.n_there = number_at(reply, 5);
	request_finish(request, &answer);
}

// Pairs of key and value. False where a reply has another shape or keys that none of us wrote.
static void give_page(
	struct store_request *request, const redisReply *pairs, enum store_result result)
{
	struct store_internal_reply answer = {.reply = {.result = result}};
	struct store_item *items = calloc(pairs->elements / 2 + 1, sizeof(*items));
	size_t i, n = 0;

	for (i = 0; items && i + 1 < pairs->elements; i += 2) {
		const redisReply *value = pairs->element[i + 1];

		if (key_is_good(text_at(pairs, i)) && value->type == REDIS_REPLY_STRING)
			items[n++] = (struct store_item){
				text_at(pairs, i), value->str, (size_t)value->len};
	}
	answer.reply.items = items;
	answer.reply.n_items = n;
	if (!items)
		answer.reply.result = STORE_DOWN;
	request_finish(request, &answer);
	free(items);
}

static void redis_submit(void *arg, struct store_request *request);

static void finish_scan(struct store_request *request, const redisReply *reply)
{
	const redisReply *pairs = reply->elements == 2 ? reply->element[1] : NULL;
	const char *cursor = text_at(reply, 0);

	if (!pairs || pairs->type != REDIS_REPLY_ARRAY || !cursor[0] ||
		strlen(cursor) >= sizeof(request->cursor)) {
		request_fail(request, STORE_DOWN);
		return;
	}
	strcpy(request->cursor, cursor);
	if (!strcmp(cursor, "0")) {
		give_page(request, pairs, STORE_OK);
		return;
	}
	if (pairs->elements)
		give_page(request, pairs, STORE_MORE);
	redis_submit(request->store->impl, request);
}

static void finish(struct store_request *request, const redisReply *reply)
{
	struct store_item item = {.key = request->key};
	struct store_internal_reply answer = {
		.reply = {.result = STORE_OK, .items = &item, .n_items = 1}};

	switch (request->type) {
	case REQUEST_GET:
		item.value = reply->str;
		item.length = reply->type == REDIS_REPLY_STRING ? (size_t)reply->len : 0;
		if (reply->type == REDIS_REPLY_STRING)
			request_finish(request, &answer);
		else
			request_fail(request, STORE_NONE);
		break;
	case REQUEST_LIST:
		finish_scan(request, reply);
		break;
	case REQUEST_VALUE_GET:
	case REQUEST_VALUE_LIST:
		if (request->type == REQUEST_VALUE_GET && reply->elements < 2)
			request_fail(request, STORE_NONE);
		else
			give_page(request, reply, STORE_OK);
		break;
	default:
		finish_state(request, reply);
		break;
	}
}

static void on_error(struct redis_store *impl, struct store_request *request, const char *text)
{
	enum store_ill ill = redis_error_ill(text);
	char quoted[200];

	if (!strncmp(text, "NOSCRIPT", 8) && !request->retried) {
		request->retried = true;
		redis_submit(impl, request);
		return;
	}
	log_debug(
		&log_store, "error_reply", "text=%s", log_quote(quoted, sizeof(quoted), text, -1));
	if (redis_error_ends_link(ill))
		redis_link_fail(impl->link, ill, text);
	else
		store_sick(impl->store, ill);
	request_fail(request, STORE_DOWN);
}

static void on_reply(void *arg, const redisReply *reply)
{
	struct store_request *request = arg;

	if (!reply)
		request_fail(request, STORE_DOWN);
	else if (reply->type == REDIS_REPLY_ERROR)
		on_error(request->store->impl, request, reply->str);
	else if (reply->type == REDIS_REPLY_ARRAY || request->type == REQUEST_GET)
		finish(request, reply);
	else
		request_fail(request, STORE_DOWN);
}

static void redis_submit(void *arg, struct store_request *request)
{
	struct redis_store *impl = arg;
	struct redis_builder builder;

	if (impl->store->status.up && impl->link) {
		redis_build(&builder, impl->texts[TEXT_PREFIX], request);
		if (!redis_link_send(impl->link,
			    &(struct redis_command){builder.argv, builder.lengths, builder.n},
			    on_reply, request))
			return;
	}
	if (impl->store->closing)
		request_fail(request, STORE_DOWN);
	else
		store_defer(impl->store, request);
}

static void redis_deferred(void *, struct store_request *request)
{
	request_fail(request, STORE_DOWN);
}

// --- the connection ---

static void reconnect_later(struct redis_store *impl)
{
	const struct store_redis *config = &impl->store->config.redis;
	uint64_t ms = config->backoff_min_ms;
	unsigned int i;

	for (i = 1; i < impl->n_attempts && ms < config->backoff_max_ms; i++)
		ms *= 2;
	if (ms > config->backoff_max_ms)
		ms = config->backoff_max_ms;
	ms = ms / 2 + arc4random_uniform((uint32_t)ms / 2 + 1);
	event_add(impl->reconnect, &(struct timeval){.tv_sec = (time_t)(ms / 1000),
					   .tv_usec = (suseconds_t)(ms % 1000 * 1000)});
}

static void on_up(void *arg)
{
	struct redis_store *impl = arg;

	impl->n_attempts = 0;
	store_up(impl->store);
}

static void on_down(void *arg, enum store_ill ill)
{
	struct redis_store *impl = arg;
	struct redis_link *link = impl->link;

	impl->link = NULL;
	store_down(impl->store, ill);
	redis_link_destroy(link);
	impl->n_attempts++;
	reconnect_later(impl);
}

static void connect_to(struct redis_store *impl, const struct redis_address *address)
{
	impl->link = redis_link_create(&impl->link_config, address);
	if (impl->link)
		return;
	store_down(impl->store, STORE_ILL_CONNECT);
	impl->n_attempts++;
	reconnect_later(impl);
}

static void on_reconnect(evutil_socket_t, short, void *arg)
{
	struct redis_store *impl = arg;

	if (impl->sentinel)
		redis_sentinel_ask(impl->sentinel);
	else if (!impl->link)
		connect_to(impl, &impl->addresses[impl->next++ % impl->n_addresses]);
}

static void on_found(void *arg, const struct redis_address *master)
{
	struct redis_store *impl = arg;
	struct redis_link *old = impl->link;
	bool same = impl->master.port == master->port && !strcmp(impl->master.host, master->host);

	event_del(impl->reconnect);
	if (!same)
		log_info(&log_store, "master", "name=%s address=%s:%d", impl->texts[TEXT_MASTER],
			master->host, master->port);
	// Told again, by another sentinel or at the end of a switch: whether it is well shows by
	// itself.
	if (old && same)
		return;
	impl->master = *master;
	if (old) {
		impl->link = NULL;
		store_down(impl->store, STORE_ILL_MOVED);
		redis_link_destroy(old);
	}
	connect_to(impl, master);
}

// The sentinel went away. The master may be well: then there is only another sentinel to be found.
static void on_sentinel_failed(void *arg)
{
	struct redis_store *impl = arg;

	impl->n_attempts++;
	if (!impl->link)
		store_down(impl->store, STORE_ILL_SENTINEL);
	reconnect_later(impl);
}

static void redis_destroy(void *arg)
{
	struct redis_store *impl = arg;
	struct redis_link *link = impl->link;
	size_t i;

	impl->link = NULL;
	redis_link_destroy(link);
	redis_sentinel_destroy(impl->sentinel);
	if (impl->reconnect)
		event_free(impl->reconnect);
	if (impl->dns)
		evdns_base_free(impl->dns, 0);
	SSL_CTX_free(impl->tls);
	for (i = 0; i < N_TEXTS; i++)
		if (impl->texts[i])
			OPENSSL_clear_free(impl->texts[i], strlen(impl->texts[i]));
	free(impl);
}

static void redis_urgent(void *arg, int priority)
{
	struct redis_store *impl = arg;

	if (impl->link)
		redis_link_priority_set(impl->link, priority);
}

const struct store_ops store_redis_ops = {
	.submit = redis_submit,
	.deferred = redis_deferred,
	.urgent = redis_urgent,
	.destroy = redis_destroy,
};

static int copy_config(struct redis_store *impl, const struct store_redis *config)
{
	const char *const from[N_TEXTS] = {config->master, config->user, config->password,
		config->sentinel_user, config->sentinel_password,
		config->prefix ? config->prefix : "sluice", config->tls.name};
	size_t i;

	for (i = 0; i < N_TEXTS; i++)
		if (from[i] && !(impl->texts[i] = OPENSSL_strdup(from[i])))
			return -ENOMEM;
	if (!config->n_addresses || config->n_addresses > STORE_ADDRESSES_MAX ||
		!name_is_good(impl->texts[TEXT_PREFIX], 64))
		return -EINVAL;
	for (i = 0; i < config->n_addresses; i++)
		if (redis_address_parse(config->addresses[i], &impl->addresses[i]))
			return -EINVAL;
	impl->n_addresses = config->n_addresses;
	return 0;
}

static int open_sentinel(struct redis_store *impl)
{
	struct redis_sentinel_config config = {.link = impl->link_config,
		.master = impl->texts[TEXT_MASTER],
		.addresses = impl->addresses,
		.n_addresses = impl->n_addresses,
		.found = on_found,
		.failed = on_sentinel_failed,
		.arg = impl};

	if (!config.master)
		return 0;
	config.link.user = impl->texts[TEXT_SENTINEL_USER];
	config.link.password = impl->texts[TEXT_SENTINEL_PASSWORD];
	impl->sentinel = redis_sentinel_create(&config);
	return impl->sentinel ? 0 : -ENOMEM;
}

static int open_store(struct redis_store *impl, struct store *store)
{
	const struct store_redis *config = &store->config.redis;
	int result = copy_config(impl, config);

	if (result)
		return result;
	impl->dns = evdns_base_new(
		store->base, EVDNS_BASE_INITIALIZE_NAMESERVERS | EVDNS_BASE_DISABLE_WHEN_INACTIVE);
	impl->reconnect = event_new(store->base, -1, 0, on_reconnect, impl);
	if (!impl->dns || !impl->reconnect)
		return -ENOMEM;
	if (config->tls.on && !(impl->tls = redis_tls_create(&config->tls)))
		return -EINVAL;
	impl->link_config = (struct redis_link_config){.base = store->base,
		.dns = impl->dns,
		.tls = impl->tls,
		.tls_name = impl->texts[TEXT_TLS_NAME],
		.user = impl->texts[TEXT_USER],
		.password = impl->texts[TEXT_PASSWORD],
		.connect_timeout_ms = config->connect_timeout_ms,
		.command_timeout_ms = config->command_timeout_ms,
		.up = on_up,
		.down = on_down,
		.arg = impl};
	return open_sentinel(impl);
}

void *store_redis_open(struct store *store)
{
	struct redis_store *impl = calloc(1, sizeof(*impl));
	int result = -ENOMEM;

	if (impl) {
		impl->store = store;
		result = open_store(impl, store);
	}
	if (!result) {
		event_active(impl->reconnect, 0, 0);
		return impl;
	}
	if (impl)
		redis_destroy(impl);
	errno = -result;
	return NULL;
}
