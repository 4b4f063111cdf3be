// Shards and marks on their way to the dataplane. The subtle thing is the order: a shard becomes
// active behind everything that was set before, so that the first packet of the new life finds its
// session, and its indices above those of the old one.
#include "media_shard.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log.h"
#include "media_log.h"
#include "media_private.h"

#define MARGIN_PACKETS 256
#define CLOCKS_MS      1000 // two nodes may differ by
#define RTCP_MARGIN    1000
#define RTCP_A_SECOND  10
#define JUMP_END       (1 << 15) // RFC 3711 3.3.1

struct shard {
	STAILQ_ENTRY(shard) next;
	struct sl_shard wanted;
	bool dirty;
	media_shard_fn *fn; // of what has not gone out yet
	void *arg;
};

// Marks that wait to be sent.
struct marks {
	STAILQ_ENTRY(marks) next;
	media_marks_fn *fn;
	void *arg;
	size_t n, n_sent, n_answered;
	int status; // the first error
	struct sl_mark at[];
};

// An answer under way.
struct answer {
	media_shard_fn *shard_fn;
	media_marks_fn *marks_fn;
	struct marks *marks;
	void *arg;
};

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t media_now_ns(void)
{
	return clock_ns(CLOCK_BOOTTIME);
}

uint64_t media_wall_ms(void)
{
	return clock_ns(CLOCK_REALTIME) / 1000000;
}

// ---- shards ----

static struct shard *shard_find(struct media *media, const char *name)
{
	struct shard *shard;

	STAILQ_FOREACH (shard, &media->shards, next)
		if (!strcmp(shard->wanted.name, name))
			return shard;
	return NULL;
}

static void on_shard(void *arg, const struct sl_message *message)
{
	struct answer answer = *(struct answer *)arg;
	const struct sl_shard *now = NULL;
	int status = message ? message->status : -ENOTCONN;
	size_t n = 0;

	free(arg);
	if (!status) {
		now = sl_payload_shards(message, &n);
		if (!now || n != 1)
			status = -EPROTO;
	}
	if (status)
		log_warn(&log_media, "shard_refused", "error=%s", strerrorname_np(-status));
	if (answer.shard_fn)
		answer.shard_fn(answer.arg, status, status ? NULL : now);
}

// 0, or a negative errno: it stays dirty.
static int shard_send(struct media *media, struct shard *shard)
{
	struct answer *answer = calloc(1, sizeof(*answer));
	struct media_request request = {
		.type = SL_SHARD_SET, .shard = &shard->wanted, .fn = on_shard, .arg = answer};
	int err;

	if (!answer)
		return -ENOMEM;
	*answer = (struct answer){.shard_fn = shard->fn, .arg = shard->arg};
	err = media->up ? media_link_send(media->link, &request, NULL, NULL) : -ENOTCONN;
	if (err) {
		free(answer);
		return err;
	}
	shard->dirty = false;
	shard->fn = NULL;
	return 0;
}

int media_shard_set(
	struct media *media, const struct sl_shard *wanted, media_shard_fn *fn, void *arg)
{
	struct shard *shard;

	if (!memchr(wanted->name, '\0', sizeof(wanted->name)) || !wanted->name[0])
		return -EINVAL;
	shard = shard_find(media, wanted->name);
	if (!shard && media->n_shards == SL_SHARDS_MAX)
		return -ENOSPC;
	if (!shard) {
		shard = calloc(1, sizeof(*shard));
		if (!shard)
			return -ENOMEM;
		STAILQ_INSERT_TAIL(&media->shards, shard, next);
		media->n_shards++;
	}
	shard->wanted = *wanted;
	shard->dirty = true;
	shard->fn = fn;
	shard->arg = arg;
	if (wanted->state == SL_SHARD_ACTIVE || shard_send(media, shard))
		event_active(media->flush, EV_TIMEOUT, 0);
	return 0;
}

// ---- marks ----

static void on_marks_got(void *arg, const struct sl_message *message)
{
	struct answer *answer = arg;
	const struct sl_mark *marks = NULL;
	int status = message ? message->status : -ENOTCONN;
	bool more = message && message->more;
	size_t n = 0;

	if (!status) {
		marks = sl_payload_marks(message, &n);
		if (!marks)
			status = -EPROTO;
	}
	answer->marks_fn(answer->arg, status, marks, n, more);
	if (!more)
		free(answer);
}

int media_marks_get(struct media *media, const char *shard, media_marks_fn *fn, void *arg)
{
	struct answer *answer;
	struct sl_shard named = {};
	struct media_request request = {.type = SL_MARKS_GET, .shard = &named, .fn = on_marks_got};
	int err;

	if (strlen(shard) >= sizeof(named.name))
		return -EINVAL;
	memcpy(named.name, shard, strlen(shard));
	answer = calloc(1, sizeof(*answer));
	if (!answer)
		return -ENOMEM;
	*answer = (struct answer){.marks_fn = fn, .arg = arg};
	request.arg = answer;
	err = media->up ? media_link_send(media->link, &request, NULL, NULL) : -ENOTCONN;
	if (err)
		free(answer);
	return err;
}

static void on_marks_set(void *arg, const struct sl_message *message)
{
	struct answer answer = *(struct answer *)arg;
	struct marks *marks = answer.marks;
	int status = message ? message->status : -ENOTCONN;

	free(arg);
	marks->n_answered++;
	if (!marks->status)
		marks->status = status;
	if (marks->n_sent < marks->n || marks->n_answered * SL_MARKS_MAX < marks->n)
		return;
	if (marks->fn)
		marks->fn(marks->arg, marks->status, NULL, 0, false);
	free(marks);
}

// What is left of `marks`, a message at a time. 0, or a negative errno.
static int marks_send(struct media *media, struct marks *marks)
{
	while (marks->n_sent < marks->n) {
		size_t n = marks->n - marks->n_sent;
		struct answer *answer = calloc(1, sizeof(*answer));
		struct media_request request = {.type = SL_MARKS_SET,
			.marks = marks->at + marks->n_sent,
			.n_marks = n < SL_MARKS_MAX ? n : SL_MARKS_MAX,
			.fn = on_marks_set,
			.arg = answer};
		int err;

		if (!answer)
			return -ENOMEM;
		answer->marks = marks;
		err = media_link_send(media->link, &request, NULL, NULL);
		if (err) {
			free(answer);
			return err;
		}
		marks->n_sent += request.n_marks;
	}
	return 0;
}

int media_marks_set(struct media *media, const struct sl_mark *marks, size_t n_marks,
	media_marks_fn *fn, void *arg)
{
	struct marks *copy = calloc(1, sizeof(*copy) + n_marks * sizeof(*marks));

	if (!copy)
		return -ENOMEM;
	copy->n = n_marks;
	copy->fn = fn;
	copy->arg = arg;
	memcpy(copy->at, marks, n_marks * sizeof(*marks));
	STAILQ_INSERT_TAIL(&media->marks, copy, next);
	event_active(media->flush, EV_TIMEOUT, 0);
	return 0;
}

static void marks_fail(struct media *media, struct marks *marks, int status)
{
	STAILQ_REMOVE(&media->marks, marks, marks, next);
	if (marks->fn)
		marks->fn(marks->arg, status, NULL, 0, false);
	free(marks);
}

// ---- from media.c ----

void media_shards_flush(struct media *media)
{
	struct shard *shard;
	struct marks *marks;

	while (media->up && (marks = STAILQ_FIRST(&media->marks))) {
		if (marks->n == 0) {
			marks_fail(media, marks, 0);
			continue;
		}
		if (marks_send(media, marks))
			return; // goes on when there is room, or fails with the connection
		STAILQ_REMOVE_HEAD(&media->marks, next); // its answers free it
	}
	STAILQ_FOREACH (shard, &media->shards, next)
		if (shard->dirty && shard_send(media, shard))
			return;
}

void media_shards_up(struct media *media)
{
	struct shard *shard;

	STAILQ_FOREACH (shard, &media->shards, next)
		shard->dirty = true;
}

void media_shards_down(struct media *media)
{
	struct marks *marks, *next;

	for (marks = STAILQ_FIRST(&media->marks); marks; marks = next) {
		next = STAILQ_NEXT(marks, next);
		if (marks->n_sent == 0 || marks->n_answered * SL_MARKS_MAX >= marks->n_sent)
			marks_fail(media, marks, -ENOTCONN);
	}
}

void media_shards_free(struct media *media)
{
	struct shard *shard;
	struct marks *marks;

	while ((shard = STAILQ_FIRST(&media->shards))) {
		STAILQ_REMOVE_HEAD(&media->shards, next);
		free(shard);
	}
	while ((marks = STAILQ_FIRST(&media->marks))) {
		STAILQ_REMOVE_HEAD(&media->marks, next);
		free(marks);
	}
}

// ---- what may be sent next ----

int media_mark_advance(
	struct sl_mark *mark, bool secure, uint64_t now_ms, uint32_t packets_per_second)
{
	uint64_t passed_ms = (now_ms > mark->at_ms ? now_ms - mark->at_ms : 0) + CLOCKS_MS;
	uint64_t n = passed_ms * packets_per_second / 1000 + MARGIN_PACKETS;

	if (!secure) {
		mark->sequence = (uint16_t)(mark->sequence + n);
		return 0;
	}
	if (mark->flags & SL_MARK_STREAM) {
		if (!mark->sent.rtp_next)
			return -ENODATA;
		if (n >= JUMP_END)
			return -ERANGE;
		mark->sent.rtp_next += n;
		mark->sequence = (uint16_t)mark->sent.rtp_next;
	}
	mark->sent.rtcp_next += (uint32_t)(RTCP_MARGIN + passed_ms * RTCP_A_SECOND / 1000);
	return 0;
}
