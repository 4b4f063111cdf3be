// The admin socket: connections, lines, answers. One request of a connection is under way at a
// time: the next line is looked at when the answer has been written out, so a client that does not
// read costs one answer's memory.
#include "admin.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "admin_private.h"

LOG_MODULE(log_admin, "admin");

#define CONNECTIONS_MAX 16
#define REQUEST_MAX	4096
#define IDLE_TIMEOUT_S	300
#define WRITE_TIMEOUT_S 10

uint64_t admin_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void connection_close(struct admin_connection *connection)
{
	if (connection->question)
		connection->question->connection = NULL;
	LIST_REMOVE(connection, in_admin);
	connection->admin->n_connections--;
	bufferevent_free(connection->stream);
	free(connection);
}

// Takes over `answer`. Where it cannot be written, the connection is closed by its next event.
static void send_line(struct admin_connection *connection, json_t *answer)
{
	static const char no_memory[] = "{\"ok\":false,\"error\":\"out of memory\"}";
	char *text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;
	const char *line = text ? text : no_memory;

	connection->question = NULL;
	bufferevent_write(connection->stream, line, strlen(line));
	bufferevent_write(connection->stream, "\n", 1);
	free(text);
	json_decref(answer);
}

void admin_answer(struct admin_connection *connection, json_t *result)
{
	send_line(connection, json_pack("{s:b, s:o}", "ok", 1, "result", result));
}

// The text may be cut in the middle of a character: that one is dropped.
static json_t *cut_string(const char *text)
{
	size_t length = strlen(text);
	json_t *json = json_stringn(text, length);

	for (int i = 0; !json && i < 3 && length > 0; i++)
		json = json_stringn(text, --length);
	return json;
}

void admin_refuse(struct admin_connection *connection, const char *format, ...)
{
	char text[ADMIN_RELOAD_SIZE];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	send_line(connection, json_pack("{s:b, s:o}", "ok", 0, "error", cut_string(text)));
}

static void take_request(struct admin_connection *connection, const char *line, size_t length)
{
	json_error_t error;
	json_t *request = json_loadb(line, length, JSON_REJECT_DUPLICATES, &error);

	connection->busy = true;
	if (json_is_object(request))
		admin_execute(connection, request);
	else
		admin_refuse(connection, "expected a JSON object on one line");
	json_decref(request);
}

static void on_readable(struct bufferevent *stream, void *arg)
{
	struct admin_connection *connection = arg;
	struct evbuffer *input = bufferevent_get_input(stream);
	size_t length;
	char *line;

	if (connection->busy)
		return;
	line = evbuffer_readln(input, &length, EVBUFFER_EOL_LF);
	if (line) {
		take_request(connection, line, length);
		free(line);
	} else if (evbuffer_get_length(input) >= REQUEST_MAX) {
		connection_close(connection);
	}
}

// The answer is out.
static void on_written(struct bufferevent *stream, void *arg)
{
	struct admin_connection *connection = arg;

	if (connection->question)
		return;
	connection->busy = false;
	on_readable(stream, connection);
}

static void on_event(struct bufferevent *, short, void *arg)
{
	connection_close(arg); // end, error or time-out: nothing is left to say
}

static bool is_allowed(int fd)
{
	struct ucred peer;
	socklen_t length = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length))
		return false;
	return peer.uid == 0 || peer.uid == geteuid();
}

static struct admin_connection *connection_open(struct admin *admin, int fd)
{
	static const struct timeval idle = {.tv_sec = IDLE_TIMEOUT_S},
				    write = {.tv_sec = WRITE_TIMEOUT_S};
	struct admin_connection *connection = calloc(1, sizeof(*connection));

	if (!connection)
		return NULL;
	connection->admin = admin;
	connection->stream =
		bufferevent_socket_new(admin->settings.base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!connection->stream) {
		free(connection);
		return NULL;
	}
	bufferevent_setcb(connection->stream, on_readable, on_written, on_event, connection);
	bufferevent_setwatermark(connection->stream, EV_READ, 0, REQUEST_MAX);
	bufferevent_set_timeouts(connection->stream, &idle, &write);
	bufferevent_enable(connection->stream, EV_READ | EV_WRITE);
	LIST_INSERT_HEAD(&admin->connections, connection, in_admin);
	admin->n_connections++;
	return connection;
}

static void on_accept(
	struct evconnlistener *, evutil_socket_t fd, struct sockaddr *, int, void *arg)
{
	struct admin *admin = arg;

	if (!is_allowed(fd))
		log_warn(&log_admin, "refused", "why=uid");
	else if (admin->n_connections >= CONNECTIONS_MAX)
		log_warn(&log_admin, "refused", "why=connections");
	else if (connection_open(admin, fd))
		return;
	close(fd);
}

// A socket that nobody answers on is left over from a process that was killed.
static int remove_stale(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int rc = 0;

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0)
		rc = -EADDRINUSE;
	else if (errno == ECONNREFUSED)
		rc = unlink(address->sun_path) ? -errno : 0;
	close(fd);
	return rc;
}

static int listen_on(struct admin *admin)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	mode_t before;
	int rc;

	if (strlen(admin->settings.path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, admin->settings.path);
	rc = remove_stale(&address);
	if (rc)
		return rc;
	before = umask(0177);
	admin->listener = evconnlistener_new_bind(admin->settings.base, on_accept, admin,
		LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, CONNECTIONS_MAX,
		(struct sockaddr *)&address, sizeof(address));
	umask(before);
	return admin->listener ? 0 : -errno;
}

struct admin *admin_create(const struct admin_settings *settings, char *error, size_t error_size)
{
	struct admin *admin = calloc(1, sizeof(*admin));
	int rc = -ENOMEM;

	if (admin) {
		admin->settings = *settings;
		admin->started_ms = admin_now_ms();
		admin->started_s = (uint64_t)time(NULL);
		LIST_INIT(&admin->connections);
		rc = listen_on(admin);
	}
	if (rc) {
		snprintf(error, error_size, "cannot listen on %s: %s", settings->path,
			rc == -EADDRINUSE ? "another sluice-control does" : strerror(-rc));
		free(admin);
		errno = -rc;
		return NULL;
	}
	if (settings->http)
		admin->http = http_create(admin, error, error_size);
	if (settings->http && !admin->http) {
		rc = errno;
		admin_destroy(admin);
		errno = rc;
		return NULL;
	}
	return admin;
}

void admin_destroy(struct admin *admin)
{
	if (!admin)
		return;
	http_destroy(admin->http);
	while (!LIST_EMPTY(&admin->connections))
		connection_close(LIST_FIRST(&admin->connections));
	evconnlistener_free(admin->listener);
	unlink(admin->settings.path);
	free(admin);
}
