// c-ares names the sockets that it waits for, and for how long; here they become events.
#include "dns_client.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/queue.h>

#include <ares.h>
#include <event2/event.h>

enum { TIMEOUT_MS = 2000, TRIES = 2, CLASS_IN = 1 };

struct dns_socket {
	LIST_ENTRY(dns_socket) link;
	struct dns_client *client;
	struct event *event;
};

struct dns_client {
	struct event_base *base;
	ares_channel channel;
	bool is_open;
	struct event *timer;
	LIST_HEAD(, dns_socket) sockets;
};

struct question {
	enum dns_type type;
	dns_answer_fn *fn;
	void *arg;
};

static void timer_set(struct dns_client *client)
{
	struct timeval most = {.tv_sec = 1}, storage, *after;

	after = ares_timeout(client->channel, &most, &storage);
	if (LIST_EMPTY(&client->sockets))
		evtimer_del(client->timer);
	else
		evtimer_add(client->timer, after);
}

static void on_socket(evutil_socket_t fd, short events, void *arg)
{
	struct dns_socket *socket = arg;
	struct dns_client *client = socket->client; // the socket may go in what follows

	ares_process_fd(client->channel, events & EV_READ ? fd : ARES_SOCKET_BAD,
		events & EV_WRITE ? fd : ARES_SOCKET_BAD);
	timer_set(client);
}

static void on_timer(evutil_socket_t, short, void *arg)
{
	struct dns_client *client = arg;

	ares_process_fd(client->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	timer_set(client);
}

static void socket_close(struct dns_socket *socket)
{
	event_free(socket->event);
	LIST_REMOVE(socket, link);
	free(socket);
}

static void on_state(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct dns_client *client = arg;
	struct dns_socket *socket;
	short events = (short)(EV_PERSIST | (readable ? EV_READ : 0) | (writable ? EV_WRITE : 0));

	LIST_FOREACH (socket, &client->sockets, link)
		if (event_get_fd(socket->event) == fd)
			break;
	if (socket)
		socket_close(socket);
	if (!readable && !writable)
		return;
	socket = calloc(1, sizeof(*socket));
	if (!socket)
		return; // c-ares gives it up in time
	socket->client = client;
	socket->event = event_new(client->base, fd, events, on_socket, socket);
	if (!socket->event || event_add(socket->event, NULL)) {
		if (socket->event)
			event_free(socket->event);
		free(socket);
		return;
	}
	LIST_INSERT_HEAD(&client->sockets, socket, link);
}

static void on_answer(void *arg, int status, int, unsigned char *data, int size)
{
	static struct dns_answer answer;
	struct question *question = arg;
	int error = -EAGAIN;

	if (status == ARES_ECANCELLED || status == ARES_EDESTRUCTION)
		error = -ECANCELED;
	else if (data && size > 0)
		error = dns_answer_parse(data, (size_t)size, question->type, &answer);
	question->fn(question->arg, error, &answer);
	free(question);
}

void dns_client_ask(struct dns_client *client, const char *name, enum dns_type type,
	dns_answer_fn *fn, void *arg)
{
	struct question *question = malloc(sizeof(*question));

	if (!question) {
		fn(arg, -EAGAIN, NULL);
		return;
	}
	*question = (struct question){type, fn, arg};
	ares_query(client->channel, name, CLASS_IN, type, on_answer, question);
	timer_set(client);
}

struct dns_client *dns_client_create(struct event_base *base, const char *servers)
{
	struct dns_client *client = calloc(1, sizeof(*client));
	struct ares_options options = {.timeout = TIMEOUT_MS,
		.tries = TRIES,
		.sock_state_cb = on_state,
		.sock_state_cb_data = client};
	int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB, error;

	if (!client)
		return NULL;
	client->base = base;
	LIST_INIT(&client->sockets);
	client->timer = evtimer_new(base, on_timer, client);
	if (client->timer && !ares_library_init(ARES_LIB_INIT_ALL))
		client->is_open = !ares_init_options(&client->channel, &options, mask);
	if (client->is_open && (!servers || !ares_set_servers_ports_csv(client->channel, servers)))
		return client;
	error = client->is_open ? EINVAL : ENOMEM;
	dns_client_destroy(client);
	errno = error;
	return NULL;
}

void dns_client_destroy(struct dns_client *client)
{
	if (!client)
		return;
	if (client->is_open)
		ares_destroy(client->channel);
	while (!LIST_EMPTY(&client->sockets))
		socket_close(LIST_FIRST(&client->sockets));
	if (client->timer)
		event_free(client->timer);
	free(client);
}
