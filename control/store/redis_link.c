// The pipeline: commands go out as they come, replies come back in the same order.
//
// One timer serves all time-outs: of connecting, of the oldest command, and of silence (then it
// sends a PING, so a server that hangs is found out also where nobody asks it for anything).
#include "redis_link.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/dns.h>
#include <hiredis/sds.h>

enum { PENDING_MAX = 8192, REPLY_MAX = 64 << 20 };

struct pending {
	STAILQ_ENTRY(pending) link;
	redis_reply_fn *fn;
	void *arg;
	uint64_t due_ms;
};

struct redis_link {
	struct redis_link_config config;
	struct redis_address address;
	struct bufferevent *stream;
	redisReader *reader;
	STAILQ_HEAD(, pending) pending;
	size_t n_pending;
	struct event *timer, *failed_event;
	uint64_t connect_due_ms;
	bool connected, greeted, failed;
	enum store_ill ill;
};

static void arm_timer(struct redis_link *link, uint64_t ms)
{
	struct timeval after = {
		.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000)};

	event_add(link->timer, &after);
}

void redis_link_fail(struct redis_link *link, enum store_ill ill, const char *text)
{
	char quoted[200];

	if (link->failed)
		return;
	link->failed = true;
	link->ill = ill;
	log_debug(&log_store, "link_failed", "server=%s:%d why=%s text=%s", link->address.host,
		link->address.port, store_ill_name(ill),
		log_quote(quoted, sizeof(quoted), text, -1));
	bufferevent_disable(link->stream, EV_READ | EV_WRITE);
	event_active(link->failed_event, 0, 0);
}

static void on_failed(evutil_socket_t, short, void *arg)
{
	struct redis_link *link = arg;

	link->config.down(link->config.arg, link->ill);
}

static void on_timer(evutil_socket_t, short, void *arg)
{
	static const char *const words[] = {"PING"};
	static const size_t lengths[] = {4};
	const struct redis_command ping = {(const char **)words, lengths, 1};
	struct redis_link *link = arg;
	const struct pending *oldest = STAILQ_FIRST(&link->pending);
	uint64_t now = store_now_ms();
	uint64_t due = oldest ? oldest->due_ms : now + link->config.command_timeout_ms;

	if (!link->greeted && link->connect_due_ms < due)
		due = link->connect_due_ms;
	if (due <= now) {
		redis_link_fail(link, STORE_ILL_TIMEOUT, oldest ? "no reply" : "no connection");
		return;
	}
	if (!oldest && link->greeted)
		redis_link_send(link, &ping, NULL, NULL);
	arm_timer(link, due - now);
}

static void pop(struct redis_link *link, const redisReply *reply)
{
	struct pending *pending = STAILQ_FIRST(&link->pending);

	STAILQ_REMOVE_HEAD(&link->pending, link);
	link->n_pending--;
	if (pending->fn)
		pending->fn(pending->arg, reply);
	free(pending);
}

static bool is_message(const redisReply *reply)
{
	return reply->type == REDIS_REPLY_ARRAY && reply->elements == 3 &&
	       reply->element[0]->type == REDIS_REPLY_STRING &&
	       !strcmp(reply->element[0]->str, "message");
}

static void take_replies(struct redis_link *link)
{
	void *got = NULL;

	while (!link->failed) {
		if (redisReaderGetReply(link->reader, &got) != REDIS_OK) {
			redis_link_fail(link, STORE_ILL_PROTOCOL, link->reader->errstr);
			return;
		}
		if (!got)
			return;
		if (link->config.push && is_message(got))
			link->config.push(link->config.arg, got);
		else if (STAILQ_EMPTY(&link->pending))
			redis_link_fail(link, STORE_ILL_PROTOCOL, "a reply to nothing");
		else
			pop(link, got);
		freeReplyObject(got);
	}
}

static void on_read(struct bufferevent *stream, void *arg)
{
	struct redis_link *link = arg;
	struct evbuffer *input = bufferevent_get_input(stream);
	struct evbuffer_iovec part;

	while (!link->failed && evbuffer_peek(input, -1, NULL, &part, 1) > 0) {
		if (redisReaderFeed(link->reader, part.iov_base, part.iov_len) != REDIS_OK ||
			link->reader->len - link->reader->pos > REPLY_MAX) {
			redis_link_fail(link, STORE_ILL_PROTOCOL, "too long");
			return;
		}
		evbuffer_drain(input, part.iov_len);
		take_replies(link);
	}
}

static void on_event(struct bufferevent *stream, short what, void *arg)
{
	int on = 1, idle = 15;
	struct redis_link *link = arg;

	if (what & BEV_EVENT_CONNECTED) {
		link->connected = true;
		if (link->address.port) {
			evutil_socket_t fd = bufferevent_getfd(stream);

			setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
			setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
			setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
		}
		bufferevent_enable(stream, EV_READ | EV_WRITE);
		redis_greet(link, &link->config);
		return;
	}
	if (bufferevent_get_openssl_error(stream))
		redis_link_fail(link, STORE_ILL_TLS, "TLS");
	else if (!link->connected && link->config.tls && !(what & BEV_EVENT_ERROR))
		redis_link_fail(link, STORE_ILL_TLS, "closed during the hand-shake");
	else if (!link->connected)
		redis_link_fail(link, STORE_ILL_CONNECT,
			evutil_socket_error_to_string(EVUTIL_SOCKET_ERROR()));
	else
		redis_link_fail(link, STORE_ILL_CLOSED, "closed");
}

static int connect_stream(struct redis_link *link)
{
	struct sockaddr_un path = {.sun_family = AF_UNIX};

	if (link->address.port)
		return bufferevent_socket_connect_hostname(link->stream, link->config.dns,
			AF_UNSPEC, link->address.host, link->address.port);
	memcpy(path.sun_path, link->address.host, strlen(link->address.host));
	return bufferevent_socket_connect(link->stream, (struct sockaddr *)&path, sizeof(path));
}

static struct bufferevent *open_stream(struct redis_link *link)
{
	const char *name = link->config.tls_name ? link->config.tls_name : link->address.host;
	struct bufferevent *stream;
	SSL *ssl;

	if (!link->config.tls)
		return bufferevent_socket_new(link->config.base, -1, BEV_OPT_CLOSE_ON_FREE);
	ssl = redis_tls_open(link->config.tls, name);
	if (!ssl)
		return NULL;
	stream = bufferevent_openssl_socket_new(
		link->config.base, -1, ssl, BUFFEREVENT_SSL_CONNECTING, BEV_OPT_CLOSE_ON_FREE);
	if (stream)
		bufferevent_openssl_set_allow_dirty_shutdown(stream, 1);
	return stream;
}

struct redis_link *redis_link_create(
	const struct redis_link_config *config, const struct redis_address *address)
{
	struct redis_link *link = calloc(1, sizeof(*link));

	if (!link)
		return NULL;
	link->config = *config;
	link->address = *address;
	STAILQ_INIT(&link->pending);
	link->reader = redisReaderCreate();
	link->timer = event_new(config->base, -1, 0, on_timer, link);
	link->failed_event = event_new(config->base, -1, 0, on_failed, link);
	link->stream = open_stream(link);
	link->connect_due_ms = store_now_ms() + config->connect_timeout_ms;
	if (!link->reader || !link->timer || !link->failed_event || !link->stream) {
		redis_link_destroy(link);
		errno = ENOMEM;
		return NULL;
	}
	bufferevent_setcb(link->stream, on_read, NULL, on_event, link);
	arm_timer(link, config->connect_timeout_ms);
	if (connect_stream(link))
		redis_link_fail(link, STORE_ILL_CONNECT, strerror(errno));
	return link;
}

void redis_link_destroy(struct redis_link *link)
{
	if (!link)
		return;
	link->failed = true;
	while (!STAILQ_EMPTY(&link->pending))
		pop(link, NULL);
	if (link->stream)
		bufferevent_free(link->stream);
	if (link->timer)
		event_free(link->timer);
	if (link->failed_event)
		event_free(link->failed_event);
	if (link->reader)
		redisReaderFree(link->reader);
	free(link);
}

// Events that are active keep their priority, so none may be.
void redis_link_priority_set(struct redis_link *link, int priority)
{
	short enabled = bufferevent_get_enabled(link->stream);

	bufferevent_disable(link->stream, EV_READ | EV_WRITE);
	bufferevent_priority_set(link->stream, priority);
	if (!link->failed)
		bufferevent_enable(link->stream, enabled);
	event_del(link->timer);
	event_priority_set(link->timer, priority);
	arm_timer(link, 1); // it finds out what is due
	event_del(link->failed_event);
	event_priority_set(link->failed_event, priority);
	if (link->failed)
		event_active(link->failed_event, 0, 0);
}

int redis_link_send(
	struct redis_link *link, const struct redis_command *command, redis_reply_fn *fn, void *arg)
{
	struct pending *pending;
	sds text = NULL;
	int length;

	if (link->failed || !link->connected)
		return -ENOTCONN;
	if (link->n_pending >= PENDING_MAX)
		return -ENOBUFS;
	pending = calloc(1, sizeof(*pending));
	length = pending ? redisFormatSdsCommandArgv(
				   &text, (int)command->argc, command->argv, command->lengths)
			 : -1;
	if (length < 0 || bufferevent_write(link->stream, text, (size_t)length)) {
		sdsfree(text);
		free(pending);
		return -ENOMEM;
	}
	sdsfree(text);
	*pending = (struct pending){
		.fn = fn, .arg = arg, .due_ms = store_now_ms() + link->config.command_timeout_ms};
	if (STAILQ_EMPTY(&link->pending))
		arm_timer(link, link->config.command_timeout_ms);
	STAILQ_INSERT_TAIL(&link->pending, pending, link);
	link->n_pending++;
	return 0;
}

bool redis_link_is_idle(const struct redis_link *link)
{
	return STAILQ_EMPTY(&link->pending);
}

void redis_link_greeted(struct redis_link *link)
{
	link->greeted = true;
	arm_timer(link, link->config.command_timeout_ms);
	link->config.up(link->config.arg);
}
