// Sessions: the table by id, the queue of what to tell the dataplane, and resync. The subtle thing:
// work is only queued by the exported functions and done by flush(), which runs from the loop, so a
// call never sees a callback in the middle of its own action, and several changes in one turn cost
// one request.
#include "media.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "media_link.h"
#include "media_log.h"
#include "media_private.h"

LOG_MODULE(log_media, "media");

#define TABLE_MIN 1024 // power of two

static void flush_soon(struct media *media)
{
	event_active(media->flush, EV_TIMEOUT, 0);
}

// The table. The last bytes of an id are random.

static struct bucket *table_bucket(const struct media *media, const struct sl_id *id)
{
	uint32_t hash;

	memcpy(&hash, id->bytes + sizeof(id->bytes) - sizeof(hash), sizeof(hash));
	return &media->buckets[hash & (media->n_buckets - 1)];
}

static void table_grow(struct media *media)
{
	struct bucket *old = media->buckets, *grown;
	size_t n_old = media->n_buckets;
	struct media_session *session;

	grown = calloc(n_old * 2, sizeof(*grown));
	if (!grown)
		return; // longer chains, no harm
	media->buckets = grown;
	media->n_buckets = n_old * 2;
	for (size_t i = 0; i < n_old; i++) {
		while ((session = LIST_FIRST(&old[i]))) {
			LIST_REMOVE(session, by_id);
			LIST_INSERT_HEAD(table_bucket(media, &session->id), session, by_id);
		}
	}
	free(old);
}

static void table_insert(struct media *media, struct media_session *session)
{
	if (media->counts.n_sessions >= media->n_buckets)
		table_grow(media);
	LIST_INSERT_HEAD(table_bucket(media, &session->id), session, by_id);
	media->counts.n_sessions++;
}

static void table_remove(struct media *media, struct media_session *session)
{
	LIST_REMOVE(session, by_id);
	media->counts.n_sessions--;
}

struct media_session *media_session_find(struct media *media, const struct sl_id *id)
{
	struct media_session *session;

	LIST_FOREACH (session, table_bucket(media, id), by_id) {
		if (!memcmp(&session->id, id, sizeof(*id)))
			return session;
	}
	return NULL;
}

// What to send.

static void session_queue(struct media_session *session)
{
	struct media *media = session->media;

	if (!session->on_queue)
		TAILQ_INSERT_TAIL(&media->queue, session, queued);
	session->on_queue = true;
	flush_soon(media);
}

static void session_unqueue(struct media_session *session)
{
	if (session->on_queue)
		TAILQ_REMOVE(&session->media->queue, session, queued);
	session->on_queue = false;
}

static void orphan_add(struct media *media, const struct sl_id *id)
{
	struct orphan *orphan = calloc(1, sizeof(*orphan));

	if (!orphan)
		return; // the next resync deletes it
	orphan->id = *id;
	STAILQ_INSERT_TAIL(&media->orphans, orphan, next);
	flush_soon(media);
}

// The end: the owner hears the last word and may free the session.
static void session_finish(struct media_session *session, const struct sl_session_report *report)
{
	struct media *media = session->media;
	const struct sl_id id = session->id;
	bool exists = session->exists;

	session_unqueue(session);
	table_remove(media, session);
	media->ops->closed(session, report);
	if (exists)
		orphan_add(media, &id);
}

static int session_send_set(struct media_session *session)
{
	struct media *media = session->media;
	struct media_request request = {.type = SL_SESSION_SET, .id = session->id};
	struct sl_session wanted = {
		.id = session->id, .n_legs = (uint8_t)media_session_n_legs(session)};
	uint8_t record[SL_RECORD_MAX];
	int err;

	memcpy(wanted.legs, session->legs, sizeof(session->legs));
	if (session->n_more)
		memcpy(wanted.legs + MEDIA_LEGS, session->more,
			session->n_more * sizeof(session->more[0]));
	wanted.record_length = (uint16_t)media->ops->record(session, record, sizeof(record));
	err = media_link_send(media->link, &request, &wanted, record);
	explicit_bzero(&wanted, sizeof(wanted)); // keys
	explicit_bzero(record, sizeof(record));
	if (err)
		return err;
	session->dirty = false;
	session->exists = true;
	session->sets_in_flight++;
	return 0;
}

int media_session_set_now(struct media_session *session)
{
	if (!session->media->up)
		return -ENOTCONN;
	return session->dirty && !session->closing ? session_send_set(session) : 0;
}

static int session_send_get(struct media_session *session)
{
	struct media_request request = {.type = SL_SESSION_GET, .id = session->id};
	int err = media_link_send(session->media->link, &request, NULL, NULL);

	if (!err)
		session->asked = true;
	return err;
}

// Do what the session is queued for. Returns 0, or a negative errno: it stays queued.
static int session_flush(struct media_session *session)
{
	bool up = session->media->up;

	if (session->closing && (!up || !session->exists)) {
		session_finish(session, NULL);
		return 0;
	}
	if (!up)
		return -ENOTCONN;
	if (session->closing)
		return session->asked ? 0 : session_send_get(session);
	return session->dirty ? session_send_set(session) : 0;
}

static void orphans_flush(struct media *media)
{
	struct orphan *orphan;

	while (media->up && (orphan = STAILQ_FIRST(&media->orphans))) {
		struct media_request request = {.type = SL_SESSION_DELETE, .id = orphan->id};

		if (media_link_send(media->link, &request, NULL, NULL))
			return;
		STAILQ_REMOVE_HEAD(&media->orphans, next);
		free(orphan);
	}
}

static void on_flush(evutil_socket_t, short, void *arg)
{
	struct media *media = arg;
	struct media_session *session = TAILQ_FIRST(&media->queue), *next;
	int err = 0;

	for (; session && err != -EAGAIN; session = next) {
		next = TAILQ_NEXT(session, queued);
		session_unqueue(session);
		err = session_flush(session);
		if (err) {
			TAILQ_INSERT_HEAD(&media->queue, session, queued);
			session->on_queue = true;
		}
	}
	orphans_flush(media);
	if (media->up && TAILQ_EMPTY(&media->queue))
		media_shards_flush(media);
}

// Resync.

static void list_begin(struct media *media)
{
	struct media_request request = {.type = SL_SESSION_LIST};
	struct media_session *session;

	for (size_t i = 0; i < media->n_buckets; i++)
		LIST_FOREACH (session, &media->buckets[i], by_id)
			session->listed = false;
	media_link_send(media->link, &request, NULL, NULL); // a failure reconnects
}

static void list_report(struct media *media, const struct sl_message *message)
{
	const void *record = NULL;
	const struct sl_session_report *report = sl_payload_report(message, &record);
	struct media_session *session;

	if (!report)
		return; // the empty last one
	session = media_session_find(media, &report->session.id);
	if (session) {
		session->listed = true;
		return;
	}
	switch (media->ops->found(media->arg, report, record)) {
	case MEDIA_FOUND_ADOPTED:
		media->counts.n_adopted++;
		break;
	case MEDIA_FOUND_LEFT:
		break;
	case MEDIA_FOUND_ORPHAN:
		media_orphan_delete(media, &report->session.id);
		break;
	}
}

// Set what the dataplane lacks. What it has is as we left it, but for updates since, which are
// queued anyway.
static void list_end(struct media *media)
{
	struct media_session *session;
	unsigned int n_restored = 0;

	media->up = true;
	media->recovered = true;
	for (size_t i = 0; i < media->n_buckets; i++) {
		LIST_FOREACH (session, &media->buckets[i], by_id) {
			if (session->listed || !session->exists)
				continue;
			session->exists = false;
			media_srtp_lost(session);
			session->dirty = !session->closing;
			session_queue(session);
			n_restored++;
		}
	}
	media->counts.n_restored += n_restored;
	media_shards_up(media);
	log_info(&log_media, "dataplane_up",
		"instance=%016llx sessions=%u restored=%u adopted=%u orphans=%u",
		(unsigned long long)media->instance, media->counts.n_sessions, n_restored,
		media->counts.n_adopted, media->counts.n_orphans_deleted);
	media->ops->state(media->arg, true);
	flush_soon(media);
}

static void on_up(void *arg, const struct sl_welcome *welcome)
{
	struct media *media = arg;

	media->instance = welcome->instance;
	media->counts.n_connects++;
	list_begin(media);
}

static void on_down(void *arg)
{
	struct media *media = arg;
	bool was_up = media->up;

	media->up = false;
	media_shards_down(media);
	if (was_up)
		media->ops->state(media->arg, false);
	flush_soon(media); // what is closing need not wait
}

// Responses.

static void set_answered(struct media_session *session, const struct sl_message *message)
{
	const struct sl_session *chosen = sl_payload_session(message, NULL);
	int status = message->status ? message->status : chosen ? 0 : -EPROTO;

	session->sets_in_flight--;
	if (session->closing)
		return;
	// More may be wanted by now than were then.
	for (unsigned int i = 0; !status && i < media_session_n_legs(session) && i < chosen->n_legs;
		i++) {
		media_session_leg(session, i)->local = chosen->legs[i].local;
		media_session_leg(session, i)->ssrc = chosen->legs[i].ssrc;
	}
	session->media->ops->ready(session, status);
}

// A set whose answer was lost with the connection: whether it came to pass shows in the next list;
// to be sure, send it again.
static void set_lost(struct media_session *session)
{
	session->sets_in_flight--;
	session->dirty = !session->closing;
	session_queue(session);
}

static void on_response(
	void *arg, const struct media_request *request, const struct sl_message *message)
{
	struct media *media = arg;
	struct media_session *session;

	if (request->fn) {
		request->fn(request->arg, message);
		return;
	}
	if (request->type == SL_SESSION_LIST) {
		if (message)
			list_report(media, message);
		if (message && !message->more)
			list_end(media);
		return;
	}
	session = media_session_find(media, &request->id);
	if (!session)
		return; // of one closed meanwhile, or a delete
	if (request->type == SL_SESSION_SET && message)
		set_answered(session, message);
	else if (request->type == SL_SESSION_SET)
		set_lost(session);
	else if (request->type == SL_SESSION_GET)
		session_finish(session, message ? sl_payload_report(message, NULL) : NULL);
}

static void on_event(void *arg, const struct sl_media_event *event)
{
	struct media *media = arg;
	struct media_session *session = media_session_find(media, &event->id);

	if (!session || session->closing || event->leg >= media_session_n_legs(session))
		return;
	if (event->type == SL_EVENT_FIRST_PACKET)
		media_srtp_ask(session);
	media->ops->event(session, event);
}

static void on_shard_event(void *arg, const struct sl_shard_event *event)
{
	struct media *media = arg;

	if (media->ops->shard)
		media->ops->shard(media->arg, event);
}

static void on_writable(void *arg)
{
	flush_soon(arg);
}

static const struct media_link_ops link_ops = {
	.up = on_up,
	.down = on_down,
	.response = on_response,
	.event = on_event,
	.shard_event = on_shard_event,
	.writable = on_writable,
};

// What the owner calls.

void media_session_open(struct media *media, struct media_session *session)
{
	session->media = media;
	assert(!media_session_find(media, &session->id));
	table_insert(media, session);
}

void media_session_adopt(
	struct media *media, struct media_session *session, const struct sl_session_report *report)
{
	session->id = report->session.id;
	if (report->session.n_legs > MEDIA_LEGS &&
		!media_session_resize(session, report->session.n_legs))
		memcpy(session->more, report->session.legs + MEDIA_LEGS,
			session->n_more * sizeof(session->more[0]));
	memcpy(session->legs, report->session.legs, sizeof(session->legs));
	session->exists = true;
	session->listed = true;
	media_session_open(media, session);
}

void media_session_restore(struct media *media, struct media_session *session)
{
	struct orphan *orphan, *next;

	// It may have been ours before, and dropped while the dataplane was away.
	for (orphan = STAILQ_FIRST(&media->orphans); orphan; orphan = next) {
		next = STAILQ_NEXT(orphan, next);
		if (memcmp(&orphan->id, &session->id, sizeof(orphan->id)) != 0)
			continue;
		STAILQ_REMOVE(&media->orphans, orphan, orphan, next);
		free(orphan);
	}
	session->exists = true; // or the next listing says that it is lost
	media_session_open(media, session);
	media_srtp_lost(session);
	session->dirty = true;
	session_queue(session);
}

void media_session_drop(struct media_session *session)
{
	struct media *media = session->media;
	bool exists = session->exists;

	if (!media)
		return;
	session_unqueue(session);
	table_remove(media, session);
	if (exists)
		orphan_add(media, &session->id);
}

void media_orphan_delete(struct media *media, const struct sl_id *id)
{
	media->counts.n_orphans_deleted++;
	orphan_add(media, id);
}

int media_session_resize(struct media_session *session, unsigned int n)
{
	unsigned int n_more = n > MEDIA_LEGS ? n - MEDIA_LEGS : 0;
	struct sl_leg *more;

	if (n_more > session->n_more) {
		more = reallocarray(session->more, n_more, sizeof(*more));
		if (!more)
			return -ENOMEM;
		memset(more + session->n_more, 0, (n_more - session->n_more) * sizeof(*more));
		session->more = more;
	}
	session->n_more = (uint8_t)n_more;
	return 0;
}

void media_session_fini(struct media_session *session)
{
	if (session->more)
		explicit_bzero(session->more, session->n_more * sizeof(session->more[0]));
	free(session->more);
	explicit_bzero(session->legs, sizeof(session->legs));
	session->more = NULL;
	session->n_more = 0;
}

void media_session_update(struct media_session *session)
{
	if (session->closing)
		return;
	session->dirty = true;
	session_queue(session);
}

void media_session_settle(struct media_session *session)
{
	if (session->dirty && session->media->up)
		session_send_set(session); // where that fails it is on the queue still
}

void media_session_close(struct media_session *session)
{
	if (session->closing)
		return;
	session->closing = true;
	session_queue(session);
}

bool media_is_up(const struct media *media)
{
	return media->up;
}

bool media_is_late(const struct media *media)
{
	return media_link_is_late(media->link);
}

bool media_is_recovered(const struct media *media)
{
	return media->recovered;
}

void media_status_get(const struct media *media, struct media_status *status)
{
	*status = media->counts;
	status->up = media->up;
	status->instance = media->instance;
}

struct media *media_create(
	struct event_base *base, const char *path, const struct media_ops *ops, void *arg)
{
	static const struct timeval srtp_turn = {.tv_sec = 1};
	struct media *media = calloc(1, sizeof(*media));

	if (!media)
		return NULL;
	media->ops = ops;
	media->arg = arg;
	TAILQ_INIT(&media->queue);
	STAILQ_INIT(&media->orphans);
	STAILQ_INIT(&media->shards);
	STAILQ_INIT(&media->marks);
	media->n_buckets = TABLE_MIN;
	media->buckets = calloc(media->n_buckets, sizeof(*media->buckets));
	media->flush = event_new(base, -1, 0, on_flush, media);
	media->link = media_link_create(base, path, &link_ops, media);
	media->srtp_timer = event_new(base, -1, EV_PERSIST, media_srtp_turn, media);
	if (!media->buckets || !media->flush || !media->link || !media->srtp_timer) {
		media_destroy(media);
		errno = ENOMEM;
		return NULL;
	}
	evtimer_add(media->srtp_timer, &srtp_turn);
	return media;
}

void media_destroy(struct media *media)
{
	struct orphan *orphan;

	if (!media)
		return;
	media_link_destroy(media->link);
	if (media->flush)
		event_free(media->flush);
	if (media->srtp_timer)
		event_free(media->srtp_timer);
	while ((orphan = STAILQ_FIRST(&media->orphans))) {
		STAILQ_REMOVE_HEAD(&media->orphans, next);
		free(orphan);
	}
	media_shards_free(media);
	free(media->buckets);
	free(media);
}
