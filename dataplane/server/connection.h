// One client: what it asked for and what it has not read yet.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "sl_client.h"

struct packet;

struct connection {
	LIST_ENTRY(connection) next;
	int fd;
	unsigned int n_queued;
	STAILQ_HEAD(, packet) queue; // what the socket did not take
	uint32_t list_request;	     // a SL_SESSION_LIST or _MARKS_GET being answered, 0: none
	uint32_t list_cursor;
	unsigned int list_shard; // whose marks; 0: sessions
	bool greeted;		 // its hello was good
	bool events;
	bool punts;
	bool closing; // as soon as the queue is empty
	bool broken;  // now
	int pid;
	char name[sizeof(((struct sl_hello *)0)->name)];
};

// NULL with errno set. The connection owns `fd` from then on.
struct connection *connection_create(int fd);
void connection_destroy(struct connection *connection);

// Send, or queue behind what waits. Failure marks the connection as broken.
void connection_send(struct connection *connection, uint16_t type, uint32_t request_id, int status,
	bool more, const void *payload, size_t length, const void *tail, size_t tail_length);

// Send a message that may as well be lost: false where it was, since the client has not read much
// of what it was sent before. Responses and events always find room then.
bool connection_offer(
	struct connection *connection, uint16_t type, const void *payload, size_t length);

// The socket takes more again.
void connection_flush(struct connection *connection);

// Requests are read only while nothing waits to be sent.
static inline bool connection_may_read(const struct connection *connection)
{
	return connection->n_queued == 0 && !connection->list_request && !connection->closing &&
	       !connection->broken;
}
