// Heartbeats as bytes (beat.h). What is read here is authenticated, but by whoever has the key,
// which may be of another version: bounds first.
#include "beat.h"

#include <errno.h>
#include <string.h>

#include "store_keys.h"
#include "store_record.h"

enum { VERSION = 1, FLAG_DRAINING = 1 };

struct writer {
	uint8_t *p;
	size_t n;
};

// BEAT_TEXT_MAX has room for the largest beat there is.
_Static_assert(1 + 8 + 8 + 4 + 1 + CLUSTER_NAME_MAX + 1 +
			       CLUSTER_NODES_MAX * (1 + CLUSTER_NAME_MAX) + 1 +
			       CLUSTER_SHARDS_MAX * (1 + CLUSTER_NAME_MAX + 8) <=
		       BEAT_TEXT_MAX,
	"a heartbeat fits");

static void put_number(struct writer *w, uint64_t number, size_t size)
{
	while (size--)
		w->p[w->n++] = (uint8_t)(number >> 8 * size);
}

static void put_name(struct writer *w, const char *name)
{
	size_t n = strlen(name);

	put_number(w, n, 1);
	memcpy(w->p + w->n, name, n);
	w->n += n;
}

size_t beat_write(const struct beat *beat, uint8_t out[BEAT_TEXT_MAX])
{
	struct writer w = {.p = out};

	put_number(&w, beat->draining ? FLAG_DRAINING : 0, 1);
	put_number(&w, beat->boot, 8);
	put_number(&w, beat->counter, 8);
	put_number(&w, beat->calls, 4);
	put_name(&w, beat->node);
	put_number(&w, beat->n_missing, 1);
	for (size_t i = 0; i < beat->n_missing; i++)
		put_name(&w, beat->missing[i]);
	put_number(&w, beat->n_shards, 1);
	for (size_t i = 0; i < beat->n_shards; i++) {
		put_name(&w, beat->shards[i].name);
		put_number(&w, beat->shards[i].epoch, 8);
	}
	return w.n;
}

struct reader {
	const uint8_t *p;
	size_t left;
	bool bad;
};

static uint64_t get_number(struct reader *r, size_t size)
{
	uint64_t number = 0;

	if (r->bad || size > r->left) {
		r->bad = true;
		return 0;
	}
	for (size_t i = 0; i < size; i++)
		number = number << 8 | r->p[i];
	r->p += size;
	r->left -= size;
	return number;
}

// Of the characters that the configuration takes.
static void get_name(struct reader *r, char out[CLUSTER_NAME_MAX + 1])
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
	size_t n = get_number(r, 1);

	if (r->bad || !n || n > CLUSTER_NAME_MAX || n > r->left) {
		r->bad = true;
		return;
	}
	memcpy(out, r->p, n);
	out[n] = '\0';
	r->bad = strspn(out, letters) != n;
	r->p += n;
	r->left -= n;
}

static size_t get_count(struct reader *r, size_t most)
{
	size_t n = get_number(r, 1);

	r->bad |= n > most;
	return r->bad ? 0 : n;
}

int beat_read(const void *text, size_t length, struct beat *beat)
{
	struct reader r = {.p = text, .left = length};

	*beat = (struct beat){.draining = get_number(&r, 1) & FLAG_DRAINING};
	beat->boot = get_number(&r, 8);
	beat->counter = get_number(&r, 8);
	beat->calls = (uint32_t)get_number(&r, 4);
	get_name(&r, beat->node);
	beat->n_missing = get_count(&r, CLUSTER_NODES_MAX);
	for (size_t i = 0; i < beat->n_missing; i++)
		get_name(&r, beat->missing[i]);
	beat->n_shards = get_count(&r, CLUSTER_SHARDS_MAX);
	for (size_t i = 0; i < beat->n_shards; i++) {
		get_name(&r, beat->shards[i].name);
		beat->shards[i].epoch = get_number(&r, 8);
	}
	return r.bad ? -EBADMSG : 0;
}

int beat_seal(const struct beat *beat, struct store_keys *keys, uint8_t out[BEAT_MAX])
{
	struct writer w = {.p = out};
	const struct store_part header = {out, BEAT_HEADER};
	uint8_t text[BEAT_TEXT_MAX];
	struct store_part secret = {text, beat_write(beat, text)};
	int err;

	memcpy(out, "SB", 2);
	w.n = 2;
	put_number(&w, VERSION, 1);
	put_number(&w, 0, 1);
	put_number(&w, store_keys_sealing_id(keys), 4);
	err = store_seal(keys, &header, 1, &secret, out + BEAT_HEADER);
	return err ? err : (int)(BEAT_HEADER + STORE_SEAL_OVERHEAD + secret.length);
}

int beat_open(struct beat *beat, struct store_keys *keys, const void *data, size_t length)
{
	const struct store_part header = {data, BEAT_HEADER};
	struct reader r = {.p = data, .left = length};
	struct store_part sealed;
	uint8_t text[BEAT_TEXT_MAX];
	uint64_t version, key_id;
	int err;

	if (length <= BEAT_HEADER + STORE_SEAL_OVERHEAD || length > BEAT_MAX ||
		get_number(&r, 2) != 0x5342)
		return -EBADMSG;
	version = get_number(&r, 1);
	get_number(&r, 1);
	key_id = get_number(&r, 4);
	if (version != VERSION)
		return -ENOTSUP;
	sealed = (struct store_part){r.p, r.left};
	err = store_open(keys, (uint32_t)key_id, &header, 1, &sealed, text);
	return err ? err : beat_read(text, sealed.length - STORE_SEAL_OVERHEAD, beat);
}
