// Watches, and what is kept of the answers. Each time that an answer comes, the watches that are
// not complete follow the rules again over what is kept (resolver_rules.c).
//
// Subtle: answers may come from within a question, so that watches are looked at only at the end of
// the turn of the loop.
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

#include "dns_client.h"
#include "hash.h"
#include "resolver_private.h"
#include "sip_log.h"
#include "siphash.h"
#include "token.h"

enum { NAMES_MAX = 20000, FAILED_S = 5 };

// What is known of a name and type.
struct name {
	struct hash_node by_name;
	TAILQ_ENTRY(name) link; // the oldest first
	struct resolver *resolver;
	enum dns_type type;
	bool asked;  // the answer is not here yet
	bool failed; // the last time
	uint64_t until_ms;
	struct dns_answer *answer; // NULL: none yet
	char text[];
};

struct resolver_watch {
	TAILQ_ENTRY(resolver_watch) link;
	struct resolver *resolver;
	struct resolver_question question;
	resolver_fn *fn;
	void *arg;
	struct event *timer; // until it is to be asked again
	bool waits;	     // for answers
};

struct resolver {
	struct event_base *base;
	struct dns_client *client;
	struct siphash_key key;
	struct hash_table names;
	TAILQ_HEAD(, name) by_age;
	TAILQ_HEAD(, resolver_watch) watches;
	struct event *turn;
	bool closing;
	struct resolver_counters counters;
};

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t name_hash(const struct resolver *resolver, const char *text, enum dns_type type)
{
	struct slice parts[] = {slice_of(text), {(const char *)&type, sizeof(type)}};

	return siphash(&resolver->key, parts, 2);
}

static struct name *name_find(const struct resolver *resolver, const char *text, enum dns_type type)
{
	struct hash_node *node = hash_first(&resolver->names, name_hash(resolver, text, type));

	for (; node; node = hash_next(node)) {
		struct name *name = container_of(node, struct name, by_name);

		if (name->type == type && !strcmp(name->text, text))
			return name;
	}
	return NULL;
}

static void name_destroy(struct name *name)
{
	struct resolver *resolver = name->resolver;

	hash_remove(&resolver->names, &name->by_name);
	TAILQ_REMOVE(&resolver->by_age, name, link);
	resolver->counters.names_now--;
	free(name->answer);
	free(name);
}

// Room for another: what has expired goes first, then the oldest that nobody waits for.
static void names_trim(struct resolver *resolver)
{
	struct name *name, *next;

	for (name = TAILQ_FIRST(&resolver->by_age);
		name && resolver->counters.names_now >= NAMES_MAX; name = next) {
		next = TAILQ_NEXT(name, link);
		if (!name->asked)
			name_destroy(name);
	}
}

static struct name *name_create(struct resolver *resolver, const char *text, enum dns_type type)
{
	size_t size = strlen(text) + 1;
	struct name *name;

	names_trim(resolver);
	name = size > DNS_NAME_SIZE + 16 ? NULL : calloc(1, sizeof(*name) + size);
	if (!name)
		return NULL;
	name->resolver = resolver;
	name->type = type;
	memcpy(name->text, text, size);
	hash_add(&resolver->names, &name->by_name, name_hash(resolver, text, type));
	TAILQ_INSERT_TAIL(&resolver->by_age, name, link);
	resolver->counters.names_now++;
	return name;
}

static void on_answer(void *arg, int error, const struct dns_answer *answer)
{
	struct name *name = arg;
	struct resolver *resolver = name->resolver;
	size_t size = sizeof(*answer);

	name->asked = false;
	if (error == -ECANCELED && resolver->closing)
		return;
	name->failed = error != 0;
	name->until_ms = now_ms() + (error ? FAILED_S : answer->ttl_s) * UINT64_C(1000);
	if (!error && !name->answer)
		name->answer = malloc(size);
	if (!error && name->answer)
		memcpy(name->answer, answer, size);
	else
		name->failed = true;
	resolver->counters.answers += !error;
	resolver->counters.negative += !error && !answer->n;
	resolver->counters.failures += error != 0;
	event_active(resolver->turn, EV_TIMEOUT, 0);
}

// For resolver_follow(): what has expired is asked for again.
static bool kept(void *arg, const char *text, enum dns_type type, struct resolver_kept *out)
{
	struct resolver *resolver = arg;
	struct name *name = name_find(resolver, text, type);
	uint64_t now = now_ms();

	if (!name)
		name = name_create(resolver, text, type);
	if (!name) {
		out->failed = true;
		return true;
	}
	if (name->until_ms <= now && !name->asked) {
		name->asked = true;
		resolver->counters.questions++;
		dns_client_ask(resolver->client, text, type, on_answer, name);
	}
	if (name->asked)
		return false;
	out->failed = name->failed;
	out->answer = name->failed ? NULL : name->answer;
	out->left_s = (uint32_t)((name->until_ms - now + 999) / 1000);
	return true;
}

static void watch_look(struct resolver_watch *watch)
{
	static struct resolver_result result;
	struct timeval after = {};

	watch->waits = !resolver_follow(&watch->question, kept, watch->resolver, &result);
	if (watch->waits)
		return;
	after.tv_sec = result.ttl_s;
	evtimer_add(watch->timer, &after);
	log_debug(&log_sip, "resolved", "host=%s targets=%zu ttl_s=%u failed=%d",
		watch->question.host, result.n, result.ttl_s, result.failed);
	watch->fn(watch->arg, &result);
}

static void on_turn(evutil_socket_t, short, void *arg)
{
	struct resolver *resolver = arg;
	struct resolver_watch *watch, *next;

	for (watch = TAILQ_FIRST(&resolver->watches); watch; watch = next) {
		next = TAILQ_NEXT(watch, link);
		if (watch->waits)
			watch_look(watch);
	}
}

static void on_expired(evutil_socket_t, short, void *arg)
{
	watch_look(arg);
}

struct resolver_watch *resolver_watch(struct resolver *resolver,
	const struct resolver_question *question, resolver_fn *fn, void *arg)
{
	struct resolver_watch *watch = calloc(1, sizeof(*watch));

	if (!watch)
		return NULL;
	*watch = (struct resolver_watch){
		.resolver = resolver, .question = *question, .fn = fn, .arg = arg, .waits = true};
	watch->timer = evtimer_new(resolver->base, on_expired, watch);
	if (!watch->timer) {
		free(watch);
		errno = ENOMEM;
		return NULL;
	}
	TAILQ_INSERT_TAIL(&resolver->watches, watch, link);
	event_active(resolver->turn, EV_TIMEOUT, 0);
	return watch;
}

void resolver_unwatch(struct resolver_watch *watch)
{
	if (!watch)
		return;
	TAILQ_REMOVE(&watch->resolver->watches, watch, link);
	event_free(watch->timer);
	free(watch);
}

struct resolver *resolver_create(struct event_base *base, const char *servers)
{
	struct resolver *resolver = calloc(1, sizeof(*resolver));
	int error = ENOMEM;

	if (!resolver)
		return NULL;
	resolver->base = base;
	TAILQ_INIT(&resolver->by_age);
	TAILQ_INIT(&resolver->watches);
	token_random(&resolver->key, sizeof(resolver->key));
	resolver->turn = evtimer_new(base, on_turn, resolver);
	if (resolver->turn && !hash_table_init(&resolver->names, 64)) {
		resolver->client = dns_client_create(base, servers);
		error = errno;
	}
	if (!resolver->client) {
		resolver_destroy(resolver);
		errno = error;
		return NULL;
	}
	return resolver;
}

void resolver_destroy(struct resolver *resolver)
{
	if (!resolver)
		return;
	resolver->closing = true;
	dns_client_destroy(resolver->client);
	while (!TAILQ_EMPTY(&resolver->by_age))
		name_destroy(TAILQ_FIRST(&resolver->by_age));
	hash_table_fini(&resolver->names);
	if (resolver->turn)
		event_free(resolver->turn);
	free(resolver);
}

const struct resolver_counters *resolver_counters(const struct resolver *resolver)
{
	return &resolver->counters;
}
