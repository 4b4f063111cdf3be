// The loop around the clients: an epoll of its own that the main loop watches as one descriptor.
#include "server.h"

#include <errno.h>
#include <rte_random.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "connection.h"
#include "listener.h"
#include "log_server.h"
#include "requests.h"

#define CLIENTS_MAX	  16
#define PUNTS_PER_POLL	  256
#define REQUESTS_PER_POLL 64 // of one client, so that the others and the timers get their turn

LOG_MODULE(log_server, "server");

struct server {
	struct server_config config;
	struct request_context context;
	char *path;
	int listener;
	int epoll;
	struct server_counters counters;
	LIST_HEAD(, connection) connections;
	_Alignas(8) uint8_t packet[SL_MESSAGE_MAX + 1]; // + 1: a longer one is seen to be so
};

bool server_takes_punts(const struct server *server)
{
	const struct connection *connection;

	LIST_FOREACH (connection, &server->connections, next)
		if (connection->punts)
			return true;
	return false;
}

static void close_connection(struct server *server, struct connection *connection)
{
	log_info(&log_server, "client_gone", "client=%s pid=%d unread=%u", connection->name,
		connection->pid, connection->n_queued);
	LIST_REMOVE(connection, next);
	connection_destroy(connection);
	server->counters.clients--;
	workers_want_punts(server->config.workers, server_takes_punts(server));
}

static int watch(const struct server *server, int operation, int fd, uint32_t events, void *data)
{
	struct epoll_event event = {.events = events, .data.ptr = data};

	return epoll_ctl(server->epoll, operation, fd, &event);
}

static void accept_client(struct server *server)
{
	struct connection *connection;
	pid_t pid;
	int fd = listener_accept(server->listener, &pid);

	if (fd < 0) {
		if (fd == -EAGAIN)
			return;
		server->counters.refused_clients++;
		log_warn(&log_server, "client_refused", "error=%s", strerrorname_np(-fd));
		return;
	}
	connection = server->counters.clients < CLIENTS_MAX ? connection_create(fd) : NULL;
	if (!connection) {
		server->counters.refused_clients++;
		log_warn(&log_server, "client_refused", "pid=%d clients=%lu", pid,
			server->counters.clients);
		close(fd);
		return;
	}
	connection->pid = pid;
	strcpy(connection->name, "?");
	LIST_INSERT_HEAD(&server->connections, connection, next);
	server->counters.clients++;
	if (watch(server, EPOLL_CTL_ADD, fd, EPOLLIN, connection) < 0)
		close_connection(server, connection);
}

static void read_requests(struct server *server, struct connection *connection)
{
	for (unsigned int i = 0; i < REQUESTS_PER_POLL && connection_may_read(connection); i++) {
		ssize_t n =
			recv(connection->fd, server->packet, sizeof(server->packet), MSG_DONTWAIT);

		if (n > 0) {
			request_handle(&server->context, connection, server->packet, (size_t)n);
			explicit_bzero(server->packet, (size_t)n); // there may be keys in it
			continue;
		}
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			connection->broken = true;
		return;
	}
}

// Closes what is to be closed, and watches for what the connection waits for: room to send, or else
// a request.
static void settle(struct server *server, struct connection *connection)
{
	if (connection->broken || (connection->closing && connection->n_queued == 0))
		close_connection(server, connection);
	else
		watch(server, EPOLL_CTL_MOD, connection->fd,
			connection->n_queued ? EPOLLOUT : EPOLLIN, connection);
}

static void serve(struct server *server, struct connection *connection, uint32_t events)
{
	if (events & EPOLLOUT) {
		connection_flush(connection);
		request_continue_list(&server->context, connection);
	}
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		read_requests(server, connection);
	workers_want_punts(server->config.workers, server_takes_punts(server));
	if (events & EPOLLERR || (events & EPOLLHUP && !(events & EPOLLIN)))
		connection->broken = true;
	settle(server, connection);
}

void server_poll(struct server *server)
{
	struct epoll_event events[CLIENTS_MAX + 1];
	int n = epoll_wait(server->epoll, events, CLIENTS_MAX + 1, 0);

	for (int i = 0; i < n; i++) {
		if (events[i].data.ptr)
			serve(server, events[i].data.ptr, events[i].events);
		else
			accept_client(server);
	}
}

int server_fd(const struct server *server)
{
	return server->epoll;
}

// It is closed by its next poll; the shutdown makes that be now.
static void cut_off(struct server *server, struct connection *connection)
{
	server->counters.slow_clients++;
	log_warn(&log_server, "client_too_slow", "client=%s pid=%d unread=%u", connection->name,
		connection->pid, connection->n_queued);
	shutdown(connection->fd, SHUT_RDWR);
}

static void tell_all(struct server *server, uint16_t type, const void *event, size_t length)
{
	struct connection *connection;

	LIST_FOREACH (connection, &server->connections, next) {
		if (!connection->events || connection->broken)
			continue;
		connection_send(connection, type, 0, 0, false, event, length, NULL, 0);
		if (connection->broken)
			cut_off(server, connection);
		else if (connection->n_queued == 1)
			watch(server, EPOLL_CTL_MOD, connection->fd, EPOLLOUT, connection);
	}
}

void server_event(void *server, const struct sl_media_event *event)
{
	tell_all(server, SL_MEDIA_EVENT, event, sizeof(*event));
}

void server_shard_event(void *server, const struct sl_shard_event *event)
{
	tell_all(server, SL_SHARD_EVENT, event, sizeof(*event));
}

// What a client does not read is lost to that client only.
static void tell_punt(struct server *server, const struct sl_datagram *datagram)
{
	struct connection *connection;

	server->counters.punts++;
	LIST_FOREACH (connection, &server->connections, next)
		if (connection->punts &&
			!connection_offer(connection, SL_PUNT, datagram, sizeof(*datagram)))
			server->counters.punts_dropped++;
}

void server_punts(struct server *server)
{
	struct sl_datagram datagram;

	for (unsigned int i = 0; i < PUNTS_PER_POLL; i++) {
		if (!workers_next_punt(server->config.workers, &datagram))
			return;
		tell_punt(server, &datagram);
	}
}

static int open_server(struct server *server, char *error, size_t error_size)
{
	server->listener = -1;
	server->epoll = epoll_create1(EPOLL_CLOEXEC);
	server->path = strdup(server->config.path);
	server->context.stats = stats_create(&server->counters);
	server->context.injector = injector_create(
		server->config.hops, server->config.sessions, server->config.workers);
	if (server->epoll < 0 || !server->path || !server->context.stats ||
		!server->context.injector) {
		snprintf(error, error_size, "socket %s: out of memory or files",
			server->config.path);
		return -1;
	}
	server->listener = listener_open(server->path, error, error_size);
	if (server->listener < 0)
		return -1;
	return watch(server, EPOLL_CTL_ADD, server->listener, EPOLLIN, NULL);
}

struct server *server_create(const struct server_config *config, char *error, size_t error_size)
{
	struct server *server = calloc(1, sizeof(*server));

	if (!server) {
		snprintf(error, error_size, "socket %s: out of memory", config->path);
		return NULL;
	}
	server->config = *config;
	server->context.config = &server->config;
	server->context.instance = rte_rand();
	server->context.started_ns = clock_now_ns();
	LIST_INIT(&server->connections);
	if (open_server(server, error, error_size) == 0)
		return server;
	server_destroy(server);
	return NULL;
}

void server_destroy(struct server *server)
{
	struct connection *connection;

	if (!server)
		return;
	while ((connection = LIST_FIRST(&server->connections)))
		close_connection(server, connection);
	if (server->listener >= 0) {
		unlink(server->path);
		close(server->listener);
	}
	if (server->epoll >= 0)
		close(server->epoll);
	injector_destroy(server->context.injector);
	stats_destroy(server->context.stats);
	free(server->path);
	free(server);
}
