// The connection to the dataplane. The subtle thing: it is only ever closed from the loop
// (link_fail() schedules), so that nobody's callback finds the client freed under its feet.
#include "media_link.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log.h"
#include "media_log.h"

#define BACKOFF_MIN_MS	 50
#define BACKOFF_MAX_MS	 2000
#define ANSWER_WITHIN_MS 5000 // a dataplane that takes longer is taken for hung
#define PENDING_MIN	 64
#define LATE_MS		 300 // one alone may take long for reasons of its own
#define LATE_N		 100

struct media_link {
	struct event_base *base;
	const struct media_link_ops *ops;
	void *arg;
	char *path;
	struct sl_client *client;
	struct event *readable, *writable;
	struct event *timer; // down: time to connect; up: watch for a hang
	struct event *failed;
	unsigned int backoff_ms;
	bool welcomed;
	bool said_away;

	// Requests under way: a ring of a power of two, oldest at `head`.
	struct media_request *pending;
	size_t size, head, n_pending;
};

static void link_connect(struct media_link *link);

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void timer_arm(struct media_link *link, unsigned int ms)
{
	struct timeval after = {.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000};

	evtimer_add(link->timer, &after);
}

static struct media_request *pending_oldest(struct media_link *link)
{
	return link->n_pending ? &link->pending[link->head & (link->size - 1)] : NULL;
}

static void pending_drop_oldest(struct media_link *link)
{
	link->head++;
	link->n_pending--;
}

static int pending_reserve(struct media_link *link)
{
	size_t size = link->size ? link->size * 2 : PENDING_MIN;
	struct media_request *grown;

	if (link->n_pending < link->size)
		return 0;
	grown = calloc(size, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	for (size_t i = 0; i < link->n_pending; i++)
		grown[i] = link->pending[(link->head + i) & (link->size - 1)];
	free(link->pending);
	link->pending = grown;
	link->size = size;
	link->head = 0;
	return 0;
}

bool media_link_is_late(const struct media_link *link)
{
	return link->n_pending >= LATE_N &&
	       now_ms() - link->pending[link->head & (link->size - 1)].sent_ms >= LATE_MS;
}

static void events_free(struct media_link *link)
{
	if (link->readable)
		event_free(link->readable);
	if (link->writable)
		event_free(link->writable);
	link->readable = link->writable = NULL;
}

static void link_close(struct media_link *link)
{
	bool was_up = link->welcomed;

	events_free(link);
	if (link->client)
		sl_client_close(link->client);
	link->client = NULL;
	link->welcomed = false;
	while (link->n_pending) {
		struct media_request request = *pending_oldest(link);

		pending_drop_oldest(link);
		link->ops->response(link->arg, &request, NULL);
	}
	if (was_up)
		link->ops->down(link->arg);
}

static void on_failed(evutil_socket_t, short, void *arg)
{
	struct media_link *link = arg;

	link_close(link);
	timer_arm(link, link->backoff_ms);
	link->backoff_ms =
		link->backoff_ms * 2 < BACKOFF_MAX_MS ? link->backoff_ms * 2 : BACKOFF_MAX_MS;
}

static void link_fail(struct media_link *link, const char *why)
{
	if (link->welcomed || !link->said_away)
		log_warn(&log_media, "dataplane_away", "socket=%s error=\"%s\"", link->path, why);
	link->said_away = true;
	event_active(link->failed, EV_TIMEOUT, 0);
}

static void welcome_take(struct media_link *link, const struct sl_message *message)
{
	const struct sl_welcome *welcome = sl_payload_welcome(message);

	if (message->status || !welcome) {
		link_fail(link, message->status ? strerror(-message->status) : "no welcome");
		return;
	}
	link->welcomed = true;
	link->said_away = false;
	link->backoff_ms = BACKOFF_MIN_MS;
	link->ops->up(link->arg, welcome);
}

static void response_take(struct media_link *link, const struct sl_message *message)
{
	struct media_request *oldest = pending_oldest(link);
	struct media_request request;

	if (!oldest || oldest->request_id != message->request_id) {
		link_fail(link, "response to no request of ours");
		return;
	}
	request = *oldest;
	if (message->more)
		oldest->sent_ms = now_ms(); // a long list is not a hang
	else
		pending_drop_oldest(link);
	link->ops->response(link->arg, &request, message);
}

static void message_take(struct media_link *link, const struct sl_message *message)
{
	const struct sl_shard_event *shard_event;
	const struct sl_media_event *event;

	if (message->type == SL_MEDIA_EVENT && !message->response) {
		event = sl_payload_event(message);
		if (event && link->welcomed)
			link->ops->event(link->arg, event);
	} else if (message->type == SL_SHARD_EVENT && !message->response) {
		shard_event = sl_payload_shard_event(message);
		if (shard_event && link->welcomed)
			link->ops->shard_event(link->arg, shard_event);
	} else if (!link->welcomed) {
		welcome_take(link, message);
	} else {
		response_take(link, message);
	}
}

static void on_readable(evutil_socket_t, short, void *arg)
{
	struct media_link *link = arg;
	struct sl_message message;
	int err = 0;

	while (!event_pending(link->failed, EV_TIMEOUT, NULL)) {
		err = sl_client_receive(link->client, &message);
		if (err)
			break;
		message_take(link, &message);
		// Nothing is due: the loop will say when there is more, cheaper than asking.
		if (!link->n_pending)
			break;
	}
	if (err && err != -EAGAIN)
		link_fail(link, strerror(-err));
}

static void on_writable(evutil_socket_t, short, void *arg)
{
	struct media_link *link = arg;

	if (link->welcomed)
		link->ops->writable(link->arg);
}

// Down: connect. Up: see whether the oldest request, or the hello, has waited too long.
static void on_timer(evutil_socket_t, short, void *arg)
{
	struct media_link *link = arg;
	const struct media_request *oldest = pending_oldest(link);

	if (!link->client) {
		link_connect(link);
		return;
	}
	if (!link->welcomed || (oldest && now_ms() - oldest->sent_ms > ANSWER_WITHIN_MS))
		link_fail(link, "no answer");
	else
		timer_arm(link, ANSWER_WITHIN_MS / 4);
}

static void link_connect(struct media_link *link)
{
	int fd;

	link->client = sl_client_open(link->path, "sluice-control", SL_CLIENT_EVENTS);
	if (!link->client) {
		link_fail(link, strerror(errno));
		return;
	}
	fd = sl_client_fd(link->client);
	link->readable = event_new(link->base, fd, EV_READ | EV_PERSIST, on_readable, link);
	link->writable = event_new(link->base, fd, EV_WRITE, on_writable, link);
	if (!link->readable || !link->writable || event_add(link->readable, NULL)) {
		link_fail(link, "out of memory");
		return;
	}
	timer_arm(link, ANSWER_WITHIN_MS);
}

int media_link_send(struct media_link *link, const struct media_request *request,
	const struct sl_session *session, const void *record)
{
	struct media_request *newest;
	int64_t id = -EOPNOTSUPP;

	if (!link->welcomed)
		return -ENOTCONN;
	if (pending_reserve(link))
		return -ENOMEM;
	if (request->type == SL_SESSION_SET)
		id = sl_client_session_set(link->client, session, record);
	else if (request->type == SL_SESSION_DELETE)
		id = sl_client_session_delete(link->client, &request->id);
	else if (request->type == SL_SESSION_GET)
		id = sl_client_session_get(link->client, &request->id);
	else if (request->type == SL_SESSION_LIST)
		id = sl_client_session_list(link->client);
	else if (request->type == SL_STATS_GET)
		id = sl_client_stats_get(link->client);
	else if (request->type == SL_CODECS_GET)
		id = sl_client_codecs_get(link->client);
	else if (request->type == SL_DTMF)
		id = sl_client_dtmf(link->client, &request->dtmf);
	else if (request->type == SL_SHARD_SET)
		id = sl_client_shard_set(link->client, request->shard);
	else if (request->type == SL_MARKS_GET)
		id = sl_client_marks_get(link->client, request->shard->name);
	else if (request->type == SL_MARKS_SET)
		id = sl_client_marks_set(link->client, request->marks, request->n_marks);
	else if (request->type == SL_PROFILE)
		id = sl_client_profile(link->client, request->on);
	if (id == -EAGAIN)
		event_add(link->writable, NULL);
	else if (id < 0)
		link_fail(link, strerror((int)-id));
	if (id < 0)
		return id == -EAGAIN ? -EAGAIN : -ENOTCONN;
	newest = &link->pending[(link->head + link->n_pending++) & (link->size - 1)];
	*newest = *request;
	newest->request_id = (uint32_t)id;
	newest->sent_ms = now_ms();
	return 0;
}

struct media_link *media_link_create(
	struct event_base *base, const char *path, const struct media_link_ops *ops, void *arg)
{
	struct media_link *link = calloc(1, sizeof(*link));

	if (!link)
		return NULL;
	link->base = base;
	link->ops = ops;
	link->arg = arg;
	link->backoff_ms = BACKOFF_MIN_MS;
	link->path = strdup(path);
	link->timer = evtimer_new(base, on_timer, link);
	link->failed = event_new(base, -1, 0, on_failed, link);
	if (!link->path || !link->timer || !link->failed) {
		media_link_destroy(link);
		errno = ENOMEM;
		return NULL;
	}
	timer_arm(link, 0);
	return link;
}

void media_link_destroy(struct media_link *link)
{
	if (!link)
		return;
	link->welcomed = false; // nobody is told any more
	link->n_pending = 0;
	link_close(link);
	if (link->timer)
		event_free(link->timer);
	if (link->failed)
		event_free(link->failed);
	free(link->pending);
	free(link->path);
	free(link);
}
