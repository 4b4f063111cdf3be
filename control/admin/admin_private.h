// What the files of this folder share: connections (admin.c), commands (admin_command.c) and how
// the dataplane's structures look in JSON (admin_json.c).
#pragma once

#include <event2/event.h>
#include <jansson.h>
#include <stdint.h>
#include <sys/queue.h>

#include "admin.h"
#include "sl_client.h"

struct evconnlistener;
struct http;
struct bufferevent;

// What the dataplane has been asked for a connection. It may outlive the connection: then its
// answer goes nowhere.
struct admin_question {
	struct admin_connection *connection; // NULL: gone
	json_t *result;			     // as far as known
	const char *prefix;		     // counters: only those that begin so
};

struct admin_connection {
	struct admin *admin;
	LIST_ENTRY(admin_connection) in_admin;
	struct bufferevent *stream;
	struct admin_question *question; // outstanding
	bool busy;			 // its answer is due or not sent out yet
};

struct admin {
	struct admin_settings settings;
	struct evconnlistener *listener;
	LIST_HEAD(, admin_connection) connections;
	unsigned int n_connections;
	struct http *http;   // NULL: none is wanted
	uint64_t started_ms; // on admin_now_ms()'s clock
	uint64_t started_s;  // in Unix time
};

// Answer the request under way. admin_answer() takes over `result`; NULL: out of memory.
void admin_answer(struct admin_connection *connection, json_t *result);
void admin_refuse(struct admin_connection *connection, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

// Carry out a request: answers it now or later.
void admin_execute(struct admin_connection *connection, const json_t *request);

uint64_t admin_now_ms(void);

// What `sluicectl status` shows. NULL: out of memory.
json_t *status_json(const struct admin *admin);
// counters.c: ours, name to value; and each one that a message of the dataplane has, if any.
json_t *own_counters(const struct admin_settings *settings);
typedef void counter_fn(void *arg, const char *name, uint64_t value);
void counters_read(const struct sl_message *message, counter_fn *each, void *arg);

// admin_trace.c
void show_trace(struct admin_connection *connection, const json_t *request);

// http.c. NULL with `error` filled and errno set.
struct http *http_create(struct admin *admin, char *error, size_t error_size);
void http_destroy(struct http *http);

json_t *codec_json(const struct sl_codec *codec);
json_t *session_json(const struct sl_session_report *report);
json_t *trunk_json(const struct trunk *trunk);

// admin_profile.c: what the stages cost, of counters as they come from the dataplane.
json_t *profile_json(const json_t *counters);
