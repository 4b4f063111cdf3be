// See proxy.h. Bytes of a direction wait in one queue: timers that end together end in any order.
#include "proxy.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct relay {
	LIST_ENTRY(relay) link;
	LIST_HEAD(, piece) pieces;
	struct proxy *proxy;
	struct bufferevent *client, *server;
	struct evbuffer *to_client, *to_server; // on their way
};

struct piece {
	LIST_ENTRY(piece) link;
	struct bufferevent *to;
	struct event *timer;
	struct evbuffer *queue;
	size_t length;
};

static void piece_free(struct piece *piece)
{
	LIST_REMOVE(piece, link);
	event_free(piece->timer);
	free(piece);
}

static void on_time(evutil_socket_t, short, void *arg)
{
	struct piece *piece = arg;

	evbuffer_remove_buffer(piece->queue, bufferevent_get_output(piece->to), piece->length);
	piece_free(piece);
}

static void relay_free(struct relay *relay)
{
	while (!LIST_EMPTY(&relay->pieces))
		piece_free(LIST_FIRST(&relay->pieces));
	LIST_REMOVE(relay, link);
	bufferevent_free(relay->client);
	bufferevent_free(relay->server);
	evbuffer_free(relay->to_client);
	evbuffer_free(relay->to_server);
	free(relay);
}

static void on_read(struct bufferevent *from, void *arg)
{
	struct relay *relay = arg;
	struct evbuffer *input = bufferevent_get_input(from);
	struct timeval delay = {.tv_usec = (suseconds_t)relay->proxy->delay_ms * 1000};
	struct piece *piece;

	if (relay->proxy->says && from == relay->client)
		bufferevent_write(from, relay->proxy->says, strlen(relay->proxy->says));
	if (relay->proxy->says || relay->proxy->blackhole) {
		evbuffer_drain(input, evbuffer_get_length(input));
		return;
	}
	piece = calloc(1, sizeof(*piece));
	assert_non_null(piece);
	piece->to = from == relay->client ? relay->server : relay->client;
	piece->queue = from == relay->client ? relay->to_server : relay->to_client;
	piece->length = evbuffer_get_length(input);
	evbuffer_add_buffer(piece->queue, input);
	piece->timer = event_new(relay->proxy->base, -1, 0, on_time, piece);
	LIST_INSERT_HEAD(&relay->pieces, piece, link);
	event_add(piece->timer, &delay);
}

static void on_event(struct bufferevent *, short what, void *arg)
{
	if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
		relay_free(arg);
}

static void on_accept(
	struct evconnlistener *, evutil_socket_t fd, struct sockaddr *, int, void *arg)
{
	struct proxy *proxy = arg;
	struct relay *relay = calloc(1, sizeof(*relay));
	struct sockaddr_in server = {.sin_family = AF_INET,
		.sin_port = htons((uint16_t)proxy->server_port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	assert_non_null(relay);
	relay->proxy = proxy;
	LIST_INIT(&relay->pieces);
	relay->to_client = evbuffer_new();
	relay->to_server = evbuffer_new();
	LIST_INSERT_HEAD(&proxy->relays, relay, link);
	relay->client = bufferevent_socket_new(proxy->base, fd, BEV_OPT_CLOSE_ON_FREE);
	relay->server = bufferevent_socket_new(proxy->base, -1, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(relay->client, on_read, NULL, on_event, relay);
	bufferevent_setcb(relay->server, on_read, NULL, on_event, relay);
	bufferevent_enable(relay->client, EV_READ | EV_WRITE);
	bufferevent_enable(relay->server, EV_READ | EV_WRITE);
	bufferevent_socket_connect(relay->server, (struct sockaddr *)&server, sizeof(server));
}

void proxy_open(struct proxy *proxy, struct event_base *base, int server_port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);

	*proxy = (struct proxy){.base = base, .server_port = server_port};
	proxy->listener = evconnlistener_new_bind(base, on_accept, proxy, LEV_OPT_CLOSE_ON_FREE, 16,
		(struct sockaddr *)&address, sizeof(address));
	assert_non_null(proxy->listener);
	getsockname(evconnlistener_get_fd(proxy->listener), (struct sockaddr *)&address, &length);
	snprintf(proxy->address, sizeof(proxy->address), "127.0.0.1:%d", ntohs(address.sin_port));
}

void proxy_close(struct proxy *proxy)
{
	while (!LIST_EMPTY(&proxy->relays))
		relay_free(LIST_FIRST(&proxy->relays));
	evconnlistener_free(proxy->listener);
}
