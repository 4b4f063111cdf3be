// The store in Redis 7: requests as scripts in a pipeline, over one connection that is made again
// whenever it fails, with back-off and jitter, to the next server or to whom the sentinels name.
//
// Nothing waits in here while Redis is away: requests fail at once (DOWN), and records wait in
// store_journal.c.
//
// Redis Cluster shows by a MOVED. From then on the one connection is the one over which the map is
// learned (and its server's slots are reached); the others are those of redis_cluster.c. Without it
// the store counts as away. Where another fails, the shards of its slots wait for it or its heir.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <event2/dns.h>
#include <openssl/crypto.h>

#include "redis_cluster.h"
#include "redis_command.h"
#include "redis_link.h"
#include "redis_sentinel.h"

enum { REDIRECTS_MAX = 8, WAIT_MS = 50, WAITS_MAX = 40, LEARN_MIN_MS = 100, LEARN_MAX_MS = 5000 };

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
	struct redis_address at; // whose it is
	struct event *reconnect;
	unsigned int n_attempts;
	struct redis_cluster *cluster; // NULL: none has shown
	struct event *learn, *resume;
	bool learning;
	uint32_t learn_ms; // between questions for the map
	uint64_t learned_ms;
	struct request_queue later; // after TRYAGAIN
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

// --- Redis Cluster ---

// Soon at first, then ever less often as long as there is reason to ask.
static void learn_soon(struct redis_store *impl)
{
	uint32_t ms;

	if (!impl->cluster || impl->learning || event_pending(impl->learn, EV_TIMEOUT, NULL))
		return;
	if (store_now_ms() - impl->learned_ms > (uint64_t)2 * LEARN_MAX_MS)
		impl->learn_ms = LEARN_MIN_MS;
	ms = impl->learn_ms / 2 + arc4random_uniform(impl->learn_ms / 2 + 1);
	event_add(impl->learn,
		&(struct timeval){.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000 * 1000)});
	if (impl->learn_ms < LEARN_MAX_MS)
		impl->learn_ms *= 2;
}

static void on_slots(void *arg, const redisReply *reply)
{
	struct redis_store *impl = arg;

	impl->learning = false;
	if (!reply)
		return;
	impl->learned_ms = store_now_ms();
	// An ACL without it is said once, by the ill; MOVED teaches slot by slot then.
	if (reply->type == REDIS_REPLY_ERROR)
		store_sick(impl->store, redis_error_ill(reply->str));
	else if (redis_cluster_learn(impl->cluster, reply, &impl->at))
		redis_link_fail(impl->link, STORE_ILL_PROTOCOL, "CLUSTER SLOTS");
}

static void on_learn(evutil_socket_t, short, void *arg)
{
	static const char *const words[] = {"CLUSTER", "SLOTS"};
	static const size_t lengths[] = {7, 5};
	struct redis_store *impl = arg;

	if (impl->link && impl->store->status.up)
		impl->learning = !redis_link_send(impl->link,
			&(struct redis_command){(const char **)words, lengths, 2}, on_slots, impl);
}

// A server of some slots is gone: their shards must be renewed before they are written to, since
// its heir may know less. The other shards are so at once.
static void on_node_failed(void *arg, enum store_ill ill)
{
	struct redis_store *impl = arg;

	if (impl->store->closing)
		return;
	store_sick(impl->store, ill);
	shard_unconfirm_all(impl->store);
	shard_renew_all(impl->store);
	learn_soon(impl);
}

static int send_on(void *arg, struct redis_link *link, struct store_request *request);

static bool find_cluster(struct redis_store *impl)
{
	const struct store_redis *config = &impl->store->config.redis;
	const struct redis_cluster_config ours = {.link = impl->link_config,
		.backoff_min_ms = config->backoff_min_ms,
		.backoff_max_ms = config->backoff_max_ms,
		.send = send_on,
		.failed = on_node_failed,
		.arg = impl};

	if (impl->cluster)
		return true;
	impl->cluster = redis_cluster_create(&ours);
	if (impl->cluster)
		log_info(&log_store, "cluster", "found_by=%s:%d", impl->at.host, impl->at.port);
	return impl->cluster;
}

static void submit_to(
	struct redis_store *impl, struct redis_node *node, struct store_request *request)
{
	int result;

	if (redis_address_equal(redis_node_address(node), &impl->at))
		result = impl->link ? send_on(impl, impl->link, request) : -ENOTCONN;
	else
		result = redis_node_submit(node, request);
	if (result)
		store_defer(impl->store, request);
}

// True where the request goes on elsewhere, or later.
static bool redirect(struct redis_store *impl, struct store_request *request, const char *text)
{
	struct redis_node *node;

	if (impl->store->closing || !impl->store->status.up)
		return false;
	if (!strncmp(text, "TRYAGAIN ", 9)) { // its keys are between two servers
		if (request->n_waits++ >= WAITS_MAX)
			return false;
		TAILQ_INSERT_TAIL(&impl->later, request, link);
		if (!event_pending(impl->resume, EV_TIMEOUT, NULL))
			event_add(impl->resume, &(struct timeval){.tv_usec = WAIT_MS * 1000});
		return true;
	}
	request->asking = !strncmp(text, "ASK ", 4);
	if ((!request->asking && strncmp(text, "MOVED ", 6) != 0) ||
		request->n_redirects++ >= REDIRECTS_MAX || !find_cluster(impl))
		return false;
	if (!request->asking)
		learn_soon(impl);
	node = redis_cluster_redirect(impl->cluster, text, &impl->at);
	if (!node)
		return false;
	submit_to(impl, node, request);
	return true;
}

static void on_resume(evutil_socket_t, short, void *arg)
{
	struct redis_store *impl = arg;
	struct request_queue now = TAILQ_HEAD_INITIALIZER(now);
	struct store_request *request;

	TAILQ_CONCAT(&now, &impl->later, link);
	while ((request = TAILQ_FIRST(&now))) {
		TAILQ_REMOVE(&now, request, link);
		request->n_redirects = 0;
		redis_submit(impl, request);
	}
}

static struct redis_node *node_for(struct redis_store *impl, const struct store_request *request)
{
	char tag[STORE_SHARD_MAX + 8];

	if (!impl->cluster)
		return NULL;
	redis_tag(tag, sizeof(tag), request);
	return redis_cluster_find(impl->cluster, redis_slot(tag));
}

// --- requests ---

static void on_error(struct redis_store *impl, struct store_request *request, const char *text)
{
	enum store_ill ill = redis_error_ill(text);
	char quoted[200];

	if (!strncmp(text, "NOSCRIPT", 8) && !request->retried) {
		request->retried = true;
		redis_submit(impl, request);
		return;
	}
	if (redirect(impl, request, text))
		return;
	log_debug(
		&log_store, "error_reply", "text=%s", log_quote(quoted, sizeof(quoted), text, -1));
	if (redis_error_ends_link(ill))
		redis_link_fail(request->via, ill, text);
	else
		store_sick(impl->store, ill);
	request_fail(request, STORE_DOWN);
}

static void on_reply(void *arg, const redisReply *reply)
{
	struct store_request *request = arg;

	if (reply && reply->type != REDIS_REPLY_ERROR)
		request->n_redirects = 0;
	if (!reply)
		request_fail(request, STORE_DOWN);
	else if (reply->type == REDIS_REPLY_ERROR)
		on_error(request->store->impl, request, reply->str);
	else if (reply->type == REDIS_REPLY_ARRAY || request->type == REQUEST_GET)
		finish(request, reply);
	else
		request_fail(request, STORE_DOWN);
}

static int send_on(void *arg, struct redis_link *link, struct store_request *request)
{
	static const char *const asking[] = {"ASKING"};
	static const size_t length[] = {6};
	struct redis_store *impl = arg;
	struct redis_builder builder;

	// A cursor means something to the server only that gave it.
	if (request->via != link)
		request->cursor[0] = '\0';
	request->via = link;
	if (request->asking &&
		redis_link_send(link, &(struct redis_command){(const char **)asking, length, 1},
			NULL, NULL))
		return -ENOBUFS;
	request->asking = false;
	redis_build(&builder, impl->texts[TEXT_PREFIX], request);
	return redis_link_send(link,
		&(struct redis_command){builder.argv, builder.lengths, builder.n}, on_reply,
		request);
}

static void redis_submit(void *arg, struct store_request *request)
{
	struct redis_store *impl = arg;
	struct redis_node *node = node_for(impl, request);

	if (impl->store->status.up && impl->link) {
		if (node) {
			submit_to(impl, node, request);
			return;
		}
		if (!send_on(impl, impl->link, request))
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
	impl->at = *address;
	impl->link = redis_link_create(&impl->link_config, address);
	if (impl->link)
		return;
	store_down(impl->store, STORE_ILL_CONNECT);
	impl->n_attempts++;
	reconnect_later(impl);
}

// Those that were configured, then those of the cluster.
static const struct redis_address *next_server(struct redis_store *impl)
{
	const struct redis_address *address = NULL;

	if (impl->next >= impl->n_addresses && impl->cluster)
		address = redis_cluster_server(impl->cluster, impl->next - impl->n_addresses);
	if (!address && impl->next >= impl->n_addresses)
		impl->next = 0;
	if (!address)
		address = &impl->addresses[impl->next];
	impl->next++;
	return address;
}

static void on_reconnect(evutil_socket_t, short, void *arg)
{
	struct redis_store *impl = arg;

	if (impl->sentinel)
		redis_sentinel_ask(impl->sentinel);
	else if (!impl->link)
		connect_to(impl, next_server(impl));
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
	struct store_request *request;
	size_t i;

	impl->link = NULL;
	redis_link_destroy(link);
	redis_cluster_destroy(impl->cluster);
	while ((request = TAILQ_FIRST(&impl->later))) {
		TAILQ_REMOVE(&impl->later, request, link);
		request_fail(request, STORE_DOWN);
	}
	redis_sentinel_destroy(impl->sentinel);
	if (impl->learn)
		event_free(impl->learn);
	if (impl->resume)
		event_free(impl->resume);
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
	if (impl->cluster)
		redis_cluster_priority_set(impl->cluster, priority);
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
	impl->learn = event_new(store->base, -1, 0, on_learn, impl);
	impl->resume = event_new(store->base, -1, 0, on_resume, impl);
	if (!impl->dns || !impl->reconnect || !impl->learn || !impl->resume)
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
		impl->learn_ms = LEARN_MIN_MS;
		TAILQ_INIT(&impl->later);
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
