// Bindings in memory. Subtle: a change is checked against all that it would touch before any of it
// is done, so that a REGISTER that fails half way leaves things as they were (RFC 3261 10.3, step
// 7).
#include "location.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <time.h>

#include "siphash.h"
#include "token.h"

// The bindings of one address of record.
struct record {
	struct hash_node node;
	TAILQ_ENTRY(record) in_all;
	struct location *location;
	struct binding_list bindings;
	unsigned int n;
	struct event timer; // of the first that expires
	size_t aor_size;
	char aor[];
};

struct location {
	struct event_base *base;
	size_t bindings_max;
	const struct location_watcher *watcher;
	void *arg;
	struct hash_table table;
	struct hash_table tokens; // of bindings
	TAILQ_HEAD(, record) all;
	struct siphash_key key;
	size_t n_bindings;
};

static uint64_t now_realtime_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static struct slice aor_of(const struct record *record)
{
	return (struct slice){record->aor, record->aor_size};
}

static struct record *record_find(const struct location *location, struct slice aor)
{
	struct hash_node *node = hash_first(&location->table, siphash(&location->key, &aor, 1));

	for (; node; node = hash_next(node)) {
		struct record *record = container_of(node, struct record, node);

		if (slice_equal(aor_of(record), aor))
			return record;
	}
	return NULL;
}

static uint64_t token_hash(const struct location *location, struct slice token)
{
	return siphash(&location->key, &token, 1);
}

// Into the list's order and the tokens, and out again.
static void binding_insert(struct record *record, struct binding *binding)
{
	struct binding *at = TAILQ_FIRST(&record->bindings);
	struct location *location = record->location;
	struct slice token = binding->values.strings[BINDING_TOKEN];

	while (at && at->values.q > binding->values.q)
		at = TAILQ_NEXT(at, in_record);
	if (at)
		TAILQ_INSERT_BEFORE(at, binding, in_record);
	else
		TAILQ_INSERT_TAIL(&record->bindings, binding, in_record);
	if (token.n)
		hash_add(&location->tokens, &binding->by_token, token_hash(location, token));
	record->n++;
	location->n_bindings++;
}

static void binding_unlink(struct binding *binding)
{
	struct record *record = binding->record;

	TAILQ_REMOVE(&record->bindings, binding, in_record);
	if (binding->values.strings[BINDING_TOKEN].n)
		hash_remove(&record->location->tokens, &binding->by_token);
	record->n--;
	record->location->n_bindings--;
}

static void timer_set(struct record *record)
{
	uint64_t first_ms = UINT64_MAX, now_ms = now_realtime_ms(), wait_ms;
	const struct binding *binding;
	struct timeval after;

	TAILQ_FOREACH (binding, &record->bindings, in_record)
		if (binding->values.expires_ms < first_ms)
			first_ms = binding->values.expires_ms;
	wait_ms = first_ms > now_ms ? first_ms - now_ms : 0;
	after = (struct timeval){.tv_sec = (time_t)(wait_ms / 1000),
		.tv_usec = (suseconds_t)(wait_ms % 1000 * 1000)};
	evtimer_add(&record->timer, &after);
}

static void binding_remove(struct binding *binding, enum location_why why)
{
	struct record *record = binding->record;
	struct location *location = record->location;

	binding_unlink(binding);
	if (location->watcher && location->watcher->removed)
		location->watcher->removed(location->arg, aor_of(record), binding, why);
	free(binding);
}

static void record_destroy(struct record *record)
{
	evtimer_del(&record->timer);
	hash_remove(&record->location->table, &record->node);
	TAILQ_REMOVE(&record->location->all, record, in_all);
	free(record);
}

// Nothing is kept of a record without bindings.
static void record_settle(struct record *record)
{
	if (TAILQ_EMPTY(&record->bindings))
		record_destroy(record);
	else
		timer_set(record);
}

static void expire(struct record *record, uint64_t now_ms)
{
	struct binding *binding = TAILQ_FIRST(&record->bindings), *next;

	for (; binding; binding = next) {
		next = TAILQ_NEXT(binding, in_record);
		if (binding->values.expires_ms <= now_ms)
			binding_remove(binding, LOCATION_EXPIRED);
	}
}

static void on_timer(evutil_socket_t, short, void *arg)
{
	expire(arg, now_realtime_ms());
	record_settle(arg);
}

static struct record *record_create(struct location *location, struct slice aor)
{
	struct record *record = calloc(1, sizeof(*record) + aor.n);

	if (!record)
		return NULL;
	record->location = location;
	TAILQ_INIT(&record->bindings);
	record->aor_size = aor.n;
	memcpy(record->aor, aor.p, aor.n);
	evtimer_assign(&record->timer, location->base, on_timer, record);
	hash_add(&location->table, &record->node, siphash(&location->key, &aor, 1));
	TAILQ_INSERT_TAIL(&location->all, record, in_all);
	return record;
}

// ---- changes

static bool is_same_contact(struct slice a, struct slice b)
{
	struct uri one, other;

	if (slice_equal(a, b))
		return true;
	return !uri_parse(a, &one) && !uri_parse(b, &other) && uri_equal(&one, &other);
}

static bool matches(const struct binding *binding, const struct binding_values *wish)
{
	const struct binding_values *values = &binding->values;

	if (values->reg_id && wish->reg_id)
		return values->reg_id == wish->reg_id &&
		       slice_equal(
			       values->strings[BINDING_INSTANCE], wish->strings[BINDING_INSTANCE]);
	return is_same_contact(values->strings[BINDING_CONTACT], wish->strings[BINDING_CONTACT]);
}

static struct binding *match(const struct record *record, const struct binding_values *wish)
{
	struct binding *binding;

	if (!record)
		return NULL;
	TAILQ_FOREACH (binding, &record->bindings, in_record)
		if (matches(binding, wish))
			return binding;
	return NULL;
}

// 10.3: of one Call-ID only what has a higher number than the last may change anything.
static bool is_in_order(const struct binding *binding, struct slice call_id, uint32_t cseq)
{
	return !slice_equal(binding->values.strings[BINDING_CALL_ID], call_id) ||
	       cseq > binding->values.cseq;
}

static struct binding *binding_create(struct record *record, const struct binding_values *values)
{
	size_t size = 0, at = 0;
	struct binding *binding;

	for (int i = 0; i < BINDING_STRINGS; i++)
		size += values->strings[i].n;
	binding = malloc(sizeof(*binding) + size);
	if (!binding)
		return NULL;
	binding->values = *values;
	binding->record = record;
	for (int i = 0; i < BINDING_STRINGS; i++) {
		struct slice copy = {binding->text + at, values->strings[i].n};

		if (copy.n)
			memcpy(binding->text + at, values->strings[i].p, copy.n);
		at += copy.n;
		binding->values.strings[i] = copy;
	}
	return binding;
}

// Whether all wishes may come true.
static int changes_check(const struct location *location, const struct record *record,
	const struct binding_values *wishes, size_t n, size_t record_max)
{
	size_t n_record = record ? record->n : 0, n_new = 0;

	for (size_t i = 0; i < n; i++) {
		const struct binding *binding = match(record, &wishes[i]);

		if (binding &&
			!is_in_order(binding, wishes[i].strings[BINDING_CALL_ID], wishes[i].cseq))
			return -EPROTO;
		n_new += !binding && wishes[i].expires_ms;
	}
	if (n_new && (n_record + n_new > record_max ||
			     location->n_bindings + n_new > location->bindings_max))
		return -ENOSPC;
	return 0;
}

// Make the new bindings beside the old ones, which can fail; the rest cannot.
static int bindings_create(struct record *record, const struct binding_values *wishes, size_t n,
	struct binding_list *made)
{
	for (size_t i = 0; i < n; i++) {
		struct binding *binding;

		if (!wishes[i].expires_ms)
			continue;
		binding = binding_create(record, &wishes[i]);
		if (!binding)
			return -ENOMEM;
		binding->is_renewal = match(record, &wishes[i]) != NULL;
		TAILQ_INSERT_TAIL(made, binding, in_record);
	}
	return 0;
}

static void list_free(struct binding_list *list)
{
	struct binding *binding;

	while ((binding = TAILQ_FIRST(list))) {
		TAILQ_REMOVE(list, binding, in_record);
		free(binding);
	}
}

// What a wish replaces goes without a word: it is set anew, not removed.
static void replace(struct binding *old)
{
	binding_unlink(old);
	free(old);
}

static void changes_make(struct record *record, const struct binding_values *wishes, size_t n,
	struct binding_list *made)
{
	const struct location *location = record->location;
	struct binding *binding;

	for (size_t i = 0; i < n; i++) {
		binding = match(record, &wishes[i]);
		if (binding && wishes[i].expires_ms)
			replace(binding);
		else if (binding)
			binding_remove(binding, LOCATION_ASKED);
	}
	while ((binding = TAILQ_FIRST(made))) {
		TAILQ_REMOVE(made, binding, in_record);
		binding_insert(record, binding);
		if (location->watcher && location->watcher->set)
			location->watcher->set(
				location->arg, aor_of(record), binding, !binding->is_renewal);
	}
}

int location_change(struct location *location, struct slice aor,
	const struct binding_values *wishes, size_t n, size_t record_max, uint64_t now_ms)
{
	struct binding_list made = TAILQ_HEAD_INITIALIZER(made);
	struct record *record = record_find(location, aor);
	int error;

	if (record)
		expire(record, now_ms);
	error = changes_check(location, record, wishes, n, record_max);
	if (!error && !record && n) {
		record = record_create(location, aor);
		error = record ? 0 : -ENOMEM;
	}
	if (!error && record)
		error = bindings_create(record, wishes, n, &made);
	if (error)
		list_free(&made);
	else if (record)
		changes_make(record, wishes, n, &made);
	if (record)
		record_settle(record);
	return error;
}

int location_check(struct location *location, struct slice aor, const struct binding_values *wishes,
	size_t n, size_t record_max, uint64_t now_ms)
{
	struct record *record = record_find(location, aor);
	int error;

	if (record)
		expire(record, now_ms);
	error = changes_check(location, record, wishes, n, record_max);
	if (record)
		record_settle(record);
	return error;
}

int location_clear(struct location *location, struct slice aor, struct slice call_id, uint32_t cseq,
	uint64_t now_ms)
{
	struct record *record = record_find(location, aor);
	struct binding *binding;
	int error = 0;

	if (!record)
		return 0;
	expire(record, now_ms);
	TAILQ_FOREACH (binding, &record->bindings, in_record)
		if (!is_in_order(binding, call_id, cseq))
			error = -EPROTO;
	while (!error && (binding = TAILQ_FIRST(&record->bindings)))
		binding_remove(binding, LOCATION_ASKED);
	record_settle(record);
	return error;
}

void location_drop(struct location *, const struct binding *binding)
{
	struct record *record = binding->record;
	struct binding *own;

	TAILQ_FOREACH (own, &record->bindings, in_record) {
		if (own == binding) {
			binding_remove(own, LOCATION_DROPPED);
			break;
		}
	}
	record_settle(record);
}

// ---- look-up

const struct binding_list *location_find(
	struct location *location, struct slice aor, uint64_t now_ms)
{
	struct record *record = record_find(location, aor);

	if (!record)
		return NULL;
	expire(record, now_ms);
	if (!TAILQ_EMPTY(&record->bindings))
		return &record->bindings;
	record_settle(record);
	return NULL;
}

const struct binding *location_match(struct location *location, struct slice aor,
	const struct binding_values *wish, uint64_t now_ms)
{
	return location_find(location, aor, now_ms) ? match(record_find(location, aor), wish)
						    : NULL;
}

struct slice binding_aor(const struct binding *binding)
{
	return aor_of(binding->record);
}

const struct binding *location_find_token(
	const struct location *location, struct slice token, struct slice contact, uint64_t now_ms)
{
	struct hash_node *node = hash_first(&location->tokens, token_hash(location, token));
	const struct binding *found = NULL;

	for (; node; node = hash_next(node)) {
		const struct binding *binding = container_of(node, struct binding, by_token);
		const struct binding_values *values = &binding->values;

		if (!slice_equal(values->strings[BINDING_TOKEN], token) ||
			values->expires_ms <= now_ms)
			continue;
		if (!found || is_same_contact(values->strings[BINDING_CONTACT], contact))
			found = binding;
	}
	return found;
}

void location_each(const struct location *location,
	bool (*each)(void *arg, struct slice aor, const struct binding *binding), void *arg)
{
	const struct record *record;
	const struct binding *binding;

	TAILQ_FOREACH (record, &location->all, in_all)
		TAILQ_FOREACH (binding, &record->bindings, in_record)
			if (!each(arg, aor_of(record), binding))
				return;
}

size_t location_n_bindings(const struct location *location)
{
	return location->n_bindings;
}

size_t location_n_records(const struct location *location)
{
	return location->table.n;
}

// ---- life

struct location *location_create(struct event_base *base, size_t bindings_max,
	const struct location_watcher *watcher, void *arg)
{
	struct location *location = calloc(1, sizeof(*location));

	if (!location)
		return NULL;
	location->base = base;
	location->bindings_max = bindings_max;
	location->watcher = watcher;
	location->arg = arg;
	TAILQ_INIT(&location->all);
	if (hash_table_init(&location->table, 64) || hash_table_init(&location->tokens, 64)) {
		hash_table_fini(&location->table);
		free(location);
		errno = ENOMEM;
		return NULL;
	}
	token_random(&location->key, sizeof(location->key));
	return location;
}

void location_destroy(struct location *location)
{
	struct record *record;
	struct binding *binding;

	if (!location)
		return;
	location->watcher = NULL;
	while ((record = TAILQ_FIRST(&location->all))) {
		while ((binding = TAILQ_FIRST(&record->bindings)))
			binding_remove(binding, LOCATION_ASKED);
		record_destroy(record);
	}
	hash_table_fini(&location->table);
	hash_table_fini(&location->tokens);
	free(location);
}
