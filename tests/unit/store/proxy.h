// A TCP relay between a store and Redis, on the test's own loop, that delays, swallows or lies.
#pragma once

#include <stdbool.h>
#include <sys/queue.h>

struct event_base;
struct evconnlistener;
struct piece;
struct relay;

struct proxy {
	struct event_base *base;
	struct evconnlistener *listener;
	LIST_HEAD(, relay) relays;
	char address[32];
	int server_port;
	bool blackhole;	       // what comes from either side is swallowed
	unsigned int delay_ms; // each way
	const char *says;      // instead of all that a server would
};

void proxy_open(struct proxy *proxy, struct event_base *base, int server_port);
void proxy_close(struct proxy *proxy);
