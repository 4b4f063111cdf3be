// Records of calls in the store: sealed whole, since keys of media are in them and numbers that
// are nobody's business.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cluster_private.h"
#include "store_keys.h"
#include "store_record.h"

int cluster_put(struct cluster *cluster, const char *name, const char *key)
{
	struct shard_state *shard = shard_state_find(cluster, name);

	if (!shard || !shard->owned)
		return -ENOENT;
	return store_put_later(cluster->store, name, key);
}

int cluster_delete(struct cluster *cluster, const char *name, const char *key)
{
	struct shard_state *shard = shard_state_find(cluster, name);

	return shard && shard->owned ? store_delete(cluster->store, name, key) : -ENOENT;
}

size_t record_fetch(void *arg, const char *shard, const char *key, uint8_t *buffer, size_t size)
{
	struct cluster *cluster = arg;
	const struct store_place place = {shard, key};
	static uint8_t record[CLUSTER_RECORD_MAX];
	size_t length = cluster->ops->record(cluster->arg, shard, key, record, sizeof(record));
	struct store_record_content content = {
		.kind = STORE_RECORD_CALL, .secret = record, .secret_length = length};
	int built;

	if (!length)
		return 0;
	built = store_record_build(cluster->keys, &place, &content, buffer, size);
	explicit_bzero(record, length);
	if (built < 0)
		log_error(&log_cluster, "not_sealed", "shard=%s key=%s error=\"%s\"", shard, key,
			strerror(-built));
	return built < 0 ? 0 : (size_t)built;
}

// Lists.

struct listing {
	struct cluster *cluster;
	char shard[CLUSTER_NAME_MAX + 1];
	cluster_record_fn *fn;
	void *arg;
};

static void record_read(struct listing *listing, const struct store_item *item)
{
	static uint8_t secret[STORE_SECRET_MAX];
	struct cluster *cluster = listing->cluster;
	const struct store_place place = {listing->shard, item->key};
	struct store_record record;
	int n = store_record_parse(item->value, item->length, &record);

	if (!n)
		n = store_record_open(
			cluster->keys, &place, item->value, &record, secret, sizeof(secret));
	if (n > 0) {
		store_adopt(cluster->store, listing->shard, item->key);
		listing->fn(listing->arg, item->key, secret, (size_t)n, 0);
		explicit_bzero(secret, (size_t)n);
		return;
	}
	if (n == -ENOTSUP || n == -ENOKEY)
		cluster->counters.records_newer++;
	else
		cluster->counters.records_broken++;
	if (n == -ETIME)
		store_delete(cluster->store, listing->shard, item->key);
	else // others may have what it takes to read it, so it is not ours to take away
		store_keep(cluster->store, listing->shard, item->key, item->value, item->length);
	log_warn(&log_cluster, "record_skipped", "shard=%s key=%s error=\"%s\"", listing->shard,
		item->key, strerror(n ? -n : EBADMSG));
}

static void on_page(void *arg, const struct store_reply *reply)
{
	struct listing *listing = arg;

	for (size_t i = 0; i < reply->n_items; i++)
		record_read(listing, &reply->items[i]);
	if (reply->result == STORE_MORE)
		return;
	listing->fn(listing->arg, NULL, NULL, 0,
		reply->result == STORE_OK || reply->result == STORE_NONE ? 0 : -EAGAIN);
	free(listing);
}

int cluster_list(struct cluster *cluster, const char *shard, cluster_record_fn *fn, void *arg)
{
	struct listing *listing = calloc(1, sizeof(*listing));
	int err;

	if (!listing)
		return -ENOMEM;
	*listing = (struct listing){.cluster = cluster, .fn = fn, .arg = arg};
	strncpy(listing->shard, shard, CLUSTER_NAME_MAX);
	err = store_list(cluster->store, shard, on_page, listing);
	if (err)
		free(listing);
	return err;
}
