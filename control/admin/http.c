// HTTP for monitoring and load balancers, on libevent's server:
//
//   GET /metrics  counters and gauges for Prometheus (metrics.h)
//   GET /ready    200 while this node takes new calls, else 503 and why: for load balancers
//   GET /live     200 while the process runs its loop
//   GET /status   what `sluicectl status` shows, as JSON
//
// There is no authentication: it listens where the configuration says, and belongs on loopback or
// on a network of the operator's own. It tells numbers and names of trunks, and changes nothing.
#include <errno.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "address.h"
#include "admin_private.h"
#include "call.h"
#include "cluster_show.h"
#include "media.h"
#include "metrics.h"

#define TIMEOUT_S   10 // of an idle or slow connection
#define HEADERS_MAX 8192
#define SCRAPES_MAX 16 // waiting for the dataplane at the same time

struct http {
	struct admin *admin;
	struct evhttp *server;
	LIST_HEAD(, scrape) scrapes;
	unsigned int n_scrapes;
};

// A GET of /metrics while the dataplane's counters are on their way.
struct scrape {
	struct http *http; // NULL: it was closed
	LIST_ENTRY(scrape) in_http;
	struct evhttp_request *request; // NULL: its connection was closed
	struct metrics *metrics;
};

static void reply(
	struct evhttp_request *request, int status, const char *type, struct evbuffer *body)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(request);

	evhttp_add_header(headers, "Content-Type", type);
	evhttp_add_header(headers, "Cache-Control", "no-store");
	evhttp_send_reply(request, status, NULL, body);
}

static void reply_text(struct evhttp_request *request, int status, const char *text)
{
	struct evbuffer *body = evbuffer_new();

	if (body)
		evbuffer_add_printf(body, "%s\n", text);
	reply(request, status, "text/plain; charset=utf-8", body);
	if (body)
		evbuffer_free(body);
}

// ---- /metrics ----

// Its connection and its server are no longer of interest.
static void scrape_detach(struct scrape *scrape)
{
	if (scrape->request)
		evhttp_connection_set_closecb(
			evhttp_request_get_connection(scrape->request), NULL, NULL);
	scrape->request = NULL;
	if (scrape->http) {
		LIST_REMOVE(scrape, in_http);
		scrape->http->n_scrapes--;
	}
	scrape->http = NULL;
}

static void scrape_answer(struct scrape *scrape)
{
	struct evhttp_request *request = scrape->request;
	struct evbuffer *body = request ? evbuffer_new() : NULL;

	scrape_detach(scrape);
	if (body && !metrics_print(scrape->metrics, body))
		reply(request, HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", body);
	else if (request)
		reply_text(request, HTTP_INTERNAL, "out of memory");
	if (body)
		evbuffer_free(body);
	metrics_free(scrape->metrics);
	free(scrape);
}

static void add_counter(void *arg, const char *name, uint64_t value)
{
	metrics_add(arg, name, value);
}

static void on_counters(void *arg, const struct sl_message *message)
{
	struct scrape *scrape = arg;

	counters_read(message, add_counter, scrape->metrics);
	if (!message || !message->more)
		scrape_answer(scrape);
}

static void on_closed(struct evhttp_connection *, void *arg)
{
	struct scrape *scrape = arg;

	scrape->request = NULL;
}

static void add_trunks(struct metrics *metrics, const struct trunks *trunks)
{
	for (size_t i = 0; i < trunks->n; i++) {
		const struct trunk *trunk = &trunks->list[i];

		metrics_add_labelled(metrics, "trunk_calls_now", "trunk", trunk->name,
			trunk->state->load[TRUNK_BOTH].calls);
		metrics_add_labelled(metrics, "trunk_calls_started", "trunk", trunk->name,
			trunk->state->load[TRUNK_BOTH].started);
		metrics_add_labelled(metrics, "trunk_calls_refused", "trunk", trunk->name,
			trunk->state->load[TRUNK_BOTH].refused);
	}
}

static void add_own(struct metrics *metrics, const struct admin *admin)
{
	const struct admin_settings *settings = &admin->settings;
	json_t *counters = own_counters(settings), *value;
	struct media_status media;
	const char *name;

	media_status_get(calls_media(settings->calls), &media);
	metrics_add_labelled(metrics, "build_info_now", "version", SLUICE_VERSION, 1);
	metrics_add(metrics, "start_time_seconds_now", admin->started_s);
	metrics_add(metrics, "dataplane_up_now", media.up);
	json_object_foreach(counters, name, value)
		metrics_add(metrics, name, (uint64_t)json_integer_value(value));
	json_decref(counters);
	add_trunks(metrics, calls_trunks(settings->calls));
}

static void show_metrics(struct http *http, struct evhttp_request *request)
{
	struct scrape *scrape = NULL;

	if (http->n_scrapes < SCRAPES_MAX)
		scrape = calloc(1, sizeof(*scrape));
	if (scrape)
		scrape->metrics = metrics_create();
	if (!scrape || !scrape->metrics) {
		free(scrape);
		reply_text(request, HTTP_SERVUNAVAIL, "too many requests are waiting");
		return;
	}
	scrape->http = http;
	scrape->request = request;
	LIST_INSERT_HEAD(&http->scrapes, scrape, in_http);
	http->n_scrapes++;
	evhttp_connection_set_closecb(evhttp_request_get_connection(request), on_closed, scrape);
	add_own(scrape->metrics, http->admin);
	// Without the dataplane ours are worth having all the same.
	if (media_stats(calls_media(http->admin->settings.calls), on_counters, scrape))
		scrape_answer(scrape);
}

// ---- the others ----

static void show_ready(struct http *http, struct evhttp_request *request)
{
	const struct calls *calls = http->admin->settings.calls;
	const struct cluster *cluster = http->admin->settings.cluster;
	struct media_status media;

	media_status_get(calls_media(calls), &media);
	if (calls_are_stopping(calls))
		reply_text(request, HTTP_SERVUNAVAIL, "stopping");
	else if (calls_are_draining(calls))
		reply_text(request, HTTP_SERVUNAVAIL, "draining");
	else if (!media.up)
		reply_text(request, HTTP_SERVUNAVAIL, "no dataplane");
	else if (cluster && !cluster_is_serving(cluster))
		reply_text(request, HTTP_SERVUNAVAIL, "no shard");
	else if (calls_are_adopting(calls))
		reply_text(request, HTTP_SERVUNAVAIL, "taking a shard over");
	else
		reply_text(request, HTTP_OK, "ready");
}

static void show_live(struct http *, struct evhttp_request *request)
{
	reply_text(request, HTTP_OK, "live");
}

static void show_status(struct http *http, struct evhttp_request *request)
{
	struct evbuffer *body = evbuffer_new();
	json_t *status = status_json(http->admin);
	char *text = status ? json_dumps(status, JSON_COMPACT) : NULL;

	json_decref(status);
	if (body && text && !evbuffer_add_printf(body, "%s\n", text))
		reply_text(request, HTTP_INTERNAL, "out of memory");
	else if (body && text)
		reply(request, HTTP_OK, "application/json", body);
	else
		reply_text(request, HTTP_INTERNAL, "out of memory");
	free(text);
	if (body)
		evbuffer_free(body);
}

static const struct {
	const char *path;
	void (*show)(struct http *http, struct evhttp_request *request);
} pages[] = {
	{"/metrics", show_metrics},
	{"/ready", show_ready},
	{"/live", show_live},
	{"/status", show_status},
};

static void on_request(struct evhttp_request *request, void *arg)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
	const char *path = uri ? evhttp_uri_get_path(uri) : NULL;

	for (size_t i = 0; path && i < sizeof(pages) / sizeof(pages[0]); i++)
		if (!strcmp(pages[i].path, path)) {
			pages[i].show(arg, request);
			return;
		}
	reply_text(request, HTTP_NOTFOUND, "there are /metrics, /ready, /live and /status");
}

static bool http_listen(struct http *http)
{
	const struct sockaddr *address = http->admin->settings.http;
	struct evconnlistener *listener;

	listener = evconnlistener_new_bind(http->admin->settings.base, NULL, NULL,
		LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE, -1, address,
		address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
					       : sizeof(struct sockaddr_in));
	if (!listener)
		return false;
	if (evhttp_bind_listener(http->server, listener))
		return true;
	evconnlistener_free(listener);
	return false;
}

struct http *http_create(struct admin *admin, char *error, size_t error_size)
{
	struct http *http = calloc(1, sizeof(*http));
	char text[ADDRESS_TEXT_SIZE];

	errno = ENOMEM;
	if (http)
		http->server = evhttp_new(admin->settings.base);
	if (http && http->server) {
		http->admin = admin;
		LIST_INIT(&http->scrapes);
		evhttp_set_allowed_methods(http->server, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
		evhttp_set_max_headers_size(http->server, HEADERS_MAX);
		evhttp_set_max_body_size(http->server, 0);
		evhttp_set_timeout(http->server, TIMEOUT_S);
		evhttp_set_gencb(http->server, on_request, http);
		if (http_listen(http))
			return http;
	}
	snprintf(error, error_size, "cannot listen for HTTP on %s: %s",
		address_text(admin->settings.http, text, sizeof(text)), strerror(errno));
	if (http && http->server)
		evhttp_free(http->server);
	free(http);
	return NULL;
}

void http_destroy(struct http *http)
{
	struct scrape *scrape;

	if (!http)
		return;
	// Their answers are still to come from the dataplane, and go nowhere.
	while ((scrape = LIST_FIRST(&http->scrapes)))
		scrape_detach(scrape);
	evhttp_free(http->server);
	free(http);
}
