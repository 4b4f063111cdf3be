// Records of our shards on their way into the store.
//
//   put ──> dirty ──> in flight ──> saved       put while in flight: again, dirty after the reply
//             ^───────────┘ failed              delete: the same way, then the entry goes
//
// An entry stays for as long as its record should be in the store, so all can be written again. Its
// value is dropped once saved where the owner can be asked for it (fetch()), and never read but
// here. A kept one is somebody else's: what was found stays with its entry and is saved from there.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "store_private.h"

enum { RETRY_MIN_MS = 250, RETRY_MAX_MS = 5000 };

void journal_flush_soon(struct store *store, uint32_t ms)
{
	struct timeval after = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	if (store->closing || (store->flush_pending && ms))
		return;
	store->flush_pending = true;
	event_add(store->flush_event, &after);
}

static void drop_value(struct store *store, struct entry *entry)
{
	size_t *bytes = entry->kept ? &store->status.kept_bytes : &store->status.held_bytes;

	store->status.n_kept -= entry->kept;
	entry->kept = false;
	if (!entry->value)
		return;
	*bytes -= entry->length;
	OPENSSL_clear_free(entry->value, entry->length);
	entry->value = NULL;
}

static void give_value(struct store *store, struct entry *entry, void *value, size_t length)
{
	drop_value(store, entry);
	entry->value = value;
	entry->length = length;
	if (value)
		store->status.held_bytes += length;
}

static bool unprotected(const struct entry *entry)
{
	return !entry->gone && (entry->dirty || entry->in_flight);
}

static void set_dirty(struct entry *entry, bool dirty)
{
	if (entry->dirty == dirty)
		return;
	entry->dirty = dirty;
	if (dirty)
		TAILQ_INSERT_TAIL(&entry->shard->dirty, entry, link);
	else
		TAILQ_REMOVE(&entry->shard->dirty, entry, link);
}

static void remove_entry(struct entry *entry)
{
	struct store *store = entry->shard->store;

	if (unprotected(entry))
		store->status.n_unprotected--;
	set_dirty(entry, false);
	drop_value(store, entry);
	store->status.n_records--;
	store_table_remove(&entry->shard->entries, &entry->node);
	free(entry);
}

static struct entry *find_or_create(struct shard *shard, const char *key)
{
	struct entry *entry = (struct entry *)store_table_find(&shard->entries, key);
	size_t length = strlen(key) + 1;

	if (entry)
		return entry;
	entry = calloc(1, sizeof(*entry) + length);
	if (!entry)
		return NULL;
	memcpy(entry->key, key, length);
	entry->shard = shard;
	if (store_table_insert(&shard->entries, &entry->node, entry->key)) {
		free(entry);
		return NULL;
	}
	shard->store->status.n_records++;
	return entry;
}

// The state of `entry` changed, in memory only as yet.
static void changed(struct entry *entry, bool gone)
{
	struct store *store = entry->shard->store;
	bool was = unprotected(entry);

	store->status.n_coalesced += entry->dirty || entry->again;
	entry->gone = gone;
	if (entry->in_flight)
		entry->again = true;
	else
		set_dirty(entry, true);
	store->status.n_unprotected += (size_t)unprotected(entry) - (size_t)was;
	journal_flush_soon(store, store->config.flush_ms);
}

int store_put(
	struct store *store, const char *name, const char *key, const void *value, size_t length)
{
	struct shard *shard = shard_find(store, name);
	struct entry *entry;
	void *copy = NULL;

	if (!key_is_good(key) || !length)
		return -EINVAL;
	if (!shard || !shard->owned)
		return -ENOENT;
	if (length > STORE_RECORD_MAX)
		return -EMSGSIZE;
	if (store->status.held_bytes + length <= store->config.held_max) {
		copy = malloc(length);
		if (!copy)
			return -ENOMEM;
		memcpy(copy, value, length);
	} else if (!store->callbacks.fetch) {
		store->status.n_dropped++;
		return -ENOBUFS;
	}
	entry = find_or_create(shard, key);
	if (!entry) {
		free(copy);
		return -ENOMEM;
	}
	give_value(store, entry, copy, length);
	changed(entry, false);
	return 0;
}

int store_put_later(struct store *store, const char *name, const char *key)
{
	struct shard *shard = shard_find(store, name);
	struct entry *entry;

	if (!key_is_good(key) || !store->callbacks.fetch)
		return -EINVAL;
	if (!shard || !shard->owned)
		return -ENOENT;
	entry = find_or_create(shard, key);
	if (!entry)
		return -ENOMEM;
	drop_value(store, entry);
	changed(entry, false);
	return 0;
}

int store_delete(struct store *store, const char *name, const char *key)
{
	struct shard *shard = shard_find(store, name);
	struct entry *entry;

	if (!key_is_good(key))
		return -EINVAL;
	if (!shard || !shard->owned)
		return -ENOENT;
	entry = find_or_create(shard, key);
	if (!entry)
		return -ENOMEM;
	drop_value(store, entry);
	changed(entry, true);
	return 0;
}

int store_adopt(struct store *store, const char *name, const char *key)
{
	struct shard *shard = shard_find(store, name);
	struct entry *entry;

	if (!key_is_good(key))
		return -EINVAL;
	if (!shard || !shard->owned)
		return -ENOENT;
	if (store_table_find(&shard->entries, key))
		return 0; // listed twice, or newer already
	if (!store->callbacks.fetch)
		return -EINVAL; // could not be written again
	entry = find_or_create(shard, key);
	if (!entry)
		return -ENOMEM;
	return 0;
}

int store_keep(
	struct store *store, const char *name, const char *key, const void *value, size_t length)
{
	struct shard *shard = shard_find(store, name);
	struct entry *entry;

	if (!key_is_good(key) || !length)
		return -EINVAL;
	if (!shard || !shard->owned)
		return -ENOENT;
	if (store_table_find(&shard->entries, key))
		return 0; // listed twice, or ours by now
	entry = find_or_create(shard, key);
	if (!entry)
		return -ENOMEM;
	if (store->status.kept_bytes + length <= store->config.held_max)
		entry->value = malloc(length);
	if (entry->value) {
		memcpy(entry->value, value, length);
		entry->length = length;
		store->status.kept_bytes += length;
	}
	entry->kept = true;
	store->status.n_kept++;
	return 0;
}

static int copy_value(struct write_item *item, const void *value, size_t length)
{
	item->value = malloc(length);
	if (!item->value)
		return -1;
	memcpy(item->value, value, length);
	item->length = length;
	return 0;
}

// What `entry` has to say now: 0, or -1 where nothing can be written.
static int take_value(struct store *store, struct entry *entry, struct write_item *item)
{
	static uint8_t buffer[STORE_RECORD_MAX];
	size_t length;

	*item = (struct write_item){.entry = entry, .key = entry->key};
	if (entry->gone)
		return 0;
	if (entry->kept)
		return copy_value(item, entry->value, entry->length);
	if (!entry->value) {
		length = store->callbacks.fetch
				 ? store->callbacks.fetch(store->arg, entry->shard->name,
					   entry->key, buffer, sizeof(buffer))
				 : 0;
		if (!length) { // its owner has forgotten it without a word
			if (unprotected(entry))
				store->status.n_unprotected--;
			entry->gone = true;
			return 0;
		}
		if (copy_value(item, buffer, length))
			return -1;
		OPENSSL_cleanse(buffer, length);
		return 0;
	}
	item->value = entry->value; // and it is the batch's now
	item->length = entry->length;
	entry->value = NULL;
	return 0;
}

static void written(struct store *store, struct write_item *item)
{
	struct entry *entry = item->entry;
	bool was = unprotected(entry);

	entry->in_flight = false;
	if (item->value)
		store->status.n_saved++;
	else
		store->status.n_deleted++;
	if (entry->again) {
		entry->again = false;
		set_dirty(entry, true);
	} else if (!entry->gone && !entry->kept && !store->callbacks.fetch && item->value) {
		entry->value = item->value; // the only copy for a re-upload
		entry->length = item->length;
		item->value = NULL;
	}
	store->status.n_unprotected += (size_t)unprotected(entry) - (size_t)was;
	if (item->value)
		store->status.held_bytes -= item->length;
	if (entry->gone && !entry->dirty)
		remove_entry(entry);
}

static void not_written(struct store *store, struct write_item *item)
{
	struct entry *entry = item->entry;

	entry->in_flight = false;
	if (!entry->value && !entry->gone && !entry->again) {
		entry->value = item->value; // still the latest
		entry->length = item->length;
		item->value = NULL;
	} else if (item->value) {
		store->status.held_bytes -= item->length;
	}
	entry->again = false;
	set_dirty(entry, true);
	store->status.n_failed++;
}

static void retry_later(struct store *store)
{
	uint32_t ms = RETRY_MIN_MS;
	unsigned int i;

	for (i = 0; i < store->n_failures && ms < RETRY_MAX_MS; i++)
		ms *= 2;
	store->n_failures++;
	ms = ms / 2 + arc4random_uniform(ms / 2 + 1);
	store->retry_at_ms = store_now_ms() + ms;
	journal_flush_soon(store, ms);
}

static void on_written(struct store_request *request, const struct store_internal_reply *reply)
{
	struct shard *shard = request->arg;
	struct store *store = shard->store;
	bool ok = reply->reply.result == STORE_OK;
	size_t i;

	for (i = 0; i < request->n_items; i++) {
		struct write_item *item = &request->items[i];

		(ok ? written : not_written)(store, item);
		if (item->value)
			OPENSSL_clear_free(item->value, item->length);
	}
	shard->n_batches--;
	if (ok) {
		if (reply->seq > shard->seq) {
			shard->seq = reply->seq;
			shard->n_there = reply->n_there;
		}
		store->n_failures = 0;
		// Of a cluster one server may be well and another not.
		if (store->status.up && store->status.ill != STORE_ILL_NONE &&
			shards_are_confirmed(store)) {
			log_info(&log_store, "well", "after=%s", store_ill_name(store->status.ill));
			store->status.ill = STORE_ILL_NONE;
		}
		if (!TAILQ_EMPTY(&shard->dirty) || shard->releasing)
			journal_flush_soon(
				store, shard->releasing ? 0 : store->config.flush_ms / 4);
	} else if (reply->reply.result == STORE_STALE) {
		shard->confirmed = false; // nothing more until the renewal says who is newer
		shard_renew(shard, false);
	} else if (store->status.up) {
		retry_later(store);
	}
	shard_check_end(shard);
}

static struct store_request *next_batch(struct shard *shard)
{
	struct store_request *request = request_create(shard->store, REQUEST_WRITE, shard->name);
	struct entry *entry;

	if (!request)
		return NULL;
	request->items = calloc(BATCH_MAX, sizeof(*request->items));
	while (request->items && request->n_items < BATCH_MAX &&
		(entry = TAILQ_FIRST(&shard->dirty))) {
		struct write_item *item = &request->items[request->n_items];
		bool held = entry->value && !entry->kept;

		if (take_value(shard->store, entry, item))
			break;
		if (!held && item->value)
			shard->store->status.held_bytes += item->length;
		set_dirty(entry, false);
		entry->in_flight = true;
		request->n_items++;
	}
	request->epoch = shard->epoch;
	request->done = on_written;
	request->arg = shard;
	if (request->n_items)
		return request;
	free(request->items);
	free(request);
	return NULL;
}

static void flush_shard(struct shard *shard)
{
	struct store_request *request;

	while (shard->owned && shard->confirmed && shard->n_batches < BATCHES_MAX &&
		!TAILQ_EMPTY(&shard->dirty)) {
		request = next_batch(shard);
		if (!request) {
			retry_later(shard->store); // out of memory
			return;
		}
		shard->n_batches++;
		request_submit(request);
	}
}

void journal_flush(struct store *store)
{
	struct table_node *node, *next;
	uint64_t now = store_now_ms();
	bool wait = store->n_failures && now < store->retry_at_ms;

	if (wait)
		journal_flush_soon(store, (uint32_t)(store->retry_at_ms - now));
	for (node = store_table_next(&store->shards, NULL); node; node = next) {
		struct shard *shard = (struct shard *)node;

		next = store_table_next(&store->shards, node);
		if (store->status.up && !wait)
			flush_shard(shard);
		shard_check_end(shard);
	}
}

void journal_mark_all(struct shard *shard)
{
	struct store *store = shard->store;
	struct table_node *node = NULL;

	while ((node = store_table_next(&shard->entries, node))) {
		struct entry *entry = (struct entry *)node;
		bool was = unprotected(entry);

		if (entry->kept && !entry->value) { // there was no room for it
			store->status.n_dropped++;
			continue;
		}
		if (entry->in_flight)
			entry->again = true;
		else
			set_dirty(entry, true);
		store->status.n_unprotected += (size_t)unprotected(entry) - (size_t)was;
	}
}

void journal_clear(struct shard *shard)
{
	struct table_node *node = store_table_next(&shard->entries, NULL), *next;

	for (; node; node = next) { // never from the start again: a shard may have 100,000
		next = store_table_next(&shard->entries, node);
		remove_entry((struct entry *)node);
	}
}
