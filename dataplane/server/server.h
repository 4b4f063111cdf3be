// The API's server: a unix socket, its clients, requests to calls and back. Runs on the main lcore;
// never blocks. A client that stops reading first stops being read from, then, when events pile up,
// is cut off. Sessions do not notice clients come and go.
#pragma once

#include "session.h"
#include "shards.h"
#include "worker.h"

struct server;

struct server_config {
	const char *path;
	struct sessions *sessions;
	unsigned int sessions_max;
	struct worker_shared *workers;
	struct next_hops *hops; // NULL: nothing can be injected
	const struct transcoder *transcoders;
	unsigned int n_transcoders;
	struct shards *shards; // NULL: none are configured
};

// Listen. A socket that a killed process has left is replaced; a live one is an error. NULL with
// `error` saying what.
struct server *server_create(const struct server_config *config, char *error, size_t error_size);
void server_destroy(struct server *server); // unlinks the socket

// Watch this for reading (it is an epoll of our own) and call server_poll() then.
int server_fd(const struct server *server);
void server_poll(struct server *server);

// Pass on what workers have punted, to every client that asked for it. Call it every few
// milliseconds while server_takes_punts().
void server_punts(struct server *server);
bool server_takes_punts(const struct server *server);

// A session_event_fn: tell every client that asked for events.
void server_event(void *server, const struct sl_media_event *event);
void server_shard_event(void *server, const struct sl_shard_event *event);
